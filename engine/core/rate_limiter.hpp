// Token bucket over whole IP datagrams of one session (RFC 3208 5.1.2, wsrm.md 2.1 field 1).
//
// Kept as the time at which the bucket will be full again ("virtual scheduling"): charging moves
// that time forward by what the octets take at the rate. Packets that never wait (NCF, SPM) are
// charged all the same and may leave a debt which data then waits for.
#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/types.hpp"

namespace fanfare::engine {

class RateLimiter {
  public:
    // `rate_bits_per_s` 0: no limit. `largest_datagram` octets.
    //
    // Depth: what the rate carries in 1 ms, at least two datagrams. Less loses rate whenever a
    // worker that shares its core is called late; more overflows the buffers on the path: 1 ms at 1
    // Gbit/s is 125 kB, about what one port of a plain switch holds. Two datagrams are the least
    // that lets a repair and new data leave together.
    RateLimiter(std::uint64_t rate_bits_per_s, std::uint32_t largest_datagram)
        : limited_(rate_bits_per_s != 0) {
        if (!limited_) return;
        cost_ = static_cast<std::uint64_t>((static_cast<std::uint64_t>(8 * kSecond) << kFraction) /
                                           std::max(rate_bits_per_s, kSlowest));
        depth_ = std::max<Nanos>(kMillisecond, duration(2 * std::uint64_t{largest_datagram}));
    }

    bool allows(std::uint32_t octets, Nanos now) const {
        return !limited_ || full_at_ <= now || full_at_ - now + duration(octets) <= depth_;
    }
    // When allows(octets) will hold if nothing else is charged; `now` when it holds already.
    Nanos allowed_at(std::uint32_t octets, Nanos now) const {
        if (allows(octets, now)) return now;
        return full_at_ + duration(octets) - depth_;
    }
    void charge(std::uint32_t octets, Nanos now) {
        if (!limited_) return;
        if (full_at_ < now) {
            full_at_ = now;
            rest_ = 0;
        }
        const std::uint64_t total = std::uint64_t{octets} * cost_ + rest_;
        full_at_ += static_cast<Nanos>(total >> kFraction);
        rest_ = total & ((std::uint64_t{1} << kFraction) - 1);
    }
    bool limited() const { return limited_; }
    Nanos depth() const { return depth_; }

  private:
    // Below this the products here would leave 64 bits; a slower session has no use.
    static constexpr std::uint64_t kSlowest = 1000;
    // Nanoseconds an octet takes, with 20 bits of fraction: at 100 Gbit/s (0.08 ns) still exact to
    // 0.002 %.
    static constexpr unsigned kFraction = 20;
    Nanos duration(std::uint64_t octets) const {
        return static_cast<Nanos>((std::uint64_t{octets} * cost_ + ((1u << kFraction) - 1)) >>
                                  kFraction);
    }

    bool limited_;
    std::uint64_t cost_ = 0;
    std::uint64_t rest_ = 0;
    Nanos depth_ = 0;
    Nanos full_at_ = 0;
};

}  // namespace fanfare::engine
