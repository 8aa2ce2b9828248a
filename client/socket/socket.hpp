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
#include "client/socket/waiting.hpp"
#include "ipc/descriptor.hpp"
#include "ipc/memory.hpp"
#include "ipc/messages.hpp"

namespace fanfare::client {

struct Received {
    std::size_t bytes = 0;
    bool message_end = false;  // with SOCK_RDM: these octets end the message
};

class Socket {
  public:
    // `type` is SOCK_RDM or SOCK_STREAM, `flags` SOCK_NONBLOCK and SOCK_CLOEXEC. The descriptor
    // belongs to the program (descriptor()); it ends with close(), not with this object.
    static int create(RequestFunction request, int type, int flags, std::shared_ptr<Socket>& out);

    int descriptor() const { return descriptor_; }
    int type() const { return type_ == ipc::SocketType::stream ? SOCK_STREAM : SOCK_RDM; }

    int bind(const sockaddr_in& address);
    int set_option(int level, int name, const void* value, socklen_t length);
    int get_option(int level, int name, void* value, socklen_t& length);
    int connect(const sockaddr_in& address);
    int listen(int backlog);
    int accept(int flags, std::shared_ptr<Socket>& out);
    int name(bool peer, sockaddr_in& address);
    int shutdown(int how);
    // `forget` is called just before the descriptor goes, and returns whatever keeps this object
    // alive until then.
    int close(const std::function<std::shared_ptr<Socket>()>& forget);

    // `sent` counts octets taken, also when an error (a timeout, a signal) cuts a message that is
    // larger than the window: then the result is 0.
    int send(std::span<const DataPart> parts, int flags, std::size_t& sent);
    // `flags_out`: the caller can tell an unfinished message from a whole one without an error
    // (recvmsg).
    int receive(std::span<const RoomPart> parts, int flags, bool flags_out, Received& received);

    int claim(std::size_t bytes, int flags, std::span<std::byte>& room);
    int commit(std::size_t bytes);
    int publish();
    int peek(std::span<ReceivedView> views, int flags, std::size_t& count);
    bool intact(const ReceivedView& view) const;
    int consume(std::span<const ReceivedView> views);
    int unsent(std::uint64_t& octets) const;

  private:
    using Role = ipc::SocketRole;
    using Descriptors = std::array<ipc::Descriptor, ipc::kMaxDescriptors>;

    Socket(RequestFunction request, ipc::SocketType type)
        : request_(std::move(request)), type_(type) {}

    // asking.hpp
    template <typename Reply, typename Request>
    int ask(ipc::RequestType type, Request& request, Reply& reply, Descriptors& descriptors);
    template <typename Request>
    int ask(ipc::RequestType type, Request& request);
    // socket_control.cpp
    int adopt(Descriptors& descriptors, int flags);
    int request_accept(int flags, std::shared_ptr<Socket>& out);
    void linger_until_sent(Nanos deadline, bool& all_sent) const;

    // socket_options.cpp
    int set_boundary(const void* value, socklen_t length);
    int set_socket_option(int name, const void* value, socklen_t length, bool& taken);
    int get_socket_option(int name, void* value, socklen_t& length, bool& taken);
    int pending_error() const;

    // socket_data.cpp
    int ready_to_send(int flags) const;
    int ready_to_receive(int flags) const;
    int reset_error(ResetCause cause) const;
    int daemon_gone() const;
    void ring() const;
    int wait_for_room(const MessageWriter::Seen& seen, bool wait, Nanos deadline);
    int wait_for_data(const MessageReader::Seen& seen, bool wait, Nanos deadline, int& rounds);
    bool may_block(int flags) const;

    const RequestFunction request_;
    const ipc::SocketType type_;
    int descriptor_ = -1;
    std::uint64_t id_ = 0;
    ipc::Mapping page_memory_;
    ipc::SocketPage* page_ = nullptr;

    std::mutex control_;  // one life-cycle call at a time
    // Stored release when everything below it is ready; partner: the acquire in data calls.
    std::atomic<Role> role_{Role::none};
    ipc::Mapping region_memory_, worker_memory_;
    const ipc::WorkerPage* worker_page_ = nullptr;
    ipc::Descriptor doorbell_;
    std::optional<MessageWriter> writer_;
    std::optional<MessageReader> reader_;
    sockaddr_in session_peer_{}, session_name_{};

    // Set by one thread, looked at by others between their waits: no order needed.
    std::atomic<bool> shut_read_{false}, shut_write_{false}, closed_{false};
    std::atomic<Nanos> receive_timeout_{0}, send_timeout_{0};
    std::atomic<int> linger_seconds_{-1};  // -1: off
    std::atomic<std::uint32_t> receive_buffer_{0}, send_buffer_{0};
    std::atomic<std::uint32_t> looks_{
        0};  // calls that found nothing, for the rare look at the endpoint
};

}  // namespace fanfare::client
