// Keeps signals from this thread while it holds a lock of the library. Only where it was asked for:
// the preload library does, because a program may make socket calls in a signal handler, where the
// kernel's are safe; ours then must not find their own lock held by the thread that was
// interrupted.
#pragma once

#include <pthread.h>
#include <signal.h>

#include <atomic>

namespace fanfare::client {

// Set once, before the process has a second thread.
inline constinit std::atomic<bool> signal_handlers_may_call{false};

class SignalsHeld {
  public:
    SignalsHeld() : held_(signal_handlers_may_call.load(std::memory_order_relaxed)) {
        if (!held_) return;
        sigset_t all;
        ::sigfillset(&all);
        held_ = ::pthread_sigmask(SIG_BLOCK, &all, &before_) == 0;
    }
    ~SignalsHeld() {
        if (held_) ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }
    SignalsHeld(const SignalsHeld&) = delete;
    SignalsHeld& operator=(const SignalsHeld&) = delete;

  private:
    sigset_t before_;
    bool held_;
};

// A call that waits is cut by a signal at whatever moment of the wait it comes, between two sleeps
// as well: from the first hold() on this thread takes signals in its sleeps alone. Those that tell
// a fault of this thread can not wait.
class SleepSignals {
  public:
    SleepSignals() = default;
    ~SleepSignals() {
        if (held_) ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }
    SleepSignals(const SleepSignals&) = delete;
    SleepSignals& operator=(const SleepSignals&) = delete;

    void hold() {
        if (held_) return;
        sigset_t all;
        ::sigfillset(&all);
        for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS})
            ::sigdelset(&all, fault);
        held_ = ::pthread_sigmask(SIG_BLOCK, &all, &before_) == 0;
    }
    // What to sleep with; nullptr: nothing is held.
    const sigset_t* mask() const { return held_ ? &before_ : nullptr; }

  private:
    sigset_t before_;
    bool held_ = false;
};

// A lock that is taken with signals held.
template <typename Mutex>
class QuietLock {
  public:
    explicit QuietLock(Mutex& mutex) : mutex_(mutex) { mutex_.lock(); }
    ~QuietLock() { mutex_.unlock(); }
    QuietLock(const QuietLock&) = delete;
    QuietLock& operator=(const QuietLock&) = delete;

  private:
    SignalsHeld signals_;
    Mutex& mutex_;
};

}  // namespace fanfare::client
