// The ones' complement checksum of IPv4 headers, ICMP and IGMP (RFC 1071), in host order. These are
// tens of octets; the PGM checksum over whole packets has kernels of its own (engine/checksum).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "dataplane/net/octets.hpp"

namespace fanfare::dataplane::net {

// Sum of big-endian 16-bit words, an odd last octet padded with zero. Up to 65,535 octets.
inline std::uint32_t internet_sum(std::span<const std::byte> octets) {
    std::uint32_t sum = 0;
    std::size_t i = 0;
    for (; i + 1 < octets.size(); i += 2) sum += load16(octets.data() + i);
    if (i < octets.size()) sum += std::to_integer<std::uint32_t>(octets[i]) << 8;
    return sum;
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

}  // namespace fanfare::dataplane::net
