// The receive core: the production worker on prebuilt frames in order, raw IP. Per packet: time
// and time-stamp counter ticks, less what the replay port alone takes; `port_ns` is that. One
// benchmark a question: sizes with a window that stays in the cache and one larger than L3 (G1),
// stages, packed packets, sessions (G12), hostile packets in between (G13).
#include <benchmark/benchmark.h>

#include <algorithm>
#include <string>

#include "bench/core/core_clock.hpp"
#include "bench/core/receive_core.hpp"
#include "bench/core/receive_stages.hpp"

namespace {

using namespace fanfare;
using namespace fanfare::bench;

// Packets between two looks at the clock: enough to make a look cost nothing.
constexpr std::uint64_t kChunk = 8192;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

ReceiveCorePlan plan_of(std::size_t tsdu, bool larger_than_l3) {
    ReceiveCorePlan plan;
    plan.tsdu = tsdu;
    if (larger_than_l3) {
        plan.log_bytes = 256 * kMiB;
        plan.index_entries = 1u << 22;
    }
    return plan;
}

// The stream of `core` is used up by this: the worker behind it would see a gap.
void measure_port(ReceiveCore& core, CoreCost& cost) {
    for (int i = 0; i < 8; ++i) {
        CoreClock clock;
        clock.start();
        core.run_port_alone(kChunk);
        clock.stop();
        const double seconds = clock.seconds() / kChunk, ticks = clock.ticks() / kChunk;
        cost.port_seconds = i == 0 ? seconds : std::min(cost.port_seconds, seconds);
        cost.port_ticks = i == 0 ? ticks : std::min(cost.port_ticks, ticks);
    }
}

CoreCost run(benchmark::State& state, ReceiveCore& core) {
    CoreClock clock;
    CoreCost cost;
    for (auto _ : state) {
        clock.start();
        core.run(kChunk);
        state.SetIterationTime(clock.stop());
        cost.packets += kChunk;
    }
    cost.seconds = clock.seconds();
    cost.ticks = clock.ticks();
    const std::string faults = core.faults();
    if (!faults.empty()) state.SkipWithError(faults.c_str());
    measure_port(core, cost);
    state.SetItemsProcessed(static_cast<std::int64_t>(cost.packets));
    return cost;
}

void receive(benchmark::State& state) {
    const bool large = state.range(1) != 0;
    state.SetLabel(large ? "window larger than L3" : "window in the cache");
    ReceiveCore core(plan_of(static_cast<std::size_t>(state.range(0)), large));
    run(state, core).report(state);
}
BENCHMARK(receive)
    ->UseManualTime()
    ->ArgNames({"tsdu", "large"})
    ->ArgsProduct({{2, 100, 1400}, {0, 1}});

void receive_stage(benchmark::State& state) {
    const auto stage = static_cast<Stage>(state.range(1));
    state.SetLabel(std::string(name_of(stage)));
    const ReceiveCorePlan plan = plan_of(static_cast<std::size_t>(state.range(0)), false);
    ReceiveCore core(plan);
    ReceiveStages stages(core, plan);
    stages.run(stage, kChunk);
    CoreClock clock;
    CoreCost cost;
    for (auto _ : state) {
        clock.start();
        stages.run(stage, kChunk);
        state.SetIterationTime(clock.stop());
        cost.packets += kChunk;
    }
    cost.seconds = clock.seconds();
    cost.ticks = clock.ticks();
    measure_port(core, cost);
    cost.report(state);
}
BENCHMARK(receive_stage)
    ->UseManualTime()
    ->ArgNames({"tsdu", "stage"})
    ->ArgsProduct({{2, 100, 1400}, {1, 2, 3, 4, 5}});

// Many small messages a packet: the worker alone, and with a reader that takes every message where
// it stands.
void receive_packed(benchmark::State& state) {
    ReceiveCorePlan plan = plan_of(1400, false);
    plan.message = static_cast<std::size_t>(state.range(0));
    ReceiveCore core(plan);
    const CoreCost cost = run(state, core);
    cost.report(state);
    state.counters["messages/s"] =
        1e9 / cost.ns() * static_cast<double>(core.messages_per_packet());
}
BENCHMARK(receive_packed)->UseManualTime()->ArgName("octets")->Arg(32)->Arg(64)->Arg(100);

void receive_and_read_packed(benchmark::State& state) {
    ReceiveCorePlan plan = plan_of(1400, false);
    plan.message = static_cast<std::size_t>(state.range(0));
    ReceiveCore core(plan);
    const auto reader = core.reader();
    constexpr std::uint64_t kBurst = 64;
    std::array<client::ReceivedView, 64> views;
    CoreClock clock;
    CoreCost cost;
    std::uint64_t messages = 0;
    for (auto _ : state) {
        clock.start();
        for (std::uint64_t done = 0; done < kChunk; done += kBurst) {
            core.run(kBurst);
            for (std::size_t count = 0; reader->peek(views, count), count > 0;) {
                for (std::size_t i = 0; i < count; ++i) {
                    benchmark::DoNotOptimize(views[i].octets.data());
                }
                if (!reader->consume({views.data(), count})) break;
                messages += count;
            }
        }
        state.SetIterationTime(clock.stop());
        cost.packets += kChunk;
    }
    if (messages != static_cast<std::uint64_t>(cost.packets) * core.messages_per_packet()) {
        state.SkipWithError("the reader did not get every message");
    }
    cost.seconds = clock.seconds();
    cost.ticks = clock.ticks();
    measure_port(core, cost);
    cost.report(state);
    state.counters["messages/s"] =
        1e9 / cost.ns() * static_cast<double>(core.messages_per_packet());
}
BENCHMARK(receive_and_read_packed)->UseManualTime()->ArgName("octets")->Arg(32)->Arg(64)->Arg(100);

// Sessions with windows of 1 MiB, packets in turn or in runs; the frames take the same room
// whatever the number of sessions.
void receive_sessions(benchmark::State& state) {
    ReceiveCorePlan plan = plan_of(100, false);
    plan.sessions = static_cast<std::uint32_t>(state.range(0));
    plan.run = static_cast<std::uint32_t>(state.range(1));
    plan.log_bytes = kMiB;
    plan.index_entries = 1u << 14;
    plan.frames = 8000;
    ReceiveCore core(plan);
    run(state, core).report(state);
}
BENCHMARK(receive_sessions)
    ->UseManualTime()
    ->ArgNames({"sessions", "run"})
    ->Args({1, 1})
    ->Args({10, 1})
    ->Args({100, 1})
    ->Args({1000, 1})
    ->Args({1000, 8});

// A hostile packet after each good one. `refused/good`: what a refused packet costs, in good ones.
// `kept`: the share that a good stream of 5 M packets/s keeps when as many hostile ones come.
void receive_hostile(benchmark::State& state) {
    constexpr double kRate = 5e6;
    ReceiveCorePlan plan = plan_of(100, false);
    CoreCost good;
    {
        ReceiveCore core(plan);
        CoreClock clock;
        for (int i = 0; i < 8; ++i) {
            clock.start();
            core.run(kChunk);
            clock.stop();
            good.packets += kChunk;
        }
        good.seconds = clock.seconds();
        measure_port(core, good);
    }
    plan.hostile = static_cast<Hostile>(state.range(0));
    state.SetLabel(name_of(plan.hostile));
    ReceiveCore core(plan);
    const CoreCost both = run(state, core);
    const double refused = 2 * both.ns() - good.ns();
    both.report(state);
    state.counters["refused_ns"] = refused;
    state.counters["good_ns"] = good.ns();
    state.counters["refused/good"] = refused / good.ns();
    state.counters["kept"] = std::min(1.0, 1e9 / kRate / (2 * both.ns()));
}
BENCHMARK(receive_hostile)->UseManualTime()->ArgName("kind")->DenseRange(1, 7);

}  // namespace

BENCHMARK_MAIN();
