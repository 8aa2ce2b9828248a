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

bool name_of(Registry& registry, const Socket& socket, bool peer, Address& address,
             std::uint16_t& port) {
    const bool sends = socket.state == SocketState::sender;
    const bool receives = socket.state == SocketState::receiver;
    if (!peer) {
        address = sends             ? socket.options.send_interface
                  : receives        ? socket.group
                  : socket.datagram ? local_address(registry, socket)
                                    : socket.bound;
        port = sends ? std::uint16_t{0} : socket.port;
        const SendSession* session = sends ? registry.send_session(socket.session_id) : nullptr;
        if (session != nullptr) port = session->tsi.source_port;
        return true;
    }
    const Reception* const session = receives ? registry.reception(socket.session_id) : nullptr;
    if (sends) {
        address = socket.group;
        port = socket.port;
    } else if (session != nullptr) {
        address = session->source;
        port = session->tsi.source_port;
    } else if (socket.datagram && !socket.datagram->peer.is_none()) {
        address = socket.datagram->peer;
        port = socket.datagram->peer_port;
    } else {
        return false;
    }
    return true;
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
