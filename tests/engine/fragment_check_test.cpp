#include "engine/core/fragment_check.hpp"

#include <gtest/gtest.h>

namespace fanfare::engine {
namespace {

struct FragmentCheckTest : ::testing::Test {
    FragmentCheck check;
    Sqn sqn = 0xFFFFFFFE;
    IndexEntry last{};

    bool whole(std::uint16_t length) {
        last = {sqn++, 0, length, kEntryData, length};
        return check.accept(last, false, {});
    }
    bool part(Sqn first, std::uint32_t offset, std::uint16_t length, std::uint32_t total) {
        last = {sqn++, 0, length, kEntryData, total};
        return check.accept(last, true, {first, offset});
    }
    bool begins() const { return last.flags & kEntryMessageBegin; }
    bool ends() const { return last.flags & kEntryMessageEnd; }
};

TEST_F(FragmentCheckTest, AWholeMessageBeginsAndEnds) {
    EXPECT_TRUE(whole(100));
    EXPECT_TRUE(begins() && ends());
    EXPECT_TRUE(whole(0));
    EXPECT_TRUE(begins() && ends());
}

TEST_F(FragmentCheckTest, MarksTheFirstAndTheLastFragmentThroughTheWrap) {
    const Sqn first = sqn;
    EXPECT_TRUE(part(first, 0, 100, 250));
    EXPECT_TRUE(begins() && !ends());
    EXPECT_TRUE(part(first, 100, 100, 250));
    EXPECT_TRUE(!begins() && !ends());
    EXPECT_TRUE(part(first, 200, 50, 250));
    EXPECT_TRUE(!begins() && ends());
    EXPECT_TRUE(whole(5));
}

TEST_F(FragmentCheckTest, AFragmentThatIsItsWholeMessageCountsAsUnfragmented) {
    EXPECT_TRUE(part(77, 0, 100, 100));
    EXPECT_TRUE(begins() && ends());
}

TEST_F(FragmentCheckTest, RefusesWhatContradictsTheOpenMessage) {
    const auto open = [this] {
        check.clear();
        const Sqn first = sqn;
        EXPECT_TRUE(part(first, 0, 100, 250));
        return first;
    };
    Sqn first = open();
    EXPECT_FALSE(part(first, 101, 100, 250)) << "a hole in the message";
    first = open();
    EXPECT_FALSE(part(first, 100, 100, 251)) << "another length";
    first = open();
    EXPECT_FALSE(part(first + 1, 100, 100, 250)) << "another first number";
    first = open();
    EXPECT_FALSE(part(first, 100, 151, 250)) << "more than the message";
    open();
    EXPECT_FALSE(whole(10)) << "the message is not complete";
    open();
    EXPECT_FALSE(part(sqn, 0, 100, 250)) << "a second beginning";
}

TEST_F(FragmentCheckTest, RefusesAFirstFragmentThatIsNotWhereItSays) {
    EXPECT_FALSE(part(sqn + 1, 0, 100, 250));
    check.clear();
    EXPECT_FALSE(part(sqn, 0, 251, 250));
}

TEST_F(FragmentCheckTest, RefusesALaterFragmentWithoutABeginning) {
    EXPECT_TRUE(whole(1));
    EXPECT_FALSE(part(sqn - 1, 100, 100, 250));
}

TEST_F(FragmentCheckTest, AJoinerStepsOverTheRestOfAMessageItCameLateFor) {
    EXPECT_TRUE(part(5, 100, 100, 250));
    EXPECT_EQ(last.flags, kEntryVoid);
    EXPECT_TRUE(part(5, 200, 50, 250));
    EXPECT_EQ(last.flags, kEntryVoid);
    EXPECT_TRUE(whole(10));
    EXPECT_TRUE(begins() && ends());
}

TEST_F(FragmentCheckTest, VoidEntriesAreSteppedOver) {
    last = {sqn++, 0, 0, kEntryVoid, 0};
    EXPECT_TRUE(check.accept(last, false, {}));
    EXPECT_EQ(last.flags, kEntryVoid);
}

}  // namespace
}  // namespace fanfare::engine
