// How a source ends: OPT_FIN and repairs until the window has passed, or OPT_RST at once (RFC
// 3208 9.7, 9.8). Decides when the end is reached; sends nothing itself.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "engine/core/profile.hpp"
#include "engine/types.hpp"

namespace fanfare::engine {

class SourceClosing {
  public:
    explicit SourceClosing(const SourceParameters& parameters)
        : by_time_(parameters.rate_bits_per_s != 0),
          linger_(parameters.linger_ns),
          // With rate 0 the window moves with data, so after the last data nothing moves it: what
          // stays repairable is bounded by quiet time instead. A receiver asks again within its
          // round-trip ceiling of 20 ms, so one second without a NAK means that nobody misses
          // anything.
          quiet_(std::max<Nanos>(parameters.window_ns, kSecond)) {}

    bool open() const { return state_ == State::open; }
    bool finishing() const { return state_ == State::finishing; }
    bool aborting() const { return state_ == State::aborting; }
    bool done() const { return state_ == State::done; }
    std::uint8_t error() const { return error_; }

    void finish(Nanos now) {
        if (state_ != State::open) return;
        state_ = State::finishing;
        since_ = active_ = now;
    }
    void abort(std::uint8_t error) {
        if (state_ == State::done) return;
        state_ = State::aborting;
        error_ = error;
    }
    void complete() { state_ = State::done; }

    // A NAK came: somebody still needs the window.
    void nak_heard(Nanos now) { active_ = now; }

    // When a finishing source may go if nothing more is heard; kNever while only the window's
    // passing decides.
    Nanos deadline() const {
        if (state_ != State::finishing) return kNever;
        Nanos at = kNever;
        // At most ten quiet times: a receiver that never completes must not hold the sender's
        // memory for ever.
        if (!by_time_) at = std::min(active_ + quiet_, since_ + 10 * quiet_);
        if (linger_ > 0) at = std::min(at, since_ + linger_);
        return at;
    }
    bool reached(bool window_empty, Nanos now) const {
        if (state_ != State::finishing) return false;
        return (by_time_ && window_empty) || now >= deadline();
    }

  private:
    enum class State : std::uint8_t { open, finishing, aborting, done };
    bool by_time_;
    Nanos linger_;
    Nanos quiet_;
    State state_ = State::open;
    std::uint8_t error_ = 0;
    Nanos since_ = 0;
    Nanos active_ = 0;
};

}  // namespace fanfare::engine
