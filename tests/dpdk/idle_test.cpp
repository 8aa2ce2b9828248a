#include "dataplane/dpdk/idle.hpp"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "ipc/descriptor.hpp"

using namespace fanfare;
using namespace fanfare::dataplane::dpdk;
using fanfare::dataplane::WakeDescriptors;

namespace {

class IdleTest : public testing::Test {
  protected:
    IdleTest() : bell_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}
    IdleSettings settings(Nanos sleep_ns) {
        return {Idle::sleep, &page_, bell_.get(), 20 * kMicrosecond, sleep_ns};
    }
    void ring() {
        const std::uint64_t one = 1;
        ASSERT_EQ(write(bell_.get(), &one, sizeof one), 8);
    }
    bool rung() {
        std::uint64_t rings = 0;
        return read(bell_.get(), &rings, sizeof rings) == 8;
    }
    std::uint32_t flag() const { return page_.sleeping.load(); }

    ipc::WorkerPage page_{};
    ipc::Descriptor bell_;
};

}  // namespace

TEST_F(IdleTest, SpinsBeforeItSleeps) {
    IdlePolicy idle(settings(kMicrosecond));
    idle.after_turn(0, 1000, kNever);
    idle.after_turn(0, 1000 + 19 * kMicrosecond, kNever);
    EXPECT_EQ(flag(), 0u);
    EXPECT_EQ(idle.sleeps(), 0u);
}

TEST_F(IdleTest, SetsItsFlagALookBeforeItSleepsAndTakesItBack) {
    IdlePolicy idle(settings(kMicrosecond));
    idle.after_turn(0, 0, kNever);
    idle.after_turn(0, 20 * kMicrosecond, kNever);
    EXPECT_EQ(flag(), 1u);
    EXPECT_EQ(idle.sleeps(), 0u) << "slept without looking again";
    idle.after_turn(0, 21 * kMicrosecond, kNever);
    EXPECT_EQ(idle.sleeps(), 1u);
    EXPECT_EQ(flag(), 0u);
}

TEST_F(IdleTest, DoesNotSleepWhenTheSecondLookFindsSomething) {
    IdlePolicy idle(settings(kMicrosecond));
    idle.after_turn(0, 0, kNever);
    idle.after_turn(0, 20 * kMicrosecond, kNever);
    idle.after_turn(3, 21 * kMicrosecond, kNever);
    EXPECT_EQ(flag(), 0u);
    EXPECT_EQ(idle.sleeps(), 0u);
    idle.after_turn(0, 22 * kMicrosecond, kNever);
    EXPECT_EQ(flag(), 0u) << "the spin starts anew after work";
}

TEST_F(IdleTest, IsWokenByItsDoorbellAndClearsIt) {
    // Without the bell this test would take ten seconds, which the runner's limit shows.
    IdlePolicy idle(settings(10 * kSecond));
    idle.after_turn(0, 0, kNever);
    idle.after_turn(0, 20 * kMicrosecond, kNever);
    ring();
    idle.after_turn(0, 21 * kMicrosecond, kNever);
    EXPECT_EQ(idle.sleeps(), 1u);
    EXPECT_FALSE(rung()) << "a bell that stays would end every later sleep at once";
}

// Without what wakes it each of these would take ten seconds, which the runner's limit shows.
TEST_F(IdleTest, IsWokenByWhatComesToAPort) {
    const ipc::Descriptor port(eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC));
    for (const bool complete : {false, true}) {
        IdlePolicy idle(settings(10 * kSecond));
        WakeDescriptors ports;
        ports.add(port.get());
        ports.complete = complete;
        idle.after_turn(0, 0, kNever);
        EXPECT_FALSE(idle.sleeps_next());
        idle.after_turn(0, 20 * kMicrosecond, kNever);
        EXPECT_TRUE(idle.sleeps_next());
        idle.after_turn(0, 21 * kMicrosecond, kNever, ports);
        EXPECT_EQ(idle.sleeps(), 1u);
        EXPECT_EQ(flag(), 0u);
    }
}

TEST_F(IdleTest, PortsBeyondItsPlacesMakeItLookByItself) {
    WakeDescriptors ports;
    for (std::size_t i = 0; i < ports.list.size(); ++i) ports.add(bell_.get());
    EXPECT_TRUE(ports.complete);
    ports.add(bell_.get());
    EXPECT_FALSE(ports.complete);
    EXPECT_EQ(ports.count, ports.list.size());
}

TEST_F(IdleTest, NeverSleepsPastADeadline) {
    IdlePolicy idle(settings(10 * kSecond));
    idle.after_turn(0, 0, kNever);
    idle.after_turn(0, 20 * kMicrosecond, kNever);
    idle.after_turn(0, 21 * kMicrosecond, 31 * kMicrosecond);
    EXPECT_EQ(idle.sleeps(), 1u);
    idle.after_turn(0, 50 * kMicrosecond, 31 * kMicrosecond);
    EXPECT_EQ(flag(), 0u) << "a deadline that has passed asks for a turn, not for a sleep";
    EXPECT_EQ(idle.sleeps(), 1u);
}

TEST_F(IdleTest, LeavesTheFlagDownAtItsEnd) {
    IdlePolicy idle(settings(kMicrosecond));
    idle.after_turn(0, 0, kNever);
    idle.after_turn(0, 20 * kMicrosecond, kNever);
    idle.finish();
    EXPECT_EQ(flag(), 0u);
}

TEST_F(IdleTest, TouchesNeitherPageNorBellWhenItSpinsOrYields) {
    for (const Idle kind : {Idle::busy, Idle::yield}) {
        IdlePolicy idle({.idle = kind});
        for (Nanos now = 0; now < kMillisecond; now += 10 * kMicrosecond)
            idle.after_turn(0, now, kNever);
        EXPECT_EQ(idle.sleeps(), 0u);
    }
}
