// Congestion control from end to end: a source, receivers and queues between them in virtual time.
#include <gtest/gtest.h>

#include "tests/engine/packets.hpp"

namespace fanfare::engine::test {
namespace {

constexpr std::uint64_t kSeed = 20261124;
constexpr std::size_t kMessage = 1200;

// A router's port: packets leave at its rate, and those that would wait too long are lost.
struct Bottleneck {
    double bits_per_s;
    Nanos longest_wait;
    Nanos free_at = 0;

    Nanos pass(std::size_t octets, Nanos now) {
        const Nanos wait = std::max<Nanos>(free_at - now, 0);
        if (wait > longest_wait) {
            return kNever;
        }
        const auto takes = static_cast<Nanos>(static_cast<double>(octets) * 8e9 / bits_per_s);
        free_at = std::max(free_at, now) + takes;
        return wait + takes;
    }
};

bool down(const Datagram& datagram) {
    return datagram.to == kGroup;
}

PairParameters controlled(std::size_t receivers = 1) {
    PairParameters p;
    p.seed = kSeed;
    p.receivers = receivers;
    p.source.congestion.on = true;
    p.source.window_ns = 10 * kSecond;
    p.source.window_bytes = 1u << 30;
    p.link.delay_ns = kMillisecond;
    p.receiver.round_trip_ceiling_ns = 500 * kMillisecond;  // above what the queues add
    return p;
}

void fill(Pair& pair, std::size_t messages) {
    for (std::size_t i = 0; i < messages; ++i) pair.send(message_of(i, kMessage));
}

double delivered_bits_per_s(const Subscriber& s, Nanos duration) {
    return static_cast<double>(s.messages.size() * kMessage * 8) * 1e9 /
           static_cast<double>(duration);
}

TEST(Pgmcc, ThroughputFollowsABottleneck) {
    for (const double rate : {5e6, 20e6, 80e6}) {
        SCOPED_TRACE(rate);
        Pair pair(controlled());
        Bottleneck port{rate, 20 * kMillisecond};
        std::uint64_t lost = 0;
        pair.wait = [&](const Datagram& d, std::size_t) {
            const Nanos waits = down(d) ? port.pass(d.ip_size(), pair.now) : 0;
            lost += waits == kNever && d.kind == FrameKind::odata;
            return waits;
        };
        fill(pair, 60'000);
        constexpr Nanos kDuration = 5 * kSecond;
        pair.run_for(kDuration);
        const double goodput = delivered_bits_per_s(pair.subscribers[0], kDuration);
        EXPECT_GT(goodput, 0.7 * rate);
        EXPECT_LT(goodput, rate);
        const auto& sent = pair.source->statistics();
        EXPECT_LT(static_cast<double>(lost), 0.03 * static_cast<double>(sent.odata_packets_sent));
        EXPECT_GT(sent.congestion.halvings, 0u);
        EXPECT_EQ(sent.congestion.acker, receiver_address(0));
        EXPECT_EQ(pair.subscribers[0].receiver->state(), SessionState::open);
    }
}

TEST(Pgmcc, WithoutABottleneckTheRateLimitRules) {
    PairParameters p = controlled();
    p.source.rate_bits_per_s = 50'000'000;
    Pair pair(p);
    fill(pair, 30'000);
    pair.run_for(3 * kSecond);
    EXPECT_GT(delivered_bits_per_s(pair.subscribers[0], 3 * kSecond), 0.85 * 50e6);
    EXPECT_EQ(pair.source->statistics().congestion.halvings, 0u);
}

TEST(Pgmcc, AckerMovesToTheSlowerOfTwoReceivers) {
    Pair pair(controlled(2));
    Bottleneck wide{40e6, 20 * kMillisecond}, narrow{40e6, 20 * kMillisecond};
    pair.wait = [&](const Datagram& d, std::size_t receiver) {
        return down(d) ? (receiver == 0 ? wide : narrow).pass(d.ip_size(), pair.now) : 0;
    };
    fill(pair, 60'000);
    pair.run_for(2 * kSecond);
    narrow.bits_per_s = 8e6;
    pair.run_for(2 * kSecond);
    EXPECT_EQ(pair.source->statistics().congestion.acker, receiver_address(1));
    const std::size_t before = pair.subscribers[1].messages.size();
    pair.run_for(2 * kSecond);
    const double goodput =
        static_cast<double>((pair.subscribers[1].messages.size() - before) * kMessage * 8) / 2;
    EXPECT_GT(goodput, 0.6 * 8e6);
    EXPECT_LT(goodput, 8e6);
    // And back, when the other one becomes the slower.
    narrow.bits_per_s = 40e6;
    wide.bits_per_s = 6e6;
    pair.run_for(3 * kSecond);
    EXPECT_EQ(pair.source->statistics().congestion.acker, receiver_address(0));
}

TEST(Pgmcc, NothingStallsWhenTheAckerVanishes) {
    Pair pair(controlled(2));
    Bottleneck near{80e6, 20 * kMillisecond}, far{10e6, 20 * kMillisecond};
    bool gone = false;
    pair.wait = [&](const Datagram& d, std::size_t receiver) {
        if (receiver == 1 && gone) return kNever;
        return down(d) ? (receiver == 0 ? near : far).pass(d.ip_size(), pair.now) : 0;
    };
    fill(pair, 60'000);
    pair.run_for(2 * kSecond);
    ASSERT_EQ(pair.source->statistics().congestion.acker, receiver_address(1));
    gone = true;
    const std::size_t before = pair.subscribers[0].messages.size();
    pair.run_for(2 * kSecond);
    EXPECT_EQ(pair.source->statistics().congestion.acker, receiver_address(0));
    EXPECT_GE(pair.source->statistics().congestion.timeouts, 2u);
    const double goodput =
        static_cast<double>((pair.subscribers[0].messages.size() - before) * kMessage * 8) / 2;
    EXPECT_GT(goodput, 20e6) << "it goes as fast as the one that stayed can";
}

TEST(Pgmcc, RunsToItsEndUnderLossInBothDirections) {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        SCOPED_TRACE(seed);
        PairParameters p = controlled(3);
        p.seed = seed;
        p.link.loss = 0.03;
        p.link.jitter_ns = kMillisecond;
        p.source.random_first_sqn = false;
        p.first_sqn = 0xFFFFFF00u;
        Pair pair(p);
        fill(pair, 1'500);
        pair.finish();
        ASSERT_TRUE(pair.run_until(
            [&] {
                for (auto& s : pair.subscribers) {
                    if (!s.started || s.receiver->state() == SessionState::open) return false;
                }
                return true;
            },
            60 * kSecond));
        for (auto& s : pair.subscribers) {
            EXPECT_EQ(s.receiver->state(), SessionState::finished);
            EXPECT_TRUE(s.messages == pair.sent);
        }
    }
}

TEST(Pgmcc, WithoutAReceiverOnePacketLeavesAWait) {
    Pair pair(controlled());
    pair.subscribers[0].listening = false;
    fill(pair, 1'000);
    pair.run_for(kSecond);
    const auto& s = pair.source->statistics();
    EXPECT_GE(s.odata_packets_sent, 9u);
    EXPECT_LE(s.odata_packets_sent, 11u);
    pair.start_listening(0);
    pair.run_for(kSecond);
    EXPECT_TRUE(pair.all_queued_sent());
}

TEST(Pgmcc, TwoSourcesShareABottleneckRoughlyFairly) {
    PairParameters first = controlled(), second = controlled();
    second.seed = kSeed + 1;
    Pair a(first), b(second);
    Bottleneck port{20e6, 20 * kMillisecond};
    // Each lives in its own world and both pass the one port; they run in turns shorter than a
    // packet takes there.
    for (Pair* pair : {&a, &b}) {
        const Nanos began = pair == &a ? 0 : 2 * kSecond;
        pair->wait = [pair, began, &port](const Datagram& d, std::size_t) {
            return down(d) ? port.pass(d.ip_size(), pair->now + began) : 0;
        };
        fill(*pair, 40'000);
    }
    constexpr Nanos kTurn = 200 * kMicrosecond, kDuration = 12 * kSecond;
    for (Nanos at = 0; at < kDuration; at += kTurn) {
        a.run_for(at + kTurn - a.now);
        // The second starts late, when the first has the port to itself.
        if (at >= 2 * kSecond) b.run_for(at + kTurn - 2 * kSecond - b.now);
    }
    const double of_b = delivered_bits_per_s(b.subscribers[0], kDuration - 2 * kSecond);
    const double of_a = delivered_bits_per_s(a.subscribers[0], kDuration);
    EXPECT_GT(of_a + of_b, 14e6);
    EXPECT_GT(of_b, 5e6);
    EXPECT_LT(of_b, 15e6);
}

TEST(Pgmcc, OffMeansNoOptionAndNoAck) {
    PairParameters p = controlled();
    p.source.congestion.on = false;
    Pair pair(p);
    std::size_t acks = 0, marked = 0;
    pair.tap = [&](const Datagram& d) {
        acks += d.kind == FrameKind::ack;
        marked += d.decoded().options.has(wire::OptionBit::cc_data);
    };
    fill(pair, 200);
    pair.run_for(kSecond);
    EXPECT_EQ(acks + marked, 0u);
    EXPECT_EQ(pair.subscribers[0].messages.size(), 200u);
}

TEST(Pgmcc, FeedbackThatSpeaksForAnotherHostIsRefused) {
    Pair pair(controlled(2));
    pair.subscribers[1].listening = false;
    fill(pair, 500);
    pair.run_for(500 * kMillisecond);
    ASSERT_EQ(pair.source->statistics().congestion.acker, receiver_address(0));
    const auto rejected = pair.source->statistics().rejected;
    wire::Packet ack = from_receiver(wire::Type::ack);
    ack.sqn = pair.source->lead();
    ack.ack_bitmap = 1;
    ack.options.set(wire::OptionBit::cc_feedback);
    ack.options.cc_feedback = {0, 30'000, receiver_address(7)};
    pair.inject(datagram_of(ack, receiver_address(1), kSourceAddress));
    pair.run_for(10 * kMillisecond);
    EXPECT_EQ(pair.source->statistics().congestion.acker, receiver_address(0));
    EXPECT_EQ(pair.source->statistics().rejected, rejected + 1);
}

TEST(Pgmcc, FullFramesHoldTheOption) {
    PairParameters p = controlled();
    Pair pair(p);
    std::size_t largest = 0;
    pair.tap = [&](const Datagram& d) { largest = std::max(largest, d.ip_size()); };
    for (std::size_t i = 0; i < 50; ++i) {
        pair.send(message_of(i, pair.source->largest_tsdu(false)));
        pair.send(message_of(i, 5000));
    }
    pair.run_for(2 * kSecond);
    EXPECT_LE(largest, p.mtu);
    EXPECT_TRUE(pair.subscribers[0].messages == pair.sent);
}

}  // namespace
}  // namespace fanfare::engine::test
