// The devices of all configured interfaces, DPDK's and the kernel's, in the order of the
// configuration.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "control/config.hpp"
#include "dataplane/dpdk/device.hpp"
#include "dataplane/dpdk/eal.hpp"
#include "dataplane/kernel/kernel_device.hpp"
#include "embed/any_port.hpp"

namespace fanfare::embed {

// What can be said about the devices before DPDK starts. False, with one line in `error`.
bool check_devices(const control::Config& config, std::string& error);

// What DPDK has to be started with for them.
dataplane::dpdk::EalRequest eal_request(const control::Config& config);

class Devices {
  public:
    // nullptr, with one line in `error`; those opened before are closed again.
    static std::unique_ptr<Devices> open(const dataplane::dpdk::Eal& eal,
                                         const control::Config& config, std::uint16_t workers,
                                         std::string& error);

    std::size_t count() const { return devices_.size(); }
    // Sets what control shows and judges by.
    void describe(std::size_t interface, control::Interface& out) const;
    std::uint16_t mtu(std::size_t interface) const;
    const std::vector<std::string>& notes(std::size_t interface) const;
    // Null for an interface that is not DPDK's.
    const dataplane::dpdk::Device* dpdk_device(std::size_t interface) const {
        return devices_[interface].dpdk;
    }
    // The worker's port on an interface; null where its frames go by hand-over.
    AnyPort* port(std::size_t interface, std::uint16_t worker);
    // Link of an interface whose device has no kernel interface behind it.
    dataplane::dpdk::DeviceLink link(std::size_t interface) const;
    // Whether the device serves the kernel's present interface: see
    // dpdk::Device::follow_interface(). The kernel's own port follows by itself, to an interface
    // that has its address.
    bool follow_interface(std::size_t interface);
    // At the start there was no kernel interface of that name.
    bool missing(std::size_t interface) const;
    // Why follow_interface() could not open it; empty where there is nothing to say.
    std::string trouble(std::size_t interface) const;

  private:
    struct Entry {
        dataplane::dpdk::Device* dpdk = nullptr;  // or
        std::unique_ptr<dataplane::kernel::KernelDevice> kernel;
        std::vector<std::unique_ptr<AnyPort>> ports;  // by worker
    };
    std::vector<std::unique_ptr<dataplane::dpdk::Device>> dpdk_;
    std::vector<Entry> devices_;
};

}  // namespace fanfare::embed
