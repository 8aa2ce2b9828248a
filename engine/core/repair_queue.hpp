// Sequence numbers of the send window that wait for something (an NCF, an RDATA): a bitmap over
// window slots with a summary above it. A number asked for twice waits once, memory is fixed, and
// the oldest comes out first: it is the one that the trail will pass soonest, so oldest first is
// earliest deadline first.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

namespace fanfare::engine {

class RepairQueue {
  public:
    // `capacity`: entries of the window, a power of two.
    explicit RepairQueue(std::uint32_t capacity)
        : mask_(capacity - 1), words_((capacity + 63) / 64), summary_((words_.size() + 63) / 64) {}

    bool empty() const { return count_ == 0; }
    std::uint32_t count() const { return count_; }

    bool contains(std::uint64_t ordinal) const {
        const std::uint32_t slot = static_cast<std::uint32_t>(ordinal) & mask_;
        return (words_[slot >> 6] >> (slot & 63)) & 1;
    }
    // False when it waits already.
    bool insert(std::uint64_t ordinal) {
        const std::uint32_t slot = static_cast<std::uint32_t>(ordinal) & mask_;
        const std::uint64_t bit = std::uint64_t{1} << (slot & 63);
        if (words_[slot >> 6] & bit) return false;
        words_[slot >> 6] |= bit;
        summary_[slot >> 12] |= std::uint64_t{1} << ((slot >> 6) & 63);
        ++count_;
        return true;
    }
    void erase(std::uint64_t ordinal) {
        const std::uint32_t slot = static_cast<std::uint32_t>(ordinal) & mask_;
        const std::uint64_t bit = std::uint64_t{1} << (slot & 63);
        if (!(words_[slot >> 6] & bit)) return;
        words_[slot >> 6] &= ~bit;
        if (words_[slot >> 6] == 0)
            summary_[slot >> 12] &= ~(std::uint64_t{1} << ((slot >> 6) & 63));
        --count_;
    }
    // The oldest waiting ordinal at or after `from`, where all that wait lie within one turn of the
    // ring from `from` on. Requires !empty().
    std::uint64_t oldest(std::uint64_t from) const {
        const std::uint32_t start = static_cast<std::uint32_t>(from) & mask_;
        std::uint32_t slot = first_from(start);
        if (slot == kNone) slot = first_from(0);
        return from + ((slot - start) & mask_);
    }

  private:
    static constexpr std::uint32_t kNone = 0xFFFFFFFF;

    std::uint32_t first_from(std::uint32_t slot) const {
        const std::uint64_t here = words_[slot >> 6] & (~std::uint64_t{0} << (slot & 63));
        if (here) return (slot & ~63u) + static_cast<std::uint32_t>(std::countr_zero(here));
        const std::uint32_t word = (slot >> 6) + 1;
        for (std::uint32_t s = word >> 6; s < summary_.size(); ++s) {
            std::uint64_t bits = summary_[s];
            if (s == word >> 6) bits &= ~std::uint64_t{0} << (word & 63);
            if (bits == 0) continue;
            const std::uint32_t found =
                (s << 6) + static_cast<std::uint32_t>(std::countr_zero(bits));
            return (found << 6) + static_cast<std::uint32_t>(std::countr_zero(words_[found]));
        }
        return kNone;
    }

    std::uint32_t mask_;
    std::uint32_t count_ = 0;
    std::vector<std::uint64_t> words_;
    std::vector<std::uint64_t> summary_;
};

}  // namespace fanfare::engine
