#include "dataplane/kernel/kernel_device.hpp"

#include <linux/capability.h>

#include <algorithm>
#include <fstream>

#include "dataplane/kernel/kernel_link.hpp"

namespace fanfare::dataplane::kernel {

namespace {

constexpr std::string_view kName = "kernel";
constexpr std::string_view kInterface = "iface=";

// Loopback's 65,536 and more than other ports take is of no use to PGM's peers.
constexpr std::uint16_t kMtuMax = 9000;

// Some 10 ms of a feed of ten gigabit a second; less is lost while a worker is off its core.
constexpr std::uint64_t kReceiveBytesGood = 16u << 20;

std::uint64_t receive_bytes_max() {
    std::uint64_t octets = 0;
    std::ifstream("/proc/sys/net/core/rmem_max") >> octets;
    return octets;
}

// All of 127/8 is at home on loopback, whatever the interface lists.
bool is_at_home(const std::string& name, Address address) {
    return kernel_holds(name, address) ||
           (address.v4 >> 24 == 127 && kernel_holds(name, Address::from_octets(127, 0, 0, 1)));
}

std::string not_at_home(const KernelDeviceRequest& request, const std::string& name) {
    const std::uint32_t a = request.address.v4;
    return "interface " + request.interface +
           ": a kernel port needs an address that the kernel holds on " + name +
           ": ip address add " + std::to_string(a >> 24) + '.' + std::to_string(a >> 16 & 255) +
           '.' + std::to_string(a >> 8 & 255) + '.' + std::to_string(a & 255) + "/PREFIX dev " +
           name;
}

}  // namespace

bool is_kernel_device(std::string_view device) {
    return device.substr(0, device.find(',')) == kName;
}

std::optional<std::string> parse_kernel_device(std::string_view device, std::string& error) {
    const auto comma = device.find(',');
    const std::string_view rest =
        comma == std::string_view::npos ? std::string_view{} : device.substr(comma + 1);
    if (!is_kernel_device(device) || rest.rfind(kInterface, 0) != 0 ||
        rest.size() == kInterface.size() || rest.find(',') != std::string_view::npos) {
        error = "device \"" + std::string(device) +
                "\" names no kernel interface: write kernel,iface=NAME and nothing else";
        return std::nullopt;
    }
    return std::string(rest.substr(kInterface.size()));
}

bool check_kernel_device(const KernelDeviceRequest& request, std::string& error) {
    const std::string where = "interface " + request.interface + ": ";
    const auto name = parse_kernel_device(request.device, error);
    if (!name) {
        error = where + error;
        return false;
    }
    if (request.vlan != 0) {
        error = where + "a kernel port takes no vlan; use the kernel's interface for it, such as " +
                *name + "." + std::to_string(request.vlan);
        return false;
    }
    const KernelLink link = read_kernel_link(*name);
    if (!link.exists && request.may_be_missing) return true;
    if (!link.exists) {
        error =
            where + "there is no kernel interface \"" + *name + "\" here (\"ip link\" lists them)";
        return false;
    }
    if (!link.up) {
        error = where + "kernel interface " + *name + " is down: ip link set dev " + *name + " up";
        return false;
    }
    if (!is_at_home(*name, request.address)) {
        error = not_at_home(request, *name);
        return false;
    }
    return true;
}

std::unique_ptr<KernelDevice> KernelDevice::open(const KernelDeviceRequest& request,
                                                 std::string& error) {
    if (!check_kernel_device(request, error)) return nullptr;
    std::unique_ptr<KernelDevice> out(new KernelDevice);
    out->kernel_name_ = *parse_kernel_device(request.device, error);
    out->request_ = request;
    const KernelLink link = read_kernel_link(out->kernel_name_);
    out->was_missing_ = !link.exists;
    if (link.exists)
        out->mtu_ = std::min(link.mtu, kMtuMax);
    else if (request.mtu != 0)
        out->mtu_ = request.mtu;
    if (request.mtu != 0) out->mtu_ = std::min(out->mtu_, request.mtu);
    out->port_ = KernelPort::open(
        {out->kernel_name_, request.address, out->mtu_, request.may_be_missing}, error);
    if (!out->port_) {
        error = "interface " + request.interface + ": " + error;
        return nullptr;
    }
    const std::uint64_t octets = receive_bytes_max();
    if (!has_capability(CAP_NET_ADMIN) && octets < kReceiveBytesGood)
        out->notes_.push_back(
            "interface " + request.interface + ": the kernel gives a socket " +
            std::to_string(octets >> 10) +
            " KiB to receive into; a fast feed loses packets there (and asks for them again): "
            "sysctl -w net.core.rmem_max=" +
            std::to_string(kReceiveBytesGood));
    return out;
}

bool KernelDevice::serves() const {
    return read_kernel_link(kernel_name_).exists && is_at_home(kernel_name_, request_.address);
}

std::string KernelDevice::trouble() const {
    if (!read_kernel_link(kernel_name_).exists || is_at_home(kernel_name_, request_.address))
        return {};
    return not_at_home(request_, kernel_name_);
}

}  // namespace fanfare::dataplane::kernel
