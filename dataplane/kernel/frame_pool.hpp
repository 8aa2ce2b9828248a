// Empty frames for a port that has no driver's pool, such that the packets of a burst come to stand
// one behind the other: then the kernel gets them as one piece of memory, and copies that at twice
// the speed of the pieces.
//
// Frames are lent in the order of their addresses, out of blocks. A packet that is shorter than its
// frame moves the next one towards it (engine::adjoin), so packets of a block may stand in each
// other's places, and a block is lent anew only when all of its frames are back. The block that was
// used last, and is in the cache, is used next.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/core/output.hpp"

namespace fanfare::dataplane::kernel {

class FramePool {
  public:
    // What one call of the kernel can carry, and so what it is of use to have in one piece.
    static constexpr std::size_t kBlockFrames = 64;

    FramePool() = default;
    FramePool(const FramePool&) = delete;
    FramePool& operator=(const FramePool&) = delete;
    ~FramePool() {
        if (memory_ != nullptr) munmap(memory_, bytes_);
    }

    // `blocks` of kBlockFrames frames each; `capacity`: octets of a packet. False when there is no
    // memory.
    bool open(std::size_t blocks, std::uint16_t capacity) {
        capacity_ = capacity;
        const std::size_t stride = (std::size_t{capacity} + 63) / 64 * 64;
        bytes_ = blocks * kBlockFrames * stride;
        void* const memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        if (memory == MAP_FAILED) return false;
        memory_ = static_cast<std::byte*>(memory);
        stride_ = stride;
        blocks_ = std::make_unique<Block[]>(blocks);
        free_.reserve(blocks);
        for (std::size_t i = blocks; i-- > 0;) {
            blocks_[i].memory = memory_ + i * kBlockFrames * stride;
            free_.push_back(&blocks_[i]);
        }
        free_count_ = blocks * kBlockFrames;
        return true;
    }

    // A prefix of `frames`; fewer when all blocks are in use.
    std::size_t allocate(std::span<engine::TxFrame> frames) {
        std::size_t count = 0;
        for (; count < frames.size(); ++count) {
            if (current_ == nullptr) {
                if (free_.empty()) break;
                current_ = free_.back();
                free_.pop_back();
            }
            Block& block = *current_;
            engine::TxFrame& frame = frames[count];
            frame = engine::TxFrame{};
            frame.handle = &block;
            frame.data = block.memory + block.next * stride_;
            frame.capacity = capacity_;
            frame.adjoins = block.next != 0;
            ++block.out;
            if (++block.next == kBlockFrames) current_ = nullptr;
        }
        free_count_ -= count;
        return count;
    }
    // In any order.
    void give_back(std::span<const engine::TxFrame> frames) {
        for (const auto& frame : frames) {
            Block& block = *static_cast<Block*>(frame.handle);
            if (--block.out != 0) continue;
            block.next = 0;
            if (&block != current_) free_.push_back(&block);
        }
        free_count_ += frames.size();
    }
    // Frames that are not lent; some can be lent only when others of their block are back.
    std::size_t free_count() const { return free_count_; }

  private:
    struct Block {
        std::byte* memory = nullptr;
        std::size_t next = 0;  // frame to lend next
        std::size_t out = 0;   // lent
    };

    std::byte* memory_ = nullptr;
    std::size_t bytes_ = 0, stride_ = 0;
    std::uint16_t capacity_ = 0;
    std::unique_ptr<Block[]> blocks_;
    std::vector<Block*> free_;
    Block* current_ = nullptr;  // that frames are being lent from
    std::size_t free_count_ = 0;
};

}  // namespace fanfare::dataplane::kernel
