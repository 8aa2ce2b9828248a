// The back-off interval that a source tells its receivers (RFC 3208 15.2.1): doubled when a second
// receiver asks for the same number, halved when some repairs in a row were asked for by one alone.
#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/core/profile.hpp"
#include "engine/types.hpp"

namespace fanfare::engine {

class BackoffTuning {
  public:
    explicit BackoffTuning(const SourceParameters& parameters)
        : min_(parameters.nak_backoff_min_ns),
          max_(parameters.nak_backoff_max_ns),
          interval_(std::clamp(parameters.nak_backoff_ns, min_, std::max(min_, max_))) {}

    // A session may leave it to its receivers; then nothing is advertised.
    bool advertises() const { return max_ > 0; }
    // What packets say; 0: nothing.
    Nanos advertised() const { return advertises() ? interval_ : 0; }
    Nanos interval() const { return interval_; }
    Nanos min() const { return min_; }
    Nanos max() const { return max_; }

    // A NAK brought at least one number that nobody was asking for. A list counts once: its numbers
    // shared one back-off.
    void asked() {
        if (++clean_ < kProbes) return;
        clean_ = 0;
        interval_ = std::max(interval_ / 2, min_);
    }
    // A NAK of another receiver for a number that is being repaired, the first for that number.
    // Those that follow within an interval were drawn before anybody could know the new one.
    void duplicate(Nanos now) {
        clean_ = 0;
        if (now < quiet_until_) return;
        interval_ = std::min(2 * interval_, max_);
        quiet_until_ = now + interval_;
    }
    // A poll counted this many receivers (15.2.3): after a time without losses the interval may be
    // too narrow for them. It is only ever widened by this. The cube: see backoff_steepness.
    void population(std::uint64_t receivers) {
        Nanos enough = min_;
        for (std::uint64_t reached = 1; reached < receivers && enough < max_; reached *= 8) {
            enough *= 2;
        }
        interval_ = std::max(interval_, std::min(enough, max_));
    }

  private:
    static constexpr std::uint32_t kProbes = 8;  // NAK_PROBE_NUM
    Nanos min_, max_, interval_;
    std::uint32_t clean_ = 0;
    Nanos quiet_until_ = 0;
};

}  // namespace fanfare::engine
