#include "dataplane/dpdk/device.hpp"

#include <net/if.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mempool.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include "dataplane/dpdk/log.hpp"
#include "dataplane/dpdk/memif_path.hpp"

namespace fanfare::dataplane::dpdk {

namespace {

constexpr Nanos kRetryFor = kSecond;
constexpr Nanos kRetryPause = 50 * kMillisecond;
// AF_XDP sockets a device may have; a card with more queues is told to use fewer.
constexpr std::uint16_t kKernelQueuesMax = 16;
// Empty and filled frames that a worker holds for one port at once, with both caches of the pool.
constexpr std::uint32_t kWorkerFrames = 2048;
// Frames that stay on the worker's own core between two visits to the pool's shared ring. Twice
// kBurst and more, at most half the smallest part of a pool.
constexpr unsigned kPoolCache = 256;
constexpr std::uint16_t kDescriptorsMin = 256;
// The driver gives the kernel 2048 frames whatever it is asked for.
constexpr std::uint16_t kXdpDescriptors = 2048;
constexpr std::uint16_t kMtuMax = 9000;
constexpr Nanos kReconnectPause = kSecond;
// Ethernet header and one VLAN tag.
constexpr std::uint32_t kLinkHeader = 18;
// Room that the kernel keeps before each frame it puts into an AF_XDP buffer (XDP_PACKET_HEADROOM).
constexpr std::uint32_t kXdpHeadroom = 256;

Nanos monotonic() {
    timespec t{};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * kSecond + t.tv_nsec;
}

void pause(Nanos ns) {
    const timespec t{0, ns};
    nanosleep(&t, nullptr);
}

int on_removal(std::uint16_t, rte_eth_event_type, void* context, void*) {
    static_cast<std::atomic<bool>*>(context)->store(true, std::memory_order_relaxed);
    return 0;
}
std::uint16_t power_of_two_below(std::uint32_t n) {
    std::uint32_t p = 1;
    while (p * 2 <= n) p *= 2;
    return static_cast<std::uint16_t>(p);
}
}  // namespace
std::string Device::failed(const std::string& what, int code) const {
    const std::string complaint = take_complaint();
    std::string out = "interface " + interface_ + ": " + text_.text() + " does not " + what + ": " +
                      (complaint.empty() ? rte_strerror(code < 0 ? -code : code) : complaint);
    if (complaint.find("failed to parse device") != std::string::npos)
        out += " (this DPDK has no driver of that name; net_af_xdp0,iface=NAME is the usual one)";
    else if (complaint.find("kvargs") != std::string::npos)
        out += " (the driver does not know one of these arguments)";
    else if (text_.kind == DeviceKind::af_xdp)
        out += " (a queue of " + kernel_name_ +
               " has room for one AF_XDP socket: end another fanfared or program that has it; or "
               "AF_XDP is not to be had there, and net_af_packet0,iface=" +
               kernel_name_ + " does without)";
    return out;
}
std::unique_ptr<Device> Device::open(const Eal&, const DeviceRequest& request,
                                     std::uint16_t workers, std::uint64_t memory_bytes,
                                     std::string& error) {
    if (!check_devices(std::span(&request, 1), error)) return nullptr;
    std::unique_ptr<Device> device(new Device);
    device->interface_ = request.interface;
    device->text_ = *parse_device(request.device, error);
    device->workers_ = std::max<std::uint16_t>(workers, 1);
    DeviceText& text = device->text_;
    device->mtu_ = request.mtu;
    device->receive_ring_ = request.receive_ring;
    device->transmit_ring_ = request.transmit_ring;
    device->memory_bytes_ = memory_bytes;
    device->request_ = request;
    device->kernel_name_ = kernel_interface(text);
    device->missing_ =
        !device->kernel_name_.empty() && !read_kernel_link(device->kernel_name_).exists;
    if (!device->missing_ && !device->adopt_kernel_link(request, error)) return nullptr;
    if (device->mtu_ == 0) device->mtu_ = 1500;
    // Some 100 octets are the least that any PGM packet with its options and headers fits in.
    if (device->mtu_ < 128 || device->mtu_ > kMtuMax) {
        error = "interface " + request.interface + ": MTU " + std::to_string(device->mtu_) +
                " is outside 128 to 9000; set it with the key mtu";
        return nullptr;
    }
    const std::string* role = text.argument("role");
    device->client_ = text.kind == DeviceKind::memif && role != nullptr &&
                      (*role == "client" || *role == "slave");
    if (device->missing_) {
        device->workers_ = 1;
        device->make_ports(request);
        return device;
    }
    if (const std::string path = memif_server_path(text); !path.empty()) unlink_if_dead(path);
    const QuietLog quiet;
    const XdpSockets::List others = XdpSockets::open();
    const Nanos give_up = monotonic() + (text.kind == DeviceKind::af_xdp ? kRetryFor : 0);
    for (;;) {
        if (device->probe(error) && device->configure(workers, memory_bytes, error)) break;
        device->xdp_sockets_.take(others);
        device->close();
        if (device->hopeless_ || monotonic() >= give_up) return nullptr;
        pause(kRetryPause);
    }
    device->xdp_sockets_.take(others);
    device->make_ports(request);
    device->kernel_index_ = if_nametoindex(device->kernel_name_.c_str());
    return device;
}

// What the kernel interface says of itself, once it is there: MTU, queues, the driver's arguments.
bool Device::adopt_kernel_link(const DeviceRequest& request, std::string& error) {
    std::uint16_t kernel_queues = 1;
    bool virtual_link = false;
    if (!kernel_name_.empty()) {
        const KernelLink link = read_kernel_link(kernel_name_);
        const KernelLinkPlace place = read_kernel_place(kernel_name_);
        // The interface is the machine's: it is used as it is, never changed.
        if (request.mtu > link.mtu) {
            error = "interface " + request.interface + ": kernel interface " + kernel_name_ +
                    " has MTU " + std::to_string(link.mtu) + ", less than " +
                    std::to_string(request.mtu) + ": ip link set dev " + kernel_name_ + " mtu " +
                    std::to_string(request.mtu);
            return false;
        }
        // A device that comes late keeps what others were sized by.
        if (mtu_ == 0) mtu_ = std::min(link.mtu, kMtuMax);
        kernel_queues = std::min(place.channels, kKernelQueuesMax);
        virtual_link = place.virtual_link;
        if (text_.kind == DeviceKind::af_xdp && place.receive_queues > kernel_queues)
            notes_.push_back(
                "interface " + request.interface + ": " + kernel_name_ + " has " +
                std::to_string(place.receive_queues) + " receive queues, of which AF_XDP reads " +
                std::to_string(kernel_queues) + "; packets of the others are lost: ethtool -L " +
                kernel_name_ + (place.channels > 1 ? " combined " : " rx ") +
                std::to_string(kernel_queues));
    }
    complete_arguments(text_, workers_, kernel_queues, virtual_link, mtu_ != 0 ? mtu_ : 1500);
    return true;
}

bool Device::probe(std::string& error) {
    const std::string text = text_.text();
    int code = 0;
    if (text_.kind == DeviceKind::pci) {
        // The EAL probed it at its start, if a driver it can use holds it.
        if (rte_eth_dev_get_port_by_name(text_.name.c_str(), &port_id_) != 0) {
            std::error_code ignored;
            const auto link = std::filesystem::read_symlink(
                "/sys/bus/pci/devices/" + text_.name + "/driver", ignored);
            const std::string holder =
                link.empty() ? "no driver" : "driver " + link.filename().string();
            error = "interface " + interface_ + ": PCI device " + text_.name + " is bound to " +
                    holder + ", where DPDK can't use it: dpdk-devbind.py --bind=vfio-pci " +
                    text_.name;
            return false;
        }
        probed_ = true;
    } else {
        if (code = rte_dev_probe(text.c_str()); code != 0) {
            error = failed("open", code);
            return false;
        }
        probed_ = true;
        take_complaint();  // drivers mention what they do without
        if (rte_eth_dev_get_port_by_name(text_.name.c_str(), &port_id_) != 0) {
            error = "interface " + interface_ + ": " + text_.name + " is no network device";
            return false;
        }
    }
    rte_eth_dev_callback_register(port_id_, RTE_ETH_EVENT_INTR_RMV, on_removal, &gone_);
    return true;
}
std::uint32_t Device::room_octets() const {
    std::uint32_t room = std::max<std::uint32_t>(2048, mtu_ + kLinkHeader);
    if (text_.kind == DeviceKind::af_xdp) room = std::max(room, mtu_ + kLinkHeader + kXdpHeadroom);
    // The driver wants each buffer to hold a whole frame of the kernel's ring.
    if (text_.kind == DeviceKind::af_packet) room = std::max(room, packet_frame_octets(mtu_));
    return (room + 63) / 64 * 64 + RTE_PKTMBUF_HEADROOM;
}
void Device::choose_ring_sizes(const rte_eth_dev_info& info, std::uint64_t memory_bytes) {
    const std::uint64_t each =
        rte_mempool_calc_obj_size(room_octets() + sizeof(rte_mbuf), 0, nullptr);
    const std::uint64_t fits = memory_bytes / queues_ / each;
    std::uint32_t rx = receive_ring_, tx = transmit_ring_;
    const auto limit = [](std::uint32_t& n, const rte_eth_desc_lim& lim) {
        if (lim.nb_max != 0) n = std::min<std::uint32_t>(n, lim.nb_max);
        if (lim.nb_min != 0) n = std::max<std::uint32_t>(n, lim.nb_min);
    };
    switch (text_.kind) {
        case DeviceKind::af_xdp:
            rx = tx = kXdpDescriptors;
            break;
        case DeviceKind::pci:
        case DeviceKind::other:
            limit(rx, info.rx_desc_lim);
            limit(tx, info.tx_desc_lim);
            break;
        default:
            // Their rings have the size that the device arguments gave them and hold no buffers of
            // ours, but net_ring, whose 1024 places do.
            rx = tx = 1024;
            break;
    }
    while (rx > kDescriptorsMin && rx + tx + kWorkerFrames > fits) {
        rx /= 2;
        if (tx > rx) tx = rx;
    }
    receive_descriptors_ = power_of_two_below(rx);
    transmit_descriptors_ = power_of_two_below(tx);
    // Twice the receive ring: one in the card's hands, one in ours, and so no burst finds the pool
    // empty.
    const std::uint64_t wanted = 2ull * rx + tx + kWorkerFrames;
    buffers_ =
        static_cast<std::uint32_t>(std::max<std::uint64_t>(std::min(wanted, fits), kBuffersMin));
}

bool Device::configure(std::uint16_t workers, std::uint64_t memory_bytes, std::string& error) {
    rte_eth_dev_info info{};
    if (const int code = rte_eth_dev_info_get(port_id_, &info); code != 0) {
        error = failed("say what it can do", code);
        return false;
    }
    hopeless_ = true;  // until the kernel has a say
    if (info.max_mtu != 0 && mtu_ > info.max_mtu && !is_software_wire(text_.kind)) {
        error = "interface " + interface_ + ": MTU " + std::to_string(mtu_) + " is more than the " +
                std::to_string(info.max_mtu) + " that " + text_.name +
                " takes; set it with the key mtu" +
                (kernel_name_.empty() ? "" : " and ip link set dev " + kernel_name_ + " mtu");
        return false;
    }
    queues_ =
        std::min({std::max<std::uint16_t>(workers, 1), info.max_rx_queues, info.max_tx_queues});
    // Both ends of a memif must agree on the number, and a software ring has one: other workers
    // hand over.
    if (text_.kind == DeviceKind::memif || text_.kind == DeviceKind::ring ||
        text_.kind == DeviceKind::tap)
        queues_ = 1;
    if (text_.kind == DeviceKind::af_xdp)
        queues_ = std::min(info.max_rx_queues, info.max_tx_queues);
    queues_ = std::max<std::uint16_t>(queues_, 1);

    rte_eth_conf conf{};
    // Software wires carry what the buffers hold and AF_PACKET what its frames hold, but their
    // drivers refuse to be told a large MTU.
    const bool tell_mtu = !is_software_wire(text_.kind) && text_.kind != DeviceKind::af_packet;
    if (tell_mtu) conf.rxmode.mtu = mtu_;
    capabilities_.ipv4_checksum_transmit =
        (info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM) != 0;
    capabilities_.udp_checksum_transmit =
        (info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_UDP_CKSUM) != 0;
    capabilities_.checksum_receive = (info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_IPV4_CKSUM) != 0;
    capabilities_.multi_segment_transmit =
        (info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) != 0;
    // Every frame sent on a queue comes from that queue's pool and has one owner: the driver may
    // free in bulk.
    if ((info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE) != 0)
        conf.txmode.offloads |= RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
    if (queues_ > 1 && text_.kind == DeviceKind::pci) {
        conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        conf.rx_adv_conf.rss_conf.rss_hf =
            (RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP) & info.flow_type_rss_offloads;
    }
    if (const int code = rte_eth_dev_configure(port_id_, queues_, queues_, &conf); code != 0) {
        error = failed("take " + std::to_string(queues_) + " queue pairs", code);
        return false;
    }
    configured_ = true;
    hopeless_ = false;
    if (tell_mtu && kernel_name_.empty()) {
        const int code = rte_eth_dev_set_mtu(port_id_, mtu_);
        if (code != 0 && code != -ENOTSUP) {
            error = failed("take MTU " + std::to_string(mtu_), code);
            return false;
        }
    }
    choose_ring_sizes(info, memory_bytes);
    const int socket = rte_eth_dev_socket_id(port_id_);
    if (!set_up_queues(socket < 0 ? SOCKET_ID_ANY : socket, error)) return false;
    const int code = rte_eth_dev_start(port_id_);
    started_ = code == 0;
    if (code != 0 && !client_) {
        error = failed("start", code);
        return false;
    }
    if (code != 0)
        notes_.push_back("interface " + interface_ +
                         ": nobody serves its memif socket yet; it is tried every second");
    const int list = rte_eth_dev_set_mc_addr_list(port_id_, nullptr, 0);
    capabilities_.multicast_list = list == 0;
    return true;
}

bool Device::set_up_queues(int socket, std::string& error) {
    if (text_.kind == DeviceKind::pci || text_.kind == DeviceKind::other)
        rte_eth_dev_adjust_nb_rx_tx_desc(port_id_, &receive_descriptors_, &transmit_descriptors_);
    const auto room = static_cast<std::uint16_t>(room_octets());
    hopeless_ = true;
    for (std::uint16_t queue = 0; queue < queues_; ++queue) {
        const std::string name = "ff_" + std::to_string(port_id_) + '_' + std::to_string(queue);
        rte_mempool* pool =
            rte_pktmbuf_pool_create(name.c_str(), buffers_, kPoolCache, 0, room, socket);
        if (pool == nullptr) {
            take_complaint();
            error = "interface " + interface_ + ": no memory for " + std::to_string(buffers_) +
                    " buffers of " + std::to_string(room) + " octets for queue " +
                    std::to_string(queue) + " of " + std::to_string(queues_) +
                    "; give more with: -- --no-huge --no-shconf -m MEGABYTES";
            return false;
        }
        pools_.push_back(pool);
        hopeless_ = false;
        if (const int code = rte_eth_rx_queue_setup(port_id_, queue, receive_descriptors_,
                                                    static_cast<unsigned>(socket), nullptr, pool);
            code != 0) {
            error = failed("set up its receive queue " + std::to_string(queue), code);
            return false;
        }
    }
    for (std::uint16_t queue = 0; queue < queues_; ++queue) {
        if (const int code = rte_eth_tx_queue_setup(port_id_, queue, transmit_descriptors_,
                                                    static_cast<unsigned>(socket), nullptr);
            code != 0) {
            error = failed("set up its transmit queue " + std::to_string(queue), code);
            return false;
        }
    }
    return true;
}

void Device::make_ports(const DeviceRequest& request) {
    if (text_.kind == DeviceKind::tap) {
        // The driver names its interface dtap0 and on where it was not told.
        const std::string* given = text_.argument("iface");
        kernel_name_ =
            given != nullptr ? *given : "dtap" + text_.name.substr(std::strlen("net_tap"));
        if (!read_kernel_link(kernel_name_).exists) kernel_name_.clear();
    }
    const std::uint16_t count = std::min(queues_, workers_);
    for (std::uint16_t i = 0; i < count; ++i) {
        DpdkPortSettings settings;
        settings.kind = text_.kind;
        settings.kernel_interface = kernel_name_;
        settings.address = request.address;
        settings.mtu = mtu_;
        ports_.push_back(std::make_unique<DpdkPort>(std::move(settings)));
        if (!started_) ports_.back()->start_shut();
    }
    for (std::uint16_t i = 0; i < count && !missing_; ++i) ports_[i]->take(queues_of(i));
}

DpdkPortQueues Device::queues_of(std::uint16_t port) const {
    const std::string* budget = text_.argument("busy_budget");
    DpdkPortQueues out;
    out.port_id = port_id_;
    out.transmit_queue = port;
    for (std::size_t queue = port; queue < queues_; queue += std::min(queues_, workers_))
        out.receive_queues.push_back(static_cast<std::uint16_t>(queue));
    out.pool = pools_[port];
    out.busy_polls = text_.kind == DeviceKind::af_xdp && (budget == nullptr || *budget != "0");
    return out;
}

void Device::reconnect() {
    rte_eth_link link{};
    if (started_ && rte_eth_link_get_nowait(port_id_, &link) == 0 &&
        link.link_status == RTE_ETH_LINK_UP)
        return;
    const Nanos now = monotonic();
    if (now < reconnect_at_) return;
    // Two visits: ask the workers out, then, when all are, start anew. A port that is not started
    // stays shut.
    bool out = true;
    for (const auto& port : ports_) {
        if (port->shut()) continue;
        port->ask_shut();
        out = false;
    }
    if (!out) return;
    reconnect_at_ = now + kReconnectPause;
    const QuietLog quiet;
    if (started_) rte_eth_dev_stop(port_id_);
    started_ = rte_eth_dev_start(port_id_) == 0;
    if (!started_) return;
    for (const auto& port : ports_) port->reopen();
}

DeviceLink Device::link() {
    if (client_) reconnect();
    return std::as_const(*this).link();
}

DeviceLink Device::link() const {
    if (!kernel_name_.empty()) {
        const KernelLink link = read_kernel_link(kernel_name_);
        return {link.up && link.running, !link.exists};
    }
    if (!started_) return {false, gone_.load(std::memory_order_relaxed)};
    rte_eth_link link{};
    const bool up =
        rte_eth_link_get_nowait(port_id_, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
    return {up, gone_.load(std::memory_order_relaxed)};
}

DeviceStatistics Device::statistics() const {
    rte_eth_stats stats{};
    if (rte_eth_stats_get(port_id_, &stats) != 0) return {};
    return {stats.ipackets, stats.opackets,  stats.ibytes,  stats.obytes,
            stats.imissed,  stats.rx_nombuf, stats.ierrors, stats.oerrors};
}

void Device::close() {
    ports_.clear();
    close_device();
}

void Device::close_device() {
    if (probed_) {
        rte_eth_dev_callback_unregister(port_id_, RTE_ETH_EVENT_INTR_RMV, on_removal, &gone_);
        rte_eth_dev_info info{};
        rte_device* device = rte_eth_dev_info_get(port_id_, &info) == 0 ? info.device : nullptr;
        const bool memif = text_.kind == DeviceKind::memif;
        // A memif whose peer is gone has taken itself down, or does so just now in DPDK's interrupt
        // thread, which must not meet a second one doing it.
        if (started_ && (!memif || std::as_const(*this).link().up)) rte_eth_dev_stop(port_id_);
        // Removing a software device closes its port too. A card stays with its driver for the next
        // open. A memif stays to the end of the process: its driver frees the handle of a listening
        // socket, or of a peer that leaves just now, which DPDK's interrupt thread goes on to
        // serve.
        if (memif) Eal::leave_standing();
        if (const std::string path = memif_server_path(text_); !path.empty())
            ::unlink(path.c_str());
        if (device != nullptr && text_.kind != DeviceKind::pci && !memif) rte_dev_remove(device);
    }
    // The driver frees all it has of an AF_XDP socket but the descriptor, and while that is open
    // the kernel keeps the interface's queue and the buffers for it.
    xdp_sockets_.close();
    for (rte_mempool* pool : pools_) rte_mempool_free(pool);
    pools_.clear();
    probed_ = started_ = configured_ = false;
}

Device::~Device() {
    const QuietLog quiet;
    close();
}

std::vector<std::unique_ptr<Device>> open_devices(const Eal& eal,
                                                  std::span<const DeviceRequest> requests,
                                                  std::uint16_t workers, std::string& error) {
    std::vector<std::unique_ptr<Device>> devices;
    if (!check_devices(requests, error)) return devices;
    std::uint64_t kept = 0;  // for devices that are opened later
    for (std::size_t i = 0; i < requests.size(); ++i) {
        // Seven eighths: pools come in whole pages and have headers of their own, drivers take
        // some.
        const std::uint64_t free = eal.free_bytes();
        const std::uint64_t share = (free - std::min(free, kept)) / 8 * 7 / (requests.size() - i);
        auto device = Device::open(eal, requests[i], workers, share, error);
        if (!device) {
            devices.clear();
            return devices;
        }
        if (device->missing()) kept += share;
        devices.push_back(std::move(device));
    }
    return devices;
}

}  // namespace fanfare::dataplane::dpdk
