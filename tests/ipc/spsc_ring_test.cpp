#include "ipc/spsc_ring.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <thread>

#include "ipc/counter.hpp"

namespace fanfare::ipc {
namespace {

TEST(SpscRing, RoundsItsCapacityUpAndRefusesWhenFull) {
    SpscRing<int> ring(3);
    EXPECT_EQ(ring.capacity(), 4u);
    for (int i = 0; i < 4; ++i) EXPECT_TRUE(ring.push(i));
    EXPECT_FALSE(ring.push(4));
    int value = -1;
    for (int i = 0; i < 4; ++i) {
        ASSERT_TRUE(ring.take(value));
        EXPECT_EQ(value, i);
    }
    EXPECT_FALSE(ring.take(value));
}

TEST(SpscRing, AClaimedSlotCountsOnlyWhenPublished) {
    SpscRing<int> ring(2);
    *ring.claim() = 7;
    EXPECT_EQ(ring.front(), nullptr);
    ring.publish();
    ASSERT_NE(ring.front(), nullptr);
    EXPECT_EQ(*ring.front(), 7);
    EXPECT_EQ(*ring.front(), 7);
    ring.pop();
    EXPECT_EQ(ring.front(), nullptr);
}

TEST(SpscRing, BetweenTwoThreadsNothingIsLostDoubledOrReordered) {
    struct Value {
        std::uint64_t number, twice;
    };
    constexpr std::uint64_t kValues = 200'000;
    SpscRing<Value> ring(64);
    std::thread producer([&] {
        for (std::uint64_t i = 0; i < kValues;)
            if (ring.push({i, 2 * i}))
                ++i;
            else
                std::this_thread::yield();
    });
    std::uint64_t wrong = 0;
    for (std::uint64_t i = 0; i < kValues;) {
        Value value{};
        if (!ring.take(value)) {
            std::this_thread::yield();
            continue;
        }
        wrong += value.number != i || value.twice != 2 * i;
        ++i;
    }
    producer.join();
    EXPECT_EQ(wrong, 0u);
}

TEST(Counter, OneWriterAddsAndOthersRead) {
    Counter counter;
    counter.add();
    counter.add(4);
    EXPECT_EQ(counter.get(), 5u);
    counter.set(2);
    EXPECT_EQ(counter.get(), 2u);
}

}  // namespace
}  // namespace fanfare::ipc
