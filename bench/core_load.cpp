// Cores under load, in real time:
//   core_load pair SECONDS CPU...        a receive core on each CPU, each on its own replay port
//                                        (G11): packets a second of each
//   core_load lines SECONDS LINES CPU    both sides of LINES packed lines on one core, each at the
//                                        peak of an OPRA line: 1.25 M messages of 39 octets a
//                                        second, 0.39 Gbit/s (G14): the share of the core it takes
// One line of JSON.
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>
#include <thread>

#include "bench/core/receive_core.hpp"
#include "bench/core/send_core.hpp"
#include "bench/peers/feed_message.h"

namespace {

using namespace fanfare;
using namespace fanfare::bench;

constexpr std::uint64_t kChunk = 4096;

void stay_on(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
}

int pair(double seconds, const std::vector<int>& cpus) {
    std::vector<double> rates(cpus.size());
    std::vector<std::string> faults(cpus.size());
    std::atomic<std::size_t> ready{0};
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < cpus.size(); ++i) {
        threads.emplace_back([&, i] {
            stay_on(cpus[i]);
            ReceiveCorePlan plan;
            ReceiveCore core(plan);
            for (++ready; ready < cpus.size();) {
            }
            const double began = feed_seconds();
            std::uint64_t packets = 0;
            for (; feed_seconds() < began + seconds; packets += kChunk) core.run(kChunk);
            rates[i] = static_cast<double>(packets) / (feed_seconds() - began);
            faults[i] = core.faults();
        });
    }
    for (std::thread& thread : threads) thread.join();
    double together = 0;
    std::printf("{\"packets_per_second\": [");
    for (std::size_t i = 0; i < cpus.size(); ++i) {
        if (!faults[i].empty()) throw std::runtime_error(faults[i]);
        together += rates[i];
        std::printf("%s%.0f", i == 0 ? "" : ", ", rates[i]);
    }
    std::printf("], \"together\": %.0f}\n", together);
    return 0;
}

int lines(double seconds, std::uint32_t count, int cpu) {
    constexpr double kMessagesPerLine = 1.25e6;
    constexpr std::size_t kMessage = 39;
    stay_on(cpu);
    ReceiveCorePlan in;
    in.sessions = count;
    in.tsdu = 1400;
    in.message = kMessage;
    in.log_bytes = std::uint64_t{16} << 20;
    in.index_entries = 1u << 16;
    ReceiveCore receive(in);
    SendCorePlan out;
    out.sessions = count;
    out.message = kMessage;
    out.format = ipc::SendFormat::packed;
    SendCore send(out);
    const double rate = kMessagesPerLine * count;
    const auto per_packet = static_cast<double>(receive.messages_per_packet());
    double busy = 0, receiving = 0, publishing = 0, messages = 0, packets = 0;
    const double began = feed_seconds();
    double now = began;
    for (; now < began + seconds; now = feed_seconds()) {
        // What is due by now, a millisecond's worth at most: then the core has fallen behind.
        const double due = (now - began) * rate;
        const double step = std::min(due - messages, rate / 1000);
        if (step < per_packet * count) continue;
        const auto arrive = static_cast<std::uint64_t>((messages + step) / per_packet - packets);
        receive.run(arrive);
        const double received = feed_seconds();
        const std::uint64_t done = send.publish(static_cast<std::uint64_t>(step));
        const double published = feed_seconds();
        send.send();
        packets += static_cast<double>(arrive);
        messages += static_cast<double>(done);
        receiving += received - now;
        publishing += published - received;
        busy += feed_seconds() - now;
    }
    if (!receive.faults().empty() || !send.faults().empty()) {
        throw std::runtime_error(receive.faults() + " " + send.faults());
    }
    const double took = now - began;
    // The applications' part, publishing, would run on their own cores: it is told apart.
    std::printf(
        "{\"lines\": %u, \"wanted\": %.0f, \"messages_per_second\": %.0f, \"share\": %.4f, "
        "\"receive_share\": %.4f, \"publish_share\": %.4f}\n",
        count, rate, messages / took, (busy - publishing) / took, receiving / took,
        publishing / took);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        const std::string_view what = argc > 3 ? argv[1] : "";
        if (what == "pair") {
            std::vector<int> cpus;
            for (int i = 3; i < argc; ++i) cpus.push_back(std::atoi(argv[i]));
            return pair(std::strtod(argv[2], nullptr), cpus);
        }
        if (what == "lines" && argc == 5) {
            return lines(std::strtod(argv[2], nullptr),
                         static_cast<std::uint32_t>(std::atoi(argv[3])), std::atoi(argv[4]));
        }
        std::fprintf(stderr, "usage: core_load pair SECONDS CPU... | lines SECONDS LINES CPU\n");
        return 2;
    } catch (const std::exception& e) {
        std::fprintf(stderr, "core_load: %s\n", e.what());
        return 1;
    }
}
