#include "apps/fanfare/feed.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace fanfare::tool {

namespace {

constexpr std::size_t kKindAt = 0, kNumberAt = 1, kIntendedAt = 9, kCheckAt = 17, kBodyAt = 21;

// Kinds of an ITCH 5.0 feed by their share of a trading day (per 1,000 messages, in round figures),
// with sizes near theirs; what is shorter than our own fields is lengthened to them.
struct Kind {
    char kind;
    std::uint8_t length;
    std::uint16_t upto;  // running sum of shares
};
constexpr std::array kKinds = {
    Kind{'A', 36, 430},  // add order
    Kind{'D', 22, 840},  // delete order
    Kind{'U', 35, 920},  // replace order
    Kind{'E', 31, 960},  // order executed
    Kind{'X', 23, 980},  // cancel in part
    Kind{'F', 40, 990},  // add order with attribution
    Kind{'P', 44, 997},  // trade
    Kind{'I', 50, 999},  // imbalance of the auction
    Kind{'N', 60, 1000}  // notice
};
static_assert(kKinds.back().upto == 1000);

// SplitMix64's finisher: every bit of the result depends on every bit of the input.
constexpr std::uint64_t mixed(std::uint64_t x) {
    x += 0x9E3779B97F4A7C15ull;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
    return x ^ (x >> 31);
}

template <std::size_t N>
void put(std::byte* at, std::uint64_t value) {
    for (std::size_t i = 0; i < N; ++i) at[i] = static_cast<std::byte>(value >> (8 * (N - 1 - i)));
}
template <std::size_t N>
std::uint64_t get(const std::byte* at) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < N; ++i) value = value << 8 | std::to_integer<std::uint64_t>(at[i]);
    return value;
}

// Over all octets but those of the check itself, eight at a time.
std::uint32_t check_of(std::span<const std::byte> octets) {
    std::uint64_t sum = octets.size();
    const auto fold = [&](const std::byte* from, std::size_t bytes) {
        for (std::size_t at = 0; at < bytes; at += 8) {
            std::uint64_t word = 0;
            std::memcpy(&word, from + at, std::min<std::size_t>(8, bytes - at));
            sum = mixed(sum ^ word);
        }
    };
    fold(octets.data(), kCheckAt);
    fold(octets.data() + kBodyAt, octets.size() - kBodyAt);
    return static_cast<std::uint32_t>(sum >> 32);
}

const Kind& kind_of(std::uint64_t seed, std::uint64_t number) {
    const auto draw = mixed(seed ^ mixed(number)) % 1000;
    std::size_t i = 0;
    while (draw >= kKinds[i].upto) ++i;
    return kKinds[i];
}

}  // namespace

std::size_t Feed::length(std::uint64_t number) const {
    return kind_of(seed_, number).length;
}

std::size_t Feed::write(std::uint64_t number, std::int64_t intended_ns,
                        std::span<std::byte> room) const {
    const Kind& kind = kind_of(seed_, number);
    std::byte* at = room.data();
    at[kKindAt] = static_cast<std::byte>(kind.kind);
    put<8>(at + kNumberAt, number);
    put<8>(at + kIntendedAt, static_cast<std::uint64_t>(intended_ns));
    std::uint64_t draw = mixed(seed_ + number);
    for (std::size_t i = kBodyAt; i < kind.length; i += 8, draw = mixed(draw))
        std::memcpy(at + i, &draw, std::min<std::size_t>(8, kind.length - i));
    put<4>(at + kCheckAt, check_of(room.first(kind.length)));
    return kind.length;
}

std::optional<FeedMessage> read_feed_message(std::span<const std::byte> octets) {
    if (octets.size() < kFeedShortest || octets.size() > kFeedLongest) return std::nullopt;
    if (get<4>(octets.data() + kCheckAt) != check_of(octets)) return std::nullopt;
    FeedMessage message;
    message.kind = static_cast<char>(octets[kKindAt]);
    message.number = get<8>(octets.data() + kNumberAt);
    message.intended_ns = static_cast<std::int64_t>(get<8>(octets.data() + kIntendedAt));
    return message;
}

}  // namespace fanfare::tool
