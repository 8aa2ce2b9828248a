// How long a receiver waits before a NAK (RFC 3208 6.3, 15.2): a truncated exponential over
// NAK_BO_IVL. The interval is what the source (or the network element above) advertises; under one
// that advertises nothing it is doubled and halved here, by the repeated confirmations that are
// heard.
//
// The least interval is about the time in which one receiver's NAK silences the others; the source
// tells both. Over an interval of w such times the draw is w steep: the expected number of those
// who draw grows by e in each of them, so that about that many have spoken when the first one's
// words arrive, whatever their number; and e^(w - 1) receivers are what the interval is wide enough
// for.
#pragma once

#include <algorithm>
#include <cmath>

#include "engine/core/profile.hpp"
#include "engine/core/random.hpp"
#include "engine/core/truncated_exponential.hpp"
#include "engine/types.hpp"

namespace fanfare::engine {

// Of an interval `widening` times the least one.
inline double backoff_steepness(double widening) {
    constexpr double kMost = 30;  // beyond e^29 receivers the curve changes nothing
    return std::clamp(widening, 1.0, kMost);
}

class NakBackoff {
  public:
    explicit NakBackoff(const ReceiverParameters& parameters)
        : offset_(parameters.nak_backoff_min_ns),
          initial_(std::max<Nanos>(parameters.nak_backoff_max_ns - offset_, 0)),
          ceiling_(std::max(parameters.nak_backoff_ceiling_ns, initial_)) {
        clear();
    }
    void clear() {
        interval_ = least_ = initial_;
        most_ = ceiling_;
        advertised_ = ranged_ = false;
        measured_ = 0;
        quiet_until_ = 0;
    }

    // `round_trip`: of a NAK and its NCF, as measured; negative when not. On a path longer than the
    // least interval the interval is wide because of the path, not of the crowd.
    Nanos draw(Random& random, Nanos round_trip = -1) const {
        const Nanos narrow = std::max({least_, round_trip, kMicrosecond});
        const double widening = static_cast<double>(interval_) / static_cast<double>(narrow);
        return offset_ + truncated_exponential(interval_, backoff_steepness(widening), random);
    }

    // OPT_NAK_BO_RNG of an SPM: the limits of every interval from now on. One that makes no sense
    // is not taken.
    void range(std::uint32_t min_us, std::uint32_t max_us) {
        if (min_us > max_us) return;
        ranged_ = true;
        least_ = std::min(min_us * kMicrosecond, kLongest);
        most_ = std::min(max_us * kMicrosecond, kLongest);
        interval_ = std::clamp(interval_, least_, most_);
    }
    // OPT_NAK_BO_IVL that may be used.
    void advertise(std::uint32_t interval_us) {
        advertised_ = true;
        interval_ = interval_us * kMicrosecond;
        interval_ = ranged_ ? std::clamp(interval_, least_, most_) : std::min(interval_, kLongest);
    }
    // OPT_NAK_BO_IVL that is for those who were polled, and we were not (15.4.1): its value must
    // not be used. How many others there are is not known, so the widest interval is the safe one.
    void advertise_to_others() {
        if (!advertised_) interval_ = std::max(interval_, most_);
    }

    // Without an advertisement: somebody asked again for what had been confirmed already.
    void duplicate(Nanos now) {
        measured_ = 0;
        if (advertised_ || now < quiet_until_) return;
        interval_ =
            std::min(std::max<Nanos>(2 * interval_, interval_ > 0 ? 0 : kMicrosecond), most_);
        quiet_until_ = now + interval_;
    }
    // A loss came to its end.
    void measured() {
        if (advertised_ || ++measured_ < kProbes) return;
        measured_ = 0;
        interval_ = std::max(interval_ / 2, least_);
    }

    Nanos interval() const { return interval_; }
    Nanos least() const { return least_; }
    Nanos most() const { return most_; }

  private:
    // A back-off beyond this would outlive any window in use.
    static constexpr Nanos kLongest = 10 * kSecond;
    static constexpr std::uint32_t kProbes = 8;  // NAK_PROBE_NUM: clean losses until it is halved

    Nanos offset_, initial_, ceiling_;
    Nanos interval_ = 0, least_ = 0, most_ = 0;
    bool advertised_ = false, ranged_ = false;
    std::uint32_t measured_ = 0;
    Nanos quiet_until_ = 0;  // duplicates until then were drawn from the interval before
};

}  // namespace fanfare::engine
