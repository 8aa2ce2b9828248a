#include "ipc/layout.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <memory>
#include <vector>

namespace fanfare::ipc {
namespace {

struct Free {
    void operator()(std::byte* p) const { std::free(p); }
};

struct Heap {
    explicit Heap(std::size_t n)
        : bytes(n),
          data(static_cast<std::byte*>(
              std::aligned_alloc(kPageSize, (n + kPageSize - 1) / kPageSize * kPageSize))) {}
    std::span<std::byte> span() const { return {data.get(), bytes}; }
    std::size_t bytes;
    std::unique_ptr<std::byte, Free> data;
};

TEST(ReceiveLayout, RoundsUpToPowersOfTwoWithinItsBounds) {
    const auto layout = ReceiveLayout::for_log(100'000, 100);
    EXPECT_EQ(layout.log_bytes, 131'072u);
    EXPECT_EQ(layout.index_entries, 128u);
    EXPECT_EQ(layout.total_bytes, layout.log_offset + layout.log_bytes);
    EXPECT_EQ(layout.log_offset % kPageSize, 0u);
    EXPECT_EQ(ReceiveLayout::for_log(0, 0).log_bytes, kLogBytesMin);
    EXPECT_EQ(ReceiveLayout::for_log(~0ull, ~0u).log_bytes, kLogBytesMax);
    EXPECT_EQ(ReceiveLayout::for_log(0, ~0u).index_entries, kIndexEntriesMax);
}

TEST(ReceiveView, SeesWhatTheLayoutBuilt) {
    const auto layout = ReceiveLayout::for_log(1 << 16, 256);
    Heap heap(layout.total_bytes);
    const ReceiveParts parts = layout.init(heap.span(), 42);
    ASSERT_NE(parts.header, nullptr);
    set_identity(*parts.header, Tsi{{{1, 2, 3, 4, 5, 6}}, 7}, Address{0xEF010101},
                 Address{0x0A000001}, 7500);
    const auto view = ReceiveView::open(heap.span());
    ASSERT_TRUE(view);
    EXPECT_EQ(view->index(), parts.index.data());
    EXPECT_EQ(view->log(), parts.log.data());
    EXPECT_EQ(view->index_entries(), 256u);
    EXPECT_EQ(view->log_bytes(), 1u << 16);
    EXPECT_EQ(view->session_id(), 42u);
    EXPECT_EQ(view->header().destination_port, 7500);
    for (const IndexEntry& entry : parts.index) EXPECT_EQ(entry.flags, kEntryMissing);
}

TEST(ReceiveLayout, RefusesMemoryThatIsTooSmallOrUnaligned) {
    const auto layout = ReceiveLayout::for_log(1 << 16, 64);
    Heap heap(layout.total_bytes + 64);
    EXPECT_EQ(layout.init(heap.span().first(layout.total_bytes - 1), 1).header, nullptr);
    EXPECT_EQ(layout.init(heap.span().subspan(8), 1).header, nullptr);
}

TEST(ReceiveView, RefusesEveryHeaderThatLeadsOutside) {
    const auto layout = ReceiveLayout::for_log(1 << 16, 64);
    Heap heap(layout.total_bytes);
    const std::vector<std::function<void(ReceiveHeader&)>> damages = {
        [](ReceiveHeader& h) { h.magic ^= 1; },
        [](ReceiveHeader& h) { h.version++; },
        [](ReceiveHeader& h) { h.index_entries = 0; },
        [](ReceiveHeader& h) { h.index_entries = 65; },
        [](ReceiveHeader& h) { h.index_entries = 1u << 31; },
        [](ReceiveHeader& h) { h.index_entries *= 512; },
        [](ReceiveHeader& h) { h.log_bytes = 0; },
        [](ReceiveHeader& h) { h.log_bytes += 1; },
        [](ReceiveHeader& h) { h.log_bytes *= 2; },
        [](ReceiveHeader& h) { h.log_bytes = 1ull << 63; },
        [](ReceiveHeader& h) { h.index_offset = 0; },
        [](ReceiveHeader& h) { h.index_offset = ~0ull - 63; },
        [](ReceiveHeader& h) { h.index_offset += 8; },
        [](ReceiveHeader& h) { h.index_offset += kPageSize; },
        [](ReceiveHeader& h) { h.log_offset = h.index_offset; },
        [](ReceiveHeader& h) { h.log_offset += 64; },
        [](ReceiveHeader& h) { h.log_offset = ~0ull - 63; },
    };
    for (std::size_t i = 0; i < damages.size(); ++i) {
        const ReceiveParts parts = layout.init(heap.span(), 1);
        ASSERT_TRUE(ReceiveView::open(heap.span()));
        damages[i](*parts.header);
        EXPECT_FALSE(ReceiveView::open(heap.span())) << "damage " << i;
    }
    layout.init(heap.span(), 1);
    EXPECT_FALSE(ReceiveView::open(heap.span().first(layout.total_bytes - 1)));
    EXPECT_FALSE(ReceiveView::open(heap.span().first(100)));
}

TEST(SendView, SeesWhatTheLayoutBuiltAndMayWriteTheWholeLog) {
    const auto layout = SendLayout::for_log(1 << 20);
    Heap heap(layout.total_bytes);
    const SendParts parts = layout.init(heap.span(), 9, SendFormat::packed, 1400, 1380);
    ASSERT_NE(parts.header, nullptr);
    const auto view = SendView::open(heap.span());
    ASSERT_TRUE(view);
    EXPECT_EQ(view->log(), parts.log.data());
    EXPECT_EQ(view->format(), SendFormat::packed);
    EXPECT_EQ(view->largest_tsdu(), 1400u);
    EXPECT_EQ(view->record_max_bytes() % 1380, 0u);
    EXPECT_GE(view->record_max_bytes(), 1400u);
    EXPECT_EQ(parts.header->limit.load(), view->log_bytes());
}

TEST(SendView, RefusesEveryHeaderThatLeadsOutside) {
    const auto layout = SendLayout::for_log(1 << 16);
    Heap heap(layout.total_bytes);
    const std::vector<std::function<void(SendHeader&)>> damages = {
        [](SendHeader& h) { h.magic = kReceiveRegionMagic; },
        [](SendHeader& h) { h.version = 0; },
        [](SendHeader& h) { h.log_bytes *= 2; },
        [](SendHeader& h) { h.log_bytes -= 1; },
        [](SendHeader& h) { h.log_offset += 64; },
        [](SendHeader& h) { h.log_offset = 0; },
        [](SendHeader& h) { h.log_offset += 1; },
        [](SendHeader& h) { h.format = static_cast<SendFormat>(3); },
        [](SendHeader& h) { h.largest_fragment = 0; },
        [](SendHeader& h) { h.largest_fragment = h.largest_tsdu + 1; },
        [](SendHeader& h) { h.largest_tsdu = 0x10000; },
        [](SendHeader& h) { h.record_max_bytes = h.largest_tsdu - 1; },
        [](SendHeader& h) { h.record_max_bytes = 1 << 16; },
    };
    for (std::size_t i = 0; i < damages.size(); ++i) {
        const SendParts parts = layout.init(heap.span(), 1, SendFormat::message, 1456, 1400);
        ASSERT_TRUE(SendView::open(heap.span()));
        damages[i](*parts.header);
        EXPECT_FALSE(SendView::open(heap.span())) << "damage " << i;
    }
}

TEST(SendLayout, RefusesSizesThatNoPacketHas) {
    const auto layout = SendLayout::for_log(1 << 16);
    Heap heap(layout.total_bytes);
    EXPECT_EQ(layout.init(heap.span(), 1, SendFormat::message, 0, 0).header, nullptr);
    EXPECT_EQ(layout.init(heap.span(), 1, SendFormat::message, 1000, 0).header, nullptr);
    EXPECT_EQ(layout.init(heap.span(), 1, SendFormat::message, 1000, 1001).header, nullptr);
    EXPECT_EQ(layout.init(heap.span(), 1, SendFormat::message, 70'000, 1000).header, nullptr);
}

TEST(Pages, AreWhatTheirMagicSays) {
    Heap heap(kPageSize);
    EXPECT_NE(init_socket_page(heap.span(), 5, 0), nullptr);
    EXPECT_NE(open_socket_page(heap.span()), nullptr);
    EXPECT_EQ(open_worker_page(heap.span()), nullptr);
    EXPECT_NE(init_worker_page(heap.span(), 3), nullptr);
    EXPECT_EQ(open_socket_page(heap.span()), nullptr);
    EXPECT_EQ(open_worker_page(heap.span())->worker, 3u);
    EXPECT_EQ(open_socket_page(heap.span().first(16)), nullptr);
}

TEST(Records, FillTheLogInSixteens) {
    EXPECT_EQ(record_bytes(0), 16u);
    EXPECT_EQ(record_bytes(1), 32u);
    EXPECT_EQ(record_bytes(16), 32u);
    EXPECT_EQ(record_bytes(17), 48u);
}

}  // namespace
}  // namespace fanfare::ipc
