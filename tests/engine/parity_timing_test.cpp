#include "engine/core/parity_timing.hpp"

#include <gtest/gtest.h>

namespace fanfare::engine {
namespace {

constexpr std::uint64_t kGroup = std::uint64_t{1} << 32;  // ordinal of a group's first number

struct Timing : ::testing::Test {
    ParityTiming timing;
    void SetUp() override { timing.start(8, true); }
};

TEST_F(Timing, AnythingOfALaterGroupTellsOfTheEarlierOnes) {
    EXPECT_EQ(timing.settled(kGroup + 7), kGroup);
    EXPECT_EQ(timing.settled(kGroup + 8), kGroup + 8);
    EXPECT_EQ(timing.settled(kGroup + 30), kGroup + 24);
}
TEST_F(Timing, TheLastDataPacketTellsOnlyWhereNoParityFollows) {
    timing.ended(kGroup);
    EXPECT_EQ(timing.settled(kGroup + 7), kGroup);
    timing.start(8, false);
    timing.ended(kGroup);
    EXPECT_EQ(timing.settled(kGroup + 7), kGroup + 8);
}
TEST_F(Timing, ParityOnDemandComesAfterAllThatWasUnasked) {
    timing.on_demand(kGroup);
    EXPECT_EQ(timing.settled(kGroup + 7), kGroup + 8);
}
TEST_F(Timing, AnSpmThatEndsAGroupTells) {
    timing.spm(kGroup + 7, true);
    EXPECT_EQ(timing.settled(kGroup + 7), kGroup + 8);
}
TEST_F(Timing, OneSpmInsideAGroupTellsNothingASecondThatTheSourcePauses) {
    timing.spm(kGroup + 3, false);
    EXPECT_EQ(timing.settled(kGroup + 3), kGroup);
    timing.spm(kGroup + 5, false);
    EXPECT_EQ(timing.settled(kGroup + 5), kGroup);
    timing.spm(kGroup + 5, false);
    EXPECT_EQ(timing.settled(kGroup + 5), kGroup + 6);
}

}  // namespace
}  // namespace fanfare::engine
