// Moves a file by asynchronous calls, for test_async.py.
//
//   async_program CONTROL send GROUP:PORT MESSAGE_BYTES RATE_MBIT WINDOW_BYTES  < file
//   async_program CONTROL receive GROUP:PORT                                    > file
//
// Up to 64 calls are under way. The sender waits in the ring, the receiver with epoll on the ring's
// descriptor. Each message is of two parts. Ends with 0 when all went well.
#include <sys/epoll.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "fanfare/async.hpp"

namespace {

constexpr std::size_t kAtOnce = 64;

struct Place {
    std::string group;
    std::uint16_t port = 0;
};
Place place_of(const std::string& text) {
    const auto colon = text.find(':');
    return {text.substr(0, colon), static_cast<std::uint16_t>(std::stoul(text.substr(colon + 1)))};
}

std::size_t read_all(std::byte* to, std::size_t bytes) {
    std::size_t got = 0;
    while (got < bytes) {
        const ssize_t n = ::read(STDIN_FILENO, to + got, bytes - got);
        if (n <= 0) break;
        got += static_cast<std::size_t>(n);
    }
    return got;
}

int failed(const char* what, int error) {
    std::fprintf(stderr, "%s: %s\n", what, std::strerror(error));
    return 1;
}

int send(const Place& to, std::size_t message_bytes, std::uint64_t rate_bits,
         std::uint64_t window_bytes) {
    fanfare::Sender sender(fanfare::Mode::message);
    sender.set_rm64(FANFARE_RATE_BITS, rate_bits);
    sender.set_rm64(FANFARE_WINDOW_BYTES, window_bytes);
    sender.connect(to.group, to.port);
    fanfare::Ring ring(kAtOnce);
    std::vector<std::vector<std::byte>> rooms(kAtOnce, std::vector<std::byte>(message_bytes));
    std::uint64_t next = 0, complete = 0, pending_most = 0;
    for (bool more = true; more || complete < next;) {
        while (more && next - complete < kAtOnce) {
            auto& room = rooms[next % kAtOnce];
            const std::size_t n = read_all(room.data(), message_bytes);
            more = n == message_bytes;
            if (n == 0) break;
            const iovec parts[2] = {{room.data(), n / 3}, {room.data() + n / 3, n - n / 3}};
            if (!ring.send(sender, parts, next)) return failed("submit", errno);
            ++next;
        }
        if (complete == next) break;
        pending_most = std::max(pending_most, next - complete);
        if (ring.wait(1) < 0) return failed("wait", errno);
        int error = 0;
        ring.for_each([&](const fanfare::Completion& done) {
            if (!done) error = done.error();
            if (done.user_data != complete++) error = EPROTO;  // in call order
        });
        if (error != 0) return failed("send", error);
    }
    if (!ring.finish(sender, next) || ring.wait(1) != 1) return failed("finish", errno);
    std::fprintf(stderr, "sent %llu messages\n", static_cast<unsigned long long>(next));
    return 0;
}

int receive(const Place& from) {
    fanfare::Listener listener(from.group, from.port);
    std::fprintf(stderr, "listening\n");
    fanfare::Receiver receiver = listener.accept();
    fanfare::Ring ring(kAtOnce);
    constexpr std::size_t kRoom = 4096;  // less than some messages: they come in several
    std::vector<std::vector<std::byte>> rooms(kAtOnce, std::vector<std::byte>(kRoom));
    std::uint64_t next = 0, complete = 0, messages = 0;
    const int poll = ::epoll_create1(0);
    epoll_event wish{};
    wish.events = EPOLLIN;
    if (::epoll_ctl(poll, EPOLL_CTL_ADD, ring.fd(), &wish) != 0) return failed("epoll", errno);
    for (; next < kAtOnce; ++next) {
        auto& room = rooms[next];
        const iovec parts[2] = {{room.data(), 100}, {room.data() + 100, kRoom - 100}};
        if (!ring.receive(receiver, parts, next)) return failed("submit", errno);
    }
    for (bool over = false; !over;) {
        epoll_event event;
        if (::epoll_wait(poll, &event, 1, 60'000) != 1) return failed("nothing came", ETIMEDOUT);
        int error = 0;
        ring.for_each([&](const fanfare::Completion& done) {
            if (over) return;
            if (done.user_data != complete++) error = EPROTO;
            if (done.error() == ESHUTDOWN) {
                over = true;
                return;
            }
            if (!done) {
                error = done.error();
                return;
            }
            auto& room = rooms[done.user_data % kAtOnce];
            if (std::fwrite(room.data(), 1, done.bytes(), stdout) != done.bytes()) error = EIO;
            messages += done.message_end() ? 1 : 0;
            const iovec parts[2] = {{room.data(), 100}, {room.data() + 100, kRoom - 100}};
            if (!ring.receive(receiver, parts, next++)) error = errno;
        });
        if (error != 0) return failed("receive", error);
    }
    std::fprintf(stderr, "received %llu messages\n", static_cast<unsigned long long>(messages));
    return std::fflush(stdout) == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        if (argc < 4) return 2;
        fanfare_set_control(argv[1]);
        const Place place = place_of(argv[3]);
        if (std::string(argv[2]) == "receive") return receive(place);
        if (argc < 7) return 2;
        return send(place, std::stoul(argv[4]), std::stoull(argv[5]) * 1'000'000,
                    std::stoull(argv[6]));
    } catch (const std::exception& e) {
        std::fprintf(stderr, "%s\n", e.what());
        return 1;
    }
}
