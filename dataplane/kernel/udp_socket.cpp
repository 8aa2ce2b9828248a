#include "dataplane/kernel/udp_socket.hpp"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <cerrno>

namespace fanfare::dataplane::kernel {

namespace {

bool set(int socket, int level, int name, int value) {
    return setsockopt(socket, level, name, &value, sizeof value) == 0;
}

in_addr network_order(Address address) {
    return in_addr{htonl(address.v4)};
}

ip_mreqn membership(int index, Address group) {
    ip_mreqn request{};
    request.imr_multiaddr = network_order(group);
    request.imr_ifindex = index;
    return request;
}

// Beyond the system's limit where that is allowed, else up to it.
void set_room(int socket, int forced, int asked, std::uint32_t octets) {
    if (!set(socket, SOL_SOCKET, forced, static_cast<int>(octets)))
        set(socket, SOL_SOCKET, asked, static_cast<int>(octets));
}

// Blocking: io_uring waits for it; sends say MSG_DONTWAIT.
ipc::Descriptor open_on(const UdpSocketSettings& settings, Address bound, int& error) {
    ipc::Descriptor out(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP));
    const int fd = out.get();
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(settings.port);
    name.sin_addr = network_order(bound);
    // Each socket sees its own interface alone, so several of a port live side by side. No GRO
    // costs speed only.
    const bool done = fd >= 0 && set(fd, SOL_SOCKET, SO_REUSEADDR, 1) &&
                      setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, settings.interface.c_str(),
                                 static_cast<socklen_t>(settings.interface.size() + 1)) == 0 &&
                      ::bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0;
    if (!done) {
        error = errno;
        return {};
    }
    set(fd, SOL_UDP, UDP_GRO, 1);
    set_room(fd, SO_RCVBUFFORCE, SO_RCVBUF, settings.receive_bytes);
    return out;
}

}  // namespace

ipc::Descriptor open_unicast_socket(const UdpSocketSettings& settings, int& error) {
    ipc::Descriptor out = open_on(settings, settings.address, error);
    if (!out) return out;
    const ip_mreqn leave_by = membership(settings.index, {});
    const int fd = out.get();
    // Local receivers get the worker's own copy. DF, and the MTU is the interface's: the session's
    // packets were made for it.
    const bool done =
        setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &leave_by, sizeof leave_by) == 0 &&
        set(fd, IPPROTO_IP, IP_MULTICAST_LOOP, 0) &&
        set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
    if (!done) {
        error = errno;
        return {};
    }
    constexpr std::uint32_t kSendBytes = 4u << 20;  // some sixty full calls
    set_room(fd, SO_SNDBUFFORCE, SO_SNDBUF, kSendBytes);
    return out;
}

ipc::Descriptor open_multicast_socket(const UdpSocketSettings& settings, int& error) {
    ipc::Descriptor out = open_on(settings, {}, error);
    if (out && !set(out.get(), IPPROTO_IP, IP_PKTINFO, 1)) {
        error = errno;
        return {};
    }
    return out;
}

ipc::Descriptor open_membership_socket(int& error) {
    ipc::Descriptor out(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP));
    if (!out) error = errno;
    return out;
}

int join_group(int socket, int interface_index, Address group) {
    const ip_mreqn request = membership(interface_index, group);
    return setsockopt(socket, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof request) == 0 ? 0
                                                                                            : errno;
}

void leave_group(int socket, int interface_index, Address group) {
    const ip_mreqn request = membership(interface_index, group);
    setsockopt(socket, IPPROTO_IP, IP_DROP_MEMBERSHIP, &request, sizeof request);
}

}  // namespace fanfare::dataplane::kernel
