#include "sim/clock.hpp"

#include <gtest/gtest.h>

#include "sim/random.hpp"

namespace fanfare::sim {
namespace {

TEST(Clock, without_error_it_shows_the_true_time) {
    const Clock clock;
    EXPECT_EQ(clock.at(123'456'789), 123'456'789);
    EXPECT_EQ(clock.true_time(123'456'789), 123'456'789);
    EXPECT_EQ(clock.true_time(kNever), kNever);
}

TEST(Clock, a_fast_one_gains_and_a_slow_one_loses) {
    EXPECT_EQ((Clock{0, 200}).at(kSecond), kSecond + 200 * kMicrosecond);
    EXPECT_EQ((Clock{5, -200}).at(kSecond), kSecond - 200 * kMicrosecond + 5);
}

TEST(Clock, a_deadline_is_met_at_the_first_true_time_that_shows_it) {
    Random random(7);
    for (int i = 0; i < 10'000; ++i) {
        const Clock clock{random.between(0, 3600 * kSecond),
                          static_cast<std::int32_t>(random.between(-100'000, 100'000))};
        const Nanos now = random.between(1, 2000 * kSecond);
        const Nanos time = clock.true_time(clock.at(now));
        EXPECT_GE(clock.at(time), clock.at(now));
        EXPECT_LT(clock.at(time - 1), clock.at(now));
        EXPECT_LE(time, now);
    }
}

TEST(Clock, a_deadline_far_away_does_not_overflow) {
    const Clock clock{0, 100};
    const Nanos far = 1'000'000'000 * kSecond;
    EXPECT_GT(clock.true_time(far), far / 2);
    EXPECT_LE(clock.true_time(far), far);
}

TEST(Clock, what_was_due_before_the_beginning_is_due_at_the_beginning) {
    EXPECT_EQ((Clock{kSecond, 0}).true_time(5), 0);
}

}  // namespace
}  // namespace fanfare::sim
