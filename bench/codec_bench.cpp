// Decode and encode of single packets: nanoseconds a packet.
#include <benchmark/benchmark.h>

#include <vector>

#include "engine/wire/packet.hpp"

namespace {

using namespace fanfare;

std::vector<std::byte> odata(std::size_t payload_size, bool fragment) {
    static const std::vector<std::byte> payload(1400, std::byte{0x42});
    wire::Packet packet;
    packet.type = wire::Type::odata;
    packet.sqn = 1;
    packet.payload = std::span(payload).first(payload_size);
    if (fragment) {
        packet.options.set(wire::OptionBit::fragment);
        packet.options.fragment = {1, 0, 3000};
    }
    std::vector<std::byte> octets(wire::encoded_size(packet));
    wire::encode(packet, octets);
    octets[6] = std::byte{1};
    return octets;
}

void decode_odata(benchmark::State& state) {
    const auto octets = odata(static_cast<std::size_t>(state.range(0)), state.range(1) != 0);
    wire::Packet packet;
    for (auto _ : state) {
        benchmark::DoNotOptimize(wire::decode(octets, packet));
        benchmark::ClobberMemory();
    }
}
BENCHMARK(decode_odata)->ArgsProduct({{64, 288, 1400}, {0, 1}});

void encode_odata_header(benchmark::State& state) {
    const auto octets = odata(1400, state.range(0) != 0);
    wire::Packet packet;
    wire::decode(octets, packet);
    std::vector<std::byte> room(octets.size());
    for (auto _ : state) {
        benchmark::DoNotOptimize(wire::encode(packet, room, false));
        benchmark::ClobberMemory();
    }
}
BENCHMARK(encode_odata_header)->Arg(0)->Arg(1);

}  // namespace
BENCHMARK_MAIN();
