// Device: a kernel interface goes and another of its name comes (hot plug).
#include <net/if.h>

#include <span>
#include <string>

#include "dataplane/dpdk/device.hpp"
#include "dataplane/dpdk/log.hpp"
#include "dataplane/kernel/kernel_link.hpp"

namespace fanfare::dataplane::dpdk {

bool Device::follow_interface() {
    // A tap is the driver's own: without its interface there is nothing to open again.
    if (kernel_name_.empty() || text_.kind == DeviceKind::tap) return true;
    // By index: one that was renamed is still the same.
    char name[IF_NAMESIZE];
    if (started_ && if_indextoname(kernel_index_, name) != nullptr) return true;
    trouble_.clear();
    const unsigned index = if_nametoindex(kernel_name_.c_str());
    if (index == 0) return false;
    // Drivers want to find it up, as at the start.
    if (!read_kernel_link(kernel_name_).up) {
        trouble_ = "interface " + interface_ + ": kernel interface " + kernel_name_ +
                   " is down: ip link set dev " + kernel_name_ + " up";
        return false;
    }
    // Two visits: ask the workers out, then, when all are, open it.
    bool out = true;
    for (const auto& port : ports_) {
        if (port->shut()) continue;
        port->ask_empty();
        out = false;
    }
    if (!out) return false;
    const QuietLog quiet;
    if (!reopen()) return false;
    kernel_index_ = index;
    for (const auto& port : ports_) port->reopen();
    return true;
}

// No worker is inside the driver or has a frame of the pools. The pools go with the device: drivers
// keep what they had put into their rings. When it fails only the ports are left, and the next
// visit tries again.
bool Device::reopen() {
    close_device();
    if (!check_devices(std::span(&request_, 1), trouble_)) return false;
    if (missing_) {
        text_ = *parse_device(request_.device, trouble_);
        notes_.clear();
        if (!adopt_kernel_link(request_, trouble_)) return false;
    }
    const std::uint16_t queues = queues_;
    const XdpSockets::List others = XdpSockets::open();
    bool opened = probe(trouble_) && configure(workers_, memory_bytes_, trouble_);
    // A device that comes for the first time may have as many queues as it likes.
    if (opened && !missing_ && queues_ != queues) {
        trouble_ = "interface " + interface_ + ": " + kernel_name_ + " came back with " +
                   std::to_string(queues_) + " queues instead of " + std::to_string(queues) +
                   ": ethtool -L, or start fanfared anew";
        opened = false;
    }
    xdp_sockets_.take(others);
    if (!opened) {
        close_device();
        queues_ = queues;
        return false;
    }
    missing_ = false;
    for (std::uint16_t i = 0; i < ports(); ++i) ports_[i]->take(queues_of(i));
    return true;
}

}  // namespace fanfare::dataplane::dpdk
