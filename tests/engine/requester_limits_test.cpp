#include "engine/core/requester_limits.hpp"

#include <gtest/gtest.h>

namespace fanfare::engine {
namespace {

constexpr Address kSomebody = Address::from_octets(10, 0, 1, 1);
constexpr std::uint64_t kNext = std::uint64_t{1} << 32;

std::uint64_t all_that_is_given(RequesterLimits& limits, Address who, Nanos now,
                                std::uint64_t next = kNext, std::uint64_t held = 0) {
    std::uint64_t given = 0;
    for (int i = 0; i < 10'000; ++i) given += limits.take(who, 63, next, held, now);
    return given;
}

TEST(RequesterLimits, ABurstIsGivenAndThenNothing) {
    RequesterLimits limits;
    EXPECT_EQ(limits.take(kSomebody, 63, kNext, 0, kSecond), 63u);
    EXPECT_EQ(all_that_is_given(limits, kSomebody, kSecond), 4096u - 63);
    EXPECT_EQ(limits.take(kSomebody, 1, kNext, 0, kSecond), 0u);
}

TEST(RequesterLimits, EveryNumberSentGivesFourTries) {
    RequesterLimits limits;
    all_that_is_given(limits, kSomebody, kSecond);
    EXPECT_EQ(all_that_is_given(limits, kSomebody, kSecond, kNext + 1000, 10'000), 4000u);
    EXPECT_EQ(all_that_is_given(limits, kSomebody, kSecond, kNext + 1'000'000, 1000), 4096u + 4000u)
        << "never more than the window's worth";
}

TEST(RequesterLimits, TimeGivesAThousandASecond) {
    RequesterLimits limits;
    all_that_is_given(limits, kSomebody, kSecond);
    EXPECT_EQ(all_that_is_given(limits, kSomebody, 2 * kSecond), 1000u);
    EXPECT_EQ(all_that_is_given(limits, kSomebody, 2 * kSecond + kMillisecond / 2), 0u);
    EXPECT_EQ(all_that_is_given(limits, kSomebody, 2 * kSecond + kMillisecond), 1u);
}

TEST(RequesterLimits, OneRequesterDoesNotTakeFromAnother) {
    RequesterLimits limits;
    all_that_is_given(limits, kSomebody, kSecond);
    EXPECT_EQ(limits.take(Address::from_octets(10, 0, 1, 2), 63, kNext, 0, kSecond), 63u);
}

TEST(RequesterLimits, StrangersWithoutNumberCostNoMemoryAndTheSilentMakePlace) {
    RequesterLimits limits;
    for (std::uint32_t i = 1; i < 100'000; ++i) {
        EXPECT_EQ(limits.take(Address{i * 977}, 1, kNext, 0, kSecond + i), 1u);
    }
    all_that_is_given(limits, kSomebody, 2 * kSecond);
    EXPECT_EQ(limits.take(kSomebody, 1, kNext, 0, 2 * kSecond), 0u) << "and it is known again";
}

}  // namespace
}  // namespace fanfare::engine
