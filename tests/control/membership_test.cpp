// Memberships of datagram sockets: all 54 cells of the table (wsrm.md 7.2) and how wishes merge.
#include "control/membership.hpp"

#include <gtest/gtest.h>

#include <cerrno>

#include "control/group_filter.hpp"
#include "tests/control/membership_cells.hpp"

namespace fanfare::control {
namespace {

using Call = MembershipCall;

constexpr Address kSource{0x0A000005}, kOther{0x0A000006}, kThird{0x0A000007};

// A fresh membership brought into a row by allowed calls alone.
Membership in_row(const CellRow& row) {
    Membership membership;
    for (const CellStep& step : row.way) {
        EXPECT_EQ(membership.apply(static_cast<Call>(step.call), step.of_other ? kOther : kSource),
                  0)
            << row.name;
    }
    return membership;
}

TEST(Membership, EveryCellOfTheTableGivesItsErrorAndChangesWhatItShould) {
    int cells = 0;
    for (std::size_t r = 0; r < kCellRows.size(); ++r) {
        const CellRow& row = kCellRows[r];
        for (std::size_t c = 0; c < kMembershipCalls; ++c, ++cells) {
            SCOPED_TRACE(std::string(row.name) + ", " + kCellCalls[c]);
            Membership membership = in_row(row);
            const bool names_source = c >= 2;
            if (names_source) {
                EXPECT_EQ(static_cast<std::size_t>(membership.row(kSource)), r);
            }
            const Membership before = membership;
            const int error = membership.apply(static_cast<Call>(c), kSource);
            EXPECT_EQ(error, row.errors[c]);
            if (error != 0) {
                // Nothing changed: the same calls have the same answers.
                for (const Address s : {kSource, kOther, kThird}) {
                    EXPECT_EQ(membership.row(s), before.row(s));
                    EXPECT_EQ(membership.wants(s), before.wants(s));
                }
                continue;
            }
            switch (static_cast<Call>(c)) {
                case Call::join:
                    EXPECT_TRUE(membership.wants(kSource) && membership.wants(kOther));
                    break;
                case Call::leave:
                    EXPECT_FALSE(membership.is_member());
                    EXPECT_TRUE(membership.is_blank());
                    break;
                case Call::join_source:
                case Call::unblock:
                    EXPECT_TRUE(membership.wants(kSource));
                    break;
                case Call::leave_source:
                case Call::block:
                    EXPECT_FALSE(membership.wants(kSource));
                    break;
            }
        }
    }
    EXPECT_EQ(cells, 54);
}

// Checks 176 and 186: the history that tells two look-alike states apart ends with the membership.
TEST(Membership, WhatWasBlockedOnceIsForgottenWhenANewMembershipStarts) {
    Membership m;
    ASSERT_EQ(m.apply(Call::join, {}), 0);
    ASSERT_EQ(m.apply(Call::block, kSource), 0);
    ASSERT_EQ(m.apply(Call::unblock, kSource), 0);
    EXPECT_EQ(m.apply(Call::unblock, kSource), EADDRNOTAVAIL);
    ASSERT_EQ(m.apply(Call::leave, {}), 0);
    ASSERT_EQ(m.apply(Call::join, {}), 0);
    EXPECT_EQ(m.apply(Call::unblock, kSource), EINVAL);
}

TEST(Membership, AnEndByTheLastSourceIsForgottenWhenANewMembershipStarts) {
    Membership m;
    ASSERT_EQ(m.apply(Call::join_source, kSource), 0);
    ASSERT_EQ(m.apply(Call::leave_source, kSource), 0);
    EXPECT_FALSE(m.is_member());
    EXPECT_FALSE(m.is_blank());
    EXPECT_EQ(m.apply(Call::leave_source, kSource), EADDRNOTAVAIL);
    ASSERT_EQ(m.apply(Call::join, {}), 0);
    ASSERT_EQ(m.apply(Call::leave, {}), 0);
    EXPECT_EQ(m.apply(Call::leave_source, kSource), EINVAL);
}

TEST(Membership, AWholeFilterTakesThePlaceOfWhatWas) {
    Membership m;
    EXPECT_EQ(m.replace(false, {}), EINVAL) << "nothing to end";
    ASSERT_EQ(m.apply(Call::join, {}), 0);
    ASSERT_EQ(m.apply(Call::block, kThird), 0);
    ASSERT_EQ(m.apply(Call::unblock, kThird), 0);
    EXPECT_EQ(m.replace(true, std::vector{kSource, kOther, kSource}), 0);
    EXPECT_EQ(m.sources(), (std::vector{kSource, kOther}));
    EXPECT_FALSE(m.wants(kSource));
    EXPECT_EQ(m.apply(Call::unblock, kThird), EINVAL) << "what was blocked once is forgotten";
    EXPECT_EQ(m.replace(false, std::vector{kSource}), 0);
    EXPECT_TRUE(m.wants(kSource) && !m.wants(kOther));
    std::vector<Address> many(Membership::kSourcesMax + 1);
    for (std::uint32_t i = 0; i < many.size(); ++i) many[i] = Address{0x0A000100 + i};
    EXPECT_EQ(m.replace(true, many), ENOBUFS);
    EXPECT_TRUE(m.wants(kSource));
    EXPECT_EQ(m.replace(false, {}), 0);
    EXPECT_TRUE(m.is_blank());
}

TEST(Membership, MoreSourcesThanTheLimitGiveENOBUFSAndChangeNothing) {
    for (const Call call : {Call::join_source, Call::block}) {
        Membership m;
        if (call == Call::block) {
            ASSERT_EQ(m.apply(Call::join, {}), 0);
        }
        for (std::uint32_t i = 0; i < Membership::kSourcesMax; ++i)
            ASSERT_EQ(m.apply(call, Address{0x0A000100 + i}), 0);
        EXPECT_EQ(m.apply(call, kSource), ENOBUFS);
        EXPECT_EQ(m.wants(kSource), call == Call::block);
        EXPECT_EQ(m.sources().size(), Membership::kSourcesMax);
    }
}

TEST(Membership, OnlySoManyFormerlyBlockedSourcesAreRememberedTheOldestForgotten) {
    Membership m;
    ASSERT_EQ(m.apply(Call::join, {}), 0);
    for (std::uint32_t i = 0; i <= Membership::kFormerlyBlockedMax; ++i) {
        ASSERT_EQ(m.apply(Call::block, Address{0x0A000100 + i}), 0);
        ASSERT_EQ(m.apply(Call::unblock, Address{0x0A000100 + i}), 0);
    }
    EXPECT_EQ(m.row(Address{0x0A000100}), MembershipRow::any);
    EXPECT_EQ(m.row(Address{0x0A000101}), MembershipRow::any_formerly_blocked);
}

GroupFilter merged(std::vector<std::pair<bool, std::vector<Address>>> wishes,
                   std::size_t most = 64) {
    GroupFilterMerge merge;
    for (const auto& [any, sources] : wishes) merge.add(any, sources);
    return merge.result(most);
}

TEST(GroupFilter, WishesMergeAsRfc3376Says) {
    // 3.2: the intersection of what is excluded, less the union of what is included.
    EXPECT_EQ(merged({{false, {kSource}}, {false, {kOther}}}),
              (GroupFilter{false, {kSource, kOther}}));
    EXPECT_EQ(merged({{true, {kSource, kOther}}, {true, {kOther, kThird}}}),
              (GroupFilter{true, {kOther}}));
    EXPECT_EQ(merged({{true, {kSource, kOther}}, {false, {kOther}}}),
              (GroupFilter{true, {kSource}}));
    EXPECT_EQ(merged({{false, {kOther}}, {true, {}}}), (GroupFilter{true, {}}));
    EXPECT_TRUE(merged({}).empty());
}

TEST(GroupFilter, AListBeyondTheLimitLetsMoreThroughAndNeverLess) {
    EXPECT_EQ(merged({{false, {kSource, kOther, kThird}}}, 2), (GroupFilter{true, {}}));
    EXPECT_EQ(merged({{true, {kSource, kOther, kThird}}}, 2),
              (GroupFilter{true, {kSource, kOther}}));
}

}  // namespace
}  // namespace fanfare::control
