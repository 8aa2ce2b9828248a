#include "client/socket/waiting.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace fanfare::client {

namespace {
constexpr Nanos kLongestSleep = 100 * kMillisecond;
constexpr short kGone = POLLHUP | POLLERR | POLLRDHUP | POLLNVAL;
}  // namespace

Nanos monotonic_now() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * kSecond + now.tv_nsec;
}

int online_processors() {
    return static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN));
}
void give_turn_away() {
    ::sched_yield();
}

bool Endpoint::non_blocking() const {
    return (::fcntl(descriptor_, F_GETFL) & O_NONBLOCK) != 0;
}

short Endpoint::look() const {
    // A system call as such: it does not wait, and so is no place to cancel a thread.
    pollfd wait{descriptor_, POLLIN | POLLRDHUP, 0};
    const timespec at_once{};
    return ::syscall(SYS_ppoll, &wait, 1, &at_once, nullptr, 0) <= 0 ? short{0} : wait.revents;
}

bool Endpoint::gone() const {
    // POLLRDHUP is also this socket's own shutdown for receiving.
    return (look() & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

bool Endpoint::drain() const {
    // Asked first: a receive that found nothing would take out the error that poll() shows when the
    // daemon's end has gone.
    const short shown = look();
    if (shown == 0) return false;
    if ((shown & kGone) != 0) return true;
    char octets[256];
    for (;;) {
        const ssize_t n = ::recv(descriptor_, octets, sizeof octets, MSG_DONTWAIT);
        if (n == 0) return true;
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno != EAGAIN && errno != EWOULDBLOCK;
        if (static_cast<std::size_t>(n) < sizeof octets) return false;
    }
}

bool Endpoint::fill() const {
    // Single ones: the daemon leaves the last of them where it is, which must not take much of the
    // room.
    const char octet = 0;
    for (;;) {
        const ssize_t n = ::send(descriptor_, &octet, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n >= 0 || errno == EINTR) continue;
        return errno != EAGAIN && errno != EWOULDBLOCK;
    }
}

Wake Endpoint::sleep(short events, const Patience& patience, bool& hung_up) const {
    const Nanos now = monotonic_now();
    if (now >= patience.deadline) return Wake::timed_out;
    const Nanos span = std::min(patience.deadline - now, kLongestSleep);
    const timespec limit{static_cast<time_t>(span / kSecond), static_cast<long>(span % kSecond)};
    pollfd wait{descriptor_, static_cast<short>(events | POLLRDHUP), 0};
    const int ready = ::ppoll(&wait, 1, &limit, patience.signals.mask());
    if (ready < 0 && errno == EINTR) return Wake::interrupted;
    if (ready > 0 && (wait.revents & kGone) != 0) hung_up = true;
    return Wake::again;
}

}  // namespace fanfare::client
