// The C API: arguments in, errno out. What the calls mean stands in fanfare/socket.h and wsrm.md.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

#include "client/socket/arguments.hpp"
#include "client/socket/datagram_calls.hpp"
#include "client/socket/descriptor_calls.hpp"
#include "client/socket/descriptor_map.hpp"
#include "client/socket/helper_thread.hpp"
#include "client/socket/last_error.hpp"
#include "client/socket/library.hpp"
#include "client/socket/on_socket.hpp"
#include "client/socket/page_lock.hpp"
#include "client/socket/program_memory.hpp"
#include "client/socket/socket.hpp"
#include "client/socket/socket_table.hpp"
#include "fanfare/socket.h"

using fanfare::client::DatagramReceived;
using fanfare::client::DataPart;
using fanfare::client::fail;
using fanfare::client::find_socket;
using fanfare::client::may_be_memory;
using fanfare::client::on_socket;
using fanfare::client::Received;
using fanfare::client::result;
using fanfare::client::RoomPart;
using fanfare::client::Socket;

using fanfare::client::bad_memory;
using fanfare::client::Parts;
using fanfare::client::read_address;
using fanfare::client::write_address;

namespace {

// The same with every message: nothing but what no memory is, and a length that is none.
void note_sender(int fd, sockaddr* out, socklen_t* length) {
    sockaddr_in peer{};
    int lost = 0;
    Socket* socket = find_socket(fd, lost);
    if (!may_be_memory(length, sizeof *length) || socket == nullptr ||
        socket->name(true, peer) != 0)
        return;
    const std::size_t n = std::min<std::size_t>(*length, sizeof peer);
    if (!may_be_memory(out, n)) return;
    std::memcpy(out, &peer, n);
    *length = sizeof peer;
}

bool same_place(const sockaddr_in& a, const sockaddr_in& b) {
    return a.sin_addr.s_addr == b.sin_addr.s_addr && a.sin_port == b.sin_port;
}

// `address`: nullptr, or the group (wsrm.md section 5).
int send_parts(int fd, const iovec* parts, std::size_t count, int flags, const sockaddr* address,
               socklen_t length, std::size_t& sent) {
    return on_socket(fd, [&](Socket& socket) {
        if (socket.type() == SOCK_DGRAM) {
            msghdr message{};
            message.msg_name = const_cast<sockaddr*>(address);
            message.msg_namelen = length;
            message.msg_iov = const_cast<iovec*>(parts);
            message.msg_iovlen = count;
            return fanfare::client::send_datagram_message(socket, message, flags, sent);
        }
        Parts<DataPart> data;
        if (const int error = data.read(parts, count); error != 0) return error;
        if (address != nullptr) {
            sockaddr_in to{}, group{};
            if (const int error = read_address(address, length, to); error != 0) return error;
            if (const int error = socket.name(true, group); error != 0) return error;
            if (!same_place(to, group)) return fail(EISCONN, "the socket sends to its group alone");
        }
        return socket.send(data.get(), flags, sent);
    });
}

int receive_parts(int fd, const iovec* parts, std::size_t count, int flags, bool flags_out,
                  Received& received) {
    return on_socket(fd, [&](Socket& socket) {
        Parts<RoomPart> room;
        if (const int error = room.read(parts, count); error != 0) return error;
        return socket.receive(room.get(), flags, flags_out, received);
    });
}

// What is no socket, or whose daemon has gone, says so in the call itself.
bool is_datagram(int fd) {
    int error = 0;
    bool datagram = false;
    try {
        if (const Socket* socket = find_socket(fd, error)) datagram = socket->type() == SOCK_DGRAM;
    } catch (const std::bad_alloc&) {
        return false;
    }
    return datagram;
}

ssize_t receive_datagram(int fd, msghdr& message, int flags) {
    std::size_t bytes = 0;
    const int failed = on_socket(fd, [&](Socket& socket) {
        return fanfare::client::receive_datagram_message(socket, message, flags, bytes);
    });
    return failed != 0 ? -1 : static_cast<ssize_t>(bytes);
}

}  // namespace

namespace fanfare::client {

ssize_t read_vector(int fd, const iovec* parts, std::size_t count, int flags) {
    Received received;
    const int failed = on_socket(fd, [&](Socket& socket) {
        Parts<RoomPart> room;
        if (const int error = room.read(parts, count); error != 0) return error;
        if (total_bytes(room.get()) == 0) return 0;
        if (socket.type() == SOCK_DGRAM) {
            DatagramReceived datagram;
            const int error = socket.receive_datagram(room.get(), flags, datagram);
            received.bytes = datagram.bytes;
            return error;
        }
        return socket.receive(room.get(), flags, false, received);
    });
    return failed != 0 ? -1 : static_cast<ssize_t>(received.bytes);
}

std::int64_t readable_octets(int fd) {
    std::uint64_t octets = 0;
    const int failed = on_socket(fd, [&](Socket& socket) { return socket.available(octets); });
    return failed != 0 ? -1 : static_cast<std::int64_t>(octets);
}

void release_descriptor(int fd, bool say_so) {
    (void)on_socket(fd, [&](Socket& socket) {
        if (forget_if_shared(fd)) return 0;
        const auto forget = [fd] { return forget_socket(fd); };
        // SO_LINGER may want the descriptor to stay; the caller does not.
        if (!say_so || socket.close(-1, forget) != 0) socket.leave(forget);
        return 0;
    });
    set_kind(fd, DescriptorKind::foreign);  // also one whose daemon is not there
}

}  // namespace fanfare::client

extern "C" {

int fanfare_set_control(const char* path) {
    try {
        fanfare::client::set_control_path(path == nullptr ? "" : path);
        return 0;
    } catch (const std::bad_alloc&) {
        return result(fail(ENOMEM, ""));
    }
}

int fanfare_socket(int domain, int type, int protocol) {
    const int flags = type & (SOCK_NONBLOCK | SOCK_CLOEXEC);
    const int kind = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (domain != AF_INET) return result(fail(EAFNOSUPPORT, "only AF_INET"));
    const bool datagram = kind == SOCK_DGRAM && (protocol == 0 || protocol == IPPROTO_UDP);
    if (kind != SOCK_RDM && kind != SOCK_STREAM && !datagram)
        return result(fail(EPROTOTYPE,
                           "the type is SOCK_RDM or SOCK_STREAM, or SOCK_DGRAM with "
                           "protocol IPPROTO_UDP or 0"));
    if (!datagram && protocol != IPPROTO_RM && !(protocol == 0 && kind == SOCK_RDM))
        return result(fail(EPROTONOSUPPORT, "the protocol is IPPROTO_RM"));
    try {
        std::shared_ptr<Socket> socket;
        if (const int error =
                Socket::create(fanfare::client::request_function(), kind, flags, socket);
            error != 0)
            return result(error);
        const int fd = socket->descriptor();
        fanfare::client::enter_socket(std::move(socket));
        return fd;
    } catch (const std::bad_alloc&) {
        return result(fail(ENOMEM, ""));
    }
}

int fanfare_bind(int fd, const sockaddr* address, socklen_t length) {
    return on_socket(fd, [&](Socket& socket) {
        sockaddr_in in{};
        const int error = read_address(address, length, in);
        return error != 0 ? error : socket.bind(in);
    });
}

int fanfare_connect(int fd, const sockaddr* address, socklen_t length) {
    return on_socket(fd, [&](Socket& socket) {
        sockaddr_in in{};
        sa_family_t family = AF_INET;
        const bool datagram = socket.type() == SOCK_DGRAM;
        if (datagram && length >= sizeof family && address != nullptr &&
            !fanfare::client::copy_in(&family, address, sizeof family))
            return bad_memory("the address is no memory of this program");
        if (family == AF_UNSPEC) return socket.connect_datagram(nullptr);
        const int error = read_address(address, length, in);
        if (error != 0) return error;
        return datagram ? socket.connect_datagram(&in) : socket.connect(in);
    });
}

int fanfare_setsockopt(int fd, int level, int name, const void* value, socklen_t length) {
    return on_socket(fd, [&](Socket& socket) {
        if (static_cast<int>(length) < 0) return fail(EINVAL, "the length is negative");
        if (fanfare::client::carries_source_filter(socket, level, name, value))
            return fanfare::client::set_source_filter(socket, name, value, length);
        // The largest are the options' own, and struct group_source_req of datagram sockets.
        char copy[std::max(fanfare::ipc::kOptionValueMax, sizeof(group_source_req))];
        const std::size_t n = std::min<std::size_t>(length, sizeof copy);
        if (value != nullptr && !fanfare::client::copy_in(copy, value, n))
            return bad_memory("the option's value is no memory of this program");
        return socket.set_option(level, name, value != nullptr ? copy : nullptr,
                                 static_cast<socklen_t>(n));
    });
}

int fanfare_getsockopt(int fd, int level, int name, void* value, socklen_t* length) {
    return on_socket(fd, [&](Socket& socket) {
        socklen_t room = 0;
        if (!fanfare::client::copy_in(&room, length, sizeof room))
            return bad_memory("the length is no memory of this program");
        if (static_cast<int>(room) < 0) return fail(EINVAL, "the length is negative");
        if (value == nullptr) return bad_memory("the option's value is a null pointer");
        if (fanfare::client::carries_source_filter(socket, level, name, value))
            return fanfare::client::get_source_filter(socket, name, value, length);
        char copy[fanfare::ipc::kOptionValueMax];
        room = std::min<socklen_t>(room, sizeof copy);
        if (const int error = socket.get_option(level, name, copy, room); error != 0) return error;
        if (!fanfare::client::copy_out(value, copy, room) ||
            !fanfare::client::copy_out(length, &room, sizeof room))
            return bad_memory("the option's value is no memory of this program");
        return 0;
    });
}

int fanfare_listen(int fd, int backlog) {
    return on_socket(fd, [&](Socket& socket) { return socket.listen(backlog); });
}

int fanfare_accept4(int fd, sockaddr* address, socklen_t* length, int flags) {
    int accepted = -1;
    const int failed = on_socket(fd, [&](Socket& listener) {
        if ((flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != 0)
            return fail(EINVAL, "flags are SOCK_NONBLOCK and SOCK_CLOEXEC");
        // Before a session is taken: one that can't be handed over would be lost.
        if (address != nullptr && (!may_be_memory(length, sizeof *length) ||
                                   !may_be_memory(address, sizeof(sockaddr_in))))
            return bad_memory("the address is no memory of this program");
        std::shared_ptr<Socket> socket;
        if (const int error = listener.accept(flags, socket); error != 0) return error;
        sockaddr_in peer{};
        (void)socket->name(true, peer);
        (void)write_address(peer, address, length);
        accepted = socket->descriptor();
        fanfare::client::enter_socket(std::move(socket));
        return 0;
    });
    return failed != 0 ? failed : accepted;
}

int fanfare_accept(int fd, sockaddr* address, socklen_t* length) {
    return fanfare_accept4(fd, address, length, 0);
}

int fanfare_getsockname(int fd, sockaddr* address, socklen_t* length) {
    return on_socket(fd, [&](Socket& socket) {
        if (address == nullptr) return fail(EFAULT, "the address is a null pointer");
        sockaddr_in name{};
        const int error = socket.name(false, name);
        return error != 0 ? error : write_address(name, address, length);
    });
}

int fanfare_getpeername(int fd, sockaddr* address, socklen_t* length) {
    return on_socket(fd, [&](Socket& socket) {
        if (address == nullptr) return fail(EFAULT, "the address is a null pointer");
        sockaddr_in name{};
        const int error = socket.name(true, name);
        return error != 0 ? error : write_address(name, address, length);
    });
}

ssize_t fanfare_send(int fd, const void* data, size_t bytes, int flags) {
    return fanfare_sendto(fd, data, bytes, flags, nullptr, 0);
}

ssize_t fanfare_sendto(int fd, const void* data, size_t bytes, int flags, const sockaddr* address,
                       socklen_t length) {
    const iovec part{const_cast<void*>(data), bytes};
    std::size_t sent = 0;
    return send_parts(fd, &part, 1, flags, address, length, sent) != 0 ? -1
                                                                       : static_cast<ssize_t>(sent);
}

ssize_t fanfare_sendmsg(int fd, const msghdr* message, int flags) {
    if (!may_be_memory(message, sizeof *message))
        return result(bad_memory("the message is no memory of this program"));
    // As in the kernel a name without a length is none: programs use one header for many calls.
    const auto* const address =
        message->msg_namelen != 0 ? static_cast<const sockaddr*>(message->msg_name) : nullptr;
    std::size_t sent = 0;
    if (is_datagram(fd)) {
        msghdr named = *message;
        named.msg_name = const_cast<sockaddr*>(address);
        const int error = on_socket(fd, [&](Socket& socket) {
            return fanfare::client::send_datagram_message(socket, named, flags, sent);
        });
        return error != 0 ? -1 : static_cast<ssize_t>(sent);
    }
    const int failed = send_parts(fd, message->msg_iov, message->msg_iovlen, flags, address,
                                  message->msg_namelen, sent);
    return failed != 0 ? -1 : static_cast<ssize_t>(sent);
}

ssize_t fanfare_recv(int fd, void* data, size_t bytes, int flags) {
    return fanfare_recvfrom(fd, data, bytes, flags, nullptr, nullptr);
}

ssize_t fanfare_recvfrom(int fd, void* data, size_t bytes, int flags, sockaddr* address,
                         socklen_t* length) {
    if (address != nullptr && !may_be_memory(length, sizeof *length))
        return result(bad_memory("the address's length is no memory of this program"));
    iovec part{data, bytes};
    if (is_datagram(fd)) {
        socklen_t room = 0;
        if (address != nullptr && !fanfare::client::copy_in(&room, length, sizeof room))
            return result(bad_memory("the address's length is no memory of this program"));
        msghdr message{};
        message.msg_name = address;
        message.msg_namelen = room;
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        const ssize_t got = receive_datagram(fd, message, flags);
        if (got >= 0 && address != nullptr) *length = message.msg_namelen;
        return got;
    }
    Received received;
    const int failed = receive_parts(fd, &part, 1, flags, false, received);
    if (address != nullptr && (failed == 0 || errno == EMSGSIZE)) {
        const int error = errno;
        note_sender(fd, address, length);
        errno = error;
    }
    return failed != 0 ? -1 : static_cast<ssize_t>(received.bytes);
}

ssize_t fanfare_recvmsg(int fd, msghdr* message, int flags) {
    if (!may_be_memory(message, sizeof *message))
        return result(bad_memory("the message is no memory of this program"));
    if (is_datagram(fd)) return receive_datagram(fd, *message, flags);
    Received received;
    if (receive_parts(fd, message->msg_iov, message->msg_iovlen, flags, true, received) != 0)
        return -1;
    message->msg_flags = received.message_end ? MSG_EOR : 0;
    message->msg_controllen = 0;
    if (message->msg_name != nullptr)
        note_sender(fd, static_cast<sockaddr*>(message->msg_name), &message->msg_namelen);
    return static_cast<ssize_t>(received.bytes);
}

int fanfare_shutdown(int fd, int how) {
    return on_socket(fd, [&](Socket& socket) {
        const int error = socket.shutdown(how);
        fanfare::client::look_at_pending_calls(socket);
        return error;
    });
}

int fanfare_close(int fd) {
    // The table holds the socket until close() is through; its number is out of it before the
    // kernel gives it away.
    return on_socket(fd, [&](Socket& socket) {
        if (fanfare::client::forget_if_shared(fd)) {
            ::close(fd);
            return 0;
        }
        return socket.close(fd, [fd] { return fanfare::client::forget_socket(fd); });
    });
}

int64_t fanfare_unsent(int fd) {
    std::uint64_t octets = 0;
    const int failed = on_socket(fd, [&](Socket& socket) { return socket.unsent(octets); });
    return failed != 0 ? failed : static_cast<int64_t>(octets);
}

const char* fanfare_last_error_text(void) {
    return fanfare::client::last_error_text();
}
int fanfare_winsock_error(void) {
    return fanfare::client::last_winsock_error();
}

}  // extern "C"
