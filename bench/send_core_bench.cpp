// The send core: the production worker cuts packets from a send window that client/core fills,
// numbers, sums and frames them, keeps the window, and transmits to a port that swallows (G2).
// `send`: the worker's part alone. `publish_and_send`: with the application's part on the same
// core.
#include <benchmark/benchmark.h>

#include "bench/core/core_clock.hpp"
#include "bench/core/send_core.hpp"

namespace {

using namespace fanfare;
using namespace fanfare::bench;

// Messages between two looks at the clock; they find room in what a window leaves of its log.
constexpr std::uint64_t kChunk = 4096;
constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

SendCorePlan plan_of(std::int64_t message, ipc::SendFormat format) {
    SendCorePlan plan;
    plan.message = static_cast<std::size_t>(message);
    plan.format = format;
    if (plan.message > 512) plan.log_bytes = 32 * kMiB;
    return plan;
}

void run(benchmark::State& state, const SendCorePlan& plan, bool with_client) {
    SendCore core(plan);
    CoreClock clock;
    CoreCost cost;
    const std::uint64_t packets_before = core.packets_sent();
    std::uint64_t messages = 0;
    for (auto _ : state) {
        if (with_client) {
            // A worker that turns while its client publishes finds a batch or two each time.
            clock.start();
            for (std::uint64_t done = 0; done < kChunk; done += 64) {
                messages += core.publish(64);
                core.send();
            }
        } else {
            messages += core.publish(kChunk);
            clock.start();
            core.send();
        }
        state.SetIterationTime(clock.stop());
    }
    const std::string faults = core.faults();
    if (!faults.empty()) state.SkipWithError(faults.c_str());
    cost.packets = static_cast<double>(core.packets_sent() - packets_before);
    cost.seconds = clock.seconds();
    cost.ticks = clock.ticks();
    cost.report(state);
    state.counters["messages/s"] = static_cast<double>(messages) / clock.seconds();
    state.SetItemsProcessed(static_cast<std::int64_t>(messages));
}

void send(benchmark::State& state) {
    run(state, plan_of(state.range(0), ipc::SendFormat::message), false);
}
void send_packed(benchmark::State& state) {
    run(state, plan_of(state.range(0), ipc::SendFormat::packed), false);
}
void send_stream(benchmark::State& state) {
    run(state, plan_of(state.range(0), ipc::SendFormat::stream), false);
}
void publish_and_send(benchmark::State& state) {
    run(state, plan_of(state.range(0), ipc::SendFormat::message), true);
}
void publish_and_send_packed(benchmark::State& state) {
    run(state, plan_of(state.range(0), ipc::SendFormat::packed), true);
}
// Windows of 64 KiB of payload, a batch of 32 messages of each session in turn.
void send_sessions(benchmark::State& state) {
    SendCorePlan plan = plan_of(100, ipc::SendFormat::message);
    plan.sessions = static_cast<std::uint32_t>(state.range(0));
    plan.log_bytes = kMiB;
    plan.window_bytes = 64 << 10;
    run(state, plan, false);
}

BENCHMARK(send)->UseManualTime()->ArgName("octets")->Arg(32)->Arg(100)->Arg(288)->Arg(1400);
BENCHMARK(send_packed)->UseManualTime()->ArgName("octets")->Arg(32)->Arg(64)->Arg(100);
BENCHMARK(send_stream)->UseManualTime()->ArgName("octets")->Arg(64);
BENCHMARK(publish_and_send)->UseManualTime()->ArgName("octets")->Arg(100);
BENCHMARK(publish_and_send_packed)->UseManualTime()->ArgName("octets")->Arg(64)->Arg(100);
BENCHMARK(send_sessions)->UseManualTime()->ArgName("sessions")->Arg(1)->Arg(100)->Arg(1000);

}  // namespace

BENCHMARK_MAIN();
