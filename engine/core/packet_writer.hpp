// A packet without payload into a lent frame: encoded, summed, addressed.
#pragma once

#include <cstdint>
#include <cstring>

#include "engine/checksum/checksum.hpp"
#include "engine/core/output.hpp"
#include "engine/wire/packet.hpp"

namespace fanfare::engine {

inline constexpr std::size_t kChecksumOffset = 6;  // in the common header, RFC 3208 section 8

inline void store_checksum(std::byte* packet, std::uint32_t sum) {
    const std::uint16_t value = checksum::finish(sum);
    std::memcpy(packet + kChecksumOffset, &value, sizeof value);
}

// Writes `packet` to frame.data with its checksum and sets frame.length; false when it doesn't fit
// the frame.
inline bool write_control_packet(const wire::Packet& packet, FrameKind kind, Address destination,
                                 std::uint8_t ttl, bool router_alert,
                                 const checksum::Kernels& kernels, TxFrame& frame) {
    const std::size_t length = wire::encode(packet, {frame.data, frame.capacity}, false);
    if (length == 0) return false;
    store_checksum(frame.data, kernels.sum(frame.data, length));
    frame.length = static_cast<std::uint16_t>(length);
    frame.kind = kind;
    frame.ttl = ttl;
    frame.router_alert = router_alert;
    frame.destination = destination;
    return true;
}

}  // namespace fanfare::engine
