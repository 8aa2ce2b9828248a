// Datagrams in shared memory: what stands before the payload in each record of a datagram socket's
// two regions.
//
// A datagram socket has a receive region (ipc/receive_region.hpp), one entry a datagram, and a send
// region (ipc/send_region.hpp), one record a datagram. Unlike a session's window the receive region
// is bounded by its reader: the worker looks at the reader's cursor and drops, and counts, what
// would overwrite an unread datagram. A cursor that lies harms its own socket alone.
#pragma once

#include <cstdint>
#include <type_traits>

#include "engine/types.hpp"

namespace fanfare::ipc {

// Received: who sent it, where to, and on which interface it came.
struct ReceivedDatagram {
    Address source, destination;
    std::uint32_t interface_index;  // as control::Interface has it, for IP_PKTINFO
    Address interface_address;
    std::uint16_t source_port;
    std::uint8_t ttl;
    std::uint8_t tos;
    std::uint32_t pad;
};
static_assert(sizeof(ReceivedDatagram) == 24);

// To be sent. Whatever the client writes here, the worker checks.
struct SentDatagram {
    Address destination;
    Address source;  // the interface's address; none: the socket's choice for that destination
    std::uint16_t port;
    std::uint16_t pad0;
    std::uint32_t pad1;
};
static_assert(sizeof(SentDatagram) == 16);
static_assert(std::is_trivially_copyable_v<ReceivedDatagram> &&
              std::is_trivially_copyable_v<SentDatagram>);

// IPv4 and UDP headers: what an interface's MTU leaves for a datagram's payload.
inline constexpr std::uint32_t kDatagramHeaders = 28;

}  // namespace fanfare::ipc
