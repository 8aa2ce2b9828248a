#include "engine/core/repair_pace.hpp"

#include <gtest/gtest.h>

namespace fanfare::engine {
namespace {

TEST(RepairPace, HalvesOncePerIntervalWhenRepairsAreLate) {
    RepairPace pace;
    const auto start = pace.limit();
    for (int i = 0; i < 100; ++i) pace.late(1000, 50);
    EXPECT_EQ(pace.limit(), start / 2);
    pace.late(1050, 50);
    EXPECT_EQ(pace.limit(), start / 4);
}

TEST(RepairPace, NeverFallsBelowOneNakListAndGrowsWithRepairs) {
    RepairPace pace;
    for (Nanos now = 0; now < 100; ++now) pace.late(now, 1);
    EXPECT_EQ(pace.limit(), 63u);
    for (int i = 0; i < 100'000; ++i) pace.repaired();
    EXPECT_EQ(pace.limit(), 16384u);
}

}  // namespace
}  // namespace fanfare::engine
