// Which Ethernet address an IPv4 group has: 01-00-5E and the low 23 bits of the group (RFC 1112
// section 6.4). Thirty-two groups share one, so a MAC match never says that a group was joined.
#pragma once

#include "dataplane/port.hpp"
#include "engine/types.hpp"

namespace fanfare::dataplane::net {

constexpr MacAddress multicast_mac(Address group) {
    return MacAddress{{0x01, 0x00, 0x5E, static_cast<std::uint8_t>((group.v4 >> 16) & 0x7F),
                       static_cast<std::uint8_t>(group.v4 >> 8),
                       static_cast<std::uint8_t>(group.v4)}};
}
inline constexpr MacAddress kBroadcastMac{{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}};
constexpr bool is_group_mac(const MacAddress& mac) {
    return (mac.octets[0] & 1) != 0;
}
constexpr bool is_zero_mac(const MacAddress& mac) {
    return mac == MacAddress{};
}

// Groups a host uses without joining: all systems (queries come here), all routers (IGMPv2 leaves
// go here), and IGMPv3 routers (reports go here).
inline constexpr Address kAllSystems = Address::from_octets(224, 0, 0, 1);
inline constexpr Address kAllRouters = Address::from_octets(224, 0, 0, 2);
inline constexpr Address kIgmpRouters = Address::from_octets(224, 0, 0, 22);

}  // namespace fanfare::dataplane::net
