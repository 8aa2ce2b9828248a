#include "engine/core/timing_wheel.hpp"

#include <bit>

namespace fanfare::engine {

TimingWheel::TimingWheel(std::uint32_t slots) : nodes_(slots) {
    clear(0);
}

void TimingWheel::clear(Nanos now) {
    for (Node& node : nodes_) node.bucket = kIdle;
    heads_.fill(kNone);
    occupied_.fill(0);
    rings_ = 0;
    elapsed_ = static_cast<std::uint64_t>(now < 0 ? 0 : now) >> kTickShift;
    count_ = 0;
    none_due_ = false;
}

void TimingWheel::set(std::uint32_t slot, Nanos deadline) {
    if (armed(slot)) {
        unlink(slot);
    } else {
        ++count_;
    }
    // Rounded up, so that a timer never fires early.
    const auto at = static_cast<std::uint64_t>(deadline < 0 ? 0 : deadline);
    nodes_[slot].tick = (at + ((std::uint64_t{1} << kTickShift) - 1)) >> kTickShift;
    if (nodes_[slot].tick <= elapsed_) none_due_ = false;
    link(slot);
}

void TimingWheel::cancel(std::uint32_t slot) {
    if (!armed(slot)) return;
    unlink(slot);
    --count_;
}

void TimingWheel::link(std::uint32_t slot) {
    Node& node = nodes_[slot];
    const std::uint64_t tick = node.tick < elapsed_ ? elapsed_ : node.tick;
    // A ring's bucket is chosen by the highest digit in which the deadline differs from now:
    // everything in a finer ring therefore falls due before the next bucket of a coarser one.
    const std::uint64_t differing = elapsed_ ^ tick;
    const unsigned ring = differing == 0 ? 0 : (std::bit_width(differing) - 1) / kRingBits;
    const unsigned place = (tick >> (ring * kRingBits)) & 63;
    node.bucket = static_cast<std::uint16_t>((ring << kRingBits) | place);
    node.next = kNone;
    node.previous = heads_[node.bucket] == kNone ? kNone : tails_[node.bucket];
    if (node.previous == kNone) {
        heads_[node.bucket] = slot;
    } else {
        nodes_[node.previous].next = slot;
    }
    tails_[node.bucket] = slot;
    occupied_[ring] |= std::uint64_t{1} << place;
    rings_ |= 1u << ring;
}

void TimingWheel::unlink(std::uint32_t slot) {
    Node& node = nodes_[slot];
    if (node.next != kNone) {
        nodes_[node.next].previous = node.previous;
    } else {
        tails_[node.bucket] = node.previous;
    }
    if (node.previous != kNone) {
        nodes_[node.previous].next = node.next;
    } else {
        heads_[node.bucket] = node.next;
        if (node.next == kNone) {
            const unsigned ring = node.bucket >> kRingBits;
            occupied_[ring] &= ~(std::uint64_t{1} << (node.bucket & 63));
            if (occupied_[ring] == 0) rings_ &= ~(1u << ring);
        }
    }
    node.bucket = kIdle;
}

bool TimingWheel::earliest(std::uint16_t& bucket, std::uint64_t& tick) const {
    bool found = false;
    // Coarse rings first on equal ticks: their slots may belong before those already moved to finer
    // rings.
    for (std::uint32_t rings = rings_; rings != 0;) {
        const auto ring = static_cast<unsigned>(std::bit_width(rings) - 1);
        rings &= ~(1u << ring);
        const unsigned shift = ring * kRingBits;
        const auto here = static_cast<unsigned>((elapsed_ >> shift) & 63);
        const std::uint64_t rotated = std::rotr(occupied_[ring], static_cast<int>(here));
        const auto ahead = static_cast<std::uint64_t>(std::countr_zero(rotated));
        const std::uint64_t begins = ahead == 0 ? elapsed_ : ((elapsed_ >> shift) + ahead) << shift;
        if (!found || begins < tick) {
            found = true;
            tick = begins;
            bucket = static_cast<std::uint16_t>((ring << kRingBits) | ((here + ahead) & 63));
        }
    }
    return found;
}

std::uint32_t TimingWheel::pop_expired(Nanos now, std::uint32_t& budget) {
    const std::uint64_t limit = static_cast<std::uint64_t>(now < 0 ? 0 : now) >> kTickShift;
    if (none_due_ && limit <= elapsed_) return kNone;
    none_due_ = false;
    while (budget > 0) {
        std::uint16_t bucket = 0;
        std::uint64_t tick = 0;
        if (!earliest(bucket, tick) || tick > limit) {
            // No bucket begins in between, so nobody's place changes; timers set from here start
            // fine.
            if (limit > elapsed_) elapsed_ = limit;
            none_due_ = limit == elapsed_;
            break;
        }
        if (tick > elapsed_) elapsed_ = tick;
        --budget;
        const std::uint32_t slot = heads_[bucket];
        unlink(slot);
        if (nodes_[slot].tick <= limit) {
            --count_;
            return slot;
        }
        link(slot);
    }
    return kNone;
}

Nanos TimingWheel::next_deadline() const {
    std::uint16_t bucket = 0;
    std::uint64_t tick = 0;
    if (!earliest(bucket, tick)) return kNever;
    return static_cast<Nanos>(tick << kTickShift);
}

}  // namespace fanfare::engine
