// What a turn leaves behind: counters and states made visible, timers set, sleepers woken, ends
// told.
#include <algorithm>

#include "dataplane/worker_core.hpp"
#include "ipc/wakeup.hpp"

namespace fanfare::dataplane {

namespace {
constexpr Nanos kSnapshotInterval = kSecond / 10;

template <typename T>
void forget(std::vector<T*>& list, const T& session) {
    list.erase(std::remove(list.begin(), list.end(), &session), list.end());
}
}  // namespace

void WorkerCore::touch(ReceiveSession& session) {
    if (session.touched) return;
    session.touched = true;
    touched_receivers_.push_back(&session);
}
void WorkerCore::touch(SourceSession& session) {
    if (session.touched) return;
    session.touched = true;
    touched_sources_.push_back(&session);
}
void WorkerCore::want_wake(ReceiveSession& session) {
    if (session.wake_wanted || session.readers == ReaderPool::kNone) return;
    session.wake_wanted = true;
    wake_receivers_.push_back(&session);
}
void WorkerCore::want_wake(SourceSession& session) {
    if (session.wake_wanted || session.spec.page == nullptr) return;
    session.wake_wanted = true;
    wake_sources_.push_back(&session);
}

void WorkerCore::settle(Nanos now) {
    for (ReceiveSession* session : touched_receivers_) settle_receiver(*session, now);
    touched_receivers_.clear();
    // Settling may let go of a session, which takes it out of the list: walk it from behind.
    while (!touched_sources_.empty()) {
        SourceSession& session = *touched_sources_.back();
        touched_sources_.pop_back();
        session.touched = false;
        settle_source(session, now);
    }
    wake(now);
    wake_datagrams(now);
    events_.flush();
    if (events_.take_pushed() && config_.wake.control != nullptr) {
        config_.wake.control(config_.wake.context, link_.control_bell);
    }
    ring_peers();
}

void WorkerCore::settle_receiver(ReceiveSession& session, Nanos now) {
    session.touched = false;
    if (session.store_lead()) want_wake(session);
    if (!session.opened && session.has_data()) {
        session.opened = true;
        counters().sessions_opened.add();
        const engine::ReceiverIdentity& identity = session.receiver.identity();
        WorkerEvent event;
        event.kind = WorkerEvent::Kind::session_opened;
        event.id = session.spec.session_id;
        event.receive = &session;
        event.tsi = identity.tsi;
        event.source_address = identity.ip_source;
        event.group = identity.group;
        event.destination_port = identity.destination_port;
        event.udp_port = session.udp_port;
        event.interface = session.interface;
        events_.push(event);
    }
    if (session.store_end()) {
        if (!session.opened) {
            // It never brought data: whoever else comes may have the room. A source that said that
            // it is over shall not take another spare with its next word.
            const ResetCause cause = session.receiver.cause();
            if (cause == ResetCause::none || cause == ResetCause::sender_reset) {
                finished_.remember(session.receiver.identity().tsi, now);
            } else if (cause == ResetCause::unrecoverable_loss) {
                // Announced, asked for and never got: what a listener waits for in vain.
                counters().sessions_without_data.add();
            }
            let_go(session, WorkerEvent::Kind::spare_returned, now);
            return;
        }
        counters().sessions_ended.add();
        leave_group(session, now);
        session.take_snapshot();
        if (session.receiver.state() == SessionState::reset && config_.wake.hang_up != nullptr) {
            readers_.for_each(session.readers, [&](ReaderPool::Reader& reader) {
                config_.wake.hang_up(config_.wake.context, reader.endpoint);
            });
        }
        want_wake(session);
        WorkerEvent event;
        event.kind = WorkerEvent::Kind::session_ended;
        event.id = session.spec.session_id;
        event.receive = &session;
        event.tsi = session.receiver.identity().tsi;
        event.state = session.receiver.state();
        event.cause = session.receiver.cause();
        events_.push(event);
    }
    const Nanos deadline = session.next_deadline();
    if (deadline == kNever) {
        wheel_.cancel(session.slot);
    } else {
        wheel_.set(session.slot, deadline);
    }
}

// Takes a session out of everything and gives it to the control thread.
void WorkerCore::let_go(ReceiveSession& session, WorkerEvent::Kind kind, Nanos now) {
    const engine::ReceiverIdentity identity = session.receiver.identity();
    session.take_snapshot();
    stop_repairing(session);
    receivers_.erase(identity.tsi);
    wheel_.cancel(session.slot);
    receiver_slots_[session.slot] = nullptr;
    free_receiver_slots_.push_back(session.slot);
    readers_.detach_all(session.readers);
    if (session.wake_wanted) forget(wake_receivers_, session);
    session.wake_wanted = false;
    if (session.touched) forget(touched_receivers_, session);
    session.touched = false;
    leave_group(session, now);
    WorkerEvent event;
    event.kind = kind;
    event.id = session.spec.session_id;
    event.receive = &session;
    events_.push(event);
}

// A session holds its group on its interface while it lives (wsrm.md MH-30), not while somebody may
// still read what it brought.
void WorkerCore::join_group(ReceiveSession& session, Nanos now) {
    const std::uint16_t port = session.receiver.identity().destination_port;
    session.heard_alone = listens_.only_source(session.interface, session.group, port,
                                               session.udp_port, session.ip_source);
    session.in_group = true;
    interfaces_[session.interface]->udp_ports.add(session.udp_port);
    member(session.interface, session.group, session.heard_alone, session.udp_port, true, now);
}
void WorkerCore::leave_group(ReceiveSession& session, Nanos now) {
    if (!session.in_group) return;
    session.in_group = false;
    interfaces_[session.interface]->udp_ports.remove(session.udp_port);
    member(session.interface, session.group, session.heard_alone, session.udp_port, false, now);
}

void WorkerCore::on_events(ReceiveSession& session, engine::Output& out) {
    for (const engine::Event& event : out.events()) {
        // Reset and finished show in state(); the end is told when the turn settles.
        if (event.kind == engine::Event::Kind::joined_late) {
            session.spec.region->joined_late.store(1, std::memory_order_relaxed);
        }
    }
}

void WorkerCore::on_events(SourceSession& session, engine::Output& out) {
    for (const engine::Event& event : out.events()) {
        if (event.kind == engine::Event::Kind::reset) {
            end_source(session, SessionState::reset, event.cause);
        } else if (event.kind == engine::Event::Kind::finished) {
            end_source(session, SessionState::finished, ResetCause::none);
        }
        touch(session);
    }
}

void WorkerCore::settle_fault(SourceSession& session) {
    switch (session.fault) {
        case SourceSession::Fault::tail:
            counters().tail_invalid.add();
            break;
        case SourceSession::Fault::record:
            counters().records_invalid.add();
            break;
        case SourceSession::Fault::memory:  // told as memory_fault
        case SourceSession::Fault::none:
            break;
    }
    session.fault = SourceSession::Fault::none;
}

void WorkerCore::settle_source(SourceSession& session, Nanos now) {
    settle_fault(session);
    if (session.store_progress()) want_wake(session);
    if (session.source.is_done()) {
        // A reset that was told by no event must not look like an orderly end.
        if (!session.told_end()) {
            end_source(session, SessionState::reset, ResetCause::sender_vanished);
        }
        drop_source(session, now);
        return;
    }
    (void)now;
    const Nanos deadline = session.source.next_deadline();
    const auto slot = static_cast<std::uint32_t>(receiver_slots_.size()) + session.slot;
    if (deadline == kNever) {
        wheel_.cancel(slot);
    } else {
        wheel_.set(slot, deadline);
    }
}

void WorkerCore::end_source(SourceSession& session, SessionState state, ResetCause cause) {
    if (!session.store_end(state, cause)) return;
    session.take_snapshot();
    if (state == SessionState::reset && session.spec.page != nullptr &&
        config_.wake.hang_up != nullptr) {
        config_.wake.hang_up(config_.wake.context, session.spec.endpoint);
    }
    WorkerEvent event;
    event.kind = WorkerEvent::Kind::source_ended;
    event.id = session.spec.session_id;
    event.source = &session;
    event.tsi = session.spec.identity.tsi;
    event.state = state;
    event.cause = cause;
    events_.push(event);
}

void WorkerCore::drop_source(SourceSession& session, Nanos now) {
    session.take_snapshot();
    sources_.erase(session.spec.identity.tsi);
    wheel_.cancel(static_cast<std::uint32_t>(receiver_slots_.size()) + session.slot);
    source_slots_[session.slot] = nullptr;
    free_source_slots_.push_back(session.slot);
    turn_.back()->turn_index = session.turn_index;
    turn_[session.turn_index] = turn_.back();
    turn_.pop_back();
    turn_first_ = 0;
    if (session.wake_wanted) forget(wake_sources_, session);
    session.wake_wanted = false;
    if (session.touched) forget(touched_sources_, session);
    session.touched = false;
    const std::uint16_t udp_port = session.spec.udp_port;
    interfaces_[session.spec.interface]->udp_ports.remove(udp_port);
    if (udp_port != 0) member(session.spec.interface, {}, {}, udp_port, false, now);
    WorkerEvent event;
    event.kind = WorkerEvent::Kind::source_done;
    event.id = session.spec.session_id;
    event.source = &session;
    events_.push(event);
}

// Wakes who sleeps (ipc/wakeup.hpp): one fence for the turn, behind all counters that it stored.
void WorkerCore::wake(Nanos now) {
    wake_at_ = kNever;
    if (wake_receivers_.empty() && wake_sources_.empty()) return;
    ipc::publish_fence(ipc::AtomicMemory{});
    const auto done = [](auto& list, auto&& wake_one) {
        std::size_t kept = 0;
        for (auto* session : list) {
            if (wake_one(*session)) {
                session->wake_wanted = false;
            } else {
                list[kept++] = session;
            }
        }
        list.resize(kept);
    };
    done(wake_receivers_, [&](ReceiveSession& session) { return wake_receiver(session, now); });
    done(wake_sources_, [&](SourceSession& session) { return wake_source(session, now); });
}

// False when somebody must be woken later: a flag that lies costs one wake-up per interval at most.
bool WorkerCore::wake_receiver(ReceiveSession& session, Nanos now) {
    bool all = true;
    readers_.for_each(session.readers, [&](ReaderPool::Reader& reader) {
        ipc::AtomicMemory memory;
        if (memory.load_relaxed(reader.page->receive_sleeping) == 0) return;
        const Nanos may_wake = reader.woken_at + ipc::kWakeIntervalNanos;
        if (now < may_wake) {
            wake_at_ = std::min(wake_at_, may_wake);
            all = false;
            return;
        }
        if (!ipc::take_sleeper(memory, reader.page->receive_sleeping)) return;
        reader.woken_at = now;
        counters().wakeups.add();
        if (config_.wake.readable != nullptr) {
            config_.wake.readable(config_.wake.context, reader.endpoint);
        }
    });
    return all;
}

bool WorkerCore::wake_source(SourceSession& session, Nanos now) {
    ipc::AtomicMemory memory;
    if (session.spec.page == nullptr ||
        memory.load_relaxed(session.spec.page->send_sleeping) == 0) {
        return true;
    }
    const Nanos may_wake = session.woken_at + ipc::kWakeIntervalNanos;
    if (now < may_wake) {
        wake_at_ = std::min(wake_at_, may_wake);
        return false;
    }
    if (!ipc::take_sleeper(memory, session.spec.page->send_sleeping)) return true;
    session.woken_at = now;
    counters().wakeups.add();
    if (config_.wake.writable != nullptr) {
        config_.wake.writable(config_.wake.context, session.spec.endpoint);
    }
    return true;
}

// A few sessions a turn, each some ten times a second.
void WorkerCore::snapshots(Nanos now) {
    if (now < snapshot_at_) return;
    constexpr std::size_t kPerTurn = 16;
    const std::size_t slots = receiver_slots_.size() + source_slots_.size();
    std::size_t taken = 0;
    // Empty slots cost next to nothing, but even they are bounded in one turn.
    for (std::size_t looked = 0; looked < 256 && taken < kPerTurn && snapshot_next_ < slots;
         ++looked, ++snapshot_next_) {
        const std::size_t i = snapshot_next_;
        if (i < receiver_slots_.size()) {
            ReceiveSession* const session = receiver_slots_[i];
            if (session == nullptr) continue;
            session->take_snapshot();
        } else {
            SourceSession* const session = source_slots_[i - receiver_slots_.size()];
            if (session == nullptr) continue;
            session->take_snapshot();
        }
        ++taken;
    }
    if (snapshot_next_ == slots) {
        snapshot_next_ = 0;
        snapshot_at_ = now + kSnapshotInterval;
    }
}

// Workers that were handed something may sleep: the same rule as for clients.
void WorkerCore::ring_peers() {
    if (mesh_ == nullptr) return;
    bool fenced = false;
    for (std::uint32_t peer = 0; peer < mesh_->workers(); ++peer) {
        if (!peers_fed_[peer]) continue;
        peers_fed_[peer] = false;
        WorkerLink* const link = mesh_->link(peer);
        if (link == nullptr || link->page == nullptr || config_.wake.control == nullptr) continue;
        if (!fenced) {
            ipc::publish_fence(ipc::AtomicMemory{});
            fenced = true;
        }
        if (ipc::take_sleeper(ipc::AtomicMemory{}, link->page->sleeping)) {
            config_.wake.control(config_.wake.context, link->doorbell);
        }
    }
}

}  // namespace fanfare::dataplane
