// A worker as designated local repairer of sessions that it receives (RFC 3208 9.5): NAKs that come
// to this host for a source elsewhere, and what the file tier gives back for them.
#include <algorithm>

#include "dataplane/worker_core.hpp"
#include "ipc/wakeup.hpp"

namespace fanfare::dataplane {

static_assert(RepairStore::kRequests == engine::LocalRepairer::kFetchesUnderWay);

// What was sent to us although its source is not here; nullptr, and counted, when it is no NAK for
// a session that we repair.
ReceiveSession* WorkerCore::session_to_repair(const Incoming& packet) {
    ReceiveSession* const session = repairing_.empty() || packet.packet.type != wire::Type::nak
                                        ? nullptr
                                        : receivers_.find(packet.packet.tsi());
    const bool ours = session != nullptr && session->repairs &&
                      session->interface == packet.interface &&
                      session->udp_port == packet.udp_port;
    if (ours) return session;
    counters().naks_for_no_source.add();
    return nullptr;
}

// Whether this host repairs the session that the packet opens.
bool WorkerCore::repairs(const ReceiveSession& session, const Incoming& packet) const {
    return session.repairer &&
           listens_.repairs(packet.interface, packet.to, packet.packet.destination_port,
                            packet.udp_port, packet.ip_source);
}

void WorkerCore::stop_repairing(ReceiveSession& session) {
    if (!session.repairs) return;
    session.repairs = false;
    repairing_.erase(std::remove(repairing_.begin(), repairing_.end(), &session), repairing_.end());
}

// What the receiver judged and the repairer may hear as well. Of data it hears what was taken,
// whose sum was right: a receiver knows a copy by its number alone. A session that is over judges
// nothing.
bool WorkerCore::concerns_repairer(const Incoming& packet, engine::Verdict verdict) {
    using engine::Verdict;
    const bool data =
        packet.packet.type == wire::Type::odata || packet.packet.type == wire::Type::rdata;
    if (data) return verdict == Verdict::accepted;
    return verdict != Verdict::checksum_wrong && verdict != Verdict::untrusted_source;
}

void WorkerCore::deliver_to_repairer(ReceiveSession& session, const Incoming& packet, Nanos now) {
    const bool to_us = !packet.to.is_multicast();
    const bool over = session.receiver.state() != SessionState::open;
    if (over && !to_us && packet.ip_source != session.ip_source) return;
    if ((to_us || over) && packet.packet.checksum != 0 &&
        !checksum::intact(kernels_.sum(packet.tpdu.data(), packet.tpdu.size()))) {
        counters().verdicts[static_cast<std::size_t>(engine::Verdict::checksum_wrong)].add();
        return;
    }
    engine::Output out(room(session.interface));
    session.repairer->on_packet(packet.packet, packet.ip_source, to_us, session.repair_window(),
                                now, out);
    if (!out.frames().empty()) commit_receiver(session, out, now);
    ask_store(session);
    touch(session);
}

// What the repairer wants from the file tier; wakes it where it sleeps.
void WorkerCore::ask_store(ReceiveSession& session) {
    RepairStore* const store = session.spec.store;
    bool asked = false;
    while (const std::uint64_t ordinal = session.repairer->next_fetch()) {
        // The ring has room for all that the repairer has under way; without a store it names none.
        asked |= store != nullptr && store->requests.push(ordinal);
    }
    if (!asked || store->sleeping == nullptr || config_.wake.control == nullptr) return;
    ipc::publish_fence(ipc::AtomicMemory{});
    if (ipc::take_sleeper(ipc::AtomicMemory{}, *store->sleeping)) {
        config_.wake.control(config_.wake.context, store->bell);
    }
}

bool WorkerCore::take_stored(ReceiveSession& session, Nanos now) {
    RepairStore* const store = session.spec.store;
    bool any = false;
    // As many as may be under way; a repair that has to wait stays at the ring's head.
    for (std::size_t i = 0; i < RepairStore::kRequests; ++i) {
        const RepairStore::Reply* const reply = store->replies.front();
        if (reply == nullptr) break;
        engine::Output out(room(session.interface));
        bool done = true;
        if (!reply->found || reply->length > RepairStore::kPayloadMost) {
            session.repairer->on_fetch_failed(reply->ordinal, session.repair_window(), out);
        } else {
            done = session.repairer->on_fetched({reply->ordinal,
                                                 {reply->payload, reply->length},
                                                 reply->flags,
                                                 reply->first_sqn,
                                                 reply->offset,
                                                 reply->apdu_length},
                                                session.repair_window(), now, out);
        }
        if (!out.frames().empty()) commit_receiver(session, out, now);
        any = true;
        touch(session);
        session.store_retry_at = done ? 0 : session.repairer->next_deadline();
        if (!done) break;
        store->replies.pop();
    }
    if (any) ask_store(session);
    return any;
}

std::size_t WorkerCore::tick_repairs(Nanos now) {
    std::size_t work = 0;
    for (ReceiveSession* session : repairing_) {
        if (session->spec.store != nullptr && session->store_retry_at <= now) {
            work += take_stored(*session, now) ? 1 : 0;
        }
    }
    return work;
}

}  // namespace fanfare::dataplane
