#include "engine/core/local_repairer.hpp"

#include <algorithm>
#include <array>

#include "engine/core/nak_builder.hpp"
#include "engine/core/packet_writer.hpp"
#include "engine/core/source_packets.hpp"
#include "engine/wire/octets.hpp"

namespace fanfare::engine {

namespace {

// Fragments of one message that are looked at to find where a fragment stands in it.
constexpr std::uint64_t kMostFragments = 4096;
// Repairs whose time is remembered, to merge requests that arrive together.
constexpr std::size_t kRecent = 1024;
constexpr Nanos kLongAgo = -(kNever / 4);

}  // namespace

bool write_offer(const ReceiverIdentity& identity, const RepairerParameters& parameters, Address to,
                 Sqn poll_sqn, std::uint16_t poll_round, const checksum::Kernels& kernels,
                 TxFrame& frame) {
    wire::Packet packet = towards_source(identity, wire::Type::polr);
    packet.sqn = poll_sqn;
    packet.poll.round = poll_round;
    packet.options.set(wire::OptionBit::redirect);
    packet.options.redirect.dlr = identity.nla;
    packet.flags = wire::option_flags(packet.type, packet.options.present);
    const bool multicast = to.is_multicast();
    frame.source = multicast ? identity.ip_source : Address{};
    return write_control_packet(packet, FrameKind::polr, to, parameters.ttl,
                                multicast && parameters.router_alert, kernels, frame);
}

LocalRepairer::LocalRepairer(const RepairerParameters& parameters, const ReceiveMemory& memory,
                             std::uint16_t mtu, bool udp, const checksum::Kernels& kernels)
    : parameters_(parameters),
      memory_(memory),
      udp_(udp),
      kernels_(kernels),
      pending_(static_cast<std::uint32_t>(memory.index.size())),
      recent_(kRecent),
      limiter_(parameters.rate_bits_per_s, mtu),
      offered_at_(kLongAgo) {}

void LocalRepairer::start(const ReceiverIdentity& identity) {
    identity_ = identity;
    pending_ = RepairQueue(static_cast<std::uint32_t>(memory_.index.size()));
    std::fill(recent_.begin(), recent_.end(), Recent{});
    syn_known_ = fin_known_ = false;
    offered_at_ = kLongAgo;
    repair_at_ = kNever;
    statistics_ = {};
}

std::uint64_t LocalRepairer::oldest(const Window& window) const {
    const std::uint64_t size = memory_.index.size();
    const std::uint64_t kept = window.room.ordinal > size ? window.room.ordinal - size : 0;
    return std::max(window.start, kept);
}

bool LocalRepairer::holds(std::uint64_t ordinal, const Window& window) const {
    if (ordinal < oldest(window) || ordinal >= window.next) return false;
    const IndexEntry& e = entry(ordinal);
    if (e.sqn != static_cast<Sqn>(ordinal) || (e.flags & kEntryData) == 0) return false;
    // Octets below (log_position - log size) may be overwritten.
    const std::uint64_t behind = static_cast<std::uint32_t>(window.room.log_position) - e.place;
    return behind <= memory_.log.size() && behind <= window.room.log_position;
}

wire::Packet LocalRepairer::from_source(wire::Type type) const {
    wire::Packet packet{};
    packet.type = type;
    packet.gsi = identity_.tsi.gsi;
    packet.source_port = identity_.tsi.source_port;
    packet.destination_port = identity_.destination_port;
    return packet;
}

// NCF, NNAK, or a NAK passed on. Where frames are short the numbers are asked for again.
bool LocalRepairer::send_list(wire::Type type, std::span<const Sqn> sqns, Address to, Output& out) {
    TxFrame* const frame = sqns.empty() ? nullptr : out.next();
    if (frame == nullptr) return false;
    const bool ncf = type == wire::Type::ncf;
    wire::Packet packet = ncf ? from_source(type) : towards_source(identity_, type);
    packet.source = identity_.ip_source;
    packet.group = identity_.group;
    NakListRoom list;
    name_numbers(sqns, list, packet);
    packet.flags = wire::option_flags(type, packet.options.present);
    const auto kind = ncf                        ? FrameKind::ncf
                      : type == wire::Type::nnak ? FrameKind::nnak
                                                 : FrameKind::nak;
    frame->source = ncf ? identity_.ip_source : Address{};
    if (!write_control_packet(packet, kind, to, parameters_.ttl,
                              parameters_.router_alert && (ncf || sqns.size() == 1), kernels_,
                              *frame)) {
        return false;
    }
    out.commit();
    return true;
}

bool LocalRepairer::send_offer(Output& out) {
    TxFrame* const frame = out.next();
    if (frame == nullptr ||
        !write_offer(identity_, parameters_, identity_.group, 0, 0, kernels_, *frame)) {
        return false;
    }
    out.commit();
    ++statistics_.offers_sent;
    return true;
}

// A NAK that was sent to us: confirmed like a source's, then repaired, or passed on.
void LocalRepairer::on_nak(const wire::Packet& packet, const Window& window, Nanos now,
                           Output& out) {
    std::array<Sqn, wire::kNakListMax + 1> confirmed, provided, passed;
    std::size_t confirm_count = 0, provide_count = 0, pass_count = 0;
    const std::size_t listed =
        packet.options.has(wire::OptionBit::nak_list) ? packet.options.nak_list.count : 0;
    for (std::size_t i = 0; i <= listed; ++i) {
        const Sqn sqn = i == 0 ? packet.sqn : wire::nak_list_at(packet.options, i - 1);
        const std::uint64_t ordinal =
            window.next + static_cast<std::uint64_t>(static_cast<std::int64_t>(
                              sqn_distance(static_cast<Sqn>(window.next), sqn)));
        ++statistics_.naks_received;
        confirmed[confirm_count++] = sqn;
        if (holds(ordinal, window)) {
            const Recent& last = recent_[ordinal % kRecent];
            if (last.ordinal == ordinal && now - last.at < parameters_.merge_ns) continue;
            if (pending_.insert(ordinal)) provided[provide_count++] = sqn;
        } else if (ordinal < window.next || sqn_before(window.lead, sqn)) {
            // What the receiver beside us misses too it asks for itself, and its repair is for
            // everybody.
            passed[pass_count++] = sqn;
        }
    }
    statistics_.ncf_sent +=
        send_list(wire::Type::ncf, {confirmed.data(), confirm_count}, identity_.group, out);
    // The source's flow control hears of the loss without repairing it (9.5.2).
    statistics_.nnak_sent +=
        send_list(wire::Type::nnak, {provided.data(), provide_count}, window.path, out);
    if (send_list(wire::Type::nak, {passed.data(), pass_count}, window.path, out)) {
        statistics_.naks_forwarded += pass_count;
    }
}

void LocalRepairer::on_source_ncf(const wire::Packet& packet, const Window& window, Nanos now,
                                  Output& out) {
    if (now - offered_at_ < parameters_.offer_interval_ns) return;
    // Not when it completes our own NAK (9.5.2.1): then we miss the number.
    const std::uint64_t ordinal =
        window.next + static_cast<std::uint64_t>(static_cast<std::int64_t>(
                          sqn_distance(static_cast<Sqn>(window.next), packet.sqn)));
    if (holds(ordinal, window) && send_offer(out)) offered_at_ = now;
}

void LocalRepairer::on_packet(const wire::Packet& packet, bool to_us, const Window& window,
                              Nanos now, Output& out) {
    if (packet.tsi() != identity_.tsi || packet.data_port() != identity_.destination_port) return;
    switch (packet.type) {
        case wire::Type::odata:
            if (packet.flags & wire::kOptParity) return;
            if (packet.options.has(wire::OptionBit::syn)) {
                syn_known_ = true;
                syn_ = packet.sqn;
            }
            if (packet.options.has(wire::OptionBit::fin)) {
                fin_known_ = true;
                fin_ = packet.sqn;
            }
            return;
        case wire::Type::nak:
        case wire::Type::ncf:
            break;
        default:
            return;
    }
    if (window.next == 0 || window.path.is_none()) return;
    const bool ncf = packet.type == wire::Type::ncf;
    if (!ncf && !to_us) return;
    // Parity is not offered (the POLR says so), so nobody asks for it here.
    if (packet.source != identity_.ip_source || packet.group != identity_.group ||
        (packet.flags & wire::kOptParity) != 0) {
        statistics_.rejected += to_us ? 1 : 0;
        return;
    }
    if (ncf) {
        on_source_ncf(packet, window, now, out);
    } else {
        on_nak(packet, window, now, out);
        on_tick(window, now, out);
    }
}

// The RDATA's header and options, out of the index alone. False when the fragments before it are
// gone: then nobody can say where it stands in its message.
bool LocalRepairer::describe(std::uint64_t ordinal, const Window& window,
                             wire::Packet& packet) const {
    const IndexEntry& e = entry(ordinal);
    packet = from_source(wire::Type::rdata);
    packet.sqn = static_cast<Sqn>(ordinal);
    packet.trail = static_cast<Sqn>(oldest(window));
    packet.payload = {memory_.log.data() + (e.place & (memory_.log.size() - 1)), e.length};
    if (e.flags & kEntryPacked) packet.options.set(wire::OptionBit::packed);
    constexpr std::uint16_t kWhole = kEntryMessageBegin | kEntryMessageEnd;
    if ((e.flags & kWhole) != kWhole) {
        std::uint64_t first = ordinal;
        std::uint64_t offset = 0;
        while ((entry(first).flags & kEntryMessageBegin) == 0) {
            --first;
            if (ordinal - first > kMostFragments || first < oldest(window) ||
                entry(first).sqn != static_cast<Sqn>(first)) {
                return false;
            }
            offset += entry(first).length;
        }
        if (offset > e.apdu_length) return false;
        packet.options.set(wire::OptionBit::fragment);
        packet.options.fragment.first_sqn = static_cast<Sqn>(first);
        packet.options.fragment.offset = static_cast<std::uint32_t>(offset);
        packet.options.fragment.apdu_length = e.apdu_length;
    }
    if (syn_known_ && packet.sqn == syn_) packet.options.set(wire::OptionBit::syn);
    if (fin_known_ && packet.sqn == fin_) packet.options.set(wire::OptionBit::fin);
    packet.flags = wire::option_flags(packet.type, packet.options.present);
    return true;
}

bool LocalRepairer::send_repair(std::uint64_t ordinal, const Window& window, Output& out) {
    TxFrame* const frame = out.next();
    wire::Packet packet;
    if (frame == nullptr) return false;
    if (!describe(ordinal, window, packet)) {
        const Sqn sqn = static_cast<Sqn>(ordinal);
        if (!send_list(wire::Type::nak, {&sqn, 1}, window.path, out)) return false;
        ++statistics_.naks_forwarded;
        return true;
    }
    const std::size_t header = wire::encode(packet, {frame->data, frame->capacity}, false);
    if (header == 0 || frame->capacity - header < packet.payload.size()) return true;  // never fits
    const std::uint32_t sum =
        kernels_.copy_and_sum(frame->data + header, packet.payload.data(), packet.payload.size());
    store_checksum(frame->data, checksum::add(kernels_.sum(frame->data, header), sum, header));
    frame->length = static_cast<std::uint16_t>(header + packet.payload.size());
    frame->kind = FrameKind::rdata;
    frame->ttl = parameters_.ttl;
    frame->router_alert = parameters_.router_alert;
    frame->destination = identity_.group;
    frame->source = identity_.ip_source;
    ++statistics_.rdata_sent;
    statistics_.rdata_bytes += packet.payload.size();
    out.commit();
    return true;
}

void LocalRepairer::on_tick(const Window& window, Nanos now, Output& out) {
    repair_at_ = kNever;
    while (!pending_.empty()) {
        // All that waits lies within one turn of the ring before next.
        const std::uint64_t size = memory_.index.size();
        const std::uint64_t ordinal = pending_.oldest(window.next > size ? window.next - size : 0);
        if (holds(ordinal, window)) {
            const std::uint32_t datagram =
                entry(ordinal).length + 64u + datagram_overhead(parameters_.router_alert, udp_);
            if (!limiter_.allows(datagram, now)) {
                repair_at_ = limiter_.allowed_at(datagram, now);
                return;
            }
            if (!send_repair(ordinal, window, out)) {
                repair_at_ = now;
                return;
            }
            limiter_.charge(datagram, now);
            recent_[ordinal % kRecent] = {ordinal, now};
        }
        pending_.erase(ordinal);
    }
}

Nanos LocalRepairer::next_deadline() const {
    return repair_at_;
}

}  // namespace fanfare::engine
