// Frames whose packets come to stand one behind the other, and never in each other's place.
#include "dataplane/kernel/frame_pool.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <random>
#include <vector>

namespace fanfare::dataplane::kernel {
namespace {

constexpr std::uint16_t kCapacity = 1500;
constexpr std::size_t kBlock = FramePool::kBlockFrames;

std::vector<engine::TxFrame> lend(FramePool& pool, std::size_t count) {
    std::vector<engine::TxFrame> frames(count);
    frames.resize(pool.allocate(frames));
    return frames;
}

TEST(FramePool, LendsWhatItHasAndNoMore) {
    FramePool pool;
    ASSERT_TRUE(pool.open(2, kCapacity));
    EXPECT_EQ(pool.free_count(), 2 * kBlock);
    auto all = lend(pool, 3 * kBlock);
    EXPECT_EQ(all.size(), 2 * kBlock);
    EXPECT_EQ(pool.free_count(), 0u);
    EXPECT_TRUE(lend(pool, 1).empty());
    pool.give_back(all);
    EXPECT_EQ(lend(pool, 3 * kBlock).size(), 2 * kBlock);
}

TEST(FramePool, PacketsOfABlockAreOnePieceOfMemory) {
    FramePool pool;
    ASSERT_TRUE(pool.open(1, kCapacity));
    auto frames = lend(pool, kBlock);
    engine::Output out(frames);
    for (std::size_t i = 0; i < kBlock; ++i) {
        out.next()->length = static_cast<std::uint16_t>(1 + i * 23);
        out.commit();
    }
    for (std::size_t i = 1; i < kBlock; ++i)
        EXPECT_EQ(frames[i].data, frames[i - 1].data + frames[i - 1].length);
}

TEST(FramePool, ABlockIsLentAnewOnlyWhenAllOfItIsBack) {
    FramePool pool;
    ASSERT_TRUE(pool.open(1, kCapacity));
    auto frames = lend(pool, kBlock);
    // The last one's packet may stand where the first one's was.
    pool.give_back(std::span(frames).first(kBlock - 1));
    EXPECT_TRUE(lend(pool, 1).empty());
    pool.give_back(std::span(frames).last(1));
    const auto again = lend(pool, 1);
    ASSERT_EQ(again.size(), 1u);
    EXPECT_EQ(again[0].data, frames[0].data);
    EXPECT_FALSE(again[0].adjoins);
}

TEST(FramePool, PacketsOfAllLengthsStayWhatTheyWereWhateverTheOrderTheyComeBackIn) {
    std::mt19937 random(11);
    std::printf("seed 11\n");
    FramePool pool;
    ASSERT_TRUE(pool.open(4, kCapacity));
    struct Packet {
        engine::TxFrame frame;
        std::byte content{};
    };
    std::deque<Packet> waiting;
    for (unsigned round = 0; round < 5000; ++round) {
        auto frames = lend(pool, random() % 90);
        engine::Output out(frames);
        // An engine writes a prefix; the rest goes back unwritten.
        const std::size_t written = frames.empty() ? 0 : random() % (frames.size() + 1);
        for (std::size_t i = 0; i < written; ++i) {
            engine::TxFrame& frame = *out.next();
            frame.length = static_cast<std::uint16_t>(random() % (kCapacity + 1u));
            const auto content = static_cast<std::byte>(random());
            std::memset(frame.data, std::to_integer<int>(content), frame.length);
            waiting.push_back({frame, content});
            out.commit();
        }
        pool.give_back(std::span(frames).subspan(written));
        for (std::size_t gone = random() % 120; gone > 0 && !waiting.empty(); --gone) {
            const std::size_t at = random() % 4 == 0 ? random() % waiting.size() : 0;
            const Packet packet = waiting[at];
            waiting.erase(waiting.begin() + static_cast<std::ptrdiff_t>(at));
            for (std::size_t i = 0; i < packet.frame.length; ++i)
                ASSERT_EQ(packet.frame.data[i], packet.content) << round;
            pool.give_back({&packet.frame, 1});
        }
    }
    for (const auto& packet : waiting) pool.give_back({&packet.frame, 1});
    EXPECT_EQ(pool.free_count(), 4 * kBlock);
}

}  // namespace
}  // namespace fanfare::dataplane::kernel
