// Completions of asynchronous calls, in memory that a process shares with the children it forks:
// whoever makes progress posts, one reader takes, in the order of posting (client/socket/
// completion_queue.hpp). No system call, no wait, no allocation.
//
// A completion is never lost, because there is never one too many: an operation is accepted only
// while `accepted - head` leaves it a slot for its completion, and that slot is its own until the
// reader has passed it.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <span>

#include "ipc/receive_region.hpp"

namespace fanfare::ipc {

struct Completion {
    std::uint64_t user_data = 0;
    std::int64_t result = 0;  // octets, or an errno as a negative number
    std::uint32_t flags = 0;
    std::uint32_t reserved = 0;
};
static_assert(sizeof(Completion) == 24);

inline constexpr std::uint64_t kCompletionRingMagic = 0x474E4952'4C504D43ull;  // "CMPLRING"
// 64 Ki completions are 1.5 MiB; a program with more under way at once has several rings.
inline constexpr std::uint32_t kCompletionEntriesMax = 65536;

struct CompletionRingHeader {
    std::uint64_t magic = 0;
    std::uint32_t entries = 0;  // power of two
    // Reader's: the first completion not yet taken. Release; partner: the acquire in accept().
    alignas(kCacheLine) std::atomic<std::uint32_t> head;
    // 1: the reader sleeps, or wants the descriptor to show the next completion (ipc/wakeup.hpp).
    std::atomic<std::uint32_t> waiting;
    // Poster's: behind the last completion. Release; partner: the acquire in peek().
    alignas(kCacheLine) std::atomic<std::uint32_t> tail;
    // Submitters': operations ever accepted.
    alignas(kCacheLine) std::atomic<std::uint32_t> accepted;
};

// A view of such memory; does not own it. Numbers run on for ever and wrap.
class CompletionRing {
  public:
    CompletionRing() = default;

    static std::uint32_t entries_for(std::uint32_t wanted) {
        return std::bit_ceil(std::clamp<std::uint32_t>(wanted, 1, kCompletionEntriesMax));
    }
    static std::size_t bytes_for(std::uint32_t entries) {
        return sizeof(CompletionRingHeader) + std::size_t{entries} * sizeof(Completion);
    }
    // Requires memory of bytes_for(entries), aligned to a line; `entries` from entries_for().
    static CompletionRing init(std::span<std::byte> memory, std::uint32_t entries) {
        CompletionRing ring;
        ring.header_ = new (memory.data()) CompletionRingHeader{};
        ring.header_->entries = entries;
        ring.header_->magic = kCompletionRingMagic;
        ring.slots_ = reinterpret_cast<Completion*>(memory.data() + sizeof(CompletionRingHeader));
        ring.mask_ = entries - 1;
        return ring;
    }

    std::uint32_t entries() const { return mask_ + 1; }
    std::atomic<std::uint32_t>& waiting() { return header_->waiting; }

    // Any thread: takes room for the completions of up to `wanted` operations; how many got it.
    std::uint32_t accept(std::uint32_t wanted) {
        std::uint32_t accepted = header_->accepted.load(std::memory_order_relaxed);
        for (;;) {
            // Acquire; partner: the release in seen(): a slot is posted to only after it was read.
            const std::uint32_t head = header_->head.load(std::memory_order_acquire);
            const std::uint32_t n = std::min(wanted, entries() - (accepted - head));
            if (n == 0) return 0;
            if (header_->accepted.compare_exchange_weak(
                    accepted, accepted + n, std::memory_order_acq_rel, std::memory_order_relaxed))
                return n;
        }
    }
    // Operations that have no completion yet.
    std::uint32_t under_way() const {
        const std::uint32_t tail = header_->tail.load(std::memory_order_relaxed);
        return header_->accepted.load(std::memory_order_relaxed) - tail;
    }

    // One thread at a time: the completion of an operation that was accepted. The caller wakes.
    void post(const Completion& completion) {
        const std::uint32_t tail = header_->tail.load(std::memory_order_relaxed);
        slots_[tail & mask_] = completion;
        header_->tail.store(tail + 1, std::memory_order_release);
    }

    // Reader: copies what stands there, oldest first, and takes nothing.
    std::uint32_t peek(std::span<Completion> out) const {
        const std::uint32_t head = header_->head.load(std::memory_order_relaxed);
        const std::uint32_t there = header_->tail.load(std::memory_order_acquire) - head;
        const auto n = static_cast<std::uint32_t>(std::min<std::size_t>(there, out.size()));
        // The caller's may be a structure of its own with this layout.
        for (std::uint32_t i = 0; i < n; ++i)
            std::memcpy(&out[i], &slots_[(head + i) & mask_], sizeof(Completion));
        return n;
    }
    std::uint32_t standing() const {
        return header_->tail.load(std::memory_order_acquire) -
               header_->head.load(std::memory_order_relaxed);
    }
    // Reader: takes the oldest `count` of those that stand there; how many it took.
    std::uint32_t seen(std::uint32_t count) {
        const std::uint32_t n = std::min(count, standing());
        header_->head.store(header_->head.load(std::memory_order_relaxed) + n,
                            std::memory_order_release);
        return n;
    }

  private:
    CompletionRingHeader* header_ = nullptr;
    Completion* slots_ = nullptr;
    std::uint32_t mask_ = 0;
};

}  // namespace fanfare::ipc
