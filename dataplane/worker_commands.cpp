// What the control thread asks for.
#include <algorithm>
#include <array>
#include <cstring>

#include "dataplane/worker_core.hpp"

namespace fanfare::dataplane {

namespace {

// What stands in the slot that tells another worker of a membership; the group is its next hop.
struct MembershipNote {
    Address source;
    std::uint16_t udp_port = 0;
};

}  // namespace

std::size_t WorkerCore::run_commands(Nanos now) {
    // Memberships that found the owner's ring full.
    std::size_t told = 0;
    while (told < memberships_owed_.size() && tell_owner(memberships_owed_[told])) ++told;
    memberships_owed_.erase(memberships_owed_.begin(),
                            memberships_owed_.begin() + static_cast<std::ptrdiff_t>(told));

    // Commands make events: while some wait for room, no command is taken. Some of each turn's time
    // at most.
    constexpr std::size_t kCommandsPerTurn = 64;
    std::size_t count = 0;
    while (count < kCommandsPerTurn && !stopped_ && !events_.waiting()) {
        const Command* command = link_.commands.front();
        if (command == nullptr) break;
        if (command->kind == Command::Kind::set_datagrams &&
            !datagrams_drained(command->datagrams, now)) {
            break;
        }
        run(*command, now);
        link_.commands.pop();
        ++count;
    }
    return count;
}

void WorkerCore::run(const Command& command, Nanos now) {
    using Kind = Command::Kind;
    switch (command.kind) {
        case Kind::open_source:
            open_source(command.source, now);
            return;
        case Kind::finish_source:
            if (SourceSession* session = source_by_id(command.id)) {
                session->finish_after_published(now);
                touch(*session);
            }
            return;
        case Kind::abort_source:
            if (SourceSession* session = source_by_id(command.id)) {
                session->abort_after_published(now, command.cause, command.error);
                touch(*session);
            }
            return;
        case Kind::drop_source:
            if (SourceSession* session = source_by_id(command.id)) drop_source(*session, now);
            return;
        case Kind::add_listen:
            add_listen(command.listen, now);
            return;
        case Kind::remove_listen:
            remove_listen(command.id, now);
            return;
        case Kind::add_spare:
            add_spare(command.receive);
            return;
        case Kind::reclaim_spares:
            reclaim_spares();
            return;
        case Kind::close_receive:
            close_receive(command.id, command.receive, now);
            return;
        case Kind::attach_reader:
            attach_reader(command);
            return;
        case Kind::detach_reader:
            detach_reader(command);
            return;
        case Kind::detach_sender:
            detach_sender(command);
            return;
        case Kind::interface_state:
            interface_state(command, now);
            return;
        case Kind::set_datagrams:
            set_datagrams(command.datagrams, now);
            return;
        case Kind::stop:
            stop(now);
            return;
    }
}

// Rare enough for a walk.
SourceSession* WorkerCore::source_by_id(std::uint64_t id) const {
    for (SourceSession* session : turn_) {
        if (session->spec.session_id == id) return session;
    }
    return nullptr;
}

ReceiveSession* WorkerCore::receiver_by_id(std::uint64_t id) const {
    for (ReceiveSession* session : receiver_slots_) {
        if (session != nullptr && session->spec.session_id == id) return session;
    }
    return nullptr;
}

void WorkerCore::open_source(SourceSession* session, Nanos now) {
    const SourceSpec& spec = session->spec;
    const bool place = spec.interface < interfaces_.size() && !free_source_slots_.empty() &&
                       sources_.insert(spec.identity.tsi, session);
    if (!place) {
        // Nothing was sent and nothing can be: the control thread gets it straight back.
        session->store_end(SessionState::reset, ResetCause::interface_gone);
        WorkerEvent event;
        event.kind = WorkerEvent::Kind::source_ended;
        event.id = spec.session_id;
        event.source = session;
        event.state = SessionState::reset;
        event.cause = ResetCause::interface_gone;
        events_.push(event);
        event.kind = WorkerEvent::Kind::source_done;
        events_.push(event);
        return;
    }
    session->slot = free_source_slots_.back();
    free_source_slots_.pop_back();
    source_slots_[session->slot] = session;
    session->turn_index = static_cast<std::uint32_t>(turn_.size());
    turn_.push_back(session);
    session->woken_at = now - ipc::kWakeIntervalNanos;
    Interface& on = *interfaces_[spec.interface];
    on.udp_ports.add(spec.udp_port);
    // NAKs come in by that port.
    if (spec.udp_port != 0) member(spec.interface, {}, {}, spec.udp_port, true, now);
    if (!on.up || on.gone || on.outlet == nullptr) {
        end_source(*session, SessionState::reset, ResetCause::interface_gone);
        drop_source(*session, now);
        return;
    }
    // The starting SPMs go out at once, whether or not there is data yet: receivers then know where
    // it begins.
    engine::Output out(room(spec.interface));
    session->source.on_tick(now, out);
    commit_source(*session, out);
    touch(*session);
}

void WorkerCore::member(std::uint32_t interface, Address group, Address source,
                        std::uint16_t udp_port, bool join, Nanos now) {
    Interface& on = *interfaces_[interface];
    if (on.owned) {
        if (!group.is_none()) {
            if (join) {
                on.igmp.join(group, source, now);
            } else {
                on.igmp.leave(group, source, now);
            }
        }
        on.filter_changed = true;
        return;
    }
    const Membership membership{interface, group, udp_port, source, join};
    if (!memberships_owed_.empty() || !tell_owner(membership))
        memberships_owed_.push_back(membership);
}

bool WorkerCore::tell_owner(const Membership& membership) {
    const std::uint32_t owner = interfaces_[membership.interface]->spec.owner;
    if (mesh_ == nullptr || owner >= mesh_->workers()) return true;  // nobody runs IGMP there
    const MembershipNote note{membership.source, membership.udp_port};
    return hand_over(owner, membership.join ? FrameRing::Kind::join : FrameRing::Kind::leave,
                     membership.interface, std::as_bytes(std::span(&note, 1)), membership.group);
}

// Another worker's session on an interface of ours. Its UDP port counts as our own do: a port that
// the kernel receives for is open as long as one session of any worker uses it.
void WorkerCore::told_of_member(const FrameRing::Slot& slot, Nanos now) {
    MembershipNote note;
    if (slot.length != sizeof note) return;
    std::memcpy(&note, slot.data, sizeof note);
    UdpPorts& ports = interfaces_[slot.interface]->udp_ports;
    const bool join = slot.kind == FrameRing::Kind::join;
    if (join) {
        ports.add(note.udp_port);
    } else {
        ports.remove(note.udp_port);
    }
    member(slot.interface, slot.next_hop, note.source, note.udp_port, join, now);
}

void WorkerCore::add_listen(const ListenSpec& listen, Nanos now) {
    if (listen.interface >= interfaces_.size() || !listens_.add(listen)) return;
    Interface& on = *interfaces_[listen.interface];
    on.udp_ports.add(listen.udp_port);
    // Every worker gets every listen, so the interface's owner needs no other's word for it.
    if (on.owned) member(listen.interface, listen.group, listen.source, listen.udp_port, true, now);
}

void WorkerCore::remove_listen(std::uint64_t listen_id, Nanos now) {
    ListenSpec listen;
    while (listens_.remove(listen_id, listen)) {
        Interface& on = *interfaces_[listen.interface];
        on.udp_ports.remove(listen.udp_port);
        if (on.datagrams) on.filter_changed = true;
        if (on.owned)
            member(listen.interface, listen.group, listen.source, listen.udp_port, false, now);
    }
    WorkerEvent event;
    event.kind = WorkerEvent::Kind::listen_removed;
    event.id = listen_id;
    events_.push(event);
}

void WorkerCore::add_spare(ReceiveSession* session) {
    if (spares_.size() < spares_.capacity()) {
        spares_.push_back(session);
        return;
    }
    WorkerEvent event;
    event.kind = WorkerEvent::Kind::spare_returned;
    event.id = session->spec.session_id;
    event.receive = session;
    events_.push(event);
}

void WorkerCore::reclaim_spares() {
    for (ReceiveSession* session : spares_) {
        WorkerEvent event;
        event.kind = WorkerEvent::Kind::spare_returned;
        event.id = session->spec.session_id;
        event.receive = session;
        events_.push(event);
    }
    spares_.clear();
}

void WorkerCore::close_receive(std::uint64_t id, ReceiveSession* session, Nanos now) {
    ReceiveSession* const held = receiver_by_id(id);
    if (held != nullptr) {
        // After FIN the same source must not open a second session; after a reset it may.
        if (held->receiver.state() != SessionState::reset) {
            finished_.remember(held->receiver.identity().tsi, now);
        }
        let_go(*held, WorkerEvent::Kind::receive_closed, now);
        return;
    }
    // It may still be a spare.
    for (ReceiveSession*& spare : spares_) {
        if (spare->spec.session_id != id) continue;
        session = spare;
        spare = spares_.back();
        spares_.pop_back();
        WorkerEvent event;
        event.kind = WorkerEvent::Kind::receive_closed;
        event.id = id;
        event.receive = session;
        events_.push(event);
        return;
    }
}

void WorkerCore::attach_reader(const Command& command) {
    ReceiveSession* const session = receiver_by_id(command.id);
    if (session == nullptr) return;
    readers_.attach(session->readers, command.socket_id, command.page, command.endpoint);
    if (session->ended && session->receiver.state() == SessionState::reset) {
        if (config_.wake.hang_up != nullptr)
            config_.wake.hang_up(config_.wake.context, command.endpoint);
        return;
    }
    // The lead may have moved between the reader's last look and now.
    want_wake(*session);
}

void WorkerCore::detach_reader(const Command& command) {
    if (ReceiveSession* session = receiver_by_id(command.id)) {
        readers_.detach(session->readers, command.socket_id);
    }
    WorkerEvent event;
    event.kind = WorkerEvent::Kind::reader_detached;
    event.id = command.id;
    event.socket_id = command.socket_id;
    events_.push(event);
}

void WorkerCore::detach_sender(const Command& command) {
    if (SourceSession* session = source_by_id(command.id)) {
        session->spec.page = nullptr;
        session->spec.endpoint = -1;
    }
    WorkerEvent event;
    event.kind = WorkerEvent::Kind::sender_detached;
    event.id = command.id;
    event.socket_id = command.socket_id;
    events_.push(event);
}

void WorkerCore::interface_state(const Command& command, Nanos now) {
    if (command.interface >= interfaces_.size()) return;
    Interface& on = *interfaces_[command.interface];
    const bool was_up = on.up && !on.gone;
    on.up = command.up && !command.gone;
    on.gone = command.gone;
    on.facts_wanted = on.has_port && !on.gone;
    if (command.mtu != 0)
        on.mtu = on.spec.mtu != 0 ? std::min(on.spec.mtu, command.mtu) : command.mtu;
    if (on.up) {
        if (!was_up && on.owned) {
            on.igmp.report_all(now);  // a switch or querier may have forgotten us
            on.filter_changed = true;
        }
        return;
    }
    if (!was_up && !on.gone) return;
    // Sessions of this interface end (wsrm.md MH-10, MH-27); nothing can be said to their peers any
    // more.
    for (std::size_t i = turn_.size(); i-- > 0;) {
        SourceSession& session = *turn_[i];
        if (session.spec.interface != command.interface) continue;
        end_source(session, SessionState::reset, ResetCause::interface_gone);
        drop_source(session, now);
    }
    for (ReceiveSession* session : receiver_slots_) {
        if (session == nullptr || session->interface != command.interface) continue;
        engine::Output out({});
        session->receiver.reset(ResetCause::interface_gone, now, out);
        touch(*session);
    }
    discard_output(on);
}

void WorkerCore::stop(Nanos now) {
    while (!turn_.empty()) {
        SourceSession& session = *turn_.back();
        end_source(session, SessionState::reset, ResetCause::daemon_gone);
        drop_source(session, now);
    }
    for (ReceiveSession* session : receiver_slots_) {
        if (session == nullptr) continue;
        engine::Output out({});
        session->receiver.reset(ResetCause::daemon_gone, now, out);
        touch(*session);
    }
    settle(now);
    reclaim_spares();
    // Groups are left in good order: one report each, as nobody is here to repeat it.
    listens_.for_each([&](const ListenSpec& listen) {
        if (interfaces_[listen.interface]->owned)
            member(listen.interface, listen.group, listen.source, listen.udp_port, false, now);
    });
    for (ReceiveSession* session : receiver_slots_) {
        if (session != nullptr) let_go(*session, WorkerEvent::Kind::receive_closed, now);
    }
    datagrams_drained(nullptr, now);
    set_datagrams(nullptr, now);
    for (auto& on : interfaces_) {
        if (on->owned && on->has_port && !on->gone) serve_igmp(*on, now);
    }
    WorkerEvent event;
    event.kind = WorkerEvent::Kind::stopped;
    events_.push(event);
    stopped_ = true;
}

}  // namespace fanfare::dataplane
