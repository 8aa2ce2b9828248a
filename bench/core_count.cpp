// Runs packets through a core with the checksum kernels of one level, for a tool that counts
// instructions (valgrind --tool=callgrind --toggle-collect=fanfare_counted):
//   core_count WHAT PACKETS [--level scalar|avx2|avx512]
// WHAT: receive-STAGE-TSDU (receive-worker-100, receive-decode-2, ...), receive-packed-OCTETS,
// receive-sessions-COUNT-RUN (TSDU 100, so many sessions in turn, RUN packets of each in a row),
// send-OCTETS, send-packed-OCTETS, send-local-READERS (packed, 100 octets, through the worker's
// copy to so many readers), publish-OCTETS, receive-hostile-KIND (TSDU 100, a refused packet behind
// each good one), idle (a worker's turns that find nothing). Prints what it did, one line of JSON:
// packets and messages that ran inside fanfare_counted().
#include <charconv>
#include <cstdio>
#include <exception>
#include <functional>
#include <string>
#include <string_view>

#include "bench/core/receive_core.hpp"
#include "bench/core/receive_stages.hpp"
#include "bench/core/send_core.hpp"

// The tool's counter runs in here alone.
extern "C" __attribute__((noipa)) void fanfare_counted(const std::function<void()>& work) {
    work();
    asm volatile("" : : : "memory");  // no tail call: the tool must see the return
}

namespace {

using namespace fanfare;
using namespace fanfare::bench;

// Counts of one compiler say nothing about another's.
#if defined(__clang__)
constexpr const char* kCompiler = "clang " __clang_version__;
#else
constexpr const char* kCompiler = "gcc " __VERSION__;
#endif

struct Done {
    std::uint64_t packets = 0, messages = 0;
};

bool take(std::string_view& text, std::string_view prefix) {
    if (!text.starts_with(prefix)) return false;
    text.remove_prefix(prefix.size());
    return true;
}

std::uint64_t number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value == 0) {
        throw std::runtime_error(std::string(text) + " is no number above 0");
    }
    return value;
}

Done receive(std::string_view what, std::uint64_t packets, const checksum::Kernels& kernels) {
    ReceiveCorePlan plan;
    plan.kernels = &kernels;
    int stage = static_cast<int>(Stage::worker);
    if (take(what, "packed-")) {
        plan.message = number(what);
        plan.tsdu = 1400;
    } else if (take(what, "hostile-")) {
        // A refused packet behind each good one.
        plan.tsdu = 100;
        plan.hostile = static_cast<Hostile>(number(what));
    } else if (take(what, "sessions-")) {
        const std::size_t dash = what.find('-');
        if (dash == std::string_view::npos) throw std::runtime_error("no run after the sessions");
        plan.sessions = static_cast<std::uint32_t>(number(what.substr(0, dash)));
        plan.run = static_cast<std::uint32_t>(number(what.substr(dash + 1)));
        plan.frames = 8000;
    } else {
        const std::size_t dash = what.find('-');
        for (stage = 0; stage < kStages; ++stage) {
            if (what.substr(0, dash) == name_of(static_cast<Stage>(stage))) break;
        }
        if (stage == kStages || dash == std::string_view::npos) {
            throw std::runtime_error(std::string(what) + " names no stage and TSDU");
        }
        plan.tsdu = number(what.substr(dash + 1));
    }
    ReceiveCore core(plan);
    ReceiveStages stages(core, plan);
    // Whole laps of the frames: every run sees the same mixture.
    const std::uint64_t lap = core.port().frames();
    packets = (packets + lap - 1) / lap * lap;
    stages.run(static_cast<Stage>(stage), lap);
    fanfare_counted([&] { stages.run(static_cast<Stage>(stage), packets); });
    const std::string faults = core.faults();
    if (stage == static_cast<int>(Stage::worker) && !faults.empty()) {
        throw std::runtime_error(faults);
    }
    return {packets, packets * core.messages_per_packet()};
}

Done send(std::string_view what, std::uint64_t packets, const checksum::Kernels& kernels,
          bool publish) {
    SendCorePlan plan;
    plan.kernels = &kernels;
    std::uint64_t readers = 0;
    if (take(what, "local-")) {
        readers = number(what);
        plan.format = ipc::SendFormat::packed;
        plan.local_log_bytes = std::uint64_t{1} << 20;
    } else {
        if (take(what, "packed-")) plan.format = ipc::SendFormat::packed;
        plan.message = number(what);
    }
    if (plan.message > 512) plan.log_bytes = std::uint64_t{32} << 20;
    SendCore core(plan);
    std::vector<std::unique_ptr<client::MessageReader>> attached;
    for (; attached.size() < readers;) attached.push_back(core.local_reader());
    constexpr std::uint64_t kAtOnce = 1024;
    const std::uint64_t before = core.packets_sent();
    Done done;
    while (done.messages < packets) {
        const auto fill = [&] { done.messages += core.publish(kAtOnce); };
        const auto empty = [&] { core.send(); };
        if (publish) {
            fanfare_counted(fill);
            empty();
        } else {
            fill();
            fanfare_counted(empty);
        }
    }
    const std::string faults = core.faults();
    if (!faults.empty()) throw std::runtime_error(faults);
    done.packets = core.packets_sent() - before;
    return done;
}

// Turns that find nothing to do.
Done idle(std::uint64_t turns, const checksum::Kernels& kernels) {
    SendCorePlan plan;
    plan.kernels = &kernels;
    SendCore core(plan);
    core.turn();
    fanfare_counted([&] {
        for (std::uint64_t i = 0; i < turns; ++i) core.turn();
    });
    return {turns, turns};
}

checksum::Level level_of(std::string_view name) {
    if (name == "scalar") return checksum::Level::scalar;
    if (name == "avx2") return checksum::Level::avx2;
    if (name == "avx512") return checksum::Level::avx512;
    throw std::runtime_error(std::string(name) + " is no level: scalar, avx2 or avx512");
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3 && !(argc == 5 && std::string_view(argv[3]) == "--level")) {
        std::fprintf(stderr, "usage: core_count WHAT PACKETS [--level scalar|avx2|avx512]\n");
        return 2;
    }
    try {
        const checksum::Level level = argc == 5 ? level_of(argv[4]) : checksum::Level::avx2;
        const checksum::Kernels& kernels = checksum::kernels(level);
        if (kernels.level != level) throw std::runtime_error("this CPU lacks the level");
        std::string_view what = argv[1];
        const std::uint64_t packets = number(argv[2]);
        Done done;
        if (take(what, "receive-")) {
            done = receive(what, packets, kernels);
        } else if (take(what, "send-")) {
            done = send(what, packets, kernels, false);
        } else if (what == "idle") {
            done = idle(packets, kernels);
        } else if (take(what, "publish-")) {
            done = send(what, packets, kernels, true);
        } else {
            throw std::runtime_error(std::string(what) + " is nothing to count");
        }
        std::printf("{\"packets\": %llu, \"messages\": %llu, \"compiler\": \"%s\"}\n",
                    static_cast<unsigned long long>(done.packets),
                    static_cast<unsigned long long>(done.messages), kCompiler);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "core_count: %s\n", e.what());
        return 1;
    }
    return 0;
}
