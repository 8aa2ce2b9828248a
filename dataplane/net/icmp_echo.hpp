// Echo replies (RFC 792, RFC 1122 section 3.2.2.6): the request's octets come back unchanged.
#pragma once

#include <cstring>
#include <span>

#include "dataplane/net/internet_checksum.hpp"

namespace fanfare::dataplane::net {

inline constexpr std::size_t kIcmpEchoSize = 8;

// Writes the reply's ICMP message; returns its size, or 0 when `message` is no intact echo request
// or the room is too small.
inline std::size_t write_echo_reply(std::span<const std::byte> message, std::span<std::byte> room) {
    if (message.size() < kIcmpEchoSize || message.size() > room.size()) return 0;
    if (message[0] != std::byte{8} || message[1] != std::byte{0} || !internet_intact(message)) {
        return 0;
    }
    std::memcpy(room.data(), message.data(), message.size());
    room[0] = std::byte{0};
    store16(room.data() + 2, 0);
    store16(room.data() + 2, internet_checksum(room.first(message.size())));
    return message.size();
}

}  // namespace fanfare::dataplane::net
