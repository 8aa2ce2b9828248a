// Runs workers on DPDK's lcores, one each, until they are told to stop.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/dpdk/eal.hpp"
#include "dataplane/dpdk/idle.hpp"
#include "ipc/counter.hpp"
#include "ipc/receive_region.hpp"

namespace fanfare::dataplane::dpdk {

// A worker without its type: one indirect call each a turn, which the turn's burst pays for.
struct Pollable {
    void* object = nullptr;
    std::size_t (*poll)(void* object, Nanos now) = nullptr;       // how much it did
    Nanos (*next_deadline)(void* object, Nanos now) = nullptr;    // asked after a turn without work
    bool (*stopped)(void* object) = nullptr;                      // asked after a turn without work
    WakeDescriptors (*wake_descriptors)(void* object) = nullptr;  // asked before a sleep
};

template <typename W>
Pollable pollable(W& worker) {
    return {
        &worker,
        [](void* w, Nanos now) { return static_cast<std::size_t>(static_cast<W*>(w)->poll(now)); },
        [](void* w, Nanos now) -> Nanos {
            if constexpr (requires(W & x) { x.next_deadline(now); })
                return static_cast<W*>(w)->next_deadline(now);
            else
                return static_cast<W*>(w)->next_deadline();
        },
        [](void* w) { return static_cast<W*>(w)->stopped(); },
        [](void* w) {
            if constexpr (requires(W & x) { x.wake_descriptors(); })
                return static_cast<W*>(w)->wake_descriptors();
            else
                return WakeDescriptors{{}, 0, false};
        }};
}

class LcoreRunner {
  public:
    explicit LcoreRunner(const Eal& eal);
    // Stops and waits.
    ~LcoreRunner();
    LcoreRunner(const LcoreRunner&) = delete;
    LcoreRunner& operator=(const LcoreRunner&) = delete;

    // Worker number `index` (0 .. eal.workers() - 1) starts to turn on its own thread and core.
    // What `worker` and `idle` point to outlives the run. False, with one line in `error`, if that
    // lcore runs something already.
    bool launch(unsigned index, const Pollable& worker, const IdleSettings& idle,
                std::string& error);

    // Ends the loops whatever the workers say (a worker that says stopped() ends by itself), and
    // rings their doorbells. Any thread.
    void request_stop();
    // Waits until every launched worker has returned. The main lcore's thread.
    void wait();
    bool running(unsigned index) const;

    std::uint64_t turns(unsigned index) const { return runs_[index]->turns.get(); }
    std::uint64_t sleeps(unsigned index) const { return runs_[index]->sleeps.get(); }

  private:
    struct alignas(ipc::kCacheLine) Run {  // one lcore's
        const Clock* clock = nullptr;
        Pollable worker;
        IdleSettings idle;
        const std::atomic<bool>* stop = nullptr;
        ipc::Counter turns, sleeps;  // written by the lcore now and then, read by anybody
        bool launched = false;
    };
    static int run(void* run);

    const Eal& eal_;
    std::vector<std::unique_ptr<Run>> runs_;
    std::atomic<bool> stop_{
        false};  // partner: run() loads it in idle turns; nothing hangs on its order
};

}  // namespace fanfare::dataplane::dpdk
