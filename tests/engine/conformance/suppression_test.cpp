// NAK suppression, confirmation and merging among many receivers (RFC
// 3208 5.2, 5.3, 6.3, 9.3, 15.2).
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <map>

#include "tests/engine/conformance/alone.hpp"

namespace fanfare::engine::test {
namespace {

struct Crowd {
    std::map<Sqn, std::size_t> naks, repairs;  // per lost number
    std::uint64_t lost = 0;
    bool complete = true;

    std::size_t median_naks(std::size_t skip = 0) const {
        std::vector<std::size_t> counts;
        for (const auto& [sqn, count] : naks) counts.push_back(count);
        counts.erase(counts.begin(),
                     counts.begin() + static_cast<std::ptrdiff_t>(std::min(skip, counts.size())));
        std::sort(counts.begin(), counts.end());
        return counts.empty() ? 0 : counts[counts.size() / 2];
    }
    std::size_t all_repairs() const {
        std::size_t sum = 0;
        for (const auto& [sqn, count] : repairs) sum += count;
        return sum;
    }
};

PairParameters crowd_of(std::size_t receivers) {
    PairParameters p;
    p.seed = 11;
    p.receivers = receivers;
    p.index_entries = 1024;
    p.log_bytes = 1u << 17;
    p.source.rate_bits_per_s = 10'000'000;
    p.source.random_first_sqn = false;
    return p;
}

// Every tenth packet is lost by all.
Crowd common_loss(const PairParameters& p, std::size_t messages) {
    Crowd crowd;
    Pair pair(p);
    pair.drop = [&](const Datagram& d, std::size_t) {
        return d.kind == FrameKind::odata && d.decoded().sqn % 10 == 5;
    };
    pair.tap = [&](const Datagram& d) {
        if (d.kind == FrameKind::nak) {
            for (const Sqn sqn : named(d)) ++crowd.naks[sqn];
        }
        if (d.kind == FrameKind::rdata) ++crowd.repairs[d.decoded().sqn];
    };
    for (std::size_t i = 0; i < messages; ++i) pair.send(message_of(i, 400));
    pair.finish();
    const auto all = [&] {
        return std::all_of(pair.subscribers.begin(), pair.subscribers.end(),
                           [&](const auto& s) { return s.messages.size() == messages; });
    };
    crowd.complete = pair.run_until(all, 20 * kSecond);
    crowd.lost = messages / 10;
    return crowd;
}

TEST(Suppression, ALossSharedByManyCostsAboutOneNakAndOneRepair) {
    for (const std::size_t receivers : {1u, 10u, 100u, 250u}) {
        const Crowd crowd = common_loss(crowd_of(receivers), 400);
        ASSERT_TRUE(crowd.complete) << receivers;
        EXPECT_LE(crowd.median_naks(), 3u) << receivers;
        EXPECT_LE(crowd.all_repairs() * 100, crowd.lost * 105) << receivers;
        EXPECT_GE(crowd.all_repairs(), crowd.lost);
        std::cout << receivers << " receivers: median NAKs a loss " << crowd.median_naks()
                  << ", repairs " << crowd.all_repairs() << " for " << crowd.lost << " losses\n";
    }
}

TEST(Suppression, OnALongPathToo) {
    PairParameters p = crowd_of(50);
    p.link.delay_ns = kMillisecond;
    p.link.jitter_ns = 200 * kMicrosecond;
    const Crowd crowd = common_loss(p, 400);
    ASSERT_TRUE(crowd.complete);
    // The first losses teach the source how long the path is.
    EXPECT_LE(crowd.median_naks(10), 3u);
    EXPECT_LE(crowd.all_repairs() * 100, crowd.lost * 130);
    std::cout << "2 ms round trip: median NAKs " << crowd.median_naks(10) << ", repairs "
              << crowd.all_repairs() << " for " << crowd.lost << "\n";
}

// RFC 15.2.1.
TEST(Suppression, AloneAReceiverIsAtTheLanFloorWithinAHundredLosses) {
    PairParameters p = crowd_of(1);
    Pair pair(p);
    pair.drop = [](const Datagram& d, std::size_t) {
        return d.kind == FrameKind::odata && d.decoded().sqn % 10 == 5;
    };
    for (std::size_t i = 0; i < 1000; ++i) pair.send(message_of(i, 400));
    pair.run_until([&] { return pair.subscribers[0].messages.size() == 1000; });
    EXPECT_EQ(pair.source->statistics().nak_backoff_us, 50u);
    EXPECT_EQ(pair.subscribers[0].receiver->statistics().nak_backoff_us, 50u);
    EXPECT_EQ(pair.source->statistics().naks_duplicate, 0u);
}

// RFC 6.3: a NAK may also go to the group with TTL 1 if the PGM parent is not directly connected.
struct Neighbours : ::testing::Test {
    std::vector<Datagram> naks_of_subnet(std::uint8_t prefix) {
        std::vector<IndexEntry> index(256);
        std::vector<std::byte> log(1 << 16);
        Receiver receiver(profile(ProfileName::lan).receiver, {index, log},
                          checksum::best_kernels());
        Frames frames{64};
        Nanos now = kSecond;
        receiver.start({kTsi, kDataPort, kGroup, kSourceAddress, receiver_address(0), prefix}, 5,
                       now);
        std::vector<Datagram> naks;
        const auto hear = [&](const Datagram& d) {
            Output out = frames.output();
            receiver.open_burst(d.decoded().payload.size());
            receiver.on_packet(d.decoded(), d.octets, d.from, now, out);
        };
        hear(spm(0, 100, 99));
        hear(odata(100, 100, "data"));
        hear(odata(102, 100, "data"));
        now = std::max(now, receiver.next_deadline());
        Output out = frames.output();
        receiver.on_tick(now, out);
        for (auto& d : frames.take(out, receiver_address(0)))
            if (d.kind == FrameKind::nak) naks.push_back(std::move(d));
        return naks;
    }
};

TEST_F(Neighbours, ANakForAParentBeyondTheSubnetIsToldToTheSubnetToo) {
    const auto naks = naks_of_subnet(32);
    ASSERT_EQ(naks.size(), 2u);
    EXPECT_EQ(naks[0].to, kSourceAddress);
    EXPECT_EQ(naks[1].to, kGroup);
    EXPECT_EQ(naks[1].ttl, 1);
    EXPECT_EQ(naks[1].octets, naks[0].octets);
    EXPECT_EQ(naks[1].router_alert, false) << "no router has a use for it";
}

TEST_F(Neighbours, ANakForAParentOnTheSubnetOrOfAHostThatDoesNotKnowItsSubnetIsNot) {
    EXPECT_EQ(naks_of_subnet(8).size(), 1u);
    EXPECT_EQ(naks_of_subnet(0).size(), 1u);
}

// RFC 5.2, 15.2.1.
TEST_F(SourceAlone, EveryNcfTellsTheBackOffIntervalAndEverySpmItsRangeToo) {
    const auto ncfs = hear(nak({110}));
    ASSERT_EQ(ncfs.size(), 1u);
    const auto ncf = ncfs[0].decoded();
    ASSERT_TRUE(ncf.options.has(wire::OptionBit::nak_bo_ivl));
    EXPECT_EQ(ncf.options.nak_bo_ivl.interval_us, 366u) << "one loss nearer to the least";
    EXPECT_EQ(ncf.options.nak_bo_ivl.sqn, 0u);
    EXPECT_TRUE(ncf.flags & wire::kOptNetworkSignificant);
    const auto spms = hear(spmr());
    ASSERT_EQ(spms.size(), 1u);
    const auto spm = spms[0].decoded();
    EXPECT_EQ(spm.options.nak_bo_ivl.interval_us, 366u);
    ASSERT_TRUE(spm.options.has(wire::OptionBit::nak_bo_rng));
    EXPECT_EQ(spm.options.nak_bo_rng.min_us, 50u);
    EXPECT_EQ(spm.options.nak_bo_rng.max_us, 20'000u);
}

TEST_F(SourceAlone, ASecondReceiverForOneNumberIsADuplicateAndARepetitionIsNone) {
    hear(nak({110}), 0);
    hear(nak({110}), 0);
    EXPECT_EQ(source->statistics().naks_duplicate, 0u);
    hear(nak({110}), 1);
    EXPECT_EQ(source->statistics().naks_duplicate, 1u);
    EXPECT_EQ(tick(FrameKind::rdata).size(), 1u) << "one repair for all of them";
    now += 50 * kMicrosecond;
    hear(nak({110}), 2);
    EXPECT_TRUE(tick(FrameKind::rdata).empty()) << "it crossed the repair";
    EXPECT_EQ(source->statistics().naks_duplicate, 2u);
    EXPECT_LT(source->statistics().nak_backoff_us, 500u) << "three may ask for one number";
    hear(nak({110}), 3);
    tick(FrameKind::rdata);
    EXPECT_GT(source->statistics().nak_backoff_us, 600u);
}

// RFC 5.3: what was left unanswered because it seemed to have crossed the RDATA, and comes again.
TEST_F(SourceAlone, WhoAsksAgainForWhatOthersGotDidNotCrossItAndIsAnswered) {
    hear(nak({110}), 0);
    EXPECT_EQ(tick(FrameKind::rdata).size(), 1u);
    now += 300 * kMicrosecond;
    hear(nak({110}), 1);
    EXPECT_TRUE(tick(FrameKind::rdata).empty());
    const auto before = source->statistics().repair_hold_us;
    now += 100 * kMicrosecond;
    hear(nak({110}), 1);
    EXPECT_EQ(tick(FrameKind::rdata).size(), 1u);
    EXPECT_LT(source->statistics().repair_hold_us, before);
}

// RFC 15.2.1, 15.2.2: the range of SPMs follows what is learnt of the path.
TEST_F(SourceAlone, AnSpmTellsAnotherLeastIntervalSoonAfterALaggardShowedIt) {
    now += 10 * kMillisecond;
    hear(nak({110}), 0);
    tick(FrameKind::rdata);
    now += 300 * kMicrosecond;
    hear(nak({110}), 1);
    EXPECT_TRUE(tick(FrameKind::spm).empty()) << "an interval after the last SPM at the earliest";
    now += 600 * kMicrosecond;
    hear(nak({112}), 1);
    const auto spms = tick(FrameKind::spm);
    ASSERT_EQ(spms.size(), 1u) << "before the first heartbeat";
    const auto spm = spms[0].decoded();
    ASSERT_TRUE(spm.options.has(wire::OptionBit::nak_bo_rng));
    EXPECT_EQ(spm.options.nak_bo_rng.min_us, 93u) << "doubled by one NAK, faded by one loss";
    hear(nak({111}), 0);
    EXPECT_TRUE(tick(FrameKind::spm).empty()) << "nothing new";
}

TEST_F(SourceAlone, OutofwindowNakIsNeitherConfirmedNorRepaired) {
    EXPECT_TRUE(hear(nak({99})).empty());
    EXPECT_TRUE(hear(nak({300})).empty());
    EXPECT_TRUE(tick(FrameKind::rdata).empty());
    EXPECT_EQ(source->statistics().naks_too_late, 1u);
    EXPECT_EQ(source->statistics().rejected, 1u);
}

// RFC 3.6.3.2.
TEST_F(SourceAlone, NnaksAreCountedAndCostNothing) {
    EXPECT_TRUE(hear(request(wire::Type::nnak, {110, 111})).empty());
    EXPECT_TRUE(tick(FrameKind::rdata).empty());
    EXPECT_EQ(source->statistics().nnaks_received, 1u);
    EXPECT_EQ(source->statistics().naks_received, 0u);
    EXPECT_TRUE(hear(request(wire::Type::nnak, {110}, [](wire::Packet& p) {
                    p.source = receiver_address(9);
                })).empty());
    EXPECT_EQ(source->statistics().rejected, 1u);
}

// RFC 9.3: 62 numbers beside the one in the header.
TEST_F(SourceAlone, NakListOf63IsConfirmedByOneListAndRepairedWhole) {
    std::vector<Sqn> sqns;
    for (Sqn i = 0; i < 63; ++i) sqns.push_back(100 + i);
    const auto ncfs = hear(nak(sqns));
    ASSERT_EQ(ncfs.size(), 1u);
    EXPECT_EQ(named(ncfs[0]), sqns);
    EXPECT_EQ(tick(FrameKind::rdata).size(), 63u);
    EXPECT_EQ(source->statistics().nak_backoff_us, 400u)
        << "who asks for so many was away: that nobody else asks says nothing of the crowd";
}

TEST_F(SourceAlone, AListIsOneMeasurementOfTheCrowd) {
    std::vector<Sqn> sqns;
    for (Sqn i = 0; i < 20; ++i) sqns.push_back(100 + i);
    hear(nak(sqns));
    tick(FrameKind::rdata);
    EXPECT_EQ(source->statistics().nak_backoff_us, 366u);
}

TEST_F(SourceAlone, AListThatNamesOneNumberOftenIsRepairedOnce) {
    EXPECT_EQ(hear(nak(std::vector<Sqn>(63, 120))).size(), 1u);
    EXPECT_EQ(tick(FrameKind::rdata).size(), 1u);
}

// RFC 10.
TEST_F(SourceAlone, OneRequesterCannotTurnListsIntoAFlood) {
    std::vector<Sqn> sqns;
    for (Sqn i = 0; i < 63; ++i) sqns.push_back(100 + i);
    std::size_t repairs = 0;
    for (int i = 0; i < 2000; ++i) {
        hear(nak(sqns), 0);
        repairs += tick(FrameKind::rdata).size();
        now += 150 * kMicrosecond;
    }
    EXPECT_LE(repairs, 3000u) << "of 126,000 that were asked for";
    EXPECT_EQ(hear(nak({150}), 1).size(), 1u) << "others are served";
}

TEST_F(SourceAlone, ManyRequestersCannotTurnOneNumberIntoAStream) {
    std::size_t repairs = 0;
    const Nanos end = now + kSecond;
    for (std::size_t i = 0; now < end && i < 10'000; ++i) {
        hear(nak({110}), i % 250);
        repairs += tick(FrameKind::rdata).size();
        now += 100 * kMicrosecond;
    }
    EXPECT_LE(repairs, 40u) << "16 at will, then ever more seldom";
}

}  // namespace
}  // namespace fanfare::engine::test
