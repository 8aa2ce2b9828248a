// Ethernet II headers, with one optional 802.1Q tag.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "dataplane/net/octets.hpp"
#include "dataplane/net/vlan.hpp"
#include "dataplane/port.hpp"

namespace fanfare::dataplane::net {

inline constexpr std::size_t kEthernetSize = 14;
inline constexpr std::uint16_t kTypeIpv4 = 0x0800;
inline constexpr std::uint16_t kTypeArp = 0x0806;

struct EthernetHeader {
    MacAddress destination, source;
    std::uint16_t vlan = 0;  // 0: untagged, or a priority tag
    std::uint16_t type = 0;  // of what follows the tag
};

// False when the frame is too short for its headers. `rest` is what follows them, link padding
// included.
inline bool parse_ethernet(std::span<const std::byte> frame, EthernetHeader& out,
                           std::span<const std::byte>& rest) {
    if (frame.size() < kEthernetSize) return false;
    std::memcpy(out.destination.octets.data(), frame.data(), 6);
    std::memcpy(out.source.octets.data(), frame.data() + 6, 6);
    out.type = load16(frame.data() + 12);
    out.vlan = 0;
    rest = frame.subspan(kEthernetSize);
    if (out.type == kTypeVlan) {
        if (rest.size() < kVlanTagSize) return false;
        out.vlan = load16(rest.data()) & kVlanIdMask;
        out.type = load16(rest.data() + 2);
        rest = rest.subspan(kVlanTagSize);
    }
    return true;
}

constexpr std::size_t ethernet_size(std::uint16_t vlan) {
    return kEthernetSize + (vlan != 0 ? kVlanTagSize : 0);
}
// Writes ethernet_size(header.vlan) octets at `p`.
inline std::size_t write_ethernet(std::byte* p, const EthernetHeader& header) {
    std::memcpy(p, header.destination.octets.data(), 6);
    std::memcpy(p + 6, header.source.octets.data(), 6);
    p += 12;
    if (header.vlan != 0) {
        write_vlan_tag(p, header.vlan);
        p += kVlanTagSize;
    }
    store16(p, header.type);
    return ethernet_size(header.vlan);
}

}  // namespace fanfare::dataplane::net
