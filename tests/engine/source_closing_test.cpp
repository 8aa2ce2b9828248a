#include "engine/core/source_closing.hpp"

#include <gtest/gtest.h>

namespace fanfare::engine {
namespace {

SourceParameters by_time() {
    return {};
}
SourceParameters by_data() {
    SourceParameters p;
    p.rate_bits_per_s = 0;
    return p;
}

TEST(SourceClosing, AFinishedSourceGoesWhenItsWindowHasPassed) {
    SourceClosing closing(by_time());
    closing.finish(0);
    EXPECT_FALSE(closing.reached(false, 100 * kSecond));
    EXPECT_TRUE(closing.reached(true, 1));
}

TEST(SourceClosing, ALingerTimeEndsTheWaitEarly) {
    SourceParameters p;
    p.linger_ns = 50;
    SourceClosing closing(p);
    closing.finish(100);
    EXPECT_EQ(closing.deadline(), 150);
    EXPECT_FALSE(closing.reached(false, 149));
    EXPECT_TRUE(closing.reached(false, 150));
}

TEST(SourceClosing, WithRateZeroItWaitsForASecondOfQuiet) {
    SourceClosing closing(by_data());
    closing.finish(0);
    EXPECT_FALSE(closing.reached(true, kSecond - 1));
    closing.nak_heard(kSecond / 2);
    EXPECT_FALSE(closing.reached(false, kSecond));
    EXPECT_TRUE(closing.reached(false, kSecond * 3 / 2));
}

TEST(SourceClosing, WithRateZeroNaksHoldItForTenQuietTimesAtMost) {
    SourceClosing closing(by_data());
    closing.finish(0);
    for (Nanos now = 0; now < 10 * kSecond; now += kSecond / 2) {
        closing.nak_heard(now);
        ASSERT_FALSE(closing.reached(false, now));
    }
    EXPECT_TRUE(closing.reached(false, 10 * kSecond));
}

TEST(SourceClosing, AnAbortOverridesAFinish) {
    SourceClosing closing(by_time());
    closing.finish(0);
    closing.abort(5);
    EXPECT_TRUE(closing.aborting());
    EXPECT_EQ(closing.error(), 5);
    EXPECT_FALSE(closing.reached(true, kSecond));
    closing.complete();
    closing.abort(1);
    EXPECT_TRUE(closing.done());
}

}  // namespace
}  // namespace fanfare::engine
