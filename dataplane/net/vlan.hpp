// The 802.1Q tag: four octets between the Ethernet source and the type. Only the VLAN id is used;
// priority goes out as 0 (class of service is said by DSCP) and is ignored on receipt.
#pragma once

#include <cstdint>

#include "dataplane/net/octets.hpp"

namespace fanfare::dataplane::net {

inline constexpr std::uint16_t kTypeVlan = 0x8100;
inline constexpr std::size_t kVlanTagSize = 4;
inline constexpr std::uint16_t kVlanIdMask = 0x0FFF;

// Writes type and tag at `p`, four octets.
inline void write_vlan_tag(std::byte* p, std::uint16_t vlan) {
    store16(p, kTypeVlan);
    store16(p + 2, vlan & kVlanIdMask);
}

}  // namespace fanfare::dataplane::net
