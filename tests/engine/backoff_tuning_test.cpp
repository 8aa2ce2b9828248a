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
    for (Nanos now = 0; tuning.interval() < tuning.max(); now += kSecond) tuning.duplicate(now);
    EXPECT_EQ(tuning.interval(), 20 * kMillisecond);
    int losses = 0;
    for (; tuning.interval() > tuning.min() && losses < 1000; ++losses) tuning.asked();
    EXPECT_EQ(tuning.interval(), 50 * kMicrosecond);
    EXPECT_LE(losses, 100);
    for (int i = 0; i < 100; ++i) tuning.asked();
    EXPECT_EQ(tuning.interval(), 50 * kMicrosecond);
}

TEST(BackoffTuning, ADuplicateDoublesItOnceAnInterval) {
    BackoffTuning tuning(lan());
    tuning.duplicate(kSecond);
    EXPECT_EQ(tuning.interval(), 800 * kMicrosecond);
    for (int i = 1; i < 100; ++i) tuning.duplicate(kSecond + i);
    EXPECT_EQ(tuning.interval(), 800 * kMicrosecond);
    tuning.duplicate(kSecond + 800 * kMicrosecond);
    EXPECT_EQ(tuning.interval(), 1600 * kMicrosecond);
}

TEST(BackoffTuning, OnlyARowOfCleanRepairsHalvesIt) {
    BackoffTuning tuning(lan());
    for (int i = 0; i < 7; ++i) tuning.asked();
    tuning.duplicate(kSecond);
    for (int i = 0; i < 7; ++i) tuning.asked();
    EXPECT_EQ(tuning.interval(), 800 * kMicrosecond);
    tuning.asked();
    EXPECT_EQ(tuning.interval(), 400 * kMicrosecond);
}

TEST(BackoffTuning, APollThatCountsManyWidensItAndOneThatCountsFewDoesNot) {
    BackoffTuning tuning(lan());
    tuning.population(1);
    EXPECT_EQ(tuning.interval(), 400 * kMicrosecond);
    tuning.population(100'000);
    EXPECT_EQ(tuning.interval(), 3200 * kMicrosecond);
    tuning.population(~std::uint64_t{0});
    EXPECT_EQ(tuning.interval(), tuning.max());
}

TEST(BackoffTuning, WithoutLimitsNothingIsAdvertised) {
    BackoffTuning tuning(profile(ProfileName::openpgm).source);
    EXPECT_FALSE(tuning.advertises());
    tuning.duplicate(kSecond);
    tuning.population(1000);
    EXPECT_EQ(tuning.advertised(), 0);
}

}  // namespace
}  // namespace fanfare::engine
