// Sum and copy-and-sum per kernel level and size, memcpy beside them as the limit.
#include <benchmark/benchmark.h>

#include <cstring>
#include <vector>

#include "engine/checksum/checksum.hpp"

namespace {

using namespace fanfare::checksum;

// The kernels that the first argument asks for; null, with the reason in `state`, when this CPU
// would measure another level under this one's name.
const Kernels* kernels_of(benchmark::State& state) {
    constexpr const char* kNames[] = {"scalar", "avx2", "avx512"};
    const auto level = static_cast<Level>(state.range(0));
    state.SetLabel(kNames[state.range(0)]);
    if (kernels(level).level == level) return &kernels(level);
    state.SkipWithError("this CPU lacks the level");
    return nullptr;
}

void sum(benchmark::State& state) {
    const Kernels* k = kernels_of(state);
    if (k == nullptr) return;
    const auto length = static_cast<std::size_t>(state.range(1));
    std::vector<std::byte> data(length, std::byte{0x5A});
    for (auto _ : state) benchmark::DoNotOptimize(k->sum(data.data(), length));
    state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * length));
}
BENCHMARK(sum)->ArgNames({"level", "octets"})->ArgsProduct({{0, 1, 2}, {64, 288, 1400}});

void copy_and_sum(benchmark::State& state) {
    const Kernels* k = kernels_of(state);
    if (k == nullptr) return;
    const auto length = static_cast<std::size_t>(state.range(1));
    std::vector<std::byte> data(length, std::byte{0x5A}), room(length);
    for (auto _ : state) {
        benchmark::DoNotOptimize(k->copy_and_sum(room.data(), data.data(), length));
        benchmark::ClobberMemory();
    }
    state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * length));
}
BENCHMARK(copy_and_sum)->ArgNames({"level", "octets"})->ArgsProduct({{0, 1, 2}, {64, 288, 1400}});

void copy_alone(benchmark::State& state) {
    const auto length = static_cast<std::size_t>(state.range(0));
    std::vector<std::byte> data(length, std::byte{0x5A}), room(length);
    for (auto _ : state) {
        std::memcpy(room.data(), data.data(), length);
        benchmark::ClobberMemory();
    }
    state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * length));
}
BENCHMARK(copy_alone)->Arg(64)->Arg(288)->Arg(1400);

}  // namespace
BENCHMARK_MAIN();
