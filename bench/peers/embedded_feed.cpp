// Fanfare's engine inside the application as one side of the end-to-end bench.
//   embedded_feed send|receive INTERFACE CORE GROUP PORT --size OCTETS [--seconds S] [--udp PORT]
//                 [--rate BITS] [--window OCTETS] [--packed]
// INTERFACE as fanfared takes it. One thread turns the engine and makes or checks the messages.
// Status 0 only if all is there.
#include <arpa/inet.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "embed/engine.hpp"
#include "fanfare/socket.h"
#include "feed_message.h"

using namespace fanfare;

namespace {

struct Arguments {
    std::string interface, core, group;
    int port = 0;
    std::uint32_t udp = 0, packed = 0;
    std::size_t size = 1400;
    double seconds = 2;
    std::uint64_t rate = 0, window = 0;
};

[[noreturn]] void fail(const char* what) {
    std::fprintf(stderr, "embedded_feed: %s: %s\n", what, fanfare_last_error_text());
    std::exit(1);
}

template <typename T>
void set(int fd, int name, const T& value, const char* what) {
    if (fanfare_setsockopt(fd, IPPROTO_RM, name, &value, sizeof value) != 0) fail(what);
}

sockaddr_in address_of(const Arguments& a) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(a.port));
    if (inet_pton(AF_INET, a.group.c_str(), &to.sin_addr) != 1) fail("group");
    return to;
}

int new_socket(const Arguments& a) {
    const int fd = fanfare_socket(AF_INET, SOCK_RDM | SOCK_NONBLOCK, IPPROTO_RM);
    if (fd < 0) fail("socket");
    if (a.udp != 0) set(fd, FANFARE_UDP_PORT, a.udp, "udp port");
    return fd;
}

void turn_for(embed::Engine& engine, double seconds) {
    const double until = feed_seconds() + seconds;
    while (feed_seconds() < until) engine.poll();
}

int send(embed::Engine& engine, const Arguments& a) {
    const int fd = new_socket(a);
    set(fd, FANFARE_RATE_BITS, a.rate, "rate");
    if (a.window != 0) set(fd, FANFARE_WINDOW_BYTES, a.window, "window");
    if (a.packed != 0) set(fd, FANFARE_PACKED, a.packed, "packed");
    const sockaddr_in to = address_of(a);
    if (fanfare_connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0)
        fail("connect");
    std::fprintf(stderr, "ready\n");
    constexpr int kBatch = 90;  // messages between two publications and two turns
    double began = 0;
    std::uint64_t number = 0;
    for (bool last = false; !last;) {
        if (number == 1) {
            turn_for(engine, FEED_PAUSE);
            began = feed_seconds();
        }
        last = number > 0 && feed_seconds() >= began + a.seconds;
        for (int left = last || number == 0 ? 1 : kBatch; left > 0;) {
            void* room = nullptr;
            std::size_t got = 0;
            if (fanfare_claim(fd, a.size, &room, &got, MSG_DONTWAIT) != 0) {
                if (errno != EAGAIN) fail("claim");
                if (fanfare_publish(fd) != 0) fail("publish");
                engine.poll();
                continue;
            }
            feed_fill(room, a.size, number, feed_mark(began, last ? 1 : 0));
            if (fanfare_commit(fd, a.size) != 0) fail("commit");
            ++number;
            --left;
        }
        if (fanfare_publish(fd) != 0) fail("publish");
        engine.poll();
    }
    if (fanfare_shutdown(fd, SHUT_WR) != 0) fail("shutdown");
    while (!engine.drained()) engine.poll();
    fanfare_close(fd);
    return 0;
}

int receive(embed::Engine& engine, const Arguments& a) {
    const int listener = new_socket(a);
    const sockaddr_in to = address_of(a);
    if (fanfare_bind(listener, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0)
        fail("bind");
    if (a.window != 0) set(listener, FANFARE_RECEIVE_WINDOW, a.window, "receive window");
    if (fanfare_listen(listener, 1) != 0) fail("listen");
    turn_for(engine, 0.2);
    std::fprintf(stderr, "ready\n");
    int fd = -1;
    while ((fd = fanfare_accept(listener, nullptr, nullptr)) < 0) {
        if (errno != EAGAIN) fail("accept");
        engine.poll();
    }
    constexpr int kViews = 64;
    fanfare_view views[kViews];
    std::uint64_t number = 0, mark = 0;
    while ((mark & 1) == 0) {
        if (engine.poll() == 0) {
            __builtin_ia32_pause();  // the cores may share one
            continue;
        }
        // All that the turn brought.
        for (;;) {
            const int count = fanfare_peek(fd, views, kViews, MSG_DONTWAIT);
            if (count <= 0 && errno == EAGAIN) break;
            if (count <= 0) fail("receive");
            for (int i = 0; i < count && (mark & 1) == 0; ++i, ++number) {
                if (views[i].bytes != a.size || !feed_check(views[i].data, a.size, number, &mark) ||
                    fanfare_intact(fd, &views[i]) != 1) {
                    std::fprintf(stderr, "embedded_feed: message %llu of %zu octets is wrong\n",
                                 static_cast<unsigned long long>(number), views[i].bytes);
                    return 1;
                }
            }
            if (fanfare_consume(fd, views, static_cast<std::size_t>(count)) != 0) fail("consume");
            if ((mark & 1) != 0 || count < kViews) break;
        }
    }
    std::printf("{\"messages\": %llu, \"seconds\": %.6f}\n",
                static_cast<unsigned long long>(number) - 1, feed_elapsed(mark));
    // The last acknowledging words of the session.
    turn_for(engine, 0.2);
    fanfare_close(fd);
    fanfare_close(listener);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    Arguments a;
    if (argc < 6) {
        std::fprintf(stderr, "usage: embedded_feed send|receive INTERFACE CORE GROUP PORT [...]\n");
        return 2;
    }
    a.interface = argv[2];
    a.core = argv[3];
    a.group = argv[4];
    a.port = std::atoi(argv[5]);
    for (int i = 6; i < argc; ++i) {
        const std::string option = argv[i];
        if (option == "--packed") {
            a.packed = 1;
            continue;
        }
        const char* value = i + 1 < argc ? argv[++i] : "";
        if (option == "--size")
            a.size = std::strtoul(value, nullptr, 10);
        else if (option == "--seconds")
            a.seconds = std::atof(value);
        else if (option == "--udp")
            a.udp = static_cast<std::uint32_t>(std::atoi(value));
        else if (option == "--rate")
            a.rate = std::strtoull(value, nullptr, 10);
        else if (option == "--window")
            a.window = std::strtoull(value, nullptr, 10);
        else {
            std::fprintf(stderr, "embedded_feed: %s is no option\n", option.c_str());
            return 2;
        }
    }
    if (a.size < FEED_LEAST || a.size > FEED_MOST) {
        std::fprintf(stderr, "embedded_feed: --size %zu is outside %d to %d\n", a.size, FEED_LEAST,
                     FEED_MOST);
        return 2;
    }
    control::Config config;
    std::string error;
    config.lcores = a.core;
    if (!control::add_interface_flag(a.interface, config, error)) {
        std::fprintf(stderr, "embedded_feed: %s\n", error.c_str());
        return 2;
    }
    const auto engine = embed::Engine::open(config, error);
    if (engine == nullptr) {
        std::fprintf(stderr, "embedded_feed: %s\n", error.c_str());
        return 1;
    }
    return std::string(argv[1]) == "send" ? send(*engine, a) : receive(*engine, a);
}
