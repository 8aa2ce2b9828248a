// Routes what a source is told to its mechanisms; the rules stand in their files.
#include "engine/core/source.hpp"

#include <algorithm>

#include "engine/core/source_parts.hpp"

namespace fanfare::engine {

namespace {

// RFC 13.4 limits answers to SPMRs to one per IHB_MIN; where that is longer than a receiver's
// patience (SPMR_BO_IVL, 250 ms) this holds instead.
constexpr Nanos kSpmrAnswerLimit = 100 * kMillisecond;

}  // namespace

Source::Source(const SourceParameters& parameters, const SourceIdentity& identity,
               std::uint16_t mtu, bool udp, const checksum::Kernels& kernels,
               const fec::Kernels& parity_kernels)
    : parts_(std::make_unique<Parts>(parameters, identity, mtu, udp, kernels, parity_kernels)) {}
Source::~Source() = default;

std::size_t Source::publish(std::span<const Publish> items, Nanos now, Output& out) {
    Parts& s = *parts_;
    if (!s.closing.open()) return 0;
    s.enter(now);
    s.publish_at = kNever;
    s.repair_at = kNever;
    s.window_waits = s.room_came = false;
    // A source with data at hand does not pause, however long the last packet's tokens took.
    s.data_waits = !items.empty();
    if (!s.send_confirms(out) || !s.send_spms(out)) return 0;
    s.data_waits = false;
    std::size_t taken = 0;
    while (true) {
        const bool data_behind = taken < items.size();
        if (!s.service.pending().empty() && (!data_behind || s.share.allows())) {
            if (s.send_repair(out, data_behind)) continue;
            s.data_waits = data_behind && s.closing.open();
            s.publish_at = data_behind ? s.repair_at : kNever;
            break;
        }
        if (s.parity && s.parity->owed() && !s.send_parity(out)) {
            s.data_waits = data_behind;
            s.publish_at = s.parity_at;
            break;
        }
        if (!data_behind) {
            s.share.refill();
            break;
        }
        if (const std::size_t run = s.send_run(items.subspan(taken), out); run > 0) {
            taken += run;
            continue;
        }
        const Publish& item = items[taken];
        if (item.length > (item.fragment ? s.tsdu_fragment : s.tsdu)) break;
        const Parts::Sent sent = s.send_data(item, out);
        if (sent == Parts::Sent::yes) {
            ++taken;
            continue;
        }
        if (sent == Parts::Sent::no_frame) s.stalled = true;
        s.window_waits = sent == Parts::Sent::no_window;
        s.data_waits = !s.window_waits;
        break;
    }
    return taken;
}

void Source::on_tick(Nanos now, Output& out) {
    Parts& s = *parts_;
    if (s.closing.done()) return;
    s.enter(now);
    s.repair_at = kNever;
    if (!s.send_confirms(out)) return;
    s.advance_trail();
    if (s.congestion) s.tick_congestion();
    if (s.parity && s.parity->owed() && !s.closing.aborting() && !s.send_parity(out) && s.stalled) {
        return;
    }
    if (!s.send_spms(out)) return;
    if (s.closing.open() && s.polls.next_deadline() <= now && !s.send_polls(out)) return;
    while (!s.service.pending().empty() && (!s.data_waits || s.share.allows())) {
        if (!s.send_repair(out, s.data_waits)) break;
    }
    s.end(out);
    s.meter.roll(now);
    s.statistics.rate_kbits_last = s.meter.kbits_last();
    s.statistics.rate_kbits_overall = s.meter.kbits_overall(now);
    s.statistics.nak_backoff_us =
        static_cast<std::uint64_t>(s.service.tuning().advertised() / kMicrosecond);
    s.statistics.repair_hold_us =
        static_cast<std::uint64_t>(s.service.hold().hold() / kMicrosecond);
}

void Source::on_packet(const wire::Packet& packet, std::span<const std::byte> tpdu,
                       Address ip_source, Nanos now, Output& out) {
    if (packet.checksum != 0 && !checksum::intact(parts_->kernels.sum(tpdu.data(), tpdu.size()))) {
        ++parts_->statistics.rejected;
        return;
    }
    on_packet(packet, ip_source, now, out);
}

void Source::on_packet(const wire::Packet& packet, Address ip_source, Nanos now, Output& out) {
    Parts& s = *parts_;
    if (s.closing.done() || s.closing.aborting()) return;
    s.enter(now);
    const bool ours =
        packet.tsi() == s.identity.tsi && packet.data_port() == s.identity.destination_port;
    switch (packet.type) {
        case wire::Type::nak:
            break;
        case wire::Type::spmr:
            if (!ours) {
                ++s.statistics.rejected;
                return;
            }
            ++s.statistics.spmr_received;
            if (now - s.last_spmr_answer_at >= std::min(s.schedule.shortest(), kSpmrAnswerLimit)) {
                s.last_spmr_answer_at = now;
                if (s.spms_owed == 0) ++s.spms_owed;
                s.send_spms(out);
            }
            return;
        case wire::Type::nnak:  // a repairer has answered for us: nothing to do, but who may say so
                                // is judged
            if (!ours || packet.source != s.identity.nla || packet.group != s.identity.group) {
                ++s.statistics.rejected;
            } else {
                ++s.statistics.nnaks_received;
            }
            return;
        case wire::Type::polr:
            if (!ours || !s.polls.answered(packet.sqn, packet.poll.round, ip_source,
                                           packet.options.has(wire::OptionBit::redirect)
                                               ? packet.options.redirect.dlr
                                               : Address{})) {
                ++s.statistics.rejected;
            } else {
                ++s.statistics.polrs_received;
            }
            return;
        case wire::Type::ack:
            if (ours && s.congestion) {
                s.hear_feedback(packet, ip_source, true);
                return;
            }
            [[fallthrough]];
        default:
            ++s.statistics.rejected;
            return;
    }
    const bool for_parity = (packet.flags & wire::kOptParity) != 0;
    if (!ours || packet.source != s.identity.nla || packet.group != s.identity.group ||
        (for_parity && !(s.parity && s.parity->on_demand()))) {
        ++s.statistics.rejected;
        return;
    }
    s.closing.nak_heard(now);
    if (s.congestion) s.hear_feedback(packet, ip_source, false);
    if (for_parity) {
        s.parity->repairs().nak(packet, ip_source, s.window, s.service, now, s.statistics);
    } else {
        s.service.nak(packet, ip_source, s.window, now, s.statistics);
        s.tell_backoff();
    }
    s.send_confirms(out);
}

Nanos Source::next_deadline() const {
    const Parts& s = *parts_;
    if (s.closing.done()) return kNever;
    const bool parity_first = s.parity_first();
    if (s.stalled || (s.spms_owed > 0 && !parity_first) || s.reset_owed ||
        s.closing.reached(s.window.empty(), s.now) || (s.window_waits && s.room_came)) {
        return s.now;
    }
    Nanos at = std::min(s.schedule.next(), s.advance.next_deadline());
    at = std::min(at, s.closing.deadline());
    if (s.closing.open() && s.metering) at = std::min(at, std::max(s.polls.next_deadline(), s.now));
    if (s.congestion) at = std::min(at, s.congestion->next_deadline());
    if (!s.service.pending().empty() && (!s.data_waits || s.share.allows())) {
        at = std::min(at, s.repair_at == kNever ? s.now : s.repair_at);
    }
    if (s.must_confirm()) at = std::min(at, s.confirm_at);
    if (s.data_waits) at = std::min(at, s.publish_at == kNever ? s.now : s.publish_at);
    if (s.parity && s.parity->owed())
        at = std::min(at, s.parity_at == kNever ? s.now : s.parity_at);
    return at;
}

void Source::poll(std::uint16_t subtype, Nanos now) {
    Parts& s = *parts_;
    if (!s.closing.open()) return;
    s.enter(now);
    s.polls.request(subtype);
}
std::span<const Address> Source::repairers() const {
    return parts_->polls.repairers();
}

void Source::finish(Nanos now) {
    Parts& s = *parts_;
    if (!s.closing.open()) return;
    s.now = now;
    s.closing.finish(now);
    s.data_waits = s.window_waits = false;
    s.spms_owed += std::max(s.parameters.end_spms, 1u);
    if (s.parity && s.parity->group_open()) s.shorten_group();
}

void Source::abort(Nanos now, std::uint8_t error, ResetCause cause) {
    Parts& s = *parts_;
    s.now = now;
    s.start_abort(error, cause);
}

bool Source::is_done() const {
    return parts_->closing.done();
}
std::uint64_t Source::released_position() const {
    return parts_->window.released_position();
}
Sqn Source::trail() const {
    return parts_->trail();
}
Sqn Source::lead() const {
    return parts_->lead();
}
const SourceStatistics& Source::statistics() const {
    return parts_->statistics;
}
std::uint16_t Source::largest_tsdu(bool fragment) const {
    return fragment ? parts_->tsdu_fragment : parts_->tsdu;
}

}  // namespace fanfare::engine
