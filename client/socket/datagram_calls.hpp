// The part of the C API that concerns datagram sockets: addresses and control messages of sendmsg
// and recvmsg, and the options that carry whole source filters.
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

// Whether an option is IP_MSFILTER or MCAST_MSFILTER of a datagram socket, with a value.
bool carries_source_filter(const Socket& socket, int level, int name, const void* value);
// As setsockopt and getsockopt of these; the list may be as long as a membership's.
int set_source_filter(Socket& socket, int name, const void* value, socklen_t length);
int get_source_filter(Socket& socket, int name, void* value, socklen_t* length);

}  // namespace fanfare::client
