#include "sim/station.hpp"

#include "dataplane/net/multicast_mac.hpp"

namespace fanfare::sim {
namespace {

// More than one call of the engine writes before it is called again.
constexpr std::size_t kFrames = 32;

}  // namespace

Station::Station(Network& network, const StationPlan& plan, Role role)
    : plan_(plan), role_(role), port_(network.add_port(plan.mtu, kFrames)), frames_(kFrames) {
    link_.mac = Network::mac_of(port_.number());
    link_.address = address_of(port_.number());
}

Address Station::address_of(std::size_t port) {
    return Address::from_octets(10, static_cast<std::uint8_t>((port + 1) >> 16),
                                static_cast<std::uint8_t>((port + 1) >> 8),
                                static_cast<std::uint8_t>(port + 1));
}

void Station::join(Address group) {
    const dataplane::MacAddress mac = dataplane::net::multicast_mac(group);
    port_.set_multicast_filter({&mac, 1});
}

void Station::turn(Nanos now) {
    while (const auto frame = port_.take()) {
        octets_received_ += frame->size();
        dataplane::net::Datagram datagram;
        Heard heard;
        if (dataplane::net::parse_frame(*frame, 0, datagram) != dataplane::net::FrameClass::pgm ||
            datagram.udp_port != plan_.udp_port ||
            wire::decode(datagram.payload, heard.packet) != wire::DecodeError::none)
            continue;
        heard.tpdu = datagram.payload;
        heard.from = datagram.ip.source;
        heard.to = datagram.ip.destination;
        on_packet(heard, now);
    }
    run(now);
}

engine::Output Station::output() {
    const std::size_t count = port_.allocate(frames_);
    return engine::Output(std::span(frames_).first(count));
}

void Station::send(engine::Output& out, Nanos now) {
    for (engine::TxFrame& frame : out.frames()) {
        on_sent(frame, now);
        dataplane::net::prepend_datagram(frame, link_, plan_.udp_port);
        // Stations know each other's addresses without asking: they follow from the number.
        const Address to = frame.destination;
        const dataplane::MacAddress mac = to.is_multicast()
                                              ? dataplane::net::multicast_mac(to)
                                              : Network::mac_of((to.v4 & 0xFFFFFF) - 1);
        dataplane::net::prepend_ethernet(frame, link_, mac);
        octets_sent_ += std::size_t{frame.prepended} + frame.length;
        ++frames_sent_;
    }
    port_.transmit(out.frames());
    port_.give_back(std::span(frames_).subspan(out.frames().size(), out.room()));
}

}  // namespace fanfare::sim
