// How much of what leaves may be RDATA while new data waits: a credit in octets that ODATA earns
// and RDATA spends, so that over any stretch repairs take at most their share (RFC 3208 5.1.3,
// weighted sharing).
#pragma once

#include <algorithm>
#include <cstdint>

namespace fanfare::engine {

class RepairShare {
  public:
    // `percent` 0..100. The credit saved up is at most 16 datagrams: the losses of one burst are
    // then repaired at once, ahead of all new data, and a storm of NAKs gets no more than that
    // beyond its share.
    RepairShare(std::uint32_t percent, std::uint32_t largest_datagram)
        : percent_(std::min<std::uint32_t>(percent, 100)),
          most_(percent_ == 0 ? 0 : std::int64_t{16} * largest_datagram),
          credit_(most_) {}

    bool allows() const { return percent_ == 100 || credit_ > 0; }
    // Of one datagram or of a run.
    void data_sent(std::uint64_t octets) {
        if (percent_ < 100)
            credit_ = std::min(
                most_, credit_ + static_cast<std::int64_t>(octets) * percent_ / (100 - percent_));
    }
    void repair_sent(std::uint32_t octets) {
        if (percent_ < 100) credit_ -= octets;
    }
    // No data waits: nothing is taken from anybody.
    void refill() { credit_ = most_; }

  private:
    std::uint32_t percent_;
    std::int64_t most_;
    std::int64_t credit_;
};

}  // namespace fanfare::engine
