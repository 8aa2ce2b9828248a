// TSIs whose session ended in good order: their source may still repair and say FIN for others, and
// must not open a second session here. Each is forgotten when it was silent for a while.
#pragma once

#include <array>
#include <cstdint>

#include "engine/types.hpp"

namespace fanfare::dataplane {

class FinishedSessions {
  public:
    // The longest a lan source is silent between SPMs is a second; thirty make it sure, and are
    // what a session itself takes for the end.
    static constexpr Nanos kForgetAfter = 30 * kSecond;

    void remember(const Tsi& tsi, Nanos now) {
        Entry* oldest = &entries_[0];
        for (Entry& entry : entries_) {
            if (entry.until > now && entry.key == tsi.key()) {
                oldest = &entry;
                break;
            }
            if (entry.until < oldest->until) oldest = &entry;
        }
        *oldest = {tsi.key(), now + kForgetAfter};
    }
    // Whether the TSI is remembered; hearing of it keeps it so.
    bool heard(const Tsi& tsi, Nanos now) {
        for (Entry& entry : entries_) {
            if (entry.until > now && entry.key == tsi.key()) {
                entry.until = now + kForgetAfter;
                return true;
            }
        }
        return false;
    }

  private:
    struct Entry {
        std::uint64_t key = 0;
        Nanos until = -kNever;
    };
    // A walk through 128 entries for each packet of an unknown TSI; more sessions than that ending
    // within half a minute lose the oldest, whose late packets would then need a spare for a
    // moment.
    std::array<Entry, 128> entries_{};
};

}  // namespace fanfare::dataplane
