// What a receiver of a feed (feed.hpp) finds: order, wholeness and delay of its messages.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>

#include "apps/fanfare/histogram.hpp"

namespace fanfare::tool {

class FeedCheck {
  public:
    // One message as it came, read at `now_ns` (CLOCK_MONOTONIC); `repaired`: it had been lost on
    // its way.
    void message(std::span<const std::byte> octets, bool repaired, std::int64_t now_ns);

    // Whether every message so far was whole, and each the next after the one before.
    bool good() const { return damaged_ == 0 && out_of_order_ == 0; }
    std::uint64_t messages() const { return messages_; }
    std::uint64_t bytes() const { return bytes_; }

    // Messages count as delayed above `delayed_above_ns`; 0: above the median by four times the
    // way from it to the upper quartile, and at least 50 us.
    nlohmann::json report(std::int64_t delayed_above_ns = 0) const;

  private:
    Histogram delay_, repaired_;
    std::uint64_t messages_ = 0, bytes_ = 0, damaged_ = 0, out_of_order_ = 0;
    std::uint64_t first_number_ = 0, next_number_ = 0;
    std::int64_t first_ns_ = 0, last_ns_ = 0;
};

}  // namespace fanfare::tool
