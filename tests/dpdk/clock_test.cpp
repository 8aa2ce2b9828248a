#include "dataplane/dpdk/clock.hpp"

#include <gtest/gtest.h>
#include <time.h>

using namespace fanfare;
using namespace fanfare::dataplane::dpdk;

namespace {

Nanos kernel_now() {
    timespec t{};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * kSecond + t.tv_nsec;
}

}  // namespace

TEST(ClockTest, TurnsTicksIntoNanosecondsExactlyAtARoundRate) {
    const TickScale scale(1000, 5 * kSecond, 2e9);
    EXPECT_EQ(scale.nanos(1000), 5 * kSecond);
    EXPECT_EQ(scale.nanos(1002), 5 * kSecond + 1);
    EXPECT_EQ(scale.nanos(1000 + 2'000'000'000), 6 * kSecond);
}

TEST(ClockTest, DoesNotWrapInYears) {
    const double rate = 4.9e9;
    const TickScale scale(0, 0, rate);
    const std::uint64_t year = 365ull * 24 * 3600;
    const auto ticks = static_cast<std::uint64_t>(rate) * year * 10;
    EXPECT_NEAR(static_cast<double>(scale.nanos(ticks)), 10.0 * static_cast<double>(year) * 1e9,
                1e6);
}

TEST(ClockTest, NeverGoesBackwards) {
    const TickScale scale(1'000'000, 77, 2.6e9);
    Nanos last = 0;
    for (std::uint64_t ticks = 999'000; ticks < 1'010'000; ++ticks) {
        const Nanos now = scale.nanos(ticks);
        ASSERT_GE(now, last);
        last = now;
    }
    EXPECT_EQ(scale.nanos(0), 77);
}

TEST(ClockTest, AgreesWithTheKernelsMonotonicClock) {
    const TickMeter meter;
    const Clock clock(meter.scale());
    // Between two readings of the kernel's clock, give or take the error of the rate over the time
    // since.
    const Nanos before = kernel_now();
    const Nanos now = clock.now();
    const Nanos after = kernel_now();
    EXPECT_GT(now, before - 20 * kMicrosecond);
    EXPECT_LT(now, after + 20 * kMicrosecond);
}
