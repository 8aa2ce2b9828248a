// The control connection of this process to one daemon: SOCK_SEQPACKET, a reply for every request
// (ipc/messages.hpp).
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "client/core/request.hpp"
#include "client/socket/hidden_descriptor.hpp"

namespace fanfare::client {

// Where the daemon listens unless said otherwise: fanfare_set_control(), else $FANFARE_CONTROL,
// else this.
inline constexpr const char* kDefaultControlPath = "/run/fanfare/control.sock";

class Connection {
  public:
    explicit Connection(std::string path) : path_(std::move(path)) {}

    // Sends one request and waits for its reply. Connects first when there is no connection, or
    // when the one there is belongs to the process that forked this one. Thread-safe. reply.error:
    // ENOENT, ECONNREFUSED, EACCES... when no daemon is there; ECONNRESET when it went away;
    // ETIMEDOUT when it does not answer; EPROTO.
    // `daemon` names the daemon that the request is for: 0 for any (it becomes the one that
    // answered), else a request for one that went away fails with ECONNRESET, although another may
    // stand in its place by now.
    void call(std::span<const std::byte> request, Reply& reply, std::uint64_t& daemon);

    const std::string& path() const { return path_; }

  private:
    bool open(Reply& reply);
    bool exchange(std::span<const std::byte> request, Reply& reply);

    const std::string path_;
    HiddenDescriptor descriptor_;
    pid_t owner_ = 0;
    std::uint64_t correlation_ = 0;
    std::uint64_t daemon_ = 0;  // counts the daemons that this connection had
    bool alive_ = false;        // the last of them was not seen to end, here or before a fork
};

// The connection of this process to the daemon at `path`; always the same one for the same path.
std::shared_ptr<Connection> connection_to(const std::string& path);

// From here on fork() waits until no request is under way. Done by itself at the first connection;
// called by whoever has a lock of its own that must come first.
void register_connections_for_fork();

}  // namespace fanfare::client
