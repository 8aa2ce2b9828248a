#include "engine/core/pgmcc_source.hpp"

#include <gtest/gtest.h>

#include "engine/core/random.hpp"

namespace fanfare::engine {
namespace {

constexpr Address kNear = Address::from_octets(10, 0, 1, 1);
constexpr Address kFar = Address::from_octets(10, 0, 1, 2);
constexpr Nanos kTrip = 20 * kMillisecond;
constexpr Sqn kFirst = 0xFFFFFFF0u;  // numbers wrap early

struct Sender {
    PgmccSource source{CongestionParameters{true}, 1024};
    Nanos now = kSecond;
    Sqn next = kFirst;

    void send() {
        source.data_sent(next, now);
        ++next;
    }
    std::size_t send_all() {
        std::size_t count = 0;
        for (; source.allows(); ++count) send();
        return count;
    }
    PgmccSource::Feedback feedback(Address from, double loss = 0, Nanos trip = kTrip) const {
        return {from, PgmccSource::timestamp_ms(now - trip),
                static_cast<std::uint16_t>(loss * 65536)};
    }
    bool ack(Sqn highest, std::uint32_t bitmap = ~0u, Address from = kNear, double loss = 0) {
        return source.on_ack(feedback(from, loss), highest, bitmap, now);
    }
    // One round trip: everything that the window allows is sent, then acknowledged one by one.
    void round(Address from = kNear) {
        const Sqn begin = next;
        send_all();
        now += kTrip;
        for (Sqn sqn = begin; sqn != next; ++sqn) ack(sqn, ~0u, from);
    }
};

TEST(PgmccSource, StartsWithOnePacketAndNoAcker) {
    Sender s;
    EXPECT_TRUE(s.source.acker().is_none());
    EXPECT_EQ(s.send_all(), 1u);
    EXPECT_FALSE(s.source.allows());
}

TEST(PgmccSource, FirstFeedbackElectsItsSenderAndGivesAToken) {
    Sender s;
    s.send_all();
    EXPECT_TRUE(s.source.on_nak(s.feedback(kFar), s.now));
    EXPECT_EQ(s.source.acker(), kFar);
    EXPECT_EQ(s.send_all(), 1u);
}

TEST(PgmccSource, WindowDoublesToFourThenGrowsByOnePacketARoundTrip) {
    Sender s;
    s.round();
    EXPECT_DOUBLE_EQ(s.source.window(), 2);
    s.round();
    EXPECT_DOUBLE_EQ(s.source.window(), 4);
    for (double expected = 5; expected < 20; ++expected) {
        s.round();
        EXPECT_NEAR(s.source.window(), expected, 0.25 * (expected - 4));
    }
}

TEST(PgmccSource, WindowThatIsNotUsedDoesNotGrow) {
    Sender s;
    for (int i = 0; i < 6; ++i) s.round();
    const double window = s.source.window();
    for (int i = 0; i < 50; ++i) {
        s.send();
        s.now += kTrip;
        s.ack(s.next - 1);
    }
    EXPECT_DOUBLE_EQ(s.source.window(), window);
}

TEST(PgmccSource, PacketWithThreeAcknowledgedBehindItHalvesTheWindowOnce) {
    Sender s;
    for (int i = 0; i < 10; ++i) s.round();
    const double window = s.source.window();
    const Sqn lost = s.next;
    s.send_all();
    s.now += kTrip;
    s.ack(lost + 1, 0b01 | ~0b11u);
    s.ack(lost + 2, 0b011 | ~0b111u);
    EXPECT_EQ(s.source.halvings(), 0u);
    s.ack(lost + 3, 0b0111 | ~0b1111u);
    EXPECT_EQ(s.source.halvings(), 1u);
    const double halved = s.source.window();
    EXPECT_NEAR(halved, window / 2, 0.5);
    // A second loss of the same flight, and the rest of it, change nothing.
    for (Sqn sqn = lost + 4; sqn != s.next; ++sqn) {
        s.ack(sqn, ~(1u << (sqn - lost)) & (sqn > lost + 5 ? ~(1u << (sqn - lost - 2)) : ~0u));
    }
    EXPECT_EQ(s.source.halvings(), 1u);
    EXPECT_DOUBLE_EQ(s.source.window(), halved);
    // The next flight opens it again.
    s.round();
    EXPECT_GT(s.source.window(), halved + 0.5);
}

TEST(PgmccSource, LostPacketsGiveTheirTokensBack) {
    Sender s;
    for (int i = 0; i < 10; ++i) s.round();
    const Sqn begin = s.next;
    s.send_all();
    s.now += kTrip;
    // Every other packet is lost.
    std::uint32_t bitmap = ~0u;
    for (Sqn sqn = begin; sqn != s.next; ++sqn) {
        const bool came = (sqn - begin) % 2 == 1;
        bitmap = (bitmap << 1) | (came ? 1 : 0);
        if (came) s.ack(sqn, bitmap);
    }
    const double in_flight = s.source.window() - s.source.tokens();
    EXPECT_LE(in_flight, 4) << "only what no three packets stand behind may still count";
}

TEST(PgmccSource, LostAcksCostNothingWhenALaterOneArrives) {
    Sender s;
    for (int i = 0; i < 8; ++i) s.round();
    const double window = s.source.window();
    s.send_all();
    s.now += kTrip;
    s.ack(s.next - 1);  // only the last one
    EXPECT_DOUBLE_EQ(s.source.tokens(), s.source.window());
    EXPECT_NEAR(s.source.window(), window + 1, 0.2);
    EXPECT_EQ(s.source.halvings(), 0u);
}

TEST(PgmccSource, AckRepeatedOrOfWhatWasNeverSentMovesNothing) {
    Sender s;
    for (int i = 0; i < 5; ++i) s.round();
    s.send_all();
    const double window = s.source.window(), tokens = s.source.tokens();
    EXPECT_FALSE(s.ack(s.next));            // not sent yet
    EXPECT_FALSE(s.ack(kFirst - 1));        // before the session
    EXPECT_FALSE(s.ack(s.next + 100'000));  // far away
    EXPECT_FALSE(s.ack(s.next - 1, 0));     // does not name its own number
    EXPECT_FALSE(s.ack(s.next - 1, ~0u, Address{}));
    EXPECT_DOUBLE_EQ(s.source.window(), window);
    EXPECT_DOUBLE_EQ(s.source.tokens(), tokens);
    s.now += kTrip;
    s.ack(s.next - 1);
    const double after = s.source.window();
    for (int i = 0; i < 100; ++i) s.ack(s.next - 1);
    EXPECT_DOUBLE_EQ(s.source.window(), after);
}

TEST(PgmccSource, CostFollowsTheThroughputEquation) {
    EXPECT_EQ(congestion_cost(10, 0), 0);
    // Double the round trip: half the throughput, four times its inverse square.
    EXPECT_NEAR(congestion_cost(20, 0.01) / congestion_cost(10, 0.01), 4, 1e-9);
    // p = 0.01: M = RTT * 0.1 * (1 + 0.09 * 1.0032).
    EXPECT_NEAR(congestion_cost(1, 0.01), 0.01 * 1.090288 * 1.090288, 1e-9);
}

TEST(PgmccSource, SlowerReceiverBecomesTheAckerBeyondTheHysteresis) {
    Sender s;
    s.send_all();
    s.now += kTrip;
    s.ack(s.next - 1, ~0u, kNear, 0.02);
    ASSERT_EQ(s.source.acker(), kNear);
    s.send_all();
    s.source.on_nak(s.feedback(kFar, 0.025), s.now);
    EXPECT_EQ(s.source.acker(), kNear) << "not a third slower";
    s.source.on_nak(s.feedback(kFar, 0.045), s.now);
    EXPECT_EQ(s.source.acker(), kFar);
    EXPECT_EQ(s.source.acker_changes(), 2u);
    s.source.on_nak(s.feedback(kNear, 0.02, 40 * kTrip), s.now);
    EXPECT_EQ(s.source.acker(), kNear) << "a longer round trip makes a receiver slower too";
}

TEST(PgmccSource, FormerAckerStillReportsWhatWasSentUnderItsName) {
    Sender s;
    for (int i = 0; i < 6; ++i) s.round();
    s.send_all();
    const Sqn last = s.next - 1;
    s.source.on_nak(s.feedback(kFar, 0.1), s.now);
    ASSERT_EQ(s.source.acker(), kFar);
    EXPECT_FALSE(s.source.allows());
    EXPECT_TRUE(s.ack(last, ~0u, kNear));
    s.send_all();
    EXPECT_FALSE(s.ack(s.next - 1, ~0u, kNear)) << "those packets named another";
}

TEST(PgmccSource, SilentAckerCostsTheWindowThenItsPlace) {
    Sender s;
    for (int i = 0; i < 10; ++i) s.round();
    s.send_all();
    ASSERT_NE(s.source.next_deadline(), kNever);
    EXPECT_FALSE(s.source.on_tick(s.source.next_deadline() - 1));
    s.now = s.source.next_deadline();
    EXPECT_TRUE(s.source.on_tick(s.now));
    EXPECT_DOUBLE_EQ(s.source.window(), 1);
    EXPECT_EQ(s.source.acker(), kNear);
    EXPECT_EQ(s.send_all(), 1u);
    const Nanos first = s.now;
    s.now = s.source.next_deadline();
    EXPECT_GT(s.now, first);
    EXPECT_TRUE(s.source.on_tick(s.now));
    EXPECT_TRUE(s.source.acker().is_none());
    EXPECT_EQ(s.source.next_deadline(), kNever) << "nothing is out";
    s.send_all();
    s.now += kMillisecond;
    s.ack(s.next - 1, ~0u, kFar);
    EXPECT_EQ(s.source.acker(), kFar);
    EXPECT_TRUE(s.source.allows());
}

TEST(PgmccSource, AfterMorePacketsThanHalfOfAllNumbersReportsStillCount) {
    Sender s;
    s.round();
    const double before = s.source.window();
    // Steps through all numbers, once round and half round again, of which only the ends are sent.
    for (std::uint64_t sent = 0; sent < 0x180000000ull; sent += 1u << 22) {
        s.next += 1u << 22;
        s.send();
        s.now += kTrip;
        s.ack(s.next - 1);
    }
    ASSERT_EQ(s.source.window(), before) << "one packet a round trip does not fill it";
    for (int i = 0; i < 4; ++i) s.round();
    EXPECT_GT(s.source.window(), 4);
    EXPECT_EQ(s.source.timeouts(), 0u);
}

TEST(PgmccSource, RandomReportsKeepWindowAndTokensInBounds) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        SCOPED_TRACE(seed);
        Random random(seed);
        Sender s;
        for (int i = 0; i < 20'000; ++i) {
            s.now += random.between(0, kMillisecond);
            if (random.next() % 3 == 0) s.send_all();
            const auto from = Address{static_cast<std::uint32_t>(random.next() % 4)};
            const PgmccSource::Feedback said{from, static_cast<std::uint32_t>(random.next()),
                                             static_cast<std::uint16_t>(random.next())};
            if (random.next() % 4 == 0) {
                s.source.on_nak(said, s.now);
            } else {
                s.source.on_ack(said, s.next - static_cast<Sqn>(random.next() % 80) + 2,
                                static_cast<std::uint32_t>(random.next()), s.now);
            }
            if (s.source.next_deadline() <= s.now) s.source.on_tick(s.now);
            ASSERT_GE(s.source.window(), 1);
            ASSERT_LE(s.source.window(), 1024);
            ASSERT_LE(s.source.tokens(), s.source.window());
        }
        // Whatever was said: the stall timer opens the way again.
        if (!s.source.allows()) {
            ASSERT_NE(s.source.next_deadline(), kNever);
            EXPECT_TRUE(s.source.on_tick(s.source.next_deadline()));
        }
    }
}

}  // namespace
}  // namespace fanfare::engine
