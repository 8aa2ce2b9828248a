// A counter with one writer and any number of readers in other threads: plain load, add and store,
// relaxed.
#pragma once

#include <atomic>
#include <cstdint>

namespace fanfare::ipc {

class Counter {
  public:
    // Writer only. No read-modify-write: there is one writer, so no partner and no order is needed.
    void add(std::uint64_t n = 1) {
        value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }
    void set(std::uint64_t n) { value_.store(n, std::memory_order_relaxed); }
    std::uint64_t get() const { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<std::uint64_t> value_{0};
};

}  // namespace fanfare::ipc
