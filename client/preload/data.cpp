// Octets in and out. read and write are recv and send without flags; the vectored ones are one
// message.
#include <time.h>

#include <algorithm>

#include "client/preload/interpose.hpp"
#include "client/preload/passed_descriptors.hpp"
#include "client/socket/descriptor_calls.hpp"
#include "client/socket/program_memory.hpp"
#include "fanfare/socket.h"

extern "C" void __chk_fail(void) __attribute__((noreturn));

using fanfare::client::may_be_memory;
using fanfare::preload::is_ours;
using fanfare::preload::mark_passed;
using fanfare::preload::real;
using fanfare::preload::refuse;

namespace {

constexpr int kPartsMax = 1024;  // UIO_MAXIOV

constexpr int kKnownFlags = RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND;

int message_flags(int flags) {
    return (flags & RWF_NOWAIT) != 0 ? MSG_DONTWAIT : 0;
}

ssize_t read_parts(int fd, const iovec* parts, int count, int flags = 0) {
    if (count < 0 || count > kPartsMax) return refuse(EINVAL);
    return fanfare::client::read_vector(fd, parts, static_cast<std::size_t>(count), flags);
}

ssize_t write_parts(int fd, const iovec* parts, int count, int flags = 0) {
    if (count < 0 || count > kPartsMax) return refuse(EINVAL);
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(parts);
    message.msg_iovlen = static_cast<std::size_t>(count);
    return fanfare_sendmsg(fd, &message, flags);
}

bool is_time(const timespec& span) {
    return span.tv_sec >= 0 && span.tv_nsec >= 0 && span.tv_nsec < 1'000'000'000;
}

// `limit` is one that is_time().
bool has_passed(const timespec& since, const timespec& limit) {
    constexpr time_t kForEver = 1'000'000'000;  // seconds; the sum stays in range
    if (limit.tv_sec >= kForEver) return false;
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    const std::int64_t passed =
        (now.tv_sec - since.tv_sec) * 1'000'000'000 + now.tv_nsec - since.tv_nsec;
    return passed >= limit.tv_sec * 1'000'000'000 + limit.tv_nsec;
}

}  // namespace

FANFARE_INTERPOSED ssize_t read(int fd, void* data, size_t bytes) {
    if (!is_ours(fd)) return real.read(fd, data, bytes);
    return bytes == 0 ? 0 : fanfare_recv(fd, data, bytes, 0);
}
FANFARE_INTERPOSED ssize_t __read(int fd, void* data, size_t bytes) {
    return read(fd, data, bytes);
}
FANFARE_INTERPOSED ssize_t __read_chk(int fd, void* data, size_t bytes, size_t room) {
    if (bytes > room) __chk_fail();
    return read(fd, data, bytes);
}

FANFARE_INTERPOSED ssize_t write(int fd, const void* data, size_t bytes) {
    return is_ours(fd) ? fanfare_send(fd, data, bytes, 0) : real.write(fd, data, bytes);
}
FANFARE_INTERPOSED ssize_t __write(int fd, const void* data, size_t bytes) {
    return write(fd, data, bytes);
}

FANFARE_INTERPOSED ssize_t readv(int fd, const iovec* parts, int count) {
    return is_ours(fd) ? read_parts(fd, parts, count) : real.readv(fd, parts, count);
}
FANFARE_INTERPOSED ssize_t writev(int fd, const iovec* parts, int count) {
    return is_ours(fd) ? write_parts(fd, parts, count) : real.writev(fd, parts, count);
}

// At offset -1 they are readv and writev; a socket has no other offset. Of the flags the kernel's
// sockets know RWF_NOWAIT, and what is about disks and queues changes nothing.
FANFARE_INTERPOSED ssize_t preadv2(int fd, const iovec* parts, int count, off_t at, int flags) {
    if (!is_ours(fd)) return real.preadv2(fd, parts, count, at, flags);
    if (at != -1) return refuse(ESPIPE);
    if ((flags & ~kKnownFlags) != 0) return refuse(EOPNOTSUPP);
    return read_parts(fd, parts, count, message_flags(flags));
}
FANFARE_INTERPOSED ssize_t preadv64v2(int fd, const iovec* parts, int count, off64_t at,
                                      int flags) {
    return preadv2(fd, parts, count, at, flags);
}
FANFARE_INTERPOSED ssize_t pwritev2(int fd, const iovec* parts, int count, off_t at, int flags) {
    if (!is_ours(fd)) return real.pwritev2(fd, parts, count, at, flags);
    if (at != -1) return refuse(ESPIPE);
    if ((flags & ~kKnownFlags) != 0) return refuse(EOPNOTSUPP);
    return write_parts(fd, parts, count, message_flags(flags));
}
FANFARE_INTERPOSED ssize_t pwritev64v2(int fd, const iovec* parts, int count, off64_t at,
                                       int flags) {
    return pwritev2(fd, parts, count, at, flags);
}

FANFARE_INTERPOSED ssize_t recv(int fd, void* data, size_t bytes, int flags) {
    return is_ours(fd) ? fanfare_recv(fd, data, bytes, flags) : real.recv(fd, data, bytes, flags);
}
FANFARE_INTERPOSED ssize_t __recv(int fd, void* data, size_t bytes, int flags) {
    return recv(fd, data, bytes, flags);
}
FANFARE_INTERPOSED ssize_t __recv_chk(int fd, void* data, size_t bytes, size_t room, int flags) {
    if (bytes > room) __chk_fail();
    return recv(fd, data, bytes, flags);
}

FANFARE_INTERPOSED ssize_t recvfrom(int fd, void* data, size_t bytes, int flags, sockaddr* address,
                                    socklen_t* length) {
    return is_ours(fd) ? fanfare_recvfrom(fd, data, bytes, flags, address, length)
                       : real.recvfrom(fd, data, bytes, flags, address, length);
}
FANFARE_INTERPOSED ssize_t __recvfrom_chk(int fd, void* data, size_t bytes, size_t room, int flags,
                                          sockaddr* address, socklen_t* length) {
    if (bytes > room) __chk_fail();
    return recvfrom(fd, data, bytes, flags, address, length);
}

FANFARE_INTERPOSED ssize_t recvmsg(int fd, msghdr* message, int flags) {
    if (is_ours(fd)) return fanfare_recvmsg(fd, message, flags);
    const ssize_t got = real.recvmsg(fd, message, flags);
    if (got >= 0 && message->msg_controllen != 0) mark_passed(*message);
    return got;
}

FANFARE_INTERPOSED int recvmmsg(int fd, mmsghdr* messages, unsigned count, int flags,
                                timespec* timeout) {
    if (!is_ours(fd)) {
        const int got = real.recvmmsg(fd, messages, count, flags, timeout);
        for (int i = 0; i < got; ++i)
            if (messages[i].msg_hdr.msg_controllen != 0) mark_passed(messages[i].msg_hdr);
        return got;
    }
    if (!may_be_memory(messages, count * sizeof *messages)) return refuse(EFAULT);
    timespec begin{}, limit{};
    if (timeout != nullptr && !fanfare::client::copy_in(&limit, timeout, sizeof limit))
        return refuse(EFAULT);
    if (!is_time(limit)) return refuse(EINVAL);
    ::clock_gettime(CLOCK_MONOTONIC, &begin);
    int got = 0;
    for (unsigned i = 0; i < std::min<unsigned>(count, kPartsMax); ++i) {
        const ssize_t bytes = fanfare_recvmsg(fd, &messages[i].msg_hdr, flags & ~MSG_WAITFORONE);
        if (bytes < 0) return got != 0 ? got : -1;
        messages[i].msg_len = static_cast<unsigned>(bytes);
        ++got;
        if ((flags & MSG_WAITFORONE) != 0) flags |= MSG_DONTWAIT;
        if (timeout != nullptr && has_passed(begin, limit)) break;
    }
    return got;
}

FANFARE_INTERPOSED ssize_t send(int fd, const void* data, size_t bytes, int flags) {
    return is_ours(fd) ? fanfare_send(fd, data, bytes, flags) : real.send(fd, data, bytes, flags);
}
FANFARE_INTERPOSED ssize_t __send(int fd, const void* data, size_t bytes, int flags) {
    return send(fd, data, bytes, flags);
}

FANFARE_INTERPOSED ssize_t sendto(int fd, const void* data, size_t bytes, int flags,
                                  const sockaddr* address, socklen_t length) {
    return is_ours(fd) ? fanfare_sendto(fd, data, bytes, flags, address, length)
                       : real.sendto(fd, data, bytes, flags, address, length);
}

FANFARE_INTERPOSED ssize_t sendmsg(int fd, const msghdr* message, int flags) {
    return is_ours(fd) ? fanfare_sendmsg(fd, message, flags) : real.sendmsg(fd, message, flags);
}

FANFARE_INTERPOSED int sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags) {
    if (!is_ours(fd)) return real.sendmmsg(fd, messages, count, flags);
    if (!may_be_memory(messages, count * sizeof *messages)) return refuse(EFAULT);
    int sent = 0;
    for (unsigned i = 0; i < std::min<unsigned>(count, kPartsMax); ++i) {
        const ssize_t bytes = fanfare_sendmsg(fd, &messages[i].msg_hdr, flags);
        if (bytes < 0) return sent != 0 ? sent : -1;
        messages[i].msg_len = static_cast<unsigned>(bytes);
        ++sent;
    }
    return sent;
}
FANFARE_INTERPOSED int __sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags) {
    return sendmmsg(fd, messages, count, flags);
}

// A descriptor that takes no pages: callers have a way without, as for many a file.
FANFARE_INTERPOSED ssize_t sendfile(int to, int from, off_t* at, size_t bytes) noexcept {
    return is_ours(to) || is_ours(from) ? refuse(EINVAL) : real.sendfile(to, from, at, bytes);
}
FANFARE_INTERPOSED ssize_t sendfile64(int to, int from, off64_t* at, size_t bytes) noexcept {
    return sendfile(to, from, at, bytes);
}
FANFARE_INTERPOSED ssize_t splice(int from, off64_t* from_at, int to, off64_t* to_at, size_t bytes,
                                  unsigned flags) {
    return is_ours(to) || is_ours(from) ? refuse(EINVAL)
                                        : real.splice(from, from_at, to, to_at, bytes, flags);
}
