#include "engine/core/nak_spacing.hpp"

#include <gtest/gtest.h>

namespace fanfare::engine {
namespace {

ReceiverParameters with(Nanos backoff_max, bool lists = true) {
    ReceiverParameters p;
    p.nak_backoff_max_ns = backoff_max;
    p.nak_lists = lists;
    return p;
}

TEST(NakSpacing, TheFirstNakNeverWaits) {
    EXPECT_LE(NakSpacing(with(50 * kMicrosecond)).until(), 0);
}

TEST(NakSpacing, TheNextOneWaitsFourBackOffs) {
    NakSpacing spacing(with(50 * kMicrosecond));
    spacing.sent(kSecond);
    EXPECT_EQ(spacing.until(), kSecond + 200 * kMicrosecond);
    spacing.clear();
    EXPECT_LE(spacing.until(), 0);
}

TEST(NakSpacing, SlowProfilesWaitNoLongerThanARepairIsWorth) {
    NakSpacing spacing(with(600 * kMillisecond));
    spacing.sent(kSecond);
    EXPECT_EQ(spacing.until(), kSecond + 250 * kMicrosecond);
}

TEST(NakSpacing, WithoutListsWaitingSparesNothing) {
    NakSpacing spacing(with(50 * kMicrosecond, false));
    spacing.sent(kSecond);
    EXPECT_EQ(spacing.until(), kSecond);
}

}  // namespace
}  // namespace fanfare::engine
