// What the daemon's end of a socket's pair is called: a Unix address in the abstract name space
// that says whose it is and which socket. getpeername() on the client's end reads it, in any
// process that holds the descriptor, however it came by it: so a program that was exec'ed knows
// which of its descriptors are Fanfare sockets (DESIGN section 5). Nobody connects to the name.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace fanfare::ipc {

inline constexpr char kEndpointPrefix[] = {0, 'f', 'a', 'n', 'f', 'a', 'r', 'e', '/'};

struct EndpointName {
    sockaddr_un address{};
    socklen_t length = 0;
};

inline EndpointName endpoint_name(std::uint64_t socket_id) {
    EndpointName name;
    name.address.sun_family = AF_UNIX;
    char* const text = name.address.sun_path;
    std::memcpy(text, kEndpointPrefix, sizeof kEndpointPrefix);
    const auto end = std::to_chars(text + sizeof kEndpointPrefix,
                                   text + sizeof name.address.sun_path, socket_id);
    name.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + (end.ptr - text));
    return name;
}

// The socket that a peer's address names; 0 for an address of anybody else.
inline std::uint64_t socket_id_in(const sockaddr_un& address, socklen_t length) {
    constexpr std::size_t kFront = offsetof(sockaddr_un, sun_path) + sizeof kEndpointPrefix;
    if (length <= kFront || length > sizeof address || address.sun_family != AF_UNIX ||
        std::memcmp(address.sun_path, kEndpointPrefix, sizeof kEndpointPrefix) != 0)
        return 0;
    const char* const begin = address.sun_path + sizeof kEndpointPrefix;
    const char* const end = begin + (length - kFront);
    std::uint64_t id = 0;
    const auto read = std::from_chars(begin, end, id);
    return read.ec == std::errc() && read.ptr == end ? id : 0;
}

}  // namespace fanfare::ipc
