#include "engine/core/spm_schedule.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace fanfare::engine {
namespace {

std::vector<Nanos> beats(SpmSchedule& schedule, Nanos until) {
    std::vector<Nanos> at;
    while (schedule.next() <= until) {
        at.push_back(schedule.next());
        EXPECT_TRUE(schedule.due(at.back()));
        schedule.beat(at.back());
    }
    return at;
}

TEST(SpmSchedule, AmbientSpmsKeepSteadyTime) {
    SpmSchedule schedule(100, {});
    schedule.start(0);
    EXPECT_EQ(beats(schedule, 350), (std::vector<Nanos>{100, 200, 300}));
}

TEST(SpmSchedule, HeartbeatsFollowTheLastDataAtGrowingIntervals) {
    SpmSchedule schedule(1000, {10, 20, 40});
    schedule.start(0);
    schedule.data_sent(5);
    schedule.data_sent(7);
    EXPECT_EQ(beats(schedule, 1500), (std::vector<Nanos>{17, 37, 77, 1077}));
}

TEST(SpmSchedule, DataStartsTheHeartbeatsAnew) {
    SpmSchedule schedule(1000, {10, 20, 40});
    schedule.start(0);
    schedule.data_sent(0);
    schedule.beat(10);
    schedule.data_sent(15);
    EXPECT_EQ(schedule.next(), 25);
    schedule.beat(25);
    EXPECT_EQ(schedule.next(), 45) << "from the shortest interval on";
}

TEST(SpmSchedule, AmbientSpmsGoOutInTheMiddleOfData) {
    SpmSchedule schedule(100, {10});
    schedule.start(0);
    for (Nanos now = 0; now < 100; now += 5) schedule.data_sent(now);
    EXPECT_TRUE(schedule.due(100));
}

TEST(SpmSchedule, TheShortestIntervalIsTheFirstHeartbeat) {
    EXPECT_EQ(SpmSchedule(100, {10, 20}).shortest(), 10);
    EXPECT_EQ(SpmSchedule(100, {}).shortest(), 100);
}

}  // namespace
}  // namespace fanfare::engine
