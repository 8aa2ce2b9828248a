// A socket that several processes hold (DESIGN section 5): over fork and dup the descriptor says
// all the kernel knows; position, lock and what the program set stand in the shared page; the rest
// is asked of the daemon.
#include <arpa/inet.h>
#include <unistd.h>

#include <cerrno>
#include <new>
#include <utility>

#include "client/socket/asking.hpp"
#include "client/socket/helper_thread.hpp"
#include "client/socket/last_error.hpp"
#include "client/socket/signals_held.hpp"
#include "client/socket/socket.hpp"

namespace fanfare::client {

namespace {

sockaddr_in sockaddr_of(Address address, std::uint16_t port) {
    sockaddr_in out{};
    out.sin_family = AF_INET;
    out.sin_addr.s_addr = htonl(address.v4);
    out.sin_port = htons(port);
    return out;
}

int wrong_memory() {
    return fail(EPROTO, "the daemon passed memory of another layout; library and daemon differ");
}

}  // namespace

Socket::Socket(RequestFunction request, ipc::SocketType type)
    : request_(std::move(request)), type_(type), first_holder_(::getpid()) {}

bool Socket::is_first_holder() const {
    return first_holder_ == ::getpid();
}

void Socket::leave(const std::function<std::shared_ptr<Socket>()>& forget) {
    std::shared_ptr<Socket> self;  // goes after the lock
    forget_pending_calls(*this);
    const QuietLock lock(control_);
    closed_ = true;
    self = forget();
    own_.reset();
}

// Makes this object what `reply` tells. The page is mapped already or the first descriptor.
int Socket::take_holding(ipc::AttachReply& reply, Descriptors& descriptors) {
    if (page_ == nullptr) {
        ipc::MemoryFailure failure;
        auto memory =
            ipc::Mapping::read_write(descriptors[0].get(), sizeof(ipc::SocketPage), failure);
        if (!memory) return fail(failure.error, failure.text);
        page_ = ipc::open_socket_page(memory->memory());
        if (page_ == nullptr) return wrong_memory();
        page_memory_ = std::move(*memory);
    }
    const auto role = static_cast<Role>(reply.role);
    if (role == Role::datagram) return adopt_datagram();
    if (role == Role::sender || role == Role::receiver) {
        // The session's memory goes when its window has passed.
        if (!descriptors[1]) return fail(ECONNRESET, "the socket's session is over");
        session_peer_ = role == Role::sender ? sockaddr_of(reply.group, reply.destination_port)
                                             : sockaddr_of(reply.source, reply.source_port);
        session_name_ = sockaddr_of(reply.group, reply.destination_port);
    }
    int error = 0;
    if (role == Role::sender) error = take_send_memory(descriptors, 1);
    if (role == Role::receiver) error = take_receive_memory(descriptors[1]);
    if (error != 0) return error;
    role_.store(role, std::memory_order_release);
    return 0;
}

int Socket::attach(RequestFunction request, std::uint64_t id, int descriptor,
                   std::shared_ptr<Socket>& out) {
    // The type comes with the answer, and is the object's for good.
    Socket asking(request, ipc::SocketType::message);
    asking.id_ = id;
    ipc::IdRequest wish{};
    ipc::AttachReply reply;
    Descriptors descriptors;
    if (const int error = asking.ask(ipc::RequestType::attach, wish, reply, descriptors);
        error != 0) {
        if (error == EMFILE || error == ENFILE || error == ENOMEM || error == EPROTO) return error;
        return fail(ECONNRESET,
                    "the descriptor is a Fanfare socket that no daemon at FANFARE_CONTROL knows: "
                    "its daemon has gone, or this process names another one");
    }
    std::shared_ptr<Socket> socket(new Socket(std::move(request), reply.type));
    socket->id_ = id;
    socket->descriptor_ = descriptor;
    if (const int error = socket->take_holding(reply, descriptors); error != 0) return error;
    out = std::move(socket);
    return 0;
}

// A holder of a socket that has no session here: another process may have connected it, or made it
// listen, since. Returns 0 when there is one now.
int Socket::adopt_session_made_elsewhere() {
    const QuietLock lock(control_);
    if (role_.load(std::memory_order_acquire) >= Role::sender) return 0;
    ipc::IdRequest wish{};
    ipc::AttachReply reply;
    Descriptors descriptors;
    if (const int error = ask(ipc::RequestType::attach, wish, reply, descriptors); error != 0)
        return error;
    return take_holding(reply, descriptors);
}

int Socket::hold_own_descriptor() {
    if (own_) return 0;
    own_ = HiddenDescriptor::duplicate(descriptor_);
    if (!own_)
        return fail(errno, "no descriptor is left; close some or raise the limit (ulimit -n)");
    descriptor_ = own_.get();
    return 0;
}

void Socket::alone_after_fork() {
    // What it was locked for belongs to a thread that is not here.
    new (&control_) std::mutex;
}

}  // namespace fanfare::client
