// The receive window: payload in a log in order of arrival, one index entry a sequence number
// (DESIGN section 4, RFC 3208 3.4). A packet's octets are written to the log's head, where nobody
// may read yet; commit() makes the entry; next() moves over what has become contiguous. Readers see
// entries below next() only.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/core/receiver.hpp"
#include "engine/core/window_layout.hpp"
#include "engine/prefetch.hpp"
#include "engine/types.hpp"

namespace fanfare::engine {

// What OPT_FRAGMENT said of an entry that is not contiguous yet.
struct FragmentNote {
    Sqn first_sqn;
    std::uint32_t offset;
};

// On whole cache lines, of which a packet in order needs the first two.
class alignas(64) ReceiveWindow {
  public:
    explicit ReceiveWindow(const ReceiveMemory& memory);

    // Forgets the session; the memory's entries are cleared when they were used.
    void clear();
    // First number of the session: window empty, next() == ordinal of `first`.
    void start(Sqn first);

    bool started() const { return start_ != 0; }
    std::uint64_t start_ordinal() const { return start_; }
    std::uint64_t next() const { return next_; }
    // Highest ordinal known to have been sent; next() - 1 when all of it is contiguous.
    std::uint64_t lead() const { return lead_; }
    // Data held beyond the first missing number.
    std::uint64_t buffered() const { return buffered_; }
    // Ordinals from here on are out of reach: their slots may still be read by others.
    std::uint64_t reach() const { return reach_; }
    std::uint64_t half() const { return half_; }
    std::uint64_t head() const { return head_; }

    // For packets with `payload_bytes` together, and `decoded` octets more: of those what a lap's
    // end wastes is a part.
    Reservation reserve(std::size_t payload_bytes, std::uint64_t decoded = 0);
    // Fetches what reserve() and append() look at, and where the next entry and its payload go.
    void prefetch() const {
        prefetch_to_write(this);
        prefetch_to_write(&next_);
    }
    void prefetch_room(std::size_t payload_bytes) const {
        prefetch_to_write(&index_[next_ & index_mask_]);
        const std::byte* const room = &log_[head_ & log_mask_];
        // To the last octet of a short packet: a store that waits for its line holds up all behind
        // it. Further lines of a long one come by themselves, as they are written in order.
        const std::size_t bytes = std::min<std::size_t>(payload_bytes, 256);
        prefetch_to_write(room);
        prefetch_to_write(room + 64);
        for (std::size_t at = 128; at < bytes; at += 64) prefetch_to_write(room + at);
        prefetch_to_write(room + bytes);
    }
    // Fetches where a next run like the one just appended will go.
    void prefetch_next(std::size_t payload_bytes) const {
        const std::byte* const room = &log_[head_ & log_mask_];
        const std::size_t bytes = std::min<std::size_t>(payload_bytes, 1024);
        for (std::size_t at = 64; at < bytes + 64; at += 64) prefetch_to_write(room + at);
        prefetch_to_write(&index_[(next_ + 4) & index_mask_]);
    }

    // The ordinal nearest to next() that has these low 32 bits. Requires started().
    std::uint64_t ordinal_of(Sqn sqn) const {
        return next_ + static_cast<std::uint64_t>(
                           static_cast<std::int64_t>(sqn_distance(static_cast<Sqn>(next_), sqn)));
    }
    // True when the entry of this ordinal, start <= ordinal < reach(), is here.
    bool held(std::uint64_t ordinal) const {
        if (ordinal < next_) return true;
        const IndexEntry& entry = index_[ordinal & index_mask_];
        return entry.sqn == static_cast<Sqn>(ordinal) &&
               (entry.flags & (kEntryData | kEntryVoid)) != 0;
    }

    const IndexEntry& entry(std::uint64_t ordinal) const { return index_[ordinal & index_mask_]; }
    // What OPT_FRAGMENT said of an entry that is here, of one before next() as long as
    // note_kept().
    const FragmentNote& note(std::uint64_t ordinal) const {
        return fragments_[ordinal & fragment_mask_];
    }
    bool note_kept(std::uint64_t ordinal) const { return lead_ < ordinal + half_; }
    // The payload of an entry that is here; nullptr when it is overwritten, or will be before the
    // log's head stands at `head`.
    const std::byte* payload(const IndexEntry& entry, std::uint64_t head) const {
        const std::uint64_t behind = static_cast<std::uint32_t>(head_) - entry.place;
        if (behind > head_ || head - (head_ - behind) > log_.size()) return nullptr;
        return log_.data() + (entry.place & log_mask_);
    }
    // Numbers that a short parity group leaves without a packet: entries without data, which hold
    // no room.
    void leave_out(std::uint64_t ordinal) {
        extend(ordinal);
        index_[ordinal & index_mask_] = {
            static_cast<Sqn>(ordinal), static_cast<std::uint32_t>(head_), 0, kEntryVoid, kLeftOut};
    }
    bool left_out(std::uint64_t ordinal) const {
        const IndexEntry& e = entry(ordinal);
        return (e.flags & kEntryVoid) != 0 && e.apdu_length == kLeftOut && e.length == 0;
    }

    // Whether `length` octets of this ordinal (next <= ordinal < reach, not held) have room without
    // touching data that is not contiguous yet; `position` is where they go. Room for the numbers
    // still missing before the highest one held is kept free, so that repairs can always be placed.
    bool room_for(std::uint64_t ordinal, std::uint32_t length, std::uint64_t& position) const;
    std::byte* at(std::uint64_t position) { return log_.data() + (position & log_mask_); }

    // The octets at `position` (from room_for) are the ordinal's data.
    void commit(std::uint64_t ordinal, std::uint64_t position, std::uint32_t length,
                std::uint16_t flags, std::uint32_t apdu_length, const FragmentNote* fragment);
    // Nothing is missing and nothing held: what comes next in order can be read at once. Then, with
    // next() < reach():
    bool whole() const { return buffered_ == 0 && lead_ + 1 == next_; }
    // room_for of next();
    bool room_to_append(std::uint32_t length, std::uint64_t& position) const {
        const std::uint64_t left = log_.size() - (head_ & log_mask_);
        position = length <= left ? head_ : head_ + left;
        return position + length <= log_reach_ && length <= log_.size();
    }
    // and commit and advance in one, of a whole message or a container; `flags` as readers see
    // them.
    void append(std::uint64_t position, std::uint32_t length, std::uint16_t flags) {
        index_[next_ & index_mask_] = {static_cast<Sqn>(next_),
                                       static_cast<std::uint32_t>(position),
                                       static_cast<std::uint16_t>(length), flags, length};
        lead_ = next_++;
        longest_ = std::max(longest_, length);
        head_ = position + length;
    }
    // Numbers up to `ordinal` (< reach) are known to exist.
    void extend(std::uint64_t ordinal);

    // Moves next() over all that is contiguous. `judge(entry, is_fragment, note, ordinal)` is asked
    // for each entry in order, may change its flags, and stops the move by returning false (then
    // advance() returns false and next() stands at that entry).
    template <typename Judge>
    bool advance(Judge&& judge) {
        while (next_ <= lead_ && held(next_)) {
            IndexEntry& entry = index_[next_ & index_mask_];
            const bool fragment = (entry.flags & kFragment) != 0;
            entry.flags &= static_cast<std::uint16_t>(~kFragment);
            const bool data = !left_out(next_);
            if (!judge(entry, fragment, fragments_[next_ & fragment_mask_], next_)) return false;
            ++next_;
            buffered_ -= data ? 1 : 0;
        }
        if (buffered_ == 0) gaps_first_ = gaps_last_;
        return true;
    }

  private:
    static constexpr std::uint16_t kFragment = 0x8000;     // private to entries beyond next()
    static constexpr std::uint32_t kLeftOut = 0xFFFFFFFF;  // no payload of length 0 has this length

    // A run of numbers became known while the log's head stood at `floor`: data of later numbers
    // lies above it.
    struct Gap {
        std::uint64_t ordinal;
        std::uint64_t floor;
    };
    // Enough for one gap in each of a thousand bursts; beyond it the earlier, lower floor stands
    // for the later ones, which only refuses a little more.
    static constexpr std::size_t kGaps = 1024;

    void open_gap(std::uint64_t ordinal);
    // No data that is not contiguous lies below this log position. Requires buffered_ > 0.
    std::uint64_t floor() const;

    // What reserve() and append() look at.
    std::span<IndexEntry> index_;
    std::span<std::byte> log_;
    std::uint64_t index_mask_, log_mask_, half_;
    std::uint64_t start_ = 0, next_ = 0, lead_ = 0, reach_ = 0;
    std::uint64_t head_ = 0, log_reach_ = 0, ordinal_reserved_ = 0;
    std::uint64_t buffered_ = 0;
    std::uint32_t longest_ = 0;  // longest payload so far: what a missing number may need
    bool used_ = false;

    std::uint64_t highest_held_ = 0, base_ = 0;
    std::uint64_t fragment_mask_;
    // Octets that may stand between the first missing number and the head. When it arrives at last,
    // all of them become readable at once, and whoever reads them is overtaken when the head comes
    // round: the fourth quarter (33 ms at 1 Gbit/s in 16 MiB) is the start that readers get.
    std::uint64_t held_most_;
    std::vector<FragmentNote> fragments_;
    mutable std::uint64_t gaps_first_ = 0;
    std::uint64_t gaps_last_ = 0;
    std::array<Gap, kGaps> gaps_;
};

}  // namespace fanfare::engine
