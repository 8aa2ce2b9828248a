#include "engine/core/repair_share.hpp"

#include <gtest/gtest.h>

namespace fanfare::engine {
namespace {

double share_under_storm(std::uint32_t percent) {
    RepairShare share(percent, 1500);
    std::uint64_t repairs = 0, data = 0;
    for (int i = 0; i < 100'000; ++i) {
        if (share.allows()) {
            share.repair_sent(1500);
            ++repairs;
        } else {
            share.data_sent(1500);
            ++data;
        }
    }
    return 100.0 * static_cast<double>(repairs) / static_cast<double>(repairs + data);
}

TEST(RepairShare, AStormOfRepairsGetsItsShareAndNoMore) {
    EXPECT_NEAR(share_under_storm(50), 50, 0.1);
    EXPECT_NEAR(share_under_storm(20), 20, 0.1);
    EXPECT_EQ(share_under_storm(0), 0);
    EXPECT_EQ(share_under_storm(100), 100);
}

TEST(RepairShare, TheLossesOfOneBurstGoAheadOfAllNewData) {
    RepairShare share(10, 1500);
    for (int i = 0; i < 16; ++i) {
        ASSERT_TRUE(share.allows());
        share.repair_sent(1500);
    }
    EXPECT_FALSE(share.allows());
    share.refill();
    EXPECT_TRUE(share.allows());
}

}  // namespace
}  // namespace fanfare::engine
