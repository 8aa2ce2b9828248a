// IPv4 headers: written with or without Router Alert (RFC 2113), parsed by subtraction (RFC 791).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "dataplane/net/internet_checksum.hpp"
#include "dataplane/net/octets.hpp"
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

inline constexpr std::uint16_t kIpv4DontFragment = 0x4000;
inline constexpr std::uint16_t kIpv4MoreFragments = 0x2000;
inline constexpr std::uint16_t kIpv4FragmentOffset = 0x1FFF;

// Tells Router Alert from other options, which an endpoint only counts.
void look_at_ipv4_options(std::span<const std::byte> options, Ipv4Header& out);

// Parses and judges the header; `payload` is the datagram's own octets behind it, without link
// padding. Unspecified when the result is not `none`. In line, because every frame goes through it.
inline Ipv4Error parse_ipv4(std::span<const std::byte> datagram, Ipv4Header& out,
                            std::span<const std::byte>& payload) {
    if (datagram.size() < kIpv4Size) return Ipv4Error::truncated;
    const std::byte* p = datagram.data();
    const auto first = std::to_integer<unsigned>(p[0]);
    if ((first >> 4) != 4) return Ipv4Error::version;
    const std::size_t header_bytes = std::size_t{first & 0xF} * 4;
    if (header_bytes < kIpv4Size || header_bytes > datagram.size()) return Ipv4Error::header_length;
    const std::size_t total = load16(p + 2);
    if (total < header_bytes || total > datagram.size()) return Ipv4Error::total_length;
    // The usual header's length is a constant in its branch, and needs no loop there.
    const bool plain = header_bytes == kIpv4Size;
    if (!(plain ? header_intact<kIpv4Size>(p) : internet_intact({p, header_bytes})))
        return Ipv4Error::checksum;

    const std::uint16_t fragment = load16(p + 6);
    out.tos = std::to_integer<std::uint8_t>(p[1]);
    out.dont_fragment = (fragment & kIpv4DontFragment) != 0;
    out.fragment = (fragment & (kIpv4MoreFragments | kIpv4FragmentOffset)) != 0;
    out.ttl = std::to_integer<std::uint8_t>(p[8]);
    out.protocol = std::to_integer<std::uint8_t>(p[9]);
    out.source = load_address(p + 12);
    out.destination = load_address(p + 16);
    out.router_alert = out.other_options = false;
    if (!plain) look_at_ipv4_options(datagram.subspan(kIpv4Size, header_bytes - kIpv4Size), out);
    payload = datagram.subspan(header_bytes, total - header_bytes);
    return Ipv4Error::none;
}

constexpr std::size_t ipv4_size(bool router_alert) {
    return kIpv4Size + (router_alert ? kRouterAlertSize : 0);
}
// Writes ipv4_size(header.router_alert) octets at `p` for `payload_bytes` behind them, checksum
// included. The identification is 0: with DF set a datagram is atomic and needs none (RFC 6864
// 4.1).
std::size_t write_ipv4(std::byte* p, const Ipv4Header& header, std::size_t payload_bytes);

}  // namespace fanfare::dataplane::net
