// One reliable-multicast socket of this process (wsrm.md sections 4 and 5): its life cycle over
// requests to the control side, its data over shared memory. All functions return 0 or an errno,
// with last_error filled; all are thread-safe.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>

#include "client/core/message_reader.hpp"
#include "client/core/message_writer.hpp"
#include "client/core/request.hpp"
#include "client/socket/attempt.hpp"
#include "client/socket/datagram.hpp"
#include "client/socket/hidden_descriptor.hpp"
#include "client/socket/waiting.hpp"
#include "ipc/descriptor.hpp"
#include "ipc/memory.hpp"
#include "ipc/messages.hpp"

namespace fanfare::client {

// Whether poll() on every descriptor shall be true after every call, not only once a call has found
// nothing: a program that waits with poll and then makes a blocking call needs that, and pays one
// more system call whenever it reads a window empty. Set once, before the first socket.
inline constinit std::atomic<bool> readiness_always_true{false};

// FANFARE_MSG_PARTIAL
inline constexpr int kPartialWanted = 0x1000000;

struct Received {
    std::size_t bytes = 0;
    bool message_end = false;  // with SOCK_RDM: these octets end the message
};

class Socket {
  public:
    // `type` is SOCK_RDM, SOCK_STREAM or SOCK_DGRAM, `flags` SOCK_NONBLOCK and SOCK_CLOEXEC. The
    // descriptor belongs to the program (descriptor()); it ends with close(), not with this object.
    static int create(RequestFunction request, int type, int flags, std::shared_ptr<Socket>& out);
    // The socket `id` as another program made it, of which this process holds `descriptor` since
    // exec. ECONNRESET: the daemon that knew it is not there any more.
    static int attach(RequestFunction request, std::uint64_t id, int descriptor,
                      std::shared_ptr<Socket>& out);

    int descriptor() const { return descriptor_.load(std::memory_order_relaxed); }
    std::uint64_t id() const { return id_; }
    bool closed() const { return closed_; }
    int type() const {
        if (type_ == ipc::SocketType::datagram) return SOCK_DGRAM;
        return type_ == ipc::SocketType::stream ? SOCK_STREAM : SOCK_RDM;
    }

    int bind(const sockaddr_in& address);
    int set_option(int level, int name, const void* value, socklen_t length);
    int get_option(int level, int name, void* value, socklen_t& length);
    // datagram_filter.cpp: IP_MSFILTER, MCAST_MSFILTER. `length` of get: room, then what was given.
    int set_source_filter(int name, const std::byte* value, std::size_t length);
    int get_source_filter(int name, std::byte* value, std::size_t& length);
    int connect(const sockaddr_in& address);
    int listen(int backlog);
    int accept(int flags, std::shared_ptr<Socket>& out);
    int name(bool peer, sockaddr_in& address);
    int shutdown(int how);
    // Closes `descriptor`, the program's last one of this socket, or leaves that to the caller if
    // it is -1. `forget` is called just before, and returns whatever keeps this object alive until
    // then.
    int close(int descriptor, const std::function<std::shared_ptr<Socket>()>& forget);

    // Ends this process's hold of the socket without a word to the daemon, for a descriptor that
    // the caller closes. `forget` as in close().
    void leave(const std::function<std::shared_ptr<Socket>()>& forget);
    // Whether this process made or attached the socket, and did not come by it in a fork.
    bool is_first_holder() const;

    // The program has a second descriptor: from here on this object uses one of its own, as the
    // program may close either. EMFILE.
    int hold_own_descriptor();
    // In the child of a fork, before anything else: locks that other threads held there are free.
    void alone_after_fork();

    // `sent` counts octets taken, also when an error (a timeout, a signal) cuts a message that is
    // larger than the window: then the result is 0.
    int send(std::span<const DataPart> parts, int flags, std::size_t& sent);
    // `flags_out`: the caller can tell an unfinished message from a whole one without an error
    // (recvmsg).
    int receive(std::span<const RoomPart> parts, int flags, bool flags_out, Received& received);

    // One go at a call that may take several, without waiting (attempt.hpp). EAGAIN: nothing can be
    // done now, and the descriptor will be readable, or writable, when that may have changed.
    // EINPROGRESS: others shall have a turn, but there is more to do already. ECANCELED: closed.
    int attempt(SendAttempt& call);
    int attempt(ReceiveAttempt& call);
    // Whether anything moved since the last attempt; costs two loads.
    bool may_go_on(const SendAttempt& call) const;
    bool may_go_on(const ReceiveAttempt& call) const;

    // Datagram sockets. `to`: nullptr for the connected peer. `from`: the interface to send by, its
    // address or its number as 0.x.y.z; 0.0.0.0 leaves it to the socket.
    int send_datagram(std::span<const DataPart> parts, int flags, const sockaddr_in* to,
                      in_addr from);
    int receive_datagram(std::span<const RoomPart> parts, int flags, DatagramReceived& out);
    // nullptr: no peer any more.
    int connect_datagram(const sockaddr_in* peer);
    std::uint32_t datagram_notes() const {
        return page_->datagram_notes.load(std::memory_order_relaxed);
    }

    int claim(std::size_t bytes, int flags, std::span<std::byte>& room);
    // As MessageWriter::claim_run; waits until the first has room.
    int claim_run(std::span<RoomPart> rooms, int flags, std::size_t& count);
    int commit(std::size_t bytes);
    int publish();
    int peek(std::span<ReceivedView> views, int flags, std::size_t& count);
    bool intact(std::uint64_t log_position) const;
    int consume(const TakenViews& taken);
    int unsent(std::uint64_t& octets) const;
    // What the next receive could take: of SOCK_RDM the rest of the message at hand as far as it is
    // here. 0 where nothing is, or the socket does not receive.
    int available(std::uint64_t& octets);

  private:
    using Role = ipc::SocketRole;
    using Descriptors = std::array<ipc::Descriptor, ipc::kMaxDescriptors>;

    Socket(RequestFunction request, ipc::SocketType type);

    // asking.hpp
    template <typename Reply, typename Request>
    int ask(ipc::RequestType type, Request& request, Reply& reply, Descriptors& descriptors);
    template <typename Request>
    int ask(ipc::RequestType type, Request& request);
    // socket_control.cpp
    int adopt(Descriptors& descriptors, int flags);
    int take_send_memory(Descriptors& descriptors, std::size_t first);
    int take_receive_memory(const ipc::Descriptor& descriptor);
    int request_accept(int flags, std::shared_ptr<Socket>& out);
    void linger_until_sent(Nanos deadline, bool& all_sent) const;

    // socket_sharing.cpp
    int take_holding(ipc::AttachReply& reply, Descriptors& descriptors);
    int adopt_session_made_elsewhere();

    // datagram.cpp, datagram_options.cpp
    int adopt_datagram();
    int bind_datagram_if_needed();
    int set_datagram_option(int name, const void* value, socklen_t length);
    int get_datagram_option(int name, void* value, socklen_t& length);

    // readiness.cpp
    bool settle_readable();
    void announce_anew();
    void settle_writable();
    void settle_acceptable();
    void ask_wake();

    // socket_options.cpp
    int set_boundary(const void* value, socklen_t length);
    int set_socket_option(int name, const void* value, socklen_t length, bool& taken);
    int get_socket_option(int name, void* value, socklen_t& length, bool& taken);
    int pending_error() const;

    // socket_data.cpp
    int ready_to_send(int flags);
    int ready_to_receive(int flags);
    int reset_error(ResetCause cause) const;
    int daemon_gone() const;
    void ring() const;
    template <typename Try>
    int claim_by(Try&& claim, int flags);
    int wait_for_room(const MessageWriter::Seen& seen, bool wait, Patience& patience);
    int nothing_yet(const MessageReader::Seen& seen);
    int wait_for_data(const MessageReader::Seen& seen, bool wait, Patience& patience, int& rounds);
    bool may_block(int flags) const;

    const RequestFunction request_;
    const ipc::SocketType type_;
    // The program's, or own_ once it has several. Relaxed: changes before the program can close the
    // former.
    std::atomic<int> descriptor_{-1};
    HiddenDescriptor own_;
    std::uint64_t id_ = 0;
    const pid_t first_holder_;
    ipc::Mapping page_memory_;
    ipc::SocketPage* page_ = nullptr;

    std::mutex control_;  // one life-cycle call at a time
    // Stored release when everything below it is ready; partner: the acquire in data calls.
    std::atomic<Role> role_{Role::none};
    ipc::Mapping region_memory_, worker_memory_;
    ipc::Mapping send_memory_;            // a datagram socket's; region_memory_ is what it receives
    std::uint32_t largest_datagram_ = 0;  // octets
    const ipc::WorkerPage* worker_page_ = nullptr;
    HiddenDescriptor doorbell_;
    std::optional<MessageWriter> writer_;
    std::optional<MessageReader> reader_;
    sockaddr_in session_peer_{}, session_name_{};

    // Set by one thread, looked at by others between their waits: no order needed.
    std::atomic<bool> closed_{false};
    std::atomic<std::uint32_t> looks_{
        0};  // calls that found nothing, for the rare look at the endpoint
};

}  // namespace fanfare::client
