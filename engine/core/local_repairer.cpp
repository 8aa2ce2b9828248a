#include "engine/core/local_repairer.hpp"

#include <algorithm>
#include <array>

#include "engine/core/nak_builder.hpp"
#include "engine/core/packet_writer.hpp"
#include "engine/core/repair_hold.hpp"
#include "engine/core/source_packets.hpp"
#include "engine/wire/octets.hpp"

namespace fanfare::engine {

namespace {

// Fragments of one message that are looked at to find where a fragment stands in it.
constexpr std::uint64_t kMostFragments = 4096;
// Repairs whose time is remembered, to merge requests that arrive together.
constexpr std::size_t kRecent = 1024;
constexpr Nanos kLongAgo = -(kNever / 4);
// Both: the entry is a whole message, or a container of them, and no fragment.
constexpr std::uint16_t kWhole = kEntryMessageBegin | kEntryMessageEnd;

// The ordinal nearest to `next` that has these low 32 bits.
std::uint64_t ordinal_near(std::uint64_t next, Sqn sqn) {
    return next + static_cast<std::uint64_t>(
                      static_cast<std::int64_t>(sqn_distance(static_cast<Sqn>(next), sqn)));
}

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
      offered_at_(kLongAgo) {
    fetches_.reserve(kFetchesMost);
}

void LocalRepairer::start(const ReceiverIdentity& identity) {
    identity_ = identity;
    pending_ = RepairQueue(static_cast<std::uint32_t>(memory_.index.size()));
    std::fill(recent_.begin(), recent_.end(), Recent{});
    syn_known_ = fin_known_ = false;
    offered_at_ = kLongAgo;
    repair_at_ = announce_at_ = fetched_at_ = kNever;
    requesters_ = {};
    fetches_.clear();
    fetches_told_ = 0;
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

std::uint64_t LocalRepairer::held(const Window& window) const {
    std::uint64_t from = oldest(window), to = window.next;
    while (from < to) {
        const std::uint64_t middle = from + (to - from) / 2;
        const bool is_void = (entry(middle).flags & kEntryVoid) != 0;
        if (holds(middle, window) || is_void) {
            to = middle;
        } else {
            from = middle + 1;
        }
    }
    return window.next - std::min(to, window.next);
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
    // What goes to the group goes as if the source had said it.
    const bool as_source = ncf && to.is_multicast();
    frame->source = as_source ? identity_.ip_source : Address{};
    const bool alert = parameters_.router_alert && (as_source || (!ncf && sqns.size() == 1));
    if (!write_control_packet(packet, kind, to, parameters_.ttl, alert, kernels_, *frame)) {
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

namespace {

// The numbers that a NAK names, at most a list's and one.
template <typename Visit>
void for_each_number(const wire::Packet& packet, std::uint64_t next, Visit&& visit) {
    const std::size_t listed =
        packet.options.has(wire::OptionBit::nak_list) ? packet.options.nak_list.count : 0;
    for (std::size_t i = 0; i <= listed; ++i) {
        const Sqn sqn = i == 0 ? packet.sqn : wire::nak_list_at(packet.options, i - 1);
        visit(sqn, ordinal_near(next, sqn));
    }
}

struct NumberList {
    std::array<Sqn, wire::kNakListMax + 1> sqns;
    std::size_t count = 0;
    void add(Sqn sqn) { sqns[count++] = sqn; }
    std::span<const Sqn> all() const { return {sqns.data(), count}; }
};

}  // namespace

bool LocalRepairer::repaired_just_now(std::uint64_t ordinal, Nanos now) const {
    const Recent& last = recent_[ordinal % kRecent];
    if (last.ordinal != ordinal) return false;
    return now - last.at < repair_gap(parameters_.merge_ns, last.repairs);
}

void LocalRepairer::note_repair(std::uint64_t ordinal, Nanos now) {
    Recent& last = recent_[ordinal % kRecent];
    last = {ordinal, now, last.ordinal == ordinal ? last.repairs + 1 : 1};
}

bool LocalRepairer::admit(Address requester, const Window& window, Nanos now) {
    const std::uint64_t held = window.next - oldest(window);
    const std::uint64_t stored = window.stored_end - window.stored_first;
    if (requesters_.take(requester, 1, window.next, std::max(held, stored), now) > 0) return true;
    ++statistics_.naks_shed;
    return false;
}

// A NAK that was sent to us: confirmed like a source's, then repaired, or passed on.
void LocalRepairer::on_nak(const wire::Packet& packet, Address from, const Window& window,
                           Nanos now, Output& out) {
    NumberList confirmed, provided, passed;
    for_each_number(packet, window.next, [&](Sqn sqn, std::uint64_t ordinal) {
        ++statistics_.naks_received;
        if (!admit(from, window, now)) return;
        if (ordinal >= window.next && sqn_before(window.lead, sqn)) {
            // Whether it was ever sent the source alone knows: an NCF of ours would bear its
            // address, and receivers would look for what nobody can give them.
            passed.add(sqn);
            return;
        }
        confirmed.add(sqn);
        if (holds(ordinal, window)) {
            if (repaired_just_now(ordinal, now)) return;
            if (pending_.insert(ordinal)) provided.add(sqn);
        } else if (stored(ordinal, window)) {
            if (repaired_just_now(ordinal, now)) return;
            const Wanted wanted = want_fetch(ordinal);
            if (wanted == Wanted::anew) provided.add(sqn);
            statistics_.fetches_shed += wanted == Wanted::refused ? 1 : 0;
        } else if (ordinal < window.next) {
            // What the receiver beside us misses too it asks for itself, and its repair is for
            // everybody.
            passed.add(sqn);
        }
    });
    statistics_.ncf_sent += send_list(wire::Type::ncf, confirmed.all(), identity_.group, out);
    // The source's flow control hears of the loss without repairing it (9.5.2).
    statistics_.nnak_sent += send_list(wire::Type::nnak, provided.all(), window.path, out);
    if (send_list(wire::Type::nak, passed.all(), window.path, out)) {
        statistics_.naks_forwarded += passed.count;
    }
}

// Our parent asks for what was lost elsewhere below it: we are off its tree, and answer to it alone
// (9.5.2.2). What can't leave at once it asks for again.
void LocalRepairer::on_parents_nak(const wire::Packet& packet, const Window& window, Nanos now,
                                   Output& out) {
    NumberList confirmed, provided, missing;
    for_each_number(packet, window.next, [&](Sqn sqn, std::uint64_t ordinal) {
        ++statistics_.naks_received;
        confirmed.add(sqn);
        (holds(ordinal, window) ? provided : missing).add(sqn);
    });
    statistics_.ncf_sent += send_list(wire::Type::ncf, confirmed.all(), window.path, out);
    // Before the RDATA, so that the parent need not remember it (9.5.2.2).
    statistics_.nnak_sent += send_list(wire::Type::nnak, provided.all(), window.path, out);
    if (send_list(wire::Type::nak, missing.all(), window.path, out)) {
        statistics_.naks_forwarded += missing.count;
    }
    for_each_number(packet, window.next, [&](Sqn, std::uint64_t ordinal) {
        wire::Packet repair;
        if (!holds(ordinal, window) || !describe(ordinal, window, repair)) return;
        if (may_send(repair.payload.size(), now)) write_repair(repair, window.path, out);
    });
}

LocalRepairer::Wanted LocalRepairer::want_fetch(std::uint64_t ordinal) {
    if (std::find(fetches_.begin(), fetches_.end(), ordinal) != fetches_.end()) {
        return Wanted::already;
    }
    if (fetches_.size() == kFetchesMost) return Wanted::refused;
    fetches_.push_back(ordinal);
    return Wanted::anew;
}

void LocalRepairer::end_fetch(std::uint64_t ordinal) {
    const auto under_way = fetches_.begin() + static_cast<std::ptrdiff_t>(fetches_told_);
    const auto at = std::find(fetches_.begin(), under_way, ordinal);
    if (at == under_way) return;
    fetches_.erase(at);
    --fetches_told_;
}

std::uint64_t LocalRepairer::next_fetch() {
    if (fetches_told_ == std::min(fetches_.size(), kFetchesUnderWay)) return 0;
    return fetches_[fetches_told_++];
}

bool LocalRepairer::on_fetched(const StoredPacket& stored, const Window& window, Nanos now,
                               Output& out) {
    fetched_at_ = kNever;
    wire::Packet packet = repair_packet(stored.ordinal, stored.flags, window);
    packet.payload = stored.payload;
    if ((stored.flags & kWhole) != kWhole) {
        packet.options.set(wire::OptionBit::fragment);
        packet.options.fragment = {stored.first_sqn, stored.offset, stored.apdu_length, 0};
        packet.flags = wire::option_flags(packet.type, packet.options.present);
    }
    // A frame first: tokens are for what leaves.
    if (out.next() == nullptr) {
        fetched_at_ = now;
        return false;
    }
    if (!may_send(stored.payload.size(), now)) {
        fetched_at_ = repair_at_;
        return false;
    }
    const std::uint64_t before = statistics_.rdata_sent;
    write_repair(packet, identity_.group, out);
    statistics_.fetched += statistics_.rdata_sent - before;
    note_repair(stored.ordinal, now);
    end_fetch(stored.ordinal);
    return true;
}

void LocalRepairer::on_fetch_failed(std::uint64_t ordinal, const Window& window, Output& out) {
    end_fetch(ordinal);
    ++statistics_.fetches_failed;
    const Sqn sqn = static_cast<Sqn>(ordinal);
    if (send_list(wire::Type::nak, {&sqn, 1}, window.path, out)) ++statistics_.naks_forwarded;
}

void LocalRepairer::on_source_ncf(const wire::Packet& packet, const Window& window, Nanos now,
                                  Output& out) {
    if (now - offered_at_ < parameters_.offer_interval_ns) return;
    // Not when it completes our own NAK (9.5.2.1): then we miss the number.
    if (holds(ordinal_near(window.next, packet.sqn), window) && send_offer(out)) offered_at_ = now;
}

void LocalRepairer::on_packet(const wire::Packet& packet, Address from, bool to_us,
                              const Window& window, Nanos now, Output& out) {
    if (packet.tsi() != identity_.tsi || packet.data_port() != identity_.destination_port) return;
    if (!packet.towards_source() && from != identity_.ip_source) return;
    if (announce_at_ == kNever && parameters_.announce_interval_ns > 0 && window.start != 0 &&
        window.next > window.start) {
        announce_at_ = now;
    }
    switch (packet.type) {
        case wire::Type::odata:
        case wire::Type::rdata:
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
    } else if (from == window.path) {
        on_parents_nak(packet, window, now, out);
    } else {
        on_nak(packet, from, window, now, out);
        on_tick(window, now, out);
    }
}

// What every RDATA says, whether its payload is in memory or in the store.
wire::Packet LocalRepairer::repair_packet(std::uint64_t ordinal, std::uint16_t entry_flags,
                                          const Window& window) const {
    wire::Packet packet = from_source(wire::Type::rdata);
    packet.sqn = static_cast<Sqn>(ordinal);
    const bool behind = window.stored_first != window.stored_end;
    packet.trail =
        static_cast<Sqn>(behind ? std::min(oldest(window), window.stored_first) : oldest(window));
    if (entry_flags & kEntryPacked) packet.options.set(wire::OptionBit::packed);
    if (syn_known_ && packet.sqn == syn_) packet.options.set(wire::OptionBit::syn);
    if (fin_known_ && packet.sqn == fin_) packet.options.set(wire::OptionBit::fin);
    packet.flags = wire::option_flags(packet.type, packet.options.present);
    return packet;
}

// The RDATA's header and options, out of the index alone. False when the fragments before it are
// gone: then nobody can say where it stands in its message.
bool LocalRepairer::describe(std::uint64_t ordinal, const Window& window,
                             wire::Packet& packet) const {
    const IndexEntry& e = entry(ordinal);
    packet = repair_packet(ordinal, e.flags, window);
    packet.payload = {memory_.log.data() + (e.place & (memory_.log.size() - 1)), e.length};
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
        packet.flags = wire::option_flags(packet.type, packet.options.present);
    }
    return true;
}

bool LocalRepairer::send_repair(std::uint64_t ordinal, const Window& window, Output& out) {
    wire::Packet packet;
    if (out.next() == nullptr) return false;
    if (describe(ordinal, window, packet)) return write_repair(packet, identity_.group, out);
    const Sqn sqn = static_cast<Sqn>(ordinal);
    if (!send_list(wire::Type::nak, {&sqn, 1}, window.path, out)) return false;
    ++statistics_.naks_forwarded;
    return true;
}

// Takes the tokens for a repair; false, with repair_at_, when there are none yet.
bool LocalRepairer::may_send(std::size_t payload, Nanos now) {
    const auto datagram = static_cast<std::uint32_t>(
        payload + 64u + datagram_overhead(parameters_.router_alert, udp_));
    if (!limiter_.allows(datagram, now)) {
        repair_at_ = limiter_.allowed_at(datagram, now);
        return false;
    }
    limiter_.charge(datagram, now);
    return true;
}

bool LocalRepairer::write_repair(wire::Packet& packet, Address to, Output& out) {
    TxFrame* const frame = out.next();
    if (frame == nullptr) return false;
    const std::size_t header = wire::encode(packet, {frame->data, frame->capacity}, false);
    if (header == 0 || frame->capacity - header < packet.payload.size()) return true;  // never fits
    const std::uint32_t sum =
        kernels_.copy_and_sum(frame->data + header, packet.payload.data(), packet.payload.size());
    store_checksum(frame->data, checksum::add(kernels_.sum(frame->data, header), sum, header));
    const bool as_source = to.is_multicast();
    frame->length = static_cast<std::uint16_t>(header + packet.payload.size());
    frame->kind = FrameKind::rdata;
    frame->ttl = parameters_.ttl;
    frame->router_alert = as_source && parameters_.router_alert;
    frame->destination = to;
    frame->source = as_source ? identity_.ip_source : Address{};
    ++statistics_.rdata_sent;
    statistics_.rdata_bytes += packet.payload.size();
    out.commit();
    return true;
}

void LocalRepairer::on_tick(const Window& window, Nanos now, Output& out) {
    repair_at_ = kNever;
    if (announce_at_ <= now) {
        // Without a frame it comes with the next tick.
        announce_at_ = send_offer(out) ? now + parameters_.announce_interval_ns : now;
    }
    while (!pending_.empty()) {
        // All that waits lies within one turn of the ring before next.
        const std::uint64_t size = memory_.index.size();
        const std::uint64_t ordinal = pending_.oldest(window.next > size ? window.next - size : 0);
        if (holds(ordinal, window)) {
            if (out.next() == nullptr) {
                repair_at_ = now;
                return;
            }
            if (!may_send(entry(ordinal).length, now)) return;
            send_repair(ordinal, window, out);
            note_repair(ordinal, now);
        }
        pending_.erase(ordinal);
    }
}

Nanos LocalRepairer::next_deadline() const {
    return std::min({repair_at_, announce_at_, fetched_at_});
}

}  // namespace fanfare::engine
