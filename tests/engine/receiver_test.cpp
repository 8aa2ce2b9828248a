#include "engine/core/receiver.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "tests/engine/packets.hpp"

namespace fanfare::engine::test {
namespace {

using wire::OptionBit;

Change with(OptionBit bit) {
    return [bit](wire::Packet& p) { p.options.set(bit); };
}
Change with_join(Sqn min) {
    return [min](wire::Packet& p) {
        p.options.set(OptionBit::join);
        p.options.join.min_sqn = min;
    };
}
Change with_fragment(Sqn first, std::uint32_t offset, std::uint32_t total) {
    return [=](wire::Packet& p) {
        p.options.set(OptionBit::fragment);
        p.options.fragment = {first, offset, total};
    };
}

struct ReceiverTest : ::testing::Test {
    ReceiverParameters parameters = profile(ProfileName::lan).receiver;
    std::size_t entries = 1024, octets = 1u << 18;
    std::vector<IndexEntry> index;
    std::vector<std::byte> log;
    std::unique_ptr<Receiver> receiver;
    Frames frames{512};
    Nanos now = 10 * kSecond;
    std::vector<Datagram> sent;
    std::vector<Event> events;
    Reservation reservation{};

    Receiver& r() {
        if (!receiver) {
            index.resize(entries);
            log.resize(octets);
            receiver = std::make_unique<Receiver>(parameters, ReceiveMemory{index, log},
                                                  checksum::best_kernels());
            receiver->start({kTsi, kDataPort, kGroup, kSourceAddress}, 5, now);
        }
        return *receiver;
    }
    void collect(Output& out, Address who = receiver_address(0)) {
        for (const Event& e : out.events()) events.push_back(e);
        for (auto& d : frames.take(out, who)) sent.push_back(std::move(d));
    }
    Verdict give(const Datagram& d) {
        Output out = frames.output();
        const wire::Packet packet = d.decoded();
        reservation = r().open_burst(packet.payload.size());
        const Verdict verdict = r().on_packet(packet, d.octets, d.from, now, out);
        collect(out);
        return verdict;
    }
    void tick() {
        Output out = frames.output();
        r().on_tick(now, out);
        collect(out);
    }
    void run_until(Nanos end) {
        while (r().next_deadline() <= end) {
            now = std::max(now, r().next_deadline());
            tick();
        }
        now = end;
    }
    void run_for(Nanos duration) { run_until(now + duration); }
    // An SPM that gives the path, then data from `first` on.
    void begin(Sqn first, std::size_t count = 1) {
        EXPECT_EQ(give(spm(0, first, first - 1)), Verdict::accepted);
        for (Sqn i = 0; i < count; ++i)
            EXPECT_EQ(give(odata(first + i, first, "data")), Verdict::accepted);
    }
    std::vector<Sqn> naked() const {
        std::vector<Sqn> all;
        for (const auto& d : sent) {
            if (d.kind == FrameKind::nak) {
                for (const Sqn sqn : named(d)) all.push_back(sqn);
            }
        }
        return all;
    }
    std::size_t count(FrameKind kind) const {
        return static_cast<std::size_t>(std::count_if(
            sent.begin(), sent.end(), [kind](const auto& d) { return d.kind == kind; }));
    }
    Sqn next() { return static_cast<Sqn>(r().next_ordinal()); }
    std::string text(Sqn sqn) {
        const IndexEntry& entry = index[sqn & (entries - 1)];
        return {reinterpret_cast<const char*>(log.data()) + (entry.place & (octets - 1)),
                entry.length};
    }
    std::uint64_t counted(Verdict v) {
        return r().statistics().verdicts[static_cast<std::size_t>(v)];
    }
};

// ---- start (RFC 6.1, DESIGN section 6)

TEST_F(ReceiverTest, BeforeAnyStartNothingIsContiguous) {
    EXPECT_EQ(r().next_ordinal(), 0u);
    EXPECT_EQ(r().start_ordinal(), 0u);
    EXPECT_FALSE(r().saw_data());
    give(spm(0, 10, 20));
    EXPECT_EQ(r().next_ordinal(), 0u) << "an SPM of a running session starts nothing";
}

TEST_F(ReceiverTest, TheFirstOdataHeardIsTheStartAndSaysThatWeAreLate) {
    EXPECT_EQ(give(odata(50, 40, "fifty")), Verdict::accepted);
    EXPECT_EQ(r().start_ordinal(), (1ull << 32) | 50);
    EXPECT_EQ(next(), 51u);
    EXPECT_EQ(text(50), "fifty");
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].kind, Event::Kind::joined_late);
    EXPECT_EQ(events[0].sqn, 50u);
    EXPECT_EQ(give(odata(49, 40, "x")), Verdict::before_window);
}

TEST_F(ReceiverTest, OptSynMeansThatNothingWasMissed) {
    give(odata(50, 50, "first", with(OptionBit::syn)));
    EXPECT_EQ(next(), 51u);
    EXPECT_TRUE(events.empty());
}

TEST_F(ReceiverTest, AnEmptyWindowNamesTheStartSoThatALostFirstPacketIsAGap) {
    give(spm(0, 50, 49));
    EXPECT_EQ(next(), 50u);
    give(odata(53, 50, "three"));
    EXPECT_EQ(next(), 50u);
    run_for(kMillisecond);
    EXPECT_EQ(naked(), (std::vector<Sqn>{50, 51, 52}));
    give(rdata(50, 50, "zero", with(OptionBit::syn)));
    EXPECT_TRUE(events.empty()) << "not late: the repair of the first number carries OPT_SYN";
}

TEST_F(ReceiverTest, OptJoinLetsALateJoinerAskForTheHistory) {
    give(spm(0, 40, 60));
    give(odata(61, 40, "x", with_join(55)));
    EXPECT_EQ(r().start_ordinal(), (1ull << 32) | 55);
    run_for(kMillisecond);
    EXPECT_EQ(naked(), (std::vector<Sqn>{55, 56, 57, 58, 59, 60}));
}

TEST_F(ReceiverTest, OpenpgmsFirstSessionNumberIsNotLateWithoutOptSyn) {
    give(spm(0, 0, 0xFFFFFFFF));
    give(odata(0, 0, "x"));
    EXPECT_TRUE(events.empty());
}

// Checks 76, 77 and 78.
TEST_F(ReceiverTest, OnlyAValidOdataOpensASession) {
    give(spm(0, 0, 0xFFFFFFFF));
    give(rdata(0, 0, "x"));
    EXPECT_FALSE(r().saw_data());
    Datagram d = odata(1, 0, "x");
    d.octets.back() ^= std::byte{1};
    EXPECT_EQ(give(d), Verdict::checksum_wrong);
    EXPECT_FALSE(r().saw_data());
    give(odata(1, 0, "x"));
    EXPECT_TRUE(r().saw_data());
}

TEST_F(ReceiverTest, AFirstPacketWithAWrongChecksumIsNoStart) {
    Datagram d = odata(50, 40, "x");
    d.octets.back() ^= std::byte{1};
    EXPECT_EQ(give(d), Verdict::checksum_wrong);
    EXPECT_EQ(r().start_ordinal(), 0u);
}

TEST_F(ReceiverTest, ASpareReceiverIsGivenOneSessionAfterTheOther) {
    begin(5, 3);
    give(odata(9, 5, "x"));
    r().start({kTsi, kDataPort, kGroup, kSourceAddress}, 6, now);
    EXPECT_EQ(r().next_ordinal(), 0u);
    EXPECT_EQ(r().state(), SessionState::open);
    EXPECT_EQ(r().statistics().odata_received, 0u);
    begin(5, 1);
    EXPECT_EQ(next(), 6u) << "entries of the old session are not mistaken for the new one's";
}

// ---- judging data

// Check 169.
TEST_F(ReceiverTest, DuplicatesAreCountedAndDropped) {
    begin(10, 2);
    EXPECT_EQ(give(odata(11, 10, "data")), Verdict::duplicate);
    EXPECT_EQ(give(odata(13, 10, "data")), Verdict::accepted);
    EXPECT_EQ(give(rdata(13, 10, "data")), Verdict::duplicate);
    EXPECT_EQ(give(odata(9, 10, "data")), Verdict::before_window);
    EXPECT_EQ(r().statistics().duplicates, 2u);
    EXPECT_EQ(counted(Verdict::duplicate), 2u);
}

TEST_F(ReceiverTest, AWrongChecksumLeavesTheRoomFree) {
    begin(10, 1);
    Datagram d = odata(11, 10, "broken");
    d.octets.back() ^= std::byte{4};
    EXPECT_EQ(give(d), Verdict::checksum_wrong);
    EXPECT_EQ(next(), 11u);
    EXPECT_EQ(give(odata(11, 10, "whole!")), Verdict::accepted);
    EXPECT_EQ(text(11), "whole!");
    EXPECT_EQ(index[11].place, index[10].place + 4) << "at the place where the broken one had been";
}

TEST_F(ReceiverTest, AnEmptyPayloadIsAValidMessage) {
    begin(10, 1);
    EXPECT_EQ(give(odata(11, 10, "")), Verdict::accepted);
    EXPECT_EQ(index[11].length, 0);
    EXPECT_EQ(index[11].flags, kEntryData | kEntryMessageBegin | kEntryMessageEnd);
}

TEST_F(ReceiverTest, EntriesSayWhetherARepairBroughtThem) {
    begin(10, 1);
    give(odata(12, 10, "later"));
    EXPECT_EQ(give(rdata(11, 10, "again")), Verdict::accepted);
    EXPECT_EQ(index[11].flags & kEntryRepaired, kEntryRepaired);
    EXPECT_EQ(index[12].flags & kEntryRepaired, 0);
}

TEST_F(ReceiverTest, PacketsOfAnotherSessionPortOrAddressChangeNothing) {
    begin(10, 1);
    EXPECT_EQ(give(odata(11, 10, "x", [](wire::Packet& p) { p.gsi.octets[0] ^= 1; })),
              Verdict::not_for_receiver);
    EXPECT_EQ(give(odata(11, 10, "x", [](wire::Packet& p) { p.destination_port = 1; })),
              Verdict::not_for_receiver);
    EXPECT_EQ(give(odata(11, 10, "x", [](wire::Packet& p) { p.flags |= wire::kOptParity; })),
              Verdict::not_for_receiver);
    Datagram d = odata(11, 10, "x");
    d.from = Address::from_octets(10, 0, 0, 66);
    EXPECT_EQ(give(d), Verdict::untrusted_source);
    d = spm(5, 10, 10, with(OptionBit::rst));
    d.from = Address::from_octets(10, 0, 0, 66);
    EXPECT_EQ(give(d), Verdict::untrusted_source);
    EXPECT_EQ(next(), 11u);
    EXPECT_EQ(r().state(), SessionState::open);
}

TEST_F(ReceiverTest, AForgedJumpMovesNothing) {
    begin(10, 1);
    const Reservation before = r().open_burst(0);
    EXPECT_EQ(give(odata(10 + 5000, 10 + 4000, "")), Verdict::beyond_window);
    EXPECT_EQ(give(odata(10 + 600, 10, "")), Verdict::beyond_window)
        << "half the index is in reach";
    EXPECT_EQ(give(spm(9, 3000, 4000)), Verdict::beyond_window);
    EXPECT_EQ(give(odata(0x80000009, 0x80000000, "")), Verdict::beyond_window);
    reservation = r().open_burst(0);
    EXPECT_EQ(reservation.log_position, before.log_position);
    EXPECT_EQ(reservation.ordinal, before.ordinal);
    EXPECT_EQ(r().lead(), 10u);
    run_for(10 * kMillisecond);
    EXPECT_TRUE(naked().empty());
    EXPECT_EQ(give(odata(11, 10, "data")), Verdict::accepted);
}

TEST_F(ReceiverTest, AReceiverThatSleptThroughItsWindowLearnsThatItLostTheSession) {
    begin(10, 1);
    for (Sqn i = 0; i < 200 && r().state() == SessionState::open; ++i)
        give(odata(5000 + i, 4000, "x"));
    EXPECT_EQ(r().state(), SessionState::reset);
    EXPECT_EQ(r().cause(), ResetCause::unrecoverable_loss);
}

TEST_F(ReceiverTest, ATrailFarAheadOfItsOwnPacketIsIgnored) {
    begin(10, 1);
    EXPECT_EQ(give(odata(11, 500, "x")), Verdict::accepted);
    EXPECT_EQ(r().state(), SessionState::open);
    EXPECT_EQ(r().trail(), 10u);
}

// ---- room

TEST_F(ReceiverTest, DataThatWouldOverwriteWhatIsNotContiguousIsRefusedAndRepairedLater) {
    octets = 65536;
    begin(10, 1);
    const std::string big(4000, 'b');
    give(odata(12, 10, big));
    Sqn sqn = 13;
    while (give(odata(sqn, 10, big)) == Verdict::accepted) ++sqn;
    EXPECT_EQ(counted(Verdict::window_full), 1u);
    EXPECT_EQ(next(), 11u);
    EXPECT_EQ(give(rdata(11, 10, big)), Verdict::accepted) << "the missing one has its room";
    EXPECT_EQ(next(), sqn);
    run_for(10 * kMillisecond);
    const auto asked = naked();
    EXPECT_NE(std::find(asked.begin(), asked.end(), sqn), asked.end())
        << "the refused number is asked for";
    EXPECT_EQ(give(rdata(sqn, 10, big)), Verdict::accepted);
}

// Check 123.
TEST_F(ReceiverTest, LackOfRoomThatLastsEndsInBufferExhausted) {
    octets = 65536;
    begin(10, 1);
    const std::string big(4000, 'b');
    Sqn sqn = 12;
    while (give(odata(sqn, 10, big)) == Verdict::accepted) ++sqn;
    give(odata(sqn + 1, 12, big));
    EXPECT_EQ(r().state(), SessionState::reset);
    EXPECT_EQ(r().cause(), ResetCause::buffer_exhausted);
}

TEST_F(ReceiverTest, NothingIsWrittenBeyondTheReservation) {
    begin(10, 1);
    Output out = frames.output();
    const Datagram d = odata(11, 10, std::string(100, 'x'));
    // A burst opened for less than arrives.
    r().open_burst(50);
    EXPECT_EQ(r().on_packet(d.decoded(), d.octets, d.from, now, out), Verdict::window_full);
    EXPECT_EQ(next(), 11u);
}

// ---- gaps and NAKs (RFC 6.3)

TEST_F(ReceiverTest, AGapIsAskedForAtThePathOfTheLastSpm) {
    begin(10, 1);
    give(odata(13, 10, "x"));
    run_for(kMillisecond);
    ASSERT_EQ(count(FrameKind::nak), 1u);
    EXPECT_EQ(named(sent[0]), (std::vector<Sqn>{11, 12}));
    EXPECT_EQ(sent[0].to, kSourceAddress);
    const auto other = Address::from_octets(10, 0, 0, 7);
    give(spm(1, 10, 13, [&](wire::Packet& p) { p.path = other; }));
    give(odata(15, 10, "x"));
    run_for(kMillisecond);
    EXPECT_EQ(sent.back().to, other);
    EXPECT_EQ(sent.back().decoded().source, kSourceAddress) << "the NAK still names the source";
}

TEST_F(ReceiverTest, TheLeadOfAnSpmShowsALostLastPacket) {
    begin(10, 1);
    give(spm(1, 10, 12));
    run_for(kMillisecond);
    EXPECT_EQ(naked(), (std::vector<Sqn>{11, 12}));
}

// OpenPGM's conformance list: nak_list. One burst's losses, 62 + 1 numbers a packet.
TEST_F(ReceiverTest, NakListOneBurstsLossesGoOutInFullLists) {
    parameters.nak_backoff_max_ns = 0;
    begin(10, 1);
    give(odata(10 + 200, 10, "x"));
    run_for(10 * kMicrosecond);
    ASSERT_EQ(count(FrameKind::nak), 4u);  // 199 = 3 * 63 + 10
    for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(named(sent[i]).size(), 63u);
    std::vector<Sqn> expected(199);
    std::iota(expected.begin(), expected.end(), 11u);
    EXPECT_EQ(naked(), expected);
    EXPECT_EQ(r().statistics().naks_sent, 199u);
    EXPECT_EQ(r().statistics().nak_packets_sent, 4u);
}

TEST_F(ReceiverTest, LossesThatComeThickShareNaksAndALoneOneWaitsForNobody) {
    begin(10, 1);
    for (Sqn lost = 11; lost < 51; lost += 2) {
        give(odata(lost + 1, 10, "x"));
        run_for(30 * kMicrosecond);
    }
    run_for(kMillisecond);
    EXPECT_EQ(r().statistics().naks_sent, 20u);
    EXPECT_LE(r().statistics().nak_packets_sent, 5u);  // 600 us
    give(odata(52, 10, "x"));
    run_for(parameters.nak_backoff_max_ns + 10 * kMicrosecond);  // the wheel rounds up
    EXPECT_EQ(naked().back(), 51u);
}

TEST_F(ReceiverTest, WithoutListsEveryNumberHasItsOwnNak) {
    parameters.nak_lists = false;
    begin(10, 1);
    give(odata(14, 10, "x"));
    run_for(kMillisecond);
    EXPECT_EQ(count(FrameKind::nak), 3u);
    for (const auto& d : sent) EXPECT_TRUE(d.router_alert);
}

TEST_F(ReceiverTest, MisorderedPacketsWithinTheBackOffCauseNoNak) {
    parameters.nak_backoff_min_ns = 40 * kMicrosecond;
    begin(10, 1);
    give(odata(13, 10, "x"));
    now += 20 * kMicrosecond;
    give(odata(12, 10, "x"));
    give(odata(11, 10, "x"));
    run_for(10 * kMillisecond);
    EXPECT_TRUE(naked().empty());
    EXPECT_EQ(r().statistics().losses_detected, 0u);
    EXPECT_EQ(next(), 14u);
}

// OpenPGM's conformance list: nak_cancellation.
TEST_F(ReceiverTest, NakCancellationRetriesExhaustedAreAnUnrecoverableLoss) {
    parameters.ncf_retries = 3;
    begin(10, 2);
    give(odata(13, 10, "x"));
    run_for(kSecond);
    EXPECT_EQ(naked().size(), 4u);
    EXPECT_EQ(r().state(), SessionState::reset);
    EXPECT_EQ(r().cause(), ResetCause::unrecoverable_loss);
    ASSERT_EQ(events.size(), 2u);
    EXPECT_EQ(events[1].kind, Event::Kind::reset);
    EXPECT_EQ(next(), 12u) << "what is contiguous stays readable";
    EXPECT_EQ(r().next_deadline(), kNever);
    EXPECT_EQ(give(odata(12, 10, "x")), Verdict::session_over);
}

// Check 121.
TEST_F(ReceiverTest, ATrailThatPassesAMissingNumberIsAnUnrecoverableLoss) {
    for (const int how : {0, 1, 2}) {
        receiver.reset();
        begin(10, 1);
        give(odata(13, 10, "x"));
        EXPECT_EQ(r().state(), SessionState::open);
        if (how == 0) give(odata(14, 12, "x"));
        if (how == 1) give(rdata(12, 12, "x"));
        if (how == 2) give(spm(1, 12, 13));
        EXPECT_EQ(r().state(), SessionState::reset) << how;
        EXPECT_EQ(r().cause(), ResetCause::unrecoverable_loss);
        EXPECT_EQ(r().statistics().losses_unrecoverable, 1u);
    }
}

TEST_F(ReceiverTest, ATrailUpToTheFirstMissingNumberIsNoLoss) {
    begin(10, 1);
    give(odata(13, 11, "x"));
    EXPECT_EQ(r().state(), SessionState::open);
    EXPECT_EQ(r().trail(), 11u);
    give(odata(14, 10, "x"));
    EXPECT_EQ(r().trail(), 11u) << "an older trail takes nothing back";
}

// OpenPGM's conformance list: ncf_suppression.
TEST_F(ReceiverTest, NcfSuppressionAnNcfKeepsOurNakBack) {
    parameters.nak_backoff_min_ns = 40 * kMicrosecond;
    begin(10, 1);
    give(odata(12, 10, "x"));
    EXPECT_EQ(give(ncf({11})), Verdict::accepted);
    EXPECT_EQ(r().statistics().outstanding_naks, 1u);
    run_for(kMillisecond);
    EXPECT_TRUE(naked().empty());
    run_for(5 * kMillisecond);
    EXPECT_FALSE(naked().empty()) << "but not for ever";
}

TEST_F(ReceiverTest, AnotherReceiversNakKeepsOursBack) {
    parameters.nak_backoff_min_ns = 40 * kMicrosecond;
    begin(10, 1);
    give(odata(13, 10, "x"));
    Datagram d = nak({11, 12});
    d.from = receiver_address(1);
    EXPECT_EQ(give(d), Verdict::accepted);
    run_for(kMillisecond);
    EXPECT_TRUE(naked().empty());
}

// OpenPGM's conformance list: outofwindow_ncf.
TEST_F(ReceiverTest, OutofwindowNcfIsDiscarded) {
    begin(10, 3);
    EXPECT_EQ(give(ncf({5})), Verdict::before_window);
    EXPECT_EQ(give(ncf({11})), Verdict::duplicate) << "received long ago";
    EXPECT_EQ(give(ncf({10 + 5000})), Verdict::beyond_window);
    run_for(10 * kMillisecond);
    EXPECT_EQ(r().lead(), 12u);
    EXPECT_TRUE(naked().empty());
}

TEST_F(ReceiverTest, AnNcfForANumberNotYetHeardOfShowsALoss) {
    begin(10, 1);
    EXPECT_EQ(give(ncf({12})), Verdict::accepted);
    EXPECT_EQ(r().lead(), 12u);
    run_for(kMillisecond);
    EXPECT_EQ(naked(), (std::vector<Sqn>{11})) << "12 is confirmed, 11 was sent before it";
    Datagram d = nak({15});
    d.from = receiver_address(1);
    give(d);
    EXPECT_EQ(r().lead(), 12u) << "another receiver's word is not enough";
}

TEST_F(ReceiverTest, NcfsOfAnotherGroupOrSourceMeanNothing) {
    begin(10, 1);
    give(odata(12, 10, "x"));
    EXPECT_EQ(
        give(ncf({11}, [](wire::Packet& p) { p.group = Address::from_octets(239, 9, 9, 9); })),
        Verdict::not_for_receiver);
    EXPECT_EQ(give(ncf({11}, [](wire::Packet& p) { p.source = Address::from_octets(1, 1, 1, 1); })),
              Verdict::not_for_receiver);
    EXPECT_EQ(r().statistics().outstanding_naks, 0u);
}

TEST_F(ReceiverTest, UnsolicitedRdataIsAccepted) {
    begin(10, 1);
    EXPECT_EQ(give(rdata(11, 10, "x")), Verdict::accepted);
    EXPECT_EQ(next(), 12u);
}

// Check 170.
TEST_F(ReceiverTest, PendingAndOutstandingAreCountedApart) {
    begin(10, 1);
    give(odata(14, 10, "x"));
    run_for(kMillisecond);
    give(ncf({12}));
    EXPECT_EQ(r().statistics().pending_naks, 2u);
    EXPECT_EQ(r().statistics().outstanding_naks, 1u);
    EXPECT_EQ(r().statistics().first_nak_sqn, 11u);
    EXPECT_EQ(r().statistics().packets_buffered, 1u);
    for (const Sqn sqn : {11, 12, 13}) give(rdata(sqn, 10, "x"));
    EXPECT_EQ(r().statistics().pending_naks + r().statistics().outstanding_naks, 0u);
    EXPECT_EQ(r().statistics().first_nak_sqn, 0u);
    EXPECT_EQ(r().statistics().losses_detected, 3u);
    EXPECT_EQ(r().statistics().losses_repaired, 3u);
}

// A gap of thousands costs a bounded amount of work and of packets a call.
TEST_F(ReceiverTest, AHugeGapIsWorkedOffInBoundedSteps) {
    entries = 1u << 17;
    octets = 1u << 27;
    parameters.nak_backoff_max_ns = 0;
    frames = Frames(8);
    begin(10, 1);
    const std::string big(1400, 'b');
    give(odata(11, 10, big));
    give(odata(30'000, 10, big));
    now += 10 * kMicrosecond;
    std::size_t calls = 0;
    while (r().next_deadline() <= now && calls < 1000) {
        const std::size_t before = sent.size();
        tick();
        ASSERT_LE(sent.size() - before, 8u);
        ++calls;
    }
    run_for(500 * kMicrosecond);
    EXPECT_GE(naked().size(), 63u);
    EXPECT_LE(r().statistics().pending_naks, 1024u) << "no more than may be asked for at one time";
    EXPECT_TRUE(std::is_sorted(sent.begin(), sent.end(), [](const auto& a, const auto& b) {
        return named(a)[0] < named(b)[0];
    }));
    // As repairs arrive the rest is asked for.
    for (int round = 0; round < 2000 && next() != 30'001; ++round) {
        const auto asked = naked();
        sent.clear();
        for (const Sqn sqn : asked) {
            give(ncf({sqn}));
            give(rdata(sqn, 10, big));
        }
        run_for(100 * kMicrosecond);
    }
    EXPECT_EQ(next(), 30'001u);
}

TEST_F(ReceiverTest, AFullOutputDelaysNaksAndAsksToBeCalledAgain) {
    parameters.nak_backoff_max_ns = 0;
    begin(10, 1);
    give(odata(12, 10, "x"));
    std::vector<TxFrame> none;
    Output full{none};
    now += kMillisecond;
    r().on_tick(now, full);
    EXPECT_EQ(r().next_deadline(), now);
    tick();
    EXPECT_EQ(naked(), (std::vector<Sqn>{11}));
}

// ---- SPMs

TEST_F(ReceiverTest, OldSpmsAreStale) {
    begin(10, 1);
    EXPECT_EQ(give(spm(5, 10, 10)), Verdict::accepted);
    EXPECT_EQ(give(spm(5, 10, 12)), Verdict::stale_spm);
    EXPECT_EQ(give(spm(4, 10, 12)), Verdict::stale_spm);
    EXPECT_EQ(r().lead(), 10u);
    EXPECT_EQ(give(spm(5u + 0x7FFFFFFFu, 10, 10)), Verdict::accepted);
}

TEST_F(ReceiverTest, AnSpmWithAnImpossibleWindowIsMalformed) {
    begin(10, 1);
    EXPECT_EQ(give(spm(1, 20, 10)), Verdict::malformed);
    EXPECT_EQ(r().state(), SessionState::open);
}

TEST_F(ReceiverTest, AnSpmWithAWrongChecksumIsIgnoredAndOneWithoutChecksumIsTaken) {
    begin(10, 1);
    Datagram d = spm(1, 10, 12);
    d.octets[17] ^= std::byte{1};
    EXPECT_EQ(give(d), Verdict::checksum_wrong);
    d = spm(1, 10, 12);
    d.octets[6] = d.octets[7] = std::byte{0};
    EXPECT_EQ(give(d), Verdict::accepted) << "only ODATA and RDATA must carry one";
}

// OpenPGM's conformance list: spmr. RFC 13.5.
TEST_F(ReceiverTest, SpmrIsSentWhenDataCameWithoutAnSpmAndNaksWaitForIt) {
    give(odata(10, 10, "x"));
    give(odata(12, 10, "x"));
    run_for(parameters.spmr_wait_ns);
    ASSERT_EQ(count(FrameKind::spmr), 2u);
    EXPECT_EQ(sent[0].to, kGroup);
    EXPECT_EQ(sent[0].ttl, 1);
    EXPECT_EQ(sent[1].to, kSourceAddress);
    EXPECT_TRUE(naked().empty());
    give(spm(0, 10, 12));
    tick();
    EXPECT_EQ(naked(), (std::vector<Sqn>{11})) << "asked for as soon as the path is known";
    const auto requests = count(FrameKind::spmr);
    run_for(kMillisecond);
    EXPECT_EQ(count(FrameKind::spmr), requests);
}

TEST_F(ReceiverTest, WithoutAnyAnswerToSpmrsNaksGoToTheIpSource) {
    give(odata(10, 10, "x"));
    give(odata(12, 10, "x"));
    run_for(10 * kMillisecond);
    EXPECT_GE(count(FrameKind::spmr), 6u);
    ASSERT_FALSE(naked().empty());
    EXPECT_EQ(r().state(), SessionState::open);
}

// OpenPGM's conformance list: spmr_suppression.
TEST_F(ReceiverTest, SpmrSuppressionAnotherReceiversRequestStandsForOurs) {
    give(odata(10, 10, "x"));
    const Nanos planned = r().next_deadline();
    now = planned - 1;
    Datagram d = datagram_of(from_receiver(wire::Type::spmr), receiver_address(1), kGroup);
    EXPECT_EQ(give(d), Verdict::accepted);
    run_until(planned + parameters.spmr_wait_ns / 4);
    EXPECT_EQ(count(FrameKind::spmr), 0u);
}

// ---- end (RFC 9.7, 9.8; wsrm.md 5.6)

TEST_F(ReceiverTest, ASessionIsFinishedWhenAllUpToTheLeadOfOptFinIsContiguous) {
    begin(10, 2);
    give(spm(1, 10, 13, with(OptionBit::fin)));
    EXPECT_EQ(r().state(), SessionState::open);
    run_for(kMillisecond);
    EXPECT_EQ(naked(), (std::vector<Sqn>{12, 13})) << "repairs go on after OPT_FIN";
    give(rdata(13, 10, "x"));
    EXPECT_EQ(r().state(), SessionState::open);
    give(rdata(12, 10, "x"));
    EXPECT_EQ(r().state(), SessionState::finished);
    EXPECT_EQ(events.back().kind, Event::Kind::finished);
    EXPECT_EQ(events.back().sqn, 13u);
    EXPECT_EQ(give(odata(14, 10, "x")), Verdict::session_over);
}

TEST_F(ReceiverTest, OptFinOnTheLastOdataEndsTheSessionToo) {
    begin(10, 2);
    give(odata(12, 10, "x", with(OptionBit::fin)));
    EXPECT_EQ(r().state(), SessionState::finished);
    EXPECT_EQ(next(), 13u);
}

TEST_F(ReceiverTest, OptFinWithAnEmptyWindowEndsASessionWhoseDataIsAllHere) {
    begin(10, 2);
    give(spm(1, 12, 11, with(OptionBit::fin)));
    EXPECT_EQ(r().state(), SessionState::finished);
}

TEST_F(ReceiverTest, OptRstEndsTheSessionAndWhatIsContiguousStays) {
    begin(10, 2);
    give(odata(13, 10, "x"));
    give(spm(1, 10, 13, with(OptionBit::rst)));
    EXPECT_EQ(r().state(), SessionState::reset);
    EXPECT_EQ(r().cause(), ResetCause::sender_reset);
    EXPECT_EQ(next(), 12u);
    sent.clear();
    run_for(kSecond);
    EXPECT_TRUE(sent.empty());
}

TEST_F(ReceiverTest, ASilentSenderResetsTheSession) {
    begin(10, 2);
    run_for(parameters.silence_ns - 1);
    EXPECT_EQ(r().state(), SessionState::open);
    give(spm(1, 10, 11));
    run_for(parameters.silence_ns - 1);
    EXPECT_EQ(r().state(), SessionState::open);
    run_for(1);
    EXPECT_EQ(r().state(), SessionState::reset);
    EXPECT_EQ(r().cause(), ResetCause::sender_silent);
}

TEST_F(ReceiverTest, AResetFromOutsideEndsTheSession) {
    begin(10, 2);
    Output out = frames.output();
    r().reset(ResetCause::interface_gone, now, out);
    collect(out);
    EXPECT_EQ(r().cause(), ResetCause::interface_gone);
    EXPECT_EQ(events.back().cause, ResetCause::interface_gone);
}

// ---- fragments (RFC 9.2)

TEST_F(ReceiverTest, FragmentsMarkWhereMessagesBeginAndEndWhateverTheOrderOfArrival) {
    begin(10, 1);
    give(odata(13, 10, "gh", with_fragment(11, 6, 8)));
    give(odata(12, 10, "def", with_fragment(11, 3, 8)));
    give(odata(11, 10, "abc", with_fragment(11, 0, 8)));
    EXPECT_EQ(next(), 14u);
    EXPECT_EQ(index[11].flags, kEntryData | kEntryMessageBegin);
    EXPECT_EQ(index[12].flags, kEntryData);
    EXPECT_EQ(index[13].flags, kEntryData | kEntryMessageEnd);
    EXPECT_EQ(index[13].apdu_length, 8u);
    EXPECT_EQ(text(11) + text(12) + text(13), "abcdefgh");
}

// Check 124.
TEST_F(ReceiverTest, FragmentsThatContradictEachOtherResetTheSession) {
    begin(10, 1);
    give(odata(11, 10, "abc", with_fragment(11, 0, 8)));
    give(odata(12, 10, "def", with_fragment(11, 4, 8)));
    EXPECT_EQ(r().state(), SessionState::reset);
    EXPECT_EQ(r().cause(), ResetCause::inconsistent_data);
    EXPECT_EQ(next(), 12u) << "nothing from the contradiction on becomes visible";
}

TEST_F(ReceiverTest, AJoinerInsideAMessageStartsWithTheFirstWholeOne) {
    give(odata(12, 10, "def", with_fragment(11, 3, 8)));
    give(odata(13, 10, "gh", with_fragment(11, 6, 8)));
    give(odata(14, 10, "whole"));
    EXPECT_EQ(next(), 15u);
    EXPECT_EQ(index[12].flags, kEntryVoid);
    EXPECT_EQ(index[13].flags, kEntryVoid);
    EXPECT_EQ(index[14].flags, kEntryData | kEntryMessageBegin | kEntryMessageEnd);
}

TEST_F(ReceiverTest, PackedPayloadsAreMarked) {
    begin(10, 1);
    give(odata(11, 10, "x", with(OptionBit::packed)));
    EXPECT_TRUE(index[11].flags & kEntryPacked);
}

// ---- the 2^32 wrap

TEST_F(ReceiverTest, NumbersWrapThrough2To32) {
    begin(0xFFFFFFFE, 1);
    give(odata(2, 0xFFFFFFFE, "x"));
    run_for(kMillisecond);
    EXPECT_EQ(naked(), (std::vector<Sqn>{0xFFFFFFFF, 0, 1}));
    give(ncf({0xFFFFFFFF, 0, 1}));
    for (const Sqn sqn : {1u, 0xFFFFFFFFu, 0u})
        EXPECT_EQ(give(rdata(sqn, 0xFFFFFFFF, "x")), Verdict::accepted);
    EXPECT_EQ(r().next_ordinal(), (1ull << 32) + 0xFFFFFFFEull + 5);
    EXPECT_EQ(next(), 3u);
    give(spm(1, 1, 3, with(OptionBit::fin)));
    give(odata(3, 1, "x"));
    EXPECT_EQ(r().state(), SessionState::finished);
}

TEST_F(ReceiverTest, CountsWhatTheWindowsStatisticsAskFor) {
    begin(10, 2);
    give(odata(13, 10, "xyz"));
    give(rdata(12, 10, "ab"));
    const ReceiverStatistics& s = r().statistics();
    EXPECT_EQ(s.odata_received, 3u);
    EXPECT_EQ(s.rdata_received, 1u);
    EXPECT_EQ(s.data_bytes, 13u);
    EXPECT_EQ(s.total_bytes, 36u + 4 * 24 + 13);
    EXPECT_EQ(s.sequences_min, 1u);
    EXPECT_EQ(s.sequences_max, 4u);
    EXPECT_EQ(s.sequences_samples, 4u);
    EXPECT_EQ(s.spm_received, 1u);
}

}  // namespace
}  // namespace fanfare::engine::test
