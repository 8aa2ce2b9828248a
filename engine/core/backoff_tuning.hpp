// The back-off interval that a source tells its receivers (RFC 3208 15.2.1). It is the product of
// two things that duplicates show. Spread: how long after the first NAK for a number others' NAKs
// still come, which is the time that the first one's NCF needs to silence them; it follows the
// path. Width: how many spreads the interval has; it follows the logarithm of the crowd
// (nak_backoff.hpp).
//
// The width grows by half when a number is asked for by more than kTolerated receivers, and is
// halved in NAK_PROBE_NUM losses. The RFC recommends to double at the first duplicate and to halve
// when none came so many times: that settles where a duplicate is rare, and a thousand receivers
// wait four times as long for a repair as where two or three may ask.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "engine/core/profile.hpp"
#include "engine/types.hpp"

namespace fanfare::engine {

class BackoffTuning {
  public:
    // Receivers beside the first that may ask for one number.
    static constexpr std::uint32_t kTolerated = 2;

    explicit BackoffTuning(const SourceParameters& parameters)
        : min_(parameters.nak_backoff_min_ns),
          max_(parameters.nak_backoff_max_ns),
          spread_(min_),
          width_(min_ > 0 ? std::clamp(static_cast<double>(parameters.nak_backoff_ns) /
                                           static_cast<double>(min_),
                                       1.0, kWidest)
                          : 1.0) {}

    // A session may leave it to its receivers; then nothing is advertised.
    bool advertises() const { return max_ > 0; }
    // What packets say; 0: nothing.
    Nanos advertised() const { return advertises() ? interval() : 0; }
    Nanos interval() const {
        const double wide = width_ * static_cast<double>(spread_);
        return std::clamp(static_cast<Nanos>(wide), min_, std::max(min_, max_));
    }
    // Least and most of the range that SPMs tell.
    Nanos min() const { return spread_; }
    Nanos max() const { return max_; }
    // Whether the least one differs from `told` by so much that it has to be told anew.
    bool moved(Nanos told) const { return spread_ > told + told / 4 || spread_ < told - told / 4; }

    // A NAK brought at least one number that nobody was asking for. A list counts once: its numbers
    // shared one back-off.
    void asked() {
        width_ = std::max(width_ * kNarrower, 1.0);
        spread_ = std::max(spread_ - spread_ / 16, min_);
    }
    // Another receiver's NAK for a number that is being repaired came `age` after what should have
    // silenced it.
    void late(Nanos age) {
        // At most doubled by one: a NAK whose sender lost the RDATA looks the same, only later.
        const Nanos wanted = std::min(age + age / 4, 2 * spread_);
        spread_ = std::min(std::max(wanted, spread_), std::max(min_, max_));
    }
    // More than kTolerated asked for a number. Those that follow within an interval were drawn
    // before anybody could know the new one.
    void crowded(Nanos now) {
        if (now < quiet_until_) return;
        width_ = std::min(1.5 * width_, kWidest);
        quiet_until_ = now + interval();
    }
    // A poll counted this many receivers (15.2.3): after a time without losses the interval may be
    // too narrow for them. It is only ever widened by this.
    void population(std::uint64_t receivers) {
        if (receivers == 0) return;
        width_ = std::clamp(std::log(static_cast<double>(receivers)) + 1, width_, kWidest);
    }

  private:
    static constexpr double kWidest = 16;          // three million receivers
    static constexpr double kNarrower = 0.917004;  // the eighth root of 1/2: NAK_PROBE_NUM is 8
    Nanos min_, max_, spread_;
    double width_;
    Nanos quiet_until_ = 0;
};

}  // namespace fanfare::engine
