#include "dataplane/dpdk/idle.hpp"

#include <immintrin.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <tuple>

namespace fanfare::dataplane::dpdk {

namespace {

// As the kernel lays it out; glibc 2.36 has no name for it.
struct SchedulingAttributes {
    std::uint32_t size = sizeof(SchedulingAttributes);
    std::uint32_t policy = SCHED_OTHER;
    std::uint64_t flags = 0;
    std::int32_t nice = 0;
    std::uint32_t priority = 0;
    std::uint64_t runtime_ns = 0, deadline_ns = 0, period_ns = 0;
};

// The least the kernel takes.
constexpr std::uint64_t kSliceNanos = 100'000;

}  // namespace

void prepare_idle_thread(Idle idle) {
    if (idle == Idle::busy) return;
    // The usual slack of 50 us would make 150 of every sleep of 100.
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    SchedulingAttributes attributes;
    if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0) return;
    if (attributes.policy != SCHED_OTHER) return;  // somebody chose for us
    attributes.runtime_ns = kSliceNanos;
    syscall(SYS_sched_setattr, 0, &attributes, 0);
}

void IdlePolicy::after_turn(std::size_t work, Nanos now, Nanos deadline,
                            const WakeDescriptors& ports) {
    if (work != 0) {
        idle_since_ = kNever;
        if (flagged_) finish();
        return;
    }
    if (idle_since_ == kNever) idle_since_ = now;
    switch (settings_.idle) {
        case Idle::busy:
            _mm_pause();
            return;
        case Idle::yield:
            sched_yield();
            return;
        case Idle::sleep:
            break;
    }
    if (flagged_) {
        // The look after the flag found nothing: nobody who published before it can be waiting now.
        sleep(now, deadline, ports);
        return;
    }
    if (now - idle_since_ < settings_.spin_ns || deadline <= now) {
        _mm_pause();
        return;
    }
    settings_.page->sleeping.store(1, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_seq_cst);  // partner: the publishing client's fence
    flagged_ = true;
}

void IdlePolicy::sleep(Nanos now, Nanos deadline, const WakeDescriptors& ports) {
    const Nanos longest =
        ports.complete ? std::max(settings_.sleep_ns, kWokenSleep) : settings_.sleep_ns;
    const Nanos left = std::min(longest, deadline == kNever ? kNever : deadline - now);
    if (left > 0) {
        std::array<pollfd, 1 + std::tuple_size_v<decltype(WakeDescriptors::list)>> ends;
        pollfd& bell = ends[0];
        bell = {settings_.doorbell, POLLIN, 0};
        for (std::size_t i = 0; i < ports.count; ++i) ends[1 + i] = {ports.list[i], POLLIN, 0};
        const timespec limit{left / kSecond, left % kSecond};
        ++sleeps_;
        if (ppoll(ends.data(), 1 + ports.count, &limit, nullptr) > 0 &&
            (bell.revents & POLLIN) != 0) {
            std::uint64_t rings = 0;
            if (read(settings_.doorbell, &rings, sizeof rings) < 0)
                rings = 0;  // another thread's read: as good
        }
    }
    finish();
}

void IdlePolicy::finish() {
    if (!flagged_) return;
    flagged_ = false;
    settings_.page->sleeping.store(0, std::memory_order_relaxed);
}

}  // namespace fanfare::dataplane::dpdk
