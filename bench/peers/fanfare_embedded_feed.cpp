// Fanfare embedded as one side of the end-to-end bench: application, worker and control in one
// thread, no daemon. Between two turns of the engine the application claims and commits, or peeks
// and consumes, a batch without waiting.
//   fanfare_embedded_feed send|receive INTERFACE GROUP PORT --size OCTETS [--seconds S] [--core N]
//     [--udp PORT] [--rate BITS] [--window OCTETS] [--packed 1] [--stream 1] [--sessions N]
//     [--readers N] [--loss PERCENT] [--pace MESSAGES/s] [--batch N]
//     [--fec K,H]
// INTERFACE as the daemon's flag: NAME,ADDRESS/PREFIX,DEVICE. `receive` checks every octet of every
// session and reader and prints one line of JSON.
#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "embed/engine.hpp"
#include "fanfare/fanfare.hpp"
#include "wsrm.h"

// The feeds' C headers, as C++ sees them.
#include "bench/peers/feed_latency.h"
#include "bench/peers/feed_message.h"

namespace {

using namespace fanfare;

// Most messages, or views, of one session between two turns; the last row of a packed batch is
// rarely full, so small messages get many.
constexpr std::size_t kBatch = 64, kRun = 256, kRunBytes = 96 * 1024;
constexpr double kDrainSeconds = 20, kUpSeconds = 10, kLastRequestSeconds = 0.05;
// A turn that had nothing to do takes less than this; longer is the machine's own.
constexpr std::uint64_t kStall = 20'000;

struct Arguments {
    std::string way, interface, group;
    int port = 0;
    std::map<std::string, std::string> options;

    std::string text(const char* name, const char* otherwise) const {
        const auto at = options.find(name);
        return at == options.end() ? otherwise : at->second;
    }
    double number(const char* name, double otherwise) const {
        const auto at = options.find(name);
        return at == options.end() ? otherwise : std::strtod(at->second.c_str(), nullptr);
    }
};

[[noreturn]] void fail(const std::string& what) {
    std::fprintf(stderr, "fanfare_embedded_feed: %s\n", what.c_str());
    std::exit(1);
}

// H parity packets unasked with each K of data.
RM_FEC_INFO parity(const std::string& text) {
    unsigned k = 0, h = 0;
    if (std::sscanf(text.c_str(), "%u,%u", &k, &h) != 2 || k > 128 || h > 127)
        fail("--fec: K,H such as 8,2");
    RM_FEC_INFO info{};
    info.FECBlockSize = static_cast<std::uint16_t>(k + h);
    info.FECProActivePackets = static_cast<std::uint16_t>(h);
    info.FECGroupSize = static_cast<std::uint8_t>(k);
    return info;
}

void stay_on(int core) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0) fail("this core cannot be had");
}

// Idle turns that took long: the machine's own stalls, in the seconds of the feed.
struct Stalls {
    std::uint64_t last = 0, long_ones = 0, longest = 0;
    bool idle_before = false;
    void turn(std::uint64_t now, bool idle) {
        if (idle && idle_before && now - last > kStall) {
            ++long_ones;
            if (now - last > longest) longest = now - last;
        }
        last = now;
        idle_before = idle;
    }
};

class Feed {
  public:
    explicit Feed(const Arguments& a)
        : a_(a),
          size_(static_cast<std::size_t>(a.number("size", 1400))),
          mode_(a.number("stream", 0) != 0 ? Mode::stream : Mode::message),
          pace_(a.number("pace", 0)),
          batch_(static_cast<std::uint64_t>(a.number("batch", 1))),
          sessions_(static_cast<std::size_t>(a.number("sessions", 1))) {
        if (size_ < FEED_LEAST || size_ > FEED_MOST) fail("--size is out of range");
        control::Config config;
        std::string error;
        const int core = static_cast<int>(a.number("core", 0));
        config.lcores = std::to_string(core);
        config.rx_loss = a.text("loss", "");
        // Windows of all sessions, and some to spare.
        config.memory_total_mib = config.memory_per_user_mib = 12288;
        config.memory_spares_per_worker = std::min<std::uint64_t>(sessions_ + 2, 64);
        config.limits_sockets_per_user = 4096;
        // Spares have the configured size, a power of two.
        const auto window_mib = static_cast<std::uint64_t>(a.number("window", 64 << 20)) >> 20;
        config.memory_receive_window_mib = std::max<std::uint64_t>(std::bit_floor(window_mib), 1);
        if (!control::add_interface_flag(a.interface, config, error)) fail(error);
        engine_ = embed::Engine::open(config, error);
        if (!engine_) fail(error);
        stay_on(core);
    }

    int send();
    int receive();

  private:
    struct Sending {
        explicit Sending(Mode mode) : socket(mode) {}
        Sender socket;
        std::uint64_t number = 0;
        std::vector<std::byte> rest;  // stream: of a message that the log's end cut
        std::size_t rest_at = 0;
    };
    struct Receiving {
        Receiver socket;
        std::uint64_t number = 0, mark = 0;
        bool ended = false;
        std::vector<std::byte> part;  // stream: a message that is not whole yet
    };

    // True when message `number` was taken whole.
    bool put(Sending& to, std::uint64_t mark);
    // As many as have room, at most `most`; how many were taken whole. Nothing is published.
    std::size_t put_run(Sending& to, std::uint64_t mark, std::size_t most);
    void put_surely(Sending& to, std::uint64_t mark);
    void turn_for(double seconds);
    template <typename Open>
    void open_when_up(Open&& open);
    void send_at_pace(Sending& to, std::uint64_t began);
    bool take(Receiving& from);
    void check(Receiving& from, const std::byte* data, std::size_t bytes, bool repaired);
    void report(double seconds) const;

    const Arguments& a_;
    std::size_t size_;
    Mode mode_;
    double pace_;
    std::uint64_t batch_;
    std::size_t sessions_;
    std::unique_ptr<embed::Engine> engine_;
    feed_histogram delay_{}, repaired_{};
    std::uint64_t messages_ = 0;
    double first_ = 0;
    Stalls stalls_;
};

bool Feed::put(Sending& to, std::uint64_t mark) {
    if (to.rest_at < to.rest.size()) {
        const std::span<std::byte> room = to.socket.claim(to.rest.size() - to.rest_at);
        if (room.empty()) return false;
        std::memcpy(room.data(), to.rest.data() + to.rest_at, room.size());
        to.socket.commit(room.size());
        to.rest_at += room.size();
        if (to.rest_at < to.rest.size()) return false;
    }
    const std::span<std::byte> room = to.socket.claim(size_);
    if (room.empty()) {
        if (errno != EAGAIN) fail(std::string("claim: ") + fanfare_last_error_text());
        return false;
    }
    if (room.size() == size_) {
        feed_fill(room.data(), size_, to.number++, mark);
        to.socket.commit(size_);
        return true;
    }
    to.rest.resize(size_);
    feed_fill(to.rest.data(), size_, to.number++, mark);
    std::memcpy(room.data(), to.rest.data(), room.size());
    to.socket.commit(room.size());
    to.rest_at = room.size();
    return true;
}

std::size_t Feed::put_run(Sending& to, std::uint64_t mark, std::size_t most) {
    if (to.rest_at < to.rest.size()) {
        if (!put(to, mark)) return 0;
        if (to.rest_at < to.rest.size()) return 1;
    }
    std::array<iovec, kRun> rooms;
    for (iovec& room : std::span(rooms).first(most)) room = {nullptr, size_};
    const std::size_t count = to.socket.claim_run(std::span(rooms).first(most));
    if (count == 0 && errno != EAGAIN) fail(std::string("claim: ") + fanfare_last_error_text());
    for (const iovec& room : std::span(rooms).first(count)) {
        if (room.iov_len == size_) {
            feed_fill(room.iov_base, size_, to.number++, mark);
            continue;
        }
        // The log's end cuts a stream's message.
        to.rest.resize(size_);
        feed_fill(to.rest.data(), size_, to.number++, mark);
        std::memcpy(room.iov_base, to.rest.data(), room.iov_len);
        to.rest_at = room.iov_len;
    }
    return count;
}

void Feed::put_surely(Sending& to, std::uint64_t mark) {
    while (!put(to, mark)) {
        to.socket.publish();
        engine_->poll();
    }
    while (to.rest_at < to.rest.size()) {
        const std::span<std::byte> room = to.socket.claim(to.rest.size() - to.rest_at);
        std::copy_n(to.rest.begin() + static_cast<std::ptrdiff_t>(to.rest_at), room.size(),
                    room.begin());
        to.socket.commit(room.size());
        to.rest_at += room.size();
        if (room.empty()) engine_->poll();
    }
    to.socket.publish();
}

// A memif is up when the other side is there; until then nothing can be bound to it.
template <typename Open>
void Feed::open_when_up(Open&& open) {
    for (const double until = feed_seconds() + kUpSeconds;; engine_->poll()) {
        try {
            return open();
        } catch (const Error&) {
            if (feed_seconds() > until) throw;
        }
        turn_for(0.01);
    }
}

void Feed::turn_for(double seconds) {
    for (const double until = feed_seconds() + seconds; feed_seconds() < until;) engine_->poll();
}

// Batches at even distances from `began` on; the intended time stands in each message.
void Feed::send_at_pace(Sending& to, std::uint64_t began) {
    const double gap = 1e9 * static_cast<double>(batch_) / pace_;
    const auto turns =
        static_cast<std::uint64_t>(a_.number("seconds", 2) * pace_ / static_cast<double>(batch_));
    for (std::uint64_t turn = 0; turn < turns;) {
        const std::uint64_t intended =
            began + static_cast<std::uint64_t>(gap * static_cast<double>(turn));
        const std::uint64_t now = feed_nanos();
        if (now < intended) {
            stalls_.turn(now, engine_->poll() == 0);
            continue;
        }
        // All that is due by now leaves in one go, as an application that was held up would send
        // it.
        for (std::size_t count = 0; turn < turns && count < kBatch; ++turn) {
            const std::uint64_t due =
                began + static_cast<std::uint64_t>(gap * static_cast<double>(turn));
            if (due > now) break;
            for (std::uint64_t i = 0; i < batch_; ++i, ++count) {
                while (!put(to, due * 2)) engine_->poll();
            }
        }
        to.socket.publish();
        stalls_.turn(now, engine_->poll() == 0);
    }
}

int Feed::send() {
    std::vector<std::unique_ptr<Sending>> all;
    for (std::size_t i = 0; i < sessions_; ++i) {
        all.push_back(std::make_unique<Sending>(mode_));
        Sender& socket = all.back()->socket;
        socket.set_non_blocking(true);
        socket.set_rm64(FANFARE_RATE_BITS, static_cast<std::uint64_t>(a_.number("rate", 0)));
        socket.set_rm64(FANFARE_WINDOW_BYTES,
                        static_cast<std::uint64_t>(a_.number("window", 64 << 20)));
        if (a_.number("udp", 0) != 0) {
            socket.set_rm(FANFARE_UDP_PORT, static_cast<std::uint32_t>(a_.number("udp", 0)));
        }
        if (a_.number("packed", 0) != 0) socket.set_rm(FANFARE_PACKED, 1);
        if (!a_.text("fec", "").empty())
            socket.set(IPPROTO_RM, RM_USE_FEC, parity(a_.text("fec", "")));
        // Not to ourselves: the bench's wire is what is measured.
        socket.set_rm(FANFARE_LOOPBACK, 0);
        open_when_up([&] { socket.connect(a_.group, static_cast<std::uint16_t>(a_.port)); });
        engine_->poll();
    }
    for (auto& sending : all) {
        put_surely(*sending, 0);
        engine_->poll();
    }
    turn_for(FEED_PAUSE + 0.002 * static_cast<double>(sessions_));
    const double began = feed_seconds(), until = began + a_.number("seconds", 2);
    const std::uint64_t mark = feed_mark(began, 0);
    if (pace_ > 0) {
        send_at_pace(*all.front(), feed_nanos());
    } else {
        const std::size_t most = std::clamp(kRunBytes / size_, kBatch, kRun);
        for (std::uint64_t turn = 0; (turn & 15) != 0 || feed_seconds() < until; ++turn) {
            for (auto& sending : all) {
                if (put_run(*sending, mark, most) > 0) sending->socket.publish();
                if (sessions_ == 1) break;
            }
            engine_->poll();
        }
    }
    for (auto& sending : all) {
        put_surely(*sending, pace_ > 0 ? feed_nanos() * 2 + 1 : feed_mark(began, 1));
        sending->socket.finish();
        engine_->poll();
    }
    // What is asked for at the end is asked within this.
    turn_for(kLastRequestSeconds);
    std::uint64_t requests = 0;
    for (auto& sending : all) {
        requests +=
            sending->socket.get<RM_SENDER_STATS>(IPPROTO_RM, RM_SENDER_STATISTICS).NaksReceived;
    }
    std::printf("{\"stalls\": %llu, \"longest_stall\": %llu, \"requests\": %llu}\n",
                static_cast<unsigned long long>(stalls_.long_ones),
                static_cast<unsigned long long>(stalls_.longest),
                static_cast<unsigned long long>(requests));
    std::fflush(stdout);
    std::fprintf(stderr, "sent\n");
    for (const double end = feed_seconds() + kDrainSeconds;
         !engine_->drained() && feed_seconds() < end;) {
        engine_->poll();
    }
    return 0;
}

void Feed::check(Receiving& from, const std::byte* data, std::size_t bytes, bool repaired) {
    if (from.ended) return;
    if (bytes != size_ || !feed_check(data, bytes, from.number, &from.mark)) {
        fail("message " + std::to_string(from.number) + " of " + std::to_string(bytes) +
             " octets is wrong");
    }
    if (from.number++ == 0) return;
    ++messages_;
    if (pace_ > 0) {
        const std::uint64_t now = feed_nanos(), intended = from.mark / 2;
        const std::uint64_t took = now > intended ? now - intended : 0;
        if (first_ == 0) first_ = feed_seconds();
        feed_histogram_add(&delay_, took);
        if (repaired) feed_histogram_add(&repaired_, took);
    }
    from.ended = (from.mark & 1) != 0;
}

// What is there now; false when nothing was.
bool Feed::take(Receiving& from) {
    View views[kBatch];
    std::size_t count = 0;
    const Received got = from.socket.peek(views, count, FANFARE_MSG_BUSY | FANFARE_MSG_ROWS);
    if (got.error != 0 && got.error != EAGAIN && !from.ended) {
        fail("after " + std::to_string(from.number) + " messages: " + fanfare_last_error_text());
    }
    for (const View& view : std::span(views, count)) {
        const auto* data = static_cast<const std::byte*>(view.data);
        const bool repaired = (view.flags & FANFARE_VIEW_REPAIRED) != 0;
        if (mode_ == Mode::message && (view.flags & FANFARE_VIEW_ENDS) != 0 && from.part.empty()) {
            for_each_message(view, [&](std::span<const std::byte> octets) {
                check(from, octets.data(), octets.size(), repaired);
            });
        } else {
            // A piece of a stream, or of a message of several packets.
            std::size_t left = view.bytes;
            while (left > 0) {
                if (from.part.empty() && left >= size_) {
                    check(from, data, size_, repaired);
                    data += size_;
                    left -= size_;
                    continue;
                }
                const std::size_t piece = std::min(left, size_ - from.part.size());
                from.part.insert(from.part.end(), data, data + piece);
                data += piece;
                left -= piece;
                if (from.part.size() < size_) break;
                check(from, from.part.data(), size_, repaired);
                from.part.clear();
            }
        }
    }
    if (count > 0 && !from.socket.consume({views, count})) fail("overtaken by the sender");
    return count > 0;
}

void Feed::report(double seconds) const {
    std::printf("{\"messages\": %llu, \"seconds\": %.6f",
                static_cast<unsigned long long>(messages_), seconds);
    if (pace_ > 0) {
        std::printf(", \"stalls\": %llu, \"longest_stall\": %llu, \"delay\": ",
                    static_cast<unsigned long long>(stalls_.long_ones),
                    static_cast<unsigned long long>(stalls_.longest));
        feed_histogram_print(stdout, &delay_);
        std::printf(", \"repaired\": ");
        feed_histogram_print(stdout, &repaired_);
    }
    std::printf("}\n");
    std::fflush(stdout);
}

int Feed::receive() {
    const auto readers = static_cast<std::size_t>(a_.number("readers", 1));
    std::vector<std::unique_ptr<Listener>> listeners;
    for (std::size_t i = 0; i < readers; ++i) {
        open_when_up([&] {
            listeners.push_back(std::make_unique<Listener>(
                a_.group, static_cast<std::uint16_t>(a_.port), mode_, false));
        });
        Listener& listener = *listeners.back();
        listener.set_non_blocking(true);
        if (a_.number("udp", 0) != 0) {
            listener.set_rm(FANFARE_UDP_PORT, static_cast<std::uint32_t>(a_.number("udp", 0)));
        }
        listener.set_rm64(FANFARE_RECEIVE_WINDOW,
                          static_cast<std::uint64_t>(a_.number("window", 64 << 20)));
        listener.listen(1024);
    }
    engine_->poll();
    std::fprintf(stderr, "ready\n");
    std::vector<std::unique_ptr<Receiving>> all;
    const std::size_t wanted = sessions_ * readers;
    std::size_t ended = 0;
    for (std::uint64_t turn = 0; ended < wanted; ++turn) {
        bool idle = engine_->poll() == 0;
        if (all.size() < wanted && (turn & 7) == 0) {
            for (auto& listener : listeners) {
                Receiver session = listener->accept();
                if (!session) continue;
                session.set_non_blocking(true);
                all.push_back(std::make_unique<Receiving>());
                all.back()->socket = std::move(session);
            }
        }
        for (auto& receiving : all) {
            if (receiving->ended) continue;
            if (take(*receiving)) idle = false;
            if (receiving->ended) ++ended;
        }
        if (pace_ > 0) stalls_.turn(feed_nanos(), idle);
    }
    // A paced feed's marks are its messages' own times.
    const double seconds = pace_ > 0 ? feed_seconds() - first_ : feed_elapsed(all.front()->mark);
    report(seconds);
    for (auto& receiving : all) receiving->socket.close();
    for (auto& listener : listeners) listener->close();
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    Arguments a;
    if (argc < 5) fail("send|receive INTERFACE GROUP PORT [options]");
    a.way = argv[1];
    a.interface = argv[2];
    a.group = argv[3];
    a.port = std::atoi(argv[4]);
    for (int i = 5; i + 1 < argc; i += 2) {
        if (std::strncmp(argv[i], "--", 2) != 0) fail(std::string(argv[i]) + " is no option");
        a.options[argv[i] + 2] = argv[i + 1];
    }
    // A session is a few descriptors.
    const rlimit many{65536, 65536};
    setrlimit(RLIMIT_NOFILE, &many);
    try {
        Feed feed(a);
        return a.way == "send" ? feed.send() : feed.receive();
    } catch (const std::exception& e) {
        fail(e.what());
    }
}
