#include "control/attaching.hpp"

#include "control/datagrams.hpp"

namespace fanfare::control {
namespace {

ipc::SocketRole role_of(SocketState state) {
    switch (state) {
        case SocketState::unbound:
            break;
        case SocketState::bound:
            return ipc::SocketRole::bound;
        case SocketState::sender:
            return ipc::SocketRole::sender;
        case SocketState::listener:
            return ipc::SocketRole::listener;
        case SocketState::receiver:
            return ipc::SocketRole::receiver;
        case SocketState::datagram:
            return ipc::SocketRole::datagram;
    }
    return ipc::SocketRole::none;
}

}  // namespace

void describe_holding(Registry& registry, Services& services, const Socket& socket,
                      ipc::AttachReply& reply, std::vector<int>& descriptors) {
    reply.socket_id = socket.id;
    reply.type = socket.type;
    reply.role = static_cast<std::uint32_t>(role_of(socket.state));
    descriptors.push_back(socket.page.descriptor);
    if (socket.state == SocketState::sender) {
        reply.session_id = socket.session_id;
        reply.group = socket.group;
        reply.destination_port = socket.port;
        const SendSession* session = registry.send_session(socket.session_id);
        if (session == nullptr || session->memory.header == nullptr) return;
        descriptors.push_back(session->memory.descriptor);
        descriptors.push_back(services.worker_page_descriptor(session->worker));
        descriptors.push_back(services.doorbell_descriptor(session->worker));
    } else if (socket.state == SocketState::receiver) {
        reply.session_id = socket.session_id;
        const Reception* session = registry.reception(socket.session_id);
        if (session == nullptr || session->memory.header == nullptr) return;
        descriptors.push_back(session->memory.descriptor);
        reply.source = session->source;
        reply.group = session->group;
        reply.source_port = session->tsi.source_port;
        reply.destination_port = session->destination_port;
    }
}

void show_readiness(Services& services, const Socket& socket) {
    switch (socket.state) {
        case SocketState::unbound:
        case SocketState::bound:
            break;
        case SocketState::sender:
            services.drain(socket.endpoint);
            break;
        case SocketState::listener:
            if (!socket.pending.empty() || socket.pending_lost) services.wake(socket.endpoint);
            break;
        case SocketState::receiver:
            services.wake(socket.endpoint);
            break;
        case SocketState::datagram:
            show_datagram_readiness(services, socket);
            break;
    }
}

}  // namespace fanfare::control
