#include "engine/core/repair_queue.hpp"

#include <gtest/gtest.h>

#include <set>

#include "engine/core/random.hpp"

namespace fanfare::engine {
namespace {

constexpr std::uint64_t kBase = (std::uint64_t{1} << 32) | 0xFFFFFFF0u;

TEST(RepairQueue, GivesTheOldestFirstAcrossTheRingsEnd) {
    RepairQueue queue(64);
    queue.insert(kBase + 40);
    queue.insert(kBase + 3);
    queue.insert(kBase + 63);
    EXPECT_EQ(queue.oldest(kBase), kBase + 3);
    queue.erase(kBase + 3);
    EXPECT_EQ(queue.oldest(kBase), kBase + 40);
    queue.erase(kBase + 40);
    EXPECT_EQ(queue.oldest(kBase + 5), kBase + 63);
}

TEST(RepairQueue, ANumberAskedForTwiceWaitsOnce) {
    RepairQueue queue(64);
    EXPECT_TRUE(queue.insert(kBase));
    EXPECT_FALSE(queue.insert(kBase));
    EXPECT_EQ(queue.count(), 1u);
    queue.erase(kBase);
    queue.erase(kBase);
    EXPECT_TRUE(queue.empty());
}

TEST(RepairQueue, BehavesLikeASortedSet) {
    const std::uint64_t seed = 12;
    std::cout << "seed " << seed << "\n";
    for (const std::uint32_t capacity : {64u, 4096u, 16384u}) {
        Random random(seed);
        RepairQueue queue(capacity);
        std::set<std::uint64_t> model;
        std::uint64_t trail = kBase;
        for (int step = 0; step < 50'000; ++step) {
            const std::uint64_t ordinal = trail + random.next() % capacity;
            if (random.next() % 2) {
                EXPECT_EQ(queue.insert(ordinal), model.insert(ordinal).second);
            } else if (random.next() % 3) {
                queue.erase(ordinal);
                model.erase(ordinal);
            } else {
                for (std::uint64_t n = random.next() % 200; n > 0; --n, ++trail) {
                    queue.erase(trail);
                    model.erase(trail);
                }
            }
            ASSERT_EQ(queue.count(), model.size());
            ASSERT_EQ(queue.contains(ordinal), model.count(ordinal) == 1);
            if (!model.empty()) {
                ASSERT_EQ(queue.oldest(trail), *model.begin());
            }
        }
    }
}

}  // namespace
}  // namespace fanfare::engine
