// Reliable multicast sockets on Fanfare, for C++20: sockets that close themselves, and messages
// without a copy. A thin layer over fanfare/socket.h, where the calls' meaning stands.
//
//   fanfare::Sender sender("239.1.1.1", 7500);                 fanfare::Listener
//   listener("239.1.1.1", 7500); sender.send(octets); fanfare::Receiver receiver =
//   listener.accept(); sender.finish();                                           while (auto got =
//   receiver.receive(room)) use(got);
//
// Setting up throws fanfare::Error; sending and receiving never throw, their results tell.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include "fanfare/socket.h"

namespace fanfare {

class Error : public std::system_error {
  public:
    // The failure of the call made last in this thread; what() names it and says how to mend it.
    explicit Error(const std::string& what)
        : Error(errno != 0 ? errno : EIO, what + ": " + fanfare_last_error_text()) {}
    Error(int error, const std::string& what)
        : std::system_error(error, std::generic_category()), text_(what) {}
    const char* what() const noexcept override { return text_.c_str(); }

  private:
    std::string text_;
};

// Which messages a socket carries: whole ones (SOCK_RDM) or a stream of octets (SOCK_STREAM).
enum class Mode { message, stream };

inline sockaddr_in address(const std::string& dotted, std::uint16_t port) {
    sockaddr_in out{};
    out.sin_family = AF_INET;
    out.sin_port = htons(port);
    if (!dotted.empty() && ::inet_pton(AF_INET, dotted.c_str(), &out.sin_addr) != 1)
        throw Error(EINVAL, "'" + dotted + "' is no IPv4 address");
    return out;
}

// A socket that closes itself. Moves, does not copy.
class Socket {
  public:
    Socket() = default;
    explicit Socket(Mode mode, int flags = SOCK_CLOEXEC)
        : fd_(fanfare_socket(AF_INET, (mode == Mode::stream ? SOCK_STREAM : SOCK_RDM) | flags,
                             IPPROTO_RM)) {
        if (fd_ < 0) throw Error("socket");
    }
    // Takes over a descriptor of fanfare_socket or fanfare_accept.
    explicit Socket(int fd) : fd_(fd) {}
    Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Socket& operator=(Socket&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Socket() { close(); }

    int fd() const { return fd_; }  // to poll, select, epoll
    explicit operator bool() const { return fd_ >= 0; }
    // 0 or an errno (EAGAIN: SO_LINGER on a non-blocking socket that has not sent all; it stays
    // open).
    int close() {
        if (fd_ < 0) return 0;
        if (fanfare_close(fd_) != 0 && errno == EAGAIN) return EAGAIN;
        fd_ = -1;
        return 0;
    }

    void bind(const sockaddr_in& to) {
        if (fanfare_bind(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0)
            throw Error("bind");
    }
    template <typename T>
    void set(int level, int name, const T& value) {
        if (fanfare_setsockopt(fd_, level, name, &value, sizeof value) != 0)
            throw Error("option " + std::to_string(name));
    }
    template <typename T>
    T get(int level, int name) const {
        T value{};
        socklen_t length = sizeof value;
        if (fanfare_getsockopt(fd_, level, name, &value, &length) != 0)
            throw Error("option " + std::to_string(name));
        return value;
    }
    // Options of level IPPROTO_RM, which nearly all are 32-bit numbers.
    void set_rm(int name, std::uint32_t value) { set(IPPROTO_RM, name, value); }
    void set_rm64(int name, std::uint64_t value) { set(IPPROTO_RM, name, value); }
    void set_non_blocking(bool on) {
        const int flags = ::fcntl(fd_, F_GETFL);
        if (flags < 0 || ::fcntl(fd_, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) != 0)
            throw Error(errno, "the descriptor's mode can't be changed");
    }
    sockaddr_in name() const { return name_by(fanfare_getsockname, "getsockname"); }
    sockaddr_in peer() const { return name_by(fanfare_getpeername, "getpeername"); }

  protected:
    static timeval timeval_of(std::chrono::microseconds time) {
        return {static_cast<time_t>(time.count() / 1'000'000),
                static_cast<suseconds_t>(time.count() % 1'000'000)};
    }

  private:
    template <typename Call>
    sockaddr_in name_by(Call call, const char* what) const {
        sockaddr_in out{};
        socklen_t length = sizeof out;
        if (call(fd_, reinterpret_cast<sockaddr*>(&out), &length) != 0) throw Error(what);
        return out;
    }
    int fd_ = -1;
};

// What a send did. Converts to true when all was taken.
struct Sent {
    std::size_t bytes = 0;
    int error = 0;  // errno: EAGAIN, EMSGSIZE, ECONNRESET, EPIPE, EINTR
    explicit operator bool() const { return error == 0; }
};

class Sender : public Socket {
  public:
    // Unconnected, for options to be set before connect().
    explicit Sender(Mode mode) : Socket(mode) {}
    Sender(const std::string& group, std::uint16_t port, Mode mode = Mode::message) : Socket(mode) {
        connect(group, port);
    }
    void connect(const std::string& group, std::uint16_t port) {
        const sockaddr_in to = address(group, port);
        if (fanfare_connect(fd(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0)
            throw Error("connect to " + group + ":" + std::to_string(port));
    }

    // One message, or octets of the stream.
    Sent send(std::span<const std::byte> data, int flags = 0) {
        return sent(fanfare_send(fd(), data.data(), data.size(), flags));
    }
    Sent send(std::span<const iovec> parts, int flags = 0) {
        msghdr message{};
        message.msg_iov = const_cast<iovec*>(parts.data());
        message.msg_iovlen = parts.size();
        return sent(fanfare_sendmsg(fd(), &message, flags));
    }

    // Zero copy: room for one message of up to `bytes` octets, in the send window itself; empty
    // with errno set when there is none. Write into it, commit what was used, claim the next,
    // publish them together.
    std::span<std::byte> claim(std::size_t bytes, int flags = 0) {
        void* room = nullptr;
        std::size_t room_bytes = 0;
        if (fanfare_claim(fd(), bytes, &room, &room_bytes, flags) != 0) return {};
        return {static_cast<std::byte*>(room), room_bytes};
    }
    void commit(std::size_t bytes) { (void)fanfare_commit(fd(), bytes); }
    int publish() { return fanfare_publish(fd()) == 0 ? 0 : errno; }
    // Many messages of known lengths at once: sets where each of `rooms` is; returns how many got
    // room, 0 with errno set when none did. Write them, then publish().
    std::size_t claim_run(std::span<iovec> rooms, int flags = 0) {
        const int n = fanfare_claim_run(fd(), rooms.data(), rooms.size(), flags);
        return n > 0 ? static_cast<std::size_t>(n) : 0;
    }

    // The next `bytes` octets, over as many sends as it takes, are one message
    // (RM_SET_MESSAGE_BOUNDARY).
    void begin_message(std::uint32_t bytes) { set_rm(RM_SET_MESSAGE_BOUNDARY, bytes); }
    // Ends the session in good order: all that was sent goes out and is repaired until its window
    // has passed.
    void finish() {
        if (fanfare_shutdown(fd(), SHUT_WR) != 0) throw Error("shutdown");
    }
    // Octets of the send window (of records, in message mode) that have not left this host yet; -1
    // when unknown.
    std::int64_t unsent() const { return fanfare_unsent(fd()); }
    void set_timeout(std::chrono::microseconds time) {
        set(SOL_SOCKET, SO_SNDTIMEO, timeval_of(time));
    }

  private:
    static Sent sent(ssize_t n) {
        return n < 0 ? Sent{0, errno} : Sent{static_cast<std::size_t>(n), 0};
    }
};

// What a receive did. Converts to true while there may be more: octets came (perhaps none, of an
// empty message).
struct Received {
    std::size_t bytes = 0;
    bool message_end = false;  // Mode::message: these octets end the message
    bool finished = false;     // the sender ended in good order
    int error = 0;             // errno: EAGAIN, ECONNRESET, EINTR
    explicit operator bool() const { return error == 0 && !finished; }
};

using View = fanfare_view;
// Calls `use` with the octets of each message of a view; a row (FANFARE_MSG_ROWS) has several.
template <typename Use>
void for_each_message(const View& view, Use&& use) {
    const void* data = nullptr;
    std::size_t at = 0, bytes = 0;
    while (fanfare_next_message(&view, &at, &data, &bytes) != 0)
        use(std::span(static_cast<const std::byte*>(data), bytes));
}
inline std::span<const std::byte> octets_of(const View& view) {
    return {static_cast<const std::byte*>(view.data), view.bytes};
}

// One sender's session, as Listener::accept() gives it.
class Receiver : public Socket {
  public:
    Receiver() = default;
    Receiver(int fd, Mode mode) : Socket(fd), mode_(mode) {}
    Mode mode() const { return mode_; }

    // One message, or as much of it as the room holds (message_end false; the next call goes on);
    // of a stream, what is there. FANFARE_MSG_PARTIAL in `flags`: what is there, of messages too.
    Received receive(std::span<std::byte> room, int flags = 0) {
        iovec part{room.data(), room.size()};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        const ssize_t n = fanfare_recvmsg(fd(), &message, flags);
        if (n < 0) return ended(errno);
        Received got{static_cast<std::size_t>(n), (message.msg_flags & MSG_EOR) != 0, false, 0};
        got.finished = mode_ == Mode::stream && n == 0 && !room.empty();
        return got;
    }

    // Zero copy: views of what is next, in the receive window itself; `count` of them are filled.
    // They count only if intact() holds after their last use; consume() takes them.
    Received peek(std::span<View> views, std::size_t& count, int flags = 0) {
        const int n = fanfare_peek(fd(), views.data(), views.size(), flags);
        count = n > 0 ? static_cast<std::size_t>(n) : 0;
        if (n < 0) return ended(errno);
        Received got;
        for (const View& view : views.first(count)) got.bytes += view.bytes;
        got.finished = n == 0;
        return got;
    }
    bool intact(const View& view) const { return fanfare_intact(fd(), &view) == 1; }
    // False: one of them was overwritten meanwhile, this reader is reset.
    bool consume(std::span<const View> views) {
        return fanfare_consume(fd(), views.data(), views.size()) == 0;
    }
    void set_timeout(std::chrono::microseconds time) {
        set(SOL_SOCKET, SO_RCVTIMEO, timeval_of(time));
    }

  private:
    static Received ended(int error) {
        Received got;
        got.finished = error == ESHUTDOWN;
        got.error = got.finished ? 0 : error;
        return got;
    }
    Mode mode_ = Mode::message;
};

class Listener : public Socket {
  public:
    // Bound, for options to be set before listen().
    Listener(const std::string& group, std::uint16_t port, Mode mode, bool listen_now = true)
        : Socket(mode), mode_(mode) {
        set(SOL_SOCKET, SO_REUSEADDR, int{1});  // several programs of one host may follow one group
        bind(address(group, port));
        if (listen_now) listen();
    }
    Listener(const std::string& group, std::uint16_t port) : Listener(group, port, Mode::message) {}

    void listen(int backlog = 16) {
        if (fanfare_listen(fd(), backlog) != 0) throw Error("listen");
    }
    // Waits for a session. A session that was lost before it could be taken is passed over. An
    // empty Receiver when the wait ended otherwise (a timeout, a signal, a non-blocking listener):
    // errno says why.
    Receiver accept() {
        for (;;) {
            const int fd = fanfare_accept4(this->fd(), nullptr, nullptr, SOCK_CLOEXEC);
            if (fd >= 0) return Receiver(fd, mode_);
            if (errno == EAGAIN || errno == EINTR) return Receiver(-1, mode_);
            if (errno != ECONNABORTED) throw Error("accept");
        }
    }
    void set_timeout(std::chrono::microseconds time) {
        set(SOL_SOCKET, SO_RCVTIMEO, timeval_of(time));
    }

  private:
    Mode mode_;
};

}  // namespace fanfare
