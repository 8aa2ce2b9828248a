#include "engine/core/redirect.hpp"

#include <gtest/gtest.h>

namespace fanfare::engine {
namespace {

constexpr Address kSelf = Address::from_octets(10, 1, 2, 3);
constexpr Address kRepairer = Address::from_octets(10, 9, 0, 1);
constexpr Address kOther = Address::from_octets(10, 9, 0, 2);

Redirect following(std::uint8_t prefix = 24) {
    Redirect r;
    r.start(kSelf, prefix);
    return r;
}

TEST(Redirect, AnOfferFromTheOwnSubnetIsIgnored) {
    auto r = following();
    EXPECT_FALSE(r.offered(Address::from_octets(10, 1, 2, 200), false, 0));
    EXPECT_FALSE(r.active());
    EXPECT_TRUE(r.offered(Address::from_octets(10, 1, 3, 200), false, 0));
    EXPECT_TRUE(r.active());
    auto wide = following(8);
    EXPECT_FALSE(wide.offered(kRepairer, false, 0));
}

TEST(Redirect, WithoutASubnetOrForNonsenseNothingIsFollowed) {
    auto none = following(0);
    EXPECT_FALSE(none.offered(kRepairer, false, 0));
    auto r = following(32);
    EXPECT_FALSE(r.offered(Address{}, false, 0));
    EXPECT_FALSE(r.offered(Address::from_octets(239, 1, 1, 1), false, 0));
    EXPECT_FALSE(r.offered(kSelf, false, 0));
    EXPECT_TRUE(r.offered(kRepairer, false, 0));
}

TEST(Redirect, ParityGoesOnlyWhereItIsOffered) {
    auto r = following();
    r.offered(kRepairer, false, 0);
    EXPECT_TRUE(r.takes(false));
    EXPECT_FALSE(r.takes(true));
    r.offered(kOther, true, 0);
    EXPECT_EQ(r.repairer(), kOther);
    EXPECT_TRUE(r.takes(true));
}

TEST(Redirect, ANakWithoutNcfDiscardsTheOffer) {
    auto r = following();
    r.offered(kRepairer, false, 0);
    EXPECT_FALSE(r.asking(100, 105, false, true, 1));
    EXPECT_FALSE(r.asking(106, 107, false, true, 2)) << "other numbers";
    EXPECT_TRUE(r.active());
    EXPECT_TRUE(r.asking(100, 100, false, true, 3));
    EXPECT_FALSE(r.active());
    EXPECT_TRUE(r.offered(kRepairer, false, 4)) << "a new offer is as good as the first";
}

TEST(Redirect, AnsweredNaksKeepIt) {
    auto r = following();
    r.offered(kRepairer, false, 0);
    for (std::uint64_t n = 100; n < 200; ++n) {
        EXPECT_FALSE(r.asking(n, n, true, true, 1));
        r.confirmed(n);
    }
    EXPECT_TRUE(r.active());
}

TEST(Redirect, NcfsThatNoDataFollowsWearOutAndKeepItAwayForAWhile) {
    auto r = following();
    r.offered(kRepairer, false, 0);
    int asked = 0;
    while (!r.asking(100, 100, false, true, kSecond)) {
        r.confirmed(100);
        ASSERT_LT(++asked, 10);
    }
    EXPECT_GT(asked, 2);
    EXPECT_FALSE(r.offered(kRepairer, false, 2 * kSecond));
    EXPECT_TRUE(r.offered(kOther, false, 2 * kSecond));
    EXPECT_TRUE(r.offered(kRepairer, false, 20 * kSecond));
}

TEST(Redirect, WhereTheSourceHasNothingLeftOneLostNcfDoesNotDiscard) {
    auto r = following();
    r.offered(kRepairer, false, 0);
    for (int i = 0; i < 100; ++i) {
        EXPECT_FALSE(r.asking(100, 100, false, false, i * kMillisecond));
    }
    EXPECT_TRUE(r.active());
    EXPECT_TRUE(r.asking(100, 100, false, false, kSecond)) << "but silence does";
    EXPECT_FALSE(r.active());
}

TEST(Redirect, WhileRepairsComeALongGapTakesItsTime) {
    auto r = following();
    r.offered(kRepairer, false, 0);
    for (int i = 0; i < 100; ++i) {
        EXPECT_FALSE(r.asking(100, 100, false, false, i * 100 * kMillisecond))
            << "only it can give them";
        r.repaired();
    }
    int asked = 0;
    while (!r.asking(100, 100, false, true, 20 * kSecond)) {
        r.confirmed(100);
        r.repaired();
        ASSERT_LT(++asked, 10) << "the source could have given it";
    }
}

}  // namespace
}  // namespace fanfare::engine
