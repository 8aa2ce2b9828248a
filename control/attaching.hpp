// Holders of a socket other than the process that made it: what they are told of it, and the
// truth of the descriptor that they share.
#pragma once

#include <vector>

#include "control/registry.hpp"
#include "control/services.hpp"
#include "ipc/messages.hpp"

namespace fanfare::control {

// Fills `reply` with what a process needs that holds the socket's descriptor and nothing else, and
// `descriptors` in the order that ipc/messages.hpp names. A sender whose window has passed, and
// with it the session's memory, comes without a region.
void describe_holding(Registry& registry, Services& services, const Socket& socket,
                      ipc::AttachReply& reply, std::vector<int>& descriptors);

// What getsockname says, or getpeername (`peer`): false when there is no peer.
bool name_of(Registry& registry, const Socket& socket, bool peer, Address& address,
             std::uint16_t& port);

// Makes the endpoint readable (a session or data may wait) or writable (room may), as the role has
// it. Says nothing where that would be untrue for a listener; elsewhere the asker has looked.
void show_readiness(Services& services, const Socket& socket);

}  // namespace fanfare::control
