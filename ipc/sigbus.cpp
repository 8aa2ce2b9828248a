#include "ipc/sigbus.hpp"

#include <signal.h>
#include <sys/mman.h>

#include <cerrno>
#include <mutex>
#include <utility>

namespace fanfare::ipc {

namespace {

// One guarded range. A sequence lock: `version` is odd while a guard comes or goes, so that a
// handler in another thread never mixes the old range with the new one. All fields are atomics: the
// handler takes no lock.
struct Place {
    std::atomic<std::uint32_t> version{0};
    std::atomic<std::uintptr_t> begin{0}, end{0}, page_bytes{0};
    std::atomic<std::uint32_t> faults{0};
};

Place places[kGuardedRangesMax];
std::atomic<std::size_t> places_used{0};  // high-water mark; partner: the handler's acquire
std::mutex places_mutex;  // among those that make and end guards, never in the handler
struct sigaction previous_action;

// Release store of an even version ends a change; partner: the handler's acquire of `version`.
void write_place(Place& place, std::uintptr_t begin, std::uintptr_t end,
                 std::uintptr_t page_bytes) {
    const std::uint32_t version = place.version.load(std::memory_order_relaxed);
    place.version.store(version + 1, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_release);
    place.begin.store(begin, std::memory_order_relaxed);
    place.end.store(end, std::memory_order_relaxed);
    place.page_bytes.store(page_bytes, std::memory_order_relaxed);
    place.version.store(version + 2, std::memory_order_release);
}

bool mend(char* address) {
    const auto at = reinterpret_cast<std::uintptr_t>(address);
    const std::size_t used = places_used.load(std::memory_order_acquire);
    for (std::size_t i = 0; i < used; ++i) {
        Place& place = places[i];
        const std::uint32_t version = place.version.load(std::memory_order_acquire);
        const std::uintptr_t begin = place.begin.load(std::memory_order_relaxed);
        const std::uintptr_t end = place.end.load(std::memory_order_relaxed);
        const std::uintptr_t page_bytes = place.page_bytes.load(std::memory_order_relaxed);
        std::atomic_thread_fence(std::memory_order_acquire);
        if (version % 2 != 0 || place.version.load(std::memory_order_relaxed) != version) continue;
        if (page_bytes == 0 || at < begin || at >= end) continue;
        void* zeros = ::mmap(address - (at & (page_bytes - 1)), page_bytes, PROT_READ | PROT_WRITE,
                             MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (zeros == MAP_FAILED) return false;
        place.faults.fetch_add(1, std::memory_order_relaxed);
        return true;
    }
    return false;
}

void on_sigbus(int signal, siginfo_t* info, void* context) {
    const int saved = errno;
    // si_code > 0: the kernel raised it at an address; else somebody sent it with kill().
    if (info->si_code > 0 && mend(static_cast<char*>(info->si_addr))) {
        errno = saved;
        return;
    }
    if ((previous_action.sa_flags & SA_SIGINFO) != 0 && previous_action.sa_sigaction != nullptr) {
        previous_action.sa_sigaction(signal, info, context);
    } else if (previous_action.sa_handler != SIG_DFL && previous_action.sa_handler != SIG_IGN) {
        previous_action.sa_handler(signal);
    } else {
        // Returning runs the faulting instruction again, now with the default action; a sent one is
        // sent again.
        ::signal(signal, SIG_DFL);
        if (info->si_code <= 0) ::raise(signal);
    }
    errno = saved;
}

}  // namespace

bool install_sigbus_handler() {
    static const bool installed = [] {
        struct sigaction action {};
        action.sa_sigaction = on_sigbus;
        action.sa_flags = SA_SIGINFO;
        ::sigemptyset(&action.sa_mask);
        return ::sigaction(SIGBUS, &action, &previous_action) == 0;
    }();
    return installed;
}

SigbusGuard::SigbusGuard(void* base, std::size_t bytes, std::size_t page_bytes) {
    const std::scoped_lock lock(places_mutex);
    const std::size_t used = places_used.load(std::memory_order_relaxed);
    std::size_t i = 0;
    while (i < used && places[i].end.load(std::memory_order_relaxed) != 0) ++i;
    if (i == kGuardedRangesMax) return;
    const auto begin = reinterpret_cast<std::uintptr_t>(base);
    places[i].faults.store(0, std::memory_order_relaxed);
    write_place(places[i], begin, begin + bytes, page_bytes);
    if (i == used) places_used.store(used + 1, std::memory_order_release);
    place_ = static_cast<int>(i);
}

SigbusGuard::SigbusGuard(SigbusGuard&& other) noexcept : place_(std::exchange(other.place_, -1)) {}

SigbusGuard& SigbusGuard::operator=(SigbusGuard&& other) noexcept {
    std::swap(place_, other.place_);
    return *this;
}

SigbusGuard::~SigbusGuard() {
    if (place_ < 0) return;
    const std::scoped_lock lock(places_mutex);
    write_place(places[place_], 0, 0, 0);
}

const std::atomic<std::uint32_t>* SigbusGuard::faults() const {
    return place_ < 0 ? nullptr : &places[place_].faults;
}

}  // namespace fanfare::ipc
