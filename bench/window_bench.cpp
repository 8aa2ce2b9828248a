// The engine's two hot paths without a port: a source that publishes, a receiver that takes packets
// in order, and one that loses one packet in a hundred and gets it again. Nanoseconds a packet.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "engine/core/receiver.hpp"
#include "engine/core/source.hpp"
#include "engine/core/timing_wheel.hpp"
#include "engine/wire/octets.hpp"

namespace {

using namespace fanfare;
using namespace fanfare::engine;

constexpr Tsi kTsi{Gsi{{1, 2, 3, 4, 5, 6}}, 77};
constexpr Address kSource = Address::from_octets(10, 0, 0, 1);
constexpr Address kGroup = Address::from_octets(239, 0, 0, 1);
constexpr std::size_t kBurst = 32;

struct Room {
    std::vector<std::byte> octets = std::vector<std::byte>(64 * 2048);
    std::vector<TxFrame> frames = std::vector<TxFrame>(64);
    Output output() {
        for (std::size_t i = 0; i < frames.size(); ++i) {
            frames[i].data = octets.data() + i * 2048 + kFrameHeadroom;
            frames[i].capacity = 2048 - kFrameHeadroom;
        }
        return Output(frames);
    }
};

SourceParameters source_parameters() {
    SourceParameters p = profile(ProfileName::lan).source;
    p.rate_bits_per_s = 0;
    p.window_bytes = 4'000'000;
    p.window_packets = 1u << 14;
    p.announce_first = false;
    p.random_first_sqn = false;
    return p;
}

void source_publish(benchmark::State& state) {
    const auto length = static_cast<std::uint16_t>(state.range(0));
    Source source(source_parameters(), {kTsi, 9, kGroup, kSource, 0, 1}, 1500, true,
                  checksum::best_kernels());
    std::vector<std::byte> log(1u << 23, std::byte{7});
    std::vector<Publish> items(kBurst);
    std::size_t at = 0;
    Room room;
    Nanos now = kSecond;
    for (auto _ : state) {
        for (Publish& item : items) {
            if (log.size() - at < length) at = 0;
            item.data = log.data() + at;
            item.length = length;
            item.message_length = length;
            at += length;
        }
        now += 10 * kMicrosecond;
        Output out = room.output();
        benchmark::DoNotOptimize(source.publish(items, now, out));
        Output ticked = room.output();
        source.on_tick(now, ticked);
    }
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBurst));
    state.SetBytesProcessed(state.items_processed() * length);
}

// One packet whose number and checksum are set anew each time.
class Stream {
  public:
    explicit Stream(std::size_t length) {
        wire::Packet p{};
        p.type = wire::Type::odata;
        p.gsi = kTsi.gsi;
        p.source_port = kTsi.source_port;
        p.destination_port = 9;
        std::vector<std::byte> payload(length, std::byte{5});
        p.payload = payload;
        octets_.resize(wire::encoded_size(p));
        wire::encode(p, octets_);
        rest_ = checksum::best_kernels().sum(octets_.data(), octets_.size());
    }
    std::span<const std::byte> packet(Sqn sqn, bool repair) {
        octets_[4] = static_cast<std::byte>(repair ? wire::Type::rdata : wire::Type::odata);
        const Sqn trail = sqn - std::min<Sqn>(sqn, 1000);
        wire::put32(octets_.data() + 16, sqn);
        wire::put32(octets_.data() + 20, trail);
        std::uint32_t sum =
            checksum::add(rest_, checksum::best_kernels().sum(octets_.data() + 16, 8), 16);
        if (repair) sum = checksum::add(sum, static_cast<std::uint32_t>(1), 4);
        const std::uint16_t value = checksum::finish(sum);
        std::memcpy(octets_.data() + 6, &value, 2);
        return octets_;
    }

  private:
    std::vector<std::byte> octets_;
    std::uint32_t rest_ = 0;
};

void receive(benchmark::State& state, Sqn loss_every) {
    const auto length = static_cast<std::size_t>(state.range(0));
    std::vector<IndexEntry> index(1u << 16);
    std::vector<std::byte> log(1u << 24);
    Receiver receiver(profile(ProfileName::lan).receiver, {index, log}, checksum::best_kernels());
    Nanos now = kSecond;
    receiver.start({kTsi, 9, kGroup, kSource}, 1, now);
    Stream stream(length);
    Room room;
    Sqn sqn = 0;
    std::vector<Sqn> lost;
    const auto give = [&](Sqn number, bool repair) {
        const auto octets = stream.packet(number, repair);
        wire::Packet p;
        wire::decode(octets, p);
        Output out = room.output();
        benchmark::DoNotOptimize(receiver.on_packet(p, octets, kSource, now, out));
    };
    for (auto _ : state) {
        now += 10 * kMicrosecond;
        receiver.open_burst(2 * kBurst * length);
        for (const Sqn number : lost) give(number, true);
        lost.clear();
        for (std::size_t i = 0; i < kBurst; ++i, ++sqn) {
            if (loss_every != 0 && sqn % loss_every == 7) {
                lost.push_back(sqn);
            } else {
                give(sqn, false);
            }
        }
        Output out = room.output();
        receiver.on_tick(now, out);
    }
    if (receiver.state() != SessionState::open ||
        receiver.next_ordinal() + kBurst < (std::uint64_t{1} << 32) + sqn) {
        state.SkipWithError("the receiver did not follow the stream");
    }
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBurst));
    state.SetBytesProcessed(state.items_processed() * static_cast<std::int64_t>(length));
}
void receive_in_order(benchmark::State& state) {
    receive(state, 0);
}
void receive_with_loss(benchmark::State& state) {
    receive(state, 100);
}

void timing_wheel(benchmark::State& state) {
    TimingWheel wheel(1u << 15);
    Nanos now = 0;
    std::uint32_t slot = 0;
    for (auto _ : state) {
        now += kMicrosecond;
        slot = (slot + 1) & 0x7FFF;
        wheel.set(slot, now + 2 * kMillisecond);
        std::uint32_t budget = 8;
        benchmark::DoNotOptimize(wheel.pop_expired(now, budget));
    }
    state.SetItemsProcessed(state.iterations());
}

BENCHMARK(source_publish)->Arg(32)->Arg(288)->Arg(1344);
BENCHMARK(receive_in_order)->Arg(32)->Arg(288)->Arg(1344);
BENCHMARK(receive_with_loss)->Arg(32)->Arg(1344);
BENCHMARK(timing_wheel);

}  // namespace

BENCHMARK_MAIN();
