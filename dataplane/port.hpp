// A port as a worker sees it: bursts of link-layer frames in, bursts out, nothing else (DESIGN
// section 7). One object is one worker's queue pair on one device; it is used by that worker's
// thread alone.
//
// A datagram port (PortFacts::datagrams) stands on the kernel's IP instead of a link: the kernel
// resolves next hops, answers echo and reports memberships. It brings PGM packets with their
// addresses beside them, and takes the same: PGM packets whose TxFrame says source, destination,
// UDP port, time to live, service and Router Alert.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/core/output.hpp"
#include "engine/types.hpp"

namespace fanfare::dataplane {

struct MacAddress {
    std::array<std::uint8_t, 6> octets{};
    constexpr auto operator<=>(const MacAddress&) const = default;
};

// Where a datagram came from, for frames without headers of their own.
struct RxOrigin {
    Address source, destination;
    std::uint16_t udp_port = 0;  // destination port; never 0
};

// A received link-layer frame (Ethernet header first, no FCS); of a datagram port a PGM packet, and
// `origin` says whose. Octets and origin belong to the port and stay readable and unchanged until
// release().
struct RxFrame {
    const std::byte* data = nullptr;
    std::uint32_t length = 0;
    void* handle = nullptr;
    const RxOrigin* origin = nullptr;  // of all frames of a port or of none
};

struct PortFacts {  // taken once after start, again after a link event
    MacAddress mac;
    std::uint16_t mtu = 1500;  // largest IP datagram
    bool link_up = false;
    bool kernel_answers =
        false;  // af_packet, tap: the kernel holds the address and answers ARP and echo itself
    bool datagrams = false;  // no link layer, no ARP, no IGMP: datagrams of PGM in UDP only
};

// What a worker that sleeps can wait for: descriptors that are readable while receive() has
// something to look at. A port that has them offers `void wake_descriptors(WakeDescriptors&)
// const`.
struct WakeDescriptors {
    std::array<int, 32> list{};
    std::size_t count = 0;
    bool complete = true;  // false: packets may come without any of them showing it
    void add(int descriptor) {
        if (count < list.size()) {
            list[count++] = descriptor;
        } else {
            complete = false;
        }
    }
};

// Frames lent by allocate() have kFrameHeadroom octets before `data`; the worker writes headers
// into them and sets `prepended`, so the wire frame is [data - prepended, data + length). Frames of
// a datagram port have no room in front and nothing is prepended to them.
template <typename P>
concept PacketPort = requires(P port, const P const_port, std::span<RxFrame> rx,
                              std::span<engine::TxFrame> tx, std::span<const MacAddress> groups) {
    // Up to rx.size() frames; each must be given back with release() (any order, any batch) soon.
    { port.receive(rx) } -> std::same_as<std::size_t>;
    { port.release(rx) } -> std::same_as<void>;
    // Fills a prefix of tx with empty frames and returns how many; fewer when the pool is short.
    // The caller owns them until transmit() takes them or give_back() returns them.
    { port.allocate(tx) } -> std::same_as<std::size_t>;
    // Takes a prefix of tx and returns its size; the rest stays the caller's to try again. A port
    // that left frames of its own will, to send them with later ones, says how many: waiting().
    { port.transmit(tx) } -> std::same_as<std::size_t>;
    { port.give_back(tx) } -> std::same_as<void>;
    // Lets frames to these multicast MACs in: exact list, else all-multicast, else promiscuous.
    { port.set_multicast_filter(groups) } -> std::same_as<bool>;
    { const_port.facts() } -> std::same_as<PortFacts>;
    // System calls made so far because the device is kernel-backed, where known; shown in status.
    { const_port.system_calls() } -> std::same_as<std::uint64_t>;
};

// What a datagram port shall let in.
struct Memberships {
    std::vector<Address> groups;           // each once, in no order
    std::vector<std::uint16_t> udp_ports;  // the same
};

// A port that may be a datagram port (facts().datagrams); then this comes in place of
// set_multicast_filter().
template <typename P>
concept DatagramPort = PacketPort<P> && requires(P port, const Memberships& wanted) {
    // Makes `wanted` all there is. A bounded number of system calls each time: false when more is
    // to be done, by the same call again.
    { port.set_memberships(wanted) } -> std::same_as<bool>;
};

}  // namespace fanfare::dataplane
