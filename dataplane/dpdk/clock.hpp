// Time for the poll loop: one TSC read a turn, turned into nanoseconds of CLOCK_MONOTONIC by one
// multiplication.
#pragma once

#include <cstdint>

#include "engine/types.hpp"

namespace fanfare::dataplane::dpdk {

// A line through two readings of (TSC, CLOCK_MONOTONIC). The product is 128 bits wide, so nothing
// overflows or is rounded before the one shift: with a base, 64 bits of ticks would wrap the
// product within minutes.
class TickScale {
  public:
    TickScale() = default;
    TickScale(std::uint64_t base_ticks, Nanos base_ns, double ticks_per_second)
        : base_ticks_(base_ticks),
          base_ns_(base_ns),
          multiplier_(
              static_cast<std::uint64_t>(1e9 / ticks_per_second * static_cast<double>(kOne))) {}

    // Never decreasing in `ticks`. Ticks from before the base (another core's counter a little
    // behind) count as the base.
    Nanos nanos(std::uint64_t ticks) const {
        const std::uint64_t since = ticks > base_ticks_ ? ticks - base_ticks_ : 0;
        return base_ns_ + static_cast<Nanos>((static_cast<Product>(since) * multiplier_) >> kShift);
    }

  private:
    __extension__ using Product = unsigned __int128;
    // 48 fraction bits: an error below 4e-15 a tick, a year of ticks at 5 GHz below 2^128 by far.
    static constexpr unsigned kShift = 48;
    static constexpr std::uint64_t kOne = std::uint64_t{1} << kShift;
    std::uint64_t base_ticks_ = 0;
    Nanos base_ns_ = 0;
    std::uint64_t multiplier_ = kOne;
};

std::uint64_t read_ticks();
// True where the counter runs at one rate, in every power state, on all cores alike.
bool ticks_are_steady();

// Measures the counter against CLOCK_MONOTONIC between construction and scale(). The EAL's own
// figure is rounded to 10 MHz, which would put rates and timers off by up to 0.2 %.
class TickMeter {
  public:
    TickMeter();
    // Waits until 50 ms have passed since construction: at 50 ns for a reading that is 2 parts in a
    // million.
    TickScale scale() const;

  private:
    std::uint64_t ticks_;
    Nanos ns_;
};

// What a worker reads once a turn: ticks where they are steady, else the kernel's clock (in the
// vDSO).
class Clock {
  public:
    Clock() = default;
    explicit Clock(const TickScale& scale) : scale_(scale), steady_(ticks_are_steady()) {}
    Nanos now() const;

  private:
    TickScale scale_;
    bool steady_ = false;
};

}  // namespace fanfare::dataplane::dpdk
