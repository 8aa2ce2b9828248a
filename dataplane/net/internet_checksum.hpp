// The ones' complement checksum of IPv4 headers, ICMP and IGMP (RFC 1071), in host order. These are
// tens of octets; the PGM checksum over whole packets has kernels of its own (engine/checksum).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "dataplane/net/octets.hpp"

namespace fanfare::dataplane::net {

// Sum of big-endian 16-bit words, an odd last octet padded with zero. Up to 65,535 octets. Four
// octets a step: both halves of a 32-bit word are 16-bit words of the sum.
inline std::uint32_t internet_sum(std::span<const std::byte> octets) {
    std::uint64_t sum = 0;
    const std::byte* p = octets.data();
    std::size_t left = octets.size();
    for (; left >= 4; p += 4, left -= 4) sum += load32(p);
    if (left >= 2) {
        sum += load16(p);
        p += 2;
        left -= 2;
    }
    if (left > 0) sum += std::to_integer<std::uint32_t>(*p) << 8;
    // At most 2^14 words of 32 bits: two folds leave less than 2^18.
    sum = (sum & 0xFFFFFFFF) + (sum >> 32);
    return static_cast<std::uint32_t>((sum & 0xFFFF) + (sum >> 16));
}
inline std::uint16_t internet_fold(std::uint32_t sum) {
    sum = (sum & 0xFFFF) + (sum >> 16);
    sum = (sum & 0xFFFF) + (sum >> 16);
    return static_cast<std::uint16_t>(sum);
}
// The value for the checksum field, which must hold zero while this is computed.
inline std::uint16_t internet_checksum(std::span<const std::byte> octets) {
    return static_cast<std::uint16_t>(~internet_fold(internet_sum(octets)));
}
// True when octets that include their checksum are intact.
inline bool internet_intact(std::span<const std::byte> octets) {
    return internet_fold(internet_sum(octets)) == 0xFFFF;
}
// The same of a header of `kSize` octets, a multiple of 4, summed in host order: which of a word's
// octets is the upper one does not matter to whether all bits are set in the end (RFC 1071).
template <std::size_t kSize>
inline bool header_intact(const std::byte* header) {
    static_assert(kSize % 4 == 0 && kSize <= 64);
    std::uint64_t sum = 0;
    for (std::size_t at = 0; at < kSize; at += 4) {
        std::uint32_t word;
        std::memcpy(&word, header + at, sizeof word);
        sum += word;
    }
    sum = (sum & 0xFFFFFFFF) + (sum >> 32);
    return internet_fold(static_cast<std::uint32_t>((sum & 0xFFFF) + (sum >> 16))) == 0xFFFF;
}

}  // namespace fanfare::dataplane::net
