// A ring of frames between two workers: one fills slots in place, the other reads them in place
// (DESIGN section 5). Slots are claimed in order and published in order; several can be claimed
// before the first is published, so that an engine writes its packets straight into them.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "dataplane/port.hpp"
#include "engine/core/output.hpp"
#include "engine/types.hpp"
#include "ipc/line_array.hpp"
#include "ipc/receive_region.hpp"

namespace fanfare::dataplane {

struct FrameRingLayout;

class FrameRing {
  public:
    enum class Kind : std::uint8_t {
        nothing,         // a slot that was claimed and not needed
        received_frame,  // link-layer frame, for the owner of its session
        datagram,        // IP datagram to send on `interface` by way of `next_hop`
        join,
        leave,  // a session's membership in `next_hop` on `interface`
    };
    struct Slot {
        Kind kind = Kind::nothing;
        bool mac_known = false;
        MacAddress mac;  // of the next hop, where known
        std::uint32_t interface = 0;
        Address next_hop;           // or the group
        std::uint32_t length = 0;   // octets at data
        std::byte* data = nullptr;  // set by the producer; inside [room, room + room_bytes)
        std::byte* room = nullptr;  // the slot's own memory
        std::uint32_t room_bytes = 0;
    };

    // `slots` a power of two. `frame_bytes` is the largest frame; each slot has kFrameHeadroom
    // octets more.
    FrameRing(std::size_t slots, std::size_t frame_bytes)
        : mask_(slots - 1),
          stride_((engine::kFrameHeadroom + frame_bytes + ipc::kCacheLine - 1) / ipc::kCacheLine *
                  ipc::kCacheLine),
          slots_(slots),
          memory_(slots * stride_) {
        for (std::size_t i = 0; i < slots; ++i) {
            slots_[i].room = memory_.data() + i * stride_;
            slots_[i].room_bytes = static_cast<std::uint32_t>(stride_);
        }
    }

    // Producer: the slot `ahead` places behind the last one published, or nullptr when the ring is
    // full there.
    Slot* claim(std::size_t ahead) {
        if (tail_own_ + ahead - head_seen_ > mask_) {
            head_seen_ =
                head_.load(std::memory_order_acquire);  // partner C: the slot was read before
            if (tail_own_ + ahead - head_seen_ > mask_) return nullptr;
        }
        return &slots_[(tail_own_ + ahead) & mask_];
    }
    // Producer: makes the next `count` claimed slots visible.
    void publish(std::size_t count) {
        tail_own_ += count;
        tail_.store(tail_own_, std::memory_order_release);  // P
    }

    // Consumer: the `ahead`-th unread slot, or nullptr; it stays until pop().
    const Slot* front(std::size_t ahead = 0) {
        if (head_own_ + ahead >= tail_seen_) {
            tail_seen_ =
                tail_.load(std::memory_order_acquire);  // partner P: the slot was written before
            if (head_own_ + ahead >= tail_seen_) return nullptr;
        }
        return &slots_[(head_own_ + ahead) & mask_];
    }
    void pop(std::size_t count) {
        head_own_ += count;
        head_.store(head_own_, std::memory_order_release);  // C
    }

  private:
    friend struct FrameRingLayout;  // tests/dataplane/layout_test.cpp

    std::size_t mask_, stride_;
    ipc::LineArray<Slot> slots_;
    ipc::LineArray<std::byte> memory_;
    // Each side's own index and what it last saw of the other's stand on a line of their own.
    alignas(ipc::kCacheLine) std::atomic<std::uint64_t> tail_{0};
    alignas(ipc::kCacheLine) std::uint64_t tail_own_ = 0;
    std::uint64_t head_seen_ = 0;
    alignas(ipc::kCacheLine) std::atomic<std::uint64_t> head_{0};
    alignas(ipc::kCacheLine) std::uint64_t head_own_ = 0;
    std::uint64_t tail_seen_ = 0;
};

}  // namespace fanfare::dataplane
