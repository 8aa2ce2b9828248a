#include "dataplane/dpdk/dpdk_port.hpp"

#include <cstring>
#include <utility>

namespace fanfare::dataplane::dpdk {

DpdkPort::DpdkPort(DpdkPortSettings settings) : settings_(std::move(settings)) {
    filter_.reserve(KernelMulticast::kListMax);
}

void DpdkPort::take(DpdkPortQueues queues) {
    queues_ = std::move(queues);
    next_queue_ = 0;
    all_multicast_ = false;
    kernel_filter_ = KernelMulticast{};
    if (settings_.kernel_interface.empty()) return;
    kernel_filter_.open(settings_.kernel_interface);
    // AF_XDP takes every frame before the kernel sees it; the others give the kernel a copy.
    kernel_answers_ = settings_.kind != DeviceKind::af_xdp &&
                      kernel_holds(settings_.kernel_interface, settings_.address);
}

bool DpdkPort::join_segments(rte_mbuf* m) {
    if (rte_pktmbuf_linearize(m) == 0) return true;
    rte_pktmbuf_free(m);
    segments_dropped_.add();
    return false;
}

bool DpdkPort::set_multicast_filter(std::span<const MacAddress> groups) {
    if (is_software_wire(settings_.kind)) return true;  // no filter at all: everything comes in
    const std::uint16_t port = queues_.port_id;
    if (groups.size() <= KernelMulticast::kListMax) {
        filter_.resize(groups.size());
        for (std::size_t i = 0; i < groups.size(); ++i)
            std::memcpy(filter_[i].addr_bytes, groups[i].octets.data(),
                        sizeof filter_[i].addr_bytes);
        const int set = rte_eth_dev_set_mc_addr_list(port, filter_.data(),
                                                     static_cast<std::uint32_t>(filter_.size()));
        if (set == 0) {
            if (all_multicast_) rte_eth_allmulticast_disable(port);
            all_multicast_ = false;
            return true;
        }
    }
    if (kernel_filter_.is_open()) {
        std::uint64_t calls = 0;
        const bool done = kernel_filter_.set(groups, calls);
        system_calls_.add(calls);
        if (done) return true;
    }
    // Too many for a list, or a driver without one. Wider than asked is right, narrower is not.
    if (groups.empty() && !all_multicast_) return true;
    if (rte_eth_allmulticast_enable(port) == 0) {
        all_multicast_ = true;
        return true;
    }
    return rte_eth_promiscuous_enable(port) == 0;
}

PortFacts DpdkPort::facts() const {
    PortFacts facts;
    facts.mtu = settings_.mtu;
    const bool opened = rte_eth_dev_is_valid_port(queues_.port_id) != 0;
    rte_ether_addr mac{};
    if (opened && rte_eth_macaddr_get(queues_.port_id, &mac) == 0)
        std::memcpy(facts.mac.octets.data(), mac.addr_bytes, facts.mac.octets.size());
    if (settings_.kernel_interface.empty()) {
        if (!opened) return facts;
        rte_eth_link link{};
        facts.link_up = rte_eth_link_get_nowait(queues_.port_id, &link) == 0 &&
                        link.link_status == RTE_ETH_LINK_UP;
        std::uint16_t mtu = 0;
        if (!is_software_wire(settings_.kind) && rte_eth_dev_get_mtu(queues_.port_id, &mtu) == 0 &&
            mtu > 0)
            facts.mtu = std::min(mtu, settings_.mtu);
        return facts;
    }
    const KernelLink link = read_kernel_link(settings_.kernel_interface);
    facts.link_up = link.up && link.running;
    if (link.exists) {
        // Larger later on is not for us: the buffers were made for what it was.
        facts.mtu = std::min(link.mtu, settings_.mtu);
        if (link.mac != MacAddress{}) facts.mac = link.mac;
    }
    facts.kernel_answers = kernel_answers_;
    return facts;
}

}  // namespace fanfare::dataplane::dpdk
