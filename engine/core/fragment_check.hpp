// Judges fragments in sequence order (RFC 3208 9.2): each must continue the message before it
// exactly. Marks where messages begin and end, and steps over the rest of a message whose beginning
// a joiner never had.
#pragma once

#include <cstdint>

#include "engine/core/receive_window.hpp"
#include "engine/core/window_layout.hpp"
#include "engine/types.hpp"

namespace fanfare::engine {

class FragmentCheck {
  public:
    void clear() { *this = FragmentCheck{}; }

    // False when the entry contradicts what came before it.
    bool accept(IndexEntry& entry, bool is_fragment, const FragmentNote& note) {
        if (entry.flags & kEntryVoid) return true;
        // A fragment that is all of its message counts as unfragmented (interop.md 5.4).
        if (!is_fragment || (entry.apdu_length == entry.length && note.offset == 0)) {
            if (open_) return false;
            begun_ = true;
            entry.flags |= kEntryMessageBegin | kEntryMessageEnd;
            return true;
        }
        if (note.offset == 0) {
            if (open_ || note.first_sqn != entry.sqn || entry.length > entry.apdu_length)
                return false;
            begun_ = open_ = true;
            first_sqn_ = entry.sqn;
            apdu_length_ = entry.apdu_length;
            received_ = entry.length;
            entry.flags |= kEntryMessageBegin;
            return true;
        }
        if (!open_) {
            if (begun_) return false;
            entry.flags =
                kEntryVoid;  // joined inside a message: the first whole one is yet to come
            return true;
        }
        if (note.first_sqn != first_sqn_ || entry.apdu_length != apdu_length_ ||
            note.offset != received_ || entry.length > apdu_length_ - received_) {
            return false;
        }
        received_ += entry.length;
        if (received_ == apdu_length_) {
            entry.flags |= kEntryMessageEnd;
            open_ = false;
        }
        return true;
    }

    // Inside a message whose rest is to come.
    bool open() const { return open_; }
    // accept() of an entry that is no fragment, while not open().
    void accept_whole() { begun_ = true; }

  private:
    bool begun_ = false;  // a message has begun in this session
    bool open_ = false;
    Sqn first_sqn_ = 0;
    std::uint32_t apdu_length_ = 0;
    std::uint32_t received_ = 0;
};

}  // namespace fanfare::engine
