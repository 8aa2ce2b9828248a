#include "engine/core/nak_backoff.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace fanfare::engine {
namespace {

ReceiverParameters lan() {
    return profile(ProfileName::lan).receiver;
}

Nanos longest_of(const NakBackoff& backoff, int draws = 2000) {
    Random random(5);
    Nanos longest = 0;
    for (int i = 0; i < draws; ++i) longest = std::max(longest, backoff.draw(random));
    return longest;
}

TEST(NakBackoff, BeginsWithTheReceiversOwnInterval) {
    NakBackoff backoff(lan());
    EXPECT_EQ(backoff.interval(), 50 * kMicrosecond);
    EXPECT_LE(longest_of(backoff), 50 * kMicrosecond);
    EXPECT_GT(longest_of(backoff), 45 * kMicrosecond);
}

TEST(NakBackoff, AnAdvertisedIntervalIsUsedWithinTheAdvertisedRange) {
    NakBackoff backoff(lan());
    backoff.range(100, 5000);
    EXPECT_EQ(backoff.interval(), 100 * kMicrosecond);
    backoff.advertise(800);
    EXPECT_EQ(backoff.interval(), 800 * kMicrosecond);
    backoff.advertise(10);
    EXPECT_EQ(backoff.interval(), 100 * kMicrosecond);
    backoff.advertise(4'000'000'000);
    EXPECT_EQ(backoff.interval(), 5 * kMillisecond);
}

TEST(NakBackoff, AnAbsurdIntervalOrRangeStaysBelowTenSeconds) {
    NakBackoff backoff(lan());
    backoff.advertise(4'000'000'000);
    EXPECT_EQ(backoff.interval(), 10 * kSecond);
    backoff.range(4'000'000'000, 4'000'000'000);
    EXPECT_EQ(backoff.interval(), 10 * kSecond);
    backoff.clear();
    backoff.range(5000, 100);
    EXPECT_EQ(backoff.interval(), 50 * kMicrosecond) << "least above most: not taken";
}

TEST(NakBackoff, ValuesOfAPollThatDidNotCountUsAreNotUsed) {
    NakBackoff backoff(lan());
    backoff.range(50, 20'000);
    backoff.advertise_to_others();
    EXPECT_EQ(backoff.interval(), 20 * kMillisecond) << "the widest: nobody knows how many we are";
    backoff.advertise(400);
    backoff.advertise_to_others();
    EXPECT_EQ(backoff.interval(), 400 * kMicrosecond) << "what may be used stays";
}

TEST(NakBackoff, UnderASilentSourceDuplicatesDoubleItAndCleanLossesHalveIt) {
    NakBackoff backoff(lan());
    Nanos now = kSecond;
    for (int i = 0; i < 3; ++i, now += kSecond) backoff.duplicate(now);
    EXPECT_EQ(backoff.interval(), 400 * kMicrosecond);
    backoff.duplicate(now);
    backoff.duplicate(now + 1);
    EXPECT_EQ(backoff.interval(), 800 * kMicrosecond) << "duplicates of one loss count once";
    int losses = 0;
    for (; losses < 100 && backoff.interval() > 50 * kMicrosecond; ++losses) backoff.measured();
    EXPECT_EQ(backoff.interval(), 50 * kMicrosecond);
    EXPECT_LE(losses, 100);
}

TEST(NakBackoff, ProfilesWithDocumentedTimersDoNotMove) {
    NakBackoff backoff(profile(ProfileName::windows).receiver);
    backoff.duplicate(kSecond);
    EXPECT_EQ(backoff.interval(), 600 * kMillisecond);
    for (int i = 0; i < 100; ++i) backoff.measured();
    EXPECT_EQ(backoff.interval(), 600 * kMillisecond);
}

TEST(NakBackoff, AnAdvertisingSourceIsNotSecondGuessed) {
    NakBackoff backoff(lan());
    backoff.range(50, 20'000);
    backoff.advertise(400);
    backoff.duplicate(kSecond);
    for (int i = 0; i < 100; ++i) backoff.measured();
    EXPECT_EQ(backoff.interval(), 400 * kMicrosecond);
}

TEST(NakBackoff, ALongPathIsNotTakenForACrowd) {
    NakBackoff backoff(lan());
    backoff.range(50, 20'000);
    backoff.advertise(20'000);
    Random random(5);
    Nanos early_near = 0, early_far = 0;
    for (int i = 0; i < 2000; ++i) {
        early_near += backoff.draw(random) < 5 * kMillisecond ? 1 : 0;
        early_far += backoff.draw(random, 10 * kMillisecond) < 5 * kMillisecond ? 1 : 0;
    }
    EXPECT_LT(early_near, 5);
    EXPECT_GT(early_far, 50);
}

// Of 40 and of 4,000 alike: what grows by e in a round trip has grown by e when the first is heard.
TEST(NakBackoff, AboutThreeSpeakBeforeTheFirstIsHeardWhateverTheirNumber) {
    for (const std::size_t receivers : {40u, 4000u}) {
        NakBackoff backoff(lan());
        const auto round_trip_us = std::uint32_t{200};
        backoff.range(round_trip_us, 20'000);
        backoff.advertise(static_cast<std::uint32_t>(
            round_trip_us * (1 + std::log(static_cast<double>(receivers)))));
        Random random(5);
        double spoken = 0, first = 0;
        constexpr int kLosses = 200;
        for (int loss = 0; loss < kLosses; ++loss) {
            std::vector<Nanos> draws(receivers);
            for (Nanos& draw : draws) draw = backoff.draw(random);
            const Nanos begin = *std::min_element(draws.begin(), draws.end());
            first += static_cast<double>(begin);
            spoken += static_cast<double>(std::count_if(draws.begin(), draws.end(), [&](Nanos at) {
                return at <= begin + round_trip_us * kMicrosecond;
            }));
        }
        EXPECT_LT(spoken / kLosses, 4) << receivers;
        EXPECT_LT(first / kLosses, 250'000) << receivers << ": nobody waits long";
    }
}

TEST(NakBackoff, AWiderIntervalIsDrawnFromMoreSteeply) {
    EXPECT_DOUBLE_EQ(backoff_steepness(1), 1);
    EXPECT_DOUBLE_EQ(backoff_steepness(0.1), 1);
    EXPECT_DOUBLE_EQ(backoff_steepness(8), 8);
    EXPECT_EQ(backoff_steepness(1e30), 30);
}

}  // namespace
}  // namespace fanfare::engine
