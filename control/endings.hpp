// How sockets end: an announced close, the end of the last holder, and the worker's word that it
// let go.
#pragma once

#include "control/registry.hpp"

namespace fanfare::control {

// `close` was called. Where the end of the last holder is reported it counts only together with
// that (other processes may hold the descriptor too); elsewhere the socket ends now. `linger_on`
// with 0 seconds aborts.
void announce_close(Registry& registry, Services& services, Socket& socket, bool linger_on,
                    std::uint32_t linger_seconds, Nanos now);

// The last descriptor of this socket was closed, by close() or by death. A sender that neither shut
// down nor announced its close just now vanished: its session ends with OPT_RST after what it had
// published.
void on_endpoint_closed(Registry& registry, Services& services, std::uint64_t socket_id, Nanos now);

// Worker events reader_detached and sender_detached: page and endpoint are control's again and are
// freed.
void on_detached(Registry& registry, Services& services, std::uint64_t socket_id);

}  // namespace fanfare::control
