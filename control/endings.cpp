#include "control/endings.hpp"

#include "control/datagrams.hpp"
#include "control/receiving.hpp"
#include "control/sending.hpp"

namespace fanfare::control {
namespace {

void erase_socket(Registry& registry, Services& services, Socket& socket) {
    if (socket.state == SocketState::sender) {
        auto session = registry.send_sessions.find(socket.session_id);
        if (session != registry.send_sessions.end()) {
            session->second.socket_id = 0;
            if (session->second.done) registry.send_sessions.erase(session);
        }
    }
    if (socket.datagram) free_datagram(registry, services, socket);
    if (socket.endpoint >= 0) services.close_descriptor(socket.endpoint);
    services.free_page(socket.page);
    registry.sockets.erase(socket.id);
}

void end_sender(Registry& registry, Socket& socket, bool announced) {
    SendSession* session = registry.send_session(socket.session_id);
    if (session == nullptr) return;
    if (announced && socket.close_aborts)
        abort_sender(registry, *session, ResetCause::sender_reset);
    else if (!session->finishing && announced)
        finish_sender(registry, *session, true);
    else if (!session->finishing) {
        ++registry.counters.clients_vanished;
        abort_sender(registry, *session, ResetCause::sender_vanished);
    }
    if (!socket.with_worker) return;
    dataplane::Command detach;
    detach.kind = dataplane::Command::Kind::detach_sender;
    detach.id = session->id;
    detach.socket_id = socket.id;
    registry.post(session->worker, detach);
}

}  // namespace

void announce_close(Registry& registry, Services& services, Socket& socket, bool linger_on,
                    std::uint32_t linger_seconds, Nanos now) {
    socket.close_said = true;
    socket.close_said_at = now;
    socket.close_aborts = linger_on && linger_seconds == 0;
    if (!services.reports_hang_up()) on_endpoint_closed(registry, services, socket.id, now);
}

void on_endpoint_closed(Registry& registry, Services& services, std::uint64_t socket_id,
                        Nanos now) {
    Socket* socket = registry.socket(socket_id);
    if (socket == nullptr || socket->closing) return;
    services.unwatch_endpoint(socket->endpoint, socket->id);
    const bool announced = socket->close_said && now - socket->close_said_at <= kCloseHoldsNanos;
    switch (socket->state) {
        case SocketState::unbound:
        case SocketState::bound:
            break;
        case SocketState::sender:
            end_sender(registry, *socket, announced);
            break;
        case SocketState::listener:
            close_listener(registry, *socket);
            break;
        case SocketState::receiver:
            close_reader(registry, *socket);
            break;
        case SocketState::datagram:
            close_datagram(registry, *socket);
            break;
    }
    socket->closing = true;
    if (!socket->with_worker) erase_socket(registry, services, *socket);
}

void on_detached(Registry& registry, Services& services, std::uint64_t socket_id) {
    Socket* socket = registry.socket(socket_id);
    if (socket == nullptr) return;
    socket->with_worker = false;
    if (socket->closing) erase_socket(registry, services, *socket);
}

}  // namespace fanfare::control
