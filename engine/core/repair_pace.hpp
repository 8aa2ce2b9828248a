// How many numbers may be asked for at one time. A late joiner or a long outage can leave tens of
// thousands missing; asked for all at once they would run out of retries while the source works
// through them. The limit grows with every repair that arrives and halves when one is late, like a
// congestion window.
#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/types.hpp"

namespace fanfare::engine {

class RepairPace {
  public:
    std::uint32_t limit() const { return limit_; }
    void repaired() {
        if (limit_ < kMost) ++limit_;
    }
    // A repair was not there in time. Repairs asked for together are late together: one halving an
    // interval.
    void late(Nanos now, Nanos interval) {
        if (now < quiet_until_) return;
        quiet_until_ = now + interval;
        limit_ = std::max(limit_ / 2, kLeast);
    }

  private:
    static constexpr std::uint32_t kLeast = 63;    // one full NAK list
    static constexpr std::uint32_t kStart = 1024;  // 1.4 MB of repairs: 12 ms at 1 Gbit/s
    static constexpr std::uint32_t kMost = 16384;
    std::uint32_t limit_ = kStart;
    Nanos quiet_until_ = 0;
};

}  // namespace fanfare::engine
