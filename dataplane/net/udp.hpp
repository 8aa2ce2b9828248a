// UDP as an envelope for PGM: checksum sent as 0 and not judged, since PGM's own covers every octet
// behind it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "dataplane/net/octets.hpp"

namespace fanfare::dataplane::net {

inline constexpr std::size_t kUdpSize = 8;

struct UdpHeader {
    std::uint16_t source_port = 0, destination_port = 0;
};

// False when the datagram's own length does not fit what is there.
inline bool parse_udp(std::span<const std::byte> datagram, UdpHeader& out,
                      std::span<const std::byte>& payload) {
    if (datagram.size() < kUdpSize) return false;
    const std::size_t length = load16(datagram.data() + 4);
    if (length < kUdpSize || length > datagram.size()) return false;
    out.source_port = load16(datagram.data());
    out.destination_port = load16(datagram.data() + 2);
    payload = datagram.subspan(kUdpSize, length - kUdpSize);
    return true;
}

inline std::size_t write_udp(std::byte* p, const UdpHeader& header, std::size_t payload_bytes) {
    store16(p, header.source_port);
    store16(p + 2, header.destination_port);
    store16(p + 4, static_cast<std::uint16_t>(kUdpSize + payload_bytes));
    store16(p + 6, 0);
    return kUdpSize;
}

}  // namespace fanfare::dataplane::net
