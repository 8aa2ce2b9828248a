#include "engine/core/random.hpp"

#include <gtest/gtest.h>

namespace fanfare::engine {
namespace {

TEST(Random, TheSameSeedGivesTheSameNumbers) {
    Random a(9), b(9), c(10);
    const auto first = a.next();
    EXPECT_EQ(first, b.next());
    EXPECT_NE(first, c.next());
}

TEST(Random, BetweenStaysInsideAndReachesBothEnds) {
    Random random(1);
    bool low = false, high = false;
    for (int i = 0; i < 1000; ++i) {
        const Nanos n = random.between(-2, 2);
        ASSERT_GE(n, -2);
        ASSERT_LE(n, 2);
        low |= n == -2;
        high |= n == 2;
    }
    EXPECT_TRUE(low && high);
    EXPECT_EQ(random.between(5, 5), 5);
    EXPECT_EQ(random.between(7, 3), 7);
}

}  // namespace
}  // namespace fanfare::engine
