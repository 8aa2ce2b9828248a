#include "dataplane/dpdk/device_text.hpp"

#include <algorithm>
#include <cctype>

namespace fanfare::dataplane::dpdk {

namespace {

// The EAL keeps device names in 64 octets.
constexpr std::size_t kNameMax = 63;

// Octets of an AF_PACKET ring for each direction: 8192 frames of 2 KiB, 16 ms at the half million
// packets a second that such a port carries. Kernel memory, not the EAL's.
constexpr std::uint32_t kPacketRingBytes = 16u << 20;
constexpr std::uint32_t kPacketBlockBytes = 64u << 10;
// Kernel header before each frame of a TPACKET_V2 ring (TPACKET2_HDRLEN, 52) with its alignment,
// link header with one VLAN tag.
constexpr std::uint32_t kPacketFrameOverhead = 80 + 18;

// log2 of a memif ring: 4096 packets. Larger rings leave the second-level cache and cost more than
// they save.
constexpr std::string_view kMemifRing = "12";

bool is_hex(std::string_view s, std::size_t least, std::size_t most) {
    return s.size() >= least && s.size() <= most &&
           std::all_of(s.begin(), s.end(), [](unsigned char c) { return std::isxdigit(c) != 0; });
}

// [domain:]bus:device.function
std::optional<std::string> pci_address(std::string_view s) {
    std::string text(s);
    if (std::count(text.begin(), text.end(), ':') == 1) text.insert(0, "0000:");
    const auto first = text.find(':');
    const auto second = first == std::string::npos ? first : text.find(':', first + 1);
    const auto dot = second == std::string::npos ? second : text.find('.', second + 1);
    if (dot == std::string::npos) return std::nullopt;
    const std::string_view v = text;
    if (!is_hex(v.substr(0, first), 4, 8) ||
        !is_hex(v.substr(first + 1, second - first - 1), 2, 2) ||
        !is_hex(v.substr(second + 1, dot - second - 1), 2, 2) || !is_hex(v.substr(dot + 1), 1, 1) ||
        v[dot + 1] > '7')
        return std::nullopt;
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return std::tolower(c); });
    return text;
}

DeviceKind kind_of(std::string_view name) {
    const auto digits = name.find_last_not_of("0123456789");
    const std::string_view driver = name.substr(0, digits + 1);
    if (driver == "net_af_xdp") return DeviceKind::af_xdp;
    if (driver == "net_af_packet" || driver == "eth_af_packet") return DeviceKind::af_packet;
    if (driver == "net_memif") return DeviceKind::memif;
    if (driver == "net_ring" || driver == "eth_ring") return DeviceKind::ring;
    if (driver == "net_tap") return DeviceKind::tap;
    if (driver == "net_null" || driver == "eth_null") return DeviceKind::null;
    return DeviceKind::other;
}

}  // namespace

const std::string* DeviceText::argument(std::string_view key) const {
    for (const auto& [k, v] : arguments)
        if (k == key) return &v;
    return nullptr;
}

void DeviceText::add_if_missing(std::string_view key, std::string_view value) {
    if (argument(key) == nullptr) arguments.emplace_back(key, value);
}

std::string DeviceText::text() const {
    std::string out = name;
    for (const auto& [key, value] : arguments) {
        out += ',' + key;
        if (!value.empty()) out += '=' + value;
    }
    return out;
}

std::optional<DeviceText> parse_device(std::string_view text, std::string& error) {
    DeviceText device;
    const auto comma = text.find(',');
    const std::string_view name = text.substr(0, comma);
    const bool driver_name = name.rfind("net_", 0) == 0 || name.rfind("eth_", 0) == 0;
    if (auto pci = pci_address(name)) {
        device.kind = DeviceKind::pci;
        device.name = *pci;
    } else if (driver_name && name.size() <= kNameMax &&
               std::all_of(name.begin(), name.end(),
                           [](unsigned char c) { return std::isalnum(c) || c == '_'; })) {
        device.kind = kind_of(name);
        device.name = name;
    } else {
        error =
            "device \"" + std::string(text) +
            "\" is neither a PCI address (0000:01:00.0) nor a DPDK device (net_af_xdp0,iface=eth1)";
        return std::nullopt;
    }
    if (driver_name && std::isdigit(static_cast<unsigned char>(name.back())) == 0) {
        error = "device \"" + std::string(text) + "\" has no number: call it " + std::string(name) +
                "0";
        return std::nullopt;
    }
    for (std::string_view rest = comma == std::string_view::npos ? "" : text.substr(comma + 1);
         !rest.empty();) {
        const auto end = rest.find(',');
        const std::string_view item = rest.substr(0, end);
        const auto equals = item.find('=');
        if (item.empty() || equals == 0) {
            error = "device \"" + std::string(text) + "\" has an argument without a name";
            return std::nullopt;
        }
        device.arguments.emplace_back(item.substr(0, equals), equals == std::string_view::npos
                                                                  ? std::string_view{}
                                                                  : item.substr(equals + 1));
        rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
    }
    if (device.kind == DeviceKind::af_xdp || device.kind == DeviceKind::af_packet) {
        const std::string* interface = device.argument("iface");
        if (interface == nullptr || interface->empty()) {
            error =
                "device \"" + std::string(text) + "\" names no kernel interface: add ,iface=NAME";
            return std::nullopt;
        }
    }
    return device;
}

std::string kernel_interface(const DeviceText& device) {
    if (device.kind != DeviceKind::af_xdp && device.kind != DeviceKind::af_packet) return {};
    const std::string* interface = device.argument("iface");
    return interface == nullptr ? std::string{} : *interface;
}

std::string memif_server_path(const DeviceText& device) {
    const std::string* role = device.argument("role");
    const std::string* socket = device.argument("socket");
    const std::string* hidden = device.argument("socket-abstract");
    if (device.kind != DeviceKind::memif || socket == nullptr || hidden == nullptr ||
        *hidden != "no")
        return {};
    // The driver's own default is the server.
    if (role != nullptr && (*role == "client" || *role == "slave")) return {};
    return *socket;
}

std::uint32_t packet_frame_octets(std::uint16_t mtu) {
    std::uint32_t octets = 2048;
    while (octets < mtu + kPacketFrameOverhead) octets *= 2;
    return octets;
}

void complete_arguments(DeviceText& device, std::uint16_t queues, std::uint16_t kernel_queues,
                        bool virtual_link, std::uint16_t mtu) {
    switch (device.kind) {
        case DeviceKind::af_xdp:
            // A queue without an AF_XDP socket hands its packets to the kernel, and they are lost
            // to us: take all there are, whatever the number of workers.
            if (device.argument("start_queue") == nullptr && kernel_queues > 1)
                device.add_if_missing("queue_count", std::to_string(kernel_queues));
            // The driver's preferred busy polling makes a system call of every empty look at the
            // ring. With no hardware there is nothing to poll that way: the sender's core puts
            // packets into the ring.
            if (virtual_link) device.add_if_missing("busy_budget", "0");
            break;
        case DeviceKind::af_packet: {
            if (device.argument("framesz") == nullptr && device.argument("blocksz") == nullptr &&
                device.argument("framecnt") == nullptr) {
                const std::uint32_t frame = packet_frame_octets(mtu);
                device.add_if_missing("blocksz",
                                      std::to_string(std::max(frame, kPacketBlockBytes)));
                device.add_if_missing("framesz", std::to_string(frame));
                device.add_if_missing("framecnt", std::to_string(kPacketRingBytes / frame));
            }
            if (queues > 1) device.add_if_missing("qpairs", std::to_string(queues));
            break;
        }
        case DeviceKind::memif:
            device.add_if_missing("rsize", kMemifRing);
            // A frame in one buffer; the driver's own 2048 octets hold an ordinary MTU.
            if (mtu + 18u > 2048)
                device.add_if_missing("bsize", std::to_string((mtu + 18u + 63) / 64 * 64));
            break;
        default:
            break;
    }
}

}  // namespace fanfare::dataplane::dpdk
