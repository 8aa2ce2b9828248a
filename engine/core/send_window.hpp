// The transmit window: what was sent, by sequence number, until the trail passes it (RFC 3208 3.3).
// Payload stays in the sender's log; an entry only says where, and keeps the partial sum of the
// octets as first sent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/core/source.hpp"
#include "engine/types.hpp"

namespace fanfare::engine {

struct SendEntry {
    const std::byte* data;
    std::uint64_t release_position;
    Nanos sent_at;
    Nanos ncf_at;       // last NCF, kLongAgo before any
    Nanos rdata_at;     // last RDATA, kLongAgo before any
    std::uint32_t sum;  // partial sum of the payload as first sent
    Sqn message_first;  // sqn of the message's first fragment
    std::uint32_t message_offset;
    std::uint32_t message_length;
    std::uint16_t length;
    bool fragment;
    bool packed;
    std::uint8_t group_size = 0;  // actual size of the parity group whose last packet this is, when
                                  // less than k; else 0
    std::uint8_t requester = 0;   // mark of the address that asked for its repair
    std::uint8_t repairs = 0;     // RDATA of it so far, kRepairs at most; above, in two bits, how
                                  // many others asked as well, three at most; and kHeld
    bool unused = false;  // no packet: a short parity group left the number out; `message_offset`
                          // numbers after the group's last packet

    static constexpr std::uint8_t kRepairs = 0x1F;
    static constexpr std::uint8_t kAnother = 0x20, kOthers = 0x60;
    static constexpr std::uint8_t kHeld = 0x80;  // `requester` was left unanswered: RDATA had gone
};
static_assert(sizeof(SendEntry) == 64);  // one cache line

class SendWindow {
  public:
    static constexpr Nanos kLongAgo =
        -kNever / 2;  // far enough back that no merge interval reaches it

    // `capacity` entries, a power of two. The window starts empty, its first number is `first_sqn`.
    SendWindow(std::uint32_t capacity, Sqn first_sqn)
        : entries_(capacity),
          mask_(capacity - 1),
          first_((std::uint64_t{1} << 32) | first_sqn),
          trail_(first_),
          next_(first_) {}

    // Ordinals: see window_layout.hpp. The window is [trail, next); empty when they are equal.
    std::uint64_t first() const { return first_; }
    std::uint64_t trail() const { return trail_; }
    std::uint64_t next() const { return next_; }
    bool empty() const { return trail_ == next_; }
    std::uint64_t size() const { return next_ - trail_; }
    bool full() const { return size() > mask_; }
    std::uint64_t capacity() const { return std::uint64_t{mask_} + 1; }
    std::uint64_t bytes() const { return bytes_; }
    std::uint64_t released_position() const { return released_; }
    // Octets of the caller's log between what was let go of and the newest entry's end.
    std::uint64_t log_bytes() const { return newest_release_ - released_; }

    bool contains(std::uint64_t ordinal) const { return ordinal >= trail_ && ordinal < next_; }
    // The ordinal nearest to the trail that has these low 32 bits.
    std::uint64_t ordinal_of(Sqn sqn) const {
        return trail_ + static_cast<std::uint64_t>(
                            static_cast<std::int64_t>(sqn_distance(static_cast<Sqn>(trail_), sqn)));
    }
    std::uint32_t slot(std::uint64_t ordinal) const {
        return static_cast<std::uint32_t>(ordinal) & mask_;
    }
    SendEntry& at(std::uint64_t ordinal) { return entries_[slot(ordinal)]; }
    const SendEntry& at(std::uint64_t ordinal) const { return entries_[slot(ordinal)]; }

    // The entry that next() will have; it counts after commit(). Requires !full().
    SendEntry& open() { return entries_[slot(next_)]; }
    void commit() {
        const SendEntry& entry = entries_[slot(next_)];
        bytes_ += entry.length;
        newest_release_ = entry.release_position;
        ++next_;
    }

    // First ordinal at or after `from` that was sent later than `time`; next() when none. O(log
    // size).
    std::uint64_t first_sent_after(Nanos time, std::uint64_t from) const {
        std::uint64_t low = from < trail_ ? trail_ : from;
        std::uint64_t high = next_;
        while (low < high) {
            const std::uint64_t middle = low + (high - low) / 2;
            if (at(middle).sent_at > time) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        return low;
    }

    // Lets go of the oldest entry. Requires !empty().
    void drop_oldest() {
        const SendEntry& entry = entries_[slot(trail_)];
        bytes_ -= entry.length;
        released_ = entry.release_position;
        ++trail_;
    }

  private:
    std::vector<SendEntry> entries_;
    std::uint32_t mask_;
    std::uint64_t first_, trail_, next_;
    std::uint64_t bytes_ = 0;
    std::uint64_t released_ = 0, newest_release_ = 0;
};

}  // namespace fanfare::engine
