// socket() and what comes before and after data: who is claimed for Fanfare, and calls whose
// arguments are passed on as they are.
#include <netinet/in.h>

#include <cstdlib>
#include <cstring>

#include "client/preload/interpose.hpp"
#include "fanfare/socket.h"

using fanfare::preload::is_ours;
using fanfare::preload::real;

namespace {

// Datagram sockets stay the kernel's unless the program's user asks: FANFARE_DATAGRAM=1, or
// `fanfare run --datagram`.
bool datagrams_asked_for() {
    static const bool asked = [] {
        const char* const value = std::getenv("FANFARE_DATAGRAM");
        return value != nullptr && *value != 0 && std::strcmp(value, "0") != 0;
    }();
    return asked;
}

// Which sockets are Fanfare's (wsrm.md 4.1). SOCK_RAW with protocol 113 is somebody's own PGM and
// goes to the kernel.
bool is_claimed(int domain, int type, int protocol) {
    const int kind = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (kind == SOCK_RAW || kind == SOCK_PACKET) return false;
    if (protocol == IPPROTO_RM) return domain == AF_INET || domain == AF_INET6;
    if (domain == AF_INET && kind == SOCK_DGRAM && (protocol == 0 || protocol == IPPROTO_UDP))
        return datagrams_asked_for();
    return domain == AF_INET && kind == SOCK_RDM && protocol == 0;
}

}  // namespace

FANFARE_INTERPOSED int socket(int domain, int type, int protocol) noexcept {
    return is_claimed(domain, type, protocol) ? fanfare_socket(domain, type, protocol)
                                              : real.socket(domain, type, protocol);
}
FANFARE_INTERPOSED int __socket(int domain, int type, int protocol) noexcept {
    return socket(domain, type, protocol);
}

FANFARE_INTERPOSED int bind(int fd, const sockaddr* address, socklen_t length) noexcept {
    return is_ours(fd) ? fanfare_bind(fd, address, length) : real.bind(fd, address, length);
}

FANFARE_INTERPOSED int connect(int fd, const sockaddr* address, socklen_t length) {
    return is_ours(fd) ? fanfare_connect(fd, address, length) : real.connect(fd, address, length);
}
FANFARE_INTERPOSED int __connect(int fd, const sockaddr* address, socklen_t length) {
    return connect(fd, address, length);
}

FANFARE_INTERPOSED int listen(int fd, int backlog) noexcept {
    return is_ours(fd) ? fanfare_listen(fd, backlog) : real.listen(fd, backlog);
}

FANFARE_INTERPOSED int accept(int fd, sockaddr* address, socklen_t* length) {
    return is_ours(fd) ? fanfare_accept(fd, address, length) : real.accept(fd, address, length);
}

FANFARE_INTERPOSED int accept4(int fd, sockaddr* address, socklen_t* length, int flags) {
    return is_ours(fd) ? fanfare_accept4(fd, address, length, flags)
                       : real.accept4(fd, address, length, flags);
}

FANFARE_INTERPOSED int getsockname(int fd, sockaddr* address, socklen_t* length) noexcept {
    return is_ours(fd) ? fanfare_getsockname(fd, address, length)
                       : real.getsockname(fd, address, length);
}

FANFARE_INTERPOSED int getpeername(int fd, sockaddr* address, socklen_t* length) noexcept {
    return is_ours(fd) ? fanfare_getpeername(fd, address, length)
                       : real.getpeername(fd, address, length);
}

FANFARE_INTERPOSED int getsockopt(int fd, int level, int name, void* value,
                                  socklen_t* length) noexcept {
    return is_ours(fd) ? fanfare_getsockopt(fd, level, name, value, length)
                       : real.getsockopt(fd, level, name, value, length);
}

FANFARE_INTERPOSED int setsockopt(int fd, int level, int name, const void* value,
                                  socklen_t length) noexcept {
    return is_ours(fd) ? fanfare_setsockopt(fd, level, name, value, length)
                       : real.setsockopt(fd, level, name, value, length);
}

FANFARE_INTERPOSED int shutdown(int fd, int how) noexcept {
    return is_ours(fd) ? fanfare_shutdown(fd, how) : real.shutdown(fd, how);
}
