// Headers in front of a frame that is written already: IP (and UDP) at once, Ethernet when the next
// hop's address is known. The lent frame has kFrameHeadroom octets of room for them, so nothing is
// ever moved.
#pragma once

#include <cstdint>

#include "dataplane/net/ethernet.hpp"
#include "dataplane/net/ipv4.hpp"
#include "dataplane/net/udp.hpp"
#include "engine/core/output.hpp"
#include "engine/wire/packet.hpp"

namespace fanfare::dataplane::net {

static_assert(kEthernetSize + kVlanTagSize + kIpv4Size + kRouterAlertSize + kUdpSize <=
              engine::kFrameHeadroom);

// What every frame of one interface has in common.
struct LinkIdentity {
    MacAddress mac;
    Address address;
    std::uint16_t vlan = 0;
    std::uint8_t dscp = 0;
};

inline void prepend_ipv4(engine::TxFrame& frame, const Ipv4Header& header) {
    const std::size_t size = ipv4_size(header.router_alert);
    write_ipv4(frame.data - frame.prepended - size, header,
               std::size_t{frame.prepended} + frame.length);
    frame.prepended = static_cast<std::uint16_t>(frame.prepended + size);
}

// A PGM packet of the engine: IP protocol 113, or UDP from and to `udp_port` where that is not 0.
// One port for both directions: OpenPGM hears NAKs nowhere else.
inline void prepend_datagram(engine::TxFrame& frame, const LinkIdentity& link,
                             std::uint16_t udp_port) {
    frame.prepended = 0;
    if (udp_port != 0) {
        frame.prepended = static_cast<std::uint16_t>(
            write_udp(frame.data - kUdpSize, {udp_port, udp_port}, frame.length));
    }
    Ipv4Header header;
    header.source = frame.source.is_none() ? link.address : frame.source;
    frame.source = {};  // the frame may be lent again
    header.destination = frame.destination;
    header.protocol = udp_port != 0 ? kProtocolUdp : wire::kIpProtocolPgm;
    header.ttl = frame.ttl;
    header.tos = static_cast<std::uint8_t>(link.dscp << 2);
    header.router_alert = frame.router_alert;
    prepend_ipv4(frame, header);
}

// The same for a port that makes the headers itself: they stand beside the frame.
inline void address_datagram(engine::TxFrame& frame, const LinkIdentity& link,
                             std::uint16_t udp_port) {
    frame.prepended = 0;
    if (frame.source.is_none()) frame.source = link.address;
    frame.udp_port = udp_port;
    frame.tos = static_cast<std::uint8_t>(link.dscp << 2);
}

inline void prepend_ethernet(engine::TxFrame& frame, const LinkIdentity& link, const MacAddress& to,
                             std::uint16_t type = kTypeIpv4) {
    const std::size_t size = ethernet_size(link.vlan);
    write_ethernet(frame.data - frame.prepended - size, {to, link.mac, link.vlan, type});
    frame.prepended = static_cast<std::uint16_t>(frame.prepended + size);
}

// Whether `address` is reached without a gateway.
constexpr bool on_link(Address own, std::uint8_t prefix, Address address) {
    const std::uint32_t mask =
        prefix == 0 ? 0 : ~std::uint32_t{0} << (32 - (prefix > 32 ? 32 : prefix));
    return ((own.v4 ^ address.v4) & mask) == 0;
}

}  // namespace fanfare::dataplane::net
