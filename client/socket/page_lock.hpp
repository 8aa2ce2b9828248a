// The lock of a socket's page, among all processes that hold its descriptor: SocketPage::lock.
//
// 0 is free, else it holds the holder's thread id and, in bit 31, that somebody waits: the kernel's
// priority-inheriting futex, because that one knows when a holder died and gives the lock on
// instead of letting everybody wait for ever. Uncontended, locking and unlocking are one atomic
// operation each.
#pragma once

#include <atomic>
#include <cstdint>

namespace fanfare::client {

class PageLock {
  public:
    explicit PageLock(std::atomic<std::uint32_t>& word) : word_(word) {
        held_by_this_thread_ = true;
        lock();
    }
    ~PageLock() {
        unlock();
        held_by_this_thread_ = false;
    }
    PageLock(const PageLock&) = delete;
    PageLock& operator=(const PageLock&) = delete;

    // Whether the one who held it before died with it: what it was changing may be half done.
    bool recovered() const { return recovered_; }

    // Whether this thread is inside one, which only a signal handler finds: it must not wait for
    // what it interrupted.
    static bool held_by_this_thread() { return held_by_this_thread_; }

  private:
    void lock();
    void unlock();
    std::atomic<std::uint32_t>& word_;
    bool recovered_ = false;
    static inline thread_local volatile bool held_by_this_thread_ = false;
};

}  // namespace fanfare::client
