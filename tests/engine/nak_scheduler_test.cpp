#include "engine/core/nak_scheduler.hpp"

#include <gtest/gtest.h>

#include <numeric>

namespace fanfare::engine {
namespace {

constexpr Nanos kTick = Nanos{1} << TimingWheel::kTickShift;
constexpr std::uint64_t kBase = std::uint64_t{1} << 32;

// Fixed timers: back-off 0 to 1 ms, repeat 10 ms, data 20 ms, 3 retries each.
struct NakSchedulerTest : ::testing::Test {
    static ReceiverParameters fixed() {
        ReceiverParameters p;
        p.nak_backoff_min_ns = 0;
        p.nak_backoff_max_ns = kMillisecond;
        p.nak_repeat_ns = 10 * kMillisecond;
        p.nak_rdata_ns = 20 * kMillisecond;
        p.adapt_to_round_trip = false;
        p.ncf_retries = 3;
        p.data_retries = 3;
        return p;
    }
    NakScheduler naks{fixed(), 64};
    Random random{5};
    std::uint64_t lost = 0;

    std::vector<std::uint64_t> due(Nanos now, std::size_t room = 63) {
        std::vector<std::uint64_t> ordinals(room);
        std::uint32_t budget = 100'000;
        const auto result = naks.run(now, kBase, random, budget, ordinals);
        ordinals.resize(result.count);
        lost = result.lost;
        return ordinals;
    }
};

TEST_F(NakSchedulerTest, ANakGoesOutWhenItsBackOffHasPassed) {
    naks.open(kBase + 3, kMillisecond);
    EXPECT_TRUE(due(kMillisecond - 1).empty());
    EXPECT_EQ(due(kMillisecond + kTick), (std::vector<std::uint64_t>{kBase + 3}));
    EXPECT_EQ(naks.pending(), 1u);
    EXPECT_EQ(naks.losses(), 1u);
}

TEST_F(NakSchedulerTest, NumbersAreNamedOldestFirst) {
    for (const int i : {9, 2, 30, 4, 1})
        naks.open(kBase + static_cast<std::uint64_t>(i), i % 2 ? 1000 : 2000);
    EXPECT_EQ(due(kMillisecond),
              (std::vector<std::uint64_t>{kBase + 1, kBase + 2, kBase + 4, kBase + 9, kBase + 30}));
}

TEST_F(NakSchedulerTest, AListTakesNoMoreThanItsRoomAndTheRestIsDueAtOnce) {
    for (std::uint64_t i = 0; i < 10; ++i) naks.open(kBase + i, 0);
    EXPECT_EQ(due(kTick, 4).size(), 4u);
    EXPECT_LE(naks.next_deadline(), kTick);
    EXPECT_EQ(due(kTick, 63).size(), 6u);
}

TEST_F(NakSchedulerTest, WithoutAnNcfTheNakIsRepeatedUntilItsRetriesAreExhausted) {
    naks.open(kBase, 0);
    int sent = 0;
    for (Nanos now = 0; lost == 0 && now < kSecond; now += kTick)
        sent += static_cast<int>(due(now).size());
    EXPECT_EQ(sent, 4) << "the first and three repeats";
    EXPECT_EQ(lost, kBase);
}

TEST_F(NakSchedulerTest, AnNcfMovesToWaitingForData) {
    naks.open(kBase, 0);
    due(kTick);
    naks.confirmed(kBase, kMillisecond);
    EXPECT_EQ(naks.pending(), 0u);
    EXPECT_EQ(naks.outstanding(), 1u);
    EXPECT_TRUE(due(20 * kMillisecond).empty()) << "nothing is asked while the data may come";
    EXPECT_TRUE(due(21 * kMillisecond + kTick).empty());
    EXPECT_EQ(due(23 * kMillisecond).size(), 1u) << "then the cycle begins again";
}

// OpenPGM's conformance list: ncf_suppression.
TEST_F(NakSchedulerTest, NcfSuppressionAnNcfForSomebodyElseSilencesTheBackOff) {
    naks.open(kBase, kMillisecond);
    naks.confirmed(kBase, 500 * kMicrosecond);
    EXPECT_TRUE(due(20 * kMillisecond).empty());
    EXPECT_EQ(naks.outstanding(), 1u);
}

TEST_F(NakSchedulerTest, AnotherReceiversNakStandsForOurs) {
    naks.open(kBase, kMillisecond);
    naks.overheard(kBase, 500 * kMicrosecond);
    EXPECT_TRUE(due(10 * kMillisecond).empty());
    naks.overheard(kBase, 9 * kMillisecond);
    EXPECT_TRUE(due(18 * kMillisecond).empty()) << "heard again: wait anew";
    due(20 * kMillisecond);
    EXPECT_EQ(due(22 * kMillisecond).size(), 1u) << "no NCF came: ask ourselves";
}

// A path longer than every wait for an NCF: each first NAK was followed by others.
TEST(NakSchedulerPath, APathLongerThanItsWaitsIsMeasuredFromTheFirstNak) {
    NakScheduler naks(profile(ProfileName::lan).receiver, 64);
    Random random{5};
    constexpr Nanos kPath = 40 * kMillisecond;
    std::uint64_t ordinals[63];
    std::size_t sent = 0;
    for (std::uint64_t loss = 0; loss < 30; ++loss) {
        const Nanos begin = static_cast<Nanos>(loss) * kSecond;
        naks.open(kBase + loss, begin);
        sent = 0;
        for (Nanos now = begin; now < begin + kPath; now += kTick) {
            std::uint32_t budget = 1000;
            sent += naks.run(now, kBase + loss, random, budget, ordinals).count;
        }
        naks.confirmed(kBase + loss, begin + kPath);
        naks.close(kBase + loss, begin + kPath);
    }
    EXPECT_EQ(sent, 1u) << "one NAK is enough";
    EXPECT_GT(naks.confirmation().mean(), kPath / 2);
}

// NAKs and their NCFs get lost; the one NCF that comes answers the last of them, or another's.
TEST(NakSchedulerPath, LostConfirmationsDoNotLengthenThePathStepByStep) {
    NakScheduler naks(profile(ProfileName::lan).receiver, 64);
    Random random{5};
    constexpr Nanos kPath = kMillisecond;
    std::uint64_t ordinals[63];
    // Asked for until `naks_lost` NAKs are gone; the NCF comes `wait` after the last.
    const auto lose = [&](std::uint64_t loss, std::size_t naks_lost, Nanos wait) {
        Nanos now = static_cast<Nanos>(loss) * kSecond;
        naks.open(kBase + loss, now);
        for (std::size_t sent = 0; sent <= naks_lost; now += kTick) {
            std::uint32_t budget = 1000;
            sent += naks.run(now, kBase + loss, random, budget, ordinals).count;
        }
        naks.confirmed(kBase + loss, now + wait);
        naks.close(kBase + loss, now + wait);
    };
    std::uint64_t loss = 0;
    for (; loss < 10; ++loss) lose(loss, 0, kPath);
    const Nanos known = naks.confirmation().mean();
    // An early one between prompt ones.
    for (; loss < 50; loss += 2) {
        lose(loss, 3, kPath / 10);
        lose(loss + 1, 0, kPath);
    }
    EXPECT_LE(naks.confirmation().mean(), known + known / 4);
    // One after the other: at most an eighth more each.
    const Nanos before = naks.confirmation().mean();
    lose(loss++, 5, kPath / 10);
    lose(loss++, 5, kPath / 10);
    EXPECT_GT(naks.confirmation().mean(), before);
    EXPECT_LE(naks.confirmation().mean(), before + before / 8);
}

TEST(NakSchedulerPath, ANeighboursNakMeasuresThePathForUs) {
    NakScheduler naks(profile(ProfileName::lan).receiver, 64);
    naks.open(kBase, kMillisecond);
    naks.overheard(kBase, 100 * kMicrosecond);
    naks.confirmed(kBase, 700 * kMicrosecond);
    EXPECT_EQ(naks.confirmation().mean(), 600 * kMicrosecond);
}

// Asked for until `naks` have gone; returns the time of the last.
Nanos ask_until(NakScheduler& naks, std::uint64_t ordinal, std::size_t count, Nanos now) {
    Random random{5};
    std::uint64_t ordinals[63];
    for (std::size_t sent = 0; sent < count; now += kTick) {
        std::uint32_t budget = 1000;
        sent += naks.run(now, ordinal, random, budget, ordinals).count;
    }
    return now - kTick;
}

TEST(NakSchedulerPath, TheNcfBehindARepairThatDidNotComeMeasuresNothing) {
    NakScheduler naks(profile(ProfileName::lan).receiver, 64);
    naks.open(kBase, 0);
    naks.confirmed(kBase, ask_until(naks, kBase, 1, 0) + kMillisecond);
    ASSERT_EQ(naks.confirmation().mean(), kMillisecond);
    // It may be an NCF for a NAK of before, or for another's.
    naks.confirmed(kBase, ask_until(naks, kBase, 1, 2 * kMillisecond) + 10 * kMicrosecond);
    EXPECT_EQ(naks.confirmation().mean(), kMillisecond);
}

TEST(NakSchedulerPath, ANewSessionDoesNotCountTheTimeInWhichTheLastOnesFirstNaksWereNotAnswered) {
    NakScheduler naks(profile(ProfileName::lan).receiver, 64);
    naks.open(kBase, 0);
    naks.confirmed(kBase, ask_until(naks, kBase, 2, 0) + kMicrosecond);
    naks.clear(kSecond);
    naks.open(kBase, kSecond);
    naks.confirmed(kBase, ask_until(naks, kBase, 2, kSecond) + kMicrosecond);
    EXPECT_FALSE(naks.confirmation().measured());
}

TEST_F(NakSchedulerTest, NcfsAndNaksRestartTheWaitForData) {
    naks.open(kBase, 0);
    due(kTick);
    naks.confirmed(kBase, 0);
    for (Nanos now = 10 * kMillisecond; now < 100 * kMillisecond; now += 10 * kMillisecond) {
        EXPECT_TRUE(due(now).empty());
        if (now % (20 * kMillisecond)) {
            naks.confirmed(kBase, now);
        } else {
            naks.overheard(kBase, now);
        }
    }
}

TEST_F(NakSchedulerTest, DataEndsTheCycleInEveryState) {
    naks.open(kBase, 0);
    EXPECT_FALSE(naks.close(kBase, 0)) << "only late, never asked for";
    naks.open(kBase, 0);
    due(kTick);
    EXPECT_TRUE(naks.close(kBase, kTick));
    naks.open(kBase, 0);
    naks.confirmed(kBase, 0);
    EXPECT_TRUE(naks.close(kBase, kTick));
    EXPECT_EQ(naks.active(), 0u);
    EXPECT_EQ(naks.next_deadline(), kNever);
    EXPECT_FALSE(naks.close(kBase, kTick));
    naks.confirmed(kBase, 0);
    naks.overheard(kBase, 0);
    EXPECT_EQ(naks.active(), 0u) << "what arrived is not waited for again";
}

TEST_F(NakSchedulerTest, RepeatedlyMissingDataExhaustsTheDataRetries) {
    naks.open(kBase, 0);
    int sent = 0;
    for (Nanos now = 0; lost == 0 && now < kSecond; now += kTick) {
        for (const auto ordinal : due(now)) {
            ++sent;
            naks.confirmed(ordinal, now);
        }
    }
    EXPECT_EQ(sent, 4);
    EXPECT_EQ(lost, kBase);
}

TEST_F(NakSchedulerTest, WhileOtherRepairsArriveASlowSourceIsNotGivenUp) {
    naks.open(kBase, 0);
    naks.open(kBase + 1, 0);
    std::uint64_t other = kBase + 1;
    Nanos repaired_at = 0;
    for (Nanos now = 0; now < 2 * kSecond; now += kMillisecond) {
        for (const auto ordinal : due(now)) naks.confirmed(ordinal, now);
        ASSERT_EQ(lost, 0u) << now;
        if (now - repaired_at >= 50 * kMillisecond) {  // three retries take longer than 60 ms
            naks.close(other, now);
            other = kBase + 1 + (other - kBase) % 60;
            naks.open(other, now);
            repaired_at = now;
        }
    }
}

TEST_F(NakSchedulerTest, ALanFollowsTheMeasuredRoundTrip) {
    ReceiverParameters p;  // lan
    NakScheduler lan(p, 64);
    Nanos now = kSecond;
    lan.clear(now);
    for (std::uint64_t i = 0; i < 40; ++i) {
        lan.open(kBase + i, now);
        now += kTick;
        std::vector<std::uint64_t> ordinals(63);
        std::uint32_t budget = 1000;
        ASSERT_EQ(lan.run(now, kBase + i, random, budget, ordinals).count, 1u);
        lan.confirmed(kBase + i, now + 30 * kMicrosecond);
        lan.close(kBase + i, now + 60 * kMicrosecond);
        now += kMillisecond;
    }
    EXPECT_EQ(lan.confirmation().timeout(0), 50 * kMicrosecond) << "the floor";
    EXPECT_EQ(lan.repair().timeout(0), 50 * kMicrosecond);
}

}  // namespace
}  // namespace fanfare::engine
