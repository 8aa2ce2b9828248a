// ARP messages for IPv4 over Ethernet (RFC 826).
#pragma once

#include <cstring>
#include <span>

#include "dataplane/net/octets.hpp"
#include "dataplane/port.hpp"

namespace fanfare::dataplane::net {

inline constexpr std::size_t kArpSize = 28;
enum class ArpOperation : std::uint16_t { request = 1, reply = 2 };

struct ArpMessage {
    ArpOperation operation{};
    MacAddress sender_mac, target_mac;
    Address sender, target;
};

inline bool parse_arp(std::span<const std::byte> octets, ArpMessage& out) {
    if (octets.size() < kArpSize) return false;
    const std::byte* p = octets.data();
    // Hardware Ethernet, protocol IPv4, lengths 6 and 4.
    if (load32(p) != 0x00010800 || load16(p + 4) != 0x0604) return false;
    const std::uint16_t operation = load16(p + 6);
    if (operation != 1 && operation != 2) return false;
    out.operation = static_cast<ArpOperation>(operation);
    std::memcpy(out.sender_mac.octets.data(), p + 8, 6);
    out.sender = load_address(p + 14);
    std::memcpy(out.target_mac.octets.data(), p + 18, 6);
    out.target = load_address(p + 24);
    return true;
}

// Writes kArpSize octets.
inline std::size_t write_arp(std::byte* p, const ArpMessage& message) {
    store32(p, 0x00010800);
    store16(p + 4, 0x0604);
    store16(p + 6, static_cast<std::uint16_t>(message.operation));
    std::memcpy(p + 8, message.sender_mac.octets.data(), 6);
    store_address(p + 14, message.sender);
    std::memcpy(p + 18, message.target_mac.octets.data(), 6);
    store_address(p + 24, message.target);
    return kArpSize;
}

}  // namespace fanfare::dataplane::net
