// The kernel's side of devices that stand on one of its interfaces: what it is like, and its
// multicast filter.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "dataplane/port.hpp"
#include "engine/types.hpp"
#include "ipc/descriptor.hpp"

namespace fanfare::dataplane {

struct KernelLink {
    bool exists = false;
    bool up = false;       // administratively
    bool running = false;  // with carrier
    std::uint16_t mtu = 0;
    MacAddress mac;
};

// What changes with a link event; a few ioctls, no allocation. Looks in the network namespace of
// the calling thread.
KernelLink read_kernel_link(const std::string& name);

struct KernelLinkPlace {
    std::uint16_t receive_queues = 1;
    std::uint16_t channels = 1;  // pairs of queues that share an interrupt: what AF_XDP can bind to
    bool virtual_link = false;   // no hardware behind it: veth, dummy, tap
    bool default_route = false;  // the machine reaches the rest of the world through it
};
// What a device is opened by.
KernelLinkPlace read_kernel_place(const std::string& name);

// True if the kernel itself holds this address on the interface, and so answers ARP and echo there.
bool kernel_holds(const std::string& name, Address address);

// Whether this process has a capability (CAP_NET_RAW, ... of <linux/capability.h>) in effect.
bool has_capability(unsigned capability);

// Frames to multicast MACs let in by the kernel's interface on behalf of one packet socket. The
// kernel takes the memberships back when the socket goes, however the process ends; a promiscuous
// flag would stay behind.
class KernelMulticast {
  public:
    // False if there is no such interface or no right to a packet socket.
    bool open(const std::string& name);
    bool is_open() const { return static_cast<bool>(socket_); }
    // Makes `groups` the whole list; past kListMax all multicast. False if the kernel refused a
    // part. `system_calls` grows by those made.
    bool set(std::span<const MacAddress> groups, std::uint64_t& system_calls);

    // Cards hold some tens of exact addresses and turn to all-multicast by themselves behind that.
    static constexpr std::size_t kListMax = 1024;

  private:
    bool change(int option, std::uint16_t type, const MacAddress& mac);
    ipc::Descriptor socket_;
    int index_ = 0;
    std::vector<MacAddress> members_;  // room for kListMax taken once
    bool all_ = false;
};

}  // namespace fanfare::dataplane
