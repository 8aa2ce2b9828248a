// Local fan-out (G6): an application that publishes and its worker on one core, readers that check
// every message on another, through the worker's copy into one receive window.
//   fan_out READERS PACE SECONDS [CPU CPU]
// PACE messages a second, 0: as fast as the slowest reader follows. Prints one line of JSON:
// messages a second, of all readers together, and the writer's time-stamp counter ticks a message
// in the turns that had something to do.
#include <sched.h>
#include <x86intrin.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <thread>

#include "bench/core/send_core.hpp"
#include "bench/peers/feed_latency.h"
#include "bench/peers/feed_message.h"

namespace {

using namespace fanfare;
using namespace fanfare::bench;

constexpr std::size_t kMessage = 100;
constexpr std::uint64_t kBatch = 64;
constexpr std::uint64_t kLogBytes = std::uint64_t{16} << 20;
// How far the writer may be ahead of the slowest reader: half a window of messages.
constexpr std::uint64_t kAhead = kLogBytes / 2 / (kMessage + 2);

void stay_on(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
}

struct Shared {
    // Messages that all readers have checked; partner: the writer's load. Relaxed: it only paces.
    alignas(64) std::atomic<std::uint64_t> checked{0};
    // Messages that were put; partner: the readers' load at the end. A line of its own: beside the
    // writer's other variables every look of a reader would cost the writer a miss.
    alignas(64) std::atomic<std::uint64_t> published{1};
    alignas(64) std::atomic<bool> over{false}, wrong{false};
};

// Turns all readers until the writer is done and everything was read.
void read(std::vector<std::unique_ptr<client::MessageReader>>& readers, std::uint64_t first,
          Shared& shared) {
    std::vector<std::uint64_t> next(readers.size(), first);
    std::array<client::ReceivedView, kBatch> views;
    for (bool more = true; more && !shared.wrong;) {
        std::uint64_t slowest = ~std::uint64_t{0};
        for (std::size_t r = 0; r < readers.size(); ++r) {
            std::size_t count = 0;
            const client::ReadResult got = readers[r]->peek(views, count);
            if (got.status == client::ReadStatus::reset) shared.wrong = true;
            for (std::size_t i = 0; i < count; ++i) {
                std::uint64_t mark = 0;
                if (feed_check(views[i].octets.data(), views[i].octets.size(), next[r]++, &mark) ==
                    0) {
                    shared.wrong = true;
                }
            }
            if (count > 0 && !readers[r]->consume({views.data(), count})) shared.wrong = true;
            slowest = std::min(slowest, next[r]);
        }
        shared.checked.store(slowest, std::memory_order_relaxed);
        more = !shared.over || slowest < shared.published.load(std::memory_order_relaxed);
    }
}

int run(std::size_t count, double pace, double seconds, int writer_cpu, int reader_cpu) {
    SendCorePlan plan;
    plan.message = kMessage;
    plan.format = ipc::SendFormat::packed;
    plan.local_log_bytes = kLogBytes;
    stay_on(writer_cpu);
    SendCore core(plan);
    std::vector<std::unique_ptr<client::MessageReader>> readers;
    for (std::size_t i = 0; i < count; ++i) readers.push_back(core.local_reader());
    const auto sharing = std::make_unique<Shared>();
    Shared& shared = *sharing;
    shared.checked = 1;
    std::thread reading([&] {
        stay_on(reader_cpu);
        if (count > 0) read(readers, 1, shared);
    });
    std::uint64_t number = 1, busy_ticks = 0;
    const double began = feed_seconds();
    for (double now = began; now < began + seconds && !shared.wrong; now = feed_seconds()) {
        std::uint64_t wanted = kBatch;
        if (pace > 0) {
            const auto due = static_cast<std::uint64_t>((now - began) * pace) + 1;
            wanted = due > number ? std::min(due - number, kBatch) : 0;
        } else if (count > 0 && number > shared.checked.load(std::memory_order_relaxed) + kAhead) {
            wanted = 0;
        }
        const std::uint64_t ticks = __rdtsc(), before = number;
        while (number < before + wanted && core.put([&](std::span<std::byte> room) {
            feed_fill(room.data(), room.size(), number, 0);
        })) {
            ++number;
        }
        if (number > before) core.publish_put();
        core.turn();
        if (number > before) busy_ticks += __rdtsc() - ticks;
        shared.published.store(number, std::memory_order_relaxed);
    }
    core.send();
    shared.over = true;
    reading.join();
    const double took = feed_seconds() - began;
    if (shared.wrong) {
        std::fprintf(stderr, "fan_out: a reader was overtaken or got a wrong octet\n");
        return 1;
    }
    const auto messages = static_cast<double>(number - 1);
    std::printf(
        "{\"readers\": %zu, \"messages_per_second\": %.0f, \"all_readers_per_second\": %.0f, "
        "\"writer_ticks\": %.2f}\n",
        count, messages / took, messages * static_cast<double>(count) / took,
        static_cast<double>(busy_ticks) / messages);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4 && argc != 6) {
        std::fprintf(stderr, "usage: fan_out READERS PACE SECONDS [CPU CPU]\n");
        return 2;
    }
    try {
        return run(std::strtoul(argv[1], nullptr, 10), std::strtod(argv[2], nullptr),
                   std::strtod(argv[3], nullptr), argc == 6 ? std::atoi(argv[4]) : 0,
                   argc == 6 ? std::atoi(argv[5]) : 1);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "fan_out: %s\n", e.what());
        return 1;
    }
}
