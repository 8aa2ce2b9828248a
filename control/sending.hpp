// Sending sessions: how one is made at connect, how it ends, and what its worker says about it.
#pragma once

#include "control/options.hpp"
#include "control/registry.hpp"

namespace fanfare::control {

// Makes the session of a socket that connects to group:port: interface, TSI, memory charged to the
// socket's user, object; posts open_source. On an errno nothing is held and the socket is as
// before.
OptionResult open_sender(Registry& registry, Services& services, Socket& socket, Address group,
                         std::uint16_t port, Nanos now);

// FIN after what is published; repairs go on until the window has passed (shutdown), or for
// settings.close_linger_ns after all was sent (`lingers`: close without shutdown; wsrm.md 4.5).
void finish_sender(Registry& registry, SendSession& session, bool lingers);
// RST after what is published.
void abort_sender(Registry& registry, SendSession& session, ResetCause cause);

// Worker events source_ended and source_done.
void on_source_ended(Registry& registry, const dataplane::WorkerEvent& event);
void on_source_done(Registry& registry, Services& services, const dataplane::WorkerEvent& event,
                    Nanos now);

// Some ten times a second: drops sessions whose linger is over, wakes senders that sleep before
// room.
void tick_senders(Registry& registry, Services& services, Nanos now);

}  // namespace fanfare::control
