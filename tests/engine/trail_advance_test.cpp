#include "engine/core/trail_advance.hpp"

#include <gtest/gtest.h>

namespace fanfare::engine {
namespace {

// Window 1000 ms, step 15 %: period 150 ms, data is kept for 850 to 1000 ms.
struct TrailAdvanceTest : ::testing::Test {
    SourceParameters parameters = [] {
        SourceParameters p;
        p.window_ns = kSecond;
        p.advance_percent = 15;
        return p;
    }();
    SendWindow window{1024, 0};
    RepairQueue repairs{1024};
    TrailAdvance advance{parameters};

    void send(Nanos at, std::uint16_t length = 100) {
        window.open() = {};
        window.open().sent_at = at;
        window.open().length = length;
        window.commit();
        advance.data_sent(at);
    }
    // Runs the timer until `now`.
    void run_until(Nanos now) {
        while (advance.next_deadline() <= now) {
            advance.expire(window, advance.next_deadline());
            settle();
        }
    }
    void settle() {
        for (std::uint64_t target; (target = advance.target(window, repairs)) > window.trail();) {
            while (window.trail() < target) {
                repairs.erase(window.trail());
                window.drop_oldest();
            }
        }
        advance.settled(window);
    }
    std::uint64_t passed() const { return window.trail() - window.first(); }
};

TEST_F(TrailAdvanceTest, DataStaysBetween85And100PercentOfTheWindowTime) {
    for (Nanos at = 0; at < 2 * kSecond; at += 10 * kMillisecond) {
        run_until(at);
        send(at);
        const Nanos oldest = at - window.at(window.trail()).sent_at;
        ASSERT_LE(oldest, kSecond);
        if (passed() > 0) {
            ASSERT_GE(oldest, 840 * kMillisecond);
        }
    }
}

// Check 43.
TEST_F(TrailAdvanceTest, TheTrailMovesInStepsOfTheGivenShare) {
    for (Nanos at = 0; at < 900 * kMillisecond; at += 10 * kMillisecond) send(at);
    run_until(899 * kMillisecond);
    EXPECT_EQ(passed(), 0u);
    run_until(900 * kMillisecond);  // 6 periods of 150 ms: all sent until 50 ms leaves
    EXPECT_EQ(passed(), 6u);
    run_until(1049 * kMillisecond);
    EXPECT_EQ(passed(), 6u);
    run_until(1050 * kMillisecond);
    EXPECT_EQ(passed(), 21u) << "15 percent more";
}

// Check 44.
TEST_F(TrailAdvanceTest, APendingRepairHoldsTheTrailUntilItIsSent) {
    for (Nanos at = 0; at < 900 * kMillisecond; at += 10 * kMillisecond) send(at);
    repairs.insert(window.first() + 3);
    run_until(900 * kMillisecond);
    EXPECT_EQ(passed(), 3u);
    repairs.erase(window.first() + 3);
    settle();
    EXPECT_EQ(passed(), 6u);
}

// Check 45.
TEST_F(TrailAdvanceTest, RepairsHoldTheTrailForAtMostOneFurtherPeriod) {
    for (Nanos at = 0; at < 900 * kMillisecond; at += 10 * kMillisecond) send(at);
    repairs.insert(window.first() + 3);
    run_until(1049 * kMillisecond);
    EXPECT_EQ(passed(), 3u);
    run_until(1050 * kMillisecond);
    EXPECT_EQ(passed(), 21u)
        << "the earlier step leaves whatever waits; nothing waits in the new one";
    EXPECT_TRUE(repairs.empty());
}

// Check 46.
TEST_F(TrailAdvanceTest, AnIdleSessionEmptiesItsWindowAndStopsTheTimer) {
    send(0);
    run_until(2 * kSecond);
    EXPECT_TRUE(window.empty());
    EXPECT_EQ(advance.next_deadline(), kNever);
    send(3 * kSecond);
    EXPECT_EQ(advance.next_deadline(), 3 * kSecond + 150 * kMillisecond);
}

TEST_F(TrailAdvanceTest, ThePeriodIsAtLeastAMillisecond) {
    SourceParameters short_window;
    short_window.window_ns = 2 * kMillisecond;
    EXPECT_EQ(TrailAdvance(short_window).period(), kMillisecond);
}

TEST_F(TrailAdvanceTest, RateZeroKeepsTheLastOctetsHoweverOld) {
    parameters.rate_bits_per_s = 0;
    parameters.window_bytes = 250;
    advance = TrailAdvance(parameters);
    for (int i = 0; i < 3; ++i) send(i);
    EXPECT_EQ(advance.next_deadline(), kNever);
    EXPECT_TRUE(advance.over(window));
    window.drop_oldest();
    EXPECT_FALSE(advance.over(window));
    window.drop_oldest();
    send(9, 1000);
    window.drop_oldest();
    EXPECT_FALSE(advance.over(window)) << "the newest packet stays whatever its size";
}

}  // namespace
}  // namespace fanfare::engine
