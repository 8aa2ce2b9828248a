// Where a receiver begins (RFC 3208 6.1, 9.4; DESIGN section 6 "start without loss"): at the number
// that OPT_SYN, OPT_JOIN or an empty window names, else at the first ODATA heard.
#pragma once

#include <cstdint>
#include <optional>

#include "engine/types.hpp"
#include "engine/wire/packet.hpp"

namespace fanfare::engine {

struct SessionStart {
    Sqn first;
    // True when nothing can have been sent before `first`: OPT_SYN there, or (OpenPGM, which sends
    // no OPT_SYN) a window that still begins at 0.
    bool is_beginning;
};

// `reach`: how many numbers before the packet's own a joiner can take in (limits OPT_JOIN).
// Nothing when the packet does not say where to begin.
inline std::optional<SessionStart> session_start(const wire::Packet& packet, std::uint32_t reach) {
    using wire::OptionBit;
    const bool data = packet.type == wire::Type::odata || packet.type == wire::Type::rdata;
    if (data) {
        if (packet.options.has(OptionBit::syn)) return SessionStart{packet.sqn, true};
        const bool virgin = packet.trail == 0;
        if (packet.options.has(OptionBit::join)) {
            const Sqn join = packet.options.join.min_sqn;
            Sqn first = sqn_before(join, packet.trail) ? packet.trail : join;
            if (sqn_before(packet.sqn, first)) first = packet.sqn;
            if (packet.sqn - first >= reach) first = packet.sqn - reach + 1;
            return SessionStart{first, virgin && first == 0};
        }
        // A repair for somebody else may be far behind what is being sent now: only ODATA shows
        // where that is.
        if (packet.type == wire::Type::rdata) return std::nullopt;
        return SessionStart{packet.sqn, virgin && packet.sqn == 0};
    }
    if (packet.type != wire::Type::spm) return std::nullopt;
    const Sqn behind = packet.lead + 1;
    const bool virgin = packet.trail == 0;
    if (packet.options.has(OptionBit::join)) {
        const Sqn join = packet.options.join.min_sqn;
        Sqn first = sqn_before(join, packet.trail) ? packet.trail : join;
        if (sqn_before(behind, first)) first = behind;
        if (behind - first >= reach) first = behind - reach + 1;
        return SessionStart{first, virgin && first == 0};
    }
    if (packet.trail == behind) return SessionStart{packet.trail, virgin};
    return std::nullopt;
}

}  // namespace fanfare::engine
