// Which descriptor of this process is which socket.
#pragma once

#include <memory>

#include "client/socket/socket.hpp"

namespace fanfare::client {

// Enters a socket under its descriptor; whatever stood there had been closed behind the library's
// back.
void enter_socket(std::shared_ptr<Socket> socket);
// The socket of a descriptor, or nullptr with last_error EBADF. The pointer is good until this
// thread asks for another descriptor or forgets this one; other threads may close the socket
// meanwhile.
Socket* find_socket(int descriptor);
// Takes a socket out and returns it; its object goes when the last thread that uses it has turned
// to another.
std::shared_ptr<Socket> forget_socket(int descriptor);

}  // namespace fanfare::client
