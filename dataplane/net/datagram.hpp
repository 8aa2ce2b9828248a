// A received frame taken apart down to what the worker decides by: each header judged once, by
// subtraction.
#pragma once

#include <span>

#include "dataplane/net/ethernet.hpp"
#include "dataplane/net/ipv4.hpp"
#include "dataplane/net/udp.hpp"
#include "engine/wire/packet.hpp"

namespace fanfare::dataplane::net {

enum class FrameClass : std::uint8_t {
    pgm,            // payload: a PGM packet; udp_port says how it came
    arp,            // payload: the ARP message
    icmp,           // payload: the ICMP message
    igmp,           // payload: the IGMP message
    other,          // some other protocol: not for us
    other_vlan,     // for another VLAN: not for us
    fragment,       // part of a fragmented datagram: never reassembled
    malformed,      // a length does not fit
    checksum_wrong  // of the IPv4 header
};

struct Datagram {
    EthernetHeader ethernet;
    Ipv4Header ip;               // not of ARP
    std::uint16_t udp_port = 0;  // destination port; 0: not UDP
    std::span<const std::byte> payload;
};

// Points into `frame`. UDP datagrams of any port are classed pgm: which ports carry it the caller
// knows.
inline FrameClass parse_frame(std::span<const std::byte> frame, std::uint16_t vlan, Datagram& out) {
    std::span<const std::byte> rest;
    if (!parse_ethernet(frame, out.ethernet, rest)) return FrameClass::malformed;
    if (out.ethernet.vlan != vlan) return FrameClass::other_vlan;
    if (out.ethernet.type == kTypeArp) {
        out.payload = rest;
        return FrameClass::arp;
    }
    if (out.ethernet.type != kTypeIpv4) return FrameClass::other;
    const Ipv4Error error = parse_ipv4(rest, out.ip, out.payload);
    if (error == Ipv4Error::checksum) return FrameClass::checksum_wrong;
    if (error != Ipv4Error::none) return FrameClass::malformed;
    if (out.ip.fragment) return FrameClass::fragment;
    out.udp_port = 0;
    switch (out.ip.protocol) {
        case wire::kIpProtocolPgm:
            return FrameClass::pgm;
        case kProtocolUdp: {
            UdpHeader udp;
            const std::span<const std::byte> datagram = out.payload;
            if (!parse_udp(datagram, udp, out.payload)) return FrameClass::malformed;
            out.udp_port = udp.destination_port;
            return udp.destination_port == 0 ? FrameClass::malformed : FrameClass::pgm;
        }
        case kProtocolIcmp:
            return FrameClass::icmp;
        case kProtocolIgmp:
            return FrameClass::igmp;
        default:
            return FrameClass::other;
    }
}

}  // namespace fanfare::dataplane::net
