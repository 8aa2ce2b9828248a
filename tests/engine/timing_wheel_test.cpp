#include "engine/core/timing_wheel.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "engine/core/random.hpp"

namespace fanfare::engine {
namespace {

constexpr Nanos kTick = Nanos{1} << TimingWheel::kTickShift;

std::uint32_t pop(TimingWheel& wheel, Nanos now) {
    std::uint32_t budget = 1'000'000;
    return wheel.pop_expired(now, budget);
}

TEST(TimingWheel, FiresNeverEarlyAndAtMostOneTickLate) {
    for (const Nanos deadline :
         {Nanos{1}, kTick, kTick + 1, 63 * kTick, 64 * kTick, 5 * kMillisecond, kSecond,
          3600 * kSecond, 300 * 24 * 3600 * kSecond}) {
        TimingWheel wheel(4);
        wheel.set(2, deadline);
        EXPECT_EQ(pop(wheel, deadline - 1), TimingWheel::kNone) << deadline;
        EXPECT_EQ(pop(wheel, deadline + kTick), 2u) << deadline;
        EXPECT_EQ(wheel.count(), 0u);
        EXPECT_EQ(wheel.next_deadline(), kNever);
    }
}

TEST(TimingWheel, ACancelledTimerStaysSilent) {
    TimingWheel wheel(4);
    wheel.set(0, kMillisecond);
    wheel.set(1, kMillisecond);
    wheel.cancel(0);
    wheel.cancel(0);
    EXPECT_EQ(pop(wheel, kSecond), 1u);
    EXPECT_EQ(pop(wheel, kSecond), TimingWheel::kNone);
}

TEST(TimingWheel, SettingAgainMovesTheTimer) {
    TimingWheel wheel(4);
    wheel.set(0, kMillisecond);
    wheel.set(0, kSecond);
    EXPECT_EQ(wheel.count(), 1u);
    EXPECT_EQ(pop(wheel, 10 * kMillisecond), TimingWheel::kNone);
    EXPECT_EQ(pop(wheel, kSecond + kTick), 0u);
}

TEST(TimingWheel, ADeadlineInThePastFiresAtOnce) {
    TimingWheel wheel(4);
    wheel.clear(kSecond);
    wheel.set(0, 5);
    EXPECT_LE(wheel.next_deadline(), kSecond);
    EXPECT_EQ(pop(wheel, kSecond), 0u);
}

TEST(TimingWheel, ATimerThatIsDueAtOnceFiresInTheTickInWhichNothingWasDue) {
    TimingWheel wheel(4);
    wheel.clear(kSecond);
    std::uint32_t budget = 10;
    EXPECT_EQ(wheel.pop_expired(kSecond, budget), TimingWheel::kNone);
    EXPECT_EQ(wheel.pop_expired(kSecond, budget), TimingWheel::kNone);
    wheel.set(2, kSecond - kMillisecond);
    EXPECT_EQ(wheel.pop_expired(kSecond, budget), 2u);
    EXPECT_EQ(wheel.pop_expired(kSecond, budget), TimingWheel::kNone);
    wheel.set(3, kSecond + 1);
    EXPECT_EQ(wheel.pop_expired(kSecond + 1, budget), TimingWheel::kNone);
    EXPECT_EQ(wheel.pop_expired(kSecond + 2 * kTick, budget), 3u);
}

TEST(TimingWheel, TheBudgetBoundsWorkAndTheDeadlineSaysThatMoreIsDue) {
    TimingWheel wheel(1000);
    for (std::uint32_t i = 0; i < 1000; ++i) wheel.set(i, kSecond);
    std::uint32_t budget = 100, fired = 0;
    while (wheel.pop_expired(2 * kSecond, budget) != TimingWheel::kNone) ++fired;
    EXPECT_EQ(budget, 0u);
    EXPECT_LE(fired, 100u);
    EXPECT_LE(wheel.next_deadline(), 2 * kSecond);
    EXPECT_EQ(wheel.count(), 1000u - fired);
}

TEST(TimingWheel, TimersOfOneTickFireInTheOrderInWhichTheyWereSet) {
    TimingWheel wheel(100);
    for (std::uint32_t i = 0; i < 100; ++i) wheel.set((i * 37) % 100, kSecond);
    for (std::uint32_t i = 0; i < 100; ++i) EXPECT_EQ(pop(wheel, 2 * kSecond), (i * 37) % 100);
}

TEST(TimingWheel, BehavesLikeASortedMapUnderRandomOperations) {
    const std::uint64_t seed = 4711;
    std::cout << "seed " << seed << "\n";
    Random random(seed);
    constexpr std::uint32_t kSlots = 64;
    TimingWheel wheel(kSlots);
    std::map<std::uint32_t, Nanos> model;
    Nanos now = 0;
    for (int step = 0; step < 200'000; ++step) {
        const auto slot = static_cast<std::uint32_t>(random.next() % kSlots);
        switch (random.next() % 4) {
            case 0:
            case 1: {
                const Nanos deadline = now + random.between(0, kTick << (random.next() % 30));
                wheel.set(slot, deadline);
                model[slot] = deadline;
                break;
            }
            case 2:
                wheel.cancel(slot);
                model.erase(slot);
                break;
            default: {
                const Nanos deadline = wheel.next_deadline();
                for (const auto& [s, d] : model) ASSERT_LE(deadline, std::max(now, d + kTick)) << s;
                now = random.next() % 8 == 0
                          ? now + random.between(0, kSecond)
                          : (deadline == kNever ? now + 1 : std::max(now, deadline));
                std::uint32_t fired;
                while ((fired = pop(wheel, now)) != TimingWheel::kNone) {
                    ASSERT_TRUE(model.count(fired));
                    ASSERT_LE(model[fired], now);
                    model.erase(fired);
                }
                for (const auto& [s, d] : model) ASSERT_GT(d + kTick, now) << s;
            }
        }
        ASSERT_EQ(wheel.count(), model.size());
    }
}

}  // namespace
}  // namespace fanfare::engine
