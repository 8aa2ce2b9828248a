// Sleep and wake across processes without a lost wake-up (DESIGN section 5, ipc/socket_page.hpp).
//
// One side publishes a counter (lead, limit, tail), the other sleeps when the counter shows nothing
// for it. A flag that stands beside the counter says whether anybody sleeps, so that a busy pair
// makes no system call:
//
//     sleeper: flag = 1; fence; look at the counter again; sleep        waker: counter = n; fence;
//     read the flag
//
// Either the sleeper's second look sees n, or the waker's read sees 1: with a store buffer on both
// sides neither need hold, hence a full fence on both. The steps are templates over a Memory, so
// that a model checker can walk all their interleavings; AtomicMemory is what runs.
#pragma once

#include <atomic>
#include <cstdint>

namespace fanfare::ipc {

struct AtomicMemory {
    using Flag = std::atomic<std::uint32_t>;
    void store_relaxed(Flag& flag, std::uint32_t value) {
        flag.store(value, std::memory_order_relaxed);
    }
    std::uint32_t load_relaxed(const Flag& flag) { return flag.load(std::memory_order_relaxed); }
    std::uint32_t exchange(Flag& flag, std::uint32_t value) {
        return flag.exchange(value, std::memory_order_acq_rel);
    }
    void fence() { std::atomic_thread_fence(std::memory_order_seq_cst); }
};

// Sleeper. True: the flag is set and `something_there()` (a look at the counters) found nothing
// afterwards: go to sleep, the next publication wakes you. False: something is there; the flag may
// have stayed set, which costs at most one needless wake-up.
template <typename Memory, typename Flag, typename Look>
bool prepare_sleep(Memory&& memory, Flag& flag, Look&& something_there) {
    memory.store_relaxed(flag, 1);
    memory.fence();
    return !something_there();
}

// Waker, once a burst, after the counters were stored and before the flags are read.
template <typename Memory>
void publish_fence(Memory&& memory) {
    memory.fence();
}

// Waker, for each sleeper that a burst concerns, after publish_fence(). True: the caller must make
// the system call that wakes it; nobody else will.
template <typename Memory, typename Flag>
bool take_sleeper(Memory&& memory, Flag& flag) {
    if (memory.load_relaxed(flag) == 0) return false;
    return memory.exchange(flag, 0) != 0;
}

}  // namespace fanfare::ipc
