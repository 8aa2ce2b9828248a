#include "control/handler.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>

#include "control/attaching.hpp"
#include "control/datagrams.hpp"
#include "control/endings.hpp"
#include "control/options.hpp"
#include "control/receiving.hpp"
#include "control/send_window_rule.hpp"
#include "control/sending.hpp"
#include "control/status.hpp"
#include "control/text.hpp"

namespace fanfare::control {
namespace {

// What a request function works with.
struct Call {
    const Peer& peer;
    Registry& registry;
    Services& services;
    Nanos now;
    Outcome& outcome;
};

template <typename Reply>
void finish(Call& call, Reply& reply) {
    reply.header.descriptors = static_cast<std::uint32_t>(call.outcome.descriptors.size());
    call.outcome.reply.resize(sizeof(Reply));
    std::memcpy(call.outcome.reply.data(), &reply, sizeof(Reply));
}

void set_error(ipc::ReplyHeader& header, int error, std::string_view detail) {
    header.error = error;
    const std::size_t n = std::min(detail.size(), sizeof(header.detail) - 1);
    std::memcpy(header.detail, detail.data(), n);
    header.detail[n] = 0;
}

template <typename Reply>
Reply answer(const ipc::RequestHeader& request) {
    Reply reply;
    std::memset(static_cast<void*>(&reply), 0,
                sizeof(reply));  // padding octets leave the daemon too
    reply.header.version = ipc::kProtocolVersion;
    reply.header.type = request.type;
    reply.header.correlation = request.correlation;
    return reply;
}

struct PlainReply {
    ipc::ReplyHeader header;
};

void refuse(Call& call, const ipc::RequestHeader& request, int error, std::string_view detail) {
    auto reply = answer<PlainReply>(request);
    set_error(reply.header, error, detail);
    call.outcome.descriptors.clear();
    // Nothing there yet is an answer, and no refusal to wonder at.
    if (error != EAGAIN) ++call.registry.counters.requests_refused;
    finish(call, reply);
}

void done(Call& call, const ipc::RequestHeader& request) {
    auto reply = answer<PlainReply>(request);
    finish(call, reply);
}

void reply_with(Call& call, const ipc::RequestHeader& request, const OptionResult& result) {
    if (result.error != 0)
        refuse(call, request, result.error, result.detail);
    else
        done(call, request);
}

void pass(Call& call, int descriptor, bool close_after = false) {
    call.outcome.descriptors.push_back({descriptor, close_after});
}

// The caller's socket: its own user's, or anyone's for root.
Socket* find_socket(Call& call, const ipc::RequestHeader& request) {
    Socket* socket = call.registry.socket(request.socket_id);
    if (socket != nullptr && !socket->closing &&
        (call.peer.uid == 0 || call.peer.uid == socket->uid))
        return socket;
    refuse(call, request, EBADF, "no such socket");
    return nullptr;
}

// Makes page and endpoint of a new socket; on failure an errno, and nothing is held.
OptionResult make_socket(Call& call, ipc::SocketType type, Socket*& out, int& theirs) {
    Registry& registry = call.registry;
    if (registry.sockets_of(call.peer.uid) >= registry.settings.sockets_per_user)
        return {EMFILE, "this user has " + std::to_string(registry.settings.sockets_per_user) +
                            " sockets open already (limits.sockets_per_user)"};
    Socket socket;
    socket.id = registry.new_id();
    socket.type = type;
    socket.uid = call.peer.uid;
    socket.pid = call.peer.pid;
    if (int error = call.services.make_page(socket.id, type, socket.page); error != 0)
        return {error, "no memory for a socket's page"};
    if (int error = call.services.make_endpoint(socket.endpoint, theirs); error != 0) {
        call.services.free_page(socket.page);
        if (error == ENOSPC)
            return {error, "no watch is left to the daemon: sysctl fs.epoll.max_user_watches"};
        return {error, "the daemon has no descriptor left: raise LimitNOFILE or close sockets"};
    }
    const std::uint64_t id = socket.id;
    out = &registry.sockets.emplace(id, std::move(socket)).first->second;
    call.services.name_endpoint(out->endpoint, id);
    call.services.watch_endpoint(out->endpoint, id);
    ++registry.counters.sockets_opened;
    return {};
}

void on_hello(Call& call, const ipc::HelloRequest& request) {
    auto reply = answer<ipc::HelloReply>(request.header);
    reply.workers = call.registry.workers;
    reply.interfaces = static_cast<std::uint32_t>(call.registry.interfaces.size());
    const auto& version = call.registry.settings.version;
    std::memcpy(reply.version_text, version.data(),
                std::min(version.size(), sizeof(reply.version_text) - 1));
    finish(call, reply);
}

void on_socket(Call& call, const ipc::SocketRequest& request) {
    if (request.type > ipc::SocketType::datagram)
        return refuse(call, request.header, EPROTOTYPE,
                      "a socket is SOCK_RDM, SOCK_STREAM or SOCK_DGRAM");
    Socket* socket = nullptr;
    int theirs = -1;
    const OptionResult made = make_socket(call, request.type, socket, theirs);
    if (made.error != 0) return refuse(call, request.header, made.error, made.detail);
    const ControlSettings& settings = call.registry.settings;
    socket->options.profile = settings.default_profile;
    socket->options.source = settings.defaults.source;
    socket->options.send_window = send_window_of(settings.defaults.source);
    if (request.type == ipc::SocketType::datagram) {
        const OptionResult opened = open_datagram(call.registry, call.services, *socket);
        if (opened.error != 0) {
            call.services.close_descriptor(theirs);
            on_endpoint_closed(call.registry, call.services, socket->id, call.now);
            return refuse(call, request.header, opened.error, opened.detail);
        }
    }
    pass(call, theirs, true);
    pass(call, socket->page.descriptor);
    pass(call, call.services.worker_page_descriptor(0));
    pass(call, call.services.doorbell_descriptor(0));
    auto reply = answer<ipc::SocketReply>(request.header);
    reply.socket_id = socket->id;
    finish(call, reply);
}

void on_bind(Call& call, const ipc::AddressRequest& request) {
    Socket* socket = find_socket(call, request.header);
    if (socket == nullptr) return;
    Registry& registry = call.registry;
    if (socket->datagram)
        return reply_with(
            call, request.header,
            bind_datagram(registry, call.services, *socket, request.address, request.port));
    if (socket->state != SocketState::unbound)
        return refuse(call, request.header, EINVAL, "the socket is bound already");
    const Address address = request.address;
    if (address.is_multicast()) {
        if (registry.first_available() < 0)
            return refuse(call, request.header, EADDRNOTAVAIL,
                          "no interface is up; look at `fanfare status`");
        for (const auto& [id, other] : registry.sockets) {
            const bool same =
                !other.closing && other.bound == address && other.port == request.port &&
                (other.state == SocketState::bound || other.state == SocketState::listener);
            if (same && !(other.options.reuse_address && socket->options.reuse_address))
                return refuse(
                    call, request.header, EADDRINUSE,
                    to_string(address) + ":" + std::to_string(request.port) +
                        " is bound by another socket; set SO_REUSEADDR on both to share it");
        }
    } else if (!address.is_none()) {
        if (registry.interface_with(address) < 0)
            return refuse(call, request.header, EADDRNOTAVAIL,
                          to_string(address) + " is neither a group nor an interface's address");
        socket->options.send_interface = address;  // the same as RM_SET_SEND_IF (wsrm.md 4.3)
    }
    socket->state = SocketState::bound;
    socket->bound = address;
    socket->port = request.port;
    done(call, request.header);
}

void on_set_option(Call& call, const ipc::OptionRequest& request) {
    Socket* socket = find_socket(call, request.header);
    if (socket == nullptr) return;
    if (request.length > sizeof(request.value))
        return refuse(call, request.header, EINVAL, "no option takes so many octets");
    OptionCall option{call.registry, call.services, *socket};
    const std::span<const std::uint8_t> value(request.value, request.length);
    reply_with(call, request.header,
               socket->datagram ? set_datagram_option(option, request.level, request.name, value)
                                : set_option(option, request.level, request.name, value));
}

void on_get_option(Call& call, const ipc::OptionRequest& request) {
    Socket* socket = find_socket(call, request.header);
    if (socket == nullptr) return;
    OptionCall option{call.registry, call.services, *socket};
    auto reply = answer<ipc::OptionReply>(request.header);
    const std::span<std::uint8_t> room(reply.value, sizeof(reply.value));
    const OptionResult result =
        socket->datagram
            ? get_datagram_option(option, request.level, request.name, request.value,
                                  room.first(std::min<std::size_t>(request.length, room.size())),
                                  reply.length)
            : get_option(option, request.level, request.name, request.length, room, reply.length);
    if (result.error != 0) return refuse(call, request.header, result.error, result.detail);
    finish(call, reply);
}

void on_connect(Call& call, const ipc::AddressRequest& request) {
    Socket* socket = find_socket(call, request.header);
    if (socket == nullptr) return;
    if (socket->datagram) {
        const OptionResult connected =
            connect_datagram(call.registry, call.services, *socket, request.address, request.port);
        if (connected.error != 0)
            return refuse(call, request.header, connected.error, connected.detail);
        auto reply = answer<ipc::ConnectReply>(request.header);
        return finish(call, reply);
    }
    if (socket->state == SocketState::sender || socket->state == SocketState::receiver)
        return refuse(call, request.header, EISCONN, "the socket has its session already");
    if (socket->state == SocketState::listener)
        return refuse(call, request.header, EINVAL,
                      "a listening socket cannot send; make another one");
    if (socket->bound.is_multicast())
        return refuse(call, request.header, EINVAL,
                      "a socket bound to a group receives; senders bind to 0.0.0.0");
    if (!request.address.is_multicast())
        return refuse(
            call, request.header, EADDRNOTAVAIL,
            to_string(request.address) + " is no multicast group (224.0.0.0 to 239.255.255.255)");
    const OptionResult opened =
        open_sender(call.registry, call.services, *socket, request.address, request.port, call.now);
    if (opened.error != 0) return refuse(call, request.header, opened.error, opened.detail);
    const SendSession& session = *call.registry.send_session(socket->session_id);
    pass(call, session.memory.descriptor);
    pass(call, call.services.worker_page_descriptor(session.worker));
    pass(call, call.services.doorbell_descriptor(session.worker));
    auto reply = answer<ipc::ConnectReply>(request.header);
    reply.session_id = session.id;
    reply.log_bytes = session.memory.log_bytes;
    const std::uint16_t mtu = call.registry.interfaces[session.interface].mtu;
    const bool udp = session.udp_port != 0;
    reply.largest_tsdu = engine::largest_tsdu(session.parameters, mtu, udp, false);
    reply.largest_fragment = engine::largest_tsdu(session.parameters, mtu, udp, true);
    reply.interface = socket->options.send_interface;
    reply.source_port = session.tsi.source_port;
    finish(call, reply);
}

void on_listen(Call& call, const ipc::ListenRequest& request) {
    Socket* socket = find_socket(call, request.header);
    if (socket == nullptr) return;
    switch (socket->state) {
        case SocketState::listener:
            return done(call, request.header);
        case SocketState::sender:
        case SocketState::receiver:
            return refuse(call, request.header, EISCONN, "the socket has its session already");
        case SocketState::unbound:
            return refuse(call, request.header, EINVAL, "bind to the group before listen");
        case SocketState::datagram:
            return refuse(call, request.header, EOPNOTSUPP, "datagram sockets do not listen");
        case SocketState::bound:
            break;
    }
    if (!socket->bound.is_multicast())
        return refuse(call, request.header, EINVAL, "a receiver binds to the group it listens to");
    reply_with(call, request.header,
               open_listener(call.registry, call.services, *socket, request.backlog));
}

void on_accept(Call& call, const ipc::IdRequest& request) {
    Socket* listener = find_socket(call, request.header);
    if (listener == nullptr) return;
    if (listener->state == SocketState::datagram)
        return refuse(call, request.header, EOPNOTSUPP, "datagram sockets accept nothing");
    if (listener->state != SocketState::listener)
        return refuse(call, request.header, EINVAL, "the socket does not listen");
    if (listener->pending.empty() && !listener->pending_lost)
        return refuse(call, request.header, EAGAIN, "no session waits");
    Socket* reader = nullptr;
    int theirs = -1;
    const OptionResult made = make_socket(call, listener->type, reader, theirs);
    if (made.error != 0) return refuse(call, request.header, made.error, made.detail);
    Accepted accepted;
    const OptionResult taken = take_pending(call.registry, call.services, *listener, accepted);
    if (taken.error != 0) {
        call.services.close_descriptor(theirs);
        on_endpoint_closed(call.registry, call.services, reader->id, call.now);
        return refuse(call, request.header, taken.error, taken.detail);
    }
    reader->uid = listener->uid;
    reader->options = listener->options;
    attach_reader(call.registry, *reader, accepted);
    call.services.wake(
        reader->endpoint);  // data may stand in the window already (ipc/socket_page.hpp)
    const Reception& session = *accepted.session;
    pass(call, theirs, true);
    pass(call, reader->page.descriptor);
    pass(call, session.memory.descriptor);
    auto reply = answer<ipc::AcceptReply>(request.header);
    reply.socket_id = reader->id;
    reply.session_id = session.id;
    reply.start_ordinal = accepted.start_ordinal;
    reply.source = session.source;
    reply.group = session.group;
    reply.source_port = session.tsi.source_port;
    reply.destination_port = session.destination_port;
    reply.joined_late = accepted.joined_late ? 1 : 0;
    reply.type = reader->type;
    finish(call, reply);
}

void on_shutdown(Call& call, const ipc::ShutdownRequest& request) {
    Socket* socket = find_socket(call, request.header);
    if (socket == nullptr) return;
    if (request.how > SHUT_RDWR)
        return refuse(call, request.header, EINVAL, "how is SHUT_RD, SHUT_WR or SHUT_RDWR");
    switch (socket->state) {
        case SocketState::unbound:
        case SocketState::bound:
        case SocketState::listener:
            return refuse(call, request.header, ENOTCONN, "the socket has no session");
        case SocketState::receiver:
            return done(call, request.header);  // the reader's own affair
        case SocketState::datagram:
            if (socket->datagram->peer.is_none())
                return refuse(call, request.header, ENOTCONN, "the socket has no peer");
            return done(call, request.header);
        case SocketState::sender:
            break;
    }
    if (request.how != SHUT_RD)
        if (SendSession* session = call.registry.send_session(socket->session_id))
            finish_sender(call.registry, *session, false);
    done(call, request.header);
}

void on_close(Call& call, const ipc::CloseRequest& request) {
    Socket* socket = find_socket(call, request.header);
    if (socket == nullptr) return;
    announce_close(call.registry, call.services, *socket, request.linger_on != 0,
                   request.linger_seconds, call.now);
    done(call, request.header);
}

void on_status(Call& call, const ipc::StatusRequest& request) {
    const std::vector<std::byte> octets = build_status(call.registry, call.services);
    int descriptor = -1;
    if (int error = call.services.make_status_memory(octets, descriptor); error != 0)
        return refuse(call, request.header, error, "no memory for the status");
    pass(call, descriptor, true);
    auto reply = answer<ipc::StatusReply>(request.header);
    reply.bytes = octets.size();
    finish(call, reply);
}

void on_name(Call& call, const ipc::NameRequest& request) {
    Socket* socket = find_socket(call, request.header);
    if (socket == nullptr) return;
    auto reply = answer<ipc::NameReply>(request.header);
    const bool named =
        name_of(call.registry, *socket, request.peer != 0, reply.address, reply.port);
    if (!named) return refuse(call, request.header, ENOTCONN, "the socket has no session");
    finish(call, reply);
}

void on_attach(Call& call, const ipc::IdRequest& request) {
    const Socket* socket = find_socket(call, request.header);
    if (socket == nullptr) return;
    auto reply = answer<ipc::AttachReply>(request.header);
    std::vector<int> descriptors;
    describe_holding(call.registry, call.services, *socket, reply, descriptors);
    for (const int descriptor : descriptors) pass(call, descriptor);
    finish(call, reply);
}

void on_wake(Call& call, const ipc::IdRequest& request) {
    const Socket* socket = find_socket(call, request.header);
    if (socket == nullptr) return;
    show_readiness(call.services, *socket);
    done(call, request.header);
}

void on_datagram(Call& call, const ipc::IdRequest& request) {
    const Socket* socket = find_socket(call, request.header);
    if (socket == nullptr) return;
    if (!socket->datagram)
        return refuse(call, request.header, EOPNOTSUPP, "the socket is not for datagrams");
    const DatagramState& state = *socket->datagram;
    pass(call, state.receive.descriptor);
    pass(call, state.send.descriptor);
    pass(call, call.services.worker_page_descriptor(0));
    pass(call, call.services.doorbell_descriptor(0));
    auto reply = answer<ipc::DatagramReply>(request.header);
    reply.largest_payload = state.largest_payload;
    finish(call, reply);
}

// Runs `function` with the request copied out of the octets, if there are as many as its type has.
template <typename Request>
bool run(Call& call, std::span<const std::byte> octets, void (*function)(Call&, const Request&)) {
    if (octets.size() != sizeof(Request)) return false;
    Request request;
    std::memcpy(&request, octets.data(), sizeof(request));
    function(call, request);
    return true;
}

bool dispatch(Call& call, ipc::RequestType type, std::span<const std::byte> octets) {
    switch (type) {
        case ipc::RequestType::hello:
            return run<ipc::HelloRequest>(call, octets, on_hello);
        case ipc::RequestType::socket:
            return run<ipc::SocketRequest>(call, octets, on_socket);
        case ipc::RequestType::bind:
            return run<ipc::AddressRequest>(call, octets, on_bind);
        case ipc::RequestType::set_option:
            return run<ipc::OptionRequest>(call, octets, on_set_option);
        case ipc::RequestType::get_option:
            return run<ipc::OptionRequest>(call, octets, on_get_option);
        case ipc::RequestType::connect:
            return run<ipc::AddressRequest>(call, octets, on_connect);
        case ipc::RequestType::listen:
            return run<ipc::ListenRequest>(call, octets, on_listen);
        case ipc::RequestType::accept:
            return run<ipc::IdRequest>(call, octets, on_accept);
        case ipc::RequestType::shutdown:
            return run<ipc::ShutdownRequest>(call, octets, on_shutdown);
        case ipc::RequestType::close:
            return run<ipc::CloseRequest>(call, octets, on_close);
        case ipc::RequestType::status:
            return run<ipc::StatusRequest>(call, octets, on_status);
        case ipc::RequestType::name:
            return run<ipc::NameRequest>(call, octets, on_name);
        case ipc::RequestType::attach:
            return run<ipc::IdRequest>(call, octets, on_attach);
        case ipc::RequestType::wake:
            return run<ipc::IdRequest>(call, octets, on_wake);
        case ipc::RequestType::datagram:
            return run<ipc::IdRequest>(call, octets, on_datagram);
    }
    return false;
}

}  // namespace

Outcome handle_request(std::span<const std::byte> request, const Peer& peer, Registry& registry,
                       Services& services, Nanos now) {
    Outcome outcome;
    Call call{peer, registry, services, now, outcome};
    ++registry.counters.requests;
    ipc::RequestHeader header;
    if (request.size() >= sizeof(header)) {
        std::memcpy(&header, request.data(), sizeof(header));
        if (header.version == ipc::kProtocolVersion && dispatch(call, header.type, request))
            return outcome;
    }
    ++registry.counters.requests_malformed;
    outcome.malformed = true;
    refuse(call, header, EPROTO,
           header.version != ipc::kProtocolVersion
               ? "this daemon speaks another version of the control protocol; install the same "
                 "version on both sides"
               : "no request of the control protocol");
    return outcome;
}

Outcome refuse_request(std::span<const std::byte> request, int error, std::string_view why) {
    ipc::RequestHeader header;
    if (request.size() >= sizeof(header)) std::memcpy(&header, request.data(), sizeof(header));
    auto reply = answer<PlainReply>(header);
    set_error(reply.header, error, why);
    Outcome outcome;
    outcome.reply.resize(sizeof(reply));
    std::memcpy(outcome.reply.data(), &reply, sizeof(reply));
    return outcome;
}

}  // namespace fanfare::control
