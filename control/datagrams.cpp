#include "control/datagrams.hpp"

#include <algorithm>
#include <cerrno>
#include <map>

#include "control/endings.hpp"
#include "control/group_filter.hpp"
#include "control/text.hpp"
#include "ipc/datagram.hpp"
#include "ipc/layout.hpp"
#include "ipc/wakeup.hpp"

namespace fanfare::control {
namespace {

// Room for some hundred datagrams of the largest size, and thousands of small ones: what a reader
// that sleeps for a scheduler's turn misses at a few hundred Mbit/s.
constexpr std::uint64_t kReceiveLogBytes = 1u << 20;
constexpr std::uint32_t kReceiveEntries = 8192;
constexpr std::uint64_t kSendLogBytes = 256u << 10;
// RFC 6335: ports for whoever names none.
constexpr std::uint32_t kDynamicFirst = 49152, kDynamicCount = 16384;
constexpr std::uint16_t kPrivilegedPorts = 1024;
// Where ordinals begin, as in every receive window (engine/core/window_layout.hpp).
constexpr std::uint64_t kFirstOrdinal = std::uint64_t{1} << 32;

std::uint32_t largest_payload(const Registry& registry) {
    std::uint32_t mtu = 0;
    for (const Interface& interface : registry.interfaces)
        mtu = std::max<std::uint32_t>(mtu, interface.mtu);
    return mtu > ipc::kDatagramHeaders ? mtu - ipc::kDatagramHeaders : 0;
}

bool port_in_use(const Registry& registry, std::uint16_t port) {
    return std::any_of(registry.sockets.begin(), registry.sockets.end(), [&](const auto& s) {
        return s.second.datagram && !s.second.closing && s.second.port == port;
    });
}

std::shared_ptr<dataplane::DatagramSocket> make_object(const Socket& socket,
                                                       std::uint32_t payload_max) {
    const DatagramState& state = *socket.datagram;
    auto object = std::make_shared<dataplane::DatagramSocket>();
    object->socket_id = socket.id;
    object->region = state.receive.header;
    object->index = state.receive.index;
    object->index_entries = state.receive.index_entries;
    object->log = state.receive.log;
    object->log_bytes = state.receive.log_bytes;
    object->send_region = state.send.header;
    object->send_log_bytes = state.send.log_bytes;
    object->fault = state.send.fault;
    object->page = socket.page.page;
    object->endpoint = socket.endpoint;
    object->first_ordinal = object->next_ordinal = kFirstOrdinal;
    const auto record = static_cast<std::uint16_t>(payload_max + sizeof(ipc::SentDatagram));
    object->cutter = {state.send.log, state.send.log_bytes, ipc::SendFormat::message, record,
                      record};
    state.receive.header->start_ordinal.store(kFirstOrdinal, std::memory_order_relaxed);
    // Nobody reads or writes it yet.
    state.receive.header->lead.store(kFirstOrdinal, std::memory_order_relaxed);
    return object;
}

std::uint32_t multicast_interface(const Registry& registry, const DatagramState& state) {
    for (std::uint32_t i = 0; i < registry.interfaces.size(); ++i) {
        const Interface& interface = registry.interfaces[i];
        const bool chosen = state.multicast_interface.is_none()
                                ? interface.available() && !interface.udp_only
                                : interface.spec.address == state.multicast_interface;
        if (chosen) return i;
    }
    return dataplane::kAnyInterface;
}

dataplane::DatagramEntry entry_of(const Registry& registry, const Socket& socket) {
    const DatagramState& state = *socket.datagram;
    dataplane::DatagramEntry entry;
    entry.socket = state.object;
    entry.port = socket.port;
    entry.bound = socket.bound;
    entry.peer = state.peer;
    entry.peer_port = state.peer_port;
    entry.multicast_interface = multicast_interface(registry, state);
    entry.multicast_ttl = state.multicast_ttl;
    entry.ttl = state.ttl;
    entry.multicast_loop = state.multicast_loop;
    // Partner: the client's release. Who asked for the change published before, or does after.
    entry.former_tail = state.send.header->tail.load(std::memory_order_acquire);
    for (const auto& [key, membership] : state.memberships) {
        if (!membership.is_member()) continue;
        dataplane::DatagramMembership wish;
        wish.interface = key.first;
        wish.group = key.second;
        wish.any_source = membership.any_source();
        wish.sources = membership.sources();
        std::sort(wish.sources.begin(), wish.sources.end());
        entry.memberships.push_back(std::move(wish));
    }
    return entry;
}

}  // namespace

OptionResult open_datagram(Registry& registry, Services& services, Socket& socket) {
    const std::uint64_t charge =
        ipc::ReceiveLayout::for_log(kReceiveLogBytes, kReceiveEntries).total_bytes +
        ipc::SendLayout::for_log(kSendLogBytes).total_bytes;
    const std::string wish = "no memory for a datagram socket's " + std::to_string(charge) +
                             " octets; raise memory.per_user_mib or memory.total_mib";
    if (!registry.budget.charge(socket.uid, charge)) {
        ++registry.counters.out_of_memory;
        return {ENOBUFS, wish};
    }
    auto state = std::make_unique<DatagramState>();
    const std::uint32_t payload_max = largest_payload(registry);
    const std::uint32_t record = payload_max + sizeof(ipc::SentDatagram);
    int error = services.make_receive_memory({socket.id, kReceiveLogBytes, kReceiveEntries},
                                             state->receive);
    if (error == 0) {
        SendMemorySpec send;
        send.session_id = socket.id;
        send.log_bytes = kSendLogBytes;
        send.largest_tsdu = send.largest_fragment = record;
        error = services.make_send_memory(send, state->send);
        if (error != 0) services.free_receive_memory(state->receive);
    }
    if (error != 0) {
        ++registry.counters.out_of_memory;
        registry.budget.release(socket.uid, charge);
        return {ENOBUFS, wish};
    }
    state->charged_bytes = charge;
    state->largest_payload = payload_max;
    socket.datagram = std::move(state);
    socket.state = SocketState::datagram;
    socket.datagram->object = make_object(socket, payload_max);
    socket.with_worker = true;
    post_datagrams(registry);
    return {};
}

void free_datagram(Registry& registry, Services& services, Socket& socket) {
    DatagramState& state = *socket.datagram;
    services.free_receive_memory(state.receive);
    services.free_send_memory(state.send);
    registry.budget.release(socket.uid, state.charged_bytes);
    socket.datagram.reset();
}

OptionResult bind_datagram(Registry& registry, Services& services, Socket& socket, Address address,
                           std::uint16_t port) {
    if (socket.port != 0) return {EINVAL, "the socket is bound already"};
    if (!address.is_none() && !address.is_multicast() && registry.interface_with(address) < 0)
        return {EADDRNOTAVAIL,
                to_string(address) + " is neither a group nor an interface's address"};
    if (port != 0 && port < kPrivilegedPorts && socket.uid != 0)
        return {EACCES, "ports below 1024 are root's"};
    if (port == 0) {
        const std::uint64_t first = services.random() % kDynamicCount;
        for (std::uint32_t i = 0; i < kDynamicCount && port == 0; ++i) {
            const auto next =
                static_cast<std::uint16_t>(kDynamicFirst + (first + i) % kDynamicCount);
            if (!port_in_use(registry, next)) port = next;
        }
        if (port == 0) return {EADDRINUSE, "every dynamic port is taken"};
    }
    for (const auto& [id, other] : registry.sockets) {
        if (!other.datagram || other.closing || other.port != port) continue;
        const bool overlap = other.bound == address || other.bound.is_none() || address.is_none();
        if (overlap && !(other.options.reuse_address && socket.options.reuse_address))
            return {EADDRINUSE,
                    "port " + std::to_string(port) +
                        " is bound by another socket; set SO_REUSEADDR on both to share it"};
    }
    socket.bound = address;
    socket.port = port;
    post_datagrams(registry);
    return {};
}

OptionResult connect_datagram(Registry& registry, Services& services, Socket& socket,
                              Address address, std::uint16_t port) {
    if (!address.is_none() && port == 0) return {EADDRNOTAVAIL, "a peer has a port"};
    if (socket.port == 0) {
        const OptionResult bound = bind_datagram(registry, services, socket, {}, 0);
        if (bound.error != 0) return bound;
    }
    socket.datagram->peer = address;
    socket.datagram->peer_port = address.is_none() ? std::uint16_t{0} : port;
    post_datagrams(registry);
    return {};
}

Address local_address(const Registry& registry, const Socket& socket) {
    const Address peer = socket.datagram->peer;
    if (!socket.bound.is_none() || peer.is_none()) return socket.bound;
    // The worker's choice (WorkerCore::datagram_interface), which has no way to tell.
    const auto& all = registry.interfaces;
    if (peer.is_multicast()) {
        const std::uint32_t chosen = multicast_interface(registry, *socket.datagram);
        return chosen < all.size() ? all[chosen].spec.address : Address{};
    }
    const auto find = [&](auto&& wanted) {
        const auto found = std::find_if(all.begin(), all.end(), [&](const Interface& on) {
            return on.available() && !on.udp_only && wanted(on.spec);
        });
        return found != all.end() ? found->spec.address : Address{};
    };
    const Address near = find([&](const dataplane::InterfaceSpec& on) {
        return std::uint64_t{on.address.v4 ^ peer.v4} >> (32 - on.prefix) == 0;
    });
    if (!near.is_none()) return near;
    return find([](const dataplane::InterfaceSpec& on) { return !on.gateway.is_none(); });
}

void close_datagram(Registry& registry, Socket& socket) {
    socket.closing = true;
    socket.datagram->object.reset();
    post_datagrams(registry);
    socket.datagram->gone_with = registry.datagram_tables.version;
}

void post_datagrams(Registry& registry) {
    DatagramTables& tables = registry.datagram_tables;
    auto table = std::make_unique<dataplane::DatagramTable>();
    table->version = ++tables.version;
    table->ports.resize(65536 / 64);
    std::map<std::pair<std::uint32_t, Address>, GroupFilterMerge> wishes;
    // Sockets stand in the order of their ids, hence of their ages.
    for (const auto& [id, socket] : registry.sockets) {
        if (!socket.datagram || socket.closing || !socket.datagram->object) continue;
        table->entries.push_back(entry_of(registry, socket));
        table->ports[socket.port / 64] |= std::uint64_t{socket.port != 0} << (socket.port % 64);
        for (const auto& [key, membership] : socket.datagram->memberships)
            if (membership.is_member())
                wishes[key].add(membership.any_source(), membership.sources());
    }
    std::stable_sort(table->entries.begin(), table->entries.end(),
                     [](const auto& a, const auto& b) { return a.port < b.port; });
    for (const auto& [key, merge] : wishes) {
        GroupFilter merged = merge.result(Membership::kSourcesMax);
        table->filters.push_back(
            {key.first, key.second, merged.exclude, std::move(merged.sources)});
    }
    for (std::uint32_t i = 0; i < registry.interfaces.size(); ++i)
        table->interfaces.push_back(registry.interface_index(i));
    dataplane::Command command;
    command.kind = dataplane::Command::Kind::set_datagrams;
    command.id = table->version;
    command.datagrams = table.get();
    registry.post_all(command);
    tables.posted.push_back({std::move(table), registry.workers});
}

void on_datagrams_replaced(Registry& registry, Services& services, std::uint64_t version) {
    auto& posted = registry.datagram_tables.posted;
    const auto found = std::find_if(posted.begin(), posted.end(),
                                    [&](const auto& p) { return p.table->version == version; });
    if (found == posted.end() || --found->workers_left > 0) return;
    posted.erase(found);
    std::uint64_t oldest = registry.datagram_tables.version + 1;
    for (const auto& p : posted) oldest = std::min(oldest, p.table->version);
    std::vector<std::uint64_t> gone;
    for (const auto& [id, socket] : registry.sockets)
        if (socket.datagram && socket.closing && socket.datagram->gone_with <= oldest)
            gone.push_back(id);
    for (const auto id : gone) on_detached(registry, services, id);
}

void tick_datagrams(Registry& registry, Services& services) {
    for (auto& [id, socket] : registry.sockets) {
        if (!socket.datagram || socket.closing) continue;
        ipc::SocketPage& page = *socket.page.page;
        const auto& receive = *socket.datagram->receive.header;
        const auto& send = *socket.datagram->send.header;
        const std::uint64_t cursor = page.cursor_ordinal.load(std::memory_order_acquire);
        if (std::max(cursor, kFirstOrdinal) < receive.lead.load(std::memory_order_acquire) &&
            ipc::take_sleeper(ipc::AtomicMemory{}, page.receive_sleeping))
            services.wake(socket.endpoint);
        if (send.tail.load(std::memory_order_relaxed) <
                send.limit.load(std::memory_order_relaxed) &&
            ipc::take_sleeper(ipc::AtomicMemory{}, page.send_sleeping))
            services.drain(socket.endpoint);
    }
}

void show_datagram_readiness(Services& services, const Socket& socket) {
    const std::uint64_t cursor = socket.page.page->cursor_ordinal.load(std::memory_order_acquire);
    const auto& receive = *socket.datagram->receive.header;
    if (std::max(cursor, kFirstOrdinal) < receive.lead.load(std::memory_order_acquire))
        services.wake(socket.endpoint);
    const auto& send = *socket.datagram->send.header;
    if (send.tail.load(std::memory_order_relaxed) < send.limit.load(std::memory_order_relaxed))
        services.drain(socket.endpoint);
}

}  // namespace fanfare::control
