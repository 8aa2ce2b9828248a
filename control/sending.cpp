#include "control/sending.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <utility>

#include "control/text.hpp"
#include "ipc/layout.hpp"
#include "ipc/wakeup.hpp"

namespace fanfare::control {
namespace {

constexpr std::uint8_t kResetByApplication = 0;  // OPT_RST error code (RFC 3208 section 9.8.4)

ipc::SendFormat format_of(const Socket& socket) {
    if (socket.type == ipc::SocketType::stream) return ipc::SendFormat::stream;
    return socket.options.source.packed ? ipc::SendFormat::packed : ipc::SendFormat::message;
}

// Which interface a sender leaves by (MH-1, MH-5, MH-8); `error` says why none does.
int choose_interface(const Registry& registry, const Socket& socket, OptionResult& error) {
    const Address chosen = socket.options.send_interface;
    if (chosen.is_none()) {
        const int first = registry.first_available();
        if (first < 0)
            error = {ENETUNREACH, "no interface is up; look at `fanfare status` and `ip link`"};
        return first;
    }
    const int found = registry.interface_with(chosen);
    if (found >= 0 && registry.interfaces[static_cast<std::size_t>(found)].available())
        return found;
    error = {ENETDOWN, "the interface with " + to_string(chosen) + " is down or gone"};
    return -1;
}

// Figures of the session from what was set on the socket.
engine::SourceParameters parameters_of(const Socket& socket) {
    engine::SourceParameters parameters = socket.options.source;
    // Room in each packet for fragments' options is kept only where there can be fragments.
    if (socket.type == ipc::SocketType::stream) parameters.fragments = false;
    if (!socket.options.fec_on) return parameters;
    const RmFecInfo& fec = socket.options.fec;
    parameters.parity = {fec.group_size, static_cast<std::uint8_t>(fec.block_size),
                         static_cast<std::uint8_t>(fec.proactive_packets), fec.on_demand != 0};
    return parameters;
}

}  // namespace

OptionResult open_sender(Registry& registry, Services& services, Socket& socket, Address group,
                         std::uint16_t port, Nanos now) {
    const SocketOptions& options = socket.options;
    if (options.fec_on && options.profile == engine::ProfileName::openpgm)
        return {EOPNOTSUPP,
                "the receivers of profile openpgm cannot take parity: connect without RM_USE_FEC, "
                "or in another profile"};
    OptionResult error;
    const int found = choose_interface(registry, socket, error);
    if (found < 0) return error;
    const auto interface = static_cast<std::uint32_t>(found);
    const Interface& leaves_by = registry.interfaces[interface];
    error = check_form(registry, socket, interface);
    if (error.error != 0) return error;

    const std::uint64_t log_bytes = std::bit_ceil(
        std::clamp(options.source.window_bytes, ipc::kLogBytesMin, ipc::kLogBytesMax));
    const std::uint64_t charge = ipc::SendLayout::for_log(log_bytes).total_bytes;
    if (!registry.budget.charge(socket.uid, charge)) {
        ++registry.counters.out_of_memory;
        return {ENOBUFS,
                "the window's " + std::to_string(charge) +
                    " octets go beyond memory.per_user_mib or memory.total_mib; windows of "
                    "ended sessions count until they have passed"};
    }
    const auto source_port = registry.ports.take(services.random(), now);
    if (!source_port) {
        registry.budget.release(socket.uid, charge);
        return {EADDRNOTAVAIL, "all source ports are in use or at rest; try again in a minute"};
    }

    SendSession session;
    session.id = registry.new_id();
    session.socket_id = socket.id;
    session.uid = socket.uid;
    session.tsi = {registry.settings.gsi, *source_port};
    session.worker = dataplane::owner_of(session.tsi, registry.workers);
    session.interface = interface;
    session.group = group;
    session.destination_port = port;
    session.udp_port = options.udp_port;
    session.parameters = parameters_of(socket);
    session.charged_bytes = charge;

    const bool udp = options.udp_port != 0;
    SendMemorySpec memory;
    memory.session_id = session.id;
    memory.log_bytes = log_bytes;
    memory.format = format_of(socket);
    memory.largest_tsdu = engine::largest_tsdu(session.parameters, leaves_by.mtu, udp, false);
    memory.largest_fragment = engine::largest_tsdu(session.parameters, leaves_by.mtu, udp, true);
    int made = services.make_send_memory(memory, session.memory);
    if (made == 0) {
        dataplane::SourceSpec spec;
        spec.session_id = session.id;
        spec.parameters = session.parameters;
        spec.identity.tsi = session.tsi;
        spec.identity.destination_port = port;
        spec.identity.group = group;
        spec.identity.nla = leaves_by.spec.address;
        spec.identity.seed = services.random();
        spec.interface = interface;
        spec.mtu = leaves_by.mtu;
        spec.udp_port = options.udp_port;
        spec.loopback = options.loopback;
        spec.region = session.memory.header;
        spec.log = session.memory.log;
        spec.log_bytes = session.memory.log_bytes;
        spec.format = memory.format;
        spec.page = socket.page.page;
        spec.endpoint = socket.endpoint;
        spec.fault = session.memory.fault;
        session.object = services.make_source(spec);
        if (session.object == nullptr) {
            services.free_send_memory(session.memory);
            made = ENOBUFS;
        }
    }
    if (made != 0) {
        ++registry.counters.out_of_memory;
        registry.ports.give_back(*source_port, now);
        registry.budget.release(socket.uid, charge);
        return {ENOBUFS, "the machine has no memory for a window of " + std::to_string(log_bytes) +
                             " octets"};
    }

    dataplane::Command open;
    open.kind = dataplane::Command::Kind::open_source;
    open.id = session.id;
    open.socket_id = socket.id;
    open.source = session.object;
    open.page = socket.page.page;
    open.endpoint = socket.endpoint;
    open.interface = interface;
    registry.post(session.worker, open);
    registry.ports.note_window(options.source.window_ns);
    services.steer({session.id, session.tsi, true, interface, session.worker, group,
                    leaves_by.spec.address, options.udp_port});

    socket.state = SocketState::sender;
    socket.group = group;
    socket.port = port;
    socket.session_id = session.id;
    socket.with_worker = true;
    socket.options.send_interface = leaves_by.spec.address;
    registry.send_sessions.emplace(session.id, std::move(session));
    return {};
}

void finish_sender(Registry& registry, SendSession& session, bool lingers) {
    if (session.done || session.finishing) return;
    session.finishing = true;
    session.lingers = lingers;
    dataplane::Command finish;
    finish.kind = dataplane::Command::Kind::finish_source;
    finish.id = session.id;
    registry.post(session.worker, finish);
}

void abort_sender(Registry& registry, SendSession& session, ResetCause cause) {
    if (session.done) return;
    session.finishing = true;
    session.cause = cause;
    dataplane::Command abort;
    abort.kind = dataplane::Command::Kind::abort_source;
    abort.id = session.id;
    abort.cause = cause;
    abort.error = kResetByApplication;
    registry.post(session.worker, abort);
}

void on_source_ended(Registry& registry, const dataplane::WorkerEvent& event) {
    SendSession* session = registry.send_session(event.id);
    if (session == nullptr) return;
    session->ended = true;
    session->cause = event.cause;
}

void on_source_done(Registry& registry, Services& services, const dataplane::WorkerEvent& event,
                    Nanos now) {
    // The event names the object; its id may be the worker's to leave out.
    SendSession* session = registry.send_session(event.id);
    if (session == nullptr || session->object != event.source) {
        const auto found =
            std::find_if(registry.send_sessions.begin(), registry.send_sessions.end(),
                         [&](const auto& s) { return s.second.object == event.source; });
        if (event.source == nullptr || found == registry.send_sessions.end()) return;
        session = &found->second;
    }
    engine::SourceStatistics statistics;
    Sqn trail = 0, lead = 0;
    if (services.read_statistics(session->object, statistics, trail, lead)) {
        session->last_statistics = statistics;
        session->last_trail = trail;
        session->last_lead = lead;
    }
    services.unsteer(session->interface, session->id);
    services.free_source(session->object);
    session->object = nullptr;
    services.free_send_memory(session->memory);
    session->memory = {};
    registry.budget.release(session->uid, session->charged_bytes);
    session->charged_bytes = 0;
    registry.ports.give_back(session->tsi.source_port, now);
    session->ended = session->done = true;
    // Its figures stay readable until the socket is closed (wsrm.md 3.3).
    if (session->socket_id == 0) registry.send_sessions.erase(session->id);
}

void tick_senders(Registry& registry, Services& services, Nanos now) {
    for (auto& [id, socket] : registry.sockets) {
        if (socket.state != SocketState::sender || socket.closing) continue;
        const SendSession* session = registry.send_session(socket.session_id);
        if (session == nullptr || session->memory.header == nullptr) continue;
        // Level-triggered, as for readers: room that a sleeping sender has not seen.
        const auto& header = *session->memory.header;
        if (header.tail.load(std::memory_order_relaxed) <
                header.limit.load(std::memory_order_relaxed) &&
            ipc::take_sleeper(ipc::AtomicMemory{}, socket.page.page->send_sleeping))
            services.drain(socket.endpoint);
    }
    for (auto& [id, session] : registry.send_sessions) {
        if (!session.lingers || session.done || session.memory.header == nullptr) continue;
        const auto& header = *session.memory.header;
        if (session.drop_at == kNever) {
            const bool all_sent = session.ended || header.sent.load(std::memory_order_relaxed) >=
                                                       header.tail.load(std::memory_order_relaxed);
            if (all_sent) session.drop_at = now + registry.settings.close_linger_ns;
        } else if (now >= session.drop_at) {
            session.lingers = false;
            dataplane::Command drop;
            drop.kind = dataplane::Command::Kind::drop_source;
            drop.id = id;
            registry.post(session.worker, drop);
        }
    }
}

}  // namespace fanfare::control
