#include "client/socket/page_lock.hpp"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "client/socket/cpu_relax.hpp"

namespace fanfare::client {

namespace {

// gettid() is a system call; the thread that fork() leaves in the child has a new id.
thread_local std::uint32_t cached_thread_id = 0;

std::uint32_t thread_id() {
    if (cached_thread_id == 0) {
        static const int registered =
            ::pthread_atfork(nullptr, nullptr, [] { cached_thread_id = 0; });
        (void)registered;
        cached_thread_id = static_cast<std::uint32_t>(::syscall(SYS_gettid));
    }
    return cached_thread_id;
}

long futex(std::atomic<std::uint32_t>& word, int operation) {
    return ::syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), operation, 0, nullptr,
                     nullptr, 0);
}

}  // namespace

void PageLock::lock() {
    const std::uint32_t self = thread_id();
    // Holders keep it for a copy, well under a scheduler's turn: a few tries save the system call.
    for (int tries = 0; tries < 64; ++tries) {
        std::uint32_t free = 0;
        // Acquire; partner: the release in unlock().
        if (word_.compare_exchange_weak(free, self, std::memory_order_acquire,
                                        std::memory_order_relaxed))
            return;
        cpu_relax();
    }
    for (;;) {
        if (futex(word_, FUTEX_LOCK_PI) == 0) {
            const std::uint32_t value = word_.load(std::memory_order_acquire);
            if ((value & FUTEX_OWNER_DIED) != 0) {
                word_.fetch_and(~static_cast<std::uint32_t>(FUTEX_OWNER_DIED),
                                std::memory_order_relaxed);
                recovered_ = true;
            }
            return;
        }
        std::uint32_t seen = word_.load(std::memory_order_relaxed);
        if (errno == ESRCH || errno == EPERM || (seen & FUTEX_TID_MASK) == self) {
            // The holder is no more (or its id is ours by now, or rubbish stands there): take its
            // place.
            if (word_.compare_exchange_strong(seen, self, std::memory_order_acquire,
                                              std::memory_order_relaxed)) {
                recovered_ = true;
                return;
            }
        } else if (errno == ENOSYS) {
            std::uint32_t free = 0;
            if (word_.compare_exchange_strong(free, self, std::memory_order_acquire,
                                              std::memory_order_relaxed))
                return;
        }
        ::sched_yield();
    }
}

void PageLock::unlock() {
    std::uint32_t mine = thread_id();
    // Release; partner: the acquire in lock().
    if (word_.compare_exchange_strong(mine, 0, std::memory_order_release,
                                      std::memory_order_relaxed))
        return;
    // Somebody waits: the kernel hands the lock over. The addition of nothing releases what was
    // written under it.
    word_.fetch_or(0, std::memory_order_release);
    if (futex(word_, FUTEX_UNLOCK_PI) != 0) word_.store(0, std::memory_order_release);
}

}  // namespace fanfare::client
