#include "engine/core/nak_scheduler.hpp"

#include <algorithm>

namespace fanfare::engine {

namespace {

// Longer than any stall or burst of losses of a path within its waits.
constexpr Nanos kLongPathShows = 200 * kMillisecond;
// Around the earth; a window of the lan profile lasts no longer.
constexpr Nanos kLongestPath = 250 * kMillisecond;

RoundTrip::Bounds bounds(const ReceiverParameters& p, Nanos initial) {
    return {initial, p.round_trip_floor_ns,
            std::max(p.round_trip_ceiling_ns, p.round_trip_floor_ns), p.adapt_to_round_trip};
}

}  // namespace

NakScheduler::NakScheduler(const ReceiverParameters& parameters, std::uint32_t slots)
    : parameters_(parameters),
      backoff_(parameters),
      slots_(slots),
      mask_(slots - 1),
      wheel_(slots) {
    // Retries are kept in an octet.
    parameters_.ncf_retries = std::min(parameters_.ncf_retries, 254u);
    parameters_.data_retries = std::min(parameters_.data_retries, 254u);
    clear(0);
}

void NakScheduler::clear(Nanos now) {
    std::fill(slots_.begin(), slots_.end(), Slot{});
    wheel_.clear(now);
    // NCFs come at once, so they tell the path; RDATA may stand in a long queue.
    RoundTrip::Bounds path = bounds(parameters_, parameters_.nak_repeat_ns);
    path.longest_path = kLongestPath;
    confirmation_ = RoundTrip(path);
    repair_ = RoundTrip(bounds(parameters_, parameters_.nak_rdata_ns));
    retried_since_ = kNever;
    pace_ = RepairPace{};
    waiting_ncf_ = waiting_data_ = 0;
    losses_ = repairs_ = suppressed_ = 0;
    backoff_.clear();
}

void NakScheduler::open(std::uint64_t ordinal, Nanos deadline) {
    at(ordinal) = Slot{};
    at(ordinal).state = State::back_off;
    at(ordinal).repairs_seen = static_cast<std::uint32_t>(repairs_);
    ++waiting_ncf_;
    arm(ordinal, deadline);
}

bool NakScheduler::close(std::uint64_t ordinal, Nanos now) {
    Slot& slot = at(ordinal);
    if (slot.state == State::idle) return false;
    wheel_.cancel(static_cast<std::uint32_t>(ordinal & mask_));
    if (slot.state == State::wait_data) {
        --waiting_data_;
        // After a retry the data may answer an earlier NCF than the one measured from (Karn): then
        // only a wait that does not make the estimate shorter is believed.
        const Nanos wait = now - slot.since;
        if (slot.data_waits == 0 || wait >= repair_.mean()) repair_.sample(wait);
        pace_.repaired();
    } else {
        --waiting_ncf_;
    }
    const bool lost = slot.counted;
    if (lost) {
        ++repairs_;
        if (!slot.repeated) backoff_.measured();
    }
    slot.state = State::idle;
    return lost;
}

void NakScheduler::cancel(std::uint64_t ordinal) {
    Slot& slot = at(ordinal);
    if (slot.state == State::idle) return;
    wheel_.cancel(static_cast<std::uint32_t>(ordinal & mask_));
    --(slot.state == State::wait_data ? waiting_data_ : waiting_ncf_);
    slot.state = State::idle;
}

void NakScheduler::measure(const Slot& slot, Nanos now) {
    if (slot.data_waits > 0) return;
    if (slot.ncf_retries == 0) {
        retried_since_ = kNever;
        return confirmation_.sample(now - slot.since);
    }
    // It may answer any of several NAKs (Karn). Where NAKs and NCFs are lost the wait since the
    // first one is that of timeouts: it would grow with what is measured, and leave no time for a
    // repair that is lost again before the window has passed. But a path longer than all waits
    // answers no first NAK in time: where none was for so long, it is measured from there.
    if (retried_since_ == kNever) retried_since_ = now;
    if (now - retried_since_ < kLongPathShows) return;
    const Nanos wait = now - slot.asked_at;
    confirmation_.sample(confirmation_.measured() ? std::min(wait, 2 * confirmation_.mean())
                                                  : wait);
}

void NakScheduler::confirmed(std::uint64_t ordinal, Nanos now) {
    Slot& slot = at(ordinal);
    slot.leaned = 0;
    switch (slot.state) {
        case State::idle:
            return;
        case State::wait_ncf:
            measure(slot, now);
            [[fallthrough]];
        case State::back_off:
            if (slot.state == State::back_off) ++suppressed_;
            --waiting_ncf_;
            ++waiting_data_;
            slot.state = State::wait_data;
            slot.since = now;
            count_loss(slot, now);
            break;
        case State::wait_data:
            repeated(slot, now);
            break;
    }
    arm(ordinal, now + repair_wait(slot.data_waits));
}

void NakScheduler::overheard(std::uint64_t ordinal, Nanos now) {
    Slot& slot = at(ordinal);
    const Nanos timeout = confirmation_.timeout(slot.ncf_retries);
    switch (slot.state) {
        case State::idle:
            return;
        case State::back_off:
            if (!lean(slot)) return;
            ++suppressed_;
            slot.state = State::wait_ncf;
            slot.since = now;
            count_loss(slot, now);
            arm(ordinal, now + timeout);
            break;
        case State::wait_ncf:
            // Again and again it would be no wait for an NCF any more.
            if (now - slot.since < timeout) arm(ordinal, now + timeout);
            break;
        case State::wait_data: {
            repeated(slot, now);
            const Nanos wait = repair_wait(slot.data_waits);
            if (now - slot.since < wait) arm(ordinal, now + wait);
            break;
        }
    }
}

NakScheduler::Due NakScheduler::run(Nanos now, std::uint64_t base, Random& random,
                                    std::uint32_t& budget, std::span<std::uint64_t> due) {
    Due result;
    Nanos backoff = -1;  // one draw a call: numbers that failed together are asked for together
    while (result.count < due.size()) {
        const std::uint32_t index = wheel_.pop_expired(now, budget);
        if (index == TimingWheel::kNone) break;
        const std::uint64_t ordinal = base + ((index - base) & mask_);
        Slot& slot = at(ordinal);
        switch (slot.state) {
            case State::idle:
                continue;
            case State::back_off: {
                slot.state = State::wait_ncf;
                slot.since = now;
                slot.leaned = 0;
                count_loss(slot, now);
                arm(ordinal, now + confirmation_.timeout(slot.ncf_retries));
                // RFC 6.3: oldest first. Timers expire nearly in order, so inserting from the end
                // is short.
                std::size_t place = result.count++;
                for (; place > 0 && due[place - 1] > ordinal; --place) due[place] = due[place - 1];
                due[place] = ordinal;
                continue;
            }
            case State::wait_ncf:
                if (++slot.ncf_retries > parameters_.ncf_retries) result.lost = ordinal;
                break;
            case State::wait_data:
                pace_.late(now, repair_wait(slot.data_waits));
                if (slot.data_waits < 0xFF) ++slot.data_waits;
                // While repairs of other numbers arrive, a slow source is working through what was
                // asked of it: only waits in which nothing came count as failed.
                if (slot.repairs_seen != static_cast<std::uint32_t>(repairs_)) {
                    slot.repairs_seen = static_cast<std::uint32_t>(repairs_);
                    slot.data_retries = 0;
                } else if (++slot.data_retries > parameters_.data_retries) {
                    result.lost = ordinal;
                }
                --waiting_data_;
                ++waiting_ncf_;
                break;
        }
        slot.state = State::back_off;
        if (backoff < 0) backoff = draw_backoff(random);
        arm(ordinal, now + backoff);
        if (result.lost != 0) return result;
    }
    result.more = wheel_.next_deadline() <= now;
    return result;
}

}  // namespace fanfare::engine
