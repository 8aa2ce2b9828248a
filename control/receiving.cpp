#include "control/receiving.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>

#include "control/repairing.hpp"
#include "control/text.hpp"
#include "ipc/layout.hpp"
#include "ipc/wakeup.hpp"

namespace fanfare::control {
namespace {

using dataplane::Command;

std::uint32_t index_entries_for(const Registry& registry, std::uint64_t log_bytes) {
    const auto entries =
        std::clamp<std::uint64_t>(log_bytes / registry.settings.octets_per_index_entry,
                                  ipc::kIndexEntriesMin, ipc::kIndexEntriesMax);
    return static_cast<std::uint32_t>(std::bit_ceil(entries));
}

// RM_HIGH_SPEED_INTRANET_OPT (wsrm.md 3.3): when and how often repairs are asked for, as on a LAN.
// What peers must understand and how far requests go stays the profile's.
engine::ReceiverParameters parameters_of_spares(const Registry& registry) {
    engine::ReceiverParameters parameters = registry.settings.defaults.receiver;
    if (!registry.high_speed) return parameters;
    const auto lan = engine::profile(engine::ProfileName::lan).receiver;
    parameters.nak_backoff_min_ns = lan.nak_backoff_min_ns;
    parameters.nak_backoff_max_ns = lan.nak_backoff_max_ns;
    parameters.nak_backoff_ceiling_ns = lan.nak_backoff_ceiling_ns;
    parameters.nak_repeat_ns = lan.nak_repeat_ns;
    parameters.nak_rdata_ns = lan.nak_rdata_ns;
    parameters.adapt_to_round_trip = lan.adapt_to_round_trip;
    parameters.ncf_retries = lan.ncf_retries;
    parameters.data_retries = lan.data_retries;
    parameters.spmr_wait_ns = lan.spmr_wait_ns;
    return parameters;
}

bool make_spare(Registry& registry, Services& services, std::uint32_t worker) {
    const std::uint64_t log_bytes = registry.receive_log_bytes;
    const std::uint32_t entries = index_entries_for(registry, log_bytes);
    const std::uint64_t charge = ipc::ReceiveLayout::for_log(log_bytes, entries).total_bytes;
    if (!registry.budget.charge(charge)) {
        ++registry.counters.out_of_memory;
        return false;
    }
    Reception session;
    session.id = registry.new_id();
    session.worker = worker;
    session.charged_bytes = charge;
    session.high_speed = registry.high_speed;
    if (services.make_receive_memory({session.id, log_bytes, entries}, session.memory) == 0) {
        dataplane::ReceiveSpec spec;
        spec.session_id = session.id;
        spec.parameters = parameters_of_spares(registry);
        spec.region = session.memory.header;
        spec.index = session.memory.index;
        spec.index_entries = session.memory.index_entries;
        spec.log = session.memory.log;
        spec.log_bytes = session.memory.log_bytes;
        if (registry.settings.repairs.on()) {
            session.store = services.make_repair_store(worker);
            spec.repairer = true;
            spec.repairs = registry.settings.repairs.parameters;
            spec.store = session.store.get();
        }
        session.object = services.make_receiver(spec);
        if (session.object == nullptr) services.free_receive_memory(session.memory);
    }
    if (session.object == nullptr) {
        ++registry.counters.out_of_memory;
        registry.budget.release(charge);
        return false;
    }
    Command add;
    add.kind = Command::Kind::add_spare;
    add.id = session.id;
    add.receive = session.object;
    registry.post(worker, add);
    registry.receptions.emplace(session.id, std::move(session));
    return true;
}

bool anybody_listens(const Registry& registry) {
    if (registry.settings.repairs.on()) return true;
    return std::any_of(registry.sockets.begin(), registry.sockets.end(), [](const auto& s) {
        return s.second.state == SocketState::listener && !s.second.closing;
    });
}

// New windows have the size of the largest wish that stands, and a LAN's timers where one listener
// says that it is on one (those of the profile `lan` already are); when that changes, unused ones
// are called back.
void settle_pool(Registry& registry) {
    std::uint64_t wanted = registry.settings.receive_log_bytes;
    bool high_speed = false;
    for (const auto& [id, socket] : registry.sockets) {
        if (socket.state != SocketState::listener || socket.closing) continue;
        wanted = std::max(wanted, std::bit_ceil(socket.options.receive_window_bytes));
        high_speed = high_speed || socket.options.high_speed;
    }
    high_speed = high_speed && registry.settings.receiver_profile != engine::ProfileName::lan;
    if (wanted == registry.receive_log_bytes && high_speed == registry.high_speed) return;
    registry.receive_log_bytes = wanted;
    registry.high_speed = high_speed;
    Command reclaim;
    reclaim.kind = Command::Kind::reclaim_spares;
    registry.post_all(reclaim);
}

void offer(Services& services, Socket& listener, Reception& session, bool from_start) {
    if (listener.pending.size() >= listener.backlog || !listener.offered.insert(session.id).second)
        return;
    Pending pending;
    pending.session_id = session.id;
    if (!from_start)
        pending.start_ordinal = session.memory.header->lead.load(std::memory_order_acquire);
    listener.pending.push_back(pending);
    ++session.waiting;
    services.wake(listener.endpoint);
}

void offer_running(Registry& registry, Services& services, Socket& listener) {
    for (auto& [id, session] : registry.receptions)
        if (session.state == Reception::State::open && !session.ended &&
            registry.wants(listener, session))
            offer(services, listener, session, false);
}

}  // namespace

bool refill_spares(Registry& registry, Services& services, std::uint32_t most) {
    if (!anybody_listens(registry)) return true;
    bool complete = true;
    for (std::uint32_t worker = 0; worker < registry.workers; ++worker) {
        while (registry.spares_of(worker) < registry.settings.spares_per_worker) {
            if (most == 0) {
                complete = false;
                break;
            }
            --most;
            if (!make_spare(registry, services, worker))
                return true;  // tried again at the next event or tick
        }
    }
    return complete;
}

OptionResult open_listener(Registry& registry, Services& services, Socket& socket,
                           std::uint32_t backlog) {
    if (!socket.options.receive_interfaces_chosen) {
        const int first = registry.first_available();
        if (first < 0)
            return {EADDRNOTAVAIL, "no interface is up; look at `fanfare status` and `ip link`"};
        if (auto form = check_form(registry, socket, static_cast<std::uint32_t>(first));
            form.error != 0)
            return form;
        socket.group = socket.bound;
        start_listening(registry, socket, static_cast<std::uint32_t>(first));
    } else {
        for (const auto interface : socket.options.receive_interfaces)
            if (auto form = check_form(registry, socket, interface); form.error != 0) return form;
        socket.group = socket.bound;
        for (const auto interface : socket.options.receive_interfaces)
            start_listening(registry, socket, interface);
    }
    socket.state = SocketState::listener;
    socket.backlog = std::clamp(backlog, 1u, registry.settings.backlog_max);
    settle_pool(registry);
    // A spare with each worker before this reply goes out: a sender may start right after it.
    for (std::uint32_t worker = 0; worker < registry.workers; ++worker) {
        if (registry.spares_of(worker) == 0 && !make_spare(registry, services, worker)) {
            close_listener(registry, socket);
            socket.state = SocketState::bound;
            return {ENOBUFS,
                    "no memory for a receive window of " +
                        std::to_string(registry.receive_log_bytes) +
                        " octets; lower memory.receive_window_mib or raise memory.total_mib"};
        }
    }
    offer_running(registry, services, socket);
    return {};
}

OptionResult take_pending(Registry& registry, Services& services, Socket& listener, Accepted& out) {
    if (listener.pending_lost) {
        listener.pending_lost = false;
        return {ECONNABORTED, "a session was lost while it waited to be accepted"};
    }
    while (!listener.pending.empty()) {
        const Pending pending = listener.pending.front();
        Reception* session = registry.reception(pending.session_id);
        if (session == nullptr || session->state != Reception::State::open) {
            listener.pending.pop_front();
            continue;
        }
        if (!session->charged_to_user &&
            !registry.budget.assign(listener.uid, session->charged_bytes)) {
            ++registry.counters.out_of_memory;
            return {
                ENOBUFS,
                "this user's receive windows take all of memory.per_user_mib; close some sessions"};
        }
        if (!session->charged_to_user) {
            session->charged_to_user = true;
            session->uid = listener.uid;
        }
        listener.pending.pop_front();
        --session->waiting;
        const auto& header = *session->memory.header;
        const std::uint64_t session_start = header.start_ordinal.load(std::memory_order_acquire);
        const std::uint64_t start =
            pending.start_ordinal != 0 ? pending.start_ordinal : session_start;
        if (start != 0 && is_overtaken(session->memory, start)) {
            close_if_unused(registry, *session);
            return {ECONNABORTED, "a session was overwritten while it waited to be accepted"};
        }
        out.session = session;
        out.start_ordinal = start;
        out.joined_late = header.joined_late.load(std::memory_order_relaxed) != 0 ||
                          (start != 0 && start > session_start);
        offer_running(registry, services, listener);  // there is room in the backlog again
        return {};
    }
    return {EAGAIN, "no session waits"};
}

void attach_reader(Registry& registry, Socket& reader, const Accepted& accepted) {
    Reception& session = *accepted.session;
    session.readers.push_back(reader.id);
    reader.state = SocketState::receiver;
    reader.session_id = session.id;
    reader.start_ordinal = accepted.start_ordinal;
    reader.group = session.group;
    reader.port = session.destination_port;
    reader.with_worker = true;
    Command attach;
    attach.kind = Command::Kind::attach_reader;
    attach.id = session.id;
    attach.socket_id = reader.id;
    attach.page = reader.page.page;
    attach.endpoint = reader.endpoint;
    registry.post(session.worker, attach);
}

void close_listener(Registry& registry, Socket& listener) {
    const auto listens = listener.listens;
    for (const auto& [interface, id] : listens) stop_listening(registry, listener, interface);
    const auto pending = std::move(listener.pending);
    listener.pending.clear();
    const auto offered = std::move(listener.offered);
    listener.offered.clear();
    for (const auto& p : pending)
        if (Reception* session = registry.reception(p.session_id)) --session->waiting;
    listener.closing = true;  // it wants nothing any more
    for (const auto id : offered)
        if (Reception* session = registry.reception(id)) close_if_unused(registry, *session);
    settle_pool(registry);
    listener.closing = false;
}

void close_reader(Registry& registry, Socket& reader) {
    Reception* session = registry.reception(reader.session_id);
    if (session == nullptr) return;
    auto& readers = session->readers;
    readers.erase(std::remove(readers.begin(), readers.end(), reader.id), readers.end());
    if (reader.with_worker) {
        Command detach;
        detach.kind = Command::Kind::detach_reader;
        detach.id = session->id;
        detach.socket_id = reader.id;
        registry.post(session->worker, detach);
    }
    close_if_unused(registry, *session);
}

void close_if_unused(Registry& registry, Reception& session) {
    if (session.state != Reception::State::open || !session.readers.empty() ||
        session.waiting != 0 || session.followed)
        return;
    if (!session.ended)
        for (const auto& [id, socket] : registry.sockets)
            if (registry.wants(socket, session)) return;
    session.state = Reception::State::closing;
    Command close;
    close.kind = Command::Kind::close_receive;
    close.id = session.id;
    close.receive = session.object;
    registry.post(session.worker, close);
}

void on_session_opened(Registry& registry, Services& services,
                       const dataplane::WorkerEvent& event) {
    Reception* session = registry.reception(event.id);
    if (session == nullptr || session->state != Reception::State::spare) return;
    session->state = Reception::State::open;
    session->tsi = event.tsi;
    session->source = event.source_address;
    session->group = event.group;
    session->destination_port = event.destination_port;
    session->udp_port = event.udp_port;
    session->interface = event.interface;
    ipc::set_identity(*session->memory.header, session->tsi, session->group, session->source,
                      session->destination_port);
    services.steer({session->id, session->tsi, false, session->interface, session->worker,
                    session->group, session->source, session->udp_port});
    for (auto& [id, socket] : registry.sockets)
        if (registry.wants(socket, *session)) offer(services, socket, *session, true);
    begin_following(registry, services, *session);
    if (session->waiting == 0 && !session->followed) ++registry.counters.sessions_not_wanted;
    close_if_unused(registry, *session);
}

void on_session_ended(Registry& registry, const dataplane::WorkerEvent& event) {
    Reception* session = registry.reception(event.id);
    if (session == nullptr) return;
    session->ended = true;
    session->end_state = event.state;
    session->cause = event.cause;
    close_if_unused(registry, *session);
}

void on_window_returned(Registry& registry, Services& services,
                        const dataplane::WorkerEvent& event) {
    auto found = registry.receptions.find(event.id);
    if (found == registry.receptions.end() || found->second.object != event.receive)
        found = std::find_if(registry.receptions.begin(), registry.receptions.end(),
                             [&](const auto& r) { return r.second.object == event.receive; });
    if (event.receive == nullptr || found == registry.receptions.end()) return;
    Reception& session = found->second;
    for (auto& [id, socket] : registry.sockets) {
        const bool waited =
            std::any_of(socket.pending.begin(), socket.pending.end(),
                        [&](const Pending& p) { return p.session_id == session.id; });
        if (waited) {
            std::erase_if(socket.pending,
                          [&](const Pending& p) { return p.session_id == session.id; });
            socket.pending_lost = true;
        }
        socket.offered.erase(session.id);
    }
    end_following(services, session);
    if (session.state != Reception::State::spare) services.unsteer(session.interface, session.id);
    services.free_receiver(session.object);
    services.free_receive_memory(session.memory);
    if (session.charged_to_user)
        registry.budget.release(session.uid, session.charged_bytes);
    else
        registry.budget.release(session.charged_bytes);
    registry.receptions.erase(found);
}

bool is_overtaken(const ReceiveMemory& memory, std::uint64_t ordinal) {
    auto& header = *memory.header;
    if (ordinal >= header.lead.load(std::memory_order_acquire))
        return false;  // waits for what comes next
    IndexEntry& entry = memory.index[ordinal & (memory.index_entries - 1)];
    // The worker may be writing this slot: what was read counts only if the ordinal is not given up
    // below.
    const std::uint32_t sqn = std::atomic_ref(entry.sqn).load(std::memory_order_relaxed);
    const std::uint32_t place = std::atomic_ref(entry.place).load(std::memory_order_relaxed);
    const std::uint16_t flags = std::atomic_ref(entry.flags).load(std::memory_order_relaxed);
    std::atomic_thread_fence(
        std::memory_order_acquire);  // pairs with the worker's fence after `reserved_*`
    const std::uint64_t reserved_ordinal = header.reserved_ordinal.load(std::memory_order_relaxed);
    const std::uint64_t reserved_log = header.reserved_log.load(std::memory_order_relaxed);
    if (ordinal + memory.index_entries < reserved_ordinal) return true;
    if (sqn != static_cast<std::uint32_t>(ordinal) || (flags & kEntryData) == 0) return false;
    // The entry names the low half of a position at or below reserved_log; a lap is far below 2^32.
    const std::uint64_t behind = static_cast<std::uint32_t>(reserved_log - place);
    return behind > memory.log_bytes;
}

void tick_readers(Registry& registry, Services& services) {
    for (auto& [id, socket] : registry.sockets) {
        if (socket.closing) continue;
        ipc::SocketPage& page = *socket.page.page;
        if (socket.state == SocketState::listener && !socket.pending.empty() &&
            ipc::take_sleeper(ipc::AtomicMemory{}, page.receive_sleeping))
            services.wake(socket.endpoint);
        if (socket.state != SocketState::receiver || socket.overtaken) continue;
        const Reception* session = registry.reception(socket.session_id);
        if (session == nullptr || session->memory.header == nullptr) continue;
        const auto& header = *session->memory.header;
        std::uint64_t cursor = page.cursor_ordinal.load(std::memory_order_acquire);
        if (cursor == 0) cursor = socket.start_ordinal;
        if (cursor == 0) cursor = header.start_ordinal.load(std::memory_order_acquire);
        if (cursor != 0 && is_overtaken(session->memory, cursor)) {
            socket.overtaken = true;
            ++registry.counters.readers_overtaken;
            page.overtaken.store(1, std::memory_order_release);  // partner: the client's recv
            services.hang_up(socket.endpoint);
            continue;
        }
        // The descriptor is level-triggered (ipc/socket_page.hpp): a reader that drained its octet
        // and then found something can't put it back. A reset is announced by hanging up.
        const auto state = static_cast<SessionState>(header.state.load(std::memory_order_acquire));
        const bool something =
            state == SessionState::finished ||
            (cursor != 0 && cursor < header.lead.load(std::memory_order_acquire));
        if (something && ipc::take_sleeper(ipc::AtomicMemory{}, page.receive_sleeping))
            services.wake(socket.endpoint);
    }
}

}  // namespace fanfare::control
