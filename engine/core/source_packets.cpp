#include "engine/core/source_packets.hpp"

#include <algorithm>
#include <cstring>

#include "engine/core/packet_writer.hpp"
#include "engine/wire/octets.hpp"

namespace fanfare::engine {

namespace {

constexpr std::size_t kTypeOffset = 4, kTsduLengthOffset = 14;  // common header, RFC section 8

std::uint32_t microseconds(Nanos time) {
    return static_cast<std::uint32_t>(std::clamp<Nanos>(time / kMicrosecond, 0, 0xFFFFFFFF));
}

// NAK_BO_IVL_SQN 0: it follows from duplicates, not from a poll, and may be used at once (RFC
// 15.4.1).
void set_backoff(wire::Options& options, Nanos interval) {
    options.set(wire::OptionBit::nak_bo_ivl);
    options.nak_bo_ivl = {microseconds(interval), 0};
}

}  // namespace

SourcePackets::SourcePackets(const SourceParameters& parameters, const SourceIdentity& identity,
                             std::uint16_t mtu, bool udp, const checksum::Kernels& kernels)
    : parameters_(parameters),
      identity_(identity),
      mtu_(mtu),
      udp_(udp),
      kernels_(kernels),
      plain_{},
      plain_packed_{} {
    wire::Packet packet = common(wire::Type::odata);
    wire::encode(packet, plain_, false);
    packet.options.set(wire::OptionBit::packed);
    packet.flags = wire::option_flags(packet.type, packet.options.present);
    wire::encode(packet, plain_packed_, false);
    plain_sum_ = kernels_.sum(plain_, sizeof plain_);
    plain_packed_sum_ = kernels_.sum(plain_packed_, sizeof plain_packed_);
}

bool SourcePackets::write_plain(Sqn sqn, Sqn trail, const std::byte* payload, std::uint16_t length,
                                bool packed, TxFrame& frame, std::uint32_t& sum) const {
    const std::size_t header = plain_header(packed);
    if (frame.capacity < header || frame.capacity - header < length) return false;
    std::byte* const p = frame.data;
    if (packed) {
        std::memcpy(p, plain_packed_, sizeof plain_packed_);
    } else {
        std::memcpy(p, plain_, sizeof plain_);
    }
    const std::uint16_t wire_length = __builtin_bswap16(length);
    const std::uint32_t wire_sqn = __builtin_bswap32(sqn), wire_trail = __builtin_bswap32(trail);
    std::memcpy(p + kTsduLengthOffset, &wire_length, sizeof wire_length);
    std::memcpy(p + wire::kHeaderSize, &wire_sqn, sizeof wire_sqn);
    std::memcpy(p + wire::kHeaderSize + 4, &wire_trail, sizeof wire_trail);
    sum = kernels_.copy_and_sum(p + header, payload, length);
    // All stand at even offsets, so their sums add; six terms of 16 bits can't overflow.
    const std::uint32_t whole = checksum::fold(packed ? plain_packed_sum_ : plain_sum_) +
                                wire_length + (wire_sqn & 0xFFFF) + (wire_sqn >> 16) +
                                (wire_trail & 0xFFFF) + (wire_trail >> 16) + checksum::fold(sum);
    store_checksum(p, whole);
    frame.length = static_cast<std::uint16_t>(header + length);
    frame.kind = FrameKind::odata;
    frame.ttl = parameters_.ttl;
    frame.router_alert = false;
    frame.destination = identity_.group;
    return true;
}

wire::Packet SourcePackets::common(wire::Type type) const {
    wire::Packet packet{};
    packet.type = type;
    packet.source_port = identity_.tsi.source_port;
    packet.destination_port = identity_.destination_port;
    packet.gsi = identity_.tsi.gsi;
    return packet;
}

bool SourcePackets::write_spm(const SpmContents& contents, TxFrame& frame) const {
    wire::Packet packet = common(wire::Type::spm);
    packet.sqn = contents.sqn;
    packet.trail = contents.trail;
    packet.lead = contents.lead;
    packet.path = identity_.nla;
    if (contents.join) {
        packet.options.set(wire::OptionBit::join);
        packet.options.join.min_sqn = *contents.join;
    }
    if (contents.fin) packet.options.set(wire::OptionBit::fin);
    if (contents.rst_error) {
        packet.options.set(wire::OptionBit::rst);
        // N bit: NAKs go unanswered from now on (RFC 9.8.4).
        packet.options.rst = {true, static_cast<std::uint8_t>(*contents.rst_error & 0x3F)};
    }
    if (parameters_.parity.on()) {
        packet.options.set(wire::OptionBit::parity_prm);
        packet.options.parity_prm = {parameters_.parity.proactive > 0, parameters_.parity.on_demand,
                                     parameters_.parity.group_size};
        if (contents.group_size != 0) {
            packet.options.set(wire::OptionBit::curr_tgsize);
            packet.options.curr_tgsize.actual_size = contents.group_size;
        }
    }
    if (contents.backoff_max > 0) {
        set_backoff(packet.options, contents.backoff);
        packet.options.set(wire::OptionBit::nak_bo_rng);
        packet.options.nak_bo_rng = {microseconds(contents.backoff_max),
                                     microseconds(contents.backoff_min)};
    }
    packet.flags = wire::option_flags(wire::Type::spm, packet.options.present);
    return write_control_packet(packet, FrameKind::spm, identity_.group, parameters_.ttl,
                                alert_on(FrameKind::spm), kernels_, frame);
}

bool SourcePackets::write_ncf(std::span<const Sqn> sqns, TxFrame& frame, bool parity,
                              Nanos backoff) const {
    wire::Packet packet = common(wire::Type::ncf);
    packet.source = identity_.nla;
    packet.group = identity_.group;
    NakListRoom list;
    name_numbers(sqns, list, packet);
    if (backoff > 0) set_backoff(packet.options, backoff);
    packet.flags = wire::option_flags(wire::Type::ncf, packet.options.present);
    if (parity) packet.flags |= wire::kOptParity;
    return write_control_packet(packet, FrameKind::ncf, identity_.group, parameters_.ttl,
                                alert_on(FrameKind::ncf), kernels_, frame);
}

bool SourcePackets::write_poll(const PollRound::Poll& poll, TxFrame& frame) const {
    wire::Packet packet = common(wire::Type::poll);
    packet.sqn = poll.sqn;
    packet.path = identity_.nla;
    packet.poll = {poll.round, poll.subtype, poll.backoff_us, poll.random, poll.mask};
    return write_control_packet(packet, FrameKind::poll, identity_.group, parameters_.ttl,
                                alert_on(FrameKind::poll), kernels_, frame);
}

void SourcePackets::set_options(const DataContents& contents, const SendEntry& entry,
                                wire::Packet& packet) const {
    if (entry.fragment) {
        packet.options.set(wire::OptionBit::fragment);
        packet.options.fragment = {entry.message_first, entry.message_offset, entry.message_length};
    }
    if (contents.join) {
        packet.options.set(wire::OptionBit::join);
        packet.options.join.min_sqn = *contents.join;
    }
    if (contents.syn) packet.options.set(wire::OptionBit::syn);
    if (entry.packed) packet.options.set(wire::OptionBit::packed);
    if (contents.congestion != nullptr) {
        packet.options.set(wire::OptionBit::cc_data);
        packet.options.cc_data = {contents.congestion->timestamp_ms, contents.congestion->acker};
    }
    if (entry.group_size != 0) {
        packet.options.set(wire::OptionBit::curr_tgsize);
        packet.options.curr_tgsize.actual_size = entry.group_size;
    }
    if (packet.options.present)
        packet.flags = wire::option_flags(packet.type, packet.options.present);
}

std::uint32_t SourcePackets::data_size(const DataContents& contents, const SendEntry& entry) const {
    if (!entry.fragment && !entry.packed && entry.group_size == 0 && !contents.join &&
        !contents.syn && contents.congestion == nullptr) {
        return static_cast<std::uint32_t>(wire::kDataHeaderSize) + entry.length;
    }
    wire::Packet packet{};
    packet.type = wire::Type::odata;
    set_options(contents, entry, packet);
    return static_cast<std::uint32_t>(wire::encoded_size(packet)) + entry.length;
}

bool SourcePackets::write_data(const DataContents& contents, const SendEntry& entry, TxFrame& frame,
                               std::uint32_t& sum) const {
    const auto type = contents.repair ? wire::Type::rdata : wire::Type::odata;
    std::size_t header = wire::kDataHeaderSize;
    std::byte* const packet_start = frame.data;
    if (!entry.fragment && !entry.packed && entry.group_size == 0 && !contents.join &&
        !contents.syn && contents.congestion == nullptr) {
        if (frame.capacity < header) return false;
        std::memcpy(packet_start, plain_, header);
        packet_start[kTypeOffset] = static_cast<std::byte>(type);
        wire::put16(packet_start + kTsduLengthOffset, entry.length);
        wire::put32(packet_start + wire::kHeaderSize, contents.sqn);
        wire::put32(packet_start + wire::kHeaderSize + 4, contents.trail);
    } else {
        wire::Packet packet = common(type);
        packet.sqn = contents.sqn;
        packet.trail = contents.trail;
        packet.payload = {entry.data, entry.length};  // for the TSDU length only
        set_options(contents, entry, packet);
        header = wire::encode(packet, {packet_start, frame.capacity}, false);
        if (header == 0) return false;
    }
    if (frame.capacity - header < entry.length) return false;
    sum = kernels_.copy_and_sum(packet_start + header, entry.data, entry.length);
    store_checksum(packet_start, checksum::add(kernels_.sum(packet_start, header), sum, header));
    frame.length = static_cast<std::uint16_t>(header + entry.length);
    frame.kind = contents.repair ? FrameKind::rdata : FrameKind::odata;
    frame.ttl = parameters_.ttl;
    frame.router_alert = alert_on(frame.kind);
    frame.destination = identity_.group;
    return true;
}

wire::Packet SourcePackets::parity_packet(const ParityContents& contents) const {
    wire::Packet packet = common(contents.repair ? wire::Type::rdata : wire::Type::odata);
    wire::Options& options = packet.options;
    packet.sqn = contents.sqn;
    packet.trail = contents.trail;
    packet.payload = contents.payload;
    if (contents.symbol_fragment != nullptr) {
        options.set(wire::OptionBit::fragment);
        options.encoded |= wire::bit(wire::OptionBit::fragment);
        options.fragment = contents.symbol_fragment->fragment_option();
    }
    if (contents.symbol_packed != nullptr) {
        options.set(wire::OptionBit::packed);
        options.encoded |= wire::bit(wire::OptionBit::packed);
        options.packed = {contents.symbol_packed->packed_octet()};
    }
    if (contents.group != 0) {
        options.set(wire::OptionBit::parity_grp);
        options.parity_grp.group = contents.group;
    }
    if (contents.group_size != 0) {
        options.set(wire::OptionBit::curr_tgsize);
        options.curr_tgsize.actual_size = contents.group_size;
    }
    if (contents.syn) options.set(wire::OptionBit::syn);
    if (contents.fin) options.set(wire::OptionBit::fin);
    packet.flags =
        static_cast<std::uint8_t>(wire::option_flags(packet.type, options.present) |
                                  wire::kOptParity | (contents.variable ? wire::kOptVarPktLen : 0));
    return packet;
}

std::uint32_t SourcePackets::parity_size(const ParityContents& contents) const {
    return static_cast<std::uint32_t>(wire::encoded_size(parity_packet(contents)));
}

bool SourcePackets::write_parity(const ParityContents& contents, TxFrame& frame) const {
    const wire::Packet packet = parity_packet(contents);
    const std::size_t header = wire::encode(packet, {frame.data, frame.capacity}, false);
    const std::size_t length = contents.payload.size();
    if (header == 0 || frame.capacity - header < length) return false;
    const std::uint32_t sum =
        kernels_.copy_and_sum(frame.data + header, contents.payload.data(), length);
    store_checksum(frame.data, checksum::add(kernels_.sum(frame.data, header), sum, header));
    frame.length = static_cast<std::uint16_t>(header + length);
    frame.kind = contents.repair ? FrameKind::rdata : FrameKind::odata;
    frame.ttl = parameters_.ttl;
    frame.router_alert = alert_on(frame.kind);
    frame.destination = identity_.group;
    return true;
}

bool SourcePackets::syn_fits(const SendEntry& first) const {
    DataContents contents{};
    contents.syn = true;
    SendEntry alone = first;
    // It may turn out to be all of its parity group; only its RDATA can say so.
    if (parameters_.parity.on()) alone.group_size = 1;
    // The ODATA's OPT_JOIN stands in place of the Router Alert that only the RDATA has.
    const std::uint32_t repair =
        data_size(contents, alone) + datagram_overhead(parameters_.router_alert, udp_);
    if (parameters_.announce_first || parameters_.late_join_percent > 0) contents.join = 0;
    const CongestionMark mark;
    if (parameters_.congestion.on) contents.congestion = &mark;
    const std::uint32_t original = data_size(contents, first) + datagram_overhead(false, udp_);
    return repair <= mtu_ && original <= mtu_;
}

}  // namespace fanfare::engine
