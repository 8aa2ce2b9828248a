// The life cycle of a socket (wsrm.md section 4): what is asked of the control side and what comes
// back.
#include <arpa/inet.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include "client/socket/asking.hpp"
#include "client/socket/descriptor_map.hpp"
#include "client/socket/descriptor_room.hpp"
#include "client/socket/helper_thread.hpp"
#include "client/socket/last_error.hpp"
#include "client/socket/page_lock.hpp"
#include "client/socket/signals_held.hpp"
#include "client/socket/socket.hpp"

namespace fanfare::client {

namespace {

Address address_of(const sockaddr_in& address) {
    return Address{ntohl(address.sin_addr.s_addr)};
}

sockaddr_in sockaddr_of(Address address, std::uint16_t port) {
    sockaddr_in out{};
    out.sin_family = AF_INET;
    out.sin_addr.s_addr = htonl(address.v4);
    out.sin_port = htons(port);
    return out;
}

constexpr Nanos kDatagramLinger = 100 * kMillisecond;

// As many as come with a session: connect's and accept's are given once.
constexpr int kSessionDescriptors = 3;

int room_for_session() {
    const int error = room_for_descriptors(kSessionDescriptors);
    return error == 0
               ? 0
               : fail(error, "no descriptor is left; close some or raise the limit (ulimit -n)");
}

int wrong_memory() {
    return fail(EPROTO, "the daemon passed memory of another layout; library and daemon differ");
}

}  // namespace

// Takes endpoint and page, the first two descriptors of a socket's birth.
int Socket::adopt(Descriptors& descriptors, int flags) {
    ipc::MemoryFailure failure;
    auto memory = ipc::Mapping::read_write(descriptors[1].get(), sizeof(ipc::SocketPage), failure);
    if (!memory) return fail(failure.error, failure.text);
    page_ = ipc::open_socket_page(memory->memory());
    if (page_ == nullptr) return wrong_memory();
    page_memory_ = std::move(*memory);
    const int fd = descriptors[0].get();
    if (static_cast<std::size_t>(fd) >= kDescriptorsMax)
        return fail(EMFILE, "the descriptor's number is beyond what the library keeps account of");
    if ((flags & SOCK_NONBLOCK) != 0) (void)::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
    if ((flags & SOCK_CLOEXEC) == 0) (void)::fcntl(fd, F_SETFD, 0);
    descriptor_ = descriptors[0].release();
    return 0;
}

int Socket::create(RequestFunction request, int type, int flags, std::shared_ptr<Socket>& out) {
    const auto kind = type == SOCK_DGRAM    ? ipc::SocketType::datagram
                      : type == SOCK_STREAM ? ipc::SocketType::stream
                                            : ipc::SocketType::message;
    std::shared_ptr<Socket> socket(new Socket(std::move(request), kind));
    ipc::SocketRequest wish{};
    wish.type = kind;
    ipc::SocketReply reply;
    Descriptors descriptors;
    if (const int error = socket->ask(ipc::RequestType::socket, wish, reply, descriptors);
        error != 0)
        return error;
    socket->id_ = reply.socket_id;
    if (const int error = socket->adopt(descriptors, flags); error != 0) return error;
    if (kind == ipc::SocketType::datagram) {
        if (const int error = socket->adopt_datagram(); error != 0) {
            ::close(socket->descriptor_.exchange(-1));
            return error;
        }
        // No octet stands in the endpoint: whoever polls before the first call is woken.
        socket->page_->receive_sleeping.store(1, std::memory_order_relaxed);
    }
    out = std::move(socket);
    return 0;
}

int Socket::bind(const sockaddr_in& address) {
    const QuietLock lock(control_);
    ipc::AddressRequest request{};
    request.address = address_of(address);
    request.port = ntohs(address.sin_port);
    if (const int error = ask(ipc::RequestType::bind, request); error != 0) return error;
    if (type_ == ipc::SocketType::datagram) page_->datagram_bound = 1;
    if (role_ == Role::none) role_ = Role::bound;
    return 0;
}

// The region, the worker's page and its doorbell, from descriptor `first` on.
int Socket::take_send_memory(Descriptors& descriptors, std::size_t first) {
    ipc::MemoryFailure failure;
    auto region = ipc::Mapping::read_write(descriptors[first].get(), ipc::kPageSize, failure);
    if (!region) return fail(failure.error, failure.text);
    auto worker =
        ipc::Mapping::read_only(descriptors[first + 1].get(), sizeof(ipc::WorkerPage), failure);
    if (!worker) return fail(failure.error, failure.text);
    const auto view = ipc::SendView::open(region->memory());
    worker_page_ = ipc::open_worker_page(worker->memory());
    if (!view || worker_page_ == nullptr || !descriptors[first + 2]) return wrong_memory();
    region_memory_ = std::move(*region);
    worker_memory_ = std::move(*worker);
    doorbell_ = HiddenDescriptor(std::move(descriptors[first + 2]));
    writer_.emplace(*view, *page_);
    return 0;
}

// The region; where the reader stands, the page knows.
int Socket::take_receive_memory(const ipc::Descriptor& descriptor) {
    ipc::MemoryFailure failure;
    auto region = ipc::Mapping::read_only(descriptor.get(), ipc::kPageSize, failure);
    if (!region) return fail(failure.error, failure.text);
    const auto view = ipc::ReceiveView::open(region->memory());
    if (!view) return wrong_memory();
    region_memory_ = std::move(*region);
    reader_.emplace(*view, *page_,
                    type_ == ipc::SocketType::stream ? ReadMode::stream : ReadMode::message);
    return 0;
}

int Socket::connect(const sockaddr_in& address) {
    const QuietLock lock(control_);
    ipc::AddressRequest request{};
    request.address = address_of(address);
    request.port = ntohs(address.sin_port);
    ipc::ConnectReply reply;
    Descriptors descriptors;
    if (const int error = room_for_session(); error != 0) return error;
    if (const int error = ask(ipc::RequestType::connect, request, reply, descriptors); error != 0)
        return error;
    if (const int error = take_send_memory(descriptors, 0); error != 0) return error;
    session_peer_ = sockaddr_of(request.address, request.port);
    role_.store(Role::sender, std::memory_order_release);
    return 0;
}

int Socket::listen(int backlog) {
    const QuietLock lock(control_);
    ipc::ListenRequest request{};
    request.backlog = static_cast<std::uint32_t>(backlog < 0 ? 0 : backlog);
    if (const int error = ask(ipc::RequestType::listen, request); error != 0) return error;
    role_.store(Role::listener, std::memory_order_release);
    return 0;
}

int Socket::request_accept(int flags, std::shared_ptr<Socket>& out) {
    ipc::IdRequest request{};
    ipc::AcceptReply reply;
    Descriptors descriptors;
    if (const int error = room_for_session(); error != 0) return error;
    if (const int error = ask(ipc::RequestType::accept, request, reply, descriptors); error != 0)
        return error;
    std::shared_ptr<Socket> socket(new Socket(request_, reply.type));
    socket->id_ = reply.socket_id;
    if (const int error = socket->adopt(descriptors, flags); error != 0) return error;
    if (const int error = socket->take_receive_memory(descriptors[2]); error != 0) {
        ::close(socket->descriptor_.exchange(-1));
        return error;
    }
    socket->reader_->place(reply.start_ordinal);
    // An octet is there already; where readiness is kept true, a flag that stands means that none
    // is.
    if (!readiness_always_true) socket->page_->receive_sleeping.store(1, std::memory_order_relaxed);
    socket->session_peer_ = sockaddr_of(reply.source, reply.source_port);
    socket->session_name_ = sockaddr_of(reply.group, reply.destination_port);
    const auto inherit = [](auto& to, const auto& from) { to = from.load(); };
    inherit(socket->page_->receive_timeout_ns, page_->receive_timeout_ns);
    inherit(socket->page_->send_timeout_ns, page_->send_timeout_ns);
    inherit(socket->page_->linger, page_->linger);
    inherit(socket->page_->receive_buffer, page_->receive_buffer);
    inherit(socket->page_->send_buffer, page_->send_buffer);
    inherit(socket->page_->hints, page_->hints);
    socket->role_.store(Role::receiver, std::memory_order_release);
    out = std::move(socket);
    return 0;
}

// Asking the control side is the look; its answer is made after it stored what it did, so that the
// sleep rule holds.
int Socket::accept(int flags, std::shared_ptr<Socket>& out) {
    if (type_ == ipc::SocketType::datagram)
        return fail(EOPNOTSUPP, "a datagram socket accepts nothing");
    if (role_.load(std::memory_order_acquire) != Role::listener &&
        (adopt_session_made_elsewhere(), role_ != Role::listener))
        return fail(EINVAL, "the socket does not listen");
    const Endpoint endpoint(descriptor_);
    Patience patience;
    patience.deadline = deadline_after(page_->receive_timeout_ns);
    bool hung_up = false;
    for (;;) {
        int error = request_accept(flags, out);
        if (error == 0 && readiness_always_true) settle_acceptable();
        if (error != EAGAIN) return error;
        hung_up = endpoint.drain() || hung_up;
        if (!endpoint.non_blocking()) patience.signals.hold();
        ipc::prepare_sleep(ipc::AtomicMemory{}, page_->receive_sleeping, [] { return false; });
        error = request_accept(flags, out);
        if (error == 0 && readiness_always_true) settle_acceptable();
        if (error != EAGAIN) return error;
        if (hung_up) return daemon_gone();
        if (closed_) return fail(EBADF, "the socket was closed meanwhile");
        if (endpoint.non_blocking()) return error;
        switch (endpoint.sleep(POLLIN, patience, hung_up)) {
            case Wake::again:
                break;
            case Wake::timed_out:
                return fail(EAGAIN, "no session came within SO_RCVTIMEO");
            case Wake::interrupted:
                return fail(EINTR, "");
        }
    }
}

int Socket::name(bool peer, sockaddr_in& address) {
    const Role role = role_.load(std::memory_order_acquire);
    if (role == Role::receiver || (role == Role::sender && peer)) {
        address = peer ? session_peer_ : session_name_;
        return 0;
    }
    ipc::NameRequest request{};
    request.peer = peer ? 1 : 0;
    ipc::NameReply reply;
    Descriptors none;
    const QuietLock lock(control_);
    if (const int error = ask(ipc::RequestType::name, request, reply, none); error != 0)
        return error;
    address = sockaddr_of(reply.address, reply.port);
    return 0;
}

int Socket::shutdown(int how) {
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
        return fail(EINVAL, "how is SHUT_RD, SHUT_WR or SHUT_RDWR");
    const QuietLock lock(control_);
    const Role role = role_.load(std::memory_order_acquire);
    if (role == Role::sender && how != SHUT_RD) {
        page_->shut_write = 1;
        const PageLock held(page_->lock);
        writer_->publish_incomplete();
    }
    ipc::ShutdownRequest request{};
    request.how = static_cast<std::uint32_t>(how);
    const int error = ask(ipc::RequestType::shutdown, request);
    // A datagram socket without a peer is refused and shut down all the same, as Linux has it:
    // programs wake a thread so that waits in a receive.
    if (error != 0 && (role != Role::datagram || error != ENOTCONN)) return error;
    if (role == Role::datagram && how != SHUT_RD) page_->shut_write = 1;
    if ((role == Role::receiver || role == Role::datagram) && how != SHUT_WR) {
        page_->shut_read = 1;
        // Readable from here on, as a call would not wait; the daemon's end can't send any more.
        ::shutdown(descriptor_, SHUT_RD);
    }
    return error;
}

void Socket::linger_until_sent(Nanos deadline, bool& all_sent) const {
    for (;;) {
        all_sent =
            writer_->sent() >= writer_->published() || writer_->state() != SessionState::open;
        if (all_sent || monotonic_now() >= deadline) return;
        // Nobody wakes for this; a millisecond is short beside what a queue takes to drain.
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

int Socket::close(int descriptor, const std::function<std::shared_ptr<Socket>()>& forget) {
    std::shared_ptr<Socket> self;  // goes after the lock
    const bool sends = role_.load(std::memory_order_acquire) == Role::sender;
    const std::uint32_t linger = page_->linger;  // 1 + seconds
    if (sends && linger > 1 && !closed_) {
        const bool wait = !Endpoint(descriptor_).non_blocking();
        bool all_sent = false;
        linger_until_sent(wait ? monotonic_now() + (linger - 1) * kSecond : 0, all_sent);
        if (!all_sent && !wait)
            return fail(EAGAIN, "octets are still to be sent; call close again (SO_LINGER)");
    }
    if (role_.load(std::memory_order_acquire) == Role::datagram && !closed_) {
        // What was sent is on its way as soon as the worker looks; a port that takes nothing for so
        // long loses it.
        bool all_sent = false;
        linger_until_sent(monotonic_now() + kDatagramLinger, all_sent);
    }
    forget_pending_calls(*this);
    const QuietLock lock(control_);
    if (closed_) return fail(EBADF, "the socket was closed meanwhile");
    if (sends && page_->shut_write == 0) {
        const PageLock held(page_->lock);
        writer_->publish_incomplete();
    }
    closed_ = true;
    ipc::CloseRequest request{};
    request.linger_on = linger != 0 ? 1 : 0;
    request.linger_seconds = linger == 0 ? 0 : linger - 1;
    (void)ask(ipc::RequestType::close, request);  // a daemon that has gone has closed it
    self = forget();
    if (descriptor >= 0) ::close(descriptor);
    own_.reset();
    return 0;
}

}  // namespace fanfare::client
