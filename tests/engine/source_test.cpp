#include "engine/core/source.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <numeric>

#include "tests/engine/packets.hpp"

namespace fanfare::engine::test {
namespace {

using wire::OptionBit;
using wire::Type;

struct SourceTest : ::testing::Test {
    SourceParameters parameters = profile(ProfileName::lan).source;
    SourceIdentity identity{kTsi, kDataPort, kGroup, kSourceAddress, 100, 7};
    std::unique_ptr<Source> source;
    Frames frames{4096};
    Nanos now = 10 * kSecond;
    std::deque<std::string> storage;  // strings stay where they are
    std::uint64_t position = 0;
    std::vector<Event> events;
    std::size_t taken = 0;

    void SetUp() override { parameters.random_first_sqn = false; }
    Source& s() {
        if (!source) {
            source = std::make_unique<Source>(parameters, identity, 1500, false,
                                              checksum::best_kernels());
        }
        return *source;
    }
    std::vector<Datagram> collect(Output& out) {
        for (const Event& e : out.events()) events.push_back(e);
        auto datagrams = frames.take(out, kSourceAddress);
        sent.insert(sent.end(), datagrams.begin(), datagrams.end());
        return datagrams;
    }
    std::vector<Datagram> sent;

    std::vector<Datagram> publish(std::size_t count, std::size_t length) {
        std::vector<Publish> items;
        const std::uint64_t before = position;
        for (std::size_t i = 0; i < count; ++i) {
            storage.push_back(message_of(storage.size(), length));
            position += length;
            Publish item;
            item.data = reinterpret_cast<const std::byte*>(storage.back().data());
            item.length = static_cast<std::uint16_t>(length);
            item.message_length = item.length;
            item.release_position = position;
            items.push_back(item);
        }
        Output out = frames.output();
        taken = s().publish(items, now, out);
        position = before + taken * length;
        return collect(out);
    }
    std::vector<Datagram> tick() {
        Output out = frames.output();
        s().on_tick(now, out);
        return collect(out);
    }
    std::vector<Datagram> receive(const Datagram& d) {
        Output out = frames.output();
        const wire::Packet packet = d.decoded();
        s().on_packet(packet, d.octets, d.from, now, out);
        return collect(out);
    }
    // Runs timers until `end`.
    void run_until(Nanos end) {
        while (s().next_deadline() <= end) {
            now = std::max(now, s().next_deadline());
            tick();
        }
        now = end;
    }
    static std::vector<Datagram> of(const std::vector<Datagram>& all, FrameKind kind) {
        std::vector<Datagram> some;
        std::copy_if(all.begin(), all.end(), std::back_inserter(some),
                     [kind](auto& d) { return d.kind == kind; });
        return some;
    }
};

// ---- start

TEST_F(SourceTest, ThreeSpmsWithAnEmptyWindowGoBeforeTheFirstOdata) {
    const auto all = publish(1, 10);
    ASSERT_EQ(all.size(), 4u);
    for (Sqn i = 0; i < 3; ++i) {
        const auto packet = all[i].decoded();
        EXPECT_EQ(packet.type, Type::spm);
        EXPECT_EQ(packet.sqn, i);
        EXPECT_EQ(packet.trail, 100u);
        EXPECT_EQ(packet.lead, 99u);
        EXPECT_EQ(packet.path, kSourceAddress);
        EXPECT_EQ(packet.options.join.min_sqn, 100u);
        EXPECT_TRUE(all[i].router_alert);
        EXPECT_EQ(all[i].to, kGroup);
    }
    const auto packet = all[3].decoded();
    EXPECT_EQ(packet.type, Type::odata);
    EXPECT_EQ(packet.sqn, 100u);
    EXPECT_TRUE(packet.options.has(OptionBit::syn));
    EXPECT_FALSE(all[3].router_alert);
}

TEST_F(SourceTest, TheStartingSpmsGoOutEvenWithoutData) {
    EXPECT_EQ(of(tick(), FrameKind::spm).size(), 3u);
    EXPECT_TRUE(tick().empty());
}

TEST_F(SourceTest, OnlyTheFirstOdataAndItsRdataCarryOptSyn) {
    const auto data = of(publish(3, 10), FrameKind::odata);
    EXPECT_TRUE(data[0].decoded().options.has(OptionBit::syn));
    EXPECT_FALSE(data[1].decoded().options.has(OptionBit::syn));
    now += kMillisecond;
    receive(nak({100, 101}));
    const auto repairs = of(tick(), FrameKind::rdata);
    ASSERT_EQ(repairs.size(), 2u);
    EXPECT_TRUE(repairs[0].decoded().options.has(OptionBit::syn));
    EXPECT_FALSE(repairs[1].decoded().options.has(OptionBit::syn));
}

TEST_F(SourceTest, RandomFirstNumbersFollowTheSeed) {
    parameters.random_first_sqn = true;
    const Sqn first = s().trail();
    source.reset();
    EXPECT_EQ(s().trail(), first);
    source.reset();
    identity.seed = 8;
    EXPECT_NE(s().trail(), first);
}

// ---- OPT_JOIN

TEST_F(SourceTest, OptJoinNamesTheFirstNumberUntilTheTrailMoves) {
    for (int i = 0; i < 20; ++i) {
        for (const auto& d : of(publish(1, 10), FrameKind::odata)) {
            EXPECT_TRUE(d.decoded().options.has(OptionBit::join));
            EXPECT_EQ(d.decoded().options.join.min_sqn, 100u);
        }
        run_until(now + 10 * kMillisecond);
    }
    ASSERT_EQ(s().trail(), 100u);
    run_until(now + 200 * kMillisecond);
    ASSERT_NE(s().trail(), 100u);
    for (const auto& d : publish(1, 10)) EXPECT_FALSE(d.decoded().options.has(OptionBit::join));
}

// wsrm.md RM_LATEJOIN, checks 47 to 50.
TEST_F(SourceTest, LateJoinPercentNamesThatShareOfTheWindow) {
    parameters.announce_first = false;
    parameters.late_join_percent = 75;
    auto data = of(publish(100, 10), FrameKind::odata);
    EXPECT_FALSE(data[0].decoded().options.has(OptionBit::join)) << "75 percent of one is none";
    EXPECT_EQ(data[3].decoded().options.join.min_sqn, 101u) << "3 of 4: lead 103 - 3 + 1";
    EXPECT_EQ(data[99].decoded().options.join.min_sqn, 125u) << "75 of 100";
    run_until(now + 5 * kMillisecond);
    const auto spms = of(sent, FrameKind::spm);
    EXPECT_EQ(spms.back().decoded().options.join.min_sqn, 125u);
}

// Check 47.
TEST_F(SourceTest, LateJoinZeroPutsNoOptJoinOnTheWire) {
    parameters.announce_first = false;
    for (const auto& d : publish(10, 10)) EXPECT_FALSE(d.decoded().options.has(OptionBit::join));
}

// ---- NAK, NCF, RDATA

TEST_F(SourceTest, ANakIsConfirmedAtOnceAndThenRepaired) {
    const auto data = of(publish(5, 1000), FrameKind::odata);
    now += kMillisecond;
    const auto answer = receive(nak({102}));
    ASSERT_EQ(answer.size(), 1u);
    EXPECT_EQ(answer[0].kind, FrameKind::ncf);
    EXPECT_EQ(answer[0].to, kGroup);
    EXPECT_TRUE(answer[0].router_alert);
    EXPECT_EQ(answer[0].decoded().source, kSourceAddress);
    EXPECT_EQ(answer[0].decoded().group, kGroup);
    EXPECT_LE(s().next_deadline(), now);
    const auto repair = of(tick(), FrameKind::rdata);
    ASSERT_EQ(repair.size(), 1u);
    EXPECT_TRUE(repair[0].router_alert);
    EXPECT_EQ(repair[0].decoded().sqn, 102u);
    const auto a = repair[0].decoded().payload, b = data[2].decoded().payload;
    EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin(), b.end()));
    EXPECT_EQ(s().statistics().rdata_packets_sent, 1u);
    EXPECT_EQ(s().statistics().naks_outstanding, 0u);
}

// OpenPGM's conformance list: nak_list.
TEST_F(SourceTest, NakListIsConfirmedByOneListAndRepairedOldestFirst) {
    publish(100, 100);
    now += kMillisecond;
    std::vector<Sqn> sqns(63);
    std::iota(sqns.begin(), sqns.end(), 120u);
    const auto answer = receive(nak(sqns));
    ASSERT_EQ(answer.size(), 1u);
    EXPECT_EQ(named(answer[0]), sqns);
    const auto repairs = of(tick(), FrameKind::rdata);
    ASSERT_EQ(repairs.size(), 63u);
    for (std::size_t i = 0; i < 63; ++i) EXPECT_EQ(repairs[i].decoded().sqn, sqns[i]);
    EXPECT_EQ(s().statistics().naks_received, 63u);
}

TEST_F(SourceTest, RepeatedNaksWithinTheMergeTimeGetOneNcfAndOneRepair) {
    parameters.repair_hold_max_ns = 0;  // nothing is learnt: the merge time is all there is
    publish(5, 100);
    now += kMillisecond;
    EXPECT_EQ(receive(nak({101})).size(), 1u);
    EXPECT_EQ(of(tick(), FrameKind::rdata).size(), 1u);
    now += parameters.ncf_merge_ns - 1;
    EXPECT_TRUE(receive(nak({101})).empty());
    EXPECT_TRUE(of(tick(), FrameKind::rdata).empty());
    now += 1;
    EXPECT_EQ(receive(nak({101})).size(), 1u);
    EXPECT_EQ(of(tick(), FrameKind::rdata).size(), 1u);
    EXPECT_EQ(s().statistics().naks_after_rdata, 2u);
}

// interop.md 5.3: OpenPGM sends after every list one single NAK for its first number.
TEST_F(SourceTest, TheSingleNakThatOpenpgmSendsAfterAListIsADuplicate) {
    publish(10, 100);
    now += kMillisecond;
    EXPECT_EQ(receive(nak({102, 103, 104})).size(), 1u);
    EXPECT_TRUE(receive(nak({102})).empty());
    EXPECT_EQ(of(tick(), FrameKind::rdata).size(), 3u);
}

// Check 167.
TEST_F(SourceTest, NaksBehindTheTrailAreTooLateAndNaksAheadAreRejected) {
    publish(10, 100);
    run_until(now + kSecond);
    publish(1, 100);
    ASSERT_EQ(s().trail(), 110u);
    EXPECT_TRUE(receive(nak({105})).empty());
    EXPECT_EQ(s().statistics().naks_too_late, 1u);
    EXPECT_TRUE(receive(nak({111})).empty());
    EXPECT_EQ(s().statistics().rejected, 1u);
    EXPECT_EQ(receive(nak({105, 110, 111})).size(), 1u) << "the one that is there is repaired";
}

TEST_F(SourceTest, NaksForSomebodyElseAreRejected) {
    publish(10, 100);
    now += kMillisecond;
    const auto foreign = Address::from_octets(10, 0, 0, 99);
    const std::vector<Change> changes = {
        [&](wire::Packet& p) { p.source = foreign; },
        [&](wire::Packet& p) { p.group = foreign; },
        [](wire::Packet& p) { p.source_port = 1; },
        [](wire::Packet& p) { p.destination_port = 1; },
        [](wire::Packet& p) { p.gsi.octets[0] ^= 1; },
        [](wire::Packet& p) { p.flags |= wire::kOptParity; },
    };
    for (const auto& change : changes) EXPECT_TRUE(receive(nak({101}, change)).empty());
    EXPECT_TRUE(of(tick(), FrameKind::rdata).empty());
    EXPECT_EQ(s().statistics().rejected, changes.size());
    EXPECT_EQ(s().statistics().naks_received, 0u);
}

TEST_F(SourceTest, ANakWithAWrongChecksumIsRejected) {
    publish(10, 100);
    Datagram d = nak({101});
    d.octets[19] ^= std::byte{1};
    EXPECT_TRUE(receive(d).empty());
    EXPECT_EQ(s().statistics().rejected, 1u);
}

TEST_F(SourceTest, NcfsThatFoundNoFrameGoOutWithTheNextCall) {
    publish(200, 10);
    now += kMillisecond;
    std::vector<TxFrame> none;
    Output full{none};
    const Datagram d = nak({110, 111});
    s().on_packet(d.decoded(), d.from, now, full);
    EXPECT_EQ(s().next_deadline(), now);
    const auto all = tick();
    EXPECT_EQ(named(of(all, FrameKind::ncf).at(0)), (std::vector<Sqn>{110, 111}));
    EXPECT_EQ(of(all, FrameKind::rdata).size(), 2u);
}

TEST_F(SourceTest, RdataKeepsTheOriginalsOptionsAndShowsTheNewTrail) {
    storage.push_back(message_of(1, 3000));
    s();
    std::vector<Publish> items;
    for (std::uint32_t offset = 0; offset < 3000; offset += 1000) {
        Publish item;
        item.data = reinterpret_cast<const std::byte*>(storage.back().data()) + offset;
        item.length = 1000;
        item.fragment = true;
        item.message_offset = offset;
        item.message_length = 3000;
        item.release_position = offset + 1000;
        items.push_back(item);
    }
    Output out = frames.output();
    ASSERT_EQ(s().publish(items, now, out), 3u);
    collect(out);
    now += kMillisecond;
    receive(nak({102}));
    const auto repair = of(tick(), FrameKind::rdata).at(0).decoded();
    EXPECT_EQ(repair.options.fragment.first_sqn, 100u);
    EXPECT_EQ(repair.options.fragment.offset, 2000u);
    EXPECT_EQ(repair.options.fragment.apdu_length, 3000u);
    EXPECT_EQ(repair.trail, s().trail());
}

TEST_F(SourceTest, ASenderThatChangesSentDataEndsItsOwnSession) {
    publish(5, 100);
    storage[1][50] ^= 1;
    now += kMillisecond;
    receive(nak({100, 101}));
    const auto all = tick();
    EXPECT_EQ(of(all, FrameKind::rdata).size(), 1u) << "what is unchanged is repaired";
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].kind, Event::Kind::reset);
    EXPECT_EQ(events[0].cause, ResetCause::sender_changed_sent_data);
    tick();
    EXPECT_TRUE(s().is_done());
    EXPECT_TRUE(of(sent, FrameKind::spm).back().decoded().options.has(OptionBit::rst));
}

// ---- rate and priorities

TEST_F(SourceTest, AllThatIsSentStaysWithinTheRate) {
    parameters.rate_bits_per_s = 8'000'000;  // 1,000,000 octets a second
    parameters.window_bytes = 10'000'000;
    const Nanos begin = now;
    std::uint64_t octets = 0, round = 0;
    while (now < begin + 2 * kSecond) {
        for (const auto& d : publish(5, 1000)) octets += d.ip_size();
        if (++round % 8 == 0 && source->lead() - 3 > 100) {
            for (const auto& d : receive(nak({source->lead() - 2}))) octets += d.ip_size();
        }
        for (const auto& d : tick()) octets += d.ip_size();
        ASSERT_GE(s().next_deadline(), now);
        now = std::max(now + 1, s().next_deadline());
    }
    EXPECT_LE(octets, 2'000'000u + 3 * 1500);
    EXPECT_GE(octets, 1'990'000u);
    EXPECT_GT(s().statistics().rdata_packets_sent, 10u);
}

// Checks 34 and 35. Any second: the rate, and the bucket's depth, which is two datagrams at this
// rate.
TEST_F(SourceTest, NoSecondSeesMoreThanTheRateAndRepairsTakeTheirPartOfIt) {
    parameters.rate_bits_per_s = 8'000'000;  // 1,000,000 octets a second
    parameters.window_bytes = 10'000'000;
    parameters.window_ns = 10 * kSecond;
    const Nanos begin = now;
    std::deque<std::pair<Nanos, std::uint64_t>> second;  // what left within the last second
    std::uint64_t within = 0, most = 0, quiet = 0, loaded = 0;
    std::uint32_t asking = 0;
    Nanos next_nak = begin + 2 * kSecond;
    while (now < begin + 4 * kSecond) {
        std::vector<Datagram> all = publish(5, 1000);
        const bool load = now >= begin + 2 * kSecond;
        if (load && now >= next_nak) {
            next_nak = now + 2 * kMillisecond;
            // Everybody lost something, each something else.
            Datagram asked = nak({source->trail() + ++asking % 1000});
            asked.from = Address{receiver_address(0).v4 + asking};
            receive(asked);
        }
        for (auto& d : tick()) all.push_back(std::move(d));
        for (const auto& d : all) {
            if (d.kind == FrameKind::ncf) continue;
            second.emplace_back(now, d.ip_size());
            within += d.ip_size();
            if (d.kind == FrameKind::odata) (load ? loaded : quiet) += d.ip_size();
        }
        while (!second.empty() && second.front().first <= now - kSecond) {
            within -= second.front().second;
            second.pop_front();
        }
        most = std::max(most, within);
        now = std::max(now + 1, s().next_deadline());
    }
    EXPECT_LE(most, 1'000'000u + 2 * 1500);
    EXPECT_GE(most, 990'000u);
    EXPECT_GT(s().statistics().rdata_packets_sent, 300u);
    EXPECT_LT(loaded, quiet * 3 / 4) << "repairs are paid out of the same rate";
}

TEST_F(SourceTest, ARefusedPublishSaysWhenTokensAllowIt) {
    parameters.rate_bits_per_s = 8'000'000;
    publish(10, 1000);
    EXPECT_LT(taken, 10u);
    const Nanos at = s().next_deadline();
    EXPECT_GT(at, now);
    now = at - 1;
    publish(1, 1000);
    EXPECT_EQ(taken, 0u);
    now = at;
    publish(1, 1000);
    EXPECT_EQ(taken, 1u);
}

TEST_F(SourceTest, NcfsAndSpmsNeverWaitForTokens) {
    parameters.rate_bits_per_s = 100'000;
    parameters.window_ns = 100 * kSecond;
    publish(10, 1000);
    ASSERT_GE(taken, 1u);
    EXPECT_EQ(of(receive(nak({100})), FrameKind::ncf).size(), 1u);
    EXPECT_EQ(of(receive(spmr()), FrameKind::spm).size(), 1u);
    EXPECT_TRUE(of(tick(), FrameKind::rdata).empty()) << "but a repair does";
}

TEST_F(SourceTest, RepairsGoAheadOfNewDataAndTakeAtMostTheirShareWhileItWaits) {
    parameters.rate_bits_per_s = 80'000'000;
    parameters.repair_share_percent = 30;
    parameters.window_bytes = 100'000'000;
    std::uint64_t repairs = 0, data = 0;
    std::uint32_t storm = 0;
    while (data + repairs < 1500) {
        const auto all = publish(20, 1000);
        if (taken > 0 && !sent.empty() && s().statistics().naks_outstanding > 0 && repairs < 16) {
            EXPECT_EQ(all.front().kind, FrameKind::rdata) << "a repair that may go goes first";
        }
        // A storm: everything sent so far is asked for again and again, each time by others.
        ++storm;
        for (Sqn sqn = s().trail(); sqn_before_or_equal(sqn, s().lead()); sqn += 63) {
            std::vector<Sqn> sqns;
            for (Sqn i = sqn; i < sqn + 63 && sqn_before_or_equal(i, s().lead()); ++i)
                sqns.push_back(i);
            Datagram asked = nak(sqns);
            asked.from = Address{receiver_address(0).v4 + storm};
            receive(asked);
        }
        const auto ticked = tick();
        data += of(all, FrameKind::odata).size();
        repairs += of(all, FrameKind::rdata).size() + of(ticked, FrameKind::rdata).size();
        sent.clear();
        now = std::max(now + 1, s().next_deadline());
    }
    const double share = 100.0 * static_cast<double>(repairs) / static_cast<double>(repairs + data);
    EXPECT_LE(share, 31);
    EXPECT_GE(share, 28);
}

TEST_F(SourceTest, AFullOutputStopsEarlyAndAsksToBeCalledAgain) {
    frames = Frames(2);
    publish(5, 10);
    EXPECT_EQ(taken, 0u) << "the starting SPMs took both frames";
    EXPECT_EQ(s().next_deadline(), now);
    publish(5, 10);
    EXPECT_EQ(taken, 1u);
    EXPECT_EQ(s().next_deadline(), now);
    publish(1, 10);
    EXPECT_EQ(taken, 1u);
    EXPECT_GT(s().next_deadline(), now);
}

// ---- window

TEST_F(SourceTest, AFullWindowRefusesDataUntilTheTrailMovesAndSaysSo) {
    parameters.window_bytes = 10'000;
    publish(20, 1000);
    EXPECT_EQ(taken, 10u);
    EXPECT_GT(s().next_deadline(), now);
    const Nanos begin = now;
    while (s().trail() == 100) {
        now = s().next_deadline();
        tick();
    }
    EXPECT_GE(now - begin, parameters.window_ns * 85 / 100);
    EXPECT_EQ(s().next_deadline(), now) << "there is room: publish again";
    EXPECT_EQ(s().released_position(), 10'000u);
    publish(20, 1000);
    EXPECT_EQ(taken, 10u);
}

// Check 36: the ring of entries bounds the window, whatever its octets.
TEST_F(SourceTest, AFullRingOfEntriesRefusesDataToo) {
    parameters.window_packets = 8;
    publish(20, 10);
    EXPECT_EQ(taken, 8u);
}

TEST_F(SourceTest, RateZeroKeepsTheLastOctetsAndNeverRefuses) {
    parameters.rate_bits_per_s = 0;
    parameters.window_bytes = 10'000;
    publish(100, 1000);
    EXPECT_EQ(taken, 100u);
    EXPECT_EQ(s().lead(), 199u);
    EXPECT_EQ(s().trail(), 190u);
    EXPECT_EQ(s().released_position(), 90'000u);
    parameters.window_packets = 8;
    parameters.window_bytes = 1'000'000;
    source.reset();
    publish(100, 1000);
    EXPECT_EQ(taken, 100u);
    EXPECT_EQ(s().trail(), 192u);
}

// Check 46.
TEST_F(SourceTest, AnIdleSourceAnnouncesThatItsTrailMoved) {
    parameters.heartbeat_spm_ns = {};
    parameters.ambient_spm_ns = 100 * kSecond;
    publish(5, 10);
    sent.clear();
    run_until(now + 2 * kSecond);
    ASSERT_FALSE(of(sent, FrameKind::spm).empty());
    const auto packet = of(sent, FrameKind::spm).back().decoded();
    EXPECT_EQ(packet.trail, 105u);
    EXPECT_EQ(packet.lead, 104u);
}

TEST_F(SourceTest, AHugeStepOfTheTrailIsTakenInBoundedPieces) {
    parameters.rate_bits_per_s = 100'000'000'000;
    for (int i = 0; i < 10; ++i) {
        publish(600, 10);
        now += 10;
    }
    ASSERT_EQ(s().lead(), 6099u);
    run_until(now + 200 * kMillisecond);
    ASSERT_EQ(s().trail(), 100u);
    now = now + 50 * kMillisecond;
    tick();
    EXPECT_EQ(s().trail(), 4196u);
    EXPECT_EQ(s().next_deadline(), now);
    tick();
    EXPECT_EQ(s().trail(), 6100u);
}

// Check 44.
TEST_F(SourceTest, APendingRepairHoldsTheTrailUntilItHasGone) {
    parameters.rate_bits_per_s = 100'000;  // the repair of 1040 octets waits some 80 ms
    parameters.window_ns = kSecond;
    parameters.window_bytes = 100'000;
    publish(2, 1000);
    run_until(now + 880 * kMillisecond);
    // Tokens are spent right before the step.
    publish(2, 1400);
    receive(nak({100}));
    run_until(now + 30 * kMillisecond);  // the step at 900 ms has passed
    EXPECT_EQ(s().trail(), 100u);
    run_until(now + 119 * kMillisecond);
    EXPECT_EQ(of(sent, FrameKind::rdata).size(), 1u);
    EXPECT_EQ(s().trail(), 102u);
}

// ---- SPMs

TEST_F(SourceTest, SpmrIsAnsweredAtOnceAndNotMoreOftenThanTheFirstHeartbeat) {
    publish(1, 10);
    EXPECT_EQ(of(receive(spmr()), FrameKind::spm).size(), 1u);
    EXPECT_TRUE(of(receive(spmr()), FrameKind::spm).empty());
    now += parameters.heartbeat_spm_ns[0];
    EXPECT_EQ(of(receive(spmr()), FrameKind::spm).size(), 1u);
    EXPECT_EQ(s().statistics().spmr_received, 3u);
}

TEST_F(SourceTest, AnSpmrForAnotherPortIsRejected) {
    publish(1, 10);
    Datagram d = datagram_of(from_receiver(Type::spmr), receiver_address(0), kSourceAddress,
                             [](wire::Packet& p) { p.source_port = 1; });
    EXPECT_TRUE(receive(d).empty());
    EXPECT_EQ(s().statistics().rejected, 1u);
}

TEST_F(SourceTest, SpmNumbersGrowAndHeartbeatsFollowData) {
    publish(1, 10);
    sent.clear();
    const Nanos begin = now;
    run_until(now + 8 * kMillisecond);
    const auto spms = of(sent, FrameKind::spm);
    ASSERT_EQ(spms.size(), 3u);  // after 1, 3, 7 ms
    for (std::size_t i = 0; i < spms.size(); ++i) {
        EXPECT_EQ(spms[i].decoded().sqn, 3 + i);
        EXPECT_EQ(spms[i].decoded().lead, 100u);
    }
    EXPECT_EQ(now, begin + 8 * kMillisecond);
}

// ---- end

// Checks 130 and 131.
TEST_F(SourceTest, AfterFinishEverySpmCarriesOptFinAndNaksAreAnsweredUntilTheWindowHasPassed) {
    publish(5, 10);
    sent.clear();
    now += kMillisecond;
    s().finish(now);
    EXPECT_EQ(s().next_deadline(), now);
    EXPECT_EQ(of(tick(), FrameKind::spm).size(), 3u);
    publish(1, 10);
    EXPECT_EQ(taken, 0u);
    run_until(now + 200 * kMillisecond);
    EXPECT_FALSE(s().is_done());
    EXPECT_EQ(of(receive(nak({102})), FrameKind::ncf).size(), 1u);
    run_until(now + 5 * kMillisecond);
    EXPECT_EQ(of(sent, FrameKind::rdata).size(), 1u);
    run_until(now + kSecond);
    EXPECT_TRUE(s().is_done());
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].kind, Event::Kind::finished);
    EXPECT_EQ(events[0].sqn, 104u);
    EXPECT_EQ(s().released_position(), 50u);
    EXPECT_EQ(s().next_deadline(), kNever);
    for (const auto& d : of(sent, FrameKind::spm)) {
        EXPECT_TRUE(d.decoded().options.has(OptionBit::fin));
        EXPECT_EQ(d.decoded().lead, 104u);
    }
    EXPECT_TRUE(receive(nak({102})).empty());
    EXPECT_TRUE(tick().empty());
}

TEST_F(SourceTest, ASessionWithoutDataEndsAtOnce) {
    tick();
    s().finish(now);
    EXPECT_EQ(of(tick(), FrameKind::spm).size(), 4u);
    EXPECT_TRUE(s().is_done());
}

TEST_F(SourceTest, LingerEndsTheWaitForTheWindow) {
    parameters.linger_ns = 10 * kMillisecond;
    publish(5, 10);
    s().finish(now);
    run_until(now + 10 * kMillisecond);
    EXPECT_TRUE(s().is_done());
    EXPECT_EQ(s().released_position(), 50u);
}

TEST_F(SourceTest, RateZeroStaysASecondAfterTheLastNak) {
    parameters.rate_bits_per_s = 0;
    publish(5, 10);
    s().finish(now);
    run_until(now + 900 * kMillisecond);
    receive(nak({101}));
    run_until(now + 900 * kMillisecond);
    EXPECT_FALSE(s().is_done());
    EXPECT_EQ(of(sent, FrameKind::rdata).size(), 1u);
    run_until(now + 100 * kMillisecond);
    EXPECT_TRUE(s().is_done());
    EXPECT_EQ(s().released_position(), 50u);
}

TEST_F(SourceTest, AnAbortSendsOptRstWithItsErrorAndIsDone) {
    publish(5, 10);
    sent.clear();
    s().abort(now, 33, ResetCause::sender_vanished);
    EXPECT_EQ(s().next_deadline(), now);
    tick();
    const auto spms = of(sent, FrameKind::spm);
    ASSERT_EQ(spms.size(), 3u);
    for (const auto& d : spms) {
        EXPECT_TRUE(d.decoded().options.has(OptionBit::rst));
        EXPECT_EQ(d.decoded().options.rst.error, 33);
        EXPECT_TRUE(d.decoded().options.rst.nak_unanswered);
        EXPECT_FALSE(d.decoded().options.has(OptionBit::fin));
    }
    EXPECT_TRUE(s().is_done());
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].cause, ResetCause::sender_vanished);
    EXPECT_EQ(s().released_position(), 50u);
    EXPECT_TRUE(receive(nak({101})).empty());
}

// ---- sizes, numbers, counters

TEST_F(SourceTest, FullSizePacketsOfEveryKindFitAnMtuOf1500) {
    // lan has OPT_JOIN, OPT_SYN and the Router Alert; both kinds of payload at their largest.
    publish(3, s().largest_tsdu(false));
    now += kMillisecond;
    receive(nak({100, 101, 102}));
    tick();
    std::size_t largest = 0;
    for (const auto& d : sent) {
        EXPECT_LE(d.ip_size(), 1500u);
        largest = std::max(largest, d.ip_size());
    }
    EXPECT_GE(largest, 1490u);
}

TEST_F(SourceTest, NothingLongerThanTheTsduIsTaken) {
    publish(1, s().largest_tsdu(false) + 1u);
    EXPECT_EQ(taken, 0u);
    EXPECT_TRUE(of(sent, FrameKind::odata).empty());
}

TEST_F(SourceTest, NumbersWrapThrough2To32) {
    identity.first_sqn = 0xFFFFFFFE;
    const auto data = of(publish(4, 10), FrameKind::odata);
    EXPECT_EQ(data[1].decoded().sqn, 0xFFFFFFFFu);
    EXPECT_EQ(data[3].decoded().sqn, 1u);
    now += kMillisecond;
    receive(nak({0xFFFFFFFF, 0, 1}));
    const auto repairs = of(tick(), FrameKind::rdata);
    ASSERT_EQ(repairs.size(), 3u);
    EXPECT_EQ(repairs[2].decoded().sqn, 1u);
    run_until(now + kSecond);
    EXPECT_EQ(s().trail(), 2u);
}

TEST_F(SourceTest, CountsWhatTheWindowsStatisticsAskFor) {
    publish(10, 100);
    now += kMillisecond;
    receive(nak({103}));
    tick();
    const SourceStatistics& st = s().statistics();
    EXPECT_EQ(st.data_bytes_sent, 1000u);
    EXPECT_EQ(st.odata_packets_sent, 10u);
    std::uint64_t total = 0;
    for (const auto& d : sent) {
        if (d.kind != FrameKind::ncf) total += d.octets.size();
    }
    EXPECT_EQ(st.total_bytes_sent, total);
    run_until(now + 1600 * kMillisecond);
    EXPECT_GT(st.rate_kbits_last, 0u);
}

}  // namespace
}  // namespace fanfare::engine::test
