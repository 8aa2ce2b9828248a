#include "engine/core/nak_builder.hpp"

#include "engine/core/packet_writer.hpp"
#include "engine/core/pgmcc_receiver.hpp"
#include "engine/wire/octets.hpp"

namespace fanfare::engine {

wire::Packet towards_source(const ReceiverIdentity& identity, wire::Type type) {
    wire::Packet packet{};
    packet.type = type;
    packet.source_port = identity.destination_port;
    packet.destination_port = identity.tsi.source_port;
    packet.gsi = identity.tsi.gsi;
    return packet;
}

bool write_nak(const ReceiverIdentity& identity, const ReceiverParameters& parameters, Address path,
               std::span<const Sqn> sqns, const checksum::Kernels& kernels, TxFrame& frame,
               bool parity, const CongestionReport* report, const PgmccReceiver* congestion,
               Nanos now) {
    wire::Packet packet = towards_source(identity, wire::Type::nak);
    packet.source = identity.ip_source;
    packet.group = identity.group;
    NakListRoom list;
    name_numbers(sqns, list, packet);
    if (report != nullptr) {
        packet.options.set(wire::OptionBit::cr);
        // Network elements fill in what is theirs (RFC 12.5): both start at 0.
        const std::uint16_t own = (report->what & 1) != 0 ? report->loss : std::uint16_t{0};
        packet.options.cr = {report->what, report->lead, 0, 0, own, identity.nla};
    }
    if (congestion != nullptr) congestion->describe(now, packet.options);
    packet.flags = wire::option_flags(wire::Type::nak, packet.options.present);
    if (parity) packet.flags |= wire::kOptParity;
    return write_control_packet(packet, FrameKind::nak, path, parameters.ttl,
                                parameters.router_alert && sqns.size() == 1, kernels, frame);
}

bool write_polr(const ReceiverIdentity& identity, const ReceiverParameters& parameters,
                const PollAnswer::Reply& reply, const checksum::Kernels& kernels, TxFrame& frame) {
    wire::Packet packet = towards_source(identity, wire::Type::polr);
    packet.sqn = reply.sqn;
    packet.poll.round = reply.round;
    if (identity.repairs && reply.subtype == kPollDlr) {
        packet.options.set(wire::OptionBit::redirect);
        packet.options.redirect.dlr = identity.nla;
        packet.flags = wire::option_flags(packet.type, packet.options.present);
    }
    return write_control_packet(packet, FrameKind::polr, reply.to, parameters.ttl, false, kernels,
                                frame);
}

bool write_spmr(const ReceiverIdentity& identity, const ReceiverParameters& parameters,
                bool multicast, const checksum::Kernels& kernels, TxFrame& frame) {
    const wire::Packet packet = towards_source(identity, wire::Type::spmr);
    return write_control_packet(packet, FrameKind::spmr,
                                multicast ? identity.group : identity.ip_source,
                                multicast ? 1 : parameters.ttl, false, kernels, frame);
}

}  // namespace fanfare::engine
