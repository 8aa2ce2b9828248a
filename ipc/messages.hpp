// The control protocol: fixed messages over a SOCK_SEQPACKET Unix socket, one datagram each, a
// reply for every request with its correlation echoed. Descriptors travel by SCM_RIGHTS in the
// order named here. Host byte order: both ends are on one host. A message of another version or of
// a wrong size is answered with EPROTO and counted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "engine/types.hpp"

namespace fanfare::ipc {

inline constexpr std::uint32_t kProtocolVersion = 1;
inline constexpr std::size_t kOptionValueMax =
    256;                                           // largest option value: RM_RECEIVER_STATS is 144
inline constexpr std::size_t kMaxDescriptors = 4;  // most that one reply carries
inline constexpr std::size_t kMaxMessage = 512;

enum class RequestType : std::uint32_t {
    hello = 1,   // -> HelloReply
    socket,      // SocketRequest  -> SocketReply      + [endpoint, page, worker page, doorbell]
    bind,        // AddressRequest -> Reply
    set_option,  // OptionRequest  -> Reply
    get_option,  // OptionRequest  -> OptionReply
    connect,     // AddressRequest -> ConnectReply     + [send region, worker page, doorbell]
    listen,      // ListenRequest  -> Reply
    accept,      // IdRequest      -> AcceptReply      + [endpoint, page, receive region]; EAGAIN if
                 // none waits
    shutdown,    // ShutdownRequest-> Reply
    close,   // CloseRequest   -> Reply; closing the last descriptor of an endpoint does the same
    status,  // StatusRequest  -> StatusReply      + [memfd: StatusHeader, then StatusRecord array]
    name,    // NameRequest    -> NameReply        (getsockname, getpeername)
    attach,  // IdRequest      -> AttachReply      + [page], sender: [send region, worker page,
             // doorbell], receiver: [receive region]. By a process that found an endpoint after
             // exec (ipc/endpoint_name.hpp), or whose socket got its session in another process
    wake,    // IdRequest      -> Reply; the endpoint is made to show what stands in the window: the
             // client drained it, or filled it, and then found that it should not have
    datagram,  // IdRequest    -> DatagramReply    + [receive region, send region, worker page,
               // doorbell] of a datagram socket
};

// SOCK_RDM, SOCK_STREAM, SOCK_DGRAM
enum class SocketType : std::uint32_t { message = 0, stream = 1, datagram = 2 };

struct RequestHeader {
    std::uint32_t version = kProtocolVersion;
    RequestType type{};
    std::uint64_t correlation = 0;
    std::uint64_t socket_id = 0;  // 0 where there is none
};

struct ReplyHeader {
    std::uint32_t version = kProtocolVersion;
    RequestType type{};
    std::uint64_t correlation = 0;
    std::int32_t error = 0;         // an errno, 0 = done
    std::uint32_t descriptors = 0;  // how many come with this reply
    char detail[160] = {};  // one line for a human when error != 0: what, and how to mend it
};

struct HelloRequest {
    RequestHeader header;
};
struct HelloReply {
    ReplyHeader header;
    std::uint32_t workers, interfaces;
    char version_text[32];
};
struct SocketRequest {
    RequestHeader header;
    SocketType type;
    std::uint32_t pad;
};
struct SocketReply {
    ReplyHeader header;
    std::uint64_t socket_id;
};
struct AddressRequest {
    RequestHeader header;
    Address address;
    std::uint16_t port;
    std::uint16_t pad;
};
struct OptionRequest {
    RequestHeader header;
    std::int32_t level, name;
    std::uint32_t length, pad;
    std::uint8_t value[kOptionValueMax];
};
struct OptionReply {
    ReplyHeader header;
    std::uint32_t length, pad;
    std::uint8_t value[kOptionValueMax];
};
struct ConnectReply {
    ReplyHeader header;
    std::uint64_t session_id, log_bytes;
    std::uint32_t largest_tsdu, largest_fragment;
    Address interface;
    std::uint16_t source_port, pad;
};
struct ListenRequest {
    RequestHeader header;
    std::uint32_t backlog, pad;
};
struct IdRequest {
    RequestHeader header;
};
struct AcceptReply {
    ReplyHeader header;
    std::uint64_t socket_id, session_id;
    std::uint64_t start_ordinal;  // where this reader starts: the first whole message it gets
    Address source, group;
    std::uint16_t source_port, destination_port;
    std::uint32_t joined_late;  // 1: data existed before; sqn in the low half of start_ordinal
    SocketType type;
};
struct DatagramReply {
    ReplyHeader header;
    std::uint32_t largest_payload;  // of a datagram: the largest MTU less its headers
    std::uint32_t pad;
};
// What the six membership calls take here, whichever of their structures a program gave: the value
// of IP_ADD_MEMBERSHIP and so on at level IPPROTO_IP. Host byte order.
struct MembershipValue {
    Address group;
    Address interface;  // none: the default; 0.x.y.z: an interface's index
    Address source;     // of the calls that name one
};
struct ShutdownRequest {
    RequestHeader header;
    std::uint32_t how, pad;
};  // SHUT_RD 0, SHUT_WR 1, SHUT_RDWR 2
struct CloseRequest {
    RequestHeader header;
    std::uint32_t linger_on, linger_seconds;
};
struct StatusRequest {
    RequestHeader header;
};
struct StatusReply {
    ReplyHeader header;
    std::uint64_t bytes;
};
struct NameRequest {
    RequestHeader header;
    std::uint32_t peer, pad;
};
struct NameReply {
    ReplyHeader header;
    Address address;
    std::uint16_t port, pad;
};
struct AttachReply {
    ReplyHeader header;
    std::uint64_t socket_id, session_id;
    SocketType type;
    std::uint32_t role;     // SocketRole
    Address source, group;  // of a session; a sender's source stays empty
    std::uint16_t source_port, destination_port;
    std::uint32_t pad;
};
enum class SocketRole : std::uint32_t {
    none = 0,
    bound = 1,
    sender = 2,
    listener = 3,
    receiver = 4,
    datagram = 5
};

// Options of Fanfare's own, at level IPPROTO_RM (113), beside RM_* 1001..1014. Values are
// std::uint32_t unless said. Set before connect or listen; later: EISCONN or EINVAL as for RM_*
// (wsrm.md O-5).
enum FanfareOption : std::int32_t {
    kOptionUdpPort = 2001,      // UDP encapsulation port, 0 = raw IP 113
    kOptionProfile = 2002,      // engine::ProfileName
    kOptionRateBits = 2003,     // std::uint64_t bit/s, 0 = as fast as the port takes
    kOptionWindowBytes = 2004,  // std::uint64_t
    kOptionWindowNanos = 2005,  // std::uint64_t
    kOptionPacked = 2006,       // 0, 1
    kOptionSource = 2007,    // receiver: only sessions from this IPv4 address (host order), 0 = any
    kOptionLoopback = 2008,  // 0, 1: local receivers get the data (default 1)
    kOptionReceiveWindow = 2009,      // std::uint64_t octets of the receive window's log
    kOptionCongestionControl = 2010,  // 0, 1: PGMCC
};

// What `fanfare status` shows: a memfd with one StatusHeader, then records of fixed size, each a
// kind, a name and numbered values whose names stand in control/status_names (the tool prints JSON
// from them).
inline constexpr std::size_t kStatusNameBytes = 48;
struct StatusHeader {
    std::uint32_t version, records;
    std::uint64_t bytes;
};
enum class StatusKind : std::uint32_t {
    interface = 1,
    worker,
    source,
    receiver,
    reader,
    listener,
    client,
    counter,
    datagram,   // a datagram socket
    membership  // of one
};
struct StatusRecord {
    StatusKind kind;
    std::uint32_t parent;  // index of the record this one belongs to, or 0xFFFFFFFF
    char
        object[kStatusNameBytes];  // e.g. "feed 10.0.0.1/24", "239.1.1.1:7500", "a1b2c3d4e5f6:4660"
    char field[kStatusNameBytes];  // e.g. "naks_received"
    char text[kStatusNameBytes];   // value where it is no number, else empty
    std::uint64_t value;
};

static_assert(sizeof(OptionReply) <= kMaxMessage && sizeof(AcceptReply) <= kMaxMessage);
static_assert(std::is_trivially_copyable_v<OptionRequest> &&
              std::is_trivially_copyable_v<AcceptReply>);

}  // namespace fanfare::ipc
