// Options: what concerns this process alone is handled here, everything else is passed to the
// control side as the octets it is; that side knows types, roles, ranges and states (wsrm.md
// section 3).
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <limits>

#include "client/socket/asking.hpp"
#include "client/socket/last_error.hpp"
#include "client/socket/page_lock.hpp"
#include "client/socket/signals_held.hpp"
#include "client/socket/socket.hpp"
#include "client/socket/waiting.hpp"

namespace fanfare::client {

namespace {

constexpr int kLevelRm = 113;
constexpr int kSetMessageBoundary = 1002;

// Booleans that every socket of Linux takes and that change nothing here: sessions are kept alive
// by their SPMs, there is no out-of-band data, packets know no way but the interface's, and nothing
// is broadcast. The place is the bit.
constexpr int kHints[] = {SO_KEEPALIVE, SO_OOBINLINE, SO_DONTROUTE, SO_BROADCAST};

// 0: no hint.
std::uint32_t hint_of(int name) {
    const auto* const found = std::find(std::begin(kHints), std::end(kHints), name);
    return found != std::end(kHints) ? 1u << (found - std::begin(kHints)) : 0;
}

// SO_RCVBUF and SO_SNDBUF where nothing was asked for and there is no window yet: what Linux has.
constexpr std::uint32_t kUsualBuffer = 212'992;  // octets

std::uint32_t buffer_told(std::uint32_t asked, std::uint64_t window) {
    if (asked != 0) return asked;
    constexpr std::uint64_t kMost = std::numeric_limits<int>::max();
    return window != 0 ? static_cast<std::uint32_t>(std::min(window, kMost)) : kUsualBuffer;
}

int too_short() {
    return fail(EINVAL, "the option's value is too short for its type");
}

template <typename T>
int give(const T& value, void* out, socklen_t& length) {
    if (length < sizeof value) return too_short();
    std::memcpy(out, &value, sizeof value);
    length = sizeof value;
    return 0;
}

timeval timeval_of(Nanos nanos) {
    return {static_cast<time_t>(nanos / kSecond),
            static_cast<suseconds_t>(nanos % kSecond / kMicrosecond)};
}

}  // namespace

// wsrm.md 5.2; order of checks O-14.
int Socket::set_boundary(const void* value, socklen_t length) {
    if (type_ == ipc::SocketType::stream)
        return fail(ENOPROTOOPT, "RM_SET_MESSAGE_BOUNDARY is for SOCK_RDM");
    const Role role = role_.load(std::memory_order_acquire);
    if (role == Role::listener || role == Role::receiver)
        return fail(ENOPROTOOPT, "RM_SET_MESSAGE_BOUNDARY is a sender's option");
    std::uint32_t octets = 0;
    if (length < sizeof octets) return too_short();
    std::memcpy(&octets, value, sizeof octets);
    const PageLock held(page_->lock);
    return arm_message(*page_, octets) ? 0
                                       : fail(EINVAL, "a message is partly sent; finish it first");
}

int Socket::set_socket_option(int name, const void* value, socklen_t length, bool& taken) {
    taken = true;
    switch (name) {
        case SO_RCVTIMEO:
        case SO_SNDTIMEO: {
            timeval time{};
            if (length < sizeof time) return too_short();
            std::memcpy(&time, value, sizeof time);
            if (time.tv_usec < 0 || time.tv_usec >= 1'000'000)
                return fail(EDOM, "tv_usec is 0 to 999999");
            // Beyond some years it is for ever, and the sum stays in range.
            const Nanos nanos = time.tv_sec < 0 ? 1
                                : time.tv_sec > 1'000'000'000
                                    ? 0
                                    : time.tv_sec * kSecond + time.tv_usec * kMicrosecond;
            (name == SO_RCVTIMEO ? page_->receive_timeout_ns : page_->send_timeout_ns) = nanos;
            return 0;
        }
        case SO_LINGER: {
            linger wish{};
            if (length < sizeof wish) return too_short();
            std::memcpy(&wish, value, sizeof wish);
            page_->linger =
                wish.l_onoff == 0
                    ? 0
                    : 1 + static_cast<std::uint32_t>(std::clamp(wish.l_linger, 0, 1'000'000));
            return 0;
        }
        case SO_RCVBUF:
        case SO_SNDBUF: {
            // Windows are sized by their own options; what programs ask here is remembered and told
            // back.
            std::uint32_t octets = 0;
            if (length < sizeof octets) return too_short();
            std::memcpy(&octets, value, sizeof octets);
            (name == SO_RCVBUF ? page_->receive_buffer : page_->send_buffer) = octets;
            return 0;
        }
        default:
            break;
    }
    const std::uint32_t hint = hint_of(name);
    taken = hint != 0;
    if (!taken) return 0;
    int on = 0;
    if (length < sizeof on) return too_short();
    std::memcpy(&on, value, sizeof on);
    if (on != 0)
        page_->hints.fetch_or(hint, std::memory_order_relaxed);
    else
        page_->hints.fetch_and(~hint, std::memory_order_relaxed);
    return 0;
}

// The session's failure or the daemon's, as SO_ERROR gives it. It is not taken out: every later
// call fails with it too.
int Socket::pending_error() const {
    const Role role = role_.load(std::memory_order_acquire);
    if (role == Role::receiver) {
        if (page_->overtaken.load(std::memory_order_relaxed) != 0) return ECONNRESET;
        const auto state = static_cast<SessionState>(
            reader_->view().header().state.load(std::memory_order_acquire));
        if (state == SessionState::reset) return ECONNRESET;
        // What is left of it and its end are read without a daemon.
        if (state == SessionState::finished) return 0;
    }
    if (role == Role::sender && writer_->state() == SessionState::reset) return ECONNRESET;
    return Endpoint(descriptor_).gone() ? ECONNRESET : 0;
}

int Socket::get_socket_option(int name, void* value, socklen_t& length, bool& taken) {
    taken = true;
    const auto seconds = static_cast<int>(page_->linger) - 1;
    switch (name) {
        case SO_TYPE:
            return give(int{type()}, value, length);
        case SO_PROTOCOL:
            return give(type_ == ipc::SocketType::datagram ? int{IPPROTO_UDP} : kLevelRm, value,
                        length);
        case SO_DOMAIN:
            return give(int{AF_INET}, value, length);
        case SO_ERROR:
            return give(pending_error(), value, length);
        case SO_ACCEPTCONN:
            // Another holder may have made it listen.
            if (role_.load(std::memory_order_acquire) < Role::sender)
                (void)adopt_session_made_elsewhere();
            return give(int{role_.load() == Role::listener}, value, length);
        case SO_RCVTIMEO:
            return give(timeval_of(page_->receive_timeout_ns), value, length);
        case SO_SNDTIMEO:
            return give(timeval_of(page_->send_timeout_ns), value, length);
        case SO_RCVBUF:
            return give(
                buffer_told(page_->receive_buffer, reader_ ? reader_->view().log_bytes() : 0),
                value, length);
        case SO_SNDBUF:
            return give(buffer_told(page_->send_buffer, writer_ ? writer_->view().log_bytes() : 0),
                        value, length);
        case SO_LINGER:
            return give(linger{seconds >= 0, std::max(0, seconds)}, value, length);
        default:
            break;
    }
    const std::uint32_t hint = hint_of(name);
    taken = hint != 0;
    if (!taken) return 0;
    return give(int{(page_->hints.load(std::memory_order_relaxed) & hint) != 0}, value, length);
}

int Socket::set_option(int level, int name, const void* value, socklen_t length) {
    if (value == nullptr) return fail(EFAULT, "the option's value is a null pointer");
    if (type_ == ipc::SocketType::datagram && level == IPPROTO_IP)
        return set_datagram_option(name, value, length);
    if (level == kLevelRm && name == kSetMessageBoundary && type_ != ipc::SocketType::datagram)
        return set_boundary(value, length);
    if (level == SOL_SOCKET) {
        bool taken = false;
        const int error = set_socket_option(name, value, length, taken);
        if (taken) return error;
    }
    ipc::OptionRequest request{};
    request.level = level;
    request.name = name;
    request.length = std::min<std::uint32_t>(length, sizeof request.value);
    std::memcpy(request.value, value, request.length);
    const QuietLock lock(control_);
    return ask(ipc::RequestType::set_option, request);
}

int Socket::get_option(int level, int name, void* value, socklen_t& length) {
    if (value == nullptr) return fail(EFAULT, "the option's value is a null pointer");
    if (type_ == ipc::SocketType::datagram && level == IPPROTO_IP)
        return get_datagram_option(name, value, length);
    if (level == kLevelRm && name == kSetMessageBoundary)
        return fail(ENOPROTOOPT, "RM_SET_MESSAGE_BOUNDARY can only be set");
    if (level == SOL_SOCKET) {
        bool taken = false;
        const int error = get_socket_option(name, value, length, taken);
        if (taken) return error;
    }
    ipc::OptionRequest request{};
    request.level = level;
    request.name = name;
    request.length = std::min<std::uint32_t>(length, sizeof request.value);
    ipc::OptionReply reply;
    Descriptors none;
    const QuietLock lock(control_);
    if (const int error = ask(ipc::RequestType::get_option, request, reply, none); error != 0)
        return error;
    if (reply.length > sizeof reply.value || reply.length > length)
        return fail(EPROTO, "the daemon's answer is too long");
    std::memcpy(value, reply.value, reply.length);
    length = reply.length;
    return 0;
}

}  // namespace fanfare::client
