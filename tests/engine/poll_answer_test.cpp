#include "engine/core/poll_answer.hpp"

#include <gtest/gtest.h>

namespace fanfare::engine {
namespace {

constexpr std::uint32_t kNode = 0x12345678;
constexpr Address kParent = Address::from_octets(10, 0, 0, 1);

struct PollAnswerTest : ::testing::Test {
    PollAnswer answer;
    Random random{9};
    Nanos now = kSecond;

    void SetUp() override { answer.start(kNode); }
    bool hear(Sqn sqn, std::uint16_t round = 0, std::uint32_t string = 0, std::uint32_t mask = 0,
              std::uint16_t subtype = kPollGeneral, std::uint32_t backoff_us = 1000) {
        wire::Packet packet{};
        packet.type = wire::Type::poll;
        packet.sqn = sqn;
        packet.path = kParent;
        packet.poll = {round, subtype, backoff_us, string, mask};
        return answer.heard(packet, now, random);
    }
};

// RFC 3208 14.5.
TEST_F(PollAnswerTest, AnAnswerLeavesWithinTheBackOffIntervalForThePathOfThePoll) {
    for (Sqn sqn = 1; sqn < 1000; ++sqn) {
        ASSERT_TRUE(hear(sqn));
        ASSERT_GE(answer.next_deadline(), now);
        ASSERT_LE(answer.next_deadline(), now + kMillisecond);
        answer.sent();
    }
    ASSERT_TRUE(hear(5000));
    EXPECT_FALSE(answer.due(now - 1));
    const auto reply = answer.due(now + kMillisecond);
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->to, kParent);
    EXPECT_EQ(reply->sqn, 5000u);
    EXPECT_EQ(reply->round, 0u);
    answer.sent();
    EXPECT_EQ(answer.next_deadline(), kNever) << "a single one";
}

TEST_F(PollAnswerTest, OnlyTheBitsOfTheMaskAreCompared) {
    EXPECT_TRUE(hear(1, 0, 0x00005678, 0x0000FFFF));
    EXPECT_FALSE(hear(2, 0, 0x00005679, 0x0000FFFF));
    EXPECT_TRUE(hear(3, 0, 0xFFFF5678, 0x0000FFFF));
    EXPECT_TRUE(hear(4, 0, 0xFFFFFFFF, 0)) << "no mask: everybody";
    EXPECT_TRUE(hear(5, 0, kNode, 0xFFFFFFFF));
}

TEST_F(PollAnswerTest, LaterRoundsAreForThoseWhoHeardTheFirst) {
    EXPECT_FALSE(hear(7, 1));
    EXPECT_FALSE(hear(8, 0, ~kNode, 1)) << "heard, though not asked";
    EXPECT_TRUE(hear(8, 1));
    EXPECT_FALSE(hear(9, 2)) << "another poll";
    EXPECT_FALSE(hear(8, 0, ~kNode, 1));
    EXPECT_TRUE(hear(8, 2));
}

TEST_F(PollAnswerTest, APollOfAnotherNumberCancelsWhatHasNotLeft) {
    ASSERT_TRUE(hear(1));
    EXPECT_FALSE(hear(2, 0, ~kNode, 1));
    EXPECT_EQ(answer.next_deadline(), kNever) << "even one that we do not answer";
    ASSERT_TRUE(hear(3));
    EXPECT_FALSE(hear(4, 0, 0, 0, 77));
    EXPECT_EQ(answer.next_deadline(), kNever);
}

TEST_F(PollAnswerTest, ACopyOfAPollChangesNothing) {
    ASSERT_TRUE(hear(1));
    const Nanos at = answer.next_deadline();
    EXPECT_FALSE(hear(1));
    EXPECT_EQ(answer.next_deadline(), at);
    answer.sent();
    EXPECT_FALSE(hear(1));
    EXPECT_EQ(answer.next_deadline(), kNever);
    EXPECT_TRUE(hear(1, 1)) << "the next round is no copy";
}

TEST_F(PollAnswerTest, UnknownSubTypesAreIgnoredAndRepairersAnswerForThemselves) {
    EXPECT_FALSE(hear(1, 0, 0, 0, kPollDlr));
    EXPECT_FALSE(hear(2, 0, 0, 0, 2));
    answer.start(kNode, true);
    EXPECT_TRUE(hear(1, 0, 0, 0, kPollDlr));
    EXPECT_TRUE(hear(2));
    EXPECT_FALSE(hear(3, 0, 0, 0, 2));
}

// RFC 3208 15.4.1.
TEST_F(PollAnswerTest, ValuesOfAPollAreForThoseWhoHeardARoundZeroUpToIt) {
    EXPECT_TRUE(answer.counted_by(0));
    EXPECT_FALSE(answer.counted_by(5));
    hear(5);
    hear(9);
    EXPECT_FALSE(answer.counted_by(4));
    EXPECT_TRUE(answer.counted_by(5));
    EXPECT_TRUE(answer.counted_by(6));
    EXPECT_TRUE(answer.counted_by(5 + 0x7FFFFFFF));
    EXPECT_FALSE(answer.counted_by(5 + 0x80000001));
}

}  // namespace
}  // namespace fanfare::engine
