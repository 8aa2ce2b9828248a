// A packet without payload into a lent frame: encoded, summed, addressed.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <span>

#include "engine/checksum/checksum.hpp"
#include "engine/core/output.hpp"
#include "engine/wire/octets.hpp"
#include "engine/wire/packet.hpp"

namespace fanfare::engine {

inline constexpr std::size_t kChecksumOffset = 6;  // in the common header, RFC 3208 section 8

inline void store_checksum(std::byte* packet, std::uint32_t sum) {
    const std::uint16_t value = checksum::finish(sum);
    std::memcpy(packet + kChecksumOffset, &value, sizeof value);
}

// Room for the numbers of OPT_NAK_LIST; lives as long as the packet that names them.
using NakListRoom = std::array<std::byte, 4 * wire::kNakListMax>;

// The first of `sqns` (1 to 63) into the packet's fixed part, the others into OPT_NAK_LIST
// (RFC 9.3).
inline void name_numbers(std::span<const Sqn> sqns, NakListRoom& room, wire::Packet& packet) {
    packet.sqn = sqns.front();
    if (sqns.size() == 1) return;
    for (std::size_t i = 1; i < sqns.size(); ++i) wire::put32(&room[4 * (i - 1)], sqns[i]);
    packet.options.set(wire::OptionBit::nak_list);
    packet.options.nak_list = {room.data(), static_cast<std::uint8_t>(sqns.size() - 1)};
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
