// System calls as such: no libc in between, hence never interposed, no cancellation point, safe
// before any constructor ran and in signal handlers. They return and set errno as libc's do.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstdarg>

namespace fanfare::preload::raw {

template <typename... Arguments>
inline long call(long number, Arguments... arguments) {
    return ::syscall(number, arguments...);
}

inline int socket(int domain, int type, int protocol) {
    return static_cast<int>(call(SYS_socket, domain, type, protocol));
}
inline int bind(int fd, const sockaddr* address, socklen_t length) {
    return static_cast<int>(call(SYS_bind, fd, address, length));
}
inline int connect(int fd, const sockaddr* address, socklen_t length) {
    return static_cast<int>(call(SYS_connect, fd, address, length));
}
inline int listen(int fd, int backlog) {
    return static_cast<int>(call(SYS_listen, fd, backlog));
}
inline int accept4(int fd, sockaddr* address, socklen_t* length, int flags) {
    return static_cast<int>(call(SYS_accept4, fd, address, length, flags));
}
inline int accept(int fd, sockaddr* address, socklen_t* length) {
    return raw::accept4(fd, address, length, 0);
}
inline int getsockname(int fd, sockaddr* address, socklen_t* length) {
    return static_cast<int>(call(SYS_getsockname, fd, address, length));
}
inline int getpeername(int fd, sockaddr* address, socklen_t* length) {
    return static_cast<int>(call(SYS_getpeername, fd, address, length));
}
inline int getsockopt(int fd, int level, int name, void* value, socklen_t* length) {
    return static_cast<int>(call(SYS_getsockopt, fd, level, name, value, length));
}
inline int setsockopt(int fd, int level, int name, const void* value, socklen_t length) {
    return static_cast<int>(call(SYS_setsockopt, fd, level, name, value, length));
}
inline int shutdown(int fd, int how) {
    return static_cast<int>(call(SYS_shutdown, fd, how));
}

inline ssize_t read(int fd, void* data, std::size_t bytes) {
    return call(SYS_read, fd, data, bytes);
}
inline ssize_t write(int fd, const void* data, std::size_t bytes) {
    return call(SYS_write, fd, data, bytes);
}
inline ssize_t readv(int fd, const iovec* parts, int count) {
    return call(SYS_readv, fd, parts, count);
}
inline ssize_t writev(int fd, const iovec* parts, int count) {
    return call(SYS_writev, fd, parts, count);
}
inline ssize_t preadv2(int fd, const iovec* parts, int count, off_t at, int flags) {
    return call(SYS_preadv2, fd, parts, count, at, 0L, flags);
}
inline ssize_t pwritev2(int fd, const iovec* parts, int count, off_t at, int flags) {
    return call(SYS_pwritev2, fd, parts, count, at, 0L, flags);
}
inline ssize_t recvfrom(int fd, void* data, std::size_t bytes, int flags, sockaddr* address,
                        socklen_t* length) {
    return call(SYS_recvfrom, fd, data, bytes, flags, address, length);
}
inline ssize_t recv(int fd, void* data, std::size_t bytes, int flags) {
    return raw::recvfrom(fd, data, bytes, flags, nullptr, nullptr);
}
inline ssize_t recvmsg(int fd, msghdr* message, int flags) {
    return call(SYS_recvmsg, fd, message, flags);
}
inline int recvmmsg(int fd, mmsghdr* messages, unsigned count, int flags, timespec* timeout) {
    return static_cast<int>(call(SYS_recvmmsg, fd, messages, count, flags, timeout));
}
inline ssize_t sendto(int fd, const void* data, std::size_t bytes, int flags,
                      const sockaddr* address, socklen_t length) {
    return call(SYS_sendto, fd, data, bytes, flags, address, length);
}
inline ssize_t send(int fd, const void* data, std::size_t bytes, int flags) {
    return raw::sendto(fd, data, bytes, flags, nullptr, 0);
}
inline ssize_t sendmsg(int fd, const msghdr* message, int flags) {
    return call(SYS_sendmsg, fd, message, flags);
}
inline int sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags) {
    return static_cast<int>(call(SYS_sendmmsg, fd, messages, count, flags));
}
inline ssize_t sendfile(int to, int from, off_t* at, std::size_t bytes) {
    return call(SYS_sendfile, to, from, at, bytes);
}
inline ssize_t splice(int from, off64_t* from_at, int to, off64_t* to_at, std::size_t bytes,
                      unsigned flags) {
    return call(SYS_splice, from, from_at, to, to_at, bytes, flags);
}

inline int close(int fd) {
    return static_cast<int>(call(SYS_close, fd));
}
inline int close_range(unsigned first, unsigned last, int flags) {
    return static_cast<int>(call(SYS_close_range, first, last, flags));
}
inline int dup(int fd) {
    return static_cast<int>(call(SYS_dup, fd));
}
inline int dup3(int fd, int to, int flags) {
    return static_cast<int>(call(SYS_dup3, fd, to, flags));
}
inline int dup2(int fd, int to) {
    if (fd == to) return call(SYS_fcntl, fd, F_GETFD) < 0 ? -1 : fd;
    return raw::dup3(fd, to, 0);
}
// The third argument as a register holds it, whatever it is.
inline int fcntl_word(int fd, int command, unsigned long argument) {
    return static_cast<int>(call(SYS_fcntl, fd, command, argument));
}
inline int ioctl_word(int fd, unsigned long request, unsigned long argument) {
    return static_cast<int>(call(SYS_ioctl, fd, request, argument));
}

}  // namespace fanfare::preload::raw
