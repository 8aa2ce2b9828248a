#include "engine/core/repair_hold.hpp"

#include <gtest/gtest.h>

namespace fanfare::engine {
namespace {

constexpr Nanos kFloor = 100 * kMicrosecond, kCeiling = 5 * kMillisecond;

// RFC 3208 5.3.
TEST(RepairHold, GrowsToTheRoundTripThatCrossingNaksShowAndFadesWithoutThem) {
    RepairHold hold(kFloor, kCeiling);
    EXPECT_EQ(hold.hold(), kFloor);
    for (int i = 0; i < 10; ++i) hold.crossed(800 * kMicrosecond);
    EXPECT_EQ(hold.hold(), 1200 * kMicrosecond);
    for (int i = 0; i < 600; ++i) hold.fresh();
    EXPECT_LT(hold.hold(), kFloor + 32);
}

TEST(RepairHold, BeginsWhereItIsToldWithinItsBounds) {
    EXPECT_EQ(RepairHold(kFloor, kCeiling, kMillisecond).hold(), kMillisecond);
    EXPECT_EQ(RepairHold(kFloor, kCeiling, kSecond).hold(), kCeiling);
    EXPECT_EQ(RepairHold(20 * kMillisecond, 0, kMillisecond).hold(), 20 * kMillisecond);
}

TEST(RepairHold, OneNakDoublesItAtMostAndNoneBringsItBeyondTheCeiling) {
    RepairHold hold(kFloor, kCeiling);
    hold.crossed(4 * kMillisecond);
    EXPECT_EQ(hold.hold(), 2 * kFloor);
    for (int i = 0; i < 100; ++i) hold.crossed(4900 * kMicrosecond);
    EXPECT_EQ(hold.hold(), kCeiling);
    RepairHold other(kFloor, kCeiling);
    other.crossed(kSecond);
    other.crossed(-1);
    EXPECT_EQ(other.hold(), kFloor) << "that was no crossing";
}

TEST(RepairHold, ADocumentedMergeTimeDoesNotMove) {
    RepairHold hold(20 * kMillisecond, 0);
    hold.crossed(15 * kMillisecond);
    hold.fresh();
    EXPECT_EQ(hold.hold(), 20 * kMillisecond);
}

TEST(RepairHold, NcfsWaitHalfAsLong) {
    RepairHold hold(kFloor, kCeiling);
    EXPECT_EQ(hold.confirm_gap(), kFloor);
    for (int i = 0; i < 10; ++i) hold.crossed(800 * kMicrosecond);
    EXPECT_EQ(hold.confirm_gap(), 600 * kMicrosecond);
}

TEST(RepairHold, WhoAsksAgainWaitsAQuarterOfItAndShortensIt) {
    RepairHold hold(kFloor, kCeiling, 2 * kMillisecond);
    EXPECT_EQ(hold.repair_gap(1), 2 * kMillisecond);
    EXPECT_EQ(hold.repair_gap(1, true), 500 * kMicrosecond);
    hold.in_vain();
    EXPECT_EQ(hold.hold(), 1525 * kMicrosecond);
    for (int i = 0; i < 100; ++i) hold.in_vain();
    EXPECT_LT(hold.hold(), kFloor + 4);
    EXPECT_EQ(hold.repair_gap(1, true), kFloor);
}

TEST(RepairHold, ANumberThatIsAskedForAgainAndAgainIsRepairedEverMoreSeldom) {
    RepairHold hold(kFloor, kCeiling);
    EXPECT_EQ(hold.repair_gap(0), kFloor);
    EXPECT_EQ(hold.repair_gap(16), kFloor);
    EXPECT_EQ(hold.repair_gap(17), 2 * kMillisecond);
    EXPECT_EQ(hold.repair_gap(20), 16 * kMillisecond);
    EXPECT_EQ(hold.repair_gap(127), 256 * kMillisecond);
}

}  // namespace
}  // namespace fanfare::engine
