// A daemon as the client library sees one: a control socket that answers, pages, endpoints and
// regions, and the wake rules; without workers, protocol or network. Tests play the worker through
// it.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "ipc/endpoint_name.hpp"
#include "ipc/memory.hpp"
#include "ipc/messages.hpp"
#include "ipc/wakeup.hpp"
#include "tests/client/fake_worker.hpp"

namespace fanfare::client {

class FakeDaemon {
  public:
    struct Session {  // of a sender elsewhere, as receivers see it
        Session(std::uint64_t log_bytes, std::uint32_t entries)
            : region(make(ipc::ReceiveLayout::for_log(log_bytes, entries).total_bytes)),
              window(region.memory(), log_bytes, entries) {}
        ipc::Region region;
        FakeReceiveWindow window;
    };
    struct Socket {
        std::uint64_t id = 0;
        ipc::SocketType type{};
        ipc::Region page_region;
        ipc::SocketPage* page = nullptr;
        ipc::Descriptor endpoint;
        std::deque<Session*> pending;
        Session* session = nullptr;  // of a receiver
        std::optional<ipc::Region> send_region;
        std::unique_ptr<FakeSendWindow> sending;
        std::map<std::pair<int, int>, std::vector<std::uint8_t>> options;
        bool listens = false, finished = false, close_said = false;
        std::uint32_t linger_on = 0, linger_seconds = 0;
    };

    explicit FakeDaemon(std::string path = "") : path_(std::move(path)) {
        if (path_.empty()) {
            char directory[] = "/tmp/fanfare-client-test-XXXXXX";
            directory_ = ::mkdtemp(directory);
            path_ = directory_ + "/control.sock";
        }
        worker_region_ = make(sizeof(ipc::WorkerPage));
        worker_ = ipc::init_worker_page(worker_region_->memory(), 0);
        doorbell.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        stop_.reset(::eventfd(0, EFD_CLOEXEC));
        listener_.reset(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
        ::unlink(path_.c_str());
        EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address),
                  0);
        EXPECT_EQ(::listen(listener_.get(), 16), 0);
        thread_ = std::thread([this] { run(); });
    }
    ~FakeDaemon() {
        die();
        if (!directory_.empty()) std::filesystem::remove_all(directory_);
    }
    // As SIGKILL does it: every descriptor goes at once, nothing is said.
    void die() {
        if (!thread_.joinable()) return;
        const std::uint64_t one = 1;
        (void)!::write(stop_.get(), &one, sizeof one);
        thread_.join();
        ::unlink(path_.c_str());
        listener_.reset();
        connections_.clear();
        const std::scoped_lock lock(mutex);
        for (auto& [id, socket] : sockets) socket->endpoint.reset();
    }

    const std::string& path() const { return path_; }
    ipc::WorkerPage& worker_page() { return *worker_; }

    // The one socket, or the newest, that the library made.
    Socket& newest() {
        const std::scoped_lock lock(mutex);
        return *sockets.rbegin()->second;
    }
    Socket& socket(std::uint64_t id) {
        const std::scoped_lock lock(mutex);
        return *sockets.at(id);
    }
    // A session waits at the listener; wakes it.
    void offer(Socket& listener, Session& session) {
        {
            const std::scoped_lock lock(mutex);
            listener.pending.push_back(&session);
        }
        wake_reader(listener);
    }
    // The wake rule for one socket after something was published.
    void wake_reader(Socket& socket) {
        ipc::publish_fence(ipc::AtomicMemory{});
        if (ipc::take_sleeper(ipc::AtomicMemory{}, socket.page->receive_sleeping))
            write_octet(socket);
    }
    void wake_writer(Socket& socket) {
        ipc::publish_fence(ipc::AtomicMemory{});
        if (!ipc::take_sleeper(ipc::AtomicMemory{}, socket.page->send_sleeping)) return;
        drain(socket);
    }
    // As the daemon does: all but one, and closed with that one unread.
    static void drain(Socket& socket) {
        int waiting = 0;
        char octets[4096];
        if (::ioctl(socket.endpoint.get(), FIONREAD, &waiting) == 0 && waiting > 1)
            (void)!::recv(socket.endpoint.get(), octets, waiting - 1, MSG_DONTWAIT);
    }
    static void hang_up(Socket& socket) { socket.endpoint.reset(); }
    static void write_octet(Socket& socket) {
        (void)!::send(socket.endpoint.get(), "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    }

    static ipc::Region make(std::uint64_t bytes) {
        ipc::MemoryFailure failure;
        auto region = ipc::Region::create({.name = "fake", .bytes = bytes, .lock = false}, failure);
        EXPECT_TRUE(region) << failure.text;
        return std::move(*region);
    }

    std::mutex mutex;
    std::map<std::uint64_t, std::unique_ptr<Socket>> sockets;
    ipc::Descriptor doorbell;
    std::uint64_t send_log_bytes = 64 * 1024;
    bool answer_late_first = false;  // a reply to nobody goes before the next one
    std::atomic<int> requests{0}, attached{0}, woken{0};

  private:
    struct PlainReply {
        ipc::ReplyHeader header;
    };

    void run() {
        for (;;) {
            std::vector<pollfd> wait{{stop_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
            for (auto& connection : connections_) wait.push_back({connection.get(), POLLIN, 0});
            if (::poll(wait.data(), wait.size(), -1) < 0) continue;
            if (wait[0].revents != 0) return;
            for (std::size_t i = wait.size(); i-- > 2;)
                if (wait[i].revents != 0 && !serve(wait[i].fd))
                    connections_.erase(connections_.begin() + static_cast<std::ptrdiff_t>(i) - 2);
            if (wait[1].revents != 0)
                connections_.emplace_back(
                    ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        }
    }

    bool serve(int connection) {
        alignas(8) std::byte request[ipc::kMaxMessage];
        const ssize_t n = ::recv(connection, request, sizeof request, 0);
        if (n <= 0) return false;
        ++requests;
        connection_ = connection;
        ipc::RequestHeader header;
        std::memcpy(&header, request, sizeof header);
        if (answer_late_first) {
            answer_late_first = false;
            ipc::RequestHeader other = header;
            other.correlation = 1;
            reply(other, PlainReply{}, {});
        }
        const std::scoped_lock lock(mutex);
        Socket* socket = nullptr;
        if (header.socket_id != 0) {
            const auto found = sockets.find(header.socket_id);
            if (found == sockets.end()) return refuse(header, EBADF, "no such socket");
            socket = found->second.get();
        }
        switch (header.type) {
            case ipc::RequestType::hello: {
                ipc::HelloReply out{};
                std::strcpy(out.version_text, "fake");
                out.workers = 1;
                return reply(header, out, {});
            }
            case ipc::RequestType::socket: {
                ipc::SocketRequest wish;
                std::memcpy(&wish, request, sizeof wish);
                Socket& made = make_socket(wish.type);
                ipc::SocketReply out{};
                out.socket_id = made.id;
                return reply(header, out,
                             {theirs_, made.page_region.descriptor(), worker_region_->descriptor(),
                              doorbell.get()});
            }
            case ipc::RequestType::set_option: {
                ipc::OptionRequest option;
                std::memcpy(&option, request, sizeof option);
                if (option.name == 4711) return refuse(header, ENOPROTOOPT, "no option 4711");
                socket->options[{option.level, option.name}].assign(option.value,
                                                                    option.value + option.length);
                return reply(header, PlainReply{}, {});
            }
            case ipc::RequestType::get_option: {
                ipc::OptionRequest option;
                std::memcpy(&option, request, sizeof option);
                const auto& value = socket->options[{option.level, option.name}];
                if (option.length < value.size()) return refuse(header, EINVAL, "too short");
                ipc::OptionReply out{};
                out.length = static_cast<std::uint32_t>(value.size());
                std::copy(value.begin(), value.end(), out.value);
                return reply(header, out, {});
            }
            case ipc::RequestType::connect: {
                ipc::AddressRequest to;
                std::memcpy(&to, request, sizeof to);
                if (!to.address.is_multicast())
                    return refuse(header, EADDRNOTAVAIL, "no multicast group");
                socket->send_region = make(ipc::SendLayout::for_log(send_log_bytes).total_bytes);
                const auto format = socket->type == ipc::SocketType::stream
                                        ? ipc::SendFormat::stream
                                        : ipc::SendFormat::message;
                socket->sending = std::make_unique<FakeSendWindow>(socket->send_region->memory(),
                                                                   send_log_bytes, format);
                ipc::ConnectReply out{};
                return reply(header, out,
                             {socket->send_region->descriptor(), worker_region_->descriptor(),
                              doorbell.get()});
            }
            case ipc::RequestType::accept: {
                if (socket->pending.empty()) return refuse(header, EAGAIN, "no session waits");
                Session* session = socket->pending.front();
                socket->pending.pop_front();
                if (session == nullptr) return refuse(header, ECONNABORTED, "gone");
                Socket& made = make_socket(socket->type);
                made.session = session;
                write_octet(made);
                ipc::AcceptReply out{};
                out.socket_id = made.id;
                out.start_ordinal = session->window.header().start_ordinal.load();
                out.source = Address::from_octets(10, 0, 0, 7);
                out.source_port = 4660;
                out.group = Address::from_octets(239, 1, 1, 1);
                out.destination_port = 7500;
                out.type = socket->type;
                return reply(
                    header, out,
                    {theirs_, made.page_region.descriptor(), session->region.descriptor()});
            }
            case ipc::RequestType::listen:
                socket->listens = true;
                return reply(header, PlainReply{}, {});
            case ipc::RequestType::attach:
                ++attached;
                return reply_attach(header, *socket);
            case ipc::RequestType::wake:
                ++woken;
                if (socket->sending != nullptr) {
                    drain(*socket);
                } else if (socket->session != nullptr || !socket->pending.empty()) {
                    write_octet(*socket);
                }
                return reply(header, PlainReply{}, {});
            case ipc::RequestType::shutdown:
                socket->finished = true;
                return reply(header, PlainReply{}, {});
            case ipc::RequestType::close: {
                ipc::CloseRequest close;
                std::memcpy(&close, request, sizeof close);
                socket->close_said = true;
                socket->linger_on = close.linger_on;
                socket->linger_seconds = close.linger_seconds;
                return reply(header, PlainReply{}, {});
            }
            case ipc::RequestType::name: {
                ipc::NameReply out{};
                out.address = Address::from_octets(239, 1, 1, 1);
                out.port = 7500;
                return reply(header, out, {});
            }
            case ipc::RequestType::status: {
                ipc::Region memory = make(sizeof(ipc::StatusHeader) + sizeof(ipc::StatusRecord));
                const ipc::StatusHeader top{ipc::kProtocolVersion, 1, memory.memory().size()};
                ipc::StatusRecord record{};
                std::strcpy(record.field, "naks_received");
                record.value = 42;
                std::memcpy(memory.memory().data(), &top, sizeof top);
                std::memcpy(memory.memory().data() + sizeof top, &record, sizeof record);
                ipc::StatusReply out{};
                return reply(header, out, {memory.descriptor()});
            }
            default:
                return reply(header, PlainReply{}, {});
        }
    }

    bool reply_attach(const ipc::RequestHeader& header, Socket& socket) {
        ipc::AttachReply out{};
        out.socket_id = socket.id;
        out.type = socket.type;
        out.source = Address::from_octets(10, 0, 0, 7);
        out.source_port = 4660;
        out.group = Address::from_octets(239, 1, 1, 1);
        out.destination_port = 7500;
        auto role = socket.listens ? ipc::SocketRole::listener : ipc::SocketRole::none;
        std::vector<int> descriptors{socket.page_region.descriptor()};
        if (socket.sending != nullptr) {
            role = ipc::SocketRole::sender;
            descriptors.insert(descriptors.end(), {socket.send_region->descriptor(),
                                                   worker_region_->descriptor(), doorbell.get()});
        } else if (socket.session != nullptr) {
            role = ipc::SocketRole::receiver;
            descriptors.push_back(socket.session->region.descriptor());
        }
        out.role = static_cast<std::uint32_t>(role);
        return reply(header, out, descriptors);
    }

    Socket& make_socket(ipc::SocketType type) {
        auto socket = std::make_unique<Socket>();
        socket->id = ++last_id_;
        socket->type = type;
        socket->page_region = make(sizeof(ipc::SocketPage));
        socket->page = ipc::init_socket_page(socket->page_region.memory(), socket->id,
                                             static_cast<std::uint32_t>(type));
        int ends[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        const int little = 4096;
        (void)::setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &little, sizeof little);
        (void)!::send(ends[1], "", 1, MSG_DONTWAIT);
        socket->endpoint.reset(ends[0]);
        const auto name = ipc::endpoint_name(socket->id);
        EXPECT_EQ(::bind(ends[0], reinterpret_cast<const sockaddr*>(&name.address), name.length),
                  0);
        theirs_ = ends[1];
        return *(sockets[socket->id] = std::move(socket));
    }

    template <typename Reply>
    bool reply(const ipc::RequestHeader& request, Reply out, std::vector<int> descriptors) {
        out.header.version = ipc::kProtocolVersion;
        out.header.type = request.type;
        out.header.correlation = request.correlation;
        out.header.descriptors = static_cast<std::uint32_t>(descriptors.size());
        iovec part{&out, sizeof out};
        alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 4)] = {};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        if (!descriptors.empty()) {
            message.msg_control = control;
            message.msg_controllen = CMSG_SPACE(sizeof(int) * descriptors.size());
            cmsghdr* c = CMSG_FIRSTHDR(&message);
            c->cmsg_level = SOL_SOCKET;
            c->cmsg_type = SCM_RIGHTS;
            c->cmsg_len = CMSG_LEN(sizeof(int) * descriptors.size());
            std::memcpy(CMSG_DATA(c), descriptors.data(), sizeof(int) * descriptors.size());
        }
        const bool sent = ::sendmsg(connection_, &message, MSG_NOSIGNAL) > 0;
        if (theirs_ >= 0) ::close(std::exchange(theirs_, -1));
        return sent;
    }
    bool refuse(const ipc::RequestHeader& request, int error, const char* detail) {
        PlainReply out{};
        out.header.error = error;
        std::strcpy(out.header.detail, detail);
        return reply(request, out, {});
    }

    std::string path_, directory_;
    std::optional<ipc::Region> worker_region_;
    ipc::WorkerPage* worker_ = nullptr;
    ipc::Descriptor listener_, stop_;
    std::vector<ipc::Descriptor> connections_;
    int connection_ = -1;
    int theirs_ = -1;
    // Endpoints' names are the machine's: tests that run beside each other keep apart.
    std::uint64_t last_id_ = static_cast<std::uint64_t>(::getpid()) << 32 | (++daemons_ << 16);
    static inline std::uint64_t daemons_ = 0;
    std::thread thread_;
};

}  // namespace fanfare::client
