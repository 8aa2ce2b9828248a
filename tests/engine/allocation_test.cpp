// The engine allocates at construction and never after: every call is watched with a counting
// operator new.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "tests/engine/packets.hpp"

namespace {

std::atomic<bool> g_watching{false};
std::atomic<std::uint64_t> g_allocations{0};

void* counted(std::size_t size) {
    if (g_watching.load(std::memory_order_relaxed))
        g_allocations.fetch_add(1, std::memory_order_relaxed);
    if (void* p = std::malloc(size == 0 ? 1 : size)) return p;
    throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t size) {
    return counted(size);
}
void* operator new[](std::size_t size) {
    return counted(size);
}
void operator delete(void* p) noexcept {
    std::free(p);
}
void operator delete[](void* p) noexcept {
    std::free(p);
}
void operator delete(void* p, std::size_t) noexcept {
    std::free(p);
}
void operator delete[](void* p, std::size_t) noexcept {
    std::free(p);
}

namespace fanfare::engine::test {
namespace {

template <typename Call>
auto watched(Call&& call) {
    struct Watch {
        Watch() { g_watching = true; }
        ~Watch() { g_watching = false; }
    } watch;
    return call();
}

TEST(Allocation, TheWatchSeesAnAllocation) {
    g_allocations = 0;
    watched([] { return std::make_unique<int>(1); });
    EXPECT_EQ(g_allocations, 1u);
}

// A session with a tenth of everything lost, from its first SPM to its last, with a gap of
// thousands, a restart of the receiver, and every kind of packet.
void expect_no_allocation(const ParityParameters& parity) {
    const std::uint64_t seed = 31;
    std::cout << "seed " << seed << "\n";
    Random random(seed);
    SourceParameters parameters = profile(ProfileName::lan).source;
    parameters.parity = parity;
    SourceIdentity identity{kTsi, kDataPort, kGroup, kSourceAddress, 0, seed};
    Source source(parameters, identity, 1500, true, checksum::best_kernels());
    std::vector<IndexEntry> index(1u << 14);
    std::vector<std::byte> log(1u << 22);
    Receiver receiver(profile(ProfileName::lan).receiver, ReceiveMemory{index, log},
                      checksum::best_kernels());
    Frames frames(64);
    const std::string payload(1300, 'p');
    std::vector<Publish> items(32);
    for (Publish& item : items) {
        item.data = reinterpret_cast<const std::byte*>(payload.data());
        item.length = 1300;
        item.message_length = 1300;
    }
    Nanos now = kSecond;
    g_allocations = 0;
    watched([&] { receiver.start({kTsi, kDataPort, kGroup, kSourceAddress}, seed, now); });

    const auto to_source = [&](Output& out) {
        for (const Datagram& d : frames.take(out, receiver_address(0))) {
            if (random.next() % 10 == 0) continue;
            const wire::Packet packet = d.decoded();
            Output answer = frames.output();
            watched([&] { source.on_packet(packet, d.octets, d.from, now, answer); });
        }
    };
    const auto to_receiver = [&](Output& out, bool lose_all) {
        for (const Datagram& d : frames.take(out, kSourceAddress)) {
            if (lose_all || random.next() % 10 == 0) continue;
            const wire::Packet packet = d.decoded();
            Output answer = frames.output();
            watched([&] {
                receiver.open_burst(packet.payload.size());
                receiver.on_packet(packet, d.octets, d.from, now, answer);
            });
            to_source(answer);
        }
    };
    ReceiverStatistics before_restart;
    for (int turn = 0; turn < 20'000; ++turn) {
        const bool outage = turn > 5000 && turn < 5200;
        Output out = frames.output();
        watched([&] { return source.publish(items, now, out); });
        to_receiver(out, outage);
        out = frames.output();
        watched([&] { source.on_tick(now, out); });
        to_receiver(out, outage);
        out = frames.output();
        watched([&] { receiver.on_tick(now, out); });
        to_source(out);
        if (turn == 15'000) {
            before_restart = receiver.statistics();
            watched([&] {
                receiver.reset(ResetCause::interface_gone, now, out);
                receiver.start({kTsi, kDataPort, kGroup, kSourceAddress}, seed, now);
            });
        }
        if (turn == 19'000) watched([&] { source.finish(now); });
        now += 50 * kMicrosecond;
    }
    EXPECT_EQ(g_allocations, 0u);
    EXPECT_GT(receiver.statistics().losses_repaired, 100u);
    EXPECT_GT(source.statistics().rdata_packets_sent, 1000u);
    if (parity.on()) {
        EXPECT_GT(before_restart.parity_decoded, 500u);
        EXPECT_GT(before_restart.parity_naks_sent, 100u);
    }
}
TEST(Allocation, NoCallOnTheWayOfAPacketAllocates) {
    expect_no_allocation({});
}
TEST(Allocation, NeitherDoesParity) {
    expect_no_allocation({8, 255, 1, true});
}

}  // namespace
}  // namespace fanfare::engine::test
