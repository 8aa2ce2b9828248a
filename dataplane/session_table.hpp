// Sessions by TSI: open addressing with linear probing in a table that never grows and never holds
// more than half its slots, so that a lookup is one or two cache lines. Removal shifts back: there
// are no tombstones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/types.hpp"

namespace fanfare::dataplane {

// Session is held by pointer and owned elsewhere.
template <typename Session>
class SessionTable {
  public:
    explicit SessionTable(std::size_t sessions_max) : limit_(sessions_max) {
        std::size_t slots = 4;
        while (slots < 2 * sessions_max) slots *= 2;
        slots_.resize(slots);
        mask_ = slots - 1;
    }

    Session* find(const Tsi& tsi) const { return find(tsi.key()); }
    // By Tsi::key().
    Session* find(std::uint64_t key) const {
        // Packets of one session come in runs.
        if (last_ != nullptr && last_key_ == key) return last_;
        for (std::size_t i = home(key);; i = (i + 1) & mask_) {
            if (slots_[i].session == nullptr) return nullptr;
            if (slots_[i].key != key) continue;
            last_key_ = key;
            last_ = slots_[i].session;
            return last_;
        }
    }

    // False when the table is full or has that TSI already.
    bool insert(const Tsi& tsi, Session* session) {
        if (count_ == limit_) return false;
        const std::uint64_t key = tsi.key();
        std::size_t i = home(key);
        for (; slots_[i].session != nullptr; i = (i + 1) & mask_) {
            if (slots_[i].key == key) return false;
        }
        slots_[i] = {key, session};
        ++count_;
        return true;
    }

    void erase(const Tsi& tsi) {
        const std::uint64_t key = tsi.key();
        std::size_t i = home(key);
        for (;; i = (i + 1) & mask_) {
            if (slots_[i].session == nullptr) return;
            if (slots_[i].key == key) break;
        }
        --count_;
        last_ = nullptr;
        // Entries behind the hole that a probe would no longer reach move into it.
        for (std::size_t k = (i + 1) & mask_; slots_[k].session != nullptr; k = (k + 1) & mask_) {
            if (((k - home(slots_[k].key)) & mask_) < ((k - i) & mask_)) continue;
            slots_[i] = slots_[k];
            i = k;
        }
        slots_[i] = Slot{};
    }

    std::size_t size() const { return count_; }

  private:
    struct Slot {
        std::uint64_t key = 0;
        Session* session = nullptr;
    };
    std::size_t home(std::uint64_t key) const { return Tsi::hash(key) & mask_; }

    std::vector<Slot> slots_;
    std::size_t mask_ = 0;
    std::size_t limit_;
    std::size_t count_ = 0;
    // The session found last.
    mutable std::uint64_t last_key_ = 0;
    mutable Session* last_ = nullptr;
};

}  // namespace fanfare::dataplane
