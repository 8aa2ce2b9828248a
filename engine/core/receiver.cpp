// Routes what a receiver is told to its mechanisms; the rules stand in their files.
#include "engine/core/receiver.hpp"

#include <algorithm>
#include <array>

#include "engine/core/fragment_check.hpp"
#include "engine/core/nak_builder.hpp"
#include "engine/core/nak_scheduler.hpp"
#include "engine/core/random.hpp"
#include "engine/core/rate_meter.hpp"
#include "engine/core/receive_window.hpp"
#include "engine/core/session_end.hpp"
#include "engine/core/session_start.hpp"
#include "engine/core/spm_request.hpp"

namespace fanfare::engine {

namespace {

// Work bounds: missing numbers that get their state in one packet and in one tick, timer steps in
// one tick. The rest goes with the next call, which next_deadline() asks for at once.
constexpr std::uint32_t kOpenedPerPacket = 256;
constexpr std::uint32_t kOpenedPerTick = 2048;
constexpr std::uint32_t kTimerStepsPerTick = 8192;
// Intact packets beyond reach, with none inside between them, until a jump is believed: a forged
// number must move nothing, but a receiver that slept through half its window must learn that it
// lost the session.
constexpr std::uint32_t kJumpsBelieved = 64;

}  // namespace

struct Receiver::Parts {
    Parts(const ReceiverParameters& p, const ReceiveMemory& memory, const checksum::Kernels& k)
        : join_limits{memory.index.size(), memory.log.size()},
          parameters(p),
          kernels(k),
          window(memory),
          naks(p, static_cast<std::uint32_t>(memory.index.size() / 2)) {}

    JoinLimits join_limits;
    ReceiverParameters parameters;
    const checksum::Kernels& kernels;
    ReceiverIdentity identity;
    ReceiveWindow window;
    FragmentCheck fragments;
    NakScheduler naks;
    SpmRequest spm_request;
    SessionEnd end;
    Random random;
    RateMeter meter;
    ReceiverStatistics statistics;

    SessionState state = SessionState::open;
    ResetCause cause = ResetCause::none;
    Address path;  // from the last SPM: where NAKs go
    bool spm_seen = false;
    Sqn spm_sqn = 0;
    std::uint64_t source_trail = 0;  // ordinal; 0 until known
    std::uint64_t opened = 0;        // missing numbers before it have their NAK state
    std::uint32_t jumps = 0;
    unsigned spmr_half = 0;  // of the pair of SPMRs, how many are out
    bool saw_data = false;
    bool beginning = false;  // nothing was sent before the start
    bool late_judged = false;
    bool room_refused = false;  // the last data packet inside the window found no room
    bool used = false;
    bool stalled = false;
    Nanos now = 0;

    void start(const ReceiverIdentity& who, std::uint64_t seed, Nanos time) {
        if (used) {
            window.clear();
            fragments.clear();
        }
        used = true;
        naks.clear(time);
        identity = who;
        random = Random(seed);
        spm_request.start(parameters.spmr_wait_ns);
        end.start(parameters.silence_ns, time);
        meter.start(time);
        statistics = {};
        state = SessionState::open;
        cause = ResetCause::none;
        path = {};
        spm_seen = false;
        spm_sqn = 0;
        source_trail = opened = 0;
        jumps = spmr_half = 0;
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
        return std::max(opened, window.next()) <= window.lead() && naks.active() < naks.limit();
    }

    void judge_late(std::uint64_t ordinal, bool syn, Output& out) {
        if (late_judged || ordinal != window.start_ordinal()) return;
        late_judged = true;
        if (!syn && !beginning) {
            out.event({Event::Kind::joined_late, ResetCause::none, static_cast<Sqn>(ordinal)});
        }
    }

    bool contiguous(Output& out) {
        const bool consistent = window.advance(
            [this](IndexEntry& entry, bool fragment, const FragmentNote& note, std::uint64_t) {
                return fragments.accept(entry, fragment, note);
            });
        if (!consistent) {
            reset(ResetCause::inconsistent_data, out);
            return false;
        }
        if (end.complete(window.next())) {
            state = SessionState::finished;
            out.event(
                {Event::Kind::finished, ResetCause::none, static_cast<Sqn>(window.next() - 1)});
            return false;
        }
        return true;
    }

    // The source can repair nothing before `trail`.
    void trail_moved(Sqn trail, Output& out) {
        const std::uint64_t ordinal = window.ordinal_of(trail);
        if (ordinal <= source_trail || ordinal > window.lead() + 1) return;
        source_trail = ordinal;
        if (ordinal > window.next()) lose(out);
    }

    // An intact packet named numbers out of reach.
    void jumped(Sqn trail, Output& out) {
        if (++jumps < kJumpsBelieved) return;
        jumps = 0;
        window.extend(window.reach() - 1);
        open_missing(kOpenedPerPacket);
        if (sqn_before(static_cast<Sqn>(window.next()), trail)) lose(out);
    }

    Verdict on_data(const wire::Packet& packet, std::span<const std::byte> tpdu, Output& out);
    Verdict on_spm(const wire::Packet& packet, std::span<const std::byte> tpdu, Output& out);
    Verdict on_confirmation(const wire::Packet& packet, std::span<const std::byte> tpdu,
                            Output& out);
    Verdict judge(const wire::Packet& packet, std::span<const std::byte> tpdu, Address ip_source,
                  Output& out);
    bool send_spmrs(Output& out);
    void send_naks(Output& out);
    void sample_window();
};

Verdict Receiver::Parts::on_data(const wire::Packet& packet, std::span<const std::byte> tpdu,
                                 Output& out) {
    using wire::OptionBit;
    const std::size_t length = packet.payload.size();
    if (length > tpdu.size() || length > 0xFFFF) return Verdict::malformed;
    const std::size_t header = tpdu.size() - length;
    if (length > 0 && packet.payload.data() != tpdu.data() + header) return Verdict::malformed;
    if (packet.flags & wire::kOptParity) return Verdict::not_for_receiver;
    statistics.total_bytes += tpdu.size();

    if (!window.started()) {
        const auto start = session_start(packet, join_limits);
        if (!start) return Verdict::before_window;
        if (!checksum::intact(kernels.sum(tpdu.data(), tpdu.size())))
            return Verdict::checksum_wrong;
        begin(*start);
    }

    const std::uint64_t ordinal = window.ordinal_of(packet.sqn);
    if (ordinal < window.next()) {
        if (ordinal < window.start_ordinal()) return Verdict::before_window;
        ++statistics.duplicates;
        return Verdict::duplicate;
    }
    if (ordinal >= window.reach()) {
        if (!checksum::intact(kernels.sum(tpdu.data(), tpdu.size())))
            return Verdict::checksum_wrong;
        jumped(packet.trail, out);
        return Verdict::beyond_window;
    }
    const bool in_order = ordinal == window.next() && window.lead() < ordinal;
    if (!in_order && window.held(ordinal)) {
        ++statistics.duplicates;
        return Verdict::duplicate;
    }
    std::uint64_t position = 0;
    if (!window.room_for(ordinal, static_cast<std::uint32_t>(length), position)) {
        if (!checksum::intact(kernels.sum(tpdu.data(), tpdu.size())))
            return Verdict::checksum_wrong;
        // The number exists all the same and will be asked for when there is room.
        room_refused = true;
        window.extend(ordinal);
        open_missing(kOpenedPerPacket);
        trail_moved(packet.trail, out);
        return Verdict::window_full;
    }
    const std::uint32_t copied =
        kernels.copy_and_sum(window.at(position), packet.payload.data(), length);
    const std::uint32_t sum = checksum::add(kernels.sum(tpdu.data(), header), copied, header);
    if (!checksum::intact(sum)) return Verdict::checksum_wrong;

    std::uint16_t flags = kEntryData;
    if (packet.options.has(OptionBit::packed)) flags |= kEntryPacked;
    auto apdu_length = static_cast<std::uint32_t>(length);
    FragmentNote note{};
    const bool fragment = packet.options.has(OptionBit::fragment);
    if (fragment) {
        apdu_length = packet.options.fragment.apdu_length;
        note = {packet.options.fragment.first_sqn, packet.options.fragment.offset};
    }
    window.commit(ordinal, position, static_cast<std::uint32_t>(length), flags, apdu_length,
                  fragment ? &note : nullptr);
    jumps = 0;
    room_refused = false;
    statistics.data_bytes += length;
    if (packet.type == wire::Type::odata) {
        ++statistics.odata_received;
        saw_data = true;
    } else {
        ++statistics.rdata_received;
    }
    if (!in_order && ordinal < opened && naks.close(ordinal, now)) ++statistics.losses_repaired;
    if (!spm_seen) spm_request.data_heard(now, random);
    judge_late(ordinal, packet.options.has(OptionBit::syn), out);
    if (packet.options.has(OptionBit::fin)) end.fin(ordinal);
    if (ordinal == window.next() && !contiguous(out)) return Verdict::accepted;
    if (in_order) {
        opened = window.next();
    } else {
        open_missing(kOpenedPerPacket);
    }
    if (sqn_before_or_equal(packet.trail, packet.sqn)) trail_moved(packet.trail, out);
    sample_window();
    return Verdict::accepted;
}

void Receiver::Parts::sample_window() {
    const std::uint64_t trail = std::max(source_trail, window.start_ordinal());
    const std::uint64_t sequences = window.lead() + 1 > trail ? window.lead() + 1 - trail : 0;
    if (statistics.sequences_samples == 0 || sequences < statistics.sequences_min) {
        statistics.sequences_min = sequences;
    }
    statistics.sequences_max = std::max(statistics.sequences_max, sequences);
    statistics.sequences_sum += sequences;
    ++statistics.sequences_samples;
}

Verdict Receiver::Parts::on_spm(const wire::Packet& packet, std::span<const std::byte> tpdu,
                                Output& out) {
    using wire::OptionBit;
    if (!intact(packet, tpdu)) return Verdict::checksum_wrong;
    // A window is empty (lead = trail - 1) or holds less than half of all numbers (RFC 3.3).
    if (sqn_distance(packet.trail, packet.lead + 1) < 0) return Verdict::malformed;
    statistics.total_bytes += tpdu.size();
    if (spm_seen && !sqn_before(spm_sqn, packet.sqn)) return Verdict::stale_spm;
    spm_seen = true;
    spm_sqn = packet.sqn;
    ++statistics.spm_received;
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
        if (!start) return Verdict::accepted;
        begin(*start);
    }
    const std::uint64_t lead = window.ordinal_of(packet.lead);
    if (lead >= window.reach() && lead + 1 != window.next()) {
        jumped(packet.trail, out);
        return Verdict::beyond_window;
    }
    window.extend(lead);
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
    if (packet.source != identity.ip_source || packet.group != identity.group ||
        (packet.flags & wire::kOptParity) != 0) {
        return Verdict::not_for_receiver;
    }
    const bool ncf = packet.type == wire::Type::ncf;
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
            naks.confirmed(ordinal, now);
        } else {
            naks.overheard(ordinal, now);
        }
    }
    (void)out;
    return verdict;
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
        case wire::Type::spmr:
            if (!intact(packet, tpdu)) return Verdict::checksum_wrong;
            spm_request.request_overheard(now, random);
            return Verdict::accepted;
        default:
            return Verdict::not_for_receiver;
    }
    if (!from_receiver && verdict != Verdict::checksum_wrong && verdict != Verdict::malformed) {
        end.heard(now);
        if (packet.type != wire::Type::ncf) meter.add(tpdu.size(), now);
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

void Receiver::Parts::send_naks(Output& out) {
    if (path.is_none() && !spm_request.path_is_guessed()) return;
    const Address destination = path.is_none() ? identity.ip_source : path;
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
            std::array<Sqn, wire::kNakListMax + 1> sqns;
            std::transform(due.begin(), due.begin() + static_cast<std::ptrdiff_t>(result.count),
                           sqns.begin(),
                           [](std::uint64_t ordinal) { return static_cast<Sqn>(ordinal); });
            if (write_nak(identity, parameters, destination, {sqns.data(), result.count}, kernels,
                          *frame)) {
                out.commit();
                ++statistics.nak_packets_sent;
                statistics.naks_sent += result.count;
            }
        }
        if (result.lost != 0) {
            lose(out);
            return;
        }
    }
}

Receiver::Receiver(const ReceiverParameters& parameters, const ReceiveMemory& memory,
                   const checksum::Kernels& kernels)
    : parts_(std::make_unique<Parts>(parameters, memory, kernels)) {}
Receiver::~Receiver() = default;

void Receiver::start(const ReceiverIdentity& identity, std::uint64_t seed, Nanos now) {
    parts_->start(identity, seed, now);
}

Reservation Receiver::open_burst(std::size_t payload_bytes) {
    return parts_->window.reserve(payload_bytes);
}

Verdict Receiver::on_packet(const wire::Packet& packet, std::span<const std::byte> tpdu,
                            Address ip_source, Nanos now, Output& out) {
    Parts& r = *parts_;
    r.now = now;
    const Verdict verdict = r.judge(packet, tpdu, ip_source, out);
    ++r.statistics.verdicts[static_cast<std::size_t>(verdict)];
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
    if (!r.send_spmrs(out)) return;
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
    Nanos at = std::min(r.end.silent_at(), r.spm_request.next_deadline());
    if (r.window.started()) {
        if (r.more_to_open()) return r.now;
        if (!r.path.is_none() || r.spm_request.path_is_guessed())
            at = std::min(at, r.naks.next_deadline());
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

}  // namespace fanfare::engine
