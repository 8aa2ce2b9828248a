#include "engine/core/truncated_exponential.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace fanfare::engine {
namespace {

// Kolmogorov's distance of 20,000 draws from the law; 0.0115 is its 1 % limit.
double distance_from_law(double steepness, std::uint64_t seed) {
    Random random(seed);
    constexpr int kDraws = 20'000;
    constexpr Nanos kInterval = kSecond;
    std::vector<double> draws;
    for (int i = 0; i < kDraws; ++i) {
        const Nanos draw = truncated_exponential(kInterval, steepness, random);
        EXPECT_GE(draw, 0);
        EXPECT_LE(draw, kInterval);
        draws.push_back(static_cast<double>(draw) / static_cast<double>(kInterval));
    }
    std::sort(draws.begin(), draws.end());
    double worst = 0;
    for (int i = 0; i < kDraws; ++i) {
        const double law =
            std::expm1(steepness * draws[static_cast<std::size_t>(i)]) / std::expm1(steepness);
        worst = std::max(worst, std::abs(law - i / double{kDraws}));
    }
    return worst;
}

TEST(TruncatedExponential, DrawsFollowTheLaw) {
    for (const double steepness : {0.01, 1.0, 4.0, 8.0, 20.0}) {
        EXPECT_LT(distance_from_law(steepness, 7), 0.0115) << steepness;
    }
}

TEST(TruncatedExponential, OfAThousandOnlyAFewAreEarly) {
    // ln(1000) + 1: within the first tenth of the interval there are about one or two of them.
    Random random(3);
    int early = 0;
    for (int i = 0; i < 1000; ++i) {
        if (truncated_exponential(kMillisecond, 7.9, random) < 100 * kMicrosecond) ++early;
    }
    EXPECT_LE(early, 4);
}

TEST(TruncatedExponential, AnEmptyIntervalIsNoWait) {
    Random random(1);
    EXPECT_EQ(truncated_exponential(0, 8, random), 0);
    EXPECT_EQ(truncated_exponential(-5, 8, random), 0);
}

}  // namespace
}  // namespace fanfare::engine
