// When the trail of a send window moves (wsrm.md 5.5, RFC 3208 section 16).
//
// By time: every MSecs * rate % the trail steps over everything sent longer ago than MSecs * (100 -
// rate) %. A repair that waits inside the step holds the trail where it is, for at most one further
// period, so that NAKs cannot pin the window. With data (rate 0): the trail follows the data and
// keeps the last so many octets.
#pragma once

#include <algorithm>

#include "engine/core/profile.hpp"
#include "engine/core/repair_queue.hpp"
#include "engine/core/send_window.hpp"
#include "engine/types.hpp"

namespace fanfare::engine {

class TrailAdvance {
  public:
    explicit TrailAdvance(const SourceParameters& parameters)
        : by_time_(parameters.rate_bits_per_s != 0),
          period_(std::max<Nanos>(kMillisecond,
                                  parameters.window_ns / 100 * parameters.advance_percent)),
          keep_(parameters.window_ns / 100 * (100 - parameters.advance_percent)),
          window_bytes_(parameters.window_bytes),
          log_bytes_(parameters.window_log_bytes) {}

    bool by_time() const { return by_time_; }
    Nanos period() const { return period_; }
    Nanos next_deadline() const { return at_; }

    // The window was empty and is no longer: the period runs from here.
    void data_sent(Nanos now) {
        if (by_time_ && at_ == kNever) at_ = now + period_;
    }

    // Called when the deadline has passed: fixes the next step. target() then says how far it may
    // go.
    void expire(const SendWindow& window, Nanos now) {
        overdue_ = step_;
        step_ = window.first_sent_after(now - keep_, window.trail());
        at_ = now + period_;
    }

    // Where the trail may stand now, given what waits for repair.
    std::uint64_t target(const SendWindow& window, const RepairQueue& repairs) const {
        if (!by_time_) return window.trail();
        std::uint64_t target = std::max(step_, window.trail());
        if (!repairs.empty()) {
            const std::uint64_t held = std::max(overdue_, window.trail());
            target = std::min(target, std::max(held, repairs.oldest(window.trail())));
        }
        return target;
    }
    // After the trail moved: an empty window needs no timer.
    void settled(const SendWindow& window) {
        if (window.empty()) at_ = kNever;
    }

    // With data: true while the oldest entry must go to keep to `window_bytes` and
    // `window_log_bytes`.
    bool over(const SendWindow& window) const {
        return !by_time_ && window.size() > 1 &&
               (window.bytes() > window_bytes_ ||
                (log_bytes_ != 0 && window.log_bytes() > log_bytes_));
    }

  private:
    bool by_time_;
    Nanos period_;
    Nanos keep_;
    std::uint64_t window_bytes_, log_bytes_;
    Nanos at_ = kNever;
    std::uint64_t step_ = 0;     // everything before it shall leave
    std::uint64_t overdue_ = 0;  // the step before: leaves whatever waits
};

}  // namespace fanfare::engine
