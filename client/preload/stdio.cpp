// stdio on a Fanfare socket. A FILE reads and writes by libc's inner calls, which nobody can stand
// before; so one that is opened on our descriptor gets functions of its own (fopencookie), and its
// number is kept here for fileno(). stdin, stdout and stderr are replaced by such where their
// numbers become sockets, which is how a program that another one starts gets its connection.
// dprintf, which has no FILE to give functions to, prints to memory.
#include <atomic>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "client/preload/interpose.hpp"
#include "client/preload/standard_streams.hpp"
#include "fanfare/socket.h"

using fanfare::preload::is_ours;
using fanfare::preload::real;

namespace {

// The stream that a descriptor was opened as, in zeroed memory of which only the pages that are
// used exist; descriptors beyond have no fileno(). Relaxed: the program orders its own streams.
constexpr int kStreamsMax = 1 << 16;
constinit std::atomic<std::FILE*> streams[kStreamsMax] = {};
constinit std::atomic<int> streams_open{0}, streams_end{0};

void set_stream(int fd, std::FILE* stream) {
    if (fd >= kStreamsMax) return;
    const bool had_one = streams[fd].exchange(stream, std::memory_order_relaxed) != nullptr;
    streams_open.fetch_add((stream != nullptr) - had_one, std::memory_order_relaxed);
    int end = streams_end.load(std::memory_order_relaxed);
    while (end <= fd &&
           !streams_end.compare_exchange_weak(end, fd + 1, std::memory_order_relaxed)) {
    }
}

// -1: none of ours.
int descriptor_behind(const std::FILE* stream) {
    if (stream == nullptr || streams_open.load(std::memory_order_relaxed) == 0) return -1;
    const int end = streams_end.load(std::memory_order_relaxed);
    for (int fd = 0; fd < end; ++fd)
        if (streams[fd].load(std::memory_order_relaxed) == stream) return fd;
    return -1;
}

// The descriptor may have become somebody else's since: dup2 puts back what it was before.
int descriptor_of(void* cookie) {
    return static_cast<int>(reinterpret_cast<std::intptr_t>(cookie));
}

// The end in good order is the end of the file, also of messages.
ssize_t read_cookie(void* cookie, char* data, size_t bytes) {
    if (!is_ours(descriptor_of(cookie))) return real.read(descriptor_of(cookie), data, bytes);
    iovec part{data, bytes};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    const ssize_t got = fanfare_recvmsg(descriptor_of(cookie), &message, 0);
    return got < 0 && errno == ESHUTDOWN ? 0 : got;
}

// stdio takes 0 for a failure.
ssize_t write_cookie(void* cookie, const char* data, size_t bytes) {
    const int fd = descriptor_of(cookie);
    const ssize_t sent =
        is_ours(fd) ? fanfare_send(fd, data, bytes, 0) : real.write(fd, data, bytes);
    return sent < 0 ? 0 : sent;
}

int close_cookie(void* cookie) {
    const int fd = descriptor_of(cookie);
    set_stream(fd, nullptr);
    return is_ours(fd) ? fanfare_close(fd) : real.close(fd);
}

std::FILE* open_stream(int fd, const char* mode) {
    void* const cookie = reinterpret_cast<void*>(static_cast<std::intptr_t>(fd));
    std::FILE* const stream =
        ::fopencookie(cookie, mode, {read_cookie, write_cookie, nullptr, close_cookie});
    if (stream != nullptr) set_stream(fd, stream);
    return stream;
}

// One call, one message, as far as there is room for it.
int print(int fd, const char* format, va_list arguments) {
    char* text = nullptr;
    const int octets = ::vasprintf(&text, format, arguments);
    if (octets < 0) return -1;
    const std::unique_ptr<char, decltype(&std::free)> owner(text, &std::free);
    for (int sent = 0; sent < octets;) {
        const auto left = static_cast<std::size_t>(octets - sent);
        const ssize_t now = fanfare_send(fd, text + sent, left, 0);
        if (now < 0) return -1;
        sent += static_cast<int>(now);
    }
    return octets;
}

}  // namespace

namespace fanfare::preload {

// What the old stream has buffered stays in it: programs flush before they change descriptors.
void adopt_standard_stream(int fd) {
    if (fd < STDIN_FILENO || fd > STDERR_FILENO || !is_ours(fd)) return;
    std::FILE*& standard = fd == STDIN_FILENO ? stdin : fd == STDOUT_FILENO ? stdout : stderr;
    if (streams[fd].load(std::memory_order_relaxed) == standard) return;
    std::FILE* const stream = open_stream(fd, fd == STDIN_FILENO ? "r" : "w");
    if (stream == nullptr) return;
    if (fd == STDERR_FILENO) std::setvbuf(stream, nullptr, _IONBF, 0);
    standard = stream;
}

}  // namespace fanfare::preload

FANFARE_INTERPOSED FILE* fdopen(int fd, const char* mode) noexcept {
    if (!is_ours(fd)) return fanfare::preload::real_fdopen(fd, mode);
    return open_stream(fd, mode);
}

FANFARE_INTERPOSED int fileno(FILE* stream) noexcept {
    const int fd = descriptor_behind(stream);
    return fd >= 0 ? fd : fanfare::preload::real_fileno(stream);
}
FANFARE_INTERPOSED int fileno_unlocked(FILE* stream) noexcept {
    return fileno(stream);
}

FANFARE_INTERPOSED int vdprintf(int fd, const char* format, va_list arguments) {
    return is_ours(fd) ? print(fd, format, arguments)
                       : fanfare::preload::real_vdprintf(fd, format, arguments);
}
FANFARE_INTERPOSED int dprintf(int fd, const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const int octets = vdprintf(fd, format, arguments);
    va_end(arguments);
    return octets;
}
// What programs call that are compiled with _FORTIFY_SOURCE.
FANFARE_INTERPOSED int __vdprintf_chk(int fd, int flag, const char* format, va_list arguments) {
    return is_ours(fd) ? print(fd, format, arguments)
                       : fanfare::preload::real_vdprintf_chk(fd, flag, format, arguments);
}
FANFARE_INTERPOSED int __dprintf_chk(int fd, int flag, const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const int octets = __vdprintf_chk(fd, flag, format, arguments);
    va_end(arguments);
    return octets;
}
