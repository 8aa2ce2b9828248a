// A single-producer single-consumer ring of trivially copyable values, for threads of one process:
// commands, events and frames between workers and the control thread. No syscall, no lock; capacity
// a power of two.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "ipc/line_array.hpp"
#include "ipc/receive_region.hpp"

namespace fanfare::ipc {

struct RingLayout;

template <typename T>
class SpscRing {
    static_assert(std::is_trivially_copyable_v<T>);

  public:
    // `capacity` is rounded up to a power of two, at least 2. Allocates once.
    explicit SpscRing(std::size_t capacity) {
        std::size_t n = 2;
        while (n < capacity) n *= 2;
        mask_ = n - 1;
        slots_ = LineArray<T>(n);
    }

    std::size_t capacity() const { return mask_ + 1; }

    // Producer only. False when full; nothing was written then.
    bool push(const T& value) {
        T* slot = claim();
        if (slot == nullptr) return false;
        *slot = value;
        publish();
        return true;
    }

    // Producer only: room to build a value in place, or nullptr when full; counts only after
    // publish().
    T* claim() {
        if (tail_own_ - head_seen_ > mask_) {
            head_seen_ =
                head_.load(std::memory_order_acquire);  // pairs with C: the slot was read before
            if (tail_own_ - head_seen_ > mask_) return nullptr;
        }
        return &slots_[tail_own_ & mask_];
    }
    void publish() { tail_.store(++tail_own_, std::memory_order_release); }  // P

    // Consumer only: the oldest value, or nullptr when empty; it stays until pop().
    T* front() {
        if (head_own_ == tail_seen_) {
            tail_seen_ =
                tail_.load(std::memory_order_acquire);  // pairs with P: the slot was written before
            if (head_own_ == tail_seen_) return nullptr;
        }
        return &slots_[head_own_ & mask_];
    }
    void pop() { head_.store(++head_own_, std::memory_order_release); }  // C

    bool take(T& value) {
        T* slot = front();
        if (slot == nullptr) return false;
        value = *slot;
        pop();
        return true;
    }

  private:
    friend struct RingLayout;  // tests/dataplane/layout_test.cpp

    LineArray<T> slots_;
    std::size_t mask_ = 0;
    // Each side's own index and what it last saw of the other's stand on its own line.
    alignas(kCacheLine) std::atomic<std::uint64_t> tail_{0};
    alignas(kCacheLine) std::uint64_t tail_own_ = 0;
    std::uint64_t head_seen_ = 0;
    alignas(kCacheLine) std::atomic<std::uint64_t> head_{0};
    alignas(kCacheLine) std::uint64_t head_own_ = 0;
    std::uint64_t tail_seen_ = 0;
};

}  // namespace fanfare::ipc
