// The part of the C API that concerns datagram sockets: addresses and control messages of sendmsg
// and recvmsg.
#pragma once

#include <sys/socket.h>

#include <cstddef>

#include "client/socket/datagram.hpp"

namespace fanfare::client {

class Socket;

// As recvmsg: returns octets, with MSG_TRUNC in `flags` the datagram's whole length, -1 with errno
// through `error`. `message` was checked to be memory.
int receive_datagram_message(Socket& socket, msghdr& message, int flags, std::size_t& bytes);
// As sendmsg.
int send_datagram_message(Socket& socket, const msghdr& message, int flags, std::size_t& bytes);

}  // namespace fanfare::client
