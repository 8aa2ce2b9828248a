// What a worker does in a turn that found nothing: spin, yield, or sleep until something can have
// happened.
//
// Partner of sleep: ipc::WorkerPage::sleeping and the worker's doorbell. A client that publishes
// stores tail, fence, loads `sleeping`; a worker stores `sleeping`, fence, looks once more (a whole
// turn), sleeps. Drivers without receive interrupts (all of DPDK's kernel-backed and software ones
// here) can't wake anybody, so a sleep is short; a worker whose ports all have descriptors sleeps
// on those as well, and longer.
#pragma once

#include <cstdint>

#include "dataplane/port.hpp"
#include "engine/types.hpp"
#include "ipc/socket_page.hpp"

namespace fanfare::dataplane::dpdk {

enum class Idle : std::uint8_t {
    busy,   // a core of its own
    yield,  // a core shared with clients that run all the time
    sleep,  // a core shared with anything
};

struct IdleSettings {
    Idle idle = Idle::yield;
    ipc::WorkerPage* page = nullptr;  // shared with clients; must be there for `sleep`
    int doorbell = -1;                // eventfd; ends a sleep
    // Turns without work before the first sleep, so that a packet that comes right after another
    // waits for no timer.
    Nanos spin_ns = 20 * kMicrosecond;
    // Longest sleep while ports are polled: at a million packets a second 100 come meanwhile, where
    // rings hold thousands. Shorter costs a wake-up's 3 to 5 us each time, longer adds to every
    // first packet's delay.
    Nanos sleep_ns = 100 * kMicrosecond;
};

class IdlePolicy {
  public:
    explicit IdlePolicy(const IdleSettings& settings) : settings_(settings) {}

    // After a turn at `now` that did `work` things. `deadline` is the worker's next timer, kNever
    // if none. `ports`: asked for when sleeps_next().
    void after_turn(std::size_t work, Nanos now, Nanos deadline,
                    const WakeDescriptors& ports = {{}, 0, false});
    // True when the turn that comes now sleeps if it finds nothing.
    bool sleeps_next() const { return flagged_; }

    std::uint64_t sleeps() const { return sleeps_; }
    // The last flag is taken back; the worker is about to end.
    void finish();

  private:
    void sleep(Nanos now, Nanos deadline, const WakeDescriptors& ports);

    // Longest sleep where everything that comes ends it: a hundred wake-ups a second for nothing,
    // and a bound on what a mistake about "everything" can cost.
    static constexpr Nanos kWokenSleep = 10 * kMillisecond;

    IdleSettings settings_;
    Nanos idle_since_ = kNever;  // kNever: the last turn did something
    bool flagged_ = false;       // `sleeping` is set and the turn after it has not been made
    std::uint64_t sleeps_ = 0;
};

// For the calling thread: timers to the microsecond, and short slices, so that after a wake-up it
// runs before a client that is in the middle of its own. Where the kernel knows no custom slices
// (before 6.12) it ignores them.
void prepare_idle_thread(Idle idle);

}  // namespace fanfare::dataplane::dpdk
