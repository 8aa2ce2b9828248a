// Empty frames for a port that has no driver's pool: one piece of memory, a stack of free places,
// so that the frame that was used last, and is in the cache, is used next.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/core/output.hpp"

namespace fanfare::dataplane::kernel {

class FramePool {
  public:
    FramePool() = default;
    FramePool(const FramePool&) = delete;
    FramePool& operator=(const FramePool&) = delete;
    ~FramePool() {
        if (memory_ != nullptr) munmap(memory_, bytes_);
    }

    // `capacity`: octets of a packet. False when there is no memory.
    bool open(std::size_t frames, std::uint16_t capacity) {
        capacity_ = capacity;
        stride_ = (engine::kFrameHeadroom + capacity + 63) / 64 * 64;
        bytes_ = frames * stride_;
        void* const memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        if (memory == MAP_FAILED) return false;
        memory_ = static_cast<std::byte*>(memory);
        free_.reserve(frames);
        for (std::size_t i = frames; i-- > 0;) free_.push_back(memory_ + i * stride_);
        return true;
    }

    std::size_t allocate(std::span<engine::TxFrame> frames) {
        std::size_t count = 0;
        for (; count < frames.size() && !free_.empty(); ++count) {
            engine::TxFrame& frame = frames[count];
            frame = engine::TxFrame{};
            frame.handle = free_.back();
            frame.data = free_.back() + engine::kFrameHeadroom;
            frame.capacity = capacity_;
            free_.pop_back();
        }
        return count;
    }
    void give_back(std::span<const engine::TxFrame> frames) {
        for (const auto& frame : frames) free_.push_back(static_cast<std::byte*>(frame.handle));
    }
    std::size_t free_count() const { return free_.size(); }

  private:
    std::byte* memory_ = nullptr;
    std::size_t bytes_ = 0, stride_ = 0;
    std::uint16_t capacity_ = 0;
    std::vector<std::byte*> free_;
};

}  // namespace fanfare::dataplane::kernel
