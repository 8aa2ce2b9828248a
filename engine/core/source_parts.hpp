// Private to source*.cpp: the mechanisms of one source, and how its packets leave.
#pragma once

#include <algorithm>

#include "engine/core/pgmcc_source.hpp"
#include "engine/core/poll_round.hpp"
#include "engine/core/random.hpp"
#include "engine/core/rate_limiter.hpp"
#include "engine/core/rate_meter.hpp"
#include "engine/core/repair_service.hpp"
#include "engine/core/repair_share.hpp"
#include "engine/core/send_window.hpp"
#include "engine/core/source.hpp"
#include "engine/core/source_closing.hpp"
#include "engine/core/source_packets.hpp"
#include "engine/core/source_parity.hpp"
#include "engine/core/spm_schedule.hpp"
#include "engine/core/trail_advance.hpp"

namespace fanfare::engine {

// A step of the trail touches one cache line an entry: this many cost well below 100 us, the rest
// goes with the next call.
inline constexpr std::uint64_t kTrailStepsPerCall = 4096;

// NCFs take at most one of so many parts of the rate: alone a receiver's NAK is confirmed at once,
// and a crowd's NAKs are merged before they are a hundredth of it.
inline constexpr std::uint64_t kConfirmParts = 3;
// An NCF of 63 numbers with all its options and headers.
inline constexpr std::uint32_t kLargestConfirm = 352;

inline Sqn first_sqn(const SourceParameters& parameters, const SourceIdentity& identity) {
    const Sqn first = parameters.random_first_sqn ? static_cast<Sqn>(Random(identity.seed).next())
                                                  : identity.first_sqn;
    // The first parity group is a whole one.
    return parameters.parity.on() ? first & ~(Sqn{parameters.parity.group_size} - 1) : first;
}

struct Source::Parts {
    Parts(const SourceParameters& p, const SourceIdentity& i, std::uint16_t mtu, bool udp,
          const checksum::Kernels& k, const fec::Kernels& parity_kernels)
        : parameters(p),
          identity(i),
          kernels(k),
          packets(p, i, mtu, udp, k),
          window(p.window_packets, first_sqn(p, i)),
          service(p),
          // Another stream of the seed than the first number's.
          polls(p, ~i.seed),
          limiter(p.rate_bits_per_s, mtu),
          // Rounded up: 0 would be none.
          confirm_limiter((p.rate_bits_per_s + kConfirmParts - 1) / kConfirmParts, mtu),
          share(p.repair_share_percent, mtu),
          schedule(p.ambient_spm_ns, p.heartbeat_spm_ns),
          advance(p),
          closing(p),
          tsdu(engine::largest_tsdu(p, mtu, udp, false)),
          tsdu_fragment(engine::largest_tsdu(p, mtu, udp, true)),
          spms_owed(std::max(p.start_spms, 1u)) {
        if (p.congestion.on) {
            congestion = std::make_unique<PgmccSource>(p.congestion, p.window_packets);
        }
        if (p.parity.on()) {
            parity =
                std::make_unique<SourceParity>(p, std::max(tsdu, tsdu_fragment), k, parity_kernels);
        }
    }

    SourceParameters parameters;
    SourceIdentity identity;
    const checksum::Kernels& kernels;
    SourcePackets packets;
    SendWindow window;
    RepairService service;
    PollRound polls;
    RateLimiter limiter;
    RateLimiter confirm_limiter;  // of NCFs, which are charged to both
    RepairShare share;
    SpmSchedule schedule;
    TrailAdvance advance;
    SourceClosing closing;
    RateMeter meter;
    SourceStatistics statistics;
    std::uint16_t tsdu, tsdu_fragment;
    std::unique_ptr<SourceParity> parity;     // null: the session has none
    std::unique_ptr<PgmccSource> congestion;  // null: the session has no congestion control

    std::uint32_t
        spms_owed;  // SPMs to send at once: at the start, at the end, when the trail moved
    bool metering = false;
    bool trail_moved = false;
    bool syn_on_first = false;
    bool announced = true;      // the trail's place is known from a packet sent since it moved
    bool data_waits = false;    // the last publish was refused for want of tokens or frames
    bool window_waits = false;  // the last publish was refused by a full window
    bool room_came = false;     // and the trail has moved since
    Sqn spm_sqn = 0;
    Sqn message_first = 0;
    Nanos publish_at = kNever;  // when tokens allow what a publish was refused
    Nanos repair_at = kNever;   // when they allow the next repair
    Nanos parity_at = kNever;   // when they allow the pro-active parity that is owed
    Nanos confirm_at = kNever;  // when NCFs may go on
    Nanos last_data_at = SendWindow::kLongAgo;
    Nanos last_spm_at = SendWindow::kLongAgo;
    Nanos spread_told = 0;  // the least back-off of the last SPM
    Nanos last_spmr_answer_at = SendWindow::kLongAgo;
    Nanos now = 0;
    bool stalled = false;  // an Output was full: go on at once
    ResetCause cause = ResetCause::none;
    bool reset_owed = false;

    Sqn lead() const { return static_cast<Sqn>(window.next() - 1); }
    Sqn trail() const { return static_cast<Sqn>(window.trail()); }

    // OPT_JOIN of an SPM, or of the next ODATA, which counts itself (`ahead` 1).
    std::optional<Sqn> join(std::uint64_t ahead = 0) const {
        if (parameters.announce_first && !trail_moved) return static_cast<Sqn>(window.first());
        const std::uint64_t sequences =
            (window.size() + ahead) * parameters.late_join_percent / 100;
        if (sequences == 0) return std::nullopt;
        const std::uint64_t first = window.next() + ahead - sequences;
        // Only a whole group can be repaired by parity (wsrm.md 3.4).
        return static_cast<Sqn>(parity ? std::max(parity->group_of(first), window.trail()) : first);
    }

    void enter(Nanos time) {
        now = time;
        stalled = false;
        if (!metering) {
            metering = true;
            meter.start(now);
            schedule.start(now);
            polls.start(now);
        }
    }

    void charge(const TxFrame& frame, FrameKind kind) {
        limiter.charge(packets.datagram_size(kind, frame.length), now);
    }

    bool send_spm(Output& out) {
        TxFrame* const frame = out.next();
        if (frame == nullptr) {
            stalled = true;
            return false;
        }
        SourcePackets::SpmContents contents{spm_sqn, trail(), lead(), std::nullopt};
        if (closing.aborting()) {
            contents.rst_error = closing.error();
        } else {
            contents.join = join();
            contents.fin = !closing.open();
        }
        if (const BackoffTuning& tuning = service.tuning(); tuning.advertises()) {
            contents.backoff = tuning.interval();
            contents.backoff_min = spread_told = tuning.min();
            contents.backoff_max = tuning.max();
        }
        if (parity) contents.group_size = parity->size_announced(window.next() - 1);
        if (!packets.write_spm(contents, *frame)) {
            stalled = true;
            return false;
        }
        charge(*frame, FrameKind::spm);
        statistics.total_bytes_sent += frame->length;
        meter.add(frame->length, now);
        ++statistics.spm_sent;
        ++spm_sqn;
        last_spm_at = now;
        announced = true;
        schedule.spm_sent(now);
        out.commit();
        return true;
    }

    // NAKs have shown another crowd or path than the last SPM told: one more, but not while those
    // who heard the last one may still draw from what was before. With parity its lead would end a
    // group whose parity is to come.
    void tell_backoff() {
        const BackoffTuning& tuning = service.tuning();
        if (!tuning.advertises() || parity || spms_owed > 0 || !tuning.moved(spread_told)) return;
        if (now - last_spm_at >= tuning.interval()) ++spms_owed;
    }

    // SPMs owed and due. NCFs and SPMs are charged but never wait for tokens (RFC 5.1.3 puts them
    // first).
    bool send_spms(Output& out) {
        if (parity_first()) {
            if (schedule.due(now)) schedule.beat(now);
            return true;
        }
        const bool owed = spms_owed > 0;
        while (spms_owed > 0) {
            if (!send_spm(out)) return false;
            --spms_owed;
        }
        if (!schedule.due(now) || closing.done()) return true;
        if (parity && parity->owed() && !closing.aborting()) {
            // Its lead would end a group whose parity is still to come.
            schedule.beat(now);
            return true;
        }
        if (parity && idle() && !end_group(out)) return true;
        if (!owed && !send_spm(out)) return false;
        schedule.beat(now);
        return true;
    }

    // NCFs go before all else (RFC 5.1.3) and are charged, but in a storm of NAKs they take no more
    // than their part of the rate (RFC 5.2), or nothing would be left for what they promise.
    bool may_confirm() {
        confirm_at = confirm_limiter.allowed_at(kLargestConfirm, now);
        return confirm_at <= now;
    }
    void charge_confirm(const TxFrame& frame) {
        charge(frame, FrameKind::ncf);
        confirm_limiter.charge(packets.datagram_size(FrameKind::ncf, frame.length), now);
    }
    bool must_confirm() const {
        return service.must_confirm() || (parity && parity->must_confirm());
    }
    bool send_confirms(Output& out) {
        if (parity && parity->must_confirm() && !send_parity_confirms(out)) return false;
        while (service.must_confirm() && may_confirm()) {
            TxFrame* const frame = out.next();
            if (frame == nullptr) {
                stalled = true;
                return false;
            }
            RepairService::Confirmation sqns;
            const std::size_t count = service.confirm(window, now, sqns);
            if (!packets.write_ncf({sqns.data(), count}, *frame, false,
                                   service.tuning().advertised())) {
                stalled = true;
                return false;
            }
            charge_confirm(*frame);
            ++statistics.ncf_sent;
            out.commit();
        }
        return true;
    }

    // The POLL that is due, if any.
    bool send_polls(Output& out) {
        const std::uint64_t counts = polls.counts();
        const auto poll = polls.due(now);
        if (polls.counts() != counts) {
            statistics.receivers_estimated = polls.population();
            service.tuning().population(polls.population());
        }
        statistics.repairers_found = polls.repairers().size();
        if (!poll) return true;
        TxFrame* const frame = out.next();
        if (frame == nullptr || !packets.write_poll(*poll, *frame)) {
            stalled = true;
            return false;
        }
        charge(*frame, FrameKind::poll);
        statistics.total_bytes_sent += frame->length;
        ++statistics.polls_sent;
        polls.sent(now);
        out.commit();
        return true;
    }

    // The oldest pending repair; false when tokens or frames are short.
    bool send_repair(Output& out, bool data_behind) {
        TxFrame* const frame = out.next();
        if (frame == nullptr) {
            stalled = true;
            return false;
        }
        const std::uint64_t ordinal = service.pending().oldest(window.trail());
        if (parity && parity->wanted(ordinal)) {
            return send_parity_repair(ordinal, *frame, out, data_behind);
        }
        const SendEntry& entry = window.at(ordinal);
        const SourcePackets::DataContents contents{static_cast<Sqn>(ordinal), trail(), true,
                                                   syn_on_first && ordinal == window.first(),
                                                   std::nullopt};
        const std::uint32_t datagram =
            packets.datagram_size(FrameKind::rdata, packets.data_size(contents, entry));
        if (!limiter.allows(datagram, now)) {
            repair_at = limiter.allowed_at(datagram, now);
            return false;
        }
        std::uint32_t sum = 0;
        if (!packets.write_data(contents, entry, *frame, sum)) {
            stalled = true;
            return false;
        }
        if (checksum::fold(sum) != checksum::fold(entry.sum)) {
            start_abort(0, ResetCause::sender_changed_sent_data);
            return false;
        }
        service.repaired(ordinal, window, now);
        statistics.naks_outstanding = service.pending().count();
        charge(*frame, FrameKind::rdata);
        if (data_behind) share.repair_sent(datagram);
        count_data(*frame);
        ++statistics.rdata_packets_sent;
        out.commit();
        settle_trail();
        return true;
    }

    void count_data(const TxFrame& frame) {
        statistics.total_bytes_sent += frame.length;
        meter.add(frame.length, now);
        schedule.data_sent(now);
        announced = true;
    }

    enum class Sent : std::uint8_t { yes, no_frame, no_tokens, no_window };

    Sent send_data(const Publish& item, Output& out) {
        if (congestion && !congestion->allows()) return Sent::no_window;
        if (parity && parity->unused(window.next()) > 0) {
            const Sent skipped = skip_unused(out);
            if (skipped != Sent::yes) return skipped;
        }
        if (window.full() || (advance.by_time() && !window.empty() &&
                              window.bytes() + item.length > parameters.window_bytes)) {
            if (advance.by_time() || window.empty()) return Sent::no_window;
            drop_oldest();
        }
        TxFrame* const frame = out.next();
        if (frame == nullptr) return Sent::no_frame;
        const std::uint64_t ordinal = window.next();
        if (item.message_offset == 0) message_first = static_cast<Sqn>(ordinal);
        SendEntry& entry = window.open();
        entry = SendEntry{item.data,
                          item.release_position,
                          now,
                          SendWindow::kLongAgo,
                          SendWindow::kLongAgo,
                          0,
                          message_first,
                          item.message_offset,
                          item.message_length,
                          item.length,
                          item.fragment,
                          item.packed};
        const bool first = ordinal == window.first();
        if (first) syn_on_first = packets.syn_fits(entry);
        SourcePackets::DataContents contents{static_cast<Sqn>(ordinal), trail(), false,
                                             first && syn_on_first, join(1)};
        CongestionMark mark;
        if (congestion) {
            mark = {PgmccSource::timestamp_ms(now), congestion->acker()};
            contents.congestion = &mark;
        }
        const std::uint32_t datagram =
            packets.datagram_size(FrameKind::odata, packets.data_size(contents, entry));
        if (!limiter.allows(datagram, now)) {
            publish_at = limiter.allowed_at(datagram, now);
            return Sent::no_tokens;
        }
        if (!packets.write_data(contents, entry, *frame, entry.sum)) return Sent::no_frame;
        window.commit();
        if (congestion) congestion->data_sent(static_cast<Sqn>(ordinal), now);
        if (parity) {
            parity->data_sent(ordinal, entry, frame->data + frame->length - item.length,
                              window.trail(), service);
        }
        advance.data_sent(now);
        last_data_at = now;
        charge(*frame, FrameKind::odata);
        share.data_sent(datagram);
        count_data(*frame);
        statistics.data_bytes_sent += item.length;
        ++statistics.odata_packets_sent;
        out.commit();
        while (advance.over(window)) drop_oldest();
        return Sent::yes;
    }

    // The usual case of send_data for a run of items: takes a prefix, moves what counts and
    // measures once. 0 when there is anything unusual about the first: then it is send_data's.
    std::size_t send_run(std::span<const Publish> items, Output& out);

    // What follows stands in source_parity_sending.cpp; all of it requires `parity`.

    // Pro-active parity that is owed. False when tokens (parity_at says until when) or frames are
    // short.
    bool send_parity(Output& out);
    bool send_parity_confirms(Output& out);
    bool send_parity_repair(std::uint64_t group, TxFrame& frame, Output& out, bool data_behind);
    // Numbers that the short group before leaves unused; made only when a full packet could follow
    // at once, so that the lead never rests on one of them.
    Sent skip_unused(const Output& out);
    // SPMs of the end wait for the last group's parity: they tell receivers to ask for what is
    // missing.
    bool parity_first() const {
        return parity && parity->owed() && closing.finishing() &&
               !closing.reached(window.empty(), now);
    }
    // There has been nothing to send for as long as the first heartbeat waits.
    bool idle() const {
        return parity->group_open() && !data_waits && !window_waits &&
               now - last_data_at >= schedule.shortest();
    }
    void shorten_group();
    // Shortens the open group and sends its parity. False when heartbeats begin anew with it.
    bool end_group(Output& out);

    // Congestion control: feedback on NAKs, and ACKs (source_congestion.cpp). With `ack` false the
    // packet is a NAK.
    void hear_feedback(const wire::Packet& packet, Address ip_source, bool ack);
    void tick_congestion();
    void congestion_changed();

    void drop_oldest() {
        service.passed(window.trail());
        window.drop_oldest();
        trail_moved = true;
        announced = false;
        room_came = true;
    }
    // Moves the trail as far as the current step and the pending repairs let it.
    void settle_trail() {
        // Looked at again after each move: repairs that the trail passed hold it no longer.
        std::uint64_t steps = 0;
        for (std::uint64_t target;
             (target = advance.target(window, service.pending())) > window.trail();) {
            while (window.trail() < target && steps++ < kTrailStepsPerCall) drop_oldest();
            if (window.trail() < target) {
                stalled = true;
                break;
            }
        }
        advance.settled(window);
        statistics.naks_outstanding = service.pending().count();
    }
    void advance_trail() {
        if (advance.next_deadline() <= now) advance.expire(window, now);
        settle_trail();
        // In an idle session only an SPM can say that the trail moved.
        if (!announced && last_data_at + advance.period() <= now) {
            announced = true;
            ++spms_owed;
        }
    }

    void start_abort(std::uint8_t error, ResetCause why) {
        if (closing.aborting() || closing.done()) return;
        closing.abort(error);
        polls.stop();
        cause = why;
        reset_owed = true;
        spms_owed = std::max(parameters.end_spms, 1u);
        service.clear(window);
        statistics.naks_outstanding = 0;
    }

    void end(Output& out) {
        if (closing.aborting() && reset_owed) {
            reset_owed = false;
            out.event({Event::Kind::reset, cause, lead()});
        }
        if (closing.aborting() && spms_owed == 0) complete();
        if (closing.reached(window.empty(), now) && spms_owed == 0 && !stalled) {
            // One more SPM with OPT_FIN: by now the window is empty, and who still misses data
            // learns it here instead of waiting for silence.
            release_all();
            if (!send_spm(out)) return;
            complete();
            out.event({Event::Kind::finished, ResetCause::none, lead()});
        }
    }
    void release_all() {
        while (!window.empty()) drop_oldest();
        advance.settled(window);
        statistics.naks_outstanding = 0;
    }
    void complete() {
        release_all();
        closing.complete();
    }
};

}  // namespace fanfare::engine
