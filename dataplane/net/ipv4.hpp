// IPv4 headers: written with or without Router Alert (RFC 2113), parsed by subtraction (RFC 791).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/types.hpp"

namespace fanfare::dataplane::net {

inline constexpr std::size_t kIpv4Size = 20;
inline constexpr std::size_t kRouterAlertSize = 4;
inline constexpr std::uint8_t kProtocolIcmp = 1;
inline constexpr std::uint8_t kProtocolIgmp = 2;
inline constexpr std::uint8_t kProtocolUdp = 17;

struct Ipv4Header {
    Address source, destination;
    std::uint8_t protocol = 0;
    std::uint8_t ttl = 0;
    std::uint8_t tos = 0;  // DSCP in the upper six bits
    bool dont_fragment = true;
    bool fragment = false;  // parsed only: part of a fragmented datagram
    bool router_alert = false;
    bool other_options = false;  // parsed only: options besides Router Alert and padding
};

enum class Ipv4Error : std::uint8_t {
    none,
    truncated,
    version,
    header_length,
    total_length,
    checksum
};

// Parses and judges the header; `payload` is the datagram's own octets behind it, without link
// padding. Unspecified when the result is not `none`.
Ipv4Error parse_ipv4(std::span<const std::byte> datagram, Ipv4Header& out,
                     std::span<const std::byte>& payload);

constexpr std::size_t ipv4_size(bool router_alert) {
    return kIpv4Size + (router_alert ? kRouterAlertSize : 0);
}
// Writes ipv4_size(header.router_alert) octets at `p` for `payload_bytes` behind them, checksum
// included. The identification is 0: with DF set a datagram is atomic and needs none (RFC 6864
// 4.1).
std::size_t write_ipv4(std::byte* p, const Ipv4Header& header, std::size_t payload_bytes);

}  // namespace fanfare::dataplane::net
