// The kernel's UDP sockets as the kernel port uses them.
#pragma once

#include <cstdint>
#include <string>

#include "engine/types.hpp"
#include "ipc/descriptor.hpp"

namespace fanfare::dataplane::kernel {

struct UdpSocketSettings {
    std::string interface;  // the kernel's name
    int index = 0;          // and its number
    Address address;        // the interface's
    std::uint16_t port = 0;
    // Octets of the receive buffer that are asked for: more than net.core.rmem_max only with
    // CAP_NET_ADMIN, else as many as that. The kernel doubles it and counts whole pages, so it
    // holds some 170 MB of packets: at the 5 to 7 GB/s that one core sends over veth, the 16 ms
    // and more that another program keeps a worker off its core. Only what waits takes memory.
    std::uint32_t receive_bytes = 128u << 20;
};

// A socket that hears what comes to the address and sends with it as its source. One address
// belongs to one daemon of a machine. An errno in `error` if it can't be had.
ipc::Descriptor open_unicast_socket(const UdpSocketSettings& settings, int& error);
// A socket that hears what comes through the interface to any group that somebody here has joined.
// Other sockets of the port hear the same groups: each gets a copy.
ipc::Descriptor open_multicast_socket(const UdpSocketSettings& settings, int& error);
// A socket without a port, which hears nothing: its memberships (join_group) are what counts.
ipc::Descriptor open_membership_socket(int& error);

// 0 or an errno: ENOBUFS when the socket holds as many as it may (igmp_max_memberships).
int join_group(int socket, int interface_index, Address group);
void leave_group(int socket, int interface_index, Address group);

// What each of them costs in system calls, for the count in status.
inline constexpr std::uint64_t kOpenCalls = 11;

}  // namespace fanfare::dataplane::kernel
