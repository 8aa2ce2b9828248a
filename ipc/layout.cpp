#include "ipc/layout.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>

namespace fanfare::ipc {

namespace {

std::uint64_t round_up_to_page(std::uint64_t n) {
    return (n + kPageSize - 1) & ~(kPageSize - 1);
}

bool aligned(const void* p) {
    return (reinterpret_cast<std::uintptr_t>(p) & (kCacheLine - 1)) == 0;
}

// Whether [offset, offset + bytes) lies in a region of `total` octets, by subtraction.
bool inside(std::uint64_t offset, std::uint64_t bytes, std::uint64_t total) {
    return offset <= total && bytes <= total - offset;
}

bool power_of_two_within(std::uint64_t n, std::uint64_t low, std::uint64_t high) {
    return std::has_single_bit(n) && n >= low && n <= high;
}

}  // namespace

ReceiveLayout ReceiveLayout::for_log(std::uint64_t log_bytes, std::uint32_t index_entries) {
    ReceiveLayout layout;
    layout.log_bytes = std::bit_ceil(std::clamp(log_bytes, kLogBytesMin, kLogBytesMax));
    layout.index_entries =
        std::bit_ceil(std::clamp(index_entries, kIndexEntriesMin, kIndexEntriesMax));
    layout.index_offset = kPageSize;
    layout.log_offset = layout.index_offset +
                        round_up_to_page(std::uint64_t{layout.index_entries} * sizeof(IndexEntry));
    layout.total_bytes = layout.log_offset + layout.log_bytes;
    return layout;
}

ReceiveParts ReceiveLayout::init(std::span<std::byte> memory, std::uint64_t session_id) const {
    if (memory.size() < total_bytes || total_bytes == 0 || !aligned(memory.data())) return {};
    auto* header = new (memory.data()) ReceiveHeader{};
    header->version = kLayoutVersion;
    header->header_bytes = sizeof(ReceiveHeader);
    header->index_offset = index_offset;
    header->log_offset = log_offset;
    header->index_entries = index_entries;
    header->log_bytes = log_bytes;
    header->session_id = session_id;
    auto* index = reinterpret_cast<IndexEntry*>(memory.data() + index_offset);
    std::memset(static_cast<void*>(index), 0, std::size_t{index_entries} * sizeof(IndexEntry));
    header->magic = kReceiveRegionMagic;
    return {header, {index, index_entries}, memory.subspan(log_offset, log_bytes)};
}

void set_identity(ReceiveHeader& header, const Tsi& tsi, Address group, Address source,
                  std::uint16_t destination_port) {
    header.tsi_key = tsi.key();
    header.group_v4 = group.v4;
    header.source_v4 = source.v4;
    header.destination_port = destination_port;
}

std::optional<ReceiveView> ReceiveView::open(std::span<const std::byte> memory) {
    if (memory.size() < kPageSize || !aligned(memory.data())) return std::nullopt;
    const auto* header = reinterpret_cast<const ReceiveHeader*>(memory.data());
    if (header->magic != kReceiveRegionMagic || header->version != kLayoutVersion)
        return std::nullopt;
    const std::uint64_t index_offset = header->index_offset;
    const std::uint64_t log_offset = header->log_offset;
    ReceiveView view;
    view.header_ = header;
    view.index_entries_ = header->index_entries;
    view.log_bytes_ = header->log_bytes;
    view.session_id_ = header->session_id;
    if (!power_of_two_within(view.index_entries_, kIndexEntriesMin, kIndexEntriesMax) ||
        !power_of_two_within(view.log_bytes_, kLogBytesMin, kLogBytesMax))
        return std::nullopt;
    const std::uint64_t index_bytes = std::uint64_t{view.index_entries_} * sizeof(IndexEntry);
    if (index_offset < sizeof(ReceiveHeader) || index_offset % kCacheLine != 0 ||
        !inside(index_offset, index_bytes, memory.size()))
        return std::nullopt;
    if (log_offset < index_offset + index_bytes || log_offset % kCacheLine != 0 ||
        !inside(log_offset, view.log_bytes_, memory.size()))
        return std::nullopt;
    view.index_ = reinterpret_cast<const IndexEntry*>(memory.data() + index_offset);
    view.log_ = memory.data() + log_offset;
    return view;
}

SendLayout SendLayout::for_log(std::uint64_t log_bytes) {
    SendLayout layout;
    layout.log_bytes = std::bit_ceil(std::clamp(log_bytes, kLogBytesMin, kLogBytesMax));
    layout.log_offset = kPageSize;
    layout.total_bytes = layout.log_offset + layout.log_bytes;
    return layout;
}

SendParts SendLayout::init(std::span<std::byte> memory, std::uint64_t session_id, SendFormat format,
                           std::uint32_t largest_tsdu, std::uint32_t largest_fragment) const {
    // A TSDU is a 16-bit length on the wire.
    if (memory.size() < total_bytes || total_bytes == 0 || !aligned(memory.data()) ||
        largest_tsdu == 0 || largest_fragment == 0 || largest_tsdu > 0xFFFF ||
        largest_fragment > largest_tsdu)
        return {};
    auto* header = new (memory.data()) SendHeader{};
    header->version = kLayoutVersion;
    header->header_bytes = sizeof(SendHeader);
    header->log_offset = log_offset;
    header->log_bytes = log_bytes;
    header->session_id = session_id;
    header->format = format;
    header->largest_tsdu = largest_tsdu;
    header->largest_fragment = largest_fragment;
    // 64 KiB: long enough that headers cost nothing, short enough that a lap's end wastes little
    // and that the worker sees the start of a long message soon. An eighth of small logs, so that
    // several records fit.
    const std::uint64_t wanted = std::min<std::uint64_t>(std::uint64_t{64} << 10, log_bytes / 8);
    const std::uint64_t fragments = std::max<std::uint64_t>(1, wanted / largest_fragment);
    header->record_max_bytes = static_cast<std::uint32_t>(
        std::max<std::uint64_t>(fragments * largest_fragment, largest_tsdu));
    header->limit.store(log_bytes, std::memory_order_relaxed);
    header->magic = kSendRegionMagic;
    return {header, memory.subspan(log_offset, log_bytes)};
}

std::optional<SendView> SendView::open(std::span<std::byte> memory) {
    if (memory.size() < kPageSize || !aligned(memory.data())) return std::nullopt;
    auto* header = reinterpret_cast<SendHeader*>(memory.data());
    if (header->magic != kSendRegionMagic || header->version != kLayoutVersion) return std::nullopt;
    const std::uint64_t log_offset = header->log_offset;
    SendView view;
    view.header_ = header;
    view.log_bytes_ = header->log_bytes;
    view.session_id_ = header->session_id;
    view.format_ = header->format;
    view.largest_tsdu_ = header->largest_tsdu;
    view.largest_fragment_ = header->largest_fragment;
    view.record_max_bytes_ = header->record_max_bytes;
    if (!power_of_two_within(view.log_bytes_, kLogBytesMin, kLogBytesMax) ||
        log_offset < sizeof(SendHeader) || log_offset % kCacheLine != 0 ||
        !inside(log_offset, view.log_bytes_, memory.size()))
        return std::nullopt;
    if (view.format_ > SendFormat::packed || view.largest_fragment_ == 0 ||
        view.largest_tsdu_ > 0xFFFF || view.largest_fragment_ > view.largest_tsdu_ ||
        view.record_max_bytes_ < view.largest_tsdu_ ||
        record_bytes(view.record_max_bytes_) > view.log_bytes_)
        return std::nullopt;
    view.log_ = memory.data() + log_offset;
    return view;
}

SocketPage* init_socket_page(std::span<std::byte> memory, std::uint64_t socket_id,
                             std::uint32_t kind) {
    if (memory.size() < sizeof(SocketPage) || !aligned(memory.data())) return nullptr;
    auto* page = new (memory.data()) SocketPage{};
    page->version = kLayoutVersion;
    page->kind = kind;
    page->socket_id = socket_id;
    page->magic = kSocketPageMagic;
    return page;
}

SocketPage* open_socket_page(std::span<std::byte> memory) {
    if (memory.size() < sizeof(SocketPage) || !aligned(memory.data())) return nullptr;
    auto* page = reinterpret_cast<SocketPage*>(memory.data());
    return page->magic == kSocketPageMagic && page->version == kLayoutVersion ? page : nullptr;
}

WorkerPage* init_worker_page(std::span<std::byte> memory, std::uint32_t worker) {
    if (memory.size() < sizeof(WorkerPage) || !aligned(memory.data())) return nullptr;
    auto* page = new (memory.data()) WorkerPage{};
    page->version = kLayoutVersion;
    page->worker = worker;
    page->magic = kWorkerPageMagic;
    return page;
}

const WorkerPage* open_worker_page(std::span<const std::byte> memory) {
    if (memory.size() < sizeof(WorkerPage) || !aligned(memory.data())) return nullptr;
    const auto* page = reinterpret_cast<const WorkerPage*>(memory.data());
    return page->magic == kWorkerPageMagic && page->version == kLayoutVersion ? page : nullptr;
}

}  // namespace fanfare::ipc
