#include "engine/core/pgmcc_receiver.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/engine/packets.hpp"

namespace fanfare::engine::test {
namespace {

constexpr Address kSelf = Address::from_octets(10, 0, 1, 1);
constexpr Address kOther = Address::from_octets(10, 0, 1, 2);

struct Host {
    PgmccReceiver state;
    Random random{1};
    Nanos now = kSecond;
    explicit Host(Address nla = kSelf) { state.start(nla, 5 * kMillisecond); }
    void data(Sqn sqn, Address acker = kOther) {
        state.on_data(sqn, static_cast<std::uint32_t>(now / kMillisecond), acker, now, random);
    }
};

TEST(PgmccReceiver, AckerAcknowledgesEachPacketAtOnce) {
    Host h;
    h.data(10, kSelf);
    EXPECT_EQ(h.state.next_deadline(), h.now);
    h.state.acked();
    EXPECT_EQ(h.state.next_deadline(), kNever);
    h.data(11, kOther);
    EXPECT_EQ(h.state.next_deadline(), kNever);
}

TEST(PgmccReceiver, BitmapTellsWhichOfTheLast32Came) {
    Host h;
    for (Sqn sqn : {0xFFFFFFFEu, 0xFFFFFFFFu, 1u, 4u}) h.data(sqn);
    EXPECT_EQ(h.state.highest(), 4u);
    EXPECT_EQ(h.state.bitmap(), 0b1101001u);
    h.data(2);  // late
    EXPECT_EQ(h.state.bitmap(), 0b1101101u);
    EXPECT_EQ(h.state.highest(), 4u);
    h.data(100);
    EXPECT_EQ(h.state.bitmap(), 1u);
}

TEST(PgmccReceiver, LossFilterSettlesAtTheRateOfLoss) {
    Host h;
    Random random(20261124);
    double sum = 0;
    int samples = 0;
    for (Sqn sqn = 0; sqn < 20'000; ++sqn) {
        if (random.next() % 20 == 0) continue;
        h.data(sqn);
        if (sqn > 1'000) {
            sum += h.state.loss();
            ++samples;
        }
    }
    EXPECT_NEAR(sum / samples, 0.05, 0.01);
}

TEST(PgmccReceiver, AGapCountsAsManyLossesAsItHasNumbersAndNeverMoreThanAll) {
    Host h;
    h.data(1);
    h.data(12);  // ten lost, one came
    const double w = 500.0 / 65536;
    EXPECT_NEAR(h.state.loss(), (1 - std::pow(1 - w, 10)) * (1 - w), 1e-9);
    h.data(12u + 0x7FFFFFFFu);
    EXPECT_LE(h.state.loss(), 1);
    wire::Options options;
    h.state.describe(h.now, options);
    EXPECT_GT(options.cc_feedback.loss, 65'000);
}

TEST(PgmccReceiver, FeedbackEchoesTheTimestampWithTheDelayAdded) {
    Host h;
    h.data(1);
    wire::Options options;
    h.state.describe(h.now + 7 * kMillisecond, options);
    EXPECT_TRUE(options.has(wire::OptionBit::cc_feedback));
    EXPECT_EQ(options.cc_feedback.timestamp_ms, 1007u);
    EXPECT_EQ(options.cc_feedback.acker, kSelf);
}

TEST(PgmccReceiver, ElectionIsAnsweredAfterABackOffAndOnlyWhileItIsOpen) {
    Host h;
    h.data(1, Address{});
    const Nanos at = h.state.next_deadline();
    EXPECT_GE(at, h.now);
    EXPECT_LE(at, h.now + 5 * kMillisecond);
    h.data(2, Address{});
    EXPECT_EQ(h.state.next_deadline(), at) << "the back-off does not begin again";
    h.data(3, kOther);
    EXPECT_EQ(h.state.next_deadline(), kNever) << "somebody else was elected";
    h.data(4, Address{});
    EXPECT_NE(h.state.next_deadline(), kNever);
    h.data(5, kSelf);
    EXPECT_EQ(h.state.next_deadline(), h.now);
}

TEST(PgmccReceiver, HostWithoutAnAddressSaysNothing) {
    Host h{Address{}};
    h.data(1, Address{});
    EXPECT_FALSE(h.state.active());
    EXPECT_EQ(h.state.next_deadline(), kNever);
}

TEST(PgmccReceiver, AckOnTheWireIsWhatTheStateSays) {
    Host h;
    for (Sqn sqn : {7u, 8u, 10u}) h.data(sqn, kSelf);
    Frames frames(1);
    Output out = frames.output();
    const ReceiverIdentity identity{kTsi, kDataPort, kGroup, kSourceAddress, kSelf};
    ASSERT_TRUE(write_ack(identity, ReceiverParameters{}, kSourceAddress, h.state, h.now,
                          checksum::best_kernels(), *out.next()));
    out.commit();
    const Datagram sent = frames.take(out, kSelf).front();
    const wire::Packet packet = sent.decoded();
    EXPECT_EQ(sent.kind, FrameKind::ack);
    EXPECT_EQ(sent.to, kSourceAddress);
    EXPECT_FALSE(sent.router_alert);
    EXPECT_EQ(packet.type, wire::Type::ack);
    EXPECT_EQ(packet.tsi(), kTsi);
    EXPECT_EQ(packet.data_port(), kDataPort);
    EXPECT_EQ(packet.sqn, 10u);
    EXPECT_EQ(packet.ack_bitmap, 0b1101u);
    EXPECT_EQ(packet.options.cc_feedback.acker, kSelf);
}

}  // namespace
}  // namespace fanfare::engine::test
