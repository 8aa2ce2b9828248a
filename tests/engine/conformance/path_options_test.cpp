// Options that speak of paths and states, polls, and packets of the wrong sender (RFC 3208 9, 12.5,
// 14, 15.2.2, 15.3.2).
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/core/poll_types.hpp"
#include "tests/engine/conformance/alone.hpp"

namespace fanfare::engine::test {
namespace {

using wire::OptionBit;
constexpr Address kElement = Address::from_octets(10, 0, 0, 254);
constexpr Address kRival = Address::from_octets(10, 0, 0, 66);

Change unreachable(Address path = {}) {
    return [path](wire::Packet& p) {
        p.options.set(OptionBit::nbr_unreach);
        if (path.is_none()) return;
        p.options.set(OptionBit::path_nla);
        p.options.path_nla.path = path;
    };
}
Datagram poll(Sqn sqn, const Change& change = {}) {
    wire::Packet packet = from_source(wire::Type::poll);
    packet.sqn = sqn;
    packet.path = kSourceAddress;
    packet.poll = {0, kPollGeneral, 1000, 0, 0};
    return datagram_of(packet, kSourceAddress, kGroup, change);
}

// ---- 15.3.2

TEST_F(ReceiverAlone, NbrUnreachOnAnNcfStopsNaksUntilARegularSpm) {
    give(odata(105, 100, "f"));
    give(ncf({101}, unreachable(kSourceAddress)));
    run_for(100 * kMillisecond);
    EXPECT_TRUE(of(FrameKind::nak).empty());
    give(spm(2, 100, 105));
    run_for(10 * kMillisecond);
    EXPECT_FALSE(of(FrameKind::nak).empty());
}

TEST_F(ReceiverAlone, AnNcfOfAnElementThatIsNotOurParentIsIgnored) {
    give(odata(105, 100, "f"));
    EXPECT_EQ(give(ncf({101}, unreachable(kElement))), Verdict::not_for_receiver);
    run_for(10 * kMillisecond);
    EXPECT_FALSE(of(FrameKind::nak).empty());
}

TEST_F(ReceiverAlone, NbrUnreachOnAnSpmStopsNaksAndItsWindowSaysNothing) {
    give(odata(105, 100, "f"));
    EXPECT_EQ(give(spm(1, 0, 0x80000000, unreachable())), Verdict::accepted)
        << "with the number of the last regular one";
    EXPECT_EQ(receiver->state(), SessionState::open);
    EXPECT_EQ(receiver->lead(), 105u);
    run_for(100 * kMillisecond);
    EXPECT_TRUE(of(FrameKind::nak).empty());
    EXPECT_EQ(give(spm(2, 100, 105)), Verdict::accepted) << "its number was not taken for news";
    run_for(10 * kMillisecond);
    EXPECT_FALSE(of(FrameKind::nak).empty());
}

TEST_F(ReceiverAlone, AnSpmOfAnotherElementDoesNotStopNaks) {
    give(odata(105, 100, "f"));
    EXPECT_EQ(give(spm(1, 0, 0x80000000,
                       [](wire::Packet& p) {
                           unreachable()(p);
                           p.path = kElement;
                       })),
              Verdict::not_for_receiver);
    run_for(10 * kMillisecond);
    EXPECT_FALSE(of(FrameKind::nak).empty());
}

TEST_F(ReceiverAlone, AUnicastNcfIsPassedOnToTheNeighboursWithTtl1) {
    give(odata(105, 100, "f"));
    const Datagram d = ncf({101}, unreachable(kSourceAddress));
    give(d, true);
    const auto copies = of(FrameKind::ncf);
    ASSERT_EQ(copies.size(), 1u);
    EXPECT_EQ(copies[0].octets, d.octets);
    EXPECT_EQ(copies[0].to, kGroup);
    EXPECT_EQ(copies[0].ttl, 1);
    EXPECT_EQ(copies[0].from, kSourceAddress) << "from us no neighbour would believe it";
    give(ncf({101}, unreachable(kElement)), true);
    EXPECT_EQ(of(FrameKind::ncf).size(), 1u) << "not for one that is to be ignored";
}

// ---- 15.2.2

TEST_F(ReceiverAlone, TheBackOffIntervalIsLearntFromSpmsAndNcfs) {
    give(spm(2, 100, 100, [](wire::Packet& p) {
        p.options.set(OptionBit::nak_bo_ivl);
        p.options.nak_bo_ivl = {700, 0};
        p.options.set(OptionBit::nak_bo_rng);
        p.options.nak_bo_rng = {5000, 100};
    }));
    EXPECT_EQ(receiver->statistics().nak_backoff_us, 700u);
    const auto tells = [](std::uint32_t us, Sqn sqn) {
        return [=](wire::Packet& p) {
            p.options.set(OptionBit::nak_bo_ivl);
            p.options.nak_bo_ivl = {us, sqn};
        };
    };
    give(ncf({100}, tells(900, 0)));
    EXPECT_EQ(receiver->statistics().nak_backoff_us, 900u);
    give(ncf({100}, tells(300, 7)));
    EXPECT_EQ(receiver->statistics().nak_backoff_us, 900u) << "of a poll that we did not hear";
    give(poll(7));
    give(ncf({100}, tells(300, 7)));
    EXPECT_EQ(receiver->statistics().nak_backoff_us, 300u);
}

// ---- 14

TEST_F(ReceiverAlone, APollIsAnsweredToItsPath) {
    EXPECT_EQ(give(poll(3)), Verdict::accepted);
    run_for(2 * kMillisecond);
    const auto answers = of(FrameKind::polr);
    ASSERT_EQ(answers.size(), 1u);
    const auto packet = answers[0].decoded();
    EXPECT_EQ(packet.type, wire::Type::polr);
    EXPECT_EQ(packet.sqn, 3u);
    EXPECT_EQ(packet.poll.round, 0);
    EXPECT_EQ(packet.tsi(), kTsi);
    EXPECT_EQ(answers[0].to, kSourceAddress);
}

TEST_F(ReceiverAlone, APollCannotAimAnswersAtAThird) {
    EXPECT_EQ(give(poll(3, [](wire::Packet& p) { p.path = kRival; })), Verdict::not_for_receiver);
    Datagram forged = poll(4);
    forged.from = kRival;
    EXPECT_EQ(give(forged), Verdict::untrusted_source);
    run_for(10 * kMillisecond);
    EXPECT_TRUE(of(FrameKind::polr).empty());
}

TEST(Poll, ASourceCountsItsReceiversOverTheNetwork) {
    PairParameters p;
    p.receivers = 60;
    p.index_entries = 1024;
    p.log_bytes = 1u << 16;
    Pair pair(p);
    bool alert = true;
    pair.tap = [&](const Datagram& d) {
        if (d.kind == FrameKind::poll) alert &= d.router_alert && d.to == kGroup;
    };
    pair.send("start");
    pair.run_for(10 * kMillisecond);
    pair.source->poll(kPollGeneral, pair.now);
    pair.run_for(kSecond);
    const auto& s = pair.source->statistics();
    EXPECT_GE(s.receivers_estimated, 30u);
    EXPECT_LE(s.receivers_estimated, 120u);
    EXPECT_GE(s.polls_sent, 2u);
    EXPECT_GE(s.polrs_received, 8u);
    EXPECT_TRUE(alert) << "RFC 14.4";
}

// ---- 12.5

TEST_F(ReceiverAlone, ACongestionReportStandsOnNaksWhileSpmsAskForIt) {
    give(spm(2, 100, 100, [](wire::Packet& p) {
        p.options.set(OptionBit::crqst);
        p.options.crqst.what = 5;
    }));
    give(odata(105, 100, "f"));
    run_for(10 * kMillisecond);
    auto naks = of(FrameKind::nak);
    ASSERT_FALSE(naks.empty());
    const auto first = naks[0].decoded();
    ASSERT_TRUE(first.options.has(OptionBit::cr));
    EXPECT_EQ(first.options.cr.what, 5) << "what was asked for and no more";
    EXPECT_EQ(first.options.cr.sqn, 105u);
    EXPECT_EQ(first.options.cr.worst_link, 0);
    EXPECT_EQ(first.options.cr.worst_path, 0);
    EXPECT_GT(first.options.cr.receiver_path, 0);
    EXPECT_EQ(first.options.cr.receiver, receiver_address(0));
    EXPECT_TRUE(first.options.has(OptionBit::nak_list));
    sent.clear();
    give(spm(3, 100, 106));
    run_for(50 * kMillisecond);
    naks = of(FrameKind::nak);
    ASSERT_FALSE(naks.empty());
    EXPECT_FALSE(naks.back().decoded().options.has(OptionBit::cr));
}

// ---- 9

TEST_F(ReceiverAlone, UnknownAndInvalidatedOptionsAreIgnoredWhateverOpxSays) {
    for (std::uint8_t opx = 0; opx < 4; ++opx) {
        for (const std::uint8_t type : {0x7F, 0x33}) {
            const std::string payload = "x";
            const Sqn sqn = 101 + opx * 2u + (type == 0x7F ? 0u : 1u);
            Datagram d = odata(sqn, 100, payload,
                               [](wire::Packet& p) { p.options.set(OptionBit::invalid); });
            // Octets 28 to 31 are the option: E and type, length, OPX.
            d.octets[28] = std::byte{static_cast<std::uint8_t>(type | 0x80)};
            d.octets[30] = std::byte{static_cast<std::uint8_t>(opx)};
            std::fill_n(d.octets.begin() + 6, 2, std::byte{0});
            store_checksum(d.octets.data(),
                           checksum::best_kernels().sum(d.octets.data(), d.octets.size()));
            EXPECT_EQ(give(d), Verdict::accepted) << int{opx} << " " << int{type};
        }
    }
}

// ---- 10: another host claims the session

TEST_F(ReceiverAlone, PacketsOfAnotherIpSourceNeitherEndNorMoveTheSession) {
    const auto from_rival = [](Datagram d) {
        d.from = kRival;
        return d;
    };
    const auto flag = [](OptionBit bit) {
        return [bit](wire::Packet& p) {
            p.options.set(bit);
            if (bit == OptionBit::rst) p.options.rst = {true, 0};
        };
    };
    for (const Datagram& d : {spm(50, 100, 90'000), spm(51, 100, 100, flag(OptionBit::rst)),
                              spm(52, 100, 100, flag(OptionBit::fin)), spm(53, 400, 500),
                              odata(101, 100, "forged"), rdata(101, 100, "forged"), ncf({101})}) {
        EXPECT_EQ(give(from_rival(d)), Verdict::untrusted_source);
    }
    EXPECT_EQ(receiver->state(), SessionState::open);
    EXPECT_FALSE(ended);
    EXPECT_EQ(receiver->lead(), 100u);
    EXPECT_EQ(receiver->statistics().verdicts[static_cast<std::size_t>(Verdict::untrusted_source)],
              7u)
        << "counted, and shown in status as packets_untrusted_source";
    EXPECT_EQ(give(odata(101, 100, "b")), Verdict::accepted);
}

TEST_F(ReceiverAlone, MulticastNnaksMeanNothingToReceivers) {
    give(odata(102, 100, "c"));
    EXPECT_EQ(give(request(wire::Type::nnak, {101})), Verdict::not_for_receiver);
    run_for(10 * kMillisecond);
    EXPECT_FALSE(of(FrameKind::nak).empty());
}

}  // namespace
}  // namespace fanfare::engine::test
