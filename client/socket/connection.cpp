#include "client/socket/connection.hpp"

#include <pthread.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>

#include "client/socket/signals_held.hpp"
#include "ipc/descriptor.hpp"

namespace fanfare::client {

namespace {

// One mutex for all control traffic of the process: requests are rare, and so a fork() finds one
// lock to hold.
std::mutex& control_mutex() {
    static std::mutex& mutex = *new std::mutex;  // outlives every static object that may still send
    static const int registered =
        ::pthread_atfork([] { control_mutex().lock(); }, [] { control_mutex().unlock(); },
                         [] { control_mutex().unlock(); });
    (void)registered;
    return mutex;
}

// A daemon that is alive answers within microseconds, opening a large window within a second.
constexpr timeval kAnswerTimeout{30, 0};

// The header every message begins with.
template <typename Header>
Header header_of(std::span<const std::byte> message) {
    Header header;
    std::memcpy(&header, message.data(), sizeof header);
    return header;
}

void close_descriptors(Reply& reply) {
    for (std::size_t i = 0; i < reply.descriptor_count; ++i) ::close(reply.descriptors[i]);
    reply.descriptor_count = 0;
}

// One datagram with its descriptors. 0: the other end is gone; -1: errno. `cut`: the process had no
// descriptor left for some of them.
ssize_t receive_reply(int descriptor, Reply& reply, bool& cut) {
    iovec part{reply.octets.data(), reply.octets.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * ipc::kMaxDescriptors)];
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ssize_t n = 0;
    do {
        n = ::recvmsg(descriptor, &message, MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    if (n < 0) return n;
    reply.bytes = static_cast<std::size_t>(n);
    reply.descriptor_count = 0;
    cut = (message.msg_flags & MSG_CTRUNC) != 0;
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
            if (reply.descriptor_count < reply.descriptors.size())
                reply.descriptors[reply.descriptor_count++] = fd;
            else
                ::close(fd);
        }
    }
    return n;
}

}  // namespace

bool Connection::open(Reply& reply) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path_.size() >= sizeof address.sun_path) {
        reply.error = ENAMETOOLONG;
        return false;
    }
    std::memcpy(address.sun_path, path_.c_str(), path_.size() + 1);
    ipc::Descriptor descriptor(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    if (!descriptor ||
        ::connect(descriptor.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
        reply.error = errno;
        return false;
    }
    (void)::setsockopt(descriptor.get(), SOL_SOCKET, SO_RCVTIMEO, &kAnswerTimeout,
                       sizeof kAnswerTimeout);
    descriptor_ = HiddenDescriptor(std::move(descriptor));
    owner_ = ::getpid();
    ipc::HelloRequest hello;
    hello.header.type = ipc::RequestType::hello;
    if (!exchange(std::as_bytes(std::span(&hello, 1)), reply)) return false;
    close_descriptors(reply);
    const auto header = header_of<ipc::ReplyHeader>(reply.octets);
    if (header.error != 0) {
        // Not one of ours: another version, or it refuses this user.
        reply.error = header.error;
        descriptor_.reset();
        return false;
    }
    return true;
}

bool Connection::exchange(std::span<const std::byte> request, Reply& reply) {
    alignas(8) std::array<std::byte, ipc::kMaxMessage> copy;
    if (request.size() > copy.size() || request.size() < sizeof(ipc::RequestHeader)) {
        reply.error = EMSGSIZE;
        return false;
    }
    std::memcpy(copy.data(), request.data(), request.size());
    auto header = header_of<ipc::RequestHeader>(request);
    header.version = ipc::kProtocolVersion;
    header.correlation = ++correlation_;
    std::memcpy(copy.data(), &header, sizeof header);
    ssize_t n = 0;
    do {
        n = ::send(descriptor_.get(), copy.data(), request.size(), MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n >= 0) {
        for (;;) {
            bool cut = false;
            n = receive_reply(descriptor_.get(), reply, cut);
            if (n <= 0) break;
            const bool readable = reply.bytes >= sizeof(ipc::ReplyHeader);
            const auto answer =
                readable ? header_of<ipc::ReplyHeader>(reply.octets) : ipc::ReplyHeader{};
            // The late answer to a request that timed out.
            if (readable && answer.correlation != 0 && answer.correlation < correlation_) {
                close_descriptors(reply);
                continue;
            }
            if (cut) {
                // What the daemon made for this request ends with its descriptors.
                close_descriptors(reply);
                reply.error = EMFILE;
                return false;
            }
            if (readable && answer.version == ipc::kProtocolVersion &&
                answer.correlation == correlation_ && answer.descriptors == reply.descriptor_count)
                return true;
            close_descriptors(reply);
            descriptor_.reset();
            reply.error = EPROTO;
            return false;
        }
    }
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        reply.error = ETIMEDOUT;
    } else {
        reply.error = ECONNRESET;
        descriptor_.reset();
    }
    return false;
}

void Connection::call(std::span<const std::byte> request, Reply& reply, std::uint64_t& daemon) {
    const QuietLock lock(control_mutex());
    reply.error = 0;
    reply.bytes = reply.descriptor_count = 0;
    for (int attempt = 0; attempt < 2; ++attempt) {
        const bool stands = static_cast<bool>(descriptor_) && owner_ == ::getpid();
        const std::uint64_t answering = stands || alive_ ? daemon_ : daemon_ + 1;
        if (daemon != 0 && daemon != answering) {
            reply.error = ECONNRESET;
            return;
        }
        if (!stands) {
            if (!open(reply)) return;
            daemon_ = answering;
            alive_ = true;
        }
        if (exchange(request, reply)) {
            daemon = daemon_;
            return;
        }
        if (reply.error != ECONNRESET) return;
        alive_ = false;
        // It went away since the last request; a request that any daemon may answer is tried with
        // the next.
        if (!stands || daemon != 0) return;
        reply.error = 0;
    }
}

std::shared_ptr<Connection> connection_to(const std::string& path) {
    static auto& connections = *new std::map<std::string, std::shared_ptr<Connection>>;
    const QuietLock lock(control_mutex());
    auto& connection = connections[path];
    if (!connection) connection = std::make_shared<Connection>(path);
    return connection;
}

void register_connections_for_fork() {
    (void)control_mutex();
}

}  // namespace fanfare::client
