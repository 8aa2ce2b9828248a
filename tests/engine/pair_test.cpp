#include <gtest/gtest.h>

#include "tests/engine/pair.hpp"

namespace fanfare::engine::test {
namespace {

constexpr std::uint64_t kSeed = 20260101;

TEST(Pair, DeliversMessagesInOrderWithoutLoss) {
    PairParameters p;
    p.seed = kSeed;
    Pair pair(p);
    for (std::size_t i = 0; i < 500; ++i) pair.send(message_of(i, i * 7 % 1400));
    pair.finish();
    ASSERT_TRUE(pair.run_until(
        [&] { return pair.subscribers[0].receiver->state() != SessionState::open; }));
    EXPECT_EQ(pair.subscribers[0].receiver->state(), SessionState::finished);
    EXPECT_EQ(pair.subscribers[0].messages, pair.sent);
    EXPECT_FALSE(pair.subscribers[0].has_event(Event::Kind::joined_late));
    EXPECT_EQ(pair.source->statistics().rdata_packets_sent, 0u);
}

class PairUnderFaults : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(PairUnderFaults, RepairsEveryLossInBothDirections) {
    PairParameters p;
    p.seed = GetParam();
    std::cout << "seed " << p.seed << "\n";
    Random random(p.seed);
    p.link.loss = static_cast<double>(random.next() % 20) / 100;
    p.link.duplicate = static_cast<double>(random.next() % 5) / 100;
    p.link.corrupt = static_cast<double>(random.next() % 3) / 100;
    p.link.jitter_ns = random.between(0, 200 * kMicrosecond);
    p.receivers = 1 + random.next() % 3;
    p.source.rate_bits_per_s = 200'000'000;
    p.source.random_first_sqn = false;
    p.first_sqn = random.next() % 2 ? 0xFFFFFF00u : 7;
    p.frames = 4 + random.next() % 60;
    Pair pair(p);
    for (std::size_t i = 0; i < 2000; ++i)
        pair.send(message_of(i, random.next() % (i % 10 ? 1400 : 9000)));
    pair.finish();
    ASSERT_TRUE(pair.run_until([&] {
        for (auto& s : pair.subscribers) {
            if (!s.started || s.receiver->state() == SessionState::open) return false;
        }
        return true;
    }));
    for (auto& s : pair.subscribers) {
        EXPECT_EQ(s.receiver->state(), SessionState::finished)
            << static_cast<int>(s.receiver->cause());
        EXPECT_EQ(s.messages.size(), pair.sent.size());
        EXPECT_TRUE(s.messages == pair.sent);
    }
    EXPECT_TRUE(pair.run_until([&] { return pair.source->is_done(); }));
}

INSTANTIATE_TEST_SUITE_P(Seeds, PairUnderFaults, ::testing::Range<std::uint64_t>(1, 41));

}  // namespace
}  // namespace fanfare::engine::test
