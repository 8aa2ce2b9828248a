// The library's own calls on descriptors, which must not meet its interposed ones: the linker sends
// every reference of the client's objects here (--wrap, see client/meson.build). System calls as
// such, so that a thread which is cancelled is not torn out of the middle of a request; only the
// wait is a cancellation point, as the call that waits is one.
#include "client/preload/real_calls.hpp"

namespace raw = fanfare::preload::raw;

extern "C" {

int __wrap_socket(int domain, int type, int protocol) {
    return raw::socket(domain, type, protocol);
}
int __wrap_connect(int fd, const sockaddr* address, socklen_t length) {
    return raw::connect(fd, address, length);
}
int __wrap_setsockopt(int fd, int level, int name, const void* value, socklen_t length) {
    return raw::setsockopt(fd, level, name, value, length);
}
int __wrap_getpeername(int fd, sockaddr* address, socklen_t* length) {
    return raw::getpeername(fd, address, length);
}
int __wrap_shutdown(int fd, int how) {
    return raw::shutdown(fd, how);
}
ssize_t __wrap_read(int fd, void* data, std::size_t bytes) {
    return raw::read(fd, data, bytes);
}
ssize_t __wrap_write(int fd, const void* data, std::size_t bytes) {
    return raw::write(fd, data, bytes);
}
ssize_t __wrap_recv(int fd, void* data, std::size_t bytes, int flags) {
    return raw::recv(fd, data, bytes, flags);
}
ssize_t __wrap___recv_chk(int fd, void* data, std::size_t bytes, std::size_t, int flags) {
    return raw::recv(fd, data, bytes, flags);
}
ssize_t __wrap___read_chk(int fd, void* data, std::size_t bytes, std::size_t) {
    return raw::read(fd, data, bytes);
}
ssize_t __wrap_recvmsg(int fd, msghdr* message, int flags) {
    return raw::recvmsg(fd, message, flags);
}
ssize_t __wrap_send(int fd, const void* data, std::size_t bytes, int flags) {
    return raw::send(fd, data, bytes, flags);
}
int __wrap_close(int fd) {
    return raw::close(fd);
}
int __wrap_fcntl(int fd, int command, ...) {
    va_list arguments;
    va_start(arguments, command);
    const unsigned long argument = va_arg(arguments, unsigned long);
    va_end(arguments);
    return raw::fcntl_word(fd, command, argument);
}
int __wrap_fcntl64(int fd, int command, ...) {
    va_list arguments;
    va_start(arguments, command);
    const unsigned long argument = va_arg(arguments, unsigned long);
    va_end(arguments);
    return raw::fcntl_word(fd, command, argument);
}
int __wrap_ppoll(pollfd* waits, nfds_t count, const timespec* limit, const sigset_t* mask) {
    return fanfare::preload::real_ppoll(waits, count, limit, mask);
}

}  // extern "C"
