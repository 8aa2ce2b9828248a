// A port as a worker sees it: bursts of link-layer frames in, bursts out, nothing else (DESIGN
// section 7). One object is one worker's queue pair on one device; it is used by that worker's
// thread alone.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/core/output.hpp"
#include "engine/types.hpp"

namespace fanfare::dataplane {

struct MacAddress {
    std::array<std::uint8_t, 6> octets{};
    constexpr auto operator<=>(const MacAddress&) const = default;
};

// A received link-layer frame (Ethernet header first, no FCS). The octets belong to the port and
// stay readable and unchanged until release().
struct RxFrame {
    const std::byte* data = nullptr;
    std::uint32_t length = 0;
    void* handle = nullptr;
};

struct PortFacts {  // taken once after start, again after a link event
    MacAddress mac;
    std::uint16_t mtu = 1500;  // largest IP datagram
    bool link_up = false;
    bool kernel_answers =
        false;  // af_packet, tap: the kernel holds the address and answers ARP and echo itself
};

// Frames lent by allocate() have kFrameHeadroom octets before `data`; the worker writes headers
// into them and sets `prepended`, so the wire frame is [data - prepended, data + length).
template <typename P>
concept PacketPort = requires(P port, const P const_port, std::span<RxFrame> rx,
                              std::span<engine::TxFrame> tx, std::span<const MacAddress> groups) {
    // Up to rx.size() frames; each must be given back with release() (any order, any batch) soon.
    { port.receive(rx) } -> std::same_as<std::size_t>;
    { port.release(rx) } -> std::same_as<void>;
    // Fills a prefix of tx with empty frames and returns how many; fewer when the pool is short.
    // The caller owns them until transmit() takes them or give_back() returns them.
    { port.allocate(tx) } -> std::same_as<std::size_t>;
    // Takes a prefix of tx and returns its size; the rest stays the caller's to try again.
    { port.transmit(tx) } -> std::same_as<std::size_t>;
    { port.give_back(tx) } -> std::same_as<void>;
    // Lets frames to these multicast MACs in: exact list, else all-multicast, else promiscuous.
    { port.set_multicast_filter(groups) } -> std::same_as<bool>;
    { const_port.facts() } -> std::same_as<PortFacts>;
    // System calls made so far because the device is kernel-backed, where known; shown in status.
    { const_port.system_calls() } -> std::same_as<std::uint64_t>;
};

}  // namespace fanfare::dataplane
