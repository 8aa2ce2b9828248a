#include "apps/fanfare/outlet.hpp"

#include <fmt/core.h>
#include <poll.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "apps/fanfare/failure.hpp"

namespace fanfare::tool {

namespace {
// Publishing costs a fence and perhaps a doorbell, so it is done once for so many octets.
constexpr std::size_t kBatchBytes = 64 << 10;
}  // namespace

void Outlet::fail() {
    throw Failure(fanfare_last_error_text());
}

void Outlet::watch() {
    pollfd look{sender_.fd(), POLLRDHUP, 0};
    if (::poll(&look, 1, 0) > 0) fail_hung_up();
}

void Outlet::fail_hung_up() {
    // Room that is claimed and not committed leaves no trace; a session that was reset refuses it.
    for (int attempt = 0; attempt < 2; ++attempt) {
        if (sender_.claim(1, MSG_DONTWAIT).data() == nullptr && errno == ECONNRESET) fail();
        sockaddr_in name{};
        socklen_t length = sizeof name;
        if (fanfare_getsockname(sender_.fd(), reinterpret_cast<sockaddr*>(&name), &length) != 0 &&
            errno == ECONNRESET)
            fail();
    }
    throw Failure("session reset: the daemon hung up; `fanfare status` names the cause");
}

std::span<std::byte> Outlet::claim(std::size_t bytes) {
    for (;;) {
        const auto room = sender_.claim(bytes);
        if (room.data() != nullptr) return room;
        if (errno == EINTR) continue;
        if (errno == EMSGSIZE) return {};
        fail();
    }
}

void Outlet::commit(std::size_t bytes) {
    sender_.commit(bytes);
    built_ = true;
    progress_.add(bytes, 1);
}

void Outlet::message(std::span<const std::byte> octets) {
    // Long ones may need several records, which is send's business.
    if (octets.size() <= kBatchBytes) {
        if (const auto room = claim(octets.size()); room.data() != nullptr) {
            std::memcpy(room.data(), octets.data(), octets.size());
            commit(octets.size());
            return;
        }
    }
    flush();
    send_all(octets);
    progress_.add(octets.size(), 1);
}

void Outlet::stream(std::span<const std::byte> octets) {
    send_all(octets);
    progress_.add(octets.size(), 0);
}

void Outlet::send_all(std::span<const std::byte> octets) {
    while (!octets.empty()) {
        const Sent sent = sender_.send(octets);
        if (!sent && sent.error == EINTR) continue;
        if (!sent && sent.error == EMSGSIZE)
            throw Failure(fmt::format("a message of {} octets is too large for this session: {}",
                                      octets.size(), fanfare_last_error_text()));
        if (!sent) fail();
        octets = octets.subspan(sent.bytes);
    }
}

void Outlet::flush() {
    if (!built_) return;
    built_ = false;
    if (sender_.publish() != 0) fail();
}

void Outlet::finish() {
    flush();
    if (fanfare_shutdown(sender_.fd(), SHUT_WR) != 0) fail();
    for (unsigned looks = 0;; ++looks) {
        // Asked first: an end that comes after the last octet left is no failure.
        const std::int64_t unsent = sender_.unsent();
        if (unsent == 0) return;
        int error = 0;
        socklen_t length = sizeof error;
        if (fanfare_getsockopt(sender_.fd(), SOL_SOCKET, SO_ERROR, &error, &length) == 0 &&
            error != 0)
            throw Failure(fmt::format(
                "the session was reset with {} octets unsent; `fanfare status` names the cause",
                unsent));
        // Shared memory does not tell that the daemon died; a request does.
        sockaddr_in name{};
        length = sizeof name;
        if (looks % 64 == 63 &&
            fanfare_getsockname(sender_.fd(), reinterpret_cast<sockaddr*>(&name), &length) != 0 &&
            errno == ECONNRESET)
            fail();
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

}  // namespace fanfare::tool
