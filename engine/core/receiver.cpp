// Routes what a receiver is told to its mechanisms; the rules stand in their files.
#include "engine/core/receiver.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "engine/core/receiver_parts.hpp"

namespace fanfare::engine {

namespace {

// Work bounds of one tick: missing numbers that get their state, timer steps.
constexpr std::uint32_t kOpenedPerTick = 2048;
constexpr std::uint32_t kTimerStepsPerTick = 8192;
// One packet can always be decoded, in a jumbo frame and at a lap's end, which wastes less than it
// takes.
constexpr std::uint64_t kLongestDecoded = 2 * 9216;

}  // namespace

Verdict Receiver::Parts::on_spm(const wire::Packet& packet, std::span<const std::byte> tpdu,
                                Output& out) {
    using wire::OptionBit;
    if (!intact(packet, tpdu)) return Verdict::checksum_wrong;
    statistics.total_bytes += tpdu.size();
    if (packet.options.has(OptionBit::nbr_unreach)) {
        // Made by a network element that lost its way down: its window says nothing, its number is
        // an old one, and it counts only where our NAKs go (RFC 15.3.2).
        if (packet.path != path) return Verdict::not_for_receiver;
        naks_pause = true;
        return Verdict::accepted;
    }
    // A window is empty (lead = trail - 1) or holds less than half of all numbers (RFC 3.3).
    if (sqn_distance(packet.trail, packet.lead + 1) < 0) return Verdict::malformed;
    if (spm_seen && !sqn_before(spm_sqn, packet.sqn)) return Verdict::stale_spm;
    spm_seen = true;
    spm_sqn = packet.sqn;
    ++statistics.spm_received;
    naks_pause = false;
    reports_wanted = packet.options.has(OptionBit::crqst) ? packet.options.crqst.what : 0;
    learn_backoff(packet.options);
    if (!packet.path.is_none() && !packet.path.is_multicast()) {
        path = packet.path;
        spm_request.spm_heard();
    }
    if (packet.options.has(OptionBit::rst)) {
        reset(ResetCause::sender_reset, out);
        return Verdict::accepted;
    }
    if (!window.started()) {
        const auto start = session_start(packet, join_limits);
        if (!start) {
            learn_parity(packet);
            return Verdict::accepted;
        }
        begin(*start);
    }
    learn_parity(packet);
    const std::uint64_t lead = window.ordinal_of(packet.lead);
    if (lead >= window.reach() && lead + 1 != window.next()) {
        jumped(packet.trail, out);
        return Verdict::beyond_window;
    }
    window.extend(lead);
    if (parity_on) {
        // What it makes readable must not count as lost for its own trail.
        learn_spm_lead(packet, lead);
        if (window.held(window.next()) && !contiguous(out)) return Verdict::accepted;
    }
    open_missing(kOpenedPerPacket);
    if (packet.options.has(OptionBit::fin)) end.fin(std::max(lead, window.start_ordinal() - 1));
    trail_moved(packet.trail, out);
    if (state == SessionState::open) contiguous(out);
    return Verdict::accepted;
}

// NCFs, and other receivers' NAKs.
Verdict Receiver::Parts::on_confirmation(const wire::Packet& packet,
                                         std::span<const std::byte> tpdu, Output& out) {
    if (!intact(packet, tpdu)) return Verdict::checksum_wrong;
    if (packet.source != identity.ip_source || packet.group != identity.group) {
        return Verdict::not_for_receiver;
    }
    const bool ncf = packet.type == wire::Type::ncf;
    if (ncf && packet.options.has(wire::OptionBit::nbr_unreach)) {
        if (packet.options.has(wire::OptionBit::path_nla) && packet.options.path_nla.path != path) {
            return Verdict::not_for_receiver;
        }
        naks_pause = true;
    }
    if (ncf) learn_backoff(packet.options);
    if ((packet.flags & wire::kOptParity) != 0) return on_parity_confirmation(packet);
    if (ncf) ++statistics.ncf_received;
    if (!window.started()) return Verdict::before_window;
    Verdict verdict = Verdict::duplicate;
    const std::size_t listed =
        packet.options.has(wire::OptionBit::nak_list) ? packet.options.nak_list.count : 0;
    for (std::size_t i = 0; i <= listed; ++i) {
        const Sqn sqn = i == 0 ? packet.sqn : wire::nak_list_at(packet.options, i - 1);
        const std::uint64_t ordinal = window.ordinal_of(sqn);
        if (ordinal < window.start_ordinal()) {
            verdict = Verdict::before_window;
            continue;
        }
        if (ordinal >= window.reach()) {
            verdict = Verdict::beyond_window;
            continue;
        }
        if (window.held(ordinal)) continue;
        verdict = Verdict::accepted;
        if (ordinal > window.lead()) {
            // Somebody lost what we have not even heard of. Only the source's own word (NCF) counts
            // for that.
            if (!ncf) continue;
            window.extend(ordinal);
            open_missing(kOpenedPerPacket);
        }
        if (ordinal >= opened) continue;
        if (ncf) {
            redirect.confirmed(ordinal);
            naks.confirmed(ordinal, now);
        } else {
            naks.overheard(ordinal, now);
        }
    }
    (void)out;
    return verdict;
}

// OPT_NAK_BO_RNG and OPT_NAK_BO_IVL (RFC 15.2.2).
void Receiver::Parts::learn_backoff(const wire::Options& options) {
    if (options.has(wire::OptionBit::nak_bo_rng)) {
        naks.backoff().range(options.nak_bo_rng.min_us, options.nak_bo_rng.max_us);
    }
    if (!options.has(wire::OptionBit::nak_bo_ivl)) return;
    if (poll_answer.counted_by(options.nak_bo_ivl.sqn)) {
        naks.backoff().advertise(options.nak_bo_ivl.interval_us);
    } else {
        naks.backoff().advertise_to_others();
    }
}

Verdict Receiver::Parts::on_poll(const wire::Packet& packet, std::span<const std::byte> tpdu) {
    if (!intact(packet, tpdu)) return Verdict::checksum_wrong;
    ++statistics.polls_received;
    // Answers go where the POLL says: only where NAKs would go as well, so that nobody can aim a
    // group's answers at a third.
    if (packet.path != identity.ip_source && (packet.path.is_none() || packet.path != path)) {
        return Verdict::not_for_receiver;
    }
    poll_answer.heard(packet, now, random);
    // After it was heard: the value may be meant for those whom this POLL counts.
    learn_backoff(packet.options);
    return Verdict::accepted;
}

bool Receiver::Parts::send_polr(Output& out) {
    const auto reply = poll_answer.due(now);
    if (!reply) return true;
    TxFrame* const frame = out.next();
    if (frame == nullptr || !write_polr(identity, parameters, *reply, kernels, *frame)) {
        stalled = true;
        return false;
    }
    out.commit();
    poll_answer.sent();
    ++statistics.polrs_sent;
    return true;
}

Verdict Receiver::Parts::judge(const wire::Packet& packet, std::span<const std::byte> tpdu,
                               Address ip_source, Output& out) {
    if (state != SessionState::open) return Verdict::session_over;
    if (packet.tsi() != identity.tsi || packet.data_port() != identity.destination_port) {
        return Verdict::not_for_receiver;
    }
    const bool from_receiver = packet.towards_source();
    if (!from_receiver && ip_source != identity.ip_source) return Verdict::untrusted_source;
    Verdict verdict = Verdict::not_for_receiver;
    switch (packet.type) {
        case wire::Type::odata:
        case wire::Type::rdata:
            verdict = on_data(packet, tpdu, out);
            break;
        case wire::Type::spm:
            verdict = on_spm(packet, tpdu, out);
            break;
        case wire::Type::ncf:
        case wire::Type::nak:
            verdict = on_confirmation(packet, tpdu, out);
            break;
        case wire::Type::poll:
            verdict = on_poll(packet, tpdu);
            break;
        case wire::Type::polr:
            return on_redirect(packet, tpdu, ip_source);
        case wire::Type::spmr:
            if (!intact(packet, tpdu)) return Verdict::checksum_wrong;
            spm_request.request_overheard(now, random);
            return Verdict::accepted;
        default:
            return Verdict::not_for_receiver;
    }
    if (!from_receiver && verdict != Verdict::checksum_wrong && verdict != Verdict::malformed) {
        end.heard(now);
        if (packet.type != wire::Type::ncf && packet.type != wire::Type::poll)
            meter.add(tpdu.size(), now);
    }
    return verdict;
}

bool Receiver::Parts::send_spmrs(Output& out) {
    if (spm_request.next_deadline() > now) return true;
    // To the group first, then to the source (RFC 13.5); where frames are short, one a call.
    for (; spmr_half < 2; ++spmr_half) {
        TxFrame* const frame = out.next();
        if (frame == nullptr ||
            !write_spmr(identity, parameters, spmr_half == 0, kernels, *frame)) {
            stalled = true;
            return false;
        }
        out.commit();
        ++statistics.spmr_sent;
    }
    spmr_half = 0;
    spm_request.sent(now, random);
    return true;
}

// One NAK for numbers, one for groups where parity answers: a list is of one kind (RFC 9.3).
// Without a frame for the second, its states wait for their NCF in vain and ask again.
void Receiver::Parts::send_nak(Address destination, std::span<const std::uint64_t> due,
                               Output& out) {
    std::array<Sqn, wire::kNakListMax + 1> sqns, groups;
    std::size_t count = 0, group_count = 0;
    for (const std::uint64_t ordinal : due) {
        sqns[count] = static_cast<Sqn>(ordinal);
        const Asked asked =
            parity_on ? parity_nak_for(ordinal, groups[group_count]) : Asked::number;
        count += asked == Asked::number ? 1 : 0;
        group_count += asked == Asked::group ? 1 : 0;
    }
    std::optional<CongestionReport> report;
    if (reports_wanted != 0 && !identity.nla.is_none()) {
        report = {reports_wanted, static_cast<Sqn>(window.lead()),
                  loss_report.rate(naks.losses(), window.lead() + 1 - window.start_ordinal())};
    }
    const auto write = [&](std::span<const Sqn> named, bool for_parity) {
        TxFrame* const frame = named.empty() ? nullptr : out.next();
        // A repairer that gives no parity is not asked for any (RFC 9.5.3.1).
        if (for_parity && !redirect.takes(true)) destination = source_path();
        if (frame == nullptr || !write_nak(identity, parameters, destination, named, kernels,
                                           *frame, for_parity, report ? &*report : nullptr,
                                           congestion.active() ? &congestion : nullptr, now)) {
            return;
        }
        out.commit();
        tell_neighbours(*frame, destination, out);
        ++statistics.nak_packets_sent;
        (for_parity ? statistics.parity_naks_sent : statistics.naks_sent) += named.size();
    };
    write({sqns.data(), count}, false);
    write({groups.data(), group_count}, true);
}

// RFC 6.3: a NAK may also go to the group with TTL 1 if the PGM parent is not directly connected.
// Its NCF takes the way there and back, and a subnet's receivers lose the same packets: this is
// what makes the parent hear one of them. Where frames are short it is left out.
void Receiver::Parts::tell_neighbours(const TxFrame& nak, Address parent, Output& out) {
    if (!redirect.beyond_subnet(parent)) return;
    TxFrame* const frame = out.next();
    if (frame == nullptr || frame->capacity < nak.length) return;
    std::memcpy(frame->data, nak.data, nak.length);
    frame->length = nak.length;
    frame->kind = nak.kind;
    frame->ttl = 1;
    frame->router_alert = false;
    frame->destination = identity.group;
    out.commit();
}

Verdict Receiver::Parts::on_redirect(const wire::Packet& packet, std::span<const std::byte> tpdu,
                                     Address ip_source) {
    if (!packet.options.has(wire::OptionBit::redirect)) return Verdict::not_for_receiver;
    // It bears the source's address (9.5.2.1): whoever can do that could send RDATA as well.
    if (ip_source != identity.ip_source) return Verdict::untrusted_source;
    if (!intact(packet, tpdu)) return Verdict::checksum_wrong;
    const bool parity_too = (packet.flags & wire::kOptParity) != 0;
    return redirect.offered(packet.options.redirect.dlr, parity_too, now)
               ? Verdict::accepted
               : Verdict::not_for_receiver;
}

Address Receiver::Parts::nak_destination(std::span<const std::uint64_t> due, Output& out) {
    if (parity_on && !redirect.takes(true)) {
        // What stands for a group goes to the source, whose silence says nothing of a repairer.
        while (!due.empty() && stands_for_group(due.front())) due = due.subspan(1);
        while (!due.empty() && stands_for_group(due.back())) due = due.first(due.size() - 1);
        if (due.empty()) return source_path();
    }
    const bool source_can_help = source_trail <= window.next();
    const bool held = redirect.watching() && window.held(redirect.watched());
    if (redirect.asking(due.front(), due.back(), held, source_can_help, now) && !source_can_help) {
        lose(out);
    }
    return redirect.active() ? redirect.repairer() : source_path();
}

void Receiver::Parts::congestion_data(const wire::Packet& packet, Output& out) {
    if (packet.type != wire::Type::odata) return;
    const auto& said = packet.options.cc_data;
    congestion.on_data(packet.sqn, said.timestamp_ms, said.acker, now, random);
    send_ack(out);
}

void Receiver::Parts::send_ack(Output& out) {
    if (congestion.next_deadline() > now) return;
    TxFrame* const frame = out.next();
    if (frame == nullptr ||
        !write_ack(identity, parameters, path.is_none() ? identity.ip_source : path, congestion,
                   now, kernels, *frame)) {
        stalled = true;
        return;
    }
    out.commit();
    congestion.acked();
    ++statistics.acks_sent;
}

void Receiver::Parts::send_naks(Output& out) {
    if (!may_nak() || nak_spacing.until() > now) return;
    std::uint32_t budget = kTimerStepsPerTick;
    std::array<std::uint64_t, wire::kNakListMax + 1> due;
    const std::size_t most = parameters.nak_lists ? due.size() : 1;
    while (naks.next_deadline() <= now) {
        TxFrame* const frame = out.next();
        if (frame == nullptr || budget == 0) {
            stalled = true;
            return;
        }
        const auto result = naks.run(now, window.next(), random, budget, {due.data(), most});
        if (result.count > 0) {
            const Address destination = nak_destination({due.data(), result.count}, out);
            if (state != SessionState::open) return;
            send_nak(destination, {due.data(), result.count}, out);
            nak_spacing.sent(now);
        }
        if (result.lost != 0) {
            lose(out);
            return;
        }
    }
}

Receiver::Receiver(const ReceiverParameters& parameters, const ReceiveMemory& memory,
                   const checksum::Kernels& kernels, const fec::Kernels& parity_kernels)
    : parts_(std::make_unique<Parts>(parameters, memory, kernels, parity_kernels)) {}
Receiver::~Receiver() = default;

void Receiver::start(const ReceiverIdentity& identity, std::uint64_t seed, Nanos now) {
    parts_->start(identity, seed, now);
}

Reservation Receiver::open_burst(std::size_t payload_bytes) {
    // Decoding writes at most what parity is in the pool, or comes with the burst. In a small log
    // that would be all that readers have not read yet: what goes beyond waits for the next burst.
    // Without parity the limits' cache line is not waited for.
    std::uint64_t decoded = 0;
    if (parts_->parity_on) {
        decoded = std::min(parts_->parity->held_octets(),
                           std::max(parts_->join_limits.log_bytes / 16, kLongestDecoded));
    }
    return parts_->window.reserve(payload_bytes, decoded);
}

Verdict Receiver::on_packet(const wire::Packet& packet, std::span<const std::byte> tpdu,
                            Address ip_source, Nanos now, Output& out) {
    Parts& r = *parts_;
    r.now = now;
    const Verdict verdict = r.judge(packet, tpdu, ip_source, out);
    ++r.statistics.verdicts[static_cast<std::size_t>(verdict)];
    return verdict;
}

Verdict Receiver::on_unicast_ncf(const wire::Packet& packet, std::span<const std::byte> tpdu,
                                 Address ip_source, Nanos now, Output& out) {
    const Verdict verdict = on_packet(packet, tpdu, ip_source, now, out);
    const bool pauses = parts_->naks_pause && packet.type == wire::Type::ncf &&
                        packet.options.has(wire::OptionBit::nbr_unreach);
    const bool judged = verdict != Verdict::checksum_wrong &&
                        verdict != Verdict::not_for_receiver &&
                        verdict != Verdict::untrusted_source && verdict != Verdict::session_over;
    TxFrame* const frame = pauses && judged ? out.next() : nullptr;
    if (frame != nullptr && tpdu.size() <= frame->capacity) {
        std::copy(tpdu.begin(), tpdu.end(), frame->data);
        frame->length = static_cast<std::uint16_t>(tpdu.size());
        frame->kind = FrameKind::ncf;
        frame->ttl = 1;
        frame->router_alert = parts_->parameters.router_alert;
        frame->destination = parts_->identity.group;
        // A copy of the packet: neighbours take an NCF from the session's source alone.
        frame->source = parts_->identity.ip_source;
        out.commit();
    }
    return verdict;
}

void Receiver::on_tick(Nanos now, Output& out) {
    Parts& r = *parts_;
    if (r.state != SessionState::open) return;
    r.now = now;
    r.stalled = false;
    if (r.end.silent_at() <= now) {
        r.reset(ResetCause::sender_silent, out);
        return;
    }
    if (!r.send_spmrs(out) || !r.send_polr(out)) return;
    r.send_ack(out);
    if (r.window.started()) {
        r.open_missing(kOpenedPerTick);
        r.send_naks(out);
    }
    r.meter.roll(now);
    r.statistics.rate_kbits_last = r.meter.kbits_last();
    r.statistics.rate_kbits_overall = r.meter.kbits_overall(now);
}

Nanos Receiver::next_deadline() const {
    const Parts& r = *parts_;
    if (r.state != SessionState::open) return kNever;
    if (r.stalled) return r.now;
    Nanos at =
        std::min({r.end.silent_at(), r.spm_request.next_deadline(), r.poll_answer.next_deadline()});
    at = std::min(at, r.congestion.next_deadline());
    if (r.window.started()) {
        if (r.more_to_open()) return r.now;
        if (r.may_nak()) at = std::min(at, std::max(r.naks.next_deadline(), r.nak_spacing.until()));
    }
    return at;
}

std::uint64_t Receiver::next_ordinal() const {
    return parts_->window.next();
}
std::uint64_t Receiver::start_ordinal() const {
    return parts_->window.start_ordinal();
}
SessionState Receiver::state() const {
    return parts_->state;
}
ResetCause Receiver::cause() const {
    return parts_->cause;
}
bool Receiver::saw_data() const {
    return parts_->saw_data;
}

void Receiver::reset(ResetCause cause, Nanos now, Output& out) {
    parts_->now = now;
    parts_->reset(cause, out);
}

const ReceiverStatistics& Receiver::statistics() const {
    Parts& r = *parts_;
    ReceiverStatistics& s = r.statistics;
    s.losses_detected = r.naks.losses();
    s.naks_suppressed = r.naks.suppressed();
    s.nak_backoff_us = static_cast<std::uint64_t>(r.naks.backoff().interval() / kMicrosecond);
    s.pending_naks = r.naks.pending();
    s.outstanding_naks = r.naks.outstanding();
    s.first_nak_sqn = r.naks.active() == 0 ? 0 : static_cast<Sqn>(r.window.next());
    s.packets_buffered = r.window.buffered();
    return s;
}
const ReceiverIdentity& Receiver::identity() const {
    return parts_->identity;
}
Sqn Receiver::trail() const {
    return static_cast<Sqn>(std::max(parts_->source_trail, parts_->window.start_ordinal()));
}
Sqn Receiver::lead() const {
    return static_cast<Sqn>(parts_->window.lead());
}
Address Receiver::path() const {
    return parts_->source_path();
}
Address Receiver::repairer() const {
    return parts_->redirect.repairer();
}

}  // namespace fanfare::engine
