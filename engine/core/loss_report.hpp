// The loss rate that a receiver reports where a source asks for it (RFC 3208 12.4, 12.5): of the
// numbers of late, how many had to be repaired. 0xFFFF is all of them.
#pragma once

#include <algorithm>
#include <cstdint>

namespace fanfare::engine {

class LossReport {
  public:
    // `losses` and `numbers` only grow: losses seen and numbers the session had so far.
    std::uint16_t rate(std::uint64_t losses, std::uint64_t numbers) {
        const std::uint64_t more = numbers - numbers_;
        // Before as many numbers a rate says little; until then the last one holds.
        if (more >= kSpan || !measured_) {
            const std::uint64_t lost = std::min(losses - losses_, more);
            const std::uint64_t now = more == 0 ? 0 : lost * 0xFFFF / more;
            rate_ = measured_ ? (rate_ + now) / 2 : now;
            measured_ = more > 0;
            losses_ = losses;
            numbers_ = numbers;
        }
        return static_cast<std::uint16_t>(rate_);
    }

  private:
    static constexpr std::uint64_t kSpan = 1024;
    std::uint64_t losses_ = 0, numbers_ = 0, rate_ = 0;
    bool measured_ = false;
};

}  // namespace fanfare::engine
