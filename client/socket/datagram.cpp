// Datagram sockets: sending and receiving (wsrm.md section 7; recvfrom and sendto as POSIX has
// them). Waiting is that of sessions (socket_data.cpp).
#include <arpa/inet.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "client/core/racy_memory.hpp"
#include "client/socket/asking.hpp"
#include "client/socket/last_error.hpp"
#include "client/socket/page_lock.hpp"
#include "client/socket/signals_held.hpp"
#include "client/socket/socket.hpp"
#include "ipc/datagram.hpp"

namespace fanfare::client {

namespace {

int wrong_memory() {
    return fail(EPROTO, "the daemon passed memory of another layout; library and daemon differ");
}

in_addr network_order(Address address) {
    return in_addr{htonl(address.v4)};
}

// A peer as the page keeps it, so that every holder knows it: 0 is none.
std::uint64_t packed_peer(const sockaddr_in& peer) {
    return (std::uint64_t{ntohl(peer.sin_addr.s_addr)} << 16) | ntohs(peer.sin_port);
}

}  // namespace

// Maps the regions of a datagram socket, new or found.
int Socket::adopt_datagram() {
    ipc::IdRequest wish{};
    ipc::DatagramReply reply;
    Descriptors descriptors;
    if (const int error = ask(ipc::RequestType::datagram, wish, reply, descriptors); error != 0)
        return error;
    ipc::MemoryFailure failure;
    auto receive = ipc::Mapping::read_only(descriptors[0].get(), ipc::kPageSize, failure);
    if (!receive) return fail(failure.error, failure.text);
    auto send = ipc::Mapping::read_write(descriptors[1].get(), ipc::kPageSize, failure);
    if (!send) return fail(failure.error, failure.text);
    auto worker = ipc::Mapping::read_only(descriptors[2].get(), sizeof(ipc::WorkerPage), failure);
    if (!worker) return fail(failure.error, failure.text);
    const auto read_view = ipc::ReceiveView::open(receive->memory());
    const auto write_view = ipc::SendView::open(send->memory());
    worker_page_ = ipc::open_worker_page(worker->memory());
    if (!read_view || !write_view || worker_page_ == nullptr || !descriptors[3])
        return wrong_memory();
    region_memory_ = std::move(*receive);
    send_memory_ = std::move(*send);
    worker_memory_ = std::move(*worker);
    doorbell_ = HiddenDescriptor(std::move(descriptors[3]));
    reader_.emplace(*read_view, *page_, ReadMode::message);
    writer_.emplace(*write_view, *page_);
    largest_datagram_ = reply.largest_payload;
    role_.store(Role::datagram, std::memory_order_release);
    return 0;
}

int Socket::connect_datagram(const sockaddr_in* peer) {
    const QuietLock lock(control_);
    ipc::AddressRequest request{};
    if (peer != nullptr) {
        request.address = Address{ntohl(peer->sin_addr.s_addr)};
        request.port = ntohs(peer->sin_port);
    }
    ipc::ConnectReply reply;
    Descriptors none;
    if (const int error = ask(ipc::RequestType::connect, request, reply, none); error != 0)
        return error;
    page_->datagram_bound = 1;
    page_->datagram_peer = peer != nullptr ? packed_peer(*peer) : 0;
    return 0;
}

// Who sends or receives without bind has a port of the dynamic ones, as with any kernel.
int Socket::bind_datagram_if_needed() {
    if (page_->datagram_bound.load(std::memory_order_relaxed) != 0) return 0;
    sockaddr_in any{};
    any.sin_family = AF_INET;
    const int error = bind(any);
    // Another thread or holder may have been first.
    if (error == EINVAL) page_->datagram_bound = 1;
    return error == EINVAL ? 0 : error;
}

int Socket::send_datagram(std::span<const DataPart> parts, int flags, const sockaddr_in* to,
                          in_addr from) {
    if ((flags & MSG_OOB) != 0) return fail(EOPNOTSUPP, "there is no out-of-band data");
    if (page_->shut_write != 0) return fail(EPIPE, "the socket was shut down for sending");
    ipc::SentDatagram head{};
    const std::uint64_t peer = page_->datagram_peer.load(std::memory_order_relaxed);
    if (to == nullptr && peer == 0)
        return fail(EDESTADDRREQ, "name a destination, or connect to one");
    const std::uint64_t target = to != nullptr ? packed_peer(*to) : peer;
    head.destination = Address{static_cast<std::uint32_t>(target >> 16)};
    head.port = static_cast<std::uint16_t>(target);
    head.source = Address{ntohl(from.s_addr)};
    if (head.port == 0) return fail(EINVAL, "a destination has a port");
    if (head.destination.is_none()) return fail(ENETUNREACH, "0.0.0.0 is no destination");
    if (!head.destination.is_multicast() && (head.destination.v4 >> 28) == 0xF)
        return fail(EACCES, "datagrams are not broadcast");
    if (total_bytes(parts) > largest_datagram_)
        return fail(EMSGSIZE,
                    "the datagram is larger than the interface's MTU leaves room for; it "
                    "is not fragmented");
    if (const int error = bind_datagram_if_needed(); error != 0) return error;
    std::vector<DataPart> all;
    all.reserve(parts.size() + 1);
    all.push_back({reinterpret_cast<const std::byte*>(&head), sizeof head});
    all.insert(all.end(), parts.begin(), parts.end());
    Patience patience;
    for (;;) {
        WriteResult result;
        MessageWriter::Seen seen;
        {
            const PageLock held(page_->lock);
            result = writer_->try_send(all);
            seen = writer_->seen();
        }
        if (result.status == WriteStatus::done) {
            ring();
            if (readiness_always_true) settle_writable();
            return 0;
        }
        if (result.status == WriteStatus::reset) return reset_error(result.cause);
        if (result.status == WriteStatus::too_large)
            return fail(EMSGSIZE, "the datagram is larger than a datagram can be");
        const bool blocking = may_block(flags);
        if (patience.deadline == 0) patience.deadline = deadline_after(page_->send_timeout_ns);
        if (const int error = wait_for_room(seen, blocking, patience); error != 0) return error;
        if (closed_) return fail(EBADF, "the socket was closed meanwhile");
        if (page_->shut_write != 0) return fail(EPIPE, "the socket was shut down for sending");
    }
}

int Socket::receive_datagram(std::span<const RoomPart> parts, int flags, DatagramReceived& out) {
    out = {};
    if ((flags & (MSG_OOB | MSG_ERRQUEUE)) != 0)
        return fail((flags & MSG_OOB) != 0 ? EOPNOTSUPP : EAGAIN, "there is nothing of that kind");
    Patience patience;
    int rounds = 0;
    for (;;) {
        ReadResult result;
        MessageReader::Seen seen;
        bool sound = true;
        {
            const PageLock held(page_->lock);
            ReceivedView view;
            std::size_t count = 0;
            result = reader_->peek(std::span(&view, 1), count);
            seen = reader_->seen();
            if (count != 0) {
                ipc::ReceivedDatagram head;
                sound = view.octets.size() >= sizeof head;
                if (sound) {
                    racy_copy(reinterpret_cast<std::byte*>(&head), view.octets.data(), sizeof head);
                    const auto payload = view.octets.subspan(sizeof head);
                    Scatter room(parts);
                    out.length = payload.size();
                    out.bytes = std::min(room.room(), payload.size());
                    room.put(payload.data(), out.bytes);
                    out.source.sin_family = AF_INET;
                    out.source.sin_addr = network_order(head.source);
                    out.source.sin_port = htons(head.source_port);
                    out.destination = network_order(head.destination);
                    out.interface_address = network_order(head.interface_address);
                    out.interface_index = head.interface_index;
                    out.ttl = head.ttl;
                    out.tos = head.tos;
                    sound = (flags & MSG_PEEK) != 0 ? reader_->intact(view)
                                                    : reader_->consume(std::span(&view, 1));
                }
            }
        }
        if (!sound) return reset_error(ResetCause::reader_overtaken);
        if (result.status == ReadStatus::data) {
            if (readiness_always_true && (flags & MSG_PEEK) == 0) settle_readable();
            return 0;
        }
        if (result.status != ReadStatus::empty) return reset_error(result.cause);
        if (page_->shut_read != 0) {
            out.ended = true;
            return 0;
        }
        if (patience.deadline == 0) patience.deadline = deadline_after(page_->receive_timeout_ns);
        if (const int error = wait_for_data(seen, may_block(flags), patience, rounds); error != 0)
            return error;
        if (closed_) return fail(EBADF, "the socket was closed meanwhile");
    }
}

}  // namespace fanfare::client
