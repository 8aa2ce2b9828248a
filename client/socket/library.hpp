// The process's way to a daemon: which one new sockets ask, and what else than sockets it can be
// asked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "client/core/request.hpp"
#include "ipc/messages.hpp"

namespace fanfare::client {

// Where new sockets go; empty: $FANFARE_CONTROL, else the default path.
void set_control_path(std::string path);
std::string control_path();

// New sockets ask this instead of a daemon: an engine in this process. An empty function ends that.
void set_request_function(RequestFunction function);

// What a new socket shall ask. It stays with the daemon that answers it first.
RequestFunction request_function();

// What the daemon tells of itself (ipc::StatusHeader). Returns 0 or an errno, with last_error
// filled.
int read_status(std::vector<ipc::StatusRecord>& records);
// The value of an option of level IPPROTO_RM, of any socket of this user's (or of anybody's, for
// root). `value` shrinks to what it has. As above.
int read_option(std::uint64_t socket, int name, std::vector<std::byte>& value);
// Version and size of the daemon. As above.
int say_hello(ipc::HelloReply& reply);

}  // namespace fanfare::client
