// Private to receiver*.cpp: the mechanisms of one receiver and the few facts that they share.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>

#include "engine/core/fragment_check.hpp"
#include "engine/core/loss_report.hpp"
#include "engine/core/nak_builder.hpp"
#include "engine/core/nak_scheduler.hpp"
#include "engine/core/nak_spacing.hpp"
#include "engine/core/parity_groups.hpp"
#include "engine/core/parity_timing.hpp"
#include "engine/core/pgmcc_receiver.hpp"
#include "engine/core/poll_answer.hpp"
#include "engine/core/random.hpp"
#include "engine/core/rate_meter.hpp"
#include "engine/core/receive_window.hpp"
#include "engine/core/receiver.hpp"
#include "engine/core/redirect.hpp"
#include "engine/core/session_end.hpp"
#include "engine/core/session_start.hpp"
#include "engine/core/spm_request.hpp"

namespace fanfare::engine {

// Missing numbers that get their NAK state in one packet; the rest goes with the next tick, which
// next_deadline() asks for at once.
inline constexpr std::uint32_t kOpenedPerPacket = 256;

// Answers to an acker's election spread over at least this: a thousand receivers in a millisecond
// are as many packets as a source takes from data at full speed.
inline constexpr Nanos kElectionBackoff = kMillisecond;

// Intact packets beyond reach, with none inside between them, until a jump is believed: a forged
// number must move nothing, but a receiver that slept through half its window must learn that it
// lost the session.
inline constexpr std::uint32_t kJumpsBelieved = 64;

struct Receiver::Parts {
    Parts(const ReceiverParameters& p, const ReceiveMemory& memory, const checksum::Kernels& k,
          const fec::Kernels& parity_kernels)
        : kernels(k),
          window(memory),
          join_limits{memory.index.size(), memory.log.size()},
          parameters(p),
          nak_spacing(p),
          naks(p, static_cast<std::uint32_t>(memory.index.size() / 2)) {
        if (p.parity_bytes > 0) {
            parity =
                std::make_unique<ParityGroups>(p.parity_bytes, memory.index.size(), parity_kernels);
        }
    }

    // What take_in_order() looks at, on six cache lines: first, whether a run is possible and what
    // its packets are held against;
    alignas(64) const checksum::Kernels& kernels;
    FragmentCheck fragments;
    ReceiverIdentity identity;
    SessionState state = SessionState::open;
    bool spm_seen = false;
    bool late_judged = false;
    bool parity_on = false;  // the source announced parity and there is room for it
    bool saw_data = false;
    bool room_refused = false;  // the last data packet inside the window found no room
    // what it moves on,
    alignas(64) SessionEnd end;
    std::uint64_t source_trail = 0;  // ordinal; 0 until known
    std::uint64_t opened = 0;        // missing numbers before it have their NAK state
    Nanos now = 0;
    std::uint32_t jumps = 0;
    bool stalled = false;
    // what it counts (the statistics' first line),
    alignas(64) ReceiverStatistics statistics;
    // the rate,
    alignas(64) RateMeter meter;
    // and the window.
    ReceiveWindow window;

    JoinLimits join_limits;
    ReceiverParameters parameters;
    NakSpacing nak_spacing;
    NakScheduler naks;
    SpmRequest spm_request;
    PollAnswer poll_answer;
    LossReport loss_report;
    Random random;
    std::unique_ptr<ParityGroups> parity;  // null: parity is ignored
    ParityTiming timing;
    PgmccReceiver congestion;
    Redirect redirect;

    ResetCause cause = ResetCause::none;
    Address path;                     // from the last SPM: where NAKs go
    bool naks_pause = false;          // OPT_NBR_UNREACH: until a regular SPM
    std::uint8_t reports_wanted = 0;  // bits of the last SPM's OPT_CRQST
    Sqn spm_sqn = 0;
    unsigned spmr_half = 0;  // of the pair of SPMRs, how many are out
    bool beginning = false;  // nothing was sent before the start
    bool used = false;
    bool on_demand = false;            // parity_on, and the source answers parity NAKs
    std::uint8_t start_recovered = 0;  // the first number came out of parity; 2: OPT_SYN said so
    std::uint64_t parity_from = 0;     // groups before it can't be decoded
    bool decode_waits = false;         // groups that could be decoded if the log had room

    void start(const ReceiverIdentity& who, std::uint64_t seed, Nanos time) {
        if (used) {
            window.clear();
            fragments.clear();
            if (parity_on) parity->clear();
        }
        parity_on = on_demand = false;
        start_recovered = 0;
        parity_from = 0;
        decode_waits = false;
        used = true;
        naks.clear(time);
        identity = who;
        random = Random(seed);
        // RAND_NODE_ID is drawn anew with each session: ours are started one by one.
        poll_answer.start(static_cast<std::uint32_t>(random.next()), who.repairs);
        loss_report = {};
        naks_pause = false;
        reports_wanted = 0;
        spm_request.start(parameters.spmr_wait_ns);
        end.start(parameters.silence_ns, time);
        redirect.start(who.nla, who.prefix, !who.repairs);
        congestion.start(parameters.congestion_feedback ? who.nla : Address{},
                         std::max(parameters.nak_backoff_max_ns, kElectionBackoff));
        meter.start(time);
        statistics = {};
        state = SessionState::open;
        cause = ResetCause::none;
        path = {};
        spm_seen = false;
        spm_sqn = 0;
        source_trail = opened = 0;
        jumps = spmr_half = 0;
        nak_spacing.clear();
        saw_data = beginning = late_judged = room_refused = stalled = false;
        now = time;
    }

    void reset(ResetCause why, Output& out) {
        if (state != SessionState::open) return;
        state = SessionState::reset;
        cause = why;
        out.event({Event::Kind::reset, why, static_cast<Sqn>(window.next())});
    }
    void lose(Output& out) {
        ++statistics.losses_unrecoverable;
        reset(room_refused ? ResetCause::buffer_exhausted : ResetCause::unrecoverable_loss, out);
    }

    bool intact(const wire::Packet& packet, std::span<const std::byte> tpdu) const {
        // Only ODATA and RDATA must carry a checksum (RFC 8.1); 0 elsewhere means that none was
        // computed.
        return packet.checksum == 0 || checksum::intact(kernels.sum(tpdu.data(), tpdu.size()));
    }

    void begin(const SessionStart& start) {
        window.start(start.first);
        opened = window.next();
        beginning = start.is_beginning;
    }

    // Gives missing numbers up to the lead their NAK state, as many as the budget and the pace
    // allow.
    void open_missing(std::uint32_t budget) {
        if (opened < window.next()) opened = window.next();
        if (parity_on) return open_groups(budget);
        Nanos deadline = -1;
        while (opened <= window.lead() && budget-- > 0 && naks.active() < naks.limit()) {
            if (!window.held(opened)) {
                if (deadline < 0) deadline = now + naks.draw_backoff(random);
                naks.open(opened, deadline);
            }
            ++opened;
        }
    }
    bool more_to_open() const {
        if (parity_on) {
            return std::max(opened, window.next()) < askable_end() && naks.active() < naks.limit();
        }
        return std::max(opened, window.next()) <= window.lead() && naks.active() < naks.limit();
    }

    // The number may be the session's first: says when data existed before it.
    void judge_late(std::uint64_t ordinal, bool syn, Output& out);
    // Moves over what has become contiguous; false when that ended the session.
    bool contiguous(Output& out);
    // The source can repair nothing before `trail`.
    void trail_moved(Sqn trail, Output& out);
    // An intact packet named numbers out of reach.
    void jumped(Sqn trail, Output& out);

    // Parity (receiver_parity.cpp). All but learn_parity and on_parity* require parity_on.
    void learn_parity(const wire::Packet& spm);
    void learn_spm_lead(const wire::Packet& spm, std::uint64_t lead);
    void learn_size(std::uint64_t group, std::uint32_t size);
    Verdict on_parity(const wire::Packet& packet, std::span<const std::byte> tpdu, Output& out);
    Verdict on_parity_confirmation(const wire::Packet& packet);
    Verdict keep_parity(std::uint64_t group, std::uint32_t size, std::uint32_t index,
                        const wire::Packet& packet);
    void try_decode(ParityGroups::Group& group);
    void count_decoded(const ParityGroups::Group& group);
    // Where groups wait for room: decodes the one that the first missing number stands in. True
    // when that number is here now.
    bool retry_decode();
    void recheck(ParityGroups::Group& group);
    // A data packet was placed; one that is here already came again.
    void parity_data(const wire::Packet& packet, std::uint64_t ordinal, Output& out);
    void repeated(const wire::Packet& packet, std::span<const std::byte> tpdu,
                  std::uint64_t ordinal, Output& out);
    void data_size(const wire::Packet& packet, std::uint64_t ordinal);
    void groups_passed(std::uint64_t before);
    std::uint64_t askable_end() const;
    bool asks_for_parity(std::uint64_t group, std::uint64_t end);
    void open_groups(std::int64_t budget);
    void open_numbers(std::uint64_t group, std::uint64_t until);
    void ask_one_by_one(ParityGroups::Group& group);
    enum class Asked : std::uint8_t { number, group, nothing };
    Asked parity_nak_for(std::uint64_t ordinal, Sqn& sqn);
    bool stands_for_group(std::uint64_t ordinal) {
        const ParityGroups::Group* const g = parity->find(parity->group_of(ordinal));
        return g != nullptr && g->asking && ordinal == parity->last_of(g->start);
    }

    Verdict on_data(const wire::Packet& packet, std::span<const std::byte> tpdu, Output& out);
    Verdict on_spm(const wire::Packet& packet, std::span<const std::byte> tpdu, Output& out);
    Verdict on_poll(const wire::Packet& packet, std::span<const std::byte> tpdu);
    void learn_backoff(const wire::Options& options);
    bool may_nak() const {
        return !naks_pause && (!path.is_none() || spm_request.path_is_guessed());
    }
    Verdict on_confirmation(const wire::Packet& packet, std::span<const std::byte> tpdu,
                            Output& out);
    Verdict judge(const wire::Packet& packet, std::span<const std::byte> tpdu, Address ip_source,
                  Output& out);
    // Whether data in order, with nothing unusual about it, may be taken without further questions.
    bool run_possible() const;
    // While run_possible() holds. Whether `received` is refused as judge() would, without more than
    // counts moving; not for data that is next in order.
    bool refuse_in_run(const Received& received, Refused& refused);
    void refused_in_run(Verdict verdict, std::size_t octets, Refused& refused);
    bool send_spmrs(Output& out);
    bool send_polr(Output& out);
    void send_naks(Output& out);
    void tell_neighbours(const TxFrame& nak, Address parent, Output& out);
    // A designated local repairer's POLR (RFC 9.5.4).
    Verdict on_redirect(const wire::Packet& packet, std::span<const std::byte> tpdu,
                        Address ip_source);
    Address source_path() const { return path.is_none() ? identity.ip_source : path; }
    // Where NAKs for these numbers go; gives up a repairer that does not answer.
    Address nak_destination(std::span<const std::uint64_t> due, Output& out);
    // ACKs that are due (congestion control).
    void send_ack(Output& out);
    void congestion_data(const wire::Packet& packet, Output& out);
    void send_nak(Address destination, std::span<const std::uint64_t> due, Output& out);
    void sample_window() {
        const std::uint64_t trail = std::max(source_trail, window.start_ordinal());
        const std::uint64_t sequences = window.lead() + 1 > trail ? window.lead() + 1 - trail : 0;
        if (statistics.sequences_samples == 0 || sequences < statistics.sequences_min) {
            statistics.sequences_min = sequences;
        }
        statistics.sequences_max = std::max(statistics.sequences_max, sequences);
        statistics.sequences_sum += sequences;
        ++statistics.sequences_samples;
    }
};

}  // namespace fanfare::engine
