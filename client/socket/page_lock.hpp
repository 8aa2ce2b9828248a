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
    explicit PageLock(std::atomic<std::uint32_t>& word) : word_(word) { lock(); }
    ~PageLock() { unlock(); }
    PageLock(const PageLock&) = delete;
    PageLock& operator=(const PageLock&) = delete;

    // Whether the one who held it before died with it: what it was changing may be half done.
    bool recovered() const { return recovered_; }

  private:
    void lock();
    void unlock();
    std::atomic<std::uint32_t>& word_;
    bool recovered_ = false;
};

}  // namespace fanfare::client
