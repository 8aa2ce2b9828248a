// Events for the control thread. When its ring is full an event is kept here, in order, and tried
// again: none is ever lost.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "dataplane/commands.hpp"

namespace fanfare::dataplane {

class EventQueue {
  public:
    // `kept_max` events can wait. The worker takes no command while any does, so they are at most
    // what sessions say by themselves: a few each.
    EventQueue(ipc::SpscRing<WorkerEvent>& ring, std::size_t kept_max)
        : ring_(ring), kept_(kept_max) {}

    void push(const WorkerEvent& event) {
        flush();
        if (count_ == 0 && ring_.push(event)) {
            pushed_ = true;
            return;
        }
        if (count_ == kept_.size()) {  // more than the sessions can say: grow rather than lose
            std::vector<WorkerEvent> larger(2 * kept_.size() + 1);
            for (std::size_t i = 0; i < count_; ++i) larger[i] = kept_[(first_ + i) % kept_.size()];
            kept_.swap(larger);
            first_ = 0;
        }
        kept_[(first_ + count_++) % kept_.size()] = event;
    }
    void flush() {
        while (count_ > 0 && ring_.push(kept_[first_])) {
            first_ = (first_ + 1) % kept_.size();
            --count_;
            pushed_ = true;
        }
    }
    bool waiting() const { return count_ > 0; }
    // True once after events went out: the control thread's bell is to be rung.
    bool take_pushed() { return std::exchange(pushed_, false); }

  private:
    ipc::SpscRing<WorkerEvent>& ring_;
    std::vector<WorkerEvent> kept_;
    std::size_t first_ = 0, count_ = 0;
    bool pushed_ = false;
};

}  // namespace fanfare::dataplane
