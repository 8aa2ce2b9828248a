// What a datagram call gives and takes beside its octets.
#pragma once

#include <netinet/in.h>

#include <cstddef>
#include <cstdint>

namespace fanfare::client {

struct DatagramReceived {
    std::size_t bytes = 0;   // copied
    std::size_t length = 0;  // of the datagram; more than `bytes` when it was cut
    sockaddr_in source{};
    in_addr destination{};
    in_addr interface_address{};
    std::uint32_t interface_index = 0;
    std::uint8_t ttl = 0, tos = 0;
    bool ended = false;  // the socket was shut down for receiving: no datagram
};

// What a socket is asked to add to each datagram (recvmsg), kept in its page.
enum DatagramNote : std::uint32_t {
    kNotePacketInfo = 1,  // IP_PKTINFO
    kNoteTtl = 2,         // IP_RECVTTL
    kNoteTos = 4,         // IP_RECVTOS
};

}  // namespace fanfare::client
