// check_devices(): everything wrong with a device that can be told without touching it.
#include <linux/capability.h>
#include <unistd.h>

#include <filesystem>

#include "dataplane/dpdk/device.hpp"
#include "dataplane/kernel/kernel_link.hpp"

namespace fanfare::dataplane::dpdk {

namespace {

bool check_kernel_link(const DeviceRequest& request, const DeviceText& device, std::string& error) {
    const std::string name = kernel_interface(device);
    const std::string where = "interface " + request.interface + ": ";
    const KernelLink link = read_kernel_link(name);
    if (!link.exists && request.may_be_missing) return true;
    if (!link.exists) {
        error =
            where + "there is no kernel interface \"" + name + "\" here (\"ip link\" lists them)";
        return false;
    }
    if (!link.up) {
        error = where + "kernel interface " + name + " is down: ip link set dev " + name + " up";
        return false;
    }
    if (device.kind == DeviceKind::af_xdp && !request.take_over &&
        read_kernel_place(name).default_route) {
        error = where + name +
                " carries the default route, and AF_XDP would cut the machine off: "
                "use another interface or say --take-over";
        return false;
    }
    return true;
}

bool check_permissions(const DeviceRequest& request, const DeviceText& device, std::string& error) {
    const std::string where = "interface " + request.interface + ": ";
    std::string missing;
    const auto need = [&missing](bool there, const char* name) {
        if (!there) missing += (missing.empty() ? "" : " and ") + std::string(name);
    };
    switch (device.kind) {
        case DeviceKind::af_xdp:
            need(has_capability(CAP_NET_ADMIN), "CAP_NET_ADMIN");
            need(has_capability(CAP_NET_RAW), "CAP_NET_RAW");
            need(has_capability(CAP_BPF) || has_capability(CAP_SYS_ADMIN), "CAP_BPF");
            break;
        case DeviceKind::af_packet:
            need(has_capability(CAP_NET_RAW), "CAP_NET_RAW");
            break;
        case DeviceKind::tap:
            need(has_capability(CAP_NET_ADMIN), "CAP_NET_ADMIN");
            if (access("/dev/net/tun", R_OK | W_OK) != 0) need(false, "access to /dev/net/tun");
            break;
        default:
            break;
    }
    if (missing.empty()) return true;
    error = where + device.name + " needs " + missing + ": run as root or give it to the service";
    return false;
}

bool check_pci(const DeviceRequest& request, const DeviceText& device, std::string& error) {
    const std::filesystem::path folder = "/sys/bus/pci/devices/" + device.name;
    std::error_code ignored;
    if (std::filesystem::exists(folder, ignored)) return true;
    error = "interface " + request.interface + ": there is no PCI device " + device.name +
            " (\"lspci -D\" lists them)";
    return false;
}

bool check_memif(const DeviceRequest& request, const DeviceText& device, std::string& error) {
    const std::string where = "interface " + request.interface + ": ";
    const std::string* socket = device.argument("socket");
    if (socket != nullptr && socket->size() > 107) {
        error = where + "memif socket path of " + std::to_string(socket->size()) +
                " octets; at most 107";
        return false;
    }
    const std::string* hidden = device.argument("socket-abstract");
    if (socket == nullptr || hidden == nullptr || *hidden != "no") return true;
    const auto folder = std::filesystem::path(*socket).parent_path();
    std::error_code ignored;
    if (folder.empty() || std::filesystem::is_directory(folder, ignored)) return true;
    error = where + "there is no folder " + folder.string() + " for memif's socket: make it";
    return false;
}

}  // namespace

bool check_devices(std::span<const DeviceRequest> requests, std::string& error) {
    std::vector<DeviceText> seen;
    for (const auto& request : requests) {
        auto device = parse_device(request.device, error);
        if (!device) {
            error = "interface " + request.interface + ": " + error;
            return false;
        }
        const std::string kernel = kernel_interface(*device);
        if (!kernel.empty() && !check_kernel_link(request, *device, error)) return false;
        if (device->kind == DeviceKind::pci && !check_pci(request, *device, error)) return false;
        if (device->kind == DeviceKind::memif && !check_memif(request, *device, error))
            return false;
        if (!check_permissions(request, *device, error)) return false;
        for (std::size_t i = 0; i < seen.size(); ++i) {
            const std::string& other = requests[i].interface;
            if (seen[i].name == device->name) {
                error = "interface " + request.interface + ": device " + device->name +
                        " is that of interface " + other + " already; give it another number";
                return false;
            }
            if (!kernel.empty() && kernel_interface(seen[i]) == kernel) {
                error = "interface " + request.interface + ": kernel interface " + kernel +
                        " is that of interface " + other + " already";
                return false;
            }
        }
        seen.push_back(std::move(*device));
    }
    return true;
}

}  // namespace fanfare::dataplane::dpdk
