// Frames on their way out: headers, next hops, and what the interface itself has to say (ARP, IGMP,
// echo).
#include <algorithm>

#include "dataplane/net/arp.hpp"
#include "dataplane/net/icmp_echo.hpp"
#include "dataplane/net/multicast_mac.hpp"
#include "dataplane/worker_core.hpp"

namespace fanfare::dataplane {

std::span<engine::TxFrame> WorkerCore::room(std::uint32_t interface) {
    Interface& on = *interfaces_[interface];
    if (on.outlet == nullptr || on.gone) return {};
    const auto frames = on.outlet->queue.room();
    if (frames.empty()) counters().frames_no_room.add();
    return frames;
}

void WorkerCore::commit_source(SourceSession& session, engine::Output& out) {
    const std::size_t count = out.frames().size();
    if (count > 0) {
        const std::uint32_t interface = session.spec.interface;
        Interface& on = *interfaces_[interface];
        const auto& identity = session.spec.identity;
        const bool loop = session.spec.loopback &&
                          (receivers_.find(identity.tsi) != nullptr ||
                           listens_.wants(interface, identity.group, identity.destination_port,
                                          session.spec.udp_port, on.spec.address));
        FrameQueue& queue = on.outlet->queue;
        const bool port = on.outlet->ring == nullptr && !on.datagrams;
        if (port && session.headers_of != on.link_version) {
            session.headers.make(on.link, identity.group, session.spec.parameters.ttl,
                                 session.spec.udp_port);
            session.headers_of = on.link_version;
        }
        for (std::size_t i = 0; i < count; ++i) {
            const std::size_t place = queue.commit();
            FrameNote& note = queue.note(place);
            engine::TxFrame& frame = queue.frame(place);
            note.interface = interface;
            note.udp_port = session.spec.udp_port;
            note.loop = loop;
            if (port && frame.kind == engine::FrameKind::odata && !frame.router_alert) {
                note.next_hop = frame.destination;
                session.headers.prepend(frame);
                continue;
            }
            address(on, frame, note.udp_port);
            // Everything a source says goes to its group.
            route(on, interface, place, nullptr, 0);
        }
        touch(session);
    }
    on_events(session, out);
}

void WorkerCore::commit_receiver(ReceiveSession& session, engine::Output& out, Nanos now) {
    const std::size_t count = out.frames().size();
    if (count > 0) {
        Interface& on = *interfaces_[session.interface];
        const bool source_here = sources_.find(session.receiver.identity().tsi) != nullptr;
        for (std::size_t i = 0; i < count; ++i) {
            const std::size_t place = on.outlet->queue.commit();
            FrameNote& note = on.outlet->queue.note(place);
            const engine::TxFrame& frame = on.outlet->queue.frame(place);
            note.interface = session.interface;
            note.udp_port = session.udp_port;
            const bool to_us = frame.destination == on.spec.address;
            note.loop = source_here && (to_us || frame.destination.is_multicast());
            if (to_us) {
                note.send = false;
                continue;
            }
            address(on, on.outlet->queue.frame(place), note.udp_port);
            route(on, session.interface, place, session.has_hop ? &session.hop : nullptr, now);
        }
    }
    touch(session);
    on_events(session, out);
}

// IP and UDP headers: before the packet, or beside it for a datagram port of our own.
void WorkerCore::address(const Interface& on, engine::TxFrame& frame, std::uint16_t udp_port) {
    if (on.datagrams && on.outlet->ring == nullptr) {
        net::address_datagram(frame, on.link, udp_port);
    } else {
        net::prepend_datagram(frame, on.link, udp_port);
    }
}

// Decides where a frame with its IP header goes next. `learnt`: the way the session's SPMs come
// from, for destinations beyond the prefix where no gateway is configured.
void WorkerCore::route(Interface& on, std::uint32_t interface, std::size_t place,
                       const MacAddress* learnt, Nanos now) {
    FrameQueue& queue = on.outlet->queue;
    engine::TxFrame& frame = queue.frame(place);
    FrameNote& note = queue.note(place);
    const bool port = on.outlet->ring == nullptr;
    if (on.datagrams) {
        // The kernel routes and resolves.
        note.next_hop = frame.destination;
        return;
    }
    if (frame.destination.is_multicast()) {
        note.next_hop = frame.destination;
        if (port) net::prepend_ethernet(frame, on.link, net::multicast_mac(frame.destination));
        return;
    }
    note.next_hop = frame.destination;
    if (!net::on_link(on.spec.address, on.spec.prefix, frame.destination)) {
        if (!on.spec.gateway.is_none()) {
            note.next_hop = on.spec.gateway;
        } else if (learnt != nullptr) {
            note.mac_known = true;
            note.mac = *learnt;
            if (port) net::prepend_ethernet(frame, on.link, note.mac);
            return;
        }
    }
    if (!port) return;  // whoever sends it asks
    if (!on.owned) {
        // ARP is the owner's: the datagram goes out there.
        const std::byte* begin = frame.data - frame.prepended;
        hand_over(on.spec.owner, FrameRing::Kind::datagram, interface,
                  {begin, std::size_t{frame.prepended} + frame.length}, note.next_hop);
        note.send = false;
        return;
    }
    MacAddress mac;
    switch (on.arp.resolve(note.next_hop, frame, now, mac)) {
        case net::ArpTable::Answer::resolved:
            net::prepend_ethernet(frame, on.link, mac);
            return;
        case net::ArpTable::Answer::kept:
            note.held = true;
            return;
        case net::ArpTable::Answer::refused:
            note.send = false;
            counters().arp_unresolved_dropped.add();
            return;
    }
}

// Another worker's datagram for a port of ours.
void WorkerCore::relay(const FrameRing::Slot& slot, Nanos now) {
    if (slot.interface >= interfaces_.size()) return;
    Interface& on = *interfaces_[slot.interface];
    const auto frames = room(slot.interface);
    if (!on.has_port || !on.up || frames.empty()) return;
    engine::TxFrame& frame = frames[0];
    if (slot.length > frame.capacity) return;
    std::span<const std::byte> octets(slot.data, slot.length);
    frame.prepended = 0;
    frame.destination = slot.next_hop;
    if (on.datagrams) {
        // Its headers go beside it.
        net::Ipv4Header ip;
        net::UdpHeader udp;
        if (net::parse_ipv4(octets, ip, octets) != net::Ipv4Error::none ||
            ip.protocol != net::kProtocolUdp || !net::parse_udp(octets, udp, octets))
            return;
        frame.source = ip.source;
        frame.destination = ip.destination;
        frame.ttl = ip.ttl;
        frame.tos = ip.tos;
        frame.router_alert = ip.router_alert;
        frame.udp_port = udp.destination_port;
    }
    std::copy(octets.begin(), octets.end(), frame.data);
    frame.length = static_cast<std::uint16_t>(octets.size());
    const std::size_t place = on.outlet->queue.commit();
    on.outlet->queue.note(place).interface = slot.interface;
    if (slot.mac_known && !on.datagrams) {
        net::prepend_ethernet(frame, on.link, slot.mac);
    } else {
        route(on, slot.interface, place, nullptr, now);
    }
}

// Queues what was written at the first empty frame's data: an IP datagram's payload (with `ip`) or
// a message of another Ethernet type.
bool WorkerCore::send_link_local(Interface& on, std::size_t length, std::uint16_t type,
                                 const MacAddress& to, const net::Ipv4Header* ip) {
    FrameQueue& queue = on.outlet->queue;
    if (queue.room_count() == 0 || length == 0) return false;
    const std::size_t place = queue.commit();
    engine::TxFrame& frame = queue.frame(place);
    frame.length = static_cast<std::uint16_t>(length);
    frame.prepended = 0;
    if (ip != nullptr) net::prepend_ipv4(frame, *ip);
    net::prepend_ethernet(frame, on.link, to, type);
    queue.note(place).interface = on.outlet->interface;
    return true;
}

void WorkerCore::serve_arp(Interface& on, Nanos now) {
    FrameQueue& queue = on.outlet->queue;
    engine::TxFrame frame;
    MacAddress mac;
    while (on.arp.next_ready(frame, mac)) {
        net::prepend_ethernet(frame, on.link, mac);
        if (!queue.insert(frame)) queue.put_back(frame);
    }
    Address target;
    while (on.up && queue.room_count() > 0 && on.arp.next_request(target, now)) {
        const std::size_t size =
            net::write_arp(queue.room()[0].data,
                           {net::ArpOperation::request, on.link.mac, {}, on.link.address, target});
        if (send_link_local(on, size, net::kTypeArp, net::kBroadcastMac, nullptr)) {
            counters().arp_requests_sent.add();
        }
    }
    while (on.arp.next_given_up(frame, now)) {
        queue.put_back(frame);
        counters().arp_unresolved_dropped.add();
    }
}

void WorkerCore::serve_igmp(Interface& on, Nanos now) {
    FrameQueue& queue = on.outlet->queue;
    while (on.up && queue.room_count() > 0) {
        engine::TxFrame& frame = queue.room()[0];
        Address destination;
        const std::size_t most =
            std::min<std::size_t>(frame.capacity, on.mtu - net::kIpv4Size - net::kRouterAlertSize);
        const std::size_t size = on.igmp.next_message(now, {frame.data, most}, destination);
        if (size == 0) return;
        if (on.datagrams) continue;  // the kernel reports; ours only keeps the list of groups
        net::Ipv4Header ip;
        ip.source = on.link.address;
        ip.destination = destination;
        ip.protocol = net::kProtocolIgmp;
        ip.ttl = 1;
        ip.tos = net::kIgmpTos;
        ip.router_alert = true;
        send_link_local(on, size, net::kTypeIpv4, net::multicast_mac(destination), &ip);
        counters().igmp_reports_sent.add();
    }
}

void WorkerCore::on_icmp(Interface& on, const net::Datagram& datagram) {
    if (on.kernel_answers || !on.up || datagram.ip.destination != on.link.address ||
        datagram.ip.source.is_multicast() || net::is_group_mac(datagram.ethernet.destination) ||
        on.outlet->queue.room_count() == 0) {
        return;
    }
    engine::TxFrame& frame = on.outlet->queue.room()[0];
    const std::size_t size = net::write_echo_reply(datagram.payload, {frame.data, frame.capacity});
    if (size == 0 || size + net::kIpv4Size > on.mtu) return;
    net::Ipv4Header ip;
    ip.source = on.link.address;
    ip.destination = datagram.ip.source;
    ip.protocol = net::kProtocolIcmp;
    ip.ttl = 64;
    ip.tos = datagram.ip.tos;
    // Back the way it came: no need to ask who that was.
    if (send_link_local(on, size, net::kTypeIpv4, datagram.ethernet.source, &ip)) {
        counters().echo_replies_sent.add();
    }
}

void WorkerCore::on_arp(Interface& on, const net::Datagram& datagram, Nanos now) {
    net::ArpMessage message;
    if (!net::parse_arp(datagram.payload, message)) {
        counters().frames_malformed.add();
        return;
    }
    if (message.sender == on.link.address)
        return;  // our own, or somebody's mistake: not to be learnt
    const bool for_us = message.target == on.link.address;
    on.arp.heard(message.sender, message.sender_mac, for_us, now);
    if (!for_us || message.operation != net::ArpOperation::request || on.kernel_answers || !on.up ||
        net::is_group_mac(message.sender_mac) || on.outlet->queue.room_count() == 0) {
        return;
    }
    const std::size_t size = net::write_arp(
        on.outlet->queue.room()[0].data, {net::ArpOperation::reply, on.link.mac, message.sender_mac,
                                          on.link.address, message.sender});
    if (send_link_local(on, size, net::kTypeArp, message.sender_mac, nullptr)) {
        counters().arp_replies_sent.add();
    }
}

void WorkerCore::on_igmp(Interface& on, const net::Datagram& datagram, Nanos now) {
    net::IgmpMessage message;
    if (!net::parse_igmp(datagram.payload, message)) {
        counters().frames_malformed.add();
        return;
    }
    switch (message.type) {
        case net::IgmpType::query:
            counters().igmp_queries_received.add();
            on.igmp.on_query(message.query, datagram.ip.router_alert, now);
            return;
        case net::IgmpType::report_v1:
        case net::IgmpType::report_v2:
            on.igmp.on_report(message.group);
            return;
        default:
            return;
    }
}

// The interface is down or gone: what waits there will never be sent.
void WorkerCore::discard_output(Interface& on) {
    if (on.outlet == nullptr) return;
    FrameQueue& queue = on.outlet->queue;
    if (on.outlet->ring != nullptr) {
        for (std::size_t i = 0; i < queue.ready(); ++i) {
            if (interfaces_[queue.note(i).interface].get() == &on) queue.note(i).send = false;
        }
        return;
    }
    for (std::size_t i = 0; i < queue.ready(); ++i) queue.note(i).send = false;
    on.arp.clear();
    engine::TxFrame frame;
    while (on.arp.next_given_up(frame, 0)) queue.put_back(frame);
    if (on.gone) queue.return_all();
}

// Publishes what may leave to the worker that has the port. Slots were claimed in order, so a frame
// that is not needed goes as an empty slot.
void WorkerCore::send_outbound_ring(Outlet& outlet) {
    FrameQueue& queue = outlet.queue;
    const std::size_t count = queue.looped();
    for (std::size_t i = 0; i < count; ++i) {
        const engine::TxFrame& frame = queue.frame(i);
        const FrameNote& note = queue.note(i);
        auto& slot = *static_cast<FrameRing::Slot*>(frame.handle);
        const bool send = note.send && interfaces_[note.interface]->up;
        slot.kind = send ? FrameRing::Kind::datagram : FrameRing::Kind::nothing;
        slot.interface = note.interface;
        slot.next_hop = note.next_hop;
        slot.mac_known = note.mac_known;
        slot.mac = note.mac;
        slot.data = frame.data - frame.prepended;
        slot.length = std::uint32_t{frame.prepended} + frame.length;
        if (send) counters().handover_sent.add();
    }
    if (count > 0) {
        outlet.ring->publish(count);
        queue.left(count);
        peers_fed_[outlet.peer] = true;
    }
    // Empty slots to write the next packets into.
    std::size_t added = 0;
    for (auto& frame : queue.places()) {
        if (queue.have() + added >= kLent) break;
        FrameRing::Slot* slot = outlet.ring->claim(queue.have() + added);
        if (slot == nullptr) break;
        frame = engine::TxFrame{};
        frame.data = slot->room + engine::kFrameHeadroom;
        frame.capacity = static_cast<std::uint16_t>(slot->room_bytes - engine::kFrameHeadroom);
        frame.handle = slot;
        ++added;
    }
    queue.added(added);
}

}  // namespace fanfare::dataplane
