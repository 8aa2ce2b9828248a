#include "engine/core/send_window.hpp"

#include <gtest/gtest.h>

namespace fanfare::engine {
namespace {

void push(SendWindow& window, std::uint16_t length, Nanos at, std::uint64_t release = 0) {
    SendEntry& entry = window.open();
    entry = {};
    entry.length = length;
    entry.sent_at = at;
    entry.release_position = release;
    window.commit();
}

TEST(SendWindow, StartsEmptyWithLeadOneBeforeTrail) {
    SendWindow window(8, 0);
    EXPECT_TRUE(window.empty());
    EXPECT_EQ(static_cast<Sqn>(window.next() - 1), 0xFFFFFFFFu);
    EXPECT_EQ(static_cast<Sqn>(window.trail()), 0u);
}

TEST(SendWindow, FindsEntriesByNumberThroughTheWrap) {
    SendWindow window(8, 0xFFFFFFFE);
    for (int i = 0; i < 4; ++i) push(window, static_cast<std::uint16_t>(i), i);
    EXPECT_TRUE(window.contains(window.ordinal_of(1)));
    EXPECT_EQ(window.at(window.ordinal_of(1)).length, 3);
    EXPECT_EQ(window.at(window.ordinal_of(0xFFFFFFFF)).length, 1);
    EXPECT_FALSE(window.contains(window.ordinal_of(2)));
    EXPECT_FALSE(window.contains(window.ordinal_of(0xFFFFFFFD)));
}

TEST(SendWindow, IsFullAtItsCapacityAndReleasesInOrder) {
    SendWindow window(4, 10);
    for (std::uint64_t i = 0; i < 4; ++i) push(window, 100, 0, 100 * (i + 1));
    EXPECT_TRUE(window.full());
    EXPECT_EQ(window.bytes(), 400u);
    EXPECT_EQ(window.released_position(), 0u);
    window.drop_oldest();
    EXPECT_FALSE(window.full());
    EXPECT_EQ(window.bytes(), 300u);
    EXPECT_EQ(window.released_position(), 100u);
}

TEST(SendWindow, FindsTheFirstEntrySentLaterThanATime) {
    SendWindow window(64, 5);
    for (int i = 0; i < 40; ++i) push(window, 1, i / 2 * 10);
    const std::uint64_t first = window.first();
    EXPECT_EQ(window.first_sent_after(-1, first), first);
    EXPECT_EQ(window.first_sent_after(0, first), first + 2);
    EXPECT_EQ(window.first_sent_after(95, first), first + 20);
    EXPECT_EQ(window.first_sent_after(1000, first), window.next());
    EXPECT_EQ(window.first_sent_after(0, first + 10), first + 10);
}

}  // namespace
}  // namespace fanfare::engine
