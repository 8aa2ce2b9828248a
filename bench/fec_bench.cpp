// Parity: octets of data a second through encoding and decoding, per kernel level, at the group
// shapes and the packet size of the goals. Where ISA-L is installed its encoder runs beside ours,
// on the same buffers.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <random>
#include <vector>

#include "engine/fec/generator.hpp"
#include "engine/fec/kernels.hpp"

#ifdef FANFARE_HAVE_ISAL
#include <isa-l/erasure_code.h>
#endif
#ifdef __x86_64__
#include <immintrin.h>
#endif

namespace {

using fanfare::fec::Level;
constexpr std::size_t kPacket = 1408;

struct Group {
    Group(std::size_t k, std::size_t h) : coefficients(k * h) {
        std::mt19937_64 random(1);
        for (std::size_t i = 0; i < k + h; ++i) {
            packets.emplace_back(kPacket);
            for (auto& octet : packets.back()) octet = static_cast<std::uint8_t>(random());
        }
        for (std::size_t i = 0; i < k; ++i) data.push_back(packets[i].data());
        for (std::size_t i = 0; i < h; ++i) parity.push_back(packets[k + i].data());
        for (std::size_t j = 0; j < h; ++j) {
            fanfare::fec::generator_row(k, k + j, std::span(coefficients).subspan(j * k, k));
        }
    }
    std::vector<std::vector<std::uint8_t>> packets;
    std::vector<const std::uint8_t*> data;
    std::vector<std::uint8_t*> parity;
    std::vector<std::uint8_t> coefficients;
};

void report(benchmark::State& state, std::size_t k) {
    state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * k * kPacket));
}

void encode_group(benchmark::State& state) {
    const auto k = static_cast<std::size_t>(state.range(1));
    const auto h = static_cast<std::size_t>(state.range(2));
    const auto& kernels = fanfare::fec::kernels(static_cast<Level>(state.range(0)));
    if (kernels.level != static_cast<Level>(state.range(0)))
        return state.SkipWithError("this CPU lacks the level");
    Group group(k, h);
    for (auto _ : state) {
        kernels.multiply_rows(group.parity.data(), h, group.coefficients.data(), group.data.data(),
                              k, kPacket, false);
        benchmark::ClobberMemory();
    }
    state.SetLabel(fanfare::fec::to_string(kernels.level));
    report(state, k);
}

// Packet by packet, as they would leave: parity is read and written once a packet.
void fold_packets(benchmark::State& state) {
    const auto k = static_cast<std::size_t>(state.range(1));
    const auto h = static_cast<std::size_t>(state.range(2));
    const auto& kernels = fanfare::fec::kernels(static_cast<Level>(state.range(0)));
    if (kernels.level != static_cast<Level>(state.range(0)))
        return state.SkipWithError("this CPU lacks the level");
    Group group(k, h);
    std::vector<std::uint8_t> columns(k * h);
    for (std::size_t j = 0; j < h; ++j) {
        for (std::size_t i = 0; i < k; ++i) columns[i * h + j] = group.coefficients[j * k + i];
    }
    for (auto _ : state) {
        for (std::size_t i = 0; i < k; ++i) {
            kernels.multiply_rows(group.parity.data(), h, &columns[i * h], &group.data[i], 1,
                                  kPacket, i != 0);
        }
        benchmark::ClobberMemory();
    }
    state.SetLabel(fanfare::fec::to_string(kernels.level));
    report(state, k);
}

// `h` data packets are lost and made again from the rest and h parity packets; the matrix is made
// anew each time.
void decode_group(benchmark::State& state) {
    const auto k = static_cast<std::size_t>(state.range(1));
    const auto h = static_cast<std::size_t>(state.range(2));
    const auto& kernels = fanfare::fec::kernels(static_cast<Level>(state.range(0)));
    if (kernels.level != static_cast<Level>(state.range(0)))
        return state.SkipWithError("this CPU lacks the level");
    Group group(k, h);
    std::vector<std::uint8_t> have, missing, coefficients(k * h);
    const fanfare::fec::RowMaker maker(k);
    std::vector<const std::uint8_t*> sources;
    std::vector<std::vector<std::uint8_t>> made(h, std::vector<std::uint8_t>(kPacket));
    std::vector<std::uint8_t*> rows;
    for (std::size_t i = 0; i < h; ++i) {
        missing.push_back(static_cast<std::uint8_t>(i));
        rows.push_back(made[i].data());
    }
    for (std::size_t i = h; i < k + h; ++i) {
        have.push_back(static_cast<std::uint8_t>(i));
        sources.push_back(group.packets[i].data());
    }
    for (auto _ : state) {
        if (!maker.decoding_rows(have, missing, coefficients)) {
            return state.SkipWithError("rows refused");
        }
        kernels.multiply_rows(rows.data(), h, coefficients.data(), sources.data(), k, kPacket,
                              false);
        benchmark::ClobberMemory();
    }
    state.SetLabel(fanfare::fec::to_string(kernels.level));
    report(state, k);
}

#ifdef FANFARE_HAVE_ISAL
void encode_isal(benchmark::State& state) {
    const auto k = static_cast<std::size_t>(state.range(1));
    const auto h = static_cast<std::size_t>(state.range(2));
    Group group(k, h);
    std::vector<std::uint8_t> tables(32 * k * h);
    ec_init_tables(static_cast<int>(k), static_cast<int>(h), group.coefficients.data(),
                   tables.data());
    for (auto _ : state) {
        ec_encode_data(kPacket, static_cast<int>(k), static_cast<int>(h), tables.data(),
                       const_cast<std::uint8_t**>(group.data.data()), group.parity.data());
        benchmark::ClobberMemory();
    }
    state.SetLabel("ISA-L");
    report(state, k);
}
#endif

// The limit: one gf2p8affineqb for 64 octets of a data packet and each parity packet, and nothing
// else. Eight chains, so that its latency does not count.
#ifdef __x86_64__
__attribute__((target("gfni,avx512f,avx512bw"))) void affine_chains(__m512i (&chains)[8],
                                                                    int rounds) {
    const __m512i matrix = _mm512_set1_epi64(0x0102040810204080);
    for (int i = 0; i < rounds; ++i) {
        for (__m512i& chain : chains) chain = _mm512_gf2p8affine_epi64_epi8(chain, matrix, 1);
    }
}

void instruction_limit(benchmark::State& state) {
    const auto h = static_cast<std::size_t>(state.range(0));
    if (!__builtin_cpu_supports("gfni") || !__builtin_cpu_supports("avx512bw"))
        return state.SkipWithError("this CPU lacks the instruction");
    constexpr int kRounds = 1000;
    alignas(64) __m512i chains[8]{};
    for (auto _ : state) {
        affine_chains(chains, kRounds);
        benchmark::DoNotOptimize(chains);
    }
    state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * kRounds * 8 * 64 / h));
}
BENCHMARK(instruction_limit)->Arg(2)->Arg(4)->Arg(8)->Arg(16);
#endif

void shapes(benchmark::internal::Benchmark* bench) {
    for (int level : {4, 3, 2, 1}) {
        for (auto [k, h] : {std::pair{8, 2}, {16, 4}, {32, 8}, {64, 16}, {8, 1}, {64, 1}})
            bench->Args({level, k, h});
    }
}
void peer_shapes(benchmark::internal::Benchmark* bench) {
    for (auto [k, h] : {std::pair{8, 2}, {16, 4}, {32, 8}, {64, 16}}) bench->Args({0, k, h});
}

BENCHMARK(encode_group)->Apply(shapes);
BENCHMARK(fold_packets)->Apply(shapes);
BENCHMARK(decode_group)->Apply(shapes);
#ifdef FANFARE_HAVE_ISAL
BENCHMARK(encode_isal)->Apply(peer_shapes);
#else
[[maybe_unused]] constexpr auto* kPeerShapes = peer_shapes;
#endif

}  // namespace
BENCHMARK_MAIN();
