// Rates for statistics (wsrm.md 2.3, 2.4): octets over the last full second, and over all the
// session's time.
#pragma once

#include <cstdint>

#include "engine/types.hpp"

namespace fanfare::engine {

class RateMeter {
  public:
    void start(Nanos now) {
        *this = RateMeter{};
        begin_ = period_ = now;
    }
    // Called with the octets of one packet or of one burst.
    void add(std::uint64_t octets, Nanos now) {
        roll(now);
        total_ += octets;
        in_period_ += octets;
    }
    void roll(Nanos now) {
        if (now - period_ < kPeriod) return;
        const Nanos whole = (now - period_) / kPeriod;
        // With more than one period gone the last full one was silent.
        last_ = whole == 1 ? in_period_ : 0;
        in_period_ = 0;
        period_ += whole * kPeriod;
    }
    std::uint64_t kbits_last() const { return last_ * 8 / 1000; }
    std::uint64_t kbits_overall(Nanos now) const {
        const Nanos ms = (now - begin_) / kMillisecond;  // octets * 8 / ms = kbit/s
        return ms <= 0 ? 0 : total_ * 8 / static_cast<std::uint64_t>(ms);
    }

  private:
    static constexpr Nanos kPeriod = kSecond;
    Nanos begin_ = 0, period_ = 0;
    std::uint64_t total_ = 0, in_period_ = 0, last_ = 0;
};

}  // namespace fanfare::engine
