#include "dataplane/receive_session.hpp"

#include <algorithm>
#include <atomic>

#include "ipc/layout.hpp"

namespace fanfare::dataplane {

namespace {

// What is announced beyond a burst's needs, as a share of the window that readers do without: a
// store into the region every few dozen packets, not every burst.
constexpr std::uint64_t kAnnouncedAhead = 64;

}  // namespace

ReceiveSession::ReceiveSession(const ReceiveSpec& s, const checksum::Kernels& kernels)
    : receiver(s.parameters,
               {{s.index, s.index_entries}, {s.log, static_cast<std::size_t>(s.log_bytes)}},
               kernels),
      region_(s.region),
      spec(s) {
    if (!s.repairer) return;
    // What the bucket of repairs must let pass at least: a datagram of the largest MTU.
    constexpr std::uint16_t kLargestDatagram = 9216;
    repairer = std::make_unique<engine::LocalRepairer>(
        s.repairs,
        engine::ReceiveMemory{{s.index, s.index_entries},
                              {s.log, static_cast<std::size_t>(s.log_bytes)}},
        kLargestDatagram, true, kernels);
}

void ReceiveSession::start(const engine::ReceiverIdentity& identity, std::uint32_t on,
                           std::uint16_t udp, std::uint64_t seed, Nanos now) {
    interface = on;
    udp_port = udp;
    group = identity.group;
    ip_source = identity.ip_source;
    has_hop = opened = ended = touched = in_burst = wake_wanted = false;
    burst_bytes = 0;
    lead_ = 0;
    repairs = identity.repairs;
    store_retry_at = 0;
    room_ = announced_ = {};
    receiver.start(identity, seed, now);
    if (repairer) repairer->start(identity);
    ipc::set_identity(*spec.region, identity.tsi, identity.group, identity.ip_source,
                      identity.destination_port);
}

void ReceiveSession::reserve() {
    room_ = receiver.open_burst(burst_bytes);
    receiver.prefetch_room(burst_bytes);
    // Readers hold this line: what takes it back overlaps with the fetch of the room.
    prefetch_to_write(&region_->lead);
    if (room_.log_position <= announced_.log_position && room_.ordinal <= announced_.ordinal) {
        return;
    }
    announced_ = {room_.log_position + spec.log_bytes / kAnnouncedAhead,
                  room_.ordinal + spec.index_entries / kAnnouncedAhead};
    // Partner: the reader's acquire fence before it loads these again (client/core/message_reader).
    region_->reserved_log.store(announced_.log_position, std::memory_order_relaxed);
    region_->reserved_ordinal.store(announced_.ordinal, std::memory_order_relaxed);
}

bool ReceiveSession::store_lead() {
    const std::uint64_t next = receiver.next_ordinal();
    if (next == lead_) return false;
    if (lead_ == 0) {
        region_->start_ordinal.store(receiver.start_ordinal(), std::memory_order_relaxed);
    }
    lead_ = next;
    // Partner: the reader's acquire; entries and payload before it were written before.
    region_->lead.store(next, std::memory_order_release);
    return true;
}

bool ReceiveSession::store_end() {
    if (ended || receiver.state() == SessionState::open) return false;
    ended = true;
    spec.region->cause.store(static_cast<std::uint32_t>(receiver.cause()),
                             std::memory_order_relaxed);
    // Partner: the reader's acquire of state, made before its last look at lead.
    spec.region->state.store(static_cast<std::uint32_t>(receiver.state()),
                             std::memory_order_release);
    return true;
}

engine::LocalRepairer::Window ReceiveSession::repair_window() const {
    engine::LocalRepairer::Window window{receiver.start_ordinal(), receiver.next_ordinal(),
                                         receiver.lead(), room_, receiver.path()};
    if (spec.store != nullptr) {
        // Partner: the tier's release of end; what was dropped before shows in first then.
        window.stored_end = spec.store->end.load(std::memory_order_acquire);
        window.stored_first =
            std::min(spec.store->first.load(std::memory_order_relaxed), window.stored_end);
    }
    return window;
}

Nanos ReceiveSession::next_deadline() const {
    const Nanos at = receiver.next_deadline();
    return repairs ? std::min(at, repairer->next_deadline()) : at;
}

void ReceiveSession::take_snapshot() {
    ReceiveSnapshot now{receiver.statistics(), receiver.trail(), receiver.lead(), {}};
    if (repairs) {
        const auto window = repair_window();
        now.repairs.statistics = repairer->statistics();
        now.repairs.memory_packets = repairer->held(window);
        now.repairs.stored_packets = window.stored_end - window.stored_first;
    }
    snapshot.write(now);
}

ReceiveSession* make_receive_session(const ReceiveSpec& spec, const checksum::Kernels& kernels) {
    return new ReceiveSession(spec, kernels);
}
void free_receive_session(ReceiveSession* session) {
    delete session;
}

bool read_statistics(const ReceiveSession* session, engine::ReceiverStatistics& out, Sqn& trail,
                     Sqn& lead) {
    ReceiveSnapshot snapshot;
    if (!session->snapshot.read(snapshot)) return false;
    out = snapshot.statistics;
    trail = snapshot.trail;
    lead = snapshot.lead;
    return true;
}

bool read_repairs(const ReceiveSession* session, RepairFigures& out) {
    ReceiveSnapshot snapshot;
    if (!session->snapshot.read(snapshot)) return false;
    out = snapshot.repairs;
    return true;
}

}  // namespace fanfare::dataplane
