// Keeping the descriptor true for poll() after a call that did find something
// (ipc/socket_page.hpp has the rules; waiting calls keep them by themselves).
//
// What holds with readiness_always_true, outside of a call:
//   - unread data, an end or a session to accept: an octet stands in the endpoint, or the flag is
//     taken and the octet on its way;
//   - nothing of that: no octet, and the flag stands.
// Between taking a flag and sending the octet a waker is some hundred nanoseconds; a reader that
// empties the window within them sees one octet too many: poll() may then say readable once when
// nothing is.
#include <algorithm>

#include "client/socket/asking.hpp"
#include "client/socket/page_lock.hpp"
#include "client/socket/signals_held.hpp"
#include "client/socket/socket.hpp"
#include "ipc/datagram.hpp"
#include "ipc/wakeup.hpp"

namespace fanfare::client {

void Socket::ask_wake() {
    const QuietLock lock(control_);
    ipc::IdRequest request{};
    (void)ask(ipc::RequestType::wake, request);  // a daemon that has gone shows as hang-up
}

// True: there is more to receive.
bool Socket::settle_readable() {
    const auto something = [&] {
        const PageLock held(page_->lock);
        ReceivedView one;
        std::size_t count = 0;
        return reader_->peek(std::span(&one, 1), count).status != ReadStatus::empty;
    };
    const Endpoint endpoint(descriptor_);
    auto& flag = page_->receive_sleeping;
    for (;;) {
        if (something()) {
            // A flag that stands: nobody announced this. Who takes the flag has to.
            if (ipc::take_sleeper(ipc::AtomicMemory{}, flag)) ask_wake();
            return true;
        }
        if (flag.load(std::memory_order_relaxed) != 0) return false;
        if (endpoint.drain()) return false;
        if (ipc::prepare_sleep(ipc::AtomicMemory{}, flag, something)) return false;
    }
}

// An octet that stands makes no edge when more comes. What a program was not told of, as its read
// came back short before it, gets an octet of its own.
void Socket::announce_anew() {
    if (!Endpoint(descriptor_).drain()) ask_wake();
}

void Socket::settle_writable() {
    const auto room = [&] { return writer_->has_room() || writer_->state() != SessionState::open; };
    if (room()) return;
    if (Endpoint(descriptor_).fill()) return;
    auto& flag = page_->send_sleeping;
    if (!ipc::prepare_sleep(ipc::AtomicMemory{}, flag, room) &&
        ipc::take_sleeper(ipc::AtomicMemory{}, flag))
        ask_wake();
}

// Sessions are announced whether or not the flag stands, so the octets go first and the daemon is
// asked to look.
void Socket::settle_acceptable() {
    (void)Endpoint(descriptor_).drain();
    page_->receive_sleeping.store(1, std::memory_order_relaxed);
    ask_wake();
}

int Socket::available(std::uint64_t& octets) {
    octets = 0;
    const Role role = role_.load(std::memory_order_acquire);
    if (role != Role::receiver && role != Role::datagram) return 0;
    const PageLock held(page_->lock);
    octets = reader_->available();
    constexpr std::uint64_t kHead = sizeof(ipc::ReceivedDatagram);
    if (role == Role::datagram) octets -= std::min(octets, kHead);
    return 0;
}

}  // namespace fanfare::client
