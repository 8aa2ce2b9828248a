#include "engine/core/rate_limiter.hpp"

#include <gtest/gtest.h>

namespace fanfare::engine {
namespace {

// Octets sent in `duration` by somebody who always has a datagram ready and asks at allowed_at().
std::uint64_t sent_in(RateLimiter& limiter, std::uint32_t datagram, Nanos duration) {
    std::uint64_t sent = 0;
    for (Nanos now = 0; now < duration;) {
        if (limiter.allows(datagram, now)) {
            limiter.charge(datagram, now);
            sent += datagram;
        } else {
            const Nanos next = limiter.allowed_at(datagram, now);
            EXPECT_GT(next, now);
            now = next;
        }
    }
    return sent;
}

TEST(RateLimiter, HoldsTheRateOverASecondToWithinTheDepth) {
    for (const std::uint64_t rate :
         {56'000ull, 10'000'000ull, 1'000'000'000ull, 40'000'000'000ull}) {
        RateLimiter limiter(rate, 1500);
        const std::uint64_t octets = sent_in(limiter, 1500, kSecond);
        const auto depth = static_cast<double>(limiter.depth()) * static_cast<double>(rate) / 8e9;
        EXPECT_LE(static_cast<double>(octets),
                  static_cast<double>(rate) / 8 * 1.0001 + depth + 1500)
            << rate;
        EXPECT_GE(static_cast<double>(octets), static_cast<double>(rate) / 8 * 0.999) << rate;
    }
}

TEST(RateLimiter, BurstsNoMoreThanAMillisecondOrTwoDatagrams) {
    RateLimiter fast(1'000'000'000, 1500);
    std::uint32_t burst = 0;
    while (fast.allows(1500, kSecond)) {
        fast.charge(1500, kSecond);
        ++burst;
    }
    EXPECT_EQ(burst, 83u);  // 125,000 octets
    RateLimiter slow(56'000, 1500);
    burst = 0;
    while (slow.allows(1500, kSecond)) {
        slow.charge(1500, kSecond);
        ++burst;
    }
    EXPECT_EQ(burst, 2u);
}

TEST(RateLimiter, WhatNeverWaitsLeavesADebtThatDataWaitsFor) {
    RateLimiter limiter(8'000'000, 1500);  // 1 octet a microsecond
    limiter.charge(1500, 0);
    limiter.charge(1500, 0);
    EXPECT_FALSE(limiter.allows(1500, 0));
    EXPECT_EQ(limiter.allowed_at(1500, 0), 1500 * kMicrosecond);
    limiter.charge(100, 0);
    EXPECT_EQ(limiter.allowed_at(1500, 0), 1600 * kMicrosecond);
    EXPECT_FALSE(limiter.allows(1500, 1600 * kMicrosecond - 1));
    EXPECT_TRUE(limiter.allows(1500, 1600 * kMicrosecond));
}

TEST(RateLimiter, RateZeroNeverWaits) {
    RateLimiter limiter(0, 1500);
    for (int i = 0; i < 1000; ++i) limiter.charge(65'535, 0);
    EXPECT_TRUE(limiter.allows(65'535, 0));
    EXPECT_FALSE(limiter.limited());
}

TEST(RateLimiter, IdleTimeIsNotSavedUpBeyondTheDepth) {
    RateLimiter limiter(8'000'000, 1500);
    limiter.charge(1500, 0);
    EXPECT_TRUE(limiter.allows(3000, 3600 * kSecond));
    EXPECT_FALSE(limiter.allows(3001 + 1500, 0));
}

}  // namespace
}  // namespace fanfare::engine
