// Descriptors come, go and are asked: close, dup, fcntl, ioctl, and what closes many at once.
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <limits>

#include "client/preload/interpose.hpp"
#include "client/preload/standard_streams.hpp"
#include "client/socket/descriptor_calls.hpp"
#include "client/socket/program_memory.hpp"
#include "client/socket/socket_table.hpp"
#include "fanfare/socket.h"

#ifndef SIOCOUTQ
#define SIOCOUTQ 0x5411
#endif

using fanfare::client::release_descriptor;
using fanfare::preload::is_hidden;
using fanfare::preload::is_ours;
using fanfare::preload::real;
using fanfare::preload::real_fcntl;
using fanfare::preload::real_ioctl;
using fanfare::preload::refuse;
namespace client = fanfare::client;

namespace {

// `duplicate` is the kernel's duplicate of `fd`: it becomes the same socket.
int duplicated(int fd, int duplicate) {
    if (duplicate < 0 || !is_ours(fd)) return duplicate;
    if (client::enter_duplicate(fd, duplicate)) {
        fanfare::preload::adopt_standard_stream(duplicate);
        return duplicate;
    }
    real.close(duplicate);
    return refuse(EMFILE);
}

// What dup2 and dup3 do to the number they take.
bool may_replace(int fd, int to) {
    if (is_hidden(to)) {
        errno = EBUSY;  // as where another thread is about to open that number
        return false;
    }
    if (is_ours(to) && real_fcntl(fd, F_GETFD, 0) >= 0) release_descriptor(to, true);
    return true;
}

int control(int fd, int command, unsigned long argument) {
    const int result = real_fcntl(fd, command, argument);
    return command == F_DUPFD || command == F_DUPFD_CLOEXEC ? duplicated(fd, result) : result;
}

int answer(int fd, unsigned long request, void* out) {
    const std::int64_t octets =
        request == FIONREAD ? client::readable_octets(fd) : fanfare_unsent(fd);
    if (octets < 0 && request == FIONREAD) return -1;
    const auto number =
        static_cast<int>(std::clamp<std::int64_t>(octets, 0, std::numeric_limits<int>::max()));
    return client::copy_out(out, &number, sizeof number) ? 0 : refuse(EFAULT);
}

// The SIOC numbers of interfaces, addresses and routes begin here; those before are about the
// socket itself.
constexpr unsigned long kFirstOfInterfaces = 0x890B, kLastOfInterfaces = 0x89FF;

// An endpoint is none of AF_INET and knows no interface's address; any such socket does.
int ask_interface(unsigned long request, unsigned long argument) {
    const int asked = fanfare::preload::raw::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (asked < 0) return -1;
    const int result = real_ioctl(asked, request, argument);
    const int kept = errno;
    fanfare::preload::raw::close(asked);
    errno = kept;
    return result;
}

}  // namespace

FANFARE_INTERPOSED int close(int fd) {
    if (is_hidden(fd)) return refuse(EBADF);
    if (!is_ours(fd)) return real.close(fd);
    if (fanfare_close(fd) == 0) return 0;
    // SO_LINGER: it stays open. Or another thread has closed it.
    if (errno == EAGAIN || !is_ours(fd)) return -1;
    // A socket whose daemon is not there any more.
    release_descriptor(fd, false);
    return real.close(fd);
}
FANFARE_INTERPOSED int __close(int fd) {
    return close(fd);
}

// The library's own descriptors stay; those of the program go without a word where this process
// came by them in a fork (closing everything before exec is no end of a session).
FANFARE_INTERPOSED int close_range(unsigned first, unsigned last, int flags) noexcept {
    if (first > last) return refuse(EINVAL);
    const int highest = client::highest_known_descriptor();
    if ((flags & static_cast<int>(CLOSE_RANGE_CLOEXEC)) != 0 || highest < 0)
        return real.close_range(first, last, flags);
    unsigned begin = first;
    for (unsigned fd = first; fd <= last && fd <= static_cast<unsigned>(highest); ++fd) {
        const int number = static_cast<int>(fd);
        if (is_ours(number)) {
            const auto socket = client::known_socket(number);
            if (socket != nullptr)
                release_descriptor(number, socket->is_first_holder());
            else  // inherited over exec, and never used here
                client::set_kind(number, client::DescriptorKind::foreign);
        } else if (is_hidden(number)) {
            if (begin < fd && real.close_range(begin, fd - 1, flags) != 0) return -1;
            begin = fd + 1;
        }
    }
    return begin <= last ? real.close_range(begin, last, flags) : 0;
}

FANFARE_INTERPOSED void closefrom(int first) noexcept {
    (void)close_range(static_cast<unsigned>(std::max(first, 0)),
                      std::numeric_limits<unsigned>::max(), 0);
}

FANFARE_INTERPOSED int dup(int fd) noexcept {
    return is_hidden(fd) ? refuse(EBADF) : duplicated(fd, real.dup(fd));
}

FANFARE_INTERPOSED int dup2(int fd, int to) noexcept {
    if (fd == to) return real.dup2(fd, to);
    return may_replace(fd, to) ? duplicated(fd, real.dup2(fd, to)) : -1;
}
FANFARE_INTERPOSED int __dup2(int fd, int to) noexcept {
    return dup2(fd, to);
}

FANFARE_INTERPOSED int dup3(int fd, int to, int flags) noexcept {
    if (fd == to || (flags & ~O_CLOEXEC) != 0) return refuse(EINVAL);
    return may_replace(fd, to) ? duplicated(fd, real.dup3(fd, to, flags)) : -1;
}

// The third argument, which may be an int, a pointer or nothing, is what its register holds.
FANFARE_INTERPOSED int fcntl(int fd, int command, ...) {
    va_list arguments;
    va_start(arguments, command);
    const unsigned long argument = va_arg(arguments, unsigned long);
    va_end(arguments);
    return control(fd, command, argument);
}
FANFARE_INTERPOSED int fcntl64(int fd, int command, ...) {
    va_list arguments;
    va_start(arguments, command);
    const unsigned long argument = va_arg(arguments, unsigned long);
    va_end(arguments);
    return control(fd, command, argument);
}
FANFARE_INTERPOSED int __fcntl(int fd, int command, ...) {
    va_list arguments;
    va_start(arguments, command);
    const unsigned long argument = va_arg(arguments, unsigned long);
    va_end(arguments);
    return control(fd, command, argument);
}

// What waits in the endpoint is no data, and interfaces are asked of a socket of their own;
// everything else about a descriptor the kernel knows.
FANFARE_INTERPOSED int ioctl(int fd, unsigned long request, ...) noexcept {
    va_list arguments;
    va_start(arguments, request);
    const unsigned long argument = va_arg(arguments, unsigned long);
    va_end(arguments);
    if (is_ours(fd) && (request == FIONREAD || request == SIOCOUTQ))
        return answer(fd, request, reinterpret_cast<void*>(argument));
    if (is_ours(fd) && request >= kFirstOfInterfaces && request <= kLastOfInterfaces)
        return ask_interface(request, argument);
    return real_ioctl(fd, request, argument);
}

FANFARE_INTERPOSED int sockatmark(int fd) noexcept {
    int marked = 0;
    if (is_ours(fd)) return 0;  // there is no out-of-band data
    return real_ioctl(fd, 0x8905 /* SIOCATMARK */, reinterpret_cast<unsigned long>(&marked)) < 0
               ? -1
               : marked;
}

// A child that shares its parent's memory until it execs would write into the parent's tables when
// it closes or duplicates descriptors; a fork may do everything vfork may.
FANFARE_INTERPOSED pid_t vfork(void) noexcept {
    return fanfare::preload::real_fork();
}
FANFARE_INTERPOSED pid_t __vfork(void) noexcept {
    return vfork();
}
