#include "ipc/completion_ring.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <thread>
#include <vector>

namespace fanfare::ipc {
namespace {

class CompletionRingTest : public testing::Test {
  protected:
    CompletionRing make(std::uint32_t wanted) {
        const std::uint32_t entries = CompletionRing::entries_for(wanted);
        memory.resize(CompletionRing::bytes_for(entries) / sizeof(Line) + 1);
        return CompletionRing::init(std::as_writable_bytes(std::span(memory)), entries);
    }
    static std::vector<std::uint64_t> user_data(const CompletionRing& ring, std::size_t room) {
        std::vector<Completion> out(room);
        out.resize(ring.peek(out));
        std::vector<std::uint64_t> names;
        for (const Completion& done : out) names.push_back(done.user_data);
        return names;
    }
    struct alignas(64) Line {
        std::byte octets[64];
    };
    std::vector<Line> memory;
};

using Names = std::vector<std::uint64_t>;

TEST_F(CompletionRingTest, RoomIsAPowerOfTwoWithinItsLimits) {
    EXPECT_EQ(CompletionRing::entries_for(0), 1u);
    EXPECT_EQ(CompletionRing::entries_for(3), 4u);
    EXPECT_EQ(CompletionRing::entries_for(1u << 31), kCompletionEntriesMax);
}

TEST_F(CompletionRingTest, CompletionsStandInTheOrderOfPostingUntilTheyAreSeen) {
    CompletionRing ring = make(4);
    EXPECT_EQ(ring.accept(3), 3u);
    EXPECT_EQ(ring.under_way(), 3u);
    for (std::uint64_t i : {7, 8, 9}) ring.post({i, 0, 0, 0});
    EXPECT_EQ(ring.under_way(), 0u);
    EXPECT_EQ(user_data(ring, 2), (Names{7, 8}));
    EXPECT_EQ(user_data(ring, 9), (Names{7, 8, 9}));
    EXPECT_EQ(ring.seen(1), 1u);
    EXPECT_EQ(user_data(ring, 9), (Names{8, 9}));
    EXPECT_EQ(ring.seen(100), 2u) << "more than stand there";
    EXPECT_EQ(ring.standing(), 0u);
}

TEST_F(CompletionRingTest, NoMoreIsAcceptedThanHasRoomForItsCompletion) {
    CompletionRing ring = make(4);
    EXPECT_EQ(ring.accept(3), 3u);
    EXPECT_EQ(ring.accept(3), 1u);
    EXPECT_EQ(ring.accept(1), 0u);
    ring.post({1, 0, 0, 0});
    EXPECT_EQ(ring.accept(1), 0u) << "a completion that stands holds its slot";
    ring.seen(1);
    EXPECT_EQ(ring.accept(2), 1u);
}

TEST_F(CompletionRingTest, NumbersGoOnBeyondTheirWrap) {
    CompletionRing ring = make(8);
    auto* header = reinterpret_cast<CompletionRingHeader*>(memory.data());
    header->head = header->tail = header->accepted = 0xFFFFFFFDu;
    for (std::uint64_t round = 0; round < 3; ++round) {
        ASSERT_EQ(ring.accept(9), 8u);
        for (std::uint64_t i = 0; i < 8; ++i) ring.post({round * 8 + i, 0, 0, 0});
        EXPECT_EQ(user_data(ring, 8).front(), round * 8);
        EXPECT_EQ(user_data(ring, 8).back(), round * 8 + 7);
        ASSERT_EQ(ring.seen(8), 8u);
    }
}

TEST_F(CompletionRingTest, SubmittersAPosterAndAReaderAtOnceLoseNothing) {
    CompletionRing ring = make(16);
    constexpr std::uint64_t kEach = 20'000;
    std::atomic<std::uint64_t> accepted{0};
    const auto submit = [&] {
        for (std::uint64_t mine = 0; mine < kEach;) {
            const auto n =
                ring.accept(static_cast<std::uint32_t>(std::min<std::uint64_t>(3, kEach - mine)));
            mine += n;
            accepted.fetch_add(n);
            if (n == 0) std::this_thread::yield();
        }
    };
    std::thread one(submit), other(submit), poster([&] {
        for (std::uint64_t posted = 0; posted < 2 * kEach;) {
            if (posted == accepted.load()) {
                std::this_thread::yield();
                continue;
            }
            ring.post({posted++, 0, 0, 0});
        }
    });
    std::uint64_t next = 0;
    bool good = true;
    while (next < 2 * kEach) {
        std::array<Completion, 5> some;
        const auto n = ring.peek(some);
        for (std::uint32_t i = 0; i < n; ++i) good = good && some[i].user_data == next++;
        if (ring.seen(n) != n) good = false;
        if (n == 0) std::this_thread::yield();
    }
    for (std::thread* t : {&one, &other, &poster}) t->join();
    EXPECT_TRUE(good);
    EXPECT_EQ(ring.under_way(), 0u);
}

}  // namespace
}  // namespace fanfare::ipc
