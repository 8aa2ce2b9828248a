// The feed and its check: what a receiver can find wrong.
#include "apps/fanfare/feed.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "apps/fanfare/feed_check.hpp"

namespace fanfare::tool {
namespace {

std::vector<std::byte> message(const Feed& feed, std::uint64_t number,
                               std::int64_t intended = 1000) {
    std::vector<std::byte> room(kFeedLongest);
    room.resize(feed.write(number, intended, room));
    return room;
}

TEST(Feed, MessagesReadBackAsTheyWereWritten) {
    const Feed feed(7);
    std::set<std::size_t> lengths;
    for (std::uint64_t number = 0; number < 5000; ++number) {
        const auto octets = message(feed, number, static_cast<std::int64_t>(number) * 50'000);
        ASSERT_EQ(octets.size(), feed.length(number));
        lengths.insert(octets.size());
        const auto read = read_feed_message(octets);
        ASSERT_TRUE(read.has_value());
        EXPECT_EQ(read->number, number);
        EXPECT_EQ(read->intended_ns, static_cast<std::int64_t>(number) * 50'000);
    }
    EXPECT_EQ(*lengths.begin(), kFeedShortest);
    EXPECT_EQ(*lengths.rbegin(), kFeedLongest);
    EXPECT_GE(lengths.size(), 8u);
}

TEST(Feed, IsTheSameForOneSeedAndAnotherForAnotherSeed) {
    EXPECT_EQ(message(Feed(1), 5), message(Feed(1), 5));
    EXPECT_NE(message(Feed(1), 5), message(Feed(2), 5));
}

TEST(Feed, EverySingleChangedBitIsFound) {
    const Feed feed(3);
    for (std::uint64_t number = 0; number < 20; ++number) {
        auto octets = message(feed, number);
        for (std::size_t bit = 0; bit < octets.size() * 8; ++bit) {
            octets[bit / 8] ^= std::byte{1} << bit % 8;
            EXPECT_FALSE(read_feed_message(octets).has_value()) << number << " " << bit;
            octets[bit / 8] ^= std::byte{1} << bit % 8;
        }
        octets.pop_back();
        EXPECT_FALSE(read_feed_message(octets).has_value());
    }
    EXPECT_FALSE(read_feed_message({}).has_value());
}

TEST(FeedCheck, MeasuresFromTheIntendedMomentToTheReading) {
    const Feed feed(1);
    FeedCheck check;
    for (std::uint64_t i = 0; i < 1000; ++i)
        check.message(message(feed, i, 0), i == 990, i < 990 ? 100'000 : 3'000'000);
    EXPECT_TRUE(check.good());
    const auto report = check.report();
    EXPECT_EQ(report["messages"], 1000);
    EXPECT_NEAR(report["delay_us"]["p50"], 100, 2);
    EXPECT_NEAR(report["delay_us"]["p99.9"], 3000, 50);
    EXPECT_EQ(report["delayed_us"]["count"], 10);
    EXPECT_NEAR(report["delayed_us"]["p50"], 3000, 50);
    EXPECT_EQ(report["repaired_us"]["count"], 1);
    EXPECT_NEAR(report["repaired_us"]["p99"], 3000, 50);
}

TEST(FeedCheck, CallsMessagesDelayedFromAGivenLimitOn) {
    const Feed feed(1);
    FeedCheck check;
    for (std::uint64_t i = 0; i < 100; ++i)
        check.message(message(feed, i, 0), false, i < 60 ? 10'000 : 500'000);
    EXPECT_EQ(check.report(200'000)["delayed_us"]["count"], 40);
    EXPECT_EQ(check.report(1'000'000)["delayed_us"]["count"], 0);
}

TEST(FeedCheck, SaysWhatIsMissingTwiceThereOrDamaged) {
    const Feed feed(1);
    {
        FeedCheck check;
        for (std::uint64_t i : {5u, 6u, 8u}) check.message(message(feed, i), false, 2000);
        EXPECT_FALSE(check.good());
        EXPECT_EQ(check.report()["out_of_order"], 1);
        EXPECT_EQ(check.report()["first_number"], 5);
    }
    {
        FeedCheck check;
        for (std::uint64_t i : {0u, 1u, 1u, 2u}) check.message(message(feed, i), false, 2000);
        EXPECT_FALSE(check.good());
    }
    {
        FeedCheck check;
        auto octets = message(feed, 0);
        octets[3] ^= std::byte{1};
        check.message(octets, false, 2000);
        EXPECT_FALSE(check.good());
        EXPECT_EQ(check.report()["damaged"], 1);
    }
}

}  // namespace
}  // namespace fanfare::tool
