// Decode and encode of single packets: time a packet. The packet is in the cache; a Packet object
// is used again and again, as in the receive loop.
#include <benchmark/benchmark.h>

#include <vector>

#include "engine/wire/packet.hpp"

namespace {

using namespace fanfare;

std::vector<std::byte> octets_of(const wire::Packet& packet) {
    std::vector<std::byte> octets(wire::encoded_size(packet));
    wire::encode(packet, octets);
    octets[wire::kChecksumAt] = std::byte{1};
    return octets;
}

std::vector<std::byte> odata(std::size_t payload_size, bool fragment) {
    static const std::vector<std::byte> payload(1400, std::byte{0x42});
    wire::Packet packet;
    packet.type = wire::Type::odata;
    packet.sqn = 1;
    packet.payload = std::span(payload).first(payload_size);
    if (fragment) {
        packet.options.set(wire::OptionBit::fragment);
        packet.options.fragment = {1, 0, 3000, 0};
    }
    return octets_of(packet);
}

std::vector<std::byte> nak(std::size_t listed) {
    static const std::vector<std::byte> sqns(4 * wire::kNakListMax);
    wire::Packet packet;
    packet.type = wire::Type::nak;
    if (listed > 0) {
        packet.options.set(wire::OptionBit::nak_list);
        packet.options.nak_list = {sqns.data(), static_cast<std::uint8_t>(listed)};
        packet.flags = wire::option_flags(packet.type, packet.options.present);
    }
    return octets_of(packet);
}

void decode_all(benchmark::State& state, const std::vector<std::byte>& octets) {
    wire::Packet packet;
    if (wire::decode(octets, packet) != wire::DecodeError::none)
        return state.SkipWithError("the packet is refused");
    for (auto _ : state) {
        benchmark::DoNotOptimize(wire::decode(octets, packet));
        benchmark::ClobberMemory();
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
}

void decode_odata(benchmark::State& state) {
    decode_all(state, odata(static_cast<std::size_t>(state.range(0)), state.range(1) != 0));
}
BENCHMARK(decode_odata)->ArgNames({"payload", "fragment"})->ArgsProduct({{64, 288, 1400}, {0, 1}});

void decode_nak(benchmark::State& state) {
    decode_all(state, nak(static_cast<std::size_t>(state.range(0))));
}
BENCHMARK(decode_nak)->ArgName("listed")->Arg(0)->Arg(62);

void encode_all(benchmark::State& state, const std::vector<std::byte>& octets, bool with_payload) {
    wire::Packet packet;
    if (wire::decode(octets, packet) != wire::DecodeError::none)
        return state.SkipWithError("the packet is refused");
    std::vector<std::byte> room(octets.size());
    for (auto _ : state) {
        benchmark::DoNotOptimize(wire::encode(packet, room, with_payload));
        benchmark::ClobberMemory();
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
}

void encode_odata(benchmark::State& state) {
    encode_all(state, odata(static_cast<std::size_t>(state.range(0)), state.range(1) != 0), true);
}
BENCHMARK(encode_odata)->ArgNames({"payload", "fragment"})->ArgsProduct({{64, 288, 1400}, {0, 1}});

void encode_odata_header(benchmark::State& state) {
    encode_all(state, odata(1400, state.range(0) != 0), false);
}
BENCHMARK(encode_odata_header)->ArgName("fragment")->Arg(0)->Arg(1);

void encode_ncf(benchmark::State& state) {
    encode_all(state, nak(static_cast<std::size_t>(state.range(0))), false);
}
BENCHMARK(encode_ncf)->ArgName("listed")->Arg(0)->Arg(62);

}  // namespace
BENCHMARK_MAIN();
