// A host's clock beside the true time of the simulation: it stands off and it drifts. Everything in
// the engine that takes a time takes this one's.
#pragma once

#include "engine/types.hpp"

namespace fanfare::sim {

struct Clock {
    static constexpr Nanos kMillion = 1'000'000;

    Nanos offset_ns = 0;
    std::int32_t drift_ppm = 0;  // parts per million fast (positive) or slow, above -1,000,000

    // What the clock shows at a true time >= 0.
    Nanos at(Nanos true_time) const { return offset_ns + scaled(true_time, rate(), kMillion); }

    // The earliest true time at which it shows `shown` or more; kNever stays kNever.
    Nanos true_time(Nanos shown) const {
        if (shown == kNever) return kNever;
        if (shown <= offset_ns) return 0;
        Nanos time = scaled(shown - offset_ns, kMillion, rate());
        while (at(time) < shown) ++time;
        return time;
    }

  private:
    Nanos rate() const { return kMillion + drift_ppm; }
    // value * by / over, without a product that could overflow.
    static Nanos scaled(Nanos value, Nanos by, Nanos over) {
        return value / over * by + value % over * by / over;
    }
};

}  // namespace fanfare::sim
