#include "engine/core/backoff_tuning.hpp"

#include <gtest/gtest.h>

namespace fanfare::engine {
namespace {

SourceParameters lan() {
    return profile(ProfileName::lan).source;
}

// RFC 3208 15.2.1.
TEST(BackoffTuning, AloneAReceiverIsAtTheFloorWithinAHundredLossesFromWhereverItWas) {
    BackoffTuning tuning(lan());
    for (Nanos now = 0; tuning.interval() < tuning.max(); now += kSecond) {
        tuning.crowded(now);
        tuning.late(20 * kMillisecond);
    }
    EXPECT_EQ(tuning.interval(), 20 * kMillisecond);
    int losses = 0;
    for (; tuning.interval() > 50 * kMicrosecond && losses < 1000; ++losses) tuning.asked();
    EXPECT_LE(losses, 100);
    for (int i = 0; i < 100; ++i) tuning.asked();
    EXPECT_EQ(tuning.interval(), 50 * kMicrosecond);
}

TEST(BackoffTuning, ACrowdWidensItByHalfOnceAnInterval) {
    BackoffTuning tuning(lan());
    tuning.crowded(kSecond);
    EXPECT_EQ(tuning.interval(), 600 * kMicrosecond);
    for (int i = 1; i < 100; ++i) tuning.crowded(kSecond + i);
    EXPECT_EQ(tuning.interval(), 600 * kMicrosecond);
    tuning.crowded(kSecond + 600 * kMicrosecond);
    EXPECT_EQ(tuning.interval(), 800 * kMicrosecond) << "16 spreads are the most";
    tuning.crowded(2 * kSecond);
    EXPECT_EQ(tuning.interval(), 800 * kMicrosecond);
}

TEST(BackoffTuning, EightLossesWithoutACrowdHalveIt) {
    BackoffTuning tuning(lan());
    for (int i = 0; i < 8; ++i) tuning.asked();
    EXPECT_NEAR(static_cast<double>(tuning.interval()), 200'000, 100);
}

TEST(BackoffTuning, NaksThatCameTooLateToBeSilencedTellThePathAndItFades) {
    BackoffTuning tuning(lan());
    EXPECT_EQ(tuning.min(), 50 * kMicrosecond);
    tuning.late(400 * kMicrosecond);
    EXPECT_EQ(tuning.min(), 100 * kMicrosecond) << "at most doubled by one";
    for (int i = 0; i < 5; ++i) tuning.late(400 * kMicrosecond);
    EXPECT_EQ(tuning.min(), 500 * kMicrosecond) << "a quarter beyond what was seen";
    EXPECT_EQ(tuning.interval(), 4 * kMillisecond) << "as many spreads as before";
    tuning.late(10 * kMicrosecond);
    EXPECT_EQ(tuning.min(), 500 * kMicrosecond);
    for (int i = 0; i < 200; ++i) tuning.asked();
    EXPECT_EQ(tuning.min(), 50 * kMicrosecond);
    for (int i = 0; i < 30; ++i) tuning.late(kSecond);
    EXPECT_EQ(tuning.min(), tuning.max());
}

TEST(BackoffTuning, AQuarterMoreOrLessIsWorthTelling) {
    BackoffTuning tuning(lan());
    EXPECT_FALSE(tuning.moved(50 * kMicrosecond));
    EXPECT_FALSE(tuning.moved(60 * kMicrosecond));
    EXPECT_TRUE(tuning.moved(90 * kMicrosecond));
    EXPECT_TRUE(tuning.moved(30 * kMicrosecond));
}

TEST(BackoffTuning, APollThatCountsManyWidensItAndOneThatCountsFewDoesNot) {
    BackoffTuning tuning(lan());
    tuning.population(0);
    tuning.population(1);
    EXPECT_EQ(tuning.interval(), 400 * kMicrosecond);
    tuning.population(100'000);
    EXPECT_NEAR(static_cast<double>(tuning.interval()), 50'000 * (1 + std::log(1e5)), 100);
    tuning.population(~std::uint64_t{0});
    EXPECT_EQ(tuning.interval(), 800 * kMicrosecond);
}

TEST(BackoffTuning, WithoutLimitsNothingIsAdvertised) {
    BackoffTuning tuning(profile(ProfileName::openpgm).source);
    EXPECT_FALSE(tuning.advertises());
    tuning.crowded(kSecond);
    tuning.late(kSecond);
    tuning.population(1000);
    EXPECT_EQ(tuning.advertised(), 0);
}

}  // namespace
}  // namespace fanfare::engine
