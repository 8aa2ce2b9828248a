// Late joining (RFC 3208 6.1, 9.4): a joiner gets the share of the window that the sender allows.
#include <gtest/gtest.h>

#include "tests/engine/packets.hpp"

namespace fanfare::engine::test {
namespace {

struct Joined {
    Sqn start, trail, lead;
    bool complete;
};

// Joins by the first packet that it hears after `head_start`, which is ODATA or an SPM.
Joined join(std::uint32_t percent, Sqn first, bool by_spm, std::uint8_t group = 0) {
    PairParameters p;
    p.receivers = 1;
    p.first_sqn = first;
    p.source.random_first_sqn = false;
    p.source.announce_first = false;
    p.source.late_join_percent = percent;
    p.source.rate_bits_per_s = 0;
    p.source.window_bytes = 100'000;
    p.source.parity.group_size = group;
    p.source.parity.proactive = group > 0 ? 1 : 0;
    p.source.parity.on_demand = group > 0;
    Pair pair(p);
    pair.subscribers[0].listening = false;
    for (std::size_t i = 0; i < 301; ++i) pair.send(message_of(i, 1000));
    pair.run_until([&] { return pair.all_queued_sent(); });
    pair.run_for(kMillisecond / 2);
    Joined joined{0, pair.source->trail(), pair.source->lead(), false};
    pair.start_listening(0);
    const FrameKind kind = by_spm ? FrameKind::spm : FrameKind::odata;
    bool heard = false;
    pair.drop = [&](const Datagram& d, std::size_t) {
        heard |= d.kind == kind;
        return d.to == kGroup && !heard;
    };
    if (!by_spm) pair.send(message_of(1000, 1000));
    auto& receiver = pair.subscribers[0].receiver;
    pair.run_until([&] { return receiver->start_ordinal() != 0; }, kSecond);
    joined.start = static_cast<Sqn>(receiver->start_ordinal());
    if (!by_spm) {
        joined.lead = pair.source->lead();
        joined.trail = pair.source->trail();
    }
    pair.finish();
    joined.complete = pair.run_until(
        // Numbers that a short group leaves unused are passed over.
        [&] { return sqn_before(pair.source->lead(), static_cast<Sqn>(receiver->next_ordinal())); },
        kSecond);
    return joined;
}

// wsrm.md, RM_LATEJOIN: m = floor(p * (LEAD - TRAIL + 1) / 100), OPT_JOIN names LEAD - m + 1.
// Check 48.
TEST(LateJoin, AJoinerRecoversExactlyTheShareThatTheSenderAllows) {
    for (const bool by_spm : {false, true}) {
        for (const std::uint32_t percent : {1u, 25u, 50u, 75u}) {
            const Joined j = join(percent, 1000, by_spm);
            const std::uint32_t held = j.lead - j.trail + 1;
            EXPECT_EQ(j.start, j.lead - held * percent / 100 + 1) << percent << " " << by_spm;
            EXPECT_TRUE(j.complete) << percent << " " << by_spm;
        }
    }
}

// Check 47.
TEST(LateJoin, WithoutAllowanceAJoinerStartsWithTheFirstPacketItHears) {
    const Joined j = join(0, 1000, false);
    EXPECT_EQ(j.start, j.lead);
    EXPECT_TRUE(j.complete);
}

TEST(LateJoin, ThroughTheWrapOfNumbers) {
    for (const bool by_spm : {false, true}) {
        // The wrap lies inside the window, and inside the share.
        const Joined j = join(75, 0xFFFFFFFF - 250, by_spm);
        const std::uint32_t held = j.lead - j.trail + 1;
        EXPECT_LT(j.lead, 100u);
        EXPECT_GT(j.start, 0xFFFFFF00u);
        EXPECT_EQ(j.start, j.lead - held * 75 / 100 + 1);
        EXPECT_TRUE(j.complete);
    }
}

// wsrm.md section 3.4: a join point inside a group counts from the group's start.
TEST(LateJoin, InsideAParityGroupTheGroupIsTaken) {
    const Joined j = join(50, 1024, true, 8);
    const std::uint32_t held = j.lead - j.trail + 1;
    const Sqn exact = j.lead - held * 50 / 100 + 1;
    EXPECT_EQ(j.start, exact & ~Sqn{7});
    EXPECT_TRUE(j.complete);
}

TEST(LateJoin, AnEmptyWindowAllowsNothingAndNamesTheNextNumber) {
    PairParameters p;
    p.first_sqn = 500;
    p.source.random_first_sqn = false;
    p.source.announce_first = false;
    p.source.late_join_percent = 75;
    Pair pair(p);
    std::size_t spms = 0;
    pair.tap = [&](const Datagram& d) {
        if (d.kind != FrameKind::spm) return;
        ++spms;
        EXPECT_FALSE(d.decoded().options.has(wire::OptionBit::join));
    };
    pair.run_for(10 * kMillisecond);
    EXPECT_GE(spms, 3u);
    EXPECT_EQ(static_cast<Sqn>(pair.subscribers[0].receiver->start_ordinal()), 500u);
}

}  // namespace
}  // namespace fanfare::engine::test
