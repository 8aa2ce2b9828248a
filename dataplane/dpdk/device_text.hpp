// The DEVICE part of --interface: which kind of device it names, with its driver's arguments.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fanfare::dataplane::dpdk {

enum class DeviceKind : std::uint8_t { pci, af_xdp, af_packet, memif, ring, tap, null, other };

// A wire in memory: no link layer below, no filter, no MTU but what buffers hold.
constexpr bool is_software_wire(DeviceKind kind) {
    return kind == DeviceKind::memif || kind == DeviceKind::ring || kind == DeviceKind::null;
}

struct DeviceText {
    DeviceKind kind = DeviceKind::other;
    std::string name;  // "net_af_xdp0", or the PCI address in its long form "0000:01:00.0"
    std::vector<std::pair<std::string, std::string>> arguments;  // in the order given

    const std::string* argument(std::string_view key) const;
    void add_if_missing(std::string_view key, std::string_view value);
    // NAME[,KEY=VALUE...] as the EAL takes it.
    std::string text() const;
};

// nullopt, with one line in `error`, for a text that is neither a PCI address nor a DPDK network
// device.
std::optional<DeviceText> parse_device(std::string_view text, std::string& error);

// The kernel interface under an AF_XDP or AF_PACKET device; empty for others (a tap has one once it
// is open).
std::string kernel_interface(const DeviceText& device);

// The path in the file system that a memif server listens at; empty for clients, and for abstract
// names (the default), which need no looking after.
std::string memif_server_path(const DeviceText& device);

// Octets of AF_PACKET's frame that holds a datagram of `mtu` octets beside the kernel's header: a
// power of two, as the ring's blocks are made of whole frames.
std::uint32_t packet_frame_octets(std::uint16_t mtu);

// Adds what the driver's defaults leave too small or too slow for a feed; what the user gave stays.
//   queues: how many queue pairs the workers can use; kernel_queues: how many the kernel interface
//   has; virtual_link: the kernel interface has no hardware behind it (veth, dummy).
void complete_arguments(DeviceText& device, std::uint16_t queues, std::uint16_t kernel_queues,
                        bool virtual_link, std::uint16_t mtu);

}  // namespace fanfare::dataplane::dpdk
