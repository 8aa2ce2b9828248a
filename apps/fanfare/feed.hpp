// A feed shaped like a market's: order-book messages of an exchange's usual kinds and sizes (adds,
// cancels, executions, replacements, trades: 22 to 60 octets), each with its number, the moment it
// was meant to be sent, and a check over all its octets. Whoever receives it can tell loss,
// repetition, damage and delay without having seen it before; as the intended moment counts, not
// the true one, a sender that was held up can't hide it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace fanfare::tool {

// Layout of a message, big-endian: kind (1), number (8), intended moment (8, nanoseconds of
// CLOCK_MONOTONIC), check (4), then octets that follow from seed and number.
inline constexpr std::size_t kFeedShortest = 22, kFeedLongest = 60;

struct FeedMessage {
    char kind = 0;
    std::uint64_t number = 0;
    std::int64_t intended_ns = 0;
};

class Feed {
  public:
    explicit Feed(std::uint64_t seed) : seed_(seed) {}
    // Length of message `number`; the same for every call.
    std::size_t length(std::uint64_t number) const;
    // Writes it and returns its length; `room` has kFeedLongest octets or more.
    std::size_t write(std::uint64_t number, std::int64_t intended_ns,
                      std::span<std::byte> room) const;

  private:
    std::uint64_t seed_;
};

// The message in these octets, if its check is right.
std::optional<FeedMessage> read_feed_message(std::span<const std::byte> octets);

}  // namespace fanfare::tool
