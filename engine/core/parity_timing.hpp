// When the parity of a group had its time to arrive (RFC 3208 11.5): before that nobody asks for
// what it may bring. A source sends a group's pro-active parity behind the group's last packet and
// before anything of the next group, so whatever came later tells; at a pause an SPM does. How many
// parity packets a group has is nowhere said, so they themselves don't.
#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/types.hpp"

namespace fanfare::engine {

class ParityTiming {
  public:
    void start(std::uint32_t k, bool proactive) {
        *this = ParityTiming{};
        mask_ = k - 1;
        proactive_ = proactive;
    }
    void announce(bool proactive) { proactive_ = proactive; }

    // Everything before this ordinal may be asked for; `lead` is the highest number known.
    std::uint64_t settled(std::uint64_t lead) const { return std::max(lead & ~mask_, settled_); }

    // The group's last data packet is here.
    void ended(std::uint64_t group) {
        if (!proactive_) settle(group);
    }
    // Parity that somebody asked for: the group had all its own before.
    void on_demand(std::uint64_t group) { settle(group); }
    // An SPM: `whole` when its lead ends a group, full or short. A lead inside a group that two
    // SPMs name is that of a source that pauses there (RFC 11.5: its packets may be asked for one
    // by one).
    void spm(std::uint64_t lead, bool whole) {
        if (whole) {
            settle(lead & ~mask_);
        } else if (lead == spm_lead_) {
            settled_ = std::max(settled_, lead + 1);
        }
        spm_lead_ = lead;
    }

  private:
    void settle(std::uint64_t group) { settled_ = std::max(settled_, group + mask_ + 1); }

    std::uint64_t mask_ = 0;
    bool proactive_ = false;
    std::uint64_t settled_ = 0;
    std::uint64_t spm_lead_ = 0;
};

}  // namespace fanfare::engine
