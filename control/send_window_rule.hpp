// Rate, time and size of a send window are one setting: rate = bytes / time (wsrm.md 2.1).
#pragma once

#include <optional>

#include "control/rm_structs.hpp"
#include "engine/core/profile.hpp"

namespace fanfare::control {

// Resolves `asked` (zero = not given) against the triple in force; nothing where the rule says
// EINVAL: all zero, a result of 0 or above 2^32 - 1, or a window below one full packet of `mtu`
// octets. The limit of 2^31 - 1 packets holds by itself: no packet of a window of at most 2^32 - 1
// octets is shorter than its 2-octet share.
std::optional<RmSendWindow> resolve_send_window(const RmSendWindow& asked,
                                                const RmSendWindow& in_force, std::uint32_t mtu);

// The triple that these parameters amount to, rounded down.
RmSendWindow send_window_of(const engine::SourceParameters& parameters);

// Writes the triple into the parameters, window_packets included.
void apply_send_window(const RmSendWindow& window, engine::SourceParameters& parameters);

// Entries of the send window for so many octets: a packet for each 128 octets, between 4096 and
// 2^20. Smaller messages than that fill the entries before the octets, larger ones the octets
// before the entries.
std::uint32_t window_packets_for(std::uint64_t window_bytes);

}  // namespace fanfare::control
