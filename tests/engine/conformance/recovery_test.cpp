// Behaviours that OpenPGM's suite names and that no test of a mechanism shows as it does: what a
// receiver takes for a loss, what ends a recovery, and what a source answers (RFC
// 3208 5.1, 5.3, 6.1 to 6.3, 11.4, 13.4). docs/rfc3208-map.md has the whole list of names.
#include <gtest/gtest.h>

#include "tests/engine/conformance/alone.hpp"

namespace fanfare::engine::test {
namespace {

using wire::OptionBit;

// ---- 6.1, 6.2, 6.3, receivers

std::vector<Sqn> all_named(const std::vector<Datagram>& naks) {
    std::vector<Sqn> sqns;
    for (const Datagram& d : naks) {
        for (const Sqn sqn : named(d)) sqns.push_back(sqn);
    }
    return sqns;
}

TEST_F(ReceiverAlone, OdataReception_DataInTheWindowIsDeliveredOnceAndInOrder) {
    EXPECT_EQ(give(odata(101, 100, "b")), Verdict::accepted);
    EXPECT_EQ(give(odata(103, 100, "d")), Verdict::accepted);
    EXPECT_EQ(give(odata(101, 100, "b")), Verdict::duplicate);
    EXPECT_EQ(give(odata(99, 99, "z")), Verdict::before_window);
    EXPECT_EQ(static_cast<Sqn>(receiver->next_ordinal()), 102u);
    EXPECT_EQ(give(odata(102, 100, "c")), Verdict::accepted);
    EXPECT_EQ(static_cast<Sqn>(receiver->next_ordinal()), 104u);
}

TEST_F(ReceiverAlone, OdataCompletion_TheMissingPacketItselfEndsTheRecovery) {
    give(odata(102, 100, "c"));
    run_for(10 * kMillisecond);
    ASSERT_FALSE(of(FrameKind::nak).empty());
    EXPECT_EQ(give(odata(101, 100, "b")), Verdict::accepted) << "late, not repaired";
    EXPECT_EQ(static_cast<Sqn>(receiver->next_ordinal()), 103u);
    sent.clear();
    run_for(kSecond / 4);
    EXPECT_TRUE(of(FrameKind::nak).empty());
}

TEST_F(ReceiverAlone, RdataReception_ARepairNobodyHereAskedForIsData) {
    EXPECT_EQ(give(rdata(101, 100, "b")), Verdict::accepted);
    EXPECT_EQ(static_cast<Sqn>(receiver->next_ordinal()), 102u);
}

TEST_F(ReceiverAlone, RdataJump_ARepairAheadShowsWhatIsMissingBeforeIt) {
    EXPECT_EQ(give(rdata(102, 100, "c")), Verdict::accepted);
    EXPECT_EQ(static_cast<Sqn>(receiver->next_ordinal()), 101u);
    run_for(2 * kMillisecond);
    ASSERT_FALSE(of(FrameKind::nak).empty());
    EXPECT_EQ(named(of(FrameKind::nak)[0]), std::vector<Sqn>{101});
}

TEST_F(ReceiverAlone, RdataCompletion_TheRepairEndsTheRecovery) {
    give(odata(102, 100, "c"));
    run_for(2 * kMillisecond);
    give(ncf({101}));
    EXPECT_EQ(give(rdata(101, 100, "b")), Verdict::accepted);
    EXPECT_EQ(static_cast<Sqn>(receiver->next_ordinal()), 103u);
    EXPECT_EQ(receiver->statistics().losses_repaired, 1u);
    sent.clear();
    run_for(kSecond / 4);
    EXPECT_TRUE(of(FrameKind::nak).empty());
}

TEST_F(ReceiverAlone, SpmReception_TheWindowAndThePathAreThoseOfTheLatest) {
    const auto path = Address::from_octets(10, 0, 0, 9);
    EXPECT_EQ(give(spm(2, 100, 101, [&](wire::Packet& p) { p.path = path; })), Verdict::accepted);
    EXPECT_EQ(receiver->lead(), 101u);
    run_for(2 * kMillisecond);
    ASSERT_FALSE(of(FrameKind::nak).empty());
    EXPECT_EQ(of(FrameKind::nak)[0].to, path);
}

TEST_F(ReceiverAlone, SpmJump_AnOlderSpmMovesNothingWhateverItsWindow) {
    give(spm(3200, 100, 100));
    EXPECT_EQ(give(spm(20, 100, 105)), Verdict::stale_spm);
    run_for(100 * kMillisecond);
    EXPECT_EQ(receiver->lead(), 100u);
    EXPECT_TRUE(of(FrameKind::nak).empty());
}

TEST_F(ReceiverAlone, SpmJump2_AnEmptyWindowAsksForNothingAndTheNextLeadForItsPacket) {
    start();  // anew, and nothing but an empty window was heard
    sent.clear();
    receiver->start({kTsi, kDataPort, kGroup, kSourceAddress, receiver_address(0)}, 5, now);
    give(spm(3200, 90'001, 90'000));
    run_for(100 * kMillisecond);
    EXPECT_TRUE(of(FrameKind::nak).empty());
    give(spm(3201, 90'001, 90'001));
    run_for(2 * kMillisecond);
    ASSERT_FALSE(of(FrameKind::nak).empty());
    EXPECT_EQ(named(of(FrameKind::nak)[0]), std::vector<Sqn>{90'001});
}

TEST_F(ReceiverAlone, NcfCancellation_ConfirmedAgainAndAgainWithoutDataIsALossInTheEnd) {
    parameters.data_retries = 5;
    start();
    sent.clear();
    give(odata(103, 100, "d"));
    for (int i = 0; i < 2000 && !ended; ++i) {
        run_for(kMillisecond);
        // Whatever is asked for is confirmed, and nothing comes.
        const auto asked = all_named(of(FrameKind::nak));
        sent.clear();
        if (!asked.empty()) give(ncf(asked));
    }
    EXPECT_TRUE(ended);
    EXPECT_EQ(receiver->cause(), ResetCause::unrecoverable_loss);
    EXPECT_EQ(static_cast<Sqn>(receiver->next_ordinal()), 101u) << "what is contiguous stays";
}

// Apdu: only whole messages are delivered (9.2.3); of one that lacks its middle nothing is.
TEST_F(ReceiverAlone, Apdu_AMessageIsReadWhenItsLastFragmentIsHere) {
    const auto part = [](std::uint32_t offset) {
        return [offset](wire::Packet& p) {
            p.options.set(OptionBit::fragment);
            p.options.fragment = {101, offset, 6, 0};
        };
    };
    EXPECT_EQ(give(odata(101, 100, "aa", part(0))), Verdict::accepted);
    EXPECT_EQ(give(odata(103, 100, "cc", part(4))), Verdict::accepted);
    EXPECT_EQ(static_cast<Sqn>(receiver->next_ordinal()), 102u);
    EXPECT_EQ(give(rdata(102, 100, "bb", part(2))), Verdict::accepted);
    EXPECT_EQ(static_cast<Sqn>(receiver->next_ordinal()), 104u);
    const auto flags = [&](Sqn sqn) { return index[sqn & (index.size() - 1)].flags; };
    EXPECT_EQ(flags(101) & (kEntryMessageBegin | kEntryMessageEnd), kEntryMessageBegin);
    EXPECT_EQ(flags(102) & (kEntryMessageBegin | kEntryMessageEnd), 0);
    EXPECT_EQ(flags(103) & (kEntryMessageBegin | kEntryMessageEnd), kEntryMessageEnd);
}

// ---- 5.1, 5.3, 11.4, 13.4, sources

struct Numbered : SourceAlone {
    // The numbers and payloads of what is published now.
    std::vector<Datagram> publish(std::size_t count) {
        Publish item;
        item.data = reinterpret_cast<const std::byte*>(text.data());
        item.length = item.message_length = 100;
        Output out = frames.output();
        source->publish(std::vector<Publish>(count, item), now, out);
        return frames.take(out, kSourceAddress);
    }
};

TEST_F(Numbered, OdataNumber_PacketsAreNumberedInTheOrderOfTheirSubmission) {
    Sqn expected = 300;
    for (int i = 0; i < 3; ++i) {
        for (const Datagram& d : publish(5)) {
            if (d.kind != FrameKind::odata) continue;
            EXPECT_EQ(d.decoded().sqn, expected++);
            EXPECT_EQ(d.to, kGroup);
            EXPECT_EQ(d.decoded().tsi(), kTsi);
        }
    }
    EXPECT_EQ(expected, 315u);
}

TEST_F(SourceAlone, NakRepeat_EachNakThatComesLaterIsRepairedAgain) {
    for (int i = 0; i < 10; ++i) {
        const auto ncfs = hear(nak({110}));
        ASSERT_EQ(ncfs.size(), 1u) << i;
        EXPECT_EQ(ncfs[0].kind, FrameKind::ncf);
        EXPECT_EQ(tick(FrameKind::rdata).size(), 1u) << i;
        now += 2 * parameters.repair_hold_max_ns;
    }
}

TEST_F(SourceAlone, SpmrAfterSpm_OneIsAnsweredThoughTheLastSpmIsAWhileAgo) {
    now += parameters.ambient_spm_ns;
    ASSERT_FALSE(tick(FrameKind::spm).empty());
    now += parameters.ambient_spm_ns / 2;
    const auto spms = hear(spmr());
    ASSERT_EQ(spms.size(), 1u);
    EXPECT_EQ(spms[0].kind, FrameKind::spm);
    EXPECT_EQ(spms[0].decoded().lead, 299u);
    EXPECT_EQ(spms[0].to, kGroup);
}

TEST_F(SourceAlone, OnDemandSpm_SpmsTellTheGroupAndWhichParityThereIs) {
    for (const bool on_demand : {true, false}) {
        parameters.parity = {64, 255, static_cast<std::uint8_t>(on_demand ? 0 : 2), on_demand};
        start();
        const auto spms = hear(spmr());
        ASSERT_EQ(spms.size(), 1u);
        const wire::Packet packet = spms[0].decoded();
        ASSERT_TRUE(packet.options.has(OptionBit::parity_prm));
        EXPECT_EQ(packet.options.parity_prm.ondemand, on_demand);
        EXPECT_EQ(packet.options.parity_prm.proactive, !on_demand);
        EXPECT_EQ(packet.options.parity_prm.group_size, 64u);
        EXPECT_TRUE(packet.flags & wire::kOptNetworkSignificant);
    }
}

TEST_F(SourceAlone, NakParity_AsManyParityPacketsComeAsTheNakCounts) {
    parameters.parity = {8, 255, 0, true};
    start();
    // Of group 104 to 111: three are missing.
    const auto ncfs =
        hear(nak({104 + 3 - 1}, [](wire::Packet& p) { p.flags |= wire::kOptParity; }));
    ASSERT_EQ(ncfs.size(), 1u);
    EXPECT_TRUE(ncfs[0].decoded().flags & wire::kOptParity);
    EXPECT_EQ(ncfs[0].decoded().sqn, 106u) << "the count is confirmed";
    const auto repairs = tick(FrameKind::rdata);
    ASSERT_EQ(repairs.size(), 3u);
    for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_TRUE(repairs[i].decoded().flags & wire::kOptParity);
        EXPECT_EQ(repairs[i].decoded().sqn, 104 + i) << "the group's number and the parity's own";
    }
}

}  // namespace
}  // namespace fanfare::engine::test
