// When SPMs go out by themselves (RFC 3208 5.1.4 to 5.1.6): ambient ones in steady time, heartbeats
// at growing intervals after the last data. Any SPM serves as the ambient one, so sending one
// restarts that timer.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include "engine/types.hpp"

namespace fanfare::engine {

class SpmSchedule {
  public:
    // Zeroes end the list of heartbeat intervals.
    SpmSchedule(Nanos ambient, const std::array<Nanos, 9>& heartbeats)
        : ambient_(ambient), heartbeats_(heartbeats) {}

    void start(Nanos now) { ambient_at_ = now + ambient_; }
    // ODATA or RDATA has gone out: heartbeats begin anew (OpenPGM restarts them on RDATA too,
    // interop.md 3).
    void data_sent(Nanos now) {
        beat_ = 0;
        heartbeat_at_ = heartbeats_[0] > 0 ? now + heartbeats_[0] : kNever;
    }
    void spm_sent(Nanos now) { ambient_at_ = now + ambient_; }

    bool due(Nanos now) const { return next() <= now; }
    Nanos next() const { return std::min(ambient_at_, heartbeat_at_); }
    // An SPM that was due has gone out.
    void beat(Nanos now) {
        if (heartbeat_at_ <= now) {
            ++beat_;
            heartbeat_at_ = beat_ < heartbeats_.size() && heartbeats_[beat_] > 0
                                ? now + heartbeats_[beat_]
                                : kNever;
        }
        spm_sent(now);
    }
    // Shortest interval in use: what answers to SPMRs are limited to (RFC 13.4: once per IHB_MIN).
    Nanos shortest() const { return heartbeats_[0] > 0 ? heartbeats_[0] : ambient_; }

  private:
    Nanos ambient_;
    std::array<Nanos, 9> heartbeats_;
    std::size_t beat_ = 0;
    Nanos ambient_at_ = kNever;
    Nanos heartbeat_at_ = kNever;
};

}  // namespace fanfare::engine
