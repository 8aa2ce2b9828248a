#include "engine/core/poll_round.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <functional>
#include <vector>

#include "engine/core/poll_answer.hpp"

namespace fanfare::engine {
namespace {

// Receivers as the RFC has them, without a network: every POLL reaches all, every POLR the source.
struct PollRoundTest : ::testing::Test {
    SourceParameters parameters = profile(ProfileName::lan).source;
    Nanos now = kSecond;
    std::vector<PollAnswer> receivers;
    Random random{11};
    std::size_t polls = 0, replies = 0, most_in_a_round = 0;

    void join(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            receivers.emplace_back();
            receivers.back().start(static_cast<std::uint32_t>(random.next()));
        }
    }
    static wire::Packet packet_of(const PollRound::Poll& poll) {
        wire::Packet packet{};
        packet.type = wire::Type::poll;
        packet.sqn = poll.sqn;
        packet.path = Address::from_octets(10, 0, 0, 1);
        packet.poll = {poll.round, poll.subtype, poll.backoff_us, poll.random, poll.mask};
        return packet;
    }
    // Runs what is wanted to its end; `between` is called before each POLL is heard.
    void run(PollRound& rounds, const std::function<void(const PollRound::Poll&)>& between = {}) {
        for (int i = 0; i < 100; ++i) {
            if (rounds.next_deadline() > now) break;
            const auto poll = rounds.due(now);
            if (!poll) break;
            ++polls;
            rounds.sent(now);
            if (between) between(*poll);
            std::size_t in_round = 0;
            const std::uint64_t aborted = rounds.aborted();
            for (std::size_t r = 0; r < receivers.size() && rounds.aborted() == aborted; ++r) {
                if (!receivers[r].heard(packet_of(*poll), now, random)) continue;
                const auto reply = receivers[r].due(kNever - 1);
                ASSERT_TRUE(reply);
                EXPECT_LE(receivers[r].next_deadline() - now, parameters.poll_backoff_ns);
                receivers[r].sent();
                ++in_round;
                EXPECT_TRUE(rounds.answered(reply->sqn, reply->round,
                                            Address{static_cast<std::uint32_t>(0x0A010001 + r)},
                                            {}));
            }
            replies += in_round;
            most_in_a_round = std::max(most_in_a_round, in_round);
            if (rounds.aborted() == aborted) now = rounds.next_deadline();
        }
    }
};

TEST_F(PollRoundTest, ThePopulationIsEstimatedWithoutAnImplosion) {
    for (const std::size_t n : {0u, 1u, 10u, 100u, 1000u, 10'000u}) {
        receivers.clear();
        join(n);
        PollRound rounds(parameters, n);
        most_in_a_round = 0;
        double sum = 0;
        constexpr int kCounts = 20;
        for (int i = 0; i < kCounts; ++i) {
            rounds.request(kPollGeneral);
            run(rounds);
            sum += static_cast<double>(rounds.population());
        }
        const double mean = sum / kCounts;
        const auto real = static_cast<double>(n);
        EXPECT_GE(mean, real * 0.75) << n;
        EXPECT_LE(mean, real * 1.25) << n;
        EXPECT_LE(most_in_a_round, 257u) << n;
    }
}

TEST_F(PollRoundTest, RoundsShareANumberAndEachHasItsOwnString) {
    join(10);
    PollRound rounds(parameters, 3);
    rounds.request(kPollGeneral);
    std::vector<PollRound::Poll> heard;
    run(rounds, [&](const PollRound::Poll& poll) { heard.push_back(poll); });
    ASSERT_GT(heard.size(), 2u);
    for (std::size_t i = 0; i < heard.size(); ++i) {
        EXPECT_EQ(heard[i].sqn, heard[0].sqn);
        EXPECT_EQ(heard[i].round, i);
        EXPECT_EQ(heard[i].subtype, kPollGeneral);
        if (i > 0) EXPECT_NE(heard[i].random, heard[i - 1].random);
        if (i > 0) EXPECT_LT(std::popcount(heard[i].mask), std::popcount(heard[i - 1].mask));
    }
    EXPECT_EQ(heard.back().mask, 0u);
    const Sqn first = heard[0].sqn;
    heard.clear();
    rounds.request(kPollGeneral);
    run(rounds, [&](const PollRound::Poll& poll) { heard.push_back(poll); });
    EXPECT_EQ(heard[0].sqn, first + 1);
}

TEST_F(PollRoundTest, WhoComesAfterRoundZeroTakesNoPart) {
    join(10);
    PollRound rounds(parameters, 3);
    rounds.request(kPollGeneral);
    run(rounds, [&](const PollRound::Poll& poll) {
        if (poll.round == 1) join(5000);
    });
    EXPECT_EQ(rounds.population(), 10u);
    EXPECT_LE(most_in_a_round, 10u);
}

TEST_F(PollRoundTest, ACrowdThatNobodyExpectedAbortsThePollAndIsCountedAllTheSame) {
    join(2);
    PollRound rounds(parameters, 3);
    rounds.request(kPollGeneral);
    run(rounds);
    EXPECT_EQ(rounds.population(), 2u);
    join(20'000);
    rounds.request(kPollGeneral);
    run(rounds);
    EXPECT_GE(rounds.aborted(), 1u);
    EXPECT_GT(rounds.population(), 4000u) << "a mean of two counts";
}

TEST_F(PollRoundTest, AnswersToNothingAskedAreRefused) {
    PollRound rounds(parameters, 3);
    const Address who = Address::from_octets(10, 0, 1, 1);
    EXPECT_FALSE(rounds.answered(1, 0, who, {}));
    rounds.request(kPollGeneral);
    const auto poll = rounds.due(now);
    ASSERT_TRUE(poll);
    EXPECT_FALSE(rounds.answered(poll->sqn, poll->round, who, {})) << "it has not left";
    rounds.sent(now);
    EXPECT_FALSE(rounds.answered(poll->sqn + 1, 0, who, {}));
    EXPECT_FALSE(rounds.answered(poll->sqn, 1, who, {}));
    EXPECT_TRUE(rounds.answered(poll->sqn, 0, who, {}));
    EXPECT_FALSE(rounds.answered(poll->sqn, 0, who, {})) << "twice";
}

TEST_F(PollRoundTest, APollForRepairersIsDeterministicAndListsThem) {
    PollRound rounds(parameters, 3);
    rounds.request(kPollDlr);
    const auto poll = rounds.due(now);
    ASSERT_TRUE(poll);
    EXPECT_EQ(poll->subtype, kPollDlr);
    EXPECT_EQ(poll->mask, 0u);
    rounds.sent(now);
    const Address dlr = Address::from_octets(10, 0, 9, 9);
    EXPECT_TRUE(rounds.answered(poll->sqn, 0, Address::from_octets(10, 0, 1, 1), dlr));
    EXPECT_TRUE(rounds.answered(poll->sqn, 0, Address::from_octets(10, 0, 1, 2), dlr));
    EXPECT_TRUE(rounds.answered(poll->sqn, 0, Address::from_octets(10, 0, 1, 3), {}));
    ASSERT_EQ(rounds.repairers().size(), 2u);
    EXPECT_EQ(rounds.repairers()[0], dlr);
    EXPECT_EQ(rounds.repairers()[1], Address::from_octets(10, 0, 1, 3));
    now = rounds.next_deadline();
    EXPECT_FALSE(rounds.due(now)) << "one round is all";
    EXPECT_EQ(rounds.counts(), 0u);
}

TEST_F(PollRoundTest, PeriodicCountsComeWithoutBeingAskedFor) {
    parameters.poll_interval_ns = 10 * kSecond;
    PollRound rounds(parameters, 3);
    rounds.start(now);
    EXPECT_EQ(rounds.next_deadline(), now + 10 * kSecond);
    now += 10 * kSecond;
    run(rounds);
    EXPECT_EQ(rounds.counts(), 1u);
    EXPECT_GT(rounds.next_deadline(), now);
    rounds.stop();
    EXPECT_EQ(rounds.next_deadline(), kNever);
    parameters.poll_interval_ns = 0;
    PollRound never(parameters, 3);
    never.start(now);
    EXPECT_EQ(never.next_deadline(), kNever);
}

}  // namespace
}  // namespace fanfare::engine
