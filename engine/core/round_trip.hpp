// How long the session's answers take: smoothed mean and deviation of measured waits, and the
// timeout that follows from them (Jacobson's estimator, gains 1/8 and 1/4). One object for NAK ->
// NCF, one for NCF -> RDATA.
#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/types.hpp"

namespace fanfare::engine {

class RoundTrip {
  public:
    struct Bounds {
        Nanos initial;  // timeout before the first sample
        Nanos floor;
        Nanos ceiling;
        bool adapt;              // false: always `initial`
        Nanos longest_path = 0;  // above `ceiling`: waits that are as long again and again may
                                 // bring the timeout up to here
    };

    RoundTrip() = default;
    explicit RoundTrip(const Bounds& bounds) : bounds_(bounds) {}

    void sample(Nanos wait) {
        // A wait beyond the ceiling is a stall more often than a path: taken whole it would slow
        // repairs for long. Only one after the other makes the estimate longer than that.
        wait = std::clamp<Nanos>(wait, 0, most());
        if (mean_ < 0) {
            mean_ = wait;
            deviation_ = wait / 2;
            return;
        }
        const Nanos error = wait - mean_;
        mean_ += error / 8;
        deviation_ += ((error < 0 ? -error : error) - deviation_) / 4;
    }

    // Wait for attempt number `retry` (0 = first). Later attempts wait twice as long each, up to
    // the ceiling: a lost answer is asked for again within microseconds, a stalled source is not
    // drummed on.
    Nanos timeout(std::uint32_t retry) const {
        if (!bounds_.adapt) return bounds_.initial;
        Nanos base = mean_ < 0 ? bounds_.initial : mean_ + 4 * deviation_;
        base = std::clamp(base, bounds_.floor, most());
        const std::uint32_t doublings = std::min<std::uint32_t>(retry, 20);
        return base > (most() >> doublings) ? most() : base << doublings;
    }
    Nanos mean() const { return mean_; }  // -1 before the first sample
    bool measured() const { return mean_ >= 0; }
    bool adapts() const { return bounds_.adapt; }

  private:
    Nanos most() const {
        return std::max(bounds_.ceiling, std::min(2 * mean_, bounds_.longest_path));
    }

    Bounds bounds_{};
    Nanos mean_ = -1;
    Nanos deviation_ = 0;
};

}  // namespace fanfare::engine
