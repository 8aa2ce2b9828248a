// Sum and copy-and-sum per kernel level and size, memcpy beside them as the limit.
#include <benchmark/benchmark.h>

#include <cstring>
#include <vector>

#include "engine/checksum/checksum.hpp"

namespace {

using namespace fanfare::checksum;

void sum(benchmark::State& state) {
    const auto& k = kernels(static_cast<Level>(state.range(0)));
    const auto length = static_cast<std::size_t>(state.range(1));
    std::vector<std::byte> data(length, std::byte{0x5A});
    for (auto _ : state) benchmark::DoNotOptimize(k.sum(data.data(), length));
    state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * length));
}
BENCHMARK(sum)->ArgsProduct({{0, 1, 2}, {64, 288, 1400}});

void copy_and_sum(benchmark::State& state) {
    const auto& k = kernels(static_cast<Level>(state.range(0)));
    const auto length = static_cast<std::size_t>(state.range(1));
    std::vector<std::byte> data(length, std::byte{0x5A}), room(length);
    for (auto _ : state) {
        benchmark::DoNotOptimize(k.copy_and_sum(room.data(), data.data(), length));
        benchmark::ClobberMemory();
    }
    state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * length));
}
BENCHMARK(copy_and_sum)->ArgsProduct({{0, 1, 2}, {64, 288, 1400}});

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
