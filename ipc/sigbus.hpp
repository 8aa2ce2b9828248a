// What happens when memory that a client controls goes away under the daemon's hands: a hole
// punched into a huge page with no other page free, a file that shrank. The kernel raises SIGBUS in
// the thread that touches it; the handler puts a page of zeros there and marks the range, so that
// its session can be reset while everybody else goes on (DESIGN section 4).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace fanfare::ipc {

inline constexpr std::size_t kGuardedRangesMax = 4096;

// Installs the process's SIGBUS handler. Faults outside guarded ranges go to the handler that stood
// before, or to the default (the process dies). Idempotent. False when the kernel refuses.
bool install_sigbus_handler();

// Guards [base, base + bytes) while it lives. `page_bytes` is the size of the pages behind the
// mapping (4 KiB or 2 MiB). Memory: the range must stay mapped until the guard has gone.
class SigbusGuard {
  public:
    SigbusGuard() = default;
    // valid() is false when all kGuardedRangesMax places are taken.
    SigbusGuard(void* base, std::size_t bytes, std::size_t page_bytes);
    SigbusGuard(SigbusGuard&& other) noexcept;
    SigbusGuard& operator=(SigbusGuard&& other) noexcept;
    SigbusGuard(const SigbusGuard&) = delete;
    SigbusGuard& operator=(const SigbusGuard&) = delete;
    ~SigbusGuard();

    bool valid() const { return place_ >= 0; }
    // Pages replaced so far. Stored relaxed by the handler in the thread that faulted; that thread
    // is the partner: it looks after it has used what it read. Valid as long as the guard.
    const std::atomic<std::uint32_t>* faults() const;

  private:
    int place_ = -1;
};

}  // namespace fanfare::ipc
