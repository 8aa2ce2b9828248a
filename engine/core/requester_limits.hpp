// How much any one requester may ask of a source (RFC 3208 section 10): a bounded table of who
// asked lately, each with a credit of numbers. A NAK list of 280 octets can ask for 63 full
// packets; the credit keeps one address from turning that into a flood, while a receiver that lost
// everything once is served in full.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "engine/types.hpp"

namespace fanfare::engine {

class RequesterLimits {
  public:
    // Of `wanted` numbers, how many this requester may still ask for. `next`: ordinal that will be
    // sent next, `held`: numbers in the window.
    std::uint32_t take(Address requester, std::uint32_t wanted, std::uint64_t next,
                       std::uint64_t held, Nanos now) {
        Entry& entry = find(requester, next, now);
        const std::uint64_t most = kBurst + kPerNumber * held;
        const std::uint64_t sent = next - entry.next;
        const std::uint64_t by_time = static_cast<std::uint64_t>(
            std::clamp<Nanos>(now - entry.at, 0, 1000 * kSecond) / kCreditInterval);
        entry.credit = std::min(entry.credit + kPerNumber * sent + by_time, most);
        entry.next = next;
        entry.at += static_cast<Nanos>(by_time) * kCreditInterval;
        if (entry.at + kSecond < now) entry.at = now;
        entry.used = now;
        const auto given =
            static_cast<std::uint32_t>(std::min<std::uint64_t>(wanted, entry.credit));
        entry.credit -= given;
        return given;
    }

  private:
    struct Entry {
        Address address;
        Nanos at = 0;    // up to when credit was given by time
        Nanos used = 0;  // last NAK
        std::uint64_t next = 0;
        std::uint64_t credit = 0;
    };
    // Four tries for each number are more than a receiver needs that loses half of what it gets;
    // the burst lets a long outage be asked for with its retries.
    static constexpr std::uint64_t kPerNumber = 4;
    static constexpr std::uint64_t kBurst = 4096;
    // An idle session's receivers may go on asking, a thousand numbers a second each.
    static constexpr Nanos kCreditInterval = kMillisecond;
    static constexpr std::size_t kWays = 4, kSets = 128;

    // A stranger takes the place of whom nothing was heard of for the longest time in its set;
    // forged addresses can push out entries, which gives the real ones fresh credit.
    Entry& find(Address requester, std::uint64_t next, Nanos now) {
        const std::uint32_t hash = requester.v4 * 0x9E3779B1u;
        Entry* const set = &entries_[(hash >> 25) * kWays];
        Entry* oldest = set;
        for (std::size_t way = 0; way < kWays; ++way) {
            if (set[way].address == requester) return set[way];
            if (set[way].address.is_none()) {
                oldest = &set[way];
                break;
            }
            if (set[way].used < oldest->used) oldest = &set[way];
        }
        *oldest = {requester, now, now, next, kBurst};
        return *oldest;
    }

    std::array<Entry, kWays * kSets> entries_{};
};

}  // namespace fanfare::engine
