// A batch of packets on its way to its sessions: found, reserved for, and handed over session by
// session.
#include <array>
#include <atomic>
#include <span>
#include <utility>

#include "dataplane/worker_core.hpp"

namespace fanfare::dataplane {

// Whether our own frame came back.
__attribute__((noinline)) bool WorkerCore::is_ours(const Incoming& packet) const {
    return packet.ethernet_source() == interfaces_[packet.interface]->link.mac;
}

// Of a packet that was found by its TSI alone: whether it concerns that session. Who else sends to
// the session's group does, to be refused by it; the rest is a matter for on_frame.
inline bool WorkerCore::concerns_found(const Incoming& packet) const {
    const ReceiveSession& session = *packet.receiver;
    return session.heard_on(packet.interface, packet.udp_port, packet.to) &&
           (session.ip_source == packet.ip_source || !is_ours(packet));
}

// Hands the batch to its sessions, to each all its packets in order. What a session needs lies in
// a dozen lines that many sessions push out of the near caches: all sessions of the batch go
// through each step together and fetch what the next one reads, so that their waits overlap.
void WorkerCore::deliver(Nanos now) {
    if (batch_count_ == 0) return;
    burst_.clear();
    bool for_sources = false;
    for (std::size_t i = 0; i < batch_count_; ++i) {
        const auto place = static_cast<std::uint8_t>(i);
        Incoming& packet = batch_[i];
        if (packet.sought == Sought::by_tsi) {
            if (!concerns_found(packet)) {
                strangers_[strangers_count_++] = {packet.interface, packet.frame};
                continue;
            }
        } else if (packet.sought != Sought::yes) {
            find_sessions(packet, now);
        }
        ReceiveSession* const session = packet.receiver;
        for_sources |= packet.source != nullptr;
        if (session == nullptr) continue;
        if (!session->in_burst) {
            session->in_burst = true;
            session->burst_bytes = 0;
            session->burst_count = 0;
            session->burst_first = place;
            session->receiver.prefetch();
            burst_.push_back(session);
        } else {
            batch_[session->burst_last].next = place;
        }
        session->burst_last = place;
        ++session->burst_count;
        session->burst_bytes += static_cast<std::uint32_t>(packet.packet.payload.size());
    }
    for (ReceiveSession* session : burst_) session->reserve();
    // Between the reservations and the first octet that they allow to be overwritten; partner: the
    // reader's acquire fence before it loads them again.
    std::atomic_thread_fence(std::memory_order_release);
    for (ReceiveSession* session : burst_) deliver_run(*session, now);
    if (for_sources) {
        for (std::size_t i = 0; i < batch_count_; ++i) {
            if (batch_[i].source != nullptr) deliver_to_source(batch_[i], now);
        }
    }
    batch_count_ = 0;
    if (strangers_count_ > 0) deliver_strangers(now);
}

void WorkerCore::deliver_strangers(Nanos now) {
    const std::size_t count = std::exchange(strangers_count_, 0);
    for (std::size_t i = 0; i < count; ++i) {
        on_frame(strangers_[i].interface, strangers_[i].frame, false, now);
    }
    deliver(now);
}

__attribute__((noinline)) void WorkerCore::count_refused() {
    for (std::size_t i = 0; i < refused_.size(); ++i) {
        if (refused_[i] > 0) counters().verdicts[i].add(std::exchange(refused_[i], 0));
    }
}

void WorkerCore::deliver_run(ReceiveSession& session, Nanos now) {
    std::array<const engine::Received*, kBurst> packets;
    std::size_t place = session.burst_first;
    for (std::size_t i = 0; i < session.burst_count; ++i) {
        packets[i] = &batch_[place];
        place = batch_[place].next;
    }
    std::span<const engine::Received* const> run(packets.data(), session.burst_count);
    // Data in order changes nothing that settling looks at but the lead, which is stored here, and
    // the timer, which only moves away: tick() finds out when it goes off.
    bool calm = session.opened;
    while (!run.empty()) {
        const engine::Receiver::Run taken = session.receiver.take_in_order(run, now, refused_);
        if (taken.packets > 0) {
            counters().verdicts[static_cast<std::size_t>(engine::Verdict::accepted)].add(
                taken.accepted);
            if (taken.accepted < taken.packets) count_refused();
            run = run.subspan(taken.packets);
            if (run.empty()) break;
        }
        calm = false;
        deliver_to_receiver(session, static_cast<const Incoming&>(*run.front()), now);
        run = run.subspan(1);
    }
    session.in_burst = false;
    if (session.store_lead()) want_wake(session);
    if (!calm) touch(session);
}

void WorkerCore::deliver_to_receiver(ReceiveSession& session, const Incoming& packet, Nanos now) {
    if (asks_us(packet)) return deliver_to_repairer(session, packet, now);
    engine::Output out(room(session.interface));
    const engine::Verdict verdict =
        packet.to.is_multicast()
            ? session.receiver.on_packet(packet.packet, packet.tpdu, packet.ip_source, now, out)
            : session.receiver.on_unicast_ncf(packet.packet, packet.tpdu, packet.ip_source, now,
                                              out);
    counters().verdicts[static_cast<std::size_t>(verdict)].add();
    if (packet.packet.type == wire::Type::spm && verdict == engine::Verdict::accepted &&
        !packet.frame.empty() && !net::is_group_mac(packet.ethernet_source())) {
        session.hop = packet.ethernet_source();
        session.has_hop = true;
    }
    if (!out.frames().empty() || !out.events().empty()) commit_receiver(session, out, now);
    if (session.repairs && concerns_repairer(packet, verdict))
        deliver_to_repairer(session, packet, now);
}

void WorkerCore::deliver_to_source(const Incoming& packet, Nanos now) {
    // A NAK to the group is for the ears of its sender's subnet (RFC 3208 6.3); ours comes to us.
    if (packet.packet.type == wire::Type::nak && packet.to.is_multicast()) return;
    SourceSession& session = *packet.source;
    engine::Output out(room(session.spec.interface));
    session.source.on_packet(packet.packet, packet.tpdu, packet.ip_source, now, out);
    session.check_memory(now);
    touch(session);
    commit_source(session, out);
}

}  // namespace fanfare::dataplane
