#include "dataplane/dpdk/lcore_runner.hpp"

#include <rte_launch.h>
#include <rte_lcore.h>
#include <unistd.h>

#include <algorithm>

namespace fanfare::dataplane::dpdk {

namespace {

// How often a busy loop looks at the stop flag and publishes its own counters.
constexpr std::uint64_t kHousekeepingTurns = 1024;

}  // namespace

LcoreRunner::LcoreRunner(const Eal& eal) : eal_(eal) {
    for (unsigned i = 0; i < eal.workers(); ++i) runs_.push_back(std::make_unique<Run>());
}

LcoreRunner::~LcoreRunner() {
    request_stop();
    wait();
}

bool LcoreRunner::launch(unsigned index, const Pollable& worker, const IdleSettings& idle,
                         std::string& error) {
    Run& run = *runs_[index];
    run.clock = &eal_.clock();
    run.worker = worker;
    run.idle = idle;
    run.stop = &stop_;
    if (const int code = rte_eal_remote_launch(&LcoreRunner::run, &run, index); code != 0) {
        error = "worker " + std::to_string(index) + " does not start on CPU " +
                std::to_string(eal_.cpu_of(index)) + ": its lcore is busy";
        return false;
    }
    run.launched = true;
    return true;
}

int LcoreRunner::run(void* context) {
    Run& run = *static_cast<Run*>(context);
    prepare_idle_thread(run.idle.idle);
    IdlePolicy idle(run.idle);
    const Pollable worker = run.worker;
    Nanos last = 0;
    for (std::uint64_t turns = 1;; ++turns) {
        // Counters of two cores may differ by a few ticks where the scheduler moved us: time never
        // goes back.
        const Nanos now = std::max(last, run.clock->now());
        last = now;
        const std::size_t work = worker.poll(worker.object, now);
        if (work == 0) {
            if (worker.stopped(worker.object) || run.stop->load(std::memory_order_relaxed)) break;
            const Nanos deadline = worker.next_deadline(worker.object, now);
            if (idle.sleeps_next()) {
                idle.after_turn(0, now, deadline, worker.wake_descriptors(worker.object));
            } else {
                idle.after_turn(0, now, deadline);
            }
        } else {
            idle.after_turn(work, now, kNever);
        }
        if (turns % kHousekeepingTurns == 0) {
            if (run.stop->load(std::memory_order_relaxed)) break;
            run.turns.set(turns);
            run.sleeps.set(idle.sleeps());
        }
    }
    idle.finish();
    return 0;
}

void LcoreRunner::request_stop() {
    stop_.store(true, std::memory_order_relaxed);
    const std::uint64_t one = 1;
    for (const auto& run : runs_)
        if (run->launched && run->idle.doorbell >= 0 &&
            write(run->idle.doorbell, &one, sizeof one) < 0)
            continue;  // a full eventfd is one that rings already
}

void LcoreRunner::wait() {
    for (unsigned i = 0; i < runs_.size(); ++i) {
        if (!runs_[i]->launched) continue;
        rte_eal_wait_lcore(i);
        runs_[i]->launched = false;
    }
}

bool LcoreRunner::running(unsigned index) const {
    return rte_eal_get_lcore_state(index) == RUNNING;
}

}  // namespace fanfare::dataplane::dpdk
