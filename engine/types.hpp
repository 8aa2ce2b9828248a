// The words every room shares: time, addresses, session identity, serial numbers.
#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>

namespace fanfare {

// Nanoseconds since an arbitrary epoch that is the same for all calls on one object. The engine
// never reads a clock: time is an argument.
using Nanos = std::int64_t;
inline constexpr Nanos kNever = std::numeric_limits<Nanos>::max();
inline constexpr Nanos kMicrosecond = 1'000;
inline constexpr Nanos kMillisecond = 1'000'000;
inline constexpr Nanos kSecond = 1'000'000'000;

// An internetwork address (NLA). IPv4 today, held in host byte order; a type of its own so that
// IPv6 can come without touching its users. Value 0 means "none".
struct Address {
    std::uint32_t v4 = 0;

    static constexpr Address from_octets(std::uint8_t a, std::uint8_t b, std::uint8_t c,
                                         std::uint8_t d) {
        return Address{(std::uint32_t{a} << 24) | (std::uint32_t{b} << 16) |
                       (std::uint32_t{c} << 8) | d};
    }
    constexpr bool is_none() const { return v4 == 0; }
    constexpr bool is_multicast() const { return (v4 >> 28) == 0xE; }
    constexpr auto operator<=>(const Address&) const = default;
};

// Globally unique source identifier, RFC 3208 section 8: six octets fixed per host.
struct Gsi {
    std::array<std::uint8_t, 6> octets{};
    constexpr auto operator<=>(const Gsi&) const = default;
};

// Transport session identifier = GSI + source port (RFC 3208 section 8).
struct Tsi {
    Gsi gsi;
    std::uint16_t source_port = 0;
    constexpr auto operator<=>(const Tsi&) const = default;

    // The eight octets as one number: the key of every session table.
    constexpr std::uint64_t key() const {
        static_assert(std::endian::native == std::endian::little);
        const auto octets = std::bit_cast<std::uint64_t>(*this);
        return (__builtin_bswap64(octets) & ~std::uint64_t{0xFFFF}) | source_port;
    }
    static constexpr std::size_t hash(std::uint64_t key) {
        const std::uint64_t k = key * 0x9E3779B97F4A7C15ull;
        return static_cast<std::size_t>(k ^ (k >> 32));
    }
};

// 32-bit serial number arithmetic (RFC 3208 section 5.1 uses it for every sqn). `a` is before `b`
// when the forward distance from a to b is less than 2^31.
using Sqn = std::uint32_t;
constexpr std::int32_t sqn_distance(Sqn from, Sqn to) {
    return static_cast<std::int32_t>(to - from);
}
constexpr bool sqn_before(Sqn a, Sqn b) {
    return sqn_distance(a, b) > 0;
}
constexpr bool sqn_before_or_equal(Sqn a, Sqn b) {
    return sqn_distance(a, b) >= 0;
}

}  // namespace fanfare

template <>
struct std::hash<fanfare::Tsi> {
    std::size_t operator()(const fanfare::Tsi& tsi) const noexcept {
        return fanfare::Tsi::hash(tsi.key());
    }
};
