// Packets as tests inject them: built with the codec, checksummed, with the session's usual
// identity.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "engine/core/packet_writer.hpp"
#include "engine/wire/octets.hpp"
#include "tests/engine/pair.hpp"

namespace fanfare::engine::test {

using Change = std::function<void(wire::Packet&)>;

inline Datagram datagram_of(wire::Packet packet, Address from, Address to,
                            const Change& change = {}) {
    if (change) change(packet);
    if (packet.options.present) packet.flags |= wire::kOptPresent;
    Datagram datagram;
    datagram.octets.resize(wire::encoded_size(packet));
    wire::encode(packet, datagram.octets);
    store_checksum(datagram.octets.data(),
                   checksum::best_kernels().sum(datagram.octets.data(), datagram.octets.size()));
    datagram.from = from;
    datagram.to = to;
    return datagram;
}

inline wire::Packet from_source(wire::Type type) {
    wire::Packet packet{};
    packet.type = type;
    packet.gsi = kTsi.gsi;
    packet.source_port = kTsi.source_port;
    packet.destination_port = kDataPort;
    return packet;
}
inline wire::Packet from_receiver(wire::Type type) {
    wire::Packet packet = from_source(type);
    std::swap(packet.source_port, packet.destination_port);
    return packet;
}

inline Datagram odata(Sqn sqn, Sqn trail, const std::string& text, const Change& change = {}) {
    wire::Packet packet = from_source(wire::Type::odata);
    packet.sqn = sqn;
    packet.trail = trail;
    packet.payload = std::as_bytes(std::span(text));
    return datagram_of(packet, kSourceAddress, kGroup, change);
}
inline Datagram rdata(Sqn sqn, Sqn trail, const std::string& text, const Change& change = {}) {
    return odata(sqn, trail, text, [&](wire::Packet& p) {
        p.type = wire::Type::rdata;
        if (change) change(p);
    });
}
inline Datagram spm(Sqn sqn, Sqn trail, Sqn lead, const Change& change = {}) {
    wire::Packet packet = from_source(wire::Type::spm);
    packet.sqn = sqn;
    packet.trail = trail;
    packet.lead = lead;
    packet.path = kSourceAddress;
    return datagram_of(packet, kSourceAddress, kGroup, change);
}
// NAK, NNAK or NCF for these numbers, listed when there are several.
inline Datagram request(wire::Type type, const std::vector<Sqn>& sqns, const Change& change = {}) {
    wire::Packet packet = type == wire::Type::ncf ? from_source(type) : from_receiver(type);
    packet.sqn = sqns.front();
    packet.source = kSourceAddress;
    packet.group = kGroup;
    std::vector<std::byte> list(4 * sqns.size());
    for (std::size_t i = 1; i < sqns.size(); ++i) wire::put32(&list[4 * (i - 1)], sqns[i]);
    if (sqns.size() > 1) {
        packet.options.set(wire::OptionBit::nak_list);
        packet.options.nak_list = {list.data(), static_cast<std::uint8_t>(sqns.size() - 1)};
    }
    const bool down = type == wire::Type::ncf;
    return datagram_of(packet, down ? kSourceAddress : receiver_address(0),
                       down ? kGroup : kSourceAddress, change);
}
inline Datagram nak(const std::vector<Sqn>& sqns, const Change& change = {}) {
    return request(wire::Type::nak, sqns, change);
}
inline Datagram ncf(const std::vector<Sqn>& sqns, const Change& change = {}) {
    return request(wire::Type::ncf, sqns, change);
}
inline Datagram spmr() {
    return datagram_of(from_receiver(wire::Type::spmr), receiver_address(0), kSourceAddress);
}

// All numbers that a NAK or NCF names.
inline std::vector<Sqn> named(const Datagram& datagram) {
    const wire::Packet packet = datagram.decoded();
    std::vector<Sqn> sqns{packet.sqn};
    if (packet.options.has(wire::OptionBit::nak_list)) {
        for (std::size_t i = 0; i < packet.options.nak_list.count; ++i) {
            sqns.push_back(wire::nak_list_at(packet.options, i));
        }
    }
    return sqns;
}

}  // namespace fanfare::engine::test
