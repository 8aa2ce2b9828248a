#include "embed/devices.hpp"

#include <algorithm>
#include <utility>

namespace fanfare::embed {

namespace {

namespace dpdk = dataplane::dpdk;
namespace kernel = dataplane::kernel;

// Of the interfaces that are DPDK's.
std::vector<dpdk::DeviceRequest> dpdk_requests(const control::Config& config) {
    std::vector<dpdk::DeviceRequest> requests;
    for (const auto& i : config.interfaces)
        if (!kernel::is_kernel_device(i.device))
            requests.push_back({i.name, i.device, i.address, static_cast<std::uint16_t>(i.mtu),
                                config.take_over, true,
                                static_cast<std::uint16_t>(config.receive_ring),
                                static_cast<std::uint16_t>(config.transmit_ring)});
    return requests;
}

kernel::KernelDeviceRequest kernel_request(const control::InterfaceConfig& i) {
    return {i.name,
            i.device,
            i.address,
            static_cast<std::uint16_t>(i.mtu),
            static_cast<std::uint16_t>(i.vlan),
            true};
}

}  // namespace

bool check_devices(const control::Config& config, std::string& error) {
    for (const auto& i : config.interfaces)
        if (kernel::is_kernel_device(i.device) &&
            !kernel::check_kernel_device(kernel_request(i), error))
            return false;
    return dpdk::check_devices(dpdk_requests(config), error);
}

dpdk::EalRequest eal_request(const control::Config& config) {
    // No packet of the kernel's ports lies in DPDK's memory: without other devices the least of it
    // does.
    constexpr std::uint64_t kWithoutDevices = std::uint64_t{64} << 20;
    dpdk::EalRequest request;
    request.lcores = config.lcores;
    request.arguments = config.eal;
    for (const auto& device : dpdk_requests(config)) {
        request.devices.push_back(device.device);
        request.mtu = std::max(request.mtu, device.mtu);
    }
    if (request.devices.empty()) request.memory_bytes = kWithoutDevices;
    return request;
}

std::unique_ptr<Devices> Devices::open(const dpdk::Eal& eal, const control::Config& config,
                                       std::uint16_t workers, std::string& error) {
    std::unique_ptr<Devices> out(new Devices);
    const auto requests = dpdk_requests(config);
    if (!requests.empty()) {
        out->dpdk_ = dpdk::open_devices(eal, requests, workers, error);
        if (out->dpdk_.empty()) return nullptr;
    }
    std::size_t next = 0;
    for (const auto& i : config.interfaces) {
        Entry& entry = out->devices_.emplace_back();
        if (kernel::is_kernel_device(i.device)) {
            entry.kernel = kernel::KernelDevice::open(kernel_request(i), error);
            if (!entry.kernel) return nullptr;
            entry.ports.push_back(std::make_unique<AnyPort>(entry.kernel->port()));
            continue;
        }
        entry.dpdk = out->dpdk_[next++].get();
        for (std::uint16_t w = 0; w < entry.dpdk->ports(); ++w)
            entry.ports.push_back(std::make_unique<AnyPort>(entry.dpdk->port(w)));
    }
    return out;
}

void Devices::describe(std::size_t interface, control::Interface& out) const {
    const Entry& entry = devices_[interface];
    out.mtu = out.mtu_max = mtu(interface);
    out.gone = out.spec.missing = missing(interface);
    if (entry.kernel) {
        out.kernel_name = entry.kernel->kernel_name();
        out.up = entry.kernel->up();
        const kernel::KernelPortCounters& counters = entry.kernel->port().counters();
        out.counters = {{"system_calls", &counters.system_calls},
                        {"transmit_dropped", &counters.transmit_dropped},
                        {"receive_dropped", &counters.receive_dropped},
                        {"refused", &counters.refused}};
        return;
    }
    out.kernel_name = entry.dpdk->kernel_name();
    out.up = std::as_const(*entry.dpdk).link().up;
    for (std::uint16_t w = 0; w < entry.dpdk->ports(); ++w)
        out.counters.push_back({"system_calls", &entry.dpdk->port(w).system_calls_counter()});
}

std::uint16_t Devices::mtu(std::size_t interface) const {
    const Entry& entry = devices_[interface];
    return entry.kernel ? entry.kernel->mtu() : entry.dpdk->mtu();
}

const std::vector<std::string>& Devices::notes(std::size_t interface) const {
    const Entry& entry = devices_[interface];
    return entry.kernel ? entry.kernel->notes() : entry.dpdk->notes();
}

AnyPort* Devices::port(std::size_t interface, std::uint16_t worker) {
    const auto& ports = devices_[interface].ports;
    return worker < ports.size() ? ports[worker].get() : nullptr;
}

bool Devices::follow_interface(std::size_t interface) {
    Entry& entry = devices_[interface];
    return entry.dpdk != nullptr ? entry.dpdk->follow_interface() : entry.kernel->serves();
}

bool Devices::missing(std::size_t interface) const {
    const Entry& entry = devices_[interface];
    return entry.dpdk != nullptr ? entry.dpdk->missing() : entry.kernel->was_missing();
}

std::string Devices::trouble(std::size_t interface) const {
    const Entry& entry = devices_[interface];
    return entry.dpdk != nullptr ? entry.dpdk->trouble() : entry.kernel->trouble();
}

dpdk::DeviceLink Devices::link(std::size_t interface) const {
    const Entry& entry = devices_[interface];
    if (entry.kernel) return {entry.kernel->up(), false};
    return entry.dpdk->link();
}

}  // namespace fanfare::embed
