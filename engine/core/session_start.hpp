// Where a receiver begins (RFC 3208 6.1, 9.4; DESIGN section 6 "start without loss"): at the number
// that OPT_SYN, OPT_JOIN or an empty window names, else at the first ODATA heard.
#pragma once

#include <algorithm>
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

// How far back a joiner may go: not beyond what its window can take in while repairs come. Half of
// the log for what was sent before it came leaves the other half for what is being sent, so that it
// catches up. An SPM does not say how long packets are; most are at most what one Ethernet frame
// carries.
inline constexpr std::uint64_t kUsualPayload = 1500;

struct JoinLimits {
    std::uint64_t index_entries;
    std::uint64_t log_bytes;

    std::uint32_t packets(std::uint64_t payload) const {
        const std::uint64_t by_log = log_bytes / 2 / std::max<std::uint64_t>(payload, 1);
        return static_cast<std::uint32_t>(
            std::max<std::uint64_t>(std::min(index_entries / 4, by_log), 1));
    }
};

// Nothing when the packet does not say where to begin.
inline std::optional<SessionStart> session_start(const wire::Packet& packet,
                                                 const JoinLimits& limits) {
    using wire::OptionBit;
    const bool data = packet.type == wire::Type::odata || packet.type == wire::Type::rdata;
    if (data) {
        if (packet.options.has(OptionBit::syn)) return SessionStart{packet.sqn, true};
        const bool virgin = packet.trail == 0;
        if (packet.options.has(OptionBit::join)) {
            const Sqn join = packet.options.join.min_sqn;
            Sqn first = sqn_before(join, packet.trail) ? packet.trail : join;
            if (sqn_before(packet.sqn, first)) first = packet.sqn;
            const std::uint32_t most = limits.packets(packet.payload.size());
            if (packet.sqn - first > most) first = packet.sqn - most;
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
        const std::uint32_t most = limits.packets(kUsualPayload);
        if (behind - first > most) first = behind - most;
        return SessionStart{first, virgin && first == 0};
    }
    if (packet.trail == behind) return SessionStart{packet.trail, virgin};
    return std::nullopt;
}

}  // namespace fanfare::engine
