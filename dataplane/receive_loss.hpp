// Losing received frames on purpose (--rx-loss PERCENT[,seed]): at the edge of the port, before
// anything looks at them, so that every protocol above meets the loss. One seed gives one sequence
// of fates.
#pragma once

#include <cstdint>

#include "dataplane/worker_config.hpp"
#include "engine/core/random.hpp"

namespace fanfare::dataplane {

class ReceiveLossGate {
  public:
    // `stream` tells the sequences of several queues apart.
    ReceiveLossGate(const ReceiveLoss& loss, std::uint64_t stream)
        : random_(loss.seed ^ (stream * 0x9E3779B97F4A7C15ull)),
          // Fates are 53-bit numbers; below the mark a frame is lost.
          mark_(loss.percent <= 0     ? 0
                : loss.percent >= 100 ? kAll
                                      : static_cast<std::uint64_t>(loss.percent / 100 * kAll)) {}

    bool lose() { return mark_ != 0 && (random_.next() >> 11) < mark_; }

  private:
    static constexpr std::uint64_t kAll = std::uint64_t{1} << 53;
    engine::Random random_;
    std::uint64_t mark_;
};

}  // namespace fanfare::dataplane
