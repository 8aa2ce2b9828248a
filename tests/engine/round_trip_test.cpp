#include "engine/core/round_trip.hpp"

#include <gtest/gtest.h>

namespace fanfare::engine {
namespace {

RoundTrip lan() {
    return RoundTrip({2 * kMillisecond, 50 * kMicrosecond, 20 * kMillisecond, true});
}

TEST(RoundTrip, WaitsTheConfiguredTimeBeforeTheFirstSample) {
    EXPECT_EQ(lan().timeout(0), 2 * kMillisecond);
}

TEST(RoundTrip, FollowsTheMeasuredPathAndNeverGoesBelowTheFloor) {
    RoundTrip trip = lan();
    for (int i = 0; i < 100; ++i) trip.sample(300 * kMicrosecond);
    EXPECT_GE(trip.timeout(0), 300 * kMicrosecond);
    EXPECT_LE(trip.timeout(0), 400 * kMicrosecond);
    for (int i = 0; i < 100; ++i) trip.sample(kMicrosecond);
    EXPECT_EQ(trip.timeout(0), 50 * kMicrosecond);
}

TEST(RoundTrip, DoublesWithEveryRetryUpToTheCeiling) {
    RoundTrip trip = lan();
    for (int i = 0; i < 100; ++i) trip.sample(0);
    EXPECT_EQ(trip.timeout(1), 100 * kMicrosecond);
    EXPECT_EQ(trip.timeout(3), 400 * kMicrosecond);
    EXPECT_EQ(trip.timeout(40), 20 * kMillisecond);
}

TEST(RoundTrip, AStallCountsAsTheCeilingAtMost) {
    RoundTrip trip = lan();
    trip.sample(10 * kSecond);
    EXPECT_EQ(trip.timeout(0), 20 * kMillisecond);
}

TEST(RoundTrip, APathBeyondTheCeilingIsBelievedWhereItIsAllowedAndOnlyStepByStep) {
    RoundTrip trip(
        {2 * kMillisecond, 50 * kMicrosecond, 20 * kMillisecond, true, 100 * kMillisecond});
    trip.sample(kSecond);
    EXPECT_LE(trip.timeout(0), 40 * kMillisecond);
    for (int i = 0; i < 50; ++i) trip.sample(45 * kMillisecond);
    EXPECT_GE(trip.timeout(0), 44 * kMillisecond);
    for (int i = 0; i < 500; ++i) trip.sample(kSecond);
    EXPECT_LE(trip.timeout(0), 100 * kMillisecond);
    RoundTrip bounded = lan();
    for (int i = 0; i < 50; ++i) bounded.sample(45 * kMillisecond);
    EXPECT_EQ(bounded.timeout(0), 20 * kMillisecond);
}

TEST(RoundTrip, FixedTimersStayFixed) {
    RoundTrip trip({200 * kMillisecond, 50 * kMicrosecond, 20 * kMillisecond, false});
    trip.sample(kMicrosecond);
    EXPECT_EQ(trip.timeout(0), 200 * kMillisecond);
    EXPECT_EQ(trip.timeout(7), 200 * kMillisecond);
}

}  // namespace
}  // namespace fanfare::engine
