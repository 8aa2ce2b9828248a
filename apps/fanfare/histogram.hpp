// Durations by size: 64 steps to every doubling, so that a percentile is right within 1.6 %, from
// one nanosecond to about a day, in a fixed 24 KiB.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace fanfare::tool {

class Histogram {
  public:
    void add(std::int64_t ns) {
        const std::uint64_t value = ns < 0 ? 0 : static_cast<std::uint64_t>(ns);
        const std::size_t slot = slot_of(value);
        ++counts_[slot < kSlots ? slot : kSlots - 1];
        ++total_;
        if (value > max_) max_ = value;
    }

    std::uint64_t count() const { return total_; }
    std::uint64_t max() const { return max_; }
    // The smallest value that at least `share` (0..1) of those above `above` do not exceed; 0 when
    // there are none.
    std::uint64_t percentile(double share, std::uint64_t above = 0) const;
    // How many are larger than `value`, as percentile() counts them.
    std::uint64_t count_above(std::uint64_t value) const;

  private:
    static constexpr unsigned kStepBits = 6;
    static constexpr std::size_t kSteps = std::size_t{1} << kStepBits;
    static constexpr std::size_t kSlots = 48 * kSteps;

    // Below 64 a slot a value; above, the leading one and the six bits behind it.
    static constexpr std::size_t slot_of(std::uint64_t value) {
        if (value < kSteps) return static_cast<std::size_t>(value);
        const auto shift = static_cast<unsigned>(std::bit_width(value)) - 1 - kStepBits;
        return (std::size_t{shift} + 1) * kSteps +
               (static_cast<std::size_t>(value >> shift) & (kSteps - 1));
    }
    static constexpr std::uint64_t highest_of(std::size_t slot) {
        if (slot < kSteps) return slot;
        const auto shift = slot / kSteps - 1;
        return ((kSteps + slot % kSteps + 1) << shift) - 1;
    }

    std::array<std::uint64_t, kSlots> counts_{};
    std::uint64_t total_ = 0, max_ = 0;
};

}  // namespace fanfare::tool
