#include "engine/core/rate_meter.hpp"

#include <gtest/gtest.h>

namespace fanfare::engine {
namespace {

TEST(RateMeter, ReportsTheLastFullSecondAndTheWholeSession) {
    RateMeter meter;
    meter.start(0);
    meter.add(125'000, kSecond / 2);
    EXPECT_EQ(meter.kbits_last(), 0u) << "no second is full yet";
    meter.roll(kSecond);
    EXPECT_EQ(meter.kbits_last(), 1000u);
    meter.add(250'000, kSecond + 1);
    meter.roll(2 * kSecond);
    EXPECT_EQ(meter.kbits_last(), 2000u);
    EXPECT_EQ(meter.kbits_overall(2 * kSecond), 1500u);
    meter.roll(9 * kSecond);
    EXPECT_EQ(meter.kbits_last(), 0u) << "the last full second was silent";
}

TEST(RateMeter, AnswersZeroBeforeAnyTimeHasPassed) {
    RateMeter meter;
    meter.start(5);
    meter.add(1000, 5);
    EXPECT_EQ(meter.kbits_overall(5), 0u);
}

}  // namespace
}  // namespace fanfare::engine
