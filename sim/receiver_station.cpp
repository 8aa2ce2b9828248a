#include "sim/receiver_station.hpp"

#include <algorithm>

namespace fanfare::sim {
namespace {

constexpr int kCallsPerTurn = 64;  // as in source_station.cpp
// Of the daemon's default, the share that a run is of an afternoon.
constexpr Nanos kAnnounceNanos = 50 * kMillisecond;
constexpr std::uint8_t kOwnSubnet = 32;  // prefix

}  // namespace

ReceiverStation::ReceiverStation(Network& network, const ReceiverStationPlan& plan, Meter& meter)
    : Station(network, plan.station, plan.repairs ? Role::repairer : Role::receiver),
      work_(plan),
      meter_(meter),
      index_(plan.index_entries),
      log_(plan.log_bytes),
      receiver_(plan.parameters, {index_, log_}, checksum::best_kernels()) {
    join(plan.group);
    if (!plan.repairs) return;
    engine::RepairerParameters repairs;
    repairs.announce_interval_ns = kAnnounceNanos;
    repairer_ = std::make_unique<engine::LocalRepairer>(
        repairs, engine::ReceiveMemory{index_, log_}, plan.station.mtu, plan.station.udp_port != 0,
        checksum::best_kernels());
}

bool ReceiverStation::present(Nanos now) const {
    return !over() && now >= work_.stays[stay_].from && now < work_.stays[stay_].until;
}

void ReceiverStation::on_packet(const Heard& heard, Nanos now) {
    const wire::Packet& packet = heard.packet;
    const bool to_us = repairer_ && heard.to == address();
    if (!present(now) || (heard.to != work_.group && !to_us) || packet.data_port() != work_.port)
        return;
    const Nanos shown = clock().at(now);
    if (!started_) {
        // As a worker does: only these two open a session.
        if (packet.type != wire::Type::spm && packet.type != wire::Type::odata) return;
        started_ = true;
        engine::ReceiverIdentity identity{packet.tsi(), work_.port, work_.group, heard.from};
        identity.nla = address();
        // A repairer stands alone on its network.
        if (!work_.repairs) identity.prefix = kOwnSubnet;
        identity.repairs = work_.repairs;
        receiver_.start(identity, plan().seed + receptions_.size(), shown);
        if (repairer_) repairer_->start(identity);
    }
    if (packet.tsi() != receiver_.identity().tsi) return;
    if (repairer_) {
        engine::Output out = output();
        repairer_->on_packet(packet, heard.from, to_us, repair_window(), shown, out);
        send(out, now);
        if (to_us) return;
    }
    receiver_.open_burst(packet.payload.size());
    engine::Output out = output();
    receiver_.on_packet(packet, heard.tpdu, heard.from, shown, out);
    take(out, now);
}

void ReceiverStation::take(engine::Output& out, Nanos now) {
    for (const engine::Event& event : out.events())
        if (event.kind == engine::Event::Kind::joined_late) joined_late_ = true;
    send(out, now);
    read();
    find_repaired(now);
    // A repairer goes on with what it holds.
    if (receiver_.state() == SessionState::open || repairer_) return;
    if (receiver_.state() == SessionState::finished) meter_.complete(now);
    close_stay(false);
}

engine::LocalRepairer::Window ReceiverStation::repair_window() {
    return {receiver_.start_ordinal(), receiver_.next_ordinal(), receiver_.lead(),
            receiver_.open_burst(0), receiver_.path()};
}

void ReceiverStation::read() {
    const std::uint64_t next = receiver_.next_ordinal();
    if (next == 0) return;
    if (read_ == 0) read_ = receiver_.start_ordinal();
    if (next < read_ && wrong_.empty()) wrong_ = "the contiguous range became shorter";
    for (; read_ < next; ++read_) {
        const IndexEntry& entry = index_[read_ & (index_.size() - 1)];
        if (entry.sqn != static_cast<Sqn>(read_)) {
            if (wrong_.empty()) wrong_ = "the index has another number where one is contiguous";
            continue;
        }
        if ((entry.flags & kEntryVoid) != 0) continue;
        if (!check_) check_.emplace(work_.content, !joined_late_);
        const std::span<const std::byte> octets(log_.data() + (entry.place & (log_.size() - 1)),
                                                entry.length);
        octets_ += octets.size();
        if (!check_->take(octets) && wrong_.empty()) wrong_ = check_->reason();
    }
}

void ReceiverStation::missed(Sqn sqn, Nanos would_arrive) {
    if (!present(would_arrive)) return;
    // Before a late receiver has heard anything, nothing is missing.
    if (!started_ && work_.stays[stay_].from > work_.source_start_ns) return;
    meter_.lost(sqn);
    missing_.push_back({sqn, would_arrive});
}

void ReceiverStation::find_repaired(Nanos now) {
    const std::uint64_t next = receiver_.next_ordinal();
    if (next == 0 || missing_.empty()) return;
    std::erase_if(missing_, [&](const Missing& missing) {
        const std::uint64_t ordinal =
            next + static_cast<std::uint64_t>(static_cast<std::int64_t>(
                       sqn_distance(static_cast<Sqn>(next), missing.sqn)));
        if (ordinal < receiver_.start_ordinal()) return true;
        const IndexEntry& entry = index_[ordinal & (index_.size() - 1)];
        const bool held = ordinal < next || (entry.sqn == missing.sqn &&
                                             (entry.flags & (kEntryData | kEntryVoid)) != 0);
        if (held) meter_.repaired(std::max<Nanos>(0, now - missing.would_arrive));
        return held;
    });
}

void ReceiverStation::run(Nanos now) {
    while (!over() && now >= work_.stays[stay_].until) close_stay(true);
    const Nanos shown = clock().at(now);
    for (int i = 0; i < kCallsPerTurn && started_ && receiver_.next_deadline() <= shown; ++i) {
        engine::Output out = output();
        receiver_.on_tick(shown, out);
        take(out, now);
    }
    if (!started_ || !repairer_ || repairer_->next_deadline() > shown) return;
    engine::Output out = output();
    repairer_->on_tick(repair_window(), shown, out);
    send(out, now);
}

Nanos ReceiverStation::next_deadline() const {
    if (over()) return kNever;
    const Stay& stay = work_.stays[stay_];
    if (!started_) return stay.until;
    Nanos due = receiver_.next_deadline();
    if (repairer_) due = std::min(due, repairer_->next_deadline());
    return std::min(stay.until, clock().true_time(due));
}

void ReceiverStation::close_stay(bool left) {
    Reception reception;
    reception.heard = started_;
    reception.left = left;
    reception.octets = octets_;
    Outcome& outcome = reception.outcome;
    outcome.may_be_late = work_.stays[stay_].from > work_.source_start_ns;
    outcome.joined_late = joined_late_;
    outcome.messages = work_.content.messages;
    outcome.wrong = wrong_;
    if (started_) {
        outcome.state = receiver_.state();
        outcome.cause = receiver_.cause();
    }
    if (check_) {
        outcome.next = check_->next_index();
        outcome.whole = joined_late_ ? outcome.next == outcome.messages : check_->complete();
    }
    receptions_.push_back(std::move(reception));
    ++stay_;
    started_ = joined_late_ = false;
    check_.reset();
    read_ = octets_ = 0;
    wrong_.clear();
    missing_.clear();
}

void ReceiverStation::end() {
    if (!over()) close_stay(false);
    stay_ = work_.stays.size();
}

}  // namespace fanfare::sim
