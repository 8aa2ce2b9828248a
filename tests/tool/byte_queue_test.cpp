// The queue between reading and writing: order, bounds, and two threads at it.
#include "apps/fanfare/byte_queue.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <thread>

namespace fanfare::tool {
namespace {

struct Queue {
    Bell bell;
    ByteQueue queue;
    explicit Queue(std::size_t limit) : queue(bell, limit) {}

    bool put(std::string_view text) {
        const auto room = queue.room(text.size());
        if (room.empty()) return false;
        std::memcpy(room.data(), text.data(), text.size());
        queue.commit(text.size());
        return true;
    }
    std::string get(std::size_t most) {
        const std::scoped_lock lock(bell.mutex);
        const auto front = queue.front();
        const std::string out(reinterpret_cast<const char*>(front.data()),
                              std::min(most, front.size()));
        if (!out.empty()) queue.take(out.size());
        return out;
    }
};

TEST(ByteQueue, GivesOctetsBackInOrder) {
    Queue q(1 << 20);
    EXPECT_EQ(q.get(10), "");
    q.put("hello ");
    q.put("world");
    EXPECT_EQ(q.get(4), "hell");
    EXPECT_EQ(q.get(100), "o world");
    EXPECT_EQ(q.get(1), "");
}

TEST(ByteQueue, HoldsNoMoreThanItsLimitAndTakesMoreWhenSomeWasRead) {
    const std::size_t limit = 1 << 20;
    Queue q(limit);
    const std::string piece(1000, 'x');
    std::size_t held = 0;
    while (q.put(piece)) held += piece.size();
    EXPECT_LE(held, limit);
    EXPECT_GT(held, limit * 9 / 10);
    std::size_t read = 0;
    while (read < q.queue.chunk_bytes()) read += q.get(q.queue.chunk_bytes()).size();
    EXPECT_TRUE(q.put(piece));
}

TEST(ByteQueue, WorksInTheSmallestSize) {
    Queue q(1);
    const std::string most(q.queue.chunk_bytes(), 'a');
    for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(q.put(most));
        EXPECT_FALSE(q.put("b"));
        EXPECT_EQ(q.get(most.size()), most);
    }
}

TEST(ByteQueue, IsDrainedOnlyWhenFinishedAndRead) {
    Queue q(1 << 20);
    const auto drained = [&] {
        const std::scoped_lock lock(q.bell.mutex);
        return q.queue.drained();
    };
    EXPECT_FALSE(drained());
    q.put("a");
    q.queue.finish();
    EXPECT_FALSE(drained());
    q.get(1);
    EXPECT_TRUE(drained());
}

TEST(ByteQueue, CarriesEveryOctetBetweenTwoThreads) {
    const std::uint64_t seed = 4711;
    std::cout << "seed " << seed << "\n";
    Queue q(256 << 10);
    constexpr std::uint64_t kOctets = 20'000'000;
    std::thread producer([&] {
        std::mt19937_64 random(seed);
        std::uint64_t sent = 0;
        while (sent < kOctets) {
            const auto room = q.queue.room(1 + random() % 2000);
            if (room.empty()) {
                std::this_thread::yield();
                continue;
            }
            const std::size_t n =
                std::min<std::uint64_t>({room.size(), 1 + random() % 5000, kOctets - sent});
            for (std::size_t i = 0; i < n; ++i)
                room[i] = static_cast<std::byte>((sent + i) * 131 >> 3);
            q.queue.commit(n);
            sent += n;
        }
        q.queue.finish();
    });
    std::uint64_t read = 0, wrong = 0;
    std::unique_lock lock(q.bell.mutex);
    while (!q.queue.drained()) {
        const auto front = q.queue.front();
        if (front.empty()) {
            q.bell.rung.wait(lock);
            continue;
        }
        lock.unlock();
        for (std::size_t i = 0; i < front.size(); ++i)
            wrong += front[i] != static_cast<std::byte>((read + i) * 131 >> 3);
        read += front.size();
        lock.lock();
        q.queue.take(front.size());
    }
    lock.unlock();
    producer.join();
    EXPECT_EQ(read, kOctets);
    EXPECT_EQ(wrong, 0u);
}

}  // namespace
}  // namespace fanfare::tool
