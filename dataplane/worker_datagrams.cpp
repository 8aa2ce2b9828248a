// Datagram sockets in the worker (dataplane/datagram_table.hpp): worker 0 matches UDP datagrams to
// sockets, copies them into their receive regions, and sends what their send regions hold.
#include <algorithm>
#include <atomic>
#include <cstring>

#include "dataplane/net/internet_checksum.hpp"
#include "dataplane/worker_core.hpp"
#include "ipc/wakeup.hpp"

namespace fanfare::dataplane {

namespace {

// Of one socket in one turn: its share beside sessions and other sockets.
constexpr std::size_t kSendsPerTurn = 32;

// How long a change of the table may wait for the port to take what was published before it: a send
// region of the largest size in a gigabit link's time. Commands behind it wait as long.
constexpr Nanos kDrain = 10 * kMillisecond;

// Sum over pseudo-header and UDP header; `udp` begins at the header (RFC 768).
std::uint32_t udp_sum(Address source, Address destination, std::span<const std::byte> udp) {
    std::uint32_t sum = net::internet_sum(udp);
    sum += (source.v4 >> 16) + (source.v4 & 0xFFFF);
    sum += (destination.v4 >> 16) + (destination.v4 & 0xFFFF);
    sum += net::kProtocolUdp + static_cast<std::uint32_t>(udp.size());
    return sum;
}

// Each word is loaded once: what was checked is what is used.
ipc::SentDatagram copy_head(const std::byte* from) {
    std::uint32_t words[4];
    for (int i = 0; i < 4; ++i) {
        words[i] =
            __atomic_load_n(reinterpret_cast<const std::uint32_t*>(from) + i, __ATOMIC_RELAXED);
    }
    ipc::SentDatagram head;
    static_assert(sizeof head == sizeof words);
    std::memcpy(&head, words, sizeof head);
    return head;
}

// Log position of the oldest octet that the reader has not taken.
std::uint64_t oldest_unread(const DatagramSocket& socket, std::uint64_t cursor) {
    if (cursor == socket.next_ordinal) return socket.log_head;
    const std::uint32_t place = socket.index[cursor & (socket.index_entries - 1)].place;
    return socket.log_head - (static_cast<std::uint32_t>(socket.log_head) - place);
}

// Appends one datagram to the receive region; false when its reader is too far behind.
bool append(DatagramSocket& socket, const ipc::ReceivedDatagram& head,
            std::span<const std::byte> payload) {
    const std::uint64_t length = sizeof head + payload.size();
    if (length > 0xFFFF || length > socket.log_bytes / 2) return false;
    std::uint64_t position = socket.log_head;
    const std::uint64_t to_end = socket.log_bytes - (position & (socket.log_bytes - 1));
    if (length > to_end) position += to_end;
    // A cursor out of reach is a lie, or not placed yet.
    std::uint64_t cursor = socket.page->cursor_ordinal.load(std::memory_order_acquire);
    if (cursor == 0) cursor = socket.first_ordinal;
    if (cursor > socket.next_ordinal || socket.next_ordinal - cursor > socket.index_entries)
        cursor = socket.next_ordinal;
    if (socket.next_ordinal - cursor >= socket.index_entries - 1 ||
        position + length - oldest_unread(socket, cursor) > socket.log_bytes) {
        return false;
    }
    // Partner: the reader's acquire fence before it loads these again (client/core/message_reader).
    socket.region->reserved_log.store(position + length, std::memory_order_relaxed);
    socket.region->reserved_ordinal.store(socket.next_ordinal + 1, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_release);
    std::byte* const to = socket.log + (position & (socket.log_bytes - 1));
    std::memcpy(to, &head, sizeof head);
    if (!payload.empty()) std::memcpy(to + sizeof head, payload.data(), payload.size());
    IndexEntry& entry = socket.index[socket.next_ordinal & (socket.index_entries - 1)];
    entry.sqn = static_cast<std::uint32_t>(socket.next_ordinal);
    entry.place = static_cast<std::uint32_t>(position);
    entry.length = static_cast<std::uint16_t>(length);
    entry.flags = kEntryData | kEntryMessageBegin | kEntryMessageEnd;
    entry.apdu_length = static_cast<std::uint32_t>(length);
    socket.log_head = position + length;
    ++socket.next_ordinal;
    // Partner: the reader's acquire; entry and payload were written before.
    socket.region->lead.store(socket.next_ordinal, std::memory_order_release);
    return true;
}

}  // namespace

// Whether the table may change. What was published before the change goes by the table of then: of
// sockets that close, everything. A turn's frames are not enough for that, so the command stays
// where it is for as many turns as it takes, up to kDrain.
bool WorkerCore::datagrams_drained(const DatagramTable* next, Nanos now) {
    if (datagrams_ == nullptr || config_.index != 0) return true;
    if (drain_until_ == 0) {
        drain_until_ = now + kDrain;
        for (const DatagramEntry& entry : datagrams_->entries) {
            DatagramSocket& socket = *entry.socket;
            // Partner: the client's release of tail. What it publishes from here on is too late.
            socket.former_tail = socket.send_region->tail.load(std::memory_order_acquire);
            socket.closing = true;
        }
        if (next != nullptr) {
            for (const DatagramEntry& entry : next->entries) {
                entry.socket->former_tail = entry.former_tail;
                entry.socket->closing = false;
            }
        }
    }
    for (std::size_t i = 0; i < kLent / kSendsPerTurn && send_datagrams(false, now) > 0; ++i) {
    }
    const auto waits = [](const DatagramEntry& entry) {
        const DatagramSocket& socket = *entry.socket;
        return !socket.failed && socket.send_position < socket.former_tail;
    };
    return now >= drain_until_ ||
           std::none_of(datagrams_->entries.begin(), datagrams_->entries.end(), waits);
}

// What a socket that closes could not send in time.
void WorkerCore::refuse_unsent(DatagramSocket& socket) {
    if (!socket.closing || socket.failed) return;
    std::uint64_t count = socket.has_pending ? 1 : 0;
    engine::Publish record;
    while (socket.cutter.cut(socket.send_tail, {&record, 1}) > 0) ++count;
    socket.has_pending = false;
    socket.refused.add(count);
    counters().datagrams_refused.add(count);
}

// Takes the new table and what IGMP tells by it; the control thread gets the former back.
void WorkerCore::set_datagrams(const DatagramTable* table, Nanos now) {
    const DatagramTable* const former = datagrams_;
    if (former != nullptr && config_.index == 0) {
        for (const DatagramEntry& entry : former->entries) refuse_unsent(*entry.socket);
        drain_until_ = 0;
    }
    datagrams_ = table;
    const auto before = [](const DatagramFilter& a, const DatagramFilter& b) {
        return a.interface != b.interface ? a.interface < b.interface : a.group < b.group;
    };
    const auto owned = [&](const DatagramFilter& filter) {
        return filter.interface < interfaces_.size() && interfaces_[filter.interface]->owned;
    };
    if (former != nullptr) {
        for (const DatagramFilter& old : former->filters) {
            const bool stays =
                table != nullptr &&
                std::binary_search(table->filters.begin(), table->filters.end(), old, before);
            if (stays || !owned(old)) continue;
            interfaces_[old.interface]->igmp.set_filter(old.group, false, {}, now);
            interfaces_[old.interface]->filter_changed = true;
        }
    }
    if (table != nullptr) {
        for (const DatagramFilter& filter : table->filters) {
            if (!owned(filter)) continue;
            Interface& on = *interfaces_[filter.interface];
            on.igmp.set_filter(filter.group, filter.exclude, filter.sources, now);
            on.filter_changed = true;
        }
    }
    if (former == nullptr) return;
    WorkerEvent event;
    event.kind = WorkerEvent::Kind::datagrams_replaced;
    event.id = former->version;
    events_.push(event);
}

// A UDP datagram on a port that carries no PGM. True when it was for datagram sockets.
bool WorkerCore::match_datagram(std::uint32_t interface, std::span<const std::byte> frame,
                                const net::Datagram& datagram) {
    const Interface& on = *interfaces_[interface];
    const Address source = datagram.ip.source, destination = datagram.ip.destination;
    // A kernel port's packets come without headers; datagrams of others are the kernel's there.
    if (on.datagrams || !datagrams_->wants_port(datagram.udp_port) || !on.up || source.is_none() ||
        source.is_multicast() || (destination != on.spec.address && !destination.is_multicast())) {
        return false;
    }
    if (config_.index != 0) return hand_over(0, FrameRing::Kind::received_frame, interface, frame);
    // parse_udp() judged the header that stands before the payload.
    const std::byte* const udp = datagram.payload.data() - net::kUdpSize;
    if (net::load16(udp + 6) != 0 &&
        net::internet_fold(udp_sum(source, destination,
                                   {udp, net::kUdpSize + datagram.payload.size()})) != 0xFFFF) {
        counters().datagrams_checksum_wrong.add();
        return true;
    }
    ipc::ReceivedDatagram head{};
    head.source = source;
    head.destination = destination;
    head.source_port = net::load16(udp);
    head.ttl = datagram.ip.ttl;
    head.tos = datagram.ip.tos;
    deliver_datagram(interface, head, datagram.udp_port, datagram.payload);
    return true;
}

// To every member's socket of a group, to one socket of an address.
void WorkerCore::deliver_datagram(std::uint32_t interface, ipc::ReceivedDatagram& head,
                                  std::uint16_t port, std::span<const std::byte> payload) {
    head.interface_index =
        interface < datagrams_->interfaces.size() ? datagrams_->interfaces[interface] : 0;
    head.interface_address = interfaces_[interface]->spec.address;
    const auto put = [&](const DatagramEntry& entry) {
        DatagramSocket& socket = *entry.socket;
        if (append(socket, head, payload)) {
            socket.received.add();
            counters().datagrams_received.add();
            socket.wake_reader = true;
            datagrams_touched_ = true;
        } else {
            socket.dropped_full.add();
            counters().datagrams_dropped_full.add();
        }
    };
    const bool multicast = head.destination.is_multicast();
    const DatagramEntry* best = nullptr;
    int best_score = -1;
    auto at = std::lower_bound(
        datagrams_->entries.begin(), datagrams_->entries.end(), port,
        [](const DatagramEntry& entry, std::uint16_t p) { return entry.port < p; });
    for (; at != datagrams_->entries.end() && at->port == port; ++at) {
        const bool connected = !at->peer.is_none();
        if (!at->bound.is_none() && at->bound != head.destination) continue;
        if (connected && (at->peer != head.source || at->peer_port != head.source_port)) continue;
        if (!multicast) {
            const int score = (connected ? 2 : 0) + (at->bound.is_none() ? 0 : 1);
            if (score >= best_score) {
                best = &*at;  // the youngest of several alike
                best_score = score;
            }
            continue;
        }
        for (const DatagramMembership& membership : at->memberships) {
            if (membership.interface != interface || membership.group != head.destination) continue;
            if (membership.wants(head.source)) put(*at);
            break;
        }
    }
    if (best != nullptr) put(*best);
}

// What datagram sockets published; with `heed_commands` only as far as no command waits, else as
// far as it was published before the table changes.
std::size_t WorkerCore::send_datagrams(bool heed_commands, Nanos now) {
    std::size_t work = 0;
    for (const DatagramEntry& entry : datagrams_->entries) {
        DatagramSocket& socket = *entry.socket;
        if (socket.failed) continue;
        // Partner: the client's release of tail; the records before it are written.
        std::uint64_t tail = socket.send_region->tail.load(std::memory_order_acquire);
        if (!heed_commands) tail = std::min(tail, std::max(socket.former_tail, socket.send_tail));
        if (tail == socket.send_position) continue;
        // An option that was set before this was sent may still wait as a command: it was posted
        // before the client's tail, so it can be seen here, and the next turn runs it first.
        if (heed_commands && link_.commands.front() != nullptr) return work + 1;
        work += send_of(entry, tail, now);
    }
    return work;
}

std::size_t WorkerCore::send_of(const DatagramEntry& entry, std::uint64_t tail, Nanos now) {
    DatagramSocket& socket = *entry.socket;
    const auto fail = [&] {
        socket.failed = true;
        counters().records_invalid.add();
        if (config_.wake.hang_up != nullptr)
            config_.wake.hang_up(config_.wake.context, socket.endpoint);
    };
    if (tail < socket.send_tail || tail - socket.send_position > socket.send_log_bytes) {
        fail();
        return 1;
    }
    socket.send_tail = tail;
    std::size_t count = 0;
    for (; count < kSendsPerTurn; ++count) {
        if (!socket.has_pending) {
            if (socket.cutter.cut(tail, {&socket.pending, 1}) == 0) break;
            socket.has_pending = true;
        }
        const engine::Publish& record = socket.pending;
        const bool broken =
            record.fragment || record.length < sizeof(ipc::SentDatagram) ||
            (socket.fault != nullptr && socket.fault->load(std::memory_order_relaxed) != 0);
        if (broken) {
            fail();
            return count + 1;
        }
        const ipc::SentDatagram head = copy_head(record.data);
        const std::span<const std::byte> payload(record.data + sizeof head,
                                                 record.length - sizeof head);
        if (!send_one(entry, head, payload, now)) break;  // no frame: the port is full
        socket.has_pending = false;
        socket.send_position = record.release_position;
    }
    if (socket.cutter.failed()) fail();
    if (!socket.has_pending) socket.send_position = socket.cutter.position();
    // Partner: the client's acquire: octets below (limit - log_bytes) are no longer read here.
    socket.send_region->limit.store(socket.send_position + socket.send_log_bytes,
                                    std::memory_order_release);
    socket.send_region->sent.store(socket.send_position, std::memory_order_release);
    socket.wake_writer = true;
    datagrams_touched_ = true;
    return count;
}

// Where a datagram leaves: what it says, the socket's interface for groups, the way of the prefix
// or of a gateway for addresses. kAnyInterface: nowhere.
std::uint32_t WorkerCore::datagram_interface(const DatagramEntry& entry,
                                             const ipc::SentDatagram& head) const {
    const auto usable = [&](std::size_t i) {
        const Interface& on = *interfaces_[i];
        return on.up && !on.gone && !on.datagrams && on.outlet != nullptr;
    };
    const auto find = [&](auto&& wanted) {
        for (std::size_t i = 0; i < interfaces_.size(); ++i) {
            if (usable(i) && wanted(*interfaces_[i])) return static_cast<std::uint32_t>(i);
        }
        return kAnyInterface;
    };
    if (!head.source.is_none() && head.source.v4 < (1u << 24)) {  // a number
        for (std::size_t i = 0; i < datagrams_->interfaces.size(); ++i) {
            if (datagrams_->interfaces[i] == head.source.v4 && i < interfaces_.size() && usable(i))
                return static_cast<std::uint32_t>(i);
        }
        return kAnyInterface;
    }
    if (!head.source.is_none()) {
        return find([&](const Interface& on) { return on.spec.address == head.source; });
    }
    if (head.destination.is_multicast()) {
        const std::uint32_t chosen = entry.multicast_interface;
        return chosen < interfaces_.size() && usable(chosen) ? chosen : kAnyInterface;
    }
    const std::uint32_t near = find([&](const Interface& on) {
        return net::on_link(on.spec.address, on.spec.prefix, head.destination);
    });
    if (near != kAnyInterface) return near;
    return find([](const Interface& on) { return !on.spec.gateway.is_none(); });
}

// False when there is no frame for it now; what can't be sent at all is counted and done with.
bool WorkerCore::send_one(const DatagramEntry& entry, const ipc::SentDatagram& head,
                          std::span<const std::byte> payload, Nanos now) {
    const auto refuse = [&] {
        entry.socket->refused.add();
        counters().datagrams_refused.add();
        return true;
    };
    const bool multicast = head.destination.is_multicast();
    const std::uint32_t interface = datagram_interface(entry, head);
    if (interface == kAnyInterface || head.port == 0 || head.destination.is_none() ||
        (!multicast && (head.destination.v4 >> 28) == 0xF)) {
        return refuse();
    }
    Interface& on = *interfaces_[interface];
    if (payload.size() + ipc::kDatagramHeaders > on.mtu) return refuse();
    const bool to_us = head.destination == on.spec.address;
    const std::uint8_t ttl = multicast ? entry.multicast_ttl : entry.ttl;
    if (!to_us && ttl > 0) {
        const auto frames = room(interface);
        if (frames.empty()) return false;
        engine::TxFrame& frame = frames[0];
        if (payload.size() > frame.capacity) return refuse();
        if (!payload.empty()) std::memcpy(frame.data, payload.data(), payload.size());
        frame.length = static_cast<std::uint16_t>(payload.size());
        frame.destination = head.destination;
        frame.ttl = ttl;
        frame.router_alert = false;
        frame.prepended = static_cast<std::uint16_t>(
            net::write_udp(frame.data - net::kUdpSize, {entry.port, head.port}, payload.size()));
        std::byte* const udp = frame.data - net::kUdpSize;
        const auto sum = static_cast<std::uint16_t>(~net::internet_fold(
            udp_sum(on.link.address, head.destination, {udp, net::kUdpSize + payload.size()})));
        net::store16(udp + 6, sum == 0 ? 0xFFFF : sum);  // 0 would say that there is none
        net::Ipv4Header ip;
        ip.source = on.link.address;
        ip.destination = head.destination;
        ip.protocol = net::kProtocolUdp;
        ip.ttl = ttl;
        ip.tos = static_cast<std::uint8_t>(on.link.dscp << 2);
        net::prepend_ipv4(frame, ip);
        const std::size_t place = on.outlet->queue.commit();
        on.outlet->queue.note(place).interface = interface;
        route(on, interface, place, nullptr, now);
    }
    entry.socket->sent.add();
    counters().datagrams_sent.add();
    if (to_us || (multicast && entry.multicast_loop)) {
        ipc::ReceivedDatagram looped{};
        looped.source = on.spec.address;
        looped.destination = head.destination;
        looped.source_port = entry.port;
        looped.ttl = ttl;
        deliver_datagram(interface, looped, head.port, payload);
    }
    return true;
}

// As wake() does for sessions: one fence behind all counters, a flag that lies costs one wake-up
// per interval at most.
void WorkerCore::wake_datagrams(Nanos now) {
    if (!datagrams_touched_) return;
    datagrams_touched_ = false;
    if (datagrams_ == nullptr) return;
    ipc::AtomicMemory memory;
    ipc::publish_fence(memory);
    const auto wake_one = [&](DatagramSocket& socket, bool& wanted, ipc::AtomicMemory::Flag& flag,
                              void (*call)(void*, int)) {
        if (!wanted) return;
        wanted = memory.load_relaxed(flag) != 0;
        if (!wanted) return;
        const Nanos may_wake = socket.woken_at + ipc::kWakeIntervalNanos;
        if (now < may_wake) {
            wake_at_ = std::min(wake_at_, may_wake);
            datagrams_touched_ = true;
            return;
        }
        wanted = false;
        if (!ipc::take_sleeper(memory, flag)) return;
        socket.woken_at = now;
        counters().wakeups.add();
        if (call != nullptr) call(config_.wake.context, socket.endpoint);
    };
    for (const DatagramEntry& entry : datagrams_->entries) {
        DatagramSocket& socket = *entry.socket;
        wake_one(socket, socket.wake_reader, socket.page->receive_sleeping, config_.wake.readable);
        wake_one(socket, socket.wake_writer, socket.page->send_sleeping, config_.wake.writable);
    }
}

}  // namespace fanfare::dataplane
