// NAKs of one receiver leave some back-offs apart: where losses come thick, a NAK and its NCF for
// each of them would cost the source as much as their repairs. What comes to be due meanwhile
// stands in the next NAK's list (RFC 3208 9.3). Knows no numbers and no timers.
#pragma once

#include <algorithm>

#include "engine/core/profile.hpp"
#include "engine/types.hpp"

namespace fanfare::engine {

class NakSpacing {
  public:
    // Nothing is spaced where a NAK names one number alone.
    explicit NakSpacing(const ReceiverParameters& p)
        : interval_(p.nak_lists ? std::min(kBackoffs * p.nak_backoff_max_ns, kLongest) : 0) {}
    void clear() { until_ = 0; }
    // A NAK, or all that were due at once, left.
    void sent(Nanos now) { until_ = now + interval_; }
    // The next may not leave before this.
    Nanos until() const { return until_; }

  private:
    // At 300,000 packets/s with every tenth lost, 50 us of back-off are one or two numbers a NAK,
    // and four times that some ten; then NAKs and NCFs are a hundredth of what is sent.
    static constexpr Nanos kBackoffs = 4;
    // Short for a repair.
    static constexpr Nanos kLongest = 250 * kMicrosecond;

    Nanos interval_;
    Nanos until_ = 0;
};

}  // namespace fanfare::engine
