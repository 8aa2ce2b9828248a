// stdio on a Fanfare socket. A FILE reads and writes by libc's inner calls, which nobody can stand
// before; so one that is opened on our descriptor gets functions of its own (fopencookie). fileno()
// of it is -1.
#include <cstdint>
#include <cstdio>

#include "client/preload/interpose.hpp"
#include "fanfare/socket.h"

using fanfare::preload::is_ours;

namespace {

int descriptor_of(void* cookie) {
    return static_cast<int>(reinterpret_cast<std::intptr_t>(cookie));
}

// The end in good order is the end of the file, also of messages.
ssize_t read_cookie(void* cookie, char* data, size_t bytes) {
    iovec part{data, bytes};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    const ssize_t got = fanfare_recvmsg(descriptor_of(cookie), &message, 0);
    return got < 0 && errno == ESHUTDOWN ? 0 : got;
}

// stdio takes 0 for a failure.
ssize_t write_cookie(void* cookie, const char* data, size_t bytes) {
    const ssize_t sent = fanfare_send(descriptor_of(cookie), data, bytes, 0);
    return sent < 0 ? 0 : sent;
}

int close_cookie(void* cookie) {
    return fanfare_close(descriptor_of(cookie));
}

}  // namespace

FANFARE_INTERPOSED FILE* fdopen(int fd, const char* mode) noexcept {
    if (!is_ours(fd)) return fanfare::preload::real_fdopen(fd, mode);
    void* const cookie = reinterpret_cast<void*>(static_cast<std::intptr_t>(fd));
    return ::fopencookie(cookie, mode, {read_cookie, write_cookie, nullptr, close_cookie});
}
