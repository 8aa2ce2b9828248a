// Source and receivers together: what must come out of loss, in virtual time.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <numeric>
#include <set>

#include "tests/engine/packets.hpp"

namespace fanfare::engine::test {
namespace {

using wire::OptionBit;

bool all_over(const Pair& pair) {
    return std::all_of(pair.subscribers.begin(), pair.subscribers.end(), [](const Subscriber& s) {
        return s.started && s.receiver->state() != SessionState::open;
    });
}
void expect_complete(Pair& pair, Nanos limit = 20 * kSecond) {
    ASSERT_TRUE(pair.run_until([&] { return all_over(pair); }, limit));
    for (auto& s : pair.subscribers) {
        EXPECT_EQ(s.receiver->state(), SessionState::finished)
            << static_cast<int>(s.receiver->cause());
        EXPECT_TRUE(s.messages == pair.sent) << s.messages.size() << " of " << pair.sent.size();
    }
}
bool is_prefix(const std::vector<std::string>& a, const std::vector<std::string>& of) {
    return a.size() <= of.size() && std::equal(a.begin(), a.end(), of.begin());
}

// DESIGN section 6: start without loss.
TEST(Repair, TheFirstThreeOdataAreDroppedAndNothingIsMissing) {
    for (const bool without_spms : {false, true}) {
        Pair pair(PairParameters{});
        int dropped = 0;
        pair.drop = [&](const Datagram& d, std::size_t) {
            if (d.kind == FrameKind::spm && without_spms && dropped < 3) return true;
            return d.kind == FrameKind::odata && dropped < 3 && ++dropped;
        };
        for (std::size_t i = 0; i < 100; ++i) pair.send(message_of(i, 1000));
        pair.finish();
        expect_complete(pair);
        EXPECT_EQ(dropped, 3);
        EXPECT_FALSE(pair.subscribers[0].has_event(Event::Kind::joined_late));
    }
}

TEST(Repair, EveryFullSizePacketIsLostOnceAndRepairedAtMtu1500) {
    for (const auto name : {ProfileName::lan, ProfileName::windows, ProfileName::openpgm}) {
        for (const bool udp : {false, true}) {
            PairParameters p;
            p.source = profile(name).source;
            p.source.rate_bits_per_s = 100'000'000;
            p.source.window_ns = 20 * kSecond;
            p.receiver = profile(name).receiver;
            p.udp = udp;
            Pair pair(p);
            std::set<Sqn> lost;
            std::size_t largest = 0;
            pair.tap = [&](const Datagram& d) {
                EXPECT_LE(d.ip_size(udp), 1500u);
                largest = std::max(largest, d.ip_size(udp));
            };
            pair.drop = [&](const Datagram& d, std::size_t) {
                return d.kind == FrameKind::odata && lost.insert(d.decoded().sqn).second;
            };
            for (std::size_t i = 0; i < 20; ++i) {
                pair.send(message_of(i, pair.source->largest_tsdu(false)));
                pair.send(message_of(100 + i, 4 * pair.source->largest_tsdu(true)));
            }
            pair.finish();
            expect_complete(pair, 60 * kSecond);
            EXPECT_EQ(lost.size(), 100u);
            EXPECT_GE(largest, 1480u);
        }
    }
}

// Delay of messages that needed a repair, 20,000 a second, 1 % loss on everything that travels.
struct Delays {
    Nanos p50, p99, worst;
    std::size_t count;
};
Delays repair_delays(bool first_repair_lost, Nanos link_delay) {
    PairParameters p;
    p.seed = 77;
    p.link.delay_ns = link_delay;
    p.link.loss = 0.01;
    Pair pair(p);
    std::map<Sqn, Nanos> lost;  // number -> when it was sent
    std::set<Sqn> repair_lost;
    std::vector<Nanos> delays;
    Random random(78);
    pair.parameters.link.loss = 0;
    pair.drop = [&](const Datagram& d, std::size_t) {
        const bool gone = random.next() % 100 == 0;
        if (d.kind == FrameKind::odata && gone) lost[d.decoded().sqn] = pair.now;
        if (first_repair_lost && d.kind == FrameKind::rdata &&
            repair_lost.insert(d.decoded().sqn).second)
            return true;
        return gone;
    };
    constexpr std::size_t kMessages = 20'000;
    for (std::size_t i = 0; i < kMessages; ++i) {
        pair.send(message_of(i, 100));
        const Nanos due = static_cast<Nanos>(i + 1) * 50 * kMicrosecond;
        pair.run_until([] { return false; }, due - pair.now);
        auto& receiver = *pair.subscribers[0].receiver;
        while (!lost.empty() &&
               sqn_before(lost.begin()->first, static_cast<Sqn>(receiver.next_ordinal()))) {
            delays.push_back(pair.subscribers[0].last_delivery - lost.begin()->second);
            lost.erase(lost.begin());
        }
    }
    pair.finish();
    expect_complete(pair);
    std::sort(delays.begin(), delays.end());
    return {delays[delays.size() / 2], delays[delays.size() * 99 / 100], delays.back(),
            delays.size()};
}

TEST(Repair, LanRepairsTakeMicrosecondsToAFewMilliseconds) {
    for (const Nanos link : {20 * kMicrosecond, 200 * kMicrosecond}) {
        const Delays plain = repair_delays(false, link);
        const Delays twice = repair_delays(true, link);
        std::cout << "link " << link / 1000 << " us: repair delay us p50 " << plain.p50 / 1000
                  << " p99 " << plain.p99 / 1000 << " worst " << plain.worst / 1000
                  << "; first RDATA lost: p50 " << twice.p50 / 1000 << " p99 " << twice.p99 / 1000
                  << " worst " << twice.worst / 1000 << " (" << plain.count << " repairs)\n";
        EXPECT_LE(plain.p99, 5 * kMillisecond);
        EXPECT_LE(twice.p99, 5 * kMillisecond);
        EXPECT_LE(plain.p50, kMillisecond);
    }
}

TEST(Repair, ALateJoinerStartsAtTheFirstPacketItHearsAndSaysSo) {
    PairParameters p;
    p.receivers = 2;
    p.source.announce_first = false;
    p.source.rate_bits_per_s = 50'000'000;
    Pair pair(p);
    pair.subscribers[1].listening = false;
    for (std::size_t i = 0; i < 1000; ++i) pair.send(message_of(i, 1000));
    pair.run_for(50 * kMillisecond);
    pair.start_listening(1);
    pair.finish();
    ASSERT_TRUE(pair.run_until([&] { return all_over(pair); }));
    EXPECT_TRUE(pair.subscribers[0].messages == pair.sent);
    const auto& late = pair.subscribers[1].messages;
    ASSERT_GT(late.size(), 100u);
    ASSERT_LT(late.size(), 900u);
    EXPECT_TRUE(std::equal(late.rbegin(), late.rend(), pair.sent.rbegin()))
        << "all to the end, without a hole";
    EXPECT_TRUE(pair.subscribers[1].has_event(Event::Kind::joined_late));
}

// wsrm.md check 48.
TEST(Repair, WithLateJoin75AJoinerRecoversThreeQuartersOfTheWindow) {
    PairParameters p;
    p.receivers = 2;
    p.source.announce_first = false;
    p.source.late_join_percent = 75;
    p.source.rate_bits_per_s = 50'000'000;
    p.source.window_ns = 10 * kSecond;
    Pair pair(p);
    pair.subscribers[1].listening = false;
    for (std::size_t i = 0; i < 800; ++i) pair.send(message_of(i, 1000));
    ASSERT_TRUE(pair.run_until([&] { return pair.all_queued_sent(); }));
    pair.start_listening(1);
    pair.finish();
    ASSERT_TRUE(pair.run_until([&] { return all_over(pair); }));
    const auto& late = pair.subscribers[1].messages;
    EXPECT_EQ(late.size(), 600u);
    EXPECT_TRUE(std::equal(late.rbegin(), late.rend(), pair.sent.rbegin()));
}

TEST(Repair, AJoinerInTheFirstMomentsGetsEverythingFromTheFirstNumber) {
    PairParameters p;
    p.receivers = 2;
    p.source.rate_bits_per_s = 50'000'000;
    Pair pair(p);
    pair.subscribers[1].listening = false;
    for (std::size_t i = 0; i < 1000; ++i) pair.send(message_of(i, 1000));
    pair.run_for(100 * kMillisecond);
    pair.start_listening(1);
    pair.finish();
    expect_complete(pair);
    EXPECT_FALSE(pair.subscribers[1].has_event(Event::Kind::joined_late));
}

TEST(Repair, AnAbortedSessionEndsWithAResetAfterWhatWasInOrder) {
    Pair pair(PairParameters{});
    for (std::size_t i = 0; i < 50; ++i) pair.send(message_of(i, 500));
    pair.run_for(20 * kMillisecond);
    pair.source->abort(pair.now, 1, ResetCause::sender_vanished);
    ASSERT_TRUE(pair.run_until([&] { return all_over(pair); }));
    EXPECT_EQ(pair.subscribers[0].receiver->cause(), ResetCause::sender_reset);
    EXPECT_TRUE(pair.subscribers[0].messages == pair.sent);
    EXPECT_TRUE(pair.source->is_done());
}

TEST(Repair, APartitionShorterThanTheWindowIsRepairedWhole) {
    PairParameters p;
    p.index_entries = 1u << 16;
    p.log_bytes = 1u << 24;
    p.source.rate_bits_per_s = 400'000'000;
    Pair pair(p);
    bool cut = false;
    pair.drop = [&](const Datagram&, std::size_t) { return cut; };
    for (std::size_t i = 0; i < 8000; ++i) pair.send(message_of(i, 1000));
    pair.run_for(30 * kMillisecond);
    cut = true;
    pair.run_for(60 * kMillisecond);
    cut = false;
    pair.finish();
    expect_complete(pair);
    EXPECT_GT(pair.subscribers[0].receiver->statistics().losses_repaired, 2000u);
}

TEST(Repair, APartitionLongerThanTheWindowIsAnUnrecoverableLossAfterAnUnbrokenPrefix) {
    PairParameters p;
    p.source.rate_bits_per_s = 50'000'000;
    Pair pair(p);
    bool cut = false;
    pair.drop = [&](const Datagram&, std::size_t) { return cut; };
    for (std::size_t i = 0; i < 4000; ++i) pair.send(message_of(i, 1000));
    pair.run_for(30 * kMillisecond);
    cut = true;
    pair.run_for(400 * kMillisecond);
    cut = false;
    ASSERT_TRUE(pair.run_until([&] { return all_over(pair); }));
    EXPECT_EQ(pair.subscribers[0].receiver->cause(), ResetCause::unrecoverable_loss);
    EXPECT_TRUE(is_prefix(pair.subscribers[0].messages, pair.sent));
}

TEST(Repair, OneLossSharedByManyReceiversCostsAboutOneRepair) {
    PairParameters p;
    p.receivers = 20;
    p.multicast_naks = true;
    Pair pair(p);
    Random random(3);
    std::set<Sqn> lost;
    pair.drop = [&](const Datagram& d, std::size_t) {
        return d.kind == FrameKind::odata && d.decoded().sqn % 50 == 0 &&
               (lost.insert(d.decoded().sqn), true);
    };
    for (std::size_t i = 0; i < 2000; ++i) pair.send(message_of(i, 1000));
    pair.finish();
    expect_complete(pair);
    EXPECT_LE(pair.source->statistics().rdata_packets_sent, lost.size() * 11 / 10 + 2);
    std::cout << "losses " << lost.size() << " repairs "
              << pair.source->statistics().rdata_packets_sent << " naks "
              << pair.source->statistics().naks_received << "\n";
}

TEST(Repair, ASmallLogUnderHeavyLossStillDeliversEverything) {
    PairParameters p;
    p.seed = 5;
    p.log_bytes = 1u << 16;
    p.index_entries = 256;
    p.link.loss = 0.1;
    p.source.rate_bits_per_s = 50'000'000;
    Pair pair(p);
    for (std::size_t i = 0; i < 2000; ++i) pair.send(message_of(i, i * 31 % 1400));
    pair.finish();
    expect_complete(pair);
}

TEST(Repair, RateZeroWithLossDeliversEverything) {
    PairParameters p;
    p.seed = 6;
    p.link.loss = 0.05;
    p.source.rate_bits_per_s = 0;
    p.source.window_bytes = 10'000'000;
    Pair pair(p);
    for (std::size_t i = 0; i < 3000; ++i) pair.send(message_of(i, 1200));
    pair.finish();
    expect_complete(pair);
    EXPECT_TRUE(pair.run_until([&] { return pair.source->is_done(); }, 20 * kSecond));
}

TEST(Repair, SlowProfilesRepairTooOnlyMoreSlowly) {
    for (const auto name : {ProfileName::windows, ProfileName::openpgm}) {
        PairParameters p;
        p.seed = 8;
        p.source = profile(name).source;
        p.source.rate_bits_per_s = 10'000'000;
        p.receiver = profile(name).receiver;
        p.link.loss = 0.02;
        p.link.delay_ns = kMillisecond;
        Pair pair(p);
        for (std::size_t i = 0; i < 500; ++i) pair.send(message_of(i, 1000));
        pair.finish();
        expect_complete(pair, 120 * kSecond);
    }
}

TEST(Repair, ASlowSourceRepairsALongOutageWithoutBeingGivenUp) {
    PairParameters p;
    p.source.rate_bits_per_s = 500'000;  // a repair takes 18 ms
    p.source.window_ns = 100 * kSecond;
    Pair pair(p);
    bool cut = false;
    pair.drop = [&](const Datagram&, std::size_t) { return cut; };
    for (std::size_t i = 0; i < 300; ++i) pair.send(message_of(i, 1100));
    pair.run_for(200 * kMillisecond);
    cut = true;
    pair.run_for(3 * kSecond);
    cut = false;
    pair.finish();
    expect_complete(pair, 60 * kSecond);
    EXPECT_GT(pair.subscribers[0].receiver->statistics().losses_repaired, 100u);
}

TEST(Repair, AReceiverThatMissesAllOptFinSpmsLearnsTheEndFromALaterOne) {
    Pair pair(PairParameters{});
    int fins = 0;
    pair.drop = [&](const Datagram& d, std::size_t) {
        return d.kind == FrameKind::spm && d.decoded().options.has(OptionBit::fin) && ++fins <= 5;
    };
    for (std::size_t i = 0; i < 10; ++i) pair.send(message_of(i, 100));
    pair.finish();
    expect_complete(pair);
}

TEST(Repair, ALostLastPacketIsFoundByAHeartbeat) {
    Pair pair(PairParameters{});
    bool lost = false;
    pair.drop = [&](const Datagram& d, std::size_t) {
        return d.kind == FrameKind::odata && d.decoded().payload.size() == 7 && !lost &&
               (lost = true);
    };
    for (std::size_t i = 0; i < 10; ++i) pair.send(message_of(i, 100));
    pair.send(message_of(99, 7));
    ASSERT_TRUE(pair.run_until([&] { return pair.subscribers[0].messages.size() == 11; },
                               5 * kMillisecond));
}

// Faults of every kind at once; either everything arrives, or the session is reset with a cause
// that fits.
class RepairSweep : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(RepairSweep, WhatIsDeliveredIsAnUnbrokenPrefixAndEverythingWhenTheSessionFinished) {
    const std::uint64_t seed = GetParam();
    std::cout << "seed " << seed << "\n";
    Random random(seed);
    PairParameters p;
    p.seed = seed;
    p.receivers = 1 + random.next() % 4;
    p.link.loss = static_cast<double>(random.next() % 30) / 100;
    p.link.duplicate = static_cast<double>(random.next() % 10) / 100;
    p.link.corrupt = static_cast<double>(random.next() % 5) / 100;
    p.link.delay_ns = random.between(kMicrosecond, 2 * kMillisecond);
    p.link.jitter_ns = random.between(0, kMillisecond);
    p.multicast_naks = random.next() % 2;
    p.udp = random.next() % 2;
    p.frames = 1 + random.next() % 64;
    p.log_bytes = std::size_t{1} << (16 + random.next() % 6);
    p.index_entries = std::size_t{1} << (7 + random.next() % 8);
    p.source.random_first_sqn = false;
    p.first_sqn = random.next() % 2 ? static_cast<Sqn>(random.next())
                                    : 0xFFFFFFFF - static_cast<Sqn>(random.next() % 500);
    p.source.rate_bits_per_s = random.next() % 5 ? 1'000'000u << (random.next() % 9) : 0;
    p.source.window_bytes = 200'000 << (random.next() % 5);
    p.source.window_ns = random.between(20 * kMillisecond, kSecond);
    p.source.late_join_percent =
        random.next() % 3 ? 0 : static_cast<std::uint32_t>(random.next() % 76);
    p.source.announce_first = random.next() % 4 != 0;
    p.source.repair_share_percent = static_cast<std::uint32_t>(random.next() % 101);
    p.receiver.nak_lists = random.next() % 4 != 0;
    Pair pair(p);
    if (p.receivers > 2) pair.subscribers[2].listening = false;
    Nanos heal = 0;
    pair.drop = [&](const Datagram&, std::size_t receiver) {
        return receiver == 1 && pair.now < heal;
    };
    const std::size_t messages = 200 + random.next() % 800;
    for (std::size_t i = 0; i < messages; ++i)
        // The number in front makes every message findable.
        pair.send(std::to_string(i) + ':' +
                  message_of(i, random.next() % (i % 20 ? 1400 : 20'000)));
    pair.run_for(random.between(0, 30 * kMillisecond));
    if (p.receivers > 2) pair.start_listening(2);
    heal = pair.now + random.between(0, 100 * kMillisecond);
    const bool abort = random.next() % 8 == 0;
    if (abort) {
        pair.source->abort(pair.now, 0, ResetCause::sender_vanished);
    } else {
        pair.finish();
    }
    ASSERT_TRUE(pair.run_until([&] { return pair.source->is_done(); }, 600 * kSecond))
        << "the source never ends";
    pair.run_for(40 * kSecond);  // silence ends what is left
    for (std::size_t i = 0; i < pair.subscribers.size(); ++i) {
        auto& s = pair.subscribers[i];
        if (!s.started) continue;
        ASSERT_NE(s.receiver->state(), SessionState::open) << "receiver " << i;
        if (s.messages.empty()) continue;
        const auto from = std::find(pair.sent.begin(), pair.sent.end(), s.messages.front());
        ASSERT_NE(from, pair.sent.end()) << "receiver " << i << ": something that was never sent";
        ASSERT_LE(s.messages.size(), static_cast<std::size_t>(pair.sent.end() - from));
        ASSERT_TRUE(std::equal(s.messages.begin(), s.messages.end(), from)) << "receiver " << i;
        if (s.receiver->state() == SessionState::finished && !abort) {
            ASSERT_EQ(s.messages.size(), static_cast<std::size_t>(pair.sent.end() - from))
                << "receiver " << i;
        }
        if (s.receiver->state() == SessionState::reset) {
            ASSERT_NE(s.receiver->cause(), ResetCause::none);
            ASSERT_NE(s.receiver->cause(), ResetCause::inconsistent_data)
                << "nobody contradicted himself";
        }
    }
}

// FANFARE_SEEDS=FIRST,COUNT runs others by hand.
std::vector<std::uint64_t> seeds() {
    unsigned long long first = 1000, count = 100;
    if (const char* text = std::getenv("FANFARE_SEEDS"))
        std::sscanf(text, "%llu,%llu", &first, &count);
    std::vector<std::uint64_t> all(count);
    std::iota(all.begin(), all.end(), first);
    return all;
}
INSTANTIATE_TEST_SUITE_P(Seeds, RepairSweep, ::testing::ValuesIn(seeds()));

}  // namespace
}  // namespace fanfare::engine::test
