// Percentiles from steps: right within a step, at every size.
#include "apps/fanfare/histogram.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace fanfare::tool {
namespace {

TEST(Histogram, SaysNothingOfNothing) {
    const Histogram h;
    EXPECT_EQ(h.percentile(0.5), 0u);
    EXPECT_EQ(h.count(), 0u);
}

TEST(Histogram, KeepsSmallValuesExactly) {
    Histogram h;
    for (int i = 1; i <= 50; ++i) h.add(i);
    EXPECT_EQ(h.percentile(0.5), 25u);
    EXPECT_EQ(h.percentile(1.0), 50u);
    EXPECT_EQ(h.percentile(0.0), 1u);
}

TEST(Histogram, IsWithinOneStepOfTheTruePercentileAtEverySize) {
    const std::uint64_t seed = 99;
    std::cout << "seed " << seed << "\n";
    std::mt19937_64 random(seed);
    Histogram h;
    std::vector<std::uint64_t> all;
    for (int i = 0; i < 50'000; ++i) {
        const std::uint64_t value = random() >> (24 + random() % 40);
        all.push_back(value);
        h.add(static_cast<std::int64_t>(value));
    }
    std::sort(all.begin(), all.end());
    for (const double share : {0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0}) {
        const auto rank = static_cast<std::size_t>(std::ceil(share * 50'000)) - 1;
        const double truth = static_cast<double>(all[rank]);
        EXPECT_GE(static_cast<double>(h.percentile(share)), truth) << share;
        EXPECT_LE(static_cast<double>(h.percentile(share)), truth * 1.016 + 1) << share;
    }
    EXPECT_EQ(h.max(), all.back());
}

TEST(Histogram, TakesWhatIsOutOfItsRange) {
    Histogram h;
    h.add(-5);
    h.add(std::int64_t{1} << 62);
    EXPECT_EQ(h.percentile(0.5), 0u);
    EXPECT_EQ(h.max(), std::uint64_t{1} << 62);
}

TEST(Histogram, CountsAndRanksTheTailAlone) {
    Histogram h;
    for (int i = 0; i < 90; ++i) h.add(1000);
    for (int i = 1; i <= 10; ++i) h.add(i * 1'000'000);
    EXPECT_EQ(h.count_above(2000), 10u);
    EXPECT_NEAR(static_cast<double>(h.percentile(0.5, 2000)), 5e6, 1e5);
    EXPECT_EQ(h.percentile(0.5, 20'000'000), 0u);
}

}  // namespace
}  // namespace fanfare::tool
