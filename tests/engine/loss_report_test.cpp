#include "engine/core/loss_report.hpp"

#include <gtest/gtest.h>

namespace fanfare::engine {
namespace {

// RFC 3208 12.1: linear, 0xFFFF is a loss of everything.
TEST(LossReport, SaysTheShareOfTheNumbersOfLate) {
    LossReport report;
    EXPECT_EQ(report.rate(0, 0), 0);
    EXPECT_EQ(report.rate(1, 2), 0x7FFF);
    EXPECT_EQ(report.rate(1, 500), 0x7FFF) << "too few to say more";
    EXPECT_NEAR(report.rate(1, 2002), 0x3FFF, 2) << "half of what was, half of what is";
    for (std::uint64_t n = 4000, lost = 1; n < 80'000; n += 2000, lost += 200) {
        report.rate(lost, n);
    }
    EXPECT_NEAR(report.rate(7601, 80'000), 6553, 40);
}

TEST(LossReport, AllLostIsAllOfTheScale) {
    LossReport report;
    EXPECT_EQ(report.rate(4000, 2000), 0xFFFF);
}

}  // namespace
}  // namespace fanfare::engine
