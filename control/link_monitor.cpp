#include "control/link_monitor.hpp"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace fanfare::control {
namespace {

std::uint16_t clamp_mtu(std::uint64_t mtu) {
    return static_cast<std::uint16_t>(std::min<std::uint64_t>(mtu, 0xFFFF));
}

struct LinkMessage {
    int index = 0;
    bool removed = false;
    bool up = false;
    std::uint16_t mtu = 0;
    std::string name;
};

// One RTM_NEWLINK or RTM_DELLINK; `body` is what follows the netlink header.
std::optional<LinkMessage> parse(std::uint16_t type, std::span<const std::byte> body) {
    ifinfomsg info;
    if (body.size() < sizeof(info)) return std::nullopt;
    std::memcpy(&info, body.data(), sizeof(info));
    LinkMessage out;
    out.index = info.ifi_index;
    out.removed = type == RTM_DELLINK;
    out.up = (info.ifi_flags & IFF_UP) != 0 && (info.ifi_flags & IFF_RUNNING) != 0;
    auto rest =
        body.subspan(std::min(body.size(), static_cast<std::size_t>(NLMSG_ALIGN(sizeof(info)))));
    rtattr attribute;
    while (rest.size() >= sizeof(attribute)) {
        std::memcpy(&attribute, rest.data(), sizeof(attribute));
        if (attribute.rta_len < sizeof(attribute) || attribute.rta_len > rest.size()) break;
        const auto value = rest.subspan(sizeof(attribute), attribute.rta_len - sizeof(attribute));
        if (attribute.rta_type == IFLA_MTU && value.size() >= sizeof(std::uint32_t)) {
            std::uint32_t mtu;
            std::memcpy(&mtu, value.data(), sizeof(mtu));
            out.mtu = clamp_mtu(mtu);
        } else if (attribute.rta_type == IFLA_IFNAME) {
            const auto* text = reinterpret_cast<const char*>(value.data());
            out.name.assign(text, ::strnlen(text, value.size()));
        }
        rest = rest.subspan(
            std::min(rest.size(), static_cast<std::size_t>(RTA_ALIGN(attribute.rta_len))));
    }
    return out;
}

}  // namespace

std::string kernel_interface_of(std::string_view device) {
    constexpr std::string_view kKey = ",iface=";
    const auto at = device.find(kKey);
    if (at == std::string_view::npos) return {};
    const auto rest = device.substr(at + kKey.size());
    return std::string(rest.substr(0, rest.find(',')));
}

LinkState link_state(const std::string& kernel_name) {
    LinkState state;
    ipc::Descriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    if (!socket || kernel_name.empty() || kernel_name.size() >= sizeof(request.ifr_name))
        return state;
    std::memcpy(request.ifr_name, kernel_name.data(), kernel_name.size());
    if (::ioctl(socket.get(), SIOCGIFFLAGS, &request) != 0) return state;
    state.exists = true;
    state.up = (request.ifr_flags & IFF_UP) != 0 && (request.ifr_flags & IFF_RUNNING) != 0;
    if (::ioctl(socket.get(), SIOCGIFMTU, &request) == 0)
        state.mtu = clamp_mtu(static_cast<std::uint64_t>(std::max(request.ifr_mtu, 0)));
    return state;
}

std::optional<LinkMonitor> LinkMonitor::open(std::string& error) {
    LinkMonitor out;
    out.socket_.reset(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    address.nl_groups = RTMGRP_LINK;
    if (!out.socket_ ||
        ::bind(out.socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
        error = std::string("cannot listen for link events (rtnetlink): ") + std::strerror(errno);
        return std::nullopt;
    }
    return out;
}

void LinkMonitor::watch(std::uint32_t interface, const std::string& kernel_name) {
    watched_.push_back(
        {interface, kernel_name, static_cast<int>(::if_nametoindex(kernel_name.c_str()))});
}

std::vector<LinkChange> LinkMonitor::on_message(std::span<const std::byte> octets) {
    std::vector<LinkChange> changes;
    if (octets.empty()) {
        for (auto& w : watched_) {
            w.index = static_cast<int>(::if_nametoindex(w.name.c_str()));
            changes.push_back({w.interface, link_state(w.name)});
        }
        return changes;
    }
    nlmsghdr header;
    while (octets.size() >= sizeof(header)) {
        std::memcpy(&header, octets.data(), sizeof(header));
        if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > octets.size()) break;
        if (header.nlmsg_type == RTM_NEWLINK || header.nlmsg_type == RTM_DELLINK) {
            const auto body = octets.subspan(sizeof(header), header.nlmsg_len - sizeof(header));
            if (const auto link = parse(header.nlmsg_type, body)) {
                for (auto& w : watched_) {
                    // By index, as names change; by name when it comes back under a new index.
                    const bool same = w.index != 0 ? w.index == link->index : w.name == link->name;
                    if (!same) continue;
                    w.index = link->removed ? 0 : link->index;
                    changes.push_back(
                        {w.interface, {!link->removed, !link->removed && link->up, link->mtu}});
                }
            }
        }
        octets = octets.subspan(
            std::min(octets.size(), static_cast<std::size_t>(NLMSG_ALIGN(header.nlmsg_len))));
    }
    return changes;
}

}  // namespace fanfare::control
