// A kernel port from the DEVICE text of an interface (`kernel,iface=NAME`) to something a worker
// can use.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/kernel/kernel_port.hpp"
#include "engine/types.hpp"

namespace fanfare::dataplane::kernel {

struct KernelDeviceRequest {
    std::string interface;  // its name in the configuration, for messages
    std::string device;     // DEVICE text
    Address address;
    std::uint16_t mtu = 0;        // 0: the kernel interface's
    std::uint16_t vlan = 0;       // must be 0: the kernel has interfaces of its own for VLANs
    bool may_be_missing = false;  // the kernel's interface may come later
};

// Whether a DEVICE text means a kernel port at all.
bool is_kernel_device(std::string_view device);
// The kernel's name of its interface; nullopt, with one line in `error`, for a text that names none
// or says more.
std::optional<std::string> parse_kernel_device(std::string_view device, std::string& error);

// What can be said before anything is opened: the text, the kernel's interface (there, up), and
// that it holds the address. False, with one line in `error`.
bool check_kernel_device(const KernelDeviceRequest& request, std::string& error);

class KernelDevice {
  public:
    // nullptr, with one line in `error`, and nothing is left of it then.
    static std::unique_ptr<KernelDevice> open(const KernelDeviceRequest& request,
                                              std::string& error);

    // One for the first worker; the others' frames go by hand-over.
    KernelPort& port() { return *port_; }
    const std::string& kernel_name() const { return kernel_name_; }
    std::uint16_t mtu() const { return mtu_; }
    bool up() const { return port_->facts().link_up; }
    // Whether the kernel's interface is there and holds the address.
    bool serves() const;
    // Why serves() is not true of an interface that is there, and the remedy; empty otherwise.
    std::string trouble() const;
    // The kernel's interface was not there when it was opened.
    bool was_missing() const { return was_missing_; }
    // Lines for the operator: what was given less than it asks for, and the remedy.
    const std::vector<std::string>& notes() const { return notes_; }

  private:
    KernelDevice() = default;
    KernelDeviceRequest request_;
    std::string kernel_name_;
    std::uint16_t mtu_ = 1500;
    bool was_missing_ = false;
    std::unique_ptr<KernelPort> port_;
    std::vector<std::string> notes_;
};

}  // namespace fanfare::dataplane::kernel
