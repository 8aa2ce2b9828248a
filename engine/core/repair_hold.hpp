// How soon one number may be repaired again (RFC 3208 5.2, 5.3). A NAK that arrives less than a
// round trip after the RDATA left before that arrived, and needs nothing more: this is what makes a
// loss that many share cost one repair. The first RDATA is not delayed: it is multicast, so waiting
// for more NAKs would save nothing and cost everybody time.
//
// A source can't measure round trips, but it hears them: a receiver that asks for the first time,
// and for what has just been repaired, has not heard the NCF yet.
#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/types.hpp"

namespace fanfare::engine {

// How long the RDATA of a number that was repaired `repairs` times already keeps the next one away,
// at least `least`. Nobody needs a number so often but for a path that loses most of it: from then
// on it gets ever rarer, so that no requester, forged or not, makes one number a stream.
inline Nanos repair_gap(Nanos least, std::uint32_t repairs) {
    constexpr std::uint32_t kFreely = 16;
    constexpr std::uint32_t kSteps = 8;  // up to 256 ms, the lan profile's window
    if (repairs <= kFreely) return least;
    return std::max(least, kMillisecond << std::min(repairs - kFreely, kSteps));
}

class RepairHold {
  public:
    // `floor`: the least. `ceiling`: no path is longer; not above `floor` means that it never
    // changes. `begin`: what holds before anything was heard, within the two.
    RepairHold(Nanos floor, Nanos ceiling, Nanos begin = 0)
        : floor_(floor),
          ceiling_(std::max(floor, ceiling)),
          hold_(std::clamp(begin, floor_, ceiling_)) {}

    Nanos hold() const { return hold_; }
    // Until the next NCF for one number. Half a round trip: each NCF silences those whose NAK has
    // not left, so it must not wait as long as the RDATA.
    Nanos confirm_gap() const { return std::max(floor_, hold_ / 2); }
    // Until the next RDATA of a number that was repaired `repairs` times already.
    // Who asked for the last one and asks `again` waited for it before: its NAK can have crossed
    // nothing but its own NCF.
    Nanos repair_gap(std::uint32_t repairs, bool again = false) const {
        return engine::repair_gap(again ? std::max(floor_, hold_ / 4) : hold_, repairs);
    }

    // Another receiver's first NAK for a number came `age` after its RDATA.
    void crossed(Nanos age) {
        if (age < 0 || age >= ceiling_) return;
        // At most doubled by one: a NAK whose sender lost the RDATA looks the same, only later.
        const Nanos wanted = std::min(age + age / 2, 2 * hold_);
        hold_ = std::clamp(wanted, hold_, ceiling_);
    }
    // Somebody whose NAK was left unanswered asked again: it had not crossed the RDATA.
    void in_vain() { hold_ -= (hold_ - floor_) / 4; }
    // A number was asked for that nobody had asked for: what was learnt fades.
    void fresh() { hold_ -= (hold_ - floor_) / 32; }

  private:
    Nanos floor_, ceiling_, hold_;
};

}  // namespace fanfare::engine
