#include "dataplane/kernel/kernel_link.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>

namespace fanfare::dataplane {

namespace {

bool is_default_route(const std::string& name) {
    std::ifstream routes("/proc/net/route");
    std::string line;
    std::getline(routes, line);  // the headings
    while (std::getline(routes, line)) {
        std::istringstream fields(line);
        std::string interface, destination, gateway, flags, count, use, metric, mask;
        if (!(fields >> interface >> destination >> gateway >> flags >> count >> use >> metric >>
              mask))
            continue;
        if (interface == name && destination == "00000000" && mask == "00000000") return true;
    }
    return false;
}

// /sys shows the network namespace it was mounted in, which `ip netns exec` takes care of;
// elsewhere one queue and no hardware is what a namespace's interface has.
std::uint16_t count_receive_queues(const std::filesystem::path& folder) {
    std::uint16_t queues = 0;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(folder / "queues", ignored))
        if (entry.path().filename().string().rfind("rx-", 0) == 0) ++queues;
    return std::max<std::uint16_t>(queues, 1);
}

std::uint16_t count_channels(const std::string& name) {
    const ipc::Descriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ethtool_channels channels{};
    channels.cmd = ETHTOOL_GCHANNELS;
    ifreq request{};
    name.copy(request.ifr_name, IFNAMSIZ - 1);
    request.ifr_data = reinterpret_cast<char*>(&channels);
    if (ioctl(socket.get(), SIOCETHTOOL, &request) != 0) return 1;
    return static_cast<std::uint16_t>(std::clamp<std::uint32_t>(channels.combined_count, 1, 1024));
}

}  // namespace

KernelLink read_kernel_link(const std::string& name) {
    KernelLink link;
    if (name.empty() || name.size() >= IFNAMSIZ || if_nametoindex(name.c_str()) == 0) return link;
    const ipc::Descriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::memcpy(request.ifr_name, name.c_str(), name.size() + 1);
    if (ioctl(socket.get(), SIOCGIFFLAGS, &request) != 0) return link;
    link.exists = true;
    const auto flags = static_cast<unsigned short>(request.ifr_flags);
    link.up = (flags & IFF_UP) != 0;
    link.running = (flags & IFF_RUNNING) != 0;
    if (ioctl(socket.get(), SIOCGIFMTU, &request) == 0)
        link.mtu = static_cast<std::uint16_t>(std::min(request.ifr_mtu, 65535));
    if (ioctl(socket.get(), SIOCGIFHWADDR, &request) == 0)
        std::memcpy(link.mac.octets.data(), request.ifr_hwaddr.sa_data, link.mac.octets.size());
    return link;
}

KernelLinkPlace read_kernel_place(const std::string& name) {
    KernelLinkPlace place;
    const std::filesystem::path folder = "/sys/class/net/" + name;
    std::error_code ignored;
    place.receive_queues = count_receive_queues(folder);
    place.channels = count_channels(name);
    place.virtual_link = !std::filesystem::exists(folder / "device", ignored);
    place.default_route = is_default_route(name);
    return place;
}

bool kernel_holds(const std::string& name, Address address) {
    ifaddrs* list = nullptr;
    if (address.is_none() || getifaddrs(&list) != 0) return false;
    bool held = false;
    for (const ifaddrs* i = list; i != nullptr; i = i->ifa_next) {
        if (i->ifa_addr == nullptr || i->ifa_addr->sa_family != AF_INET) continue;
        // An address with a label stands under that, `eth0:feed`; no interface's name has a colon.
        const std::string_view label(i->ifa_name);
        if (label.substr(0, label.find(':')) != name) continue;
        sockaddr_in in{};
        std::memcpy(&in, i->ifa_addr, sizeof in);
        held = held || ntohl(in.sin_addr.s_addr) == address.v4;
    }
    freeifaddrs(list);
    return held;
}

bool has_capability(unsigned capability) {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
        if (line.rfind("CapEff:", 0) != 0) continue;
        return (std::stoull(line.substr(7), nullptr, 16) >> capability & 1) != 0;
    }
    return false;
}

bool KernelMulticast::open(const std::string& name) {
    index_ = static_cast<int>(if_nametoindex(name.c_str()));
    // Protocol 0: a socket that never gets a packet.
    socket_ = ipc::Descriptor(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
    members_.reserve(kListMax);
    return index_ != 0 && is_open();
}

bool KernelMulticast::change(int option, std::uint16_t type, const MacAddress& mac) {
    packet_mreq request{};
    request.mr_ifindex = index_;
    request.mr_type = type;
    request.mr_alen = static_cast<unsigned short>(mac.octets.size());
    std::memcpy(request.mr_address, mac.octets.data(), mac.octets.size());
    return setsockopt(socket_.get(), SOL_PACKET, option, &request, sizeof request) == 0;
}

bool KernelMulticast::set(std::span<const MacAddress> groups, std::uint64_t& system_calls) {
    bool done = true;
    const bool want_all = groups.size() > kListMax;
    if (want_all != all_) {
        ++system_calls;
        done = change(want_all ? PACKET_ADD_MEMBERSHIP : PACKET_DROP_MEMBERSHIP, PACKET_MR_ALLMULTI,
                      {});
        all_ = want_all ? done : false;
    }
    if (want_all) return done;
    const auto listed = [](std::span<const MacAddress> list, const MacAddress& mac) {
        return std::find(list.begin(), list.end(), mac) != list.end();
    };
    for (std::size_t i = 0; i < members_.size();) {
        if (listed(groups, members_[i])) {
            ++i;
            continue;
        }
        ++system_calls;
        change(PACKET_DROP_MEMBERSHIP, PACKET_MR_MULTICAST, members_[i]);
        members_[i] = members_.back();
        members_.pop_back();
    }
    for (const auto& mac : groups) {
        if (listed(members_, mac)) continue;
        ++system_calls;
        if (change(PACKET_ADD_MEMBERSHIP, PACKET_MR_MULTICAST, mac))
            members_.push_back(mac);
        else
            done = false;
    }
    return done;
}

}  // namespace fanfare::dataplane
