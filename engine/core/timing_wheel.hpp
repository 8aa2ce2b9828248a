// Timers for numbered slots: a hierarchical timing wheel whose links live in one preallocated
// array, one timer a slot. Setting and clearing cost O(1); expiry hands out one slot a call, so
// that a caller bounds its own work however many timers fall due at once (Varghese and Lauck,
// scheme 6; the same shape as the kernel's timers).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/types.hpp"

namespace fanfare::engine {

class TimingWheel {
  public:
    static constexpr std::uint32_t kNone = 0xFFFFFFFF;

    // Allocates for slots 0 .. slots-1.
    explicit TimingWheel(std::uint32_t slots);

    // Forgets all timers; time counts from `now`. Costs O(slots).
    void clear(Nanos now);
    // (Re)arms the slot's timer. It never fires before `deadline` and at most one tick after it.
    void set(std::uint32_t slot, Nanos deadline);
    void cancel(std::uint32_t slot);
    bool armed(std::uint32_t slot) const { return nodes_[slot].bucket != kIdle; }
    std::uint32_t count() const { return count_; }

    // One slot whose deadline has passed, disarmed; kNone when no more is due or `budget` steps are
    // used up (then next_deadline() <= now). `budget` falls by one a step: a slot moved to a finer
    // ring is a step too. Timers of one tick fire in the order in which they were set.
    std::uint32_t pop_expired(Nanos now, std::uint32_t& budget);
    // A time not after the earliest deadline's tick; kNever when nothing is armed. Waking then may
    // only move slots to a finer ring.
    Nanos next_deadline() const;

    // 2^13 ns = 8.192 us: fine beside the 50 us floor of the lan profile.
    static constexpr unsigned kTickShift = 13;

  private:
    static constexpr unsigned kRingBits = 6;
    // Nine rings of 6 bits cover every tick of a 63-bit time: no deadline is too far, no turn-over
    // to handle.
    static constexpr unsigned kRings = 9;
    static constexpr std::uint16_t kIdle = 0xFFFF;

    struct Node {
        std::uint64_t tick;
        std::uint32_t next;
        std::uint32_t previous;  // kNone: head of its bucket
        std::uint16_t bucket;    // ring * 64 + place
    };

    void link(std::uint32_t slot);
    void unlink(std::uint32_t slot);
    // The bucket to look at next and the tick at which it begins; false when empty.
    bool earliest(std::uint16_t& bucket, std::uint64_t& tick) const;

    std::vector<Node> nodes_;
    std::array<std::uint32_t, kRings << kRingBits> heads_;
    std::array<std::uint32_t, kRings << kRingBits> tails_;  // valid where heads_ is not kNone
    std::array<std::uint64_t, kRings> occupied_{};
    std::uint32_t rings_ = 0;    // bit r: occupied_[r] != 0
    std::uint64_t elapsed_ = 0;  // tick up to which buckets have been handed out
    bool none_due_ = false;      // nothing armed is due at elapsed_: a tick is many turns long
    std::uint32_t count_ = 0;
};

}  // namespace fanfare::engine
