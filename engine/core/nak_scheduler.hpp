// The repair state machine of RFC 3208 6.3, one state a missing number: BACK_OFF, WAIT_NCF,
// WAIT_DATA. All room is allocated at construction; a number's state stands in the slot of its
// ordinal.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/core/nak_backoff.hpp"
#include "engine/core/profile.hpp"
#include "engine/core/random.hpp"
#include "engine/core/repair_pace.hpp"
#include "engine/core/round_trip.hpp"
#include "engine/core/timing_wheel.hpp"
#include "engine/types.hpp"

namespace fanfare::engine {

class NakScheduler {
  public:
    // `slots`: how many numbers beyond the first missing one can be tracked; a power of two.
    NakScheduler(const ReceiverParameters& parameters, std::uint32_t slots);

    void clear(Nanos now);

    // A back-off drawn for all numbers that one burst showed missing: they leave in one list.
    Nanos draw_backoff(Random& random) const { return backoff_.draw(random, confirmation_.mean()); }
    NakBackoff& backoff() { return backoff_; }
    const NakBackoff& backoff() const { return backoff_; }
    // The number is missing: BACK_OFF until `deadline`. Requires that it has no state yet.
    void open(std::uint64_t ordinal, Nanos deadline);
    bool tracks(std::uint64_t ordinal) const { return at(ordinal).state != State::idle; }
    // Its data arrived. True when it had been asked for (by anybody), so that this is a repaired
    // loss.
    bool close(std::uint64_t ordinal, Nanos now);
    // It is no longer wanted; nothing is learnt from that.
    void cancel(std::uint64_t ordinal);
    // Part of what was asked for came: the wait for the rest begins anew.
    void repair_heard(std::uint64_t ordinal, Nanos now) {
        const Slot& slot = at(ordinal);
        if (slot.state == State::wait_data) arm(ordinal, now + repair_wait(slot.data_waits));
    }
    // An NCF, or another receiver's NAK, names it. No effect on a number without state. Anybody may
    // send a NAK to the group: what nobody confirms stands for ours a few times and no more.
    void confirmed(std::uint64_t ordinal, Nanos now);
    void overheard(std::uint64_t ordinal, Nanos now);

    struct Due {
        std::size_t count = 0;   // numbers to ask for at once
        std::uint64_t lost = 0;  // != 0: retries of this number are exhausted
        bool more = false;       // budget or room ran out before the timers did
    };
    // Runs timers: fills `due` with ordinals, ascending, that a NAK shall name now. `base` is the
    // first missing ordinal. `budget` bounds the work.
    Due run(Nanos now, std::uint64_t base, Random& random, std::uint32_t& budget,
            std::span<std::uint64_t> due);

    Nanos next_deadline() const { return wheel_.next_deadline(); }
    std::uint32_t active() const { return waiting_ncf_ + waiting_data_; }
    std::uint32_t limit() const { return pace_.limit(); }
    std::uint32_t pending() const { return waiting_ncf_; }       // no NCF yet
    std::uint32_t outstanding() const { return waiting_data_; }  // confirmed, no data yet
    std::uint64_t losses() const { return losses_; }             // numbers that had to be asked for
    std::uint64_t suppressed() const { return suppressed_; }     // NAKs that others' words spared
    const RoundTrip& confirmation() const { return confirmation_; }
    const RoundTrip& repair() const { return repair_; }

  private:
    enum class State : std::uint8_t { idle, back_off, wait_ncf, wait_data };
    struct Slot {
        Nanos since = 0;     // when the NAK went out (wait_ncf) or the NCF came (wait_data)
        Nanos asked_at = 0;  // the first NAK for it, ours or a neighbour's
        State state = State::idle;
        std::uint8_t ncf_retries = 0;
        std::uint8_t data_retries = 0;
        std::uint8_t data_waits = 0;     // expired waits for data: each next one is longer
        std::uint32_t repairs_seen = 0;  // low half of repairs_ when a wait last expired
        bool counted = false;            // as a loss
        bool repeated = false;           // confirmed again for somebody else
        std::uint8_t leaned = 0;  // others' NAKs that stood for ours, since our own or an NCF
    };

    Slot& at(std::uint64_t ordinal) { return slots_[ordinal & mask_]; }
    const Slot& at(std::uint64_t ordinal) const { return slots_[ordinal & mask_]; }
    void arm(std::uint64_t ordinal, Nanos deadline) {
        wheel_.set(static_cast<std::uint32_t>(ordinal & mask_), deadline);
    }
    // Wait for RDATA after an NCF. Before any was measured the NCFs tell how far away the source
    // is; four times that leaves it time to send what stands before the repair.
    Nanos repair_wait(std::uint32_t retry) const {
        const Nanos wait = repair_.timeout(retry);
        if (repair_.measured() || !repair_.adapts() || !confirmation_.measured()) return wait;
        return std::min(wait, 4 * confirmation_.timeout(retry));
    }
    // What the way to the source and back took, now that the NCF is here.
    void measure(const Slot& slot, Nanos now);
    void count_loss(Slot& slot, Nanos now) {
        if (slot.counted) return;
        ++losses_;
        slot.counted = true;
        slot.asked_at = now;
    }

    // A whole subnet hardly ever loses the NCFs of so many NAKs in a row; with fewer it would ask
    // with all its voices where one was enough.
    static constexpr std::uint8_t kLeanedMost = 4;
    static bool lean(Slot& slot) {
        if (slot.leaned == kLeanedMost) return false;
        ++slot.leaned;
        return true;
    }

    // Heard again while the repair is on its way: more than one asked.
    void repeated(Slot& slot, Nanos now) {
        if (slot.data_waits > 0 || slot.repeated) return;
        slot.repeated = true;
        backoff_.duplicate(now);
    }

    ReceiverParameters parameters_;
    NakBackoff backoff_;
    std::vector<Slot> slots_;
    std::uint64_t mask_;
    TimingWheel wheel_;
    RoundTrip confirmation_;
    Nanos retried_since_ = kNever;  // when NCFs began to come behind retries alone
    RoundTrip repair_;
    RepairPace pace_;
    std::uint32_t waiting_ncf_ = 0;
    std::uint32_t waiting_data_ = 0;
    std::uint64_t losses_ = 0;
    std::uint64_t suppressed_ = 0;
    std::uint64_t repairs_ = 0;  // numbers that were asked for and came
};

}  // namespace fanfare::engine
