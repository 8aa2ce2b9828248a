// Kernel interfaces behind the daemon's devices: link up, down, removal and MTU from rtnetlink.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ipc/descriptor.hpp"

namespace fanfare::control {

struct LinkState {
    bool exists = false;
    bool up = false;  // administratively up and with carrier
    std::uint16_t mtu = 0;
};

struct LinkChange {
    std::uint32_t interface = 0;  // as given to watch()
    LinkState state;
};

// The kernel interface that an EAL device string names (`iface=NAME`), empty if it names none.
std::string kernel_interface_of(std::string_view device);

LinkState link_state(const std::string& kernel_name);

class LinkMonitor {
  public:
    // nullopt, with one line in `error`, if the kernel gives no rtnetlink socket.
    static std::optional<LinkMonitor> open(std::string& error);

    void watch(std::uint32_t interface, const std::string& kernel_name);
    int descriptor() const { return socket_.get(); }

    // Judges octets read from the descriptor. Empty octets (the kernel had no room and dropped
    // messages: ENOBUFS) ask for every watched interface's state anew.
    std::vector<LinkChange> on_message(std::span<const std::byte> octets);

  private:
    struct Watched {
        std::uint32_t interface;
        std::string name;
        int index;  // 0 while it does not exist
    };
    ipc::Descriptor socket_;
    std::vector<Watched> watched_;
};

}  // namespace fanfare::control
