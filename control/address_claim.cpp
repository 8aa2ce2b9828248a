#include "control/address_claim.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "control/link_monitor.hpp"
#include "control/text.hpp"

namespace fanfare::control {
namespace {

struct Name {
    sockaddr_un address{};
    socklen_t length = 0;
};

// Kernel interfaces have at most 15 octets, so that none of it is ever cut off.
Name name_of(const std::string& kernel_name, Address address) {
    const std::string text = "fanfare-address/" + kernel_name + "/" + to_string(address);
    Name name;
    name.address.sun_family = AF_UNIX;
    const std::size_t octets = std::min(text.size(), sizeof name.address.sun_path - 1);
    std::memcpy(name.address.sun_path + 1, text.data(), octets);  // behind the 0 of abstract names
    name.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + octets);
    return name;
}

ipc::Descriptor stream() {
    return ipc::Descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

// The process that holds a name, if it is one to be believed; else 0.
pid_t holder_of(const Name& name) {
    const ipc::Descriptor probe = stream();
    ucred who{};
    socklen_t length = sizeof who;
    if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&name.address), name.length) !=
            0 ||
        ::getsockopt(probe.get(), SOL_SOCKET, SO_PEERCRED, &who, &length) != 0)
        return 0;
    return who.uid == 0 || who.uid == ::geteuid() ? who.pid : 0;
}

}  // namespace

bool AddressClaims::take(const std::vector<InterfaceConfig>& interfaces, std::string& error) {
    for (const InterfaceConfig& i : interfaces) {
        const std::string kernel_name = kernel_interface_of(i.device);
        if (kernel_name.empty()) continue;  // a wire or card that only one process can have
        const Name name = name_of(kernel_name, i.address);
        ipc::Descriptor claim = stream();
        if (::bind(claim.get(), reinterpret_cast<const sockaddr*>(&name.address), name.length) !=
            0) {
            if (errno != EADDRINUSE) continue;
            const pid_t holder = holder_of(name);
            if (holder == 0) continue;
            error = "interface " + i.name + ": another fanfared (process " +
                    std::to_string(holder) + ") has the address " + to_string(i.address) + " on " +
                    kernel_name + "; end it, or give this one an address of its own";
            return false;
        }
        // Who connects reads whose it is, and says nothing.
        constexpr int kBacklog = 8;
        if (::listen(claim.get(), kBacklog) == 0) held_.push_back(std::move(claim));
    }
    return true;
}

void AddressClaims::turn_away() {
    for (const ipc::Descriptor& claim : held_)
        while (ipc::Descriptor(::accept4(claim.get(), nullptr, nullptr, SOCK_CLOEXEC))) continue;
}

}  // namespace fanfare::control
