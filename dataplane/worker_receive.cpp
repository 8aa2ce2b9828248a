// Frames on their way in: from the wire, from other workers, and from this worker's own sources to
// local receivers. Sessions get them in bursts (worker_deliver.cpp).
#include <cstring>

#include "dataplane/net/multicast_mac.hpp"
#include "dataplane/worker_core.hpp"
#include "engine/wire/plain_data.hpp"

namespace fanfare::dataplane {

std::size_t WorkerCore::on_frames(std::uint32_t interface, std::span<const RxFrame> frames,
                                  Nanos now) {
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < frames.size(); ++i) {
        // Three cache lines hold every header and all of a short message; far enough ahead that
        // they are there in time.
        constexpr std::size_t kAhead = 4;
        if (i + kAhead < frames.size()) {
            for (std::size_t at = 0; at < 3 * ipc::kCacheLine; at += ipc::kCacheLine)
                __builtin_prefetch(frames[i + kAhead].data + at);
        }
        const RxFrame& frame = frames[i];
        bytes += frame.length;
        if (loss_.lose()) {
            counters().frames_lost_on_purpose.add();
            continue;
        }
        const std::span<const std::byte> octets(frame.data, frame.length);
        if (frame.origin != nullptr) {
            on_datagram(interface, frame, now);
        } else if (!on_usual_frame(interface, octets, now)) {
            on_frame(interface, octets, false, now);
        }
    }
    counters().frames_received.add(frames.size());
    counters().bytes_received.add(bytes);
    deliver(now);
    return frames.size();
}

std::size_t WorkerCore::take_handover(Nanos now) {
    if (mesh_ == nullptr) return 0;
    std::size_t work = 0;
    for (std::uint32_t from = 0; from < mesh_->workers(); ++from) {
        if (from == config_.index) continue;
        FrameRing& inbound = mesh_->inbound(from, config_.index);
        std::size_t count = 0;
        const FrameRing::Slot* slot = nullptr;
        for (; count < 2 * kBurst && (slot = inbound.front(count)) != nullptr; ++count) {
            if (slot->interface >= interfaces_.size()) continue;
            switch (slot->kind) {
                case FrameRing::Kind::received_frame:
                    on_frame(slot->interface, {slot->data, slot->length}, true, now);
                    break;
                case FrameRing::Kind::datagram:
                    relay(*slot, now);
                    break;
                case FrameRing::Kind::join:
                case FrameRing::Kind::leave:
                    told_of_member(*slot, now);
                    break;
                case FrameRing::Kind::nothing:
                    break;
            }
        }
        // Packets of the batch stand in the slots until they were delivered.
        deliver(now);
        if (count > 0) inbound.pop(count);
        work += count;

        FrameRing& outbound = mesh_->outbound(from, config_.index);
        for (count = 0; count < kLent && (slot = outbound.front(count)) != nullptr; ++count) {
            if (slot->kind != FrameRing::Kind::datagram) continue;
            if (slot->interface >= interfaces_.size()) continue;
            // What does not fit now stays in the ring: the other side's engines then wait as for a
            // full port.
            const Interface& on = *interfaces_[slot->interface];
            if (on.has_port && on.up && on.outlet->queue.room_count() == 0) break;
            relay(*slot, now);
        }
        if (count > 0) outbound.pop(count);
        work += count;
    }
    return work;
}

// The frame that nearly every one is: plain data of a session that is open here, without a tag, IP
// options or fragments. True when it stands in the batch; else nothing was done, and on_frame
// judges it.
bool WorkerCore::on_usual_frame(std::uint32_t interface, std::span<const std::byte> frame,
                                Nanos now) {
    Interface& on = *interfaces_[interface];
    constexpr std::size_t kLeast = net::kEthernetSize + net::kIpv4Size + wire::kDataHeaderSize;
    if (frame.size() < kLeast || !on.up || on.spec.vlan != 0) return false;
    const std::byte* const ip = frame.data() + net::kEthernetSize;
    // Type IPv4, then version 4 with a header of five words.
    if (net::load16(ip - 2) != net::kTypeIpv4 || ip[0] != std::byte{0x45}) return false;
    const std::size_t total = net::load16(ip + 2);
    if (total > frame.size() - net::kEthernetSize || total < kLeast - net::kEthernetSize ||
        (net::load16(ip + 6) & (net::kIpv4MoreFragments | net::kIpv4FragmentOffset)) != 0 ||
        !net::header_intact<net::kIpv4Size>(ip)) {
        return false;
    }
    std::span<const std::byte> tpdu(ip + net::kIpv4Size, total - net::kIpv4Size);
    std::uint16_t udp_port = 0;
    if (ip[9] == std::byte{net::kProtocolUdp}) {
        net::UdpHeader udp;
        const std::span<const std::byte> datagram = tpdu;
        if (!net::parse_udp(datagram, udp, tpdu)) return false;
        udp_port = udp.destination_port;
        if (udp_port == 0) return false;
    } else if (ip[9] != std::byte{wire::kIpProtocolPgm}) {
        return false;
    }
    if (tpdu.size() < wire::kDataHeaderSize) return false;
    ReceiveSession* const session = receivers_.find(wire::source_key(tpdu.data()));
    if (session == nullptr) return on_unknown_data(interface, frame, tpdu, udp_port, now);
    if (batch_count_ == batch_.size()) deliver(now);
    Incoming& packet = batch_[batch_count_];
    if (!wire::decode_plain_data(tpdu, packet.packet)) return false;
    packet.came(interface, frame, ip, tpdu, udp_port);
    // Who sends from our own address is our own frame come back, or nobody to be heard.
    if (packet.ip_source == on.spec.address) return false;
    // Its lines are on their way: the rest is compared when the batch is full.
    session->prefetch();
    packet.receiver = session;
    packet.source = nullptr;
    packet.sought = Sought::by_tsi;
    ++batch_count_;
    return true;
}

// Such a frame of no session that is open here: other feeds' are many where a port hears all of a
// network. As on_pgm, without parsing it once more; only where nobody else has a say in it.
__attribute__((noinline)) bool WorkerCore::on_unknown_data(std::uint32_t interface,
                                                           std::span<const std::byte> frame,
                                                           std::span<const std::byte> tpdu,
                                                           std::uint16_t udp_port, Nanos now) {
    const Interface& on = *interfaces_[interface];
    const std::byte* const ip = frame.data() + net::kEthernetSize;
    const Address from = net::load_address(ip + 12);
    if (config_.workers > 1 || from.is_none() || from.is_multicast() ||
        (udp_port != 0 && !on.udp_ports.contains(udp_port))) {
        return false;
    }
    if (batch_count_ == batch_.size()) deliver(now);
    Incoming& packet = batch_[batch_count_];
    packet.came(interface, frame, ip, tpdu, udp_port);
    if (packet.ethernet_source() == on.link.mac || !wire::decode_plain_data(tpdu, packet.packet))
        return false;
    packet.sought = Sought::unknown;
    ++batch_count_;
    return true;
}

void WorkerCore::on_frame(std::uint32_t interface, std::span<const std::byte> frame,
                          bool handed_over, Nanos now) {
    Interface& on = *interfaces_[interface];
    net::Datagram datagram;
    const net::FrameClass what = net::parse_frame(frame, on.spec.vlan, datagram);
    // Our own frames come back from some devices.
    if (what != net::FrameClass::malformed && datagram.ethernet.source == on.link.mac &&
        !handed_over) {
        counters().frames_not_for_us.add();
        return;
    }
    const bool link_local = on.owned && on.has_port && !on.gone && !handed_over;
    switch (what) {
        case net::FrameClass::pgm:
            if (datagram.ip.other_options) counters().ip_options.add();
            on_pgm(interface, frame, datagram, handed_over, now);
            return;
        case net::FrameClass::arp:
            if (link_local) on_arp(on, datagram, now);
            return;
        case net::FrameClass::icmp:
            if (link_local) on_icmp(on, datagram);
            return;
        case net::FrameClass::igmp:
            if (link_local) on_igmp(on, datagram, now);
            return;
        case net::FrameClass::other:
        case net::FrameClass::other_vlan:
            counters().frames_not_for_us.add();
            return;
        case net::FrameClass::fragment:
            counters().ip_fragments.add();
            return;
        case net::FrameClass::malformed:
            counters().frames_malformed.add();
            return;
        case net::FrameClass::checksum_wrong:
            counters().ip_checksum_wrong.add();
            return;
    }
}

// A packet of a datagram port: the kernel has judged what stood before it.
void WorkerCore::on_datagram(std::uint32_t interface, const RxFrame& frame, Nanos now) {
    const RxOrigin& origin = *frame.origin;
    // Our own come back over loopback.
    if (origin.source == interfaces_[interface]->spec.address) {
        counters().frames_not_for_us.add();
        return;
    }
    net::Datagram datagram;
    datagram.ip.source = origin.source;
    datagram.ip.destination = origin.destination;
    datagram.udp_port = origin.udp_port;
    datagram.payload = {frame.data, frame.length};
    on_pgm(interface, {}, datagram, false, now);
}

// The other worker takes frames: headers as they may have been.
void WorkerCore::hand_over_datagram(std::uint32_t to, std::uint32_t interface,
                                    const net::Datagram& datagram) {
    std::array<std::byte, engine::kFrameHeadroom> headers;
    engine::TxFrame like;
    like.data = headers.data() + headers.size();
    like.length = static_cast<std::uint16_t>(datagram.payload.size());
    like.destination = datagram.ip.destination;
    const net::LinkIdentity from{{}, datagram.ip.source, interfaces_[interface]->spec.vlan, 0};
    net::prepend_datagram(like, from, datagram.udp_port);
    net::prepend_ethernet(like, from, {});
    hand_over(to, FrameRing::Kind::received_frame, interface, datagram.payload, {},
              {like.data - like.prepended, like.prepended});
}

void WorkerCore::on_pgm(std::uint32_t interface, std::span<const std::byte> frame,
                        const net::Datagram& datagram, bool handed_over, Nanos now) {
    Interface& on = *interfaces_[interface];
    const bool to_us = datagram.ip.destination == on.spec.address;
    const bool known_port = datagram.udp_port == 0 || on.udp_ports.contains(datagram.udp_port);
    // With several workers a port that carries PGM may be known only to the session's owner.
    const bool candidate = (to_us || datagram.ip.destination.is_multicast()) && on.up &&
                           !datagram.ip.source.is_none() && !datagram.ip.source.is_multicast() &&
                           (known_port || (config_.workers > 1 && !handed_over));
    if (!known_port && datagrams_ != nullptr && match_datagram(interface, frame, datagram)) return;
    if (!candidate) {
        counters().frames_not_for_us.add();
        return;
    }
    if (batch_count_ == batch_.size()) deliver(now);
    Incoming& packet = batch_[batch_count_];
    packet.tpdu = datagram.payload;
    const wire::DecodeError error = wire::decode_plain_data(datagram.payload, packet.packet)
                                        ? wire::DecodeError::none
                                        : wire::decode(datagram.payload, packet.packet);
    if (error != wire::DecodeError::none) {
        if (known_port) {
            counters().decode_errors[static_cast<std::size_t>(error)].add();
        } else {
            counters().frames_not_for_us.add();
        }
        return;
    }
    if (config_.workers > 1) {
        const std::uint32_t owner = owner_of(packet.packet.tsi(), config_.workers);
        if (owner != config_.index) {
            if (handed_over) return;
            if (frame.empty()) {
                hand_over_datagram(owner, interface, datagram);
            } else {
                hand_over(owner, FrameRing::Kind::received_frame, interface, frame);
            }
            return;
        }
    }
    packet.ip_source = datagram.ip.source;
    packet.to = datagram.ip.destination;
    packet.interface = interface;
    packet.udp_port = datagram.udp_port;
    packet.frame = frame;  // outlives the batch
    packet.sought = Sought::no;
    if (const ReceiveSession* session = receivers_.find(packet.packet.tsi())) session->prefetch();
    ++batch_count_;
}

bool WorkerCore::wanted(const Incoming& packet) const {
    return listens_.wants(packet.interface, packet.to, packet.packet.destination_port,
                          packet.udp_port, packet.ip_source);
}

// Whom a packet concerns; false when nobody.
bool WorkerCore::find_sessions(Incoming& packet, Nanos now) {
    const bool unknown = packet.sought == Sought::unknown;
    packet.sought = Sought::yes;
    packet.receiver = nullptr;
    packet.source = nullptr;
    // Nobody's, and not for those who ask for the group either: no more questions.
    if (unknown && !wanted(packet)) {
        counters().frames_not_for_us.add();
        return false;
    }
    const Tsi tsi = packet.packet.tsi();
    const bool multicast = packet.to.is_multicast();
    if (packet.packet.towards_source()) {
        SourceSession* const source = sources_.find(tsi);
        if (source != nullptr && source->spec.interface == packet.interface &&
            (!multicast || source->spec.identity.group == packet.to)) {
            packet.source = source;
        }
        if (!multicast && packet.source == nullptr) {
            packet.receiver = session_to_repair(packet);
            return packet.receiver != nullptr;
        }
    }
    if (multicast) {
        ReceiveSession* receiver = receivers_.find(tsi);
        if (receiver == nullptr && !packet.packet.towards_source()) {
            receiver = open_receiver(packet, now);
        }
        // The same session on another interface, group or port is not this one.
        if (receiver != nullptr &&
            receiver->heard_on(packet.interface, packet.udp_port, packet.to)) {
            packet.receiver = receiver;
        }
    }
    // An element above that can't reach the group says so by unicast (RFC 15.3.2).
    if (!multicast && packet.packet.type == wire::Type::ncf &&
        packet.packet.options.has(wire::OptionBit::nbr_unreach)) {
        ReceiveSession* const receiver = receivers_.find(tsi);
        if (receiver != nullptr && receiver->interface == packet.interface &&
            receiver->udp_port == packet.udp_port) {
            packet.receiver = receiver;
        }
    }
    if (packet.receiver == nullptr && packet.source == nullptr) {
        counters().frames_not_for_us.add();
        return false;
    }
    return true;
}

// A session for a source nobody knew, from the spares; nullptr when it is not wanted or none is
// left.
ReceiveSession* WorkerCore::open_receiver(const Incoming& packet, Nanos now) {
    if (packet.packet.type != wire::Type::spm && packet.packet.type != wire::Type::odata) {
        return nullptr;
    }
    if (!wanted(packet)) return nullptr;
    const std::uint16_t port = packet.packet.destination_port;
    const Tsi tsi = packet.packet.tsi();
    if (finished_.heard(tsi, now)) return nullptr;
    // A damaged TSI must not cost a session.
    if (packet.packet.checksum != 0 &&
        !checksum::intact(kernels_.sum(packet.tpdu.data(), packet.tpdu.size()))) {
        counters().verdicts[static_cast<std::size_t>(engine::Verdict::checksum_wrong)].add();
        return nullptr;
    }
    if (spares_.empty() || free_receiver_slots_.empty()) {
        counters().spares_exhausted.add();
        return nullptr;
    }
    ReceiveSession* const session = spares_.back();
    spares_.pop_back();
    session->slot = free_receiver_slots_.back();
    free_receiver_slots_.pop_back();
    receiver_slots_[session->slot] = session;
    session->start(
        {tsi, port, packet.to, packet.ip_source, interfaces_[packet.interface]->spec.address,
         interfaces_[packet.interface]->spec.prefix, repairs(*session, packet)},
        packet.interface, packet.udp_port, random_.next(), now);
    receivers_.insert(tsi, session);
    if (session->repairs) repairing_.push_back(session);
    join_group(*session, now);
    touch(*session);

    WorkerEvent event;
    event.kind = WorkerEvent::Kind::spares_low;
    event.value = spares_.size();
    events_.push(event);
    return session;
}

// What local sources send also reaches local receivers, and what local receivers ask reaches local
// sources, as copies straight out of the frames that wait to leave.
void WorkerCore::loop_back(Nanos now) {
    for (auto& outlet : outlets_) {
        FrameQueue& queue = outlet->queue;
        // An answer joins the queue behind; one turn looks at no more than a queue's worth.
        std::size_t budget = queue.capacity();
        while (queue.looped() < queue.ready() && budget > 0) {
            std::size_t i = queue.looped();
            for (; i < queue.ready() && budget > 0 && batch_count_ < batch_.size(); ++i, --budget) {
                const FrameNote& note = queue.note(i);
                if (!note.loop) continue;
                const engine::TxFrame& frame = queue.frame(i);
                Incoming& packet = batch_[batch_count_];
                packet.tpdu = {frame.data, frame.length};
                if (!wire::decode_plain_data(packet.tpdu, packet.packet) &&
                    wire::decode(packet.tpdu, packet.packet) != wire::DecodeError::none) {
                    continue;
                }
                packet.ip_source = interfaces_[note.interface]->spec.address;
                packet.to = frame.destination;
                packet.interface = note.interface;
                packet.udp_port = note.udp_port;
                packet.frame = {};
                if (!find_sessions(packet, now)) continue;
                counters().loopback_copies.add();
                ++batch_count_;
            }
            deliver(now);
            queue.set_looped(i);
        }
    }
}

// Copies octets to another worker. False, and counted, when its ring is full.
bool WorkerCore::hand_over(std::uint32_t to, FrameRing::Kind kind, std::uint32_t interface,
                           std::span<const std::byte> octets, Address next_hop,
                           std::span<const std::byte> headers) {
    FrameRing::Slot* slot = nullptr;
    FrameRing* ring = nullptr;
    if (mesh_ != nullptr && to < mesh_->workers() && to != config_.index) {
        ring = &mesh_->inbound(config_.index, to);
        slot = ring->claim(0);
    }
    if (slot == nullptr || headers.size() + octets.size() > slot->room_bytes) {
        counters().handover_full.add();
        return false;
    }
    slot->kind = kind;
    slot->interface = interface;
    slot->next_hop = next_hop;
    slot->mac_known = false;
    slot->data = slot->room;
    slot->length = static_cast<std::uint32_t>(headers.size() + octets.size());
    if (!headers.empty()) std::memcpy(slot->room, headers.data(), headers.size());
    if (!octets.empty()) std::memcpy(slot->room + headers.size(), octets.data(), octets.size());
    ring->publish(1);
    counters().handover_sent.add();
    peers_fed_[to] = true;
    return true;
}

}  // namespace fanfare::dataplane
