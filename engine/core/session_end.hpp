// What a receiver knows of its session's end: the number that OPT_FIN named last, and when it last
// heard anything (RFC 3208 9.7.1; wsrm.md 5.6).
#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/types.hpp"

namespace fanfare::engine {

class SessionEnd {
  public:
    void start(Nanos silence, Nanos now) {
        silence_ = silence;
        heard_ = now;
        fin_ = false;
        last_ = 0;
    }
    void heard(Nanos now) { heard_ = now; }
    Nanos silent_at() const { return heard_ > kNever - silence_ ? kNever : heard_ + silence_; }

    // OPT_FIN: `last` is the ordinal of the session's last data.
    void fin(std::uint64_t last) {
        last_ = fin_ ? std::max(last_, last) : last;
        fin_ = true;
    }
    bool complete(std::uint64_t next) const { return fin_ && next > last_; }

  private:
    Nanos silence_ = 0;
    Nanos heard_ = 0;
    bool fin_ = false;
    std::uint64_t last_ = 0;
};

}  // namespace fanfare::engine
