// Ports in memory for tests: several SimPorts on one SimWire, no time, no threads. What a port
// transmits stands at once in the queue of every other port whose filter lets it in; a hook sees
// each frame first and may drop it. Everything is counted so that a test can tell a leak.
//
// With `datagrams` set, before a worker gets it, a port is a datagram port: it plays the kernel's
// part of the link layer, and the wire still carries frames.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <vector>

#include "dataplane/kernel/frame_pool.hpp"
#include "dataplane/net/datagram.hpp"
#include "dataplane/net/framing.hpp"
#include "dataplane/net/multicast_mac.hpp"
#include "dataplane/net/octets.hpp"
#include "dataplane/port.hpp"
#include "engine/core/output.hpp"

namespace fanfare::sim {

class SimWire;

class SimPort {
  public:
    static constexpr std::size_t kPool = 1024;  // frames that can be lent at a time
    static constexpr std::size_t kQueue =
        4096;  // frames that can wait to be received; more are dropped

    SimPort(SimWire& wire, const dataplane::MacAddress& mac, std::uint16_t mtu = 1500);

    std::size_t receive(std::span<dataplane::RxFrame> rx) {
        std::size_t count = 0;
        while (count < rx.size() && arrived_count_ > 0) {
            const std::uint32_t place = arrived_[arrived_first_];
            arrived_first_ = (arrived_first_ + 1) % kQueue;
            --arrived_count_;
            rx[count] = {rx_room_.data() + place * stride_, rx_length_[place],
                         reinterpret_cast<void*>(static_cast<std::uintptr_t>(place) + 1)};
            if (datagrams && !take_off_headers(rx[count], origins_[place])) {
                rx_free_.push_back(place);
                continue;
            }
            ++count;
            ++rx_lent_;
        }
        return count;
    }
    void release(std::span<dataplane::RxFrame> rx) {
        for (auto& frame : rx) {
            rx_free_.push_back(
                static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(frame.handle) - 1));
            --rx_lent_;
        }
    }
    std::size_t allocate(std::span<engine::TxFrame> tx) {
        // Packets one behind the other, as a kernel port has them.
        if (datagrams) return adjoining_.allocate(tx);
        std::size_t count = 0;
        while (count < tx.size() && !tx_free_.empty()) {
            std::byte* const room = tx_free_.back();
            tx_free_.pop_back();
            tx[count] = engine::TxFrame{};
            tx[count].data = room + engine::kFrameHeadroom;
            tx[count].capacity = mtu_;
            tx[count++].handle = room;
        }
        return count;
    }
    std::size_t transmit(std::span<engine::TxFrame> tx);
    void give_back(std::span<engine::TxFrame> tx) {
        if (datagrams) return adjoining_.give_back(tx);
        for (auto& frame : tx) tx_free_.push_back(static_cast<std::byte*>(frame.handle));
    }
    bool set_multicast_filter(std::span<const dataplane::MacAddress> groups) {
        filter_.assign(groups.begin(), groups.end());
        ++filter_calls_;
        return true;
    }
    bool set_memberships(const dataplane::Memberships& wanted) {
        memberships_ = wanted;
        filter_.clear();
        for (const auto group : wanted.groups)
            filter_.push_back(dataplane::net::multicast_mac(group));
        return ++membership_calls_ % 2 == 0;  // half is done at a time
    }
    dataplane::PortFacts facts() const { return {mac_, mtu_, true, kernel_answers, datagrams}; }
    std::uint64_t system_calls() const { return 0; }

    // A frame arrives here, whatever the filter says; false when the queue is full.
    bool inject(std::span<const std::byte> frame);
    bool lets_in(const dataplane::MacAddress& to) const {
        if (promiscuous || to == mac_) return true;
        const bool all =
            std::all_of(to.octets.begin(), to.octets.end(), [](auto o) { return o == 0xFF; });
        return all || std::find(filter_.begin(), filter_.end(), to) != filter_.end();
    }

    const dataplane::MacAddress& mac() const { return mac_; }
    const std::vector<dataplane::MacAddress>& filter() const { return filter_; }
    std::size_t filter_calls() const { return filter_calls_; }
    const dataplane::Memberships& memberships() const { return memberships_; }
    // Frames that are not back in the port: 0 when nothing leaks.
    std::size_t lent() const {
        return kPool - tx_free_.size() + kPool - adjoining_.free_count() + rx_lent_;
    }

    bool promiscuous = false;
    bool kernel_answers = false;
    bool datagrams = false;
    std::size_t takes_at_most = kPool;  // of one transmit(): a port that is slow

  private:
    // What a kernel does before it hands a datagram to a socket; false when there is none for it.
    bool take_off_headers(dataplane::RxFrame& frame, dataplane::RxOrigin& origin) {
        dataplane::net::Datagram datagram;
        if (dataplane::net::parse_frame({frame.data, frame.length}, 0, datagram) !=
                dataplane::net::FrameClass::pgm ||
            std::find(memberships_.udp_ports.begin(), memberships_.udp_ports.end(),
                      datagram.udp_port) == memberships_.udp_ports.end())
            return false;
        origin = {datagram.ip.source, datagram.ip.destination, datagram.udp_port};
        frame.data = datagram.payload.data();
        frame.length = static_cast<std::uint32_t>(datagram.payload.size());
        frame.origin = &origin;
        return true;
    }

    void carry_datagram(const engine::TxFrame& packet);

    SimWire& wire_;
    dataplane::MacAddress mac_;
    std::uint16_t mtu_;
    std::size_t stride_;
    std::vector<std::byte> tx_room_, rx_room_;
    std::vector<std::byte*> tx_free_;
    dataplane::kernel::FramePool adjoining_;  // in place of it with `datagrams`
    std::vector<std::uint32_t> rx_free_, rx_length_, arrived_;
    std::size_t arrived_first_ = 0, arrived_count_ = 0, rx_lent_ = 0;
    std::vector<dataplane::MacAddress> filter_;
    std::size_t filter_calls_ = 0;
    std::vector<dataplane::RxOrigin> origins_ = std::vector<dataplane::RxOrigin>(kQueue);
    dataplane::Memberships memberships_;
    std::size_t membership_calls_ = 0;
};
static_assert(dataplane::DatagramPort<SimPort>);

class SimWire {
  public:
    // Sees each frame once, as `from` sends it; false drops it.
    using Hook = std::function<bool(std::span<const std::byte> frame, const SimPort& from)>;
    Hook hook;
    std::uint64_t carried = 0, dropped = 0;

    void attach(SimPort* port) { ports_.push_back(port); }
    void carry(std::span<const std::byte> frame, SimPort* from) {
        if (hook && !hook(frame, *from)) {
            ++dropped;
            return;
        }
        ++carried;
        dataplane::MacAddress to;
        std::memcpy(to.octets.data(), frame.data(), 6);
        for (SimPort* port : ports_) {
            if (port != from && port->lets_in(to) && !port->inject(frame)) ++dropped;
        }
    }

  private:
    std::vector<SimPort*> ports_;
};

inline SimPort::SimPort(SimWire& wire, const dataplane::MacAddress& mac, std::uint16_t mtu)
    : wire_(wire),
      mac_(mac),
      mtu_(mtu),
      stride_(std::size_t{engine::kFrameHeadroom} + mtu),
      tx_room_(kPool * stride_),
      rx_room_(kQueue * stride_),
      rx_length_(kQueue),
      arrived_(kQueue) {
    adjoining_.open(kPool / dataplane::kernel::FramePool::kBlockFrames, mtu);
    for (std::size_t i = kPool; i-- > 0;) tx_free_.push_back(tx_room_.data() + i * stride_);
    for (std::size_t i = kQueue; i-- > 0;) rx_free_.push_back(static_cast<std::uint32_t>(i));
    filter_.reserve(1024);
    wire.attach(this);
}

inline std::size_t SimPort::transmit(std::span<engine::TxFrame> tx) {
    const std::size_t count = std::min(tx.size(), takes_at_most);
    for (auto& frame : tx.first(count)) {
        if (datagrams) {
            carry_datagram(frame);
            continue;
        }
        wire_.carry({frame.data - frame.prepended, std::size_t{frame.prepended} + frame.length},
                    this);
    }
    give_back(tx.first(count));
    return count;
}

// Everybody's, as no table says whose the unicast ones are.
inline void SimPort::carry_datagram(const engine::TxFrame& packet) {
    std::vector<std::byte> room(engine::kFrameHeadroom + packet.length);
    engine::TxFrame frame = packet;
    frame.data = room.data() + engine::kFrameHeadroom;
    std::memcpy(frame.data, packet.data, packet.length);
    const dataplane::net::LinkIdentity link{mac_, frame.source, 0,
                                            static_cast<std::uint8_t>(frame.tos >> 2)};
    dataplane::net::prepend_datagram(frame, link, frame.udp_port);
    dataplane::net::prepend_ethernet(frame, link,
                                     frame.destination.is_multicast()
                                         ? dataplane::net::multicast_mac(frame.destination)
                                         : dataplane::net::kBroadcastMac);
    // A UDP port that is sent from hears answers too, wanted or not.
    auto& ports = memberships_.udp_ports;
    if (frame.udp_port != 0 && std::find(ports.begin(), ports.end(), frame.udp_port) == ports.end())
        ports.push_back(frame.udp_port);
    wire_.carry({frame.data - frame.prepended, std::size_t{frame.prepended} + frame.length}, this);
}

inline bool SimPort::inject(std::span<const std::byte> frame) {
    if (rx_free_.empty() || frame.size() > stride_) return false;
    const std::uint32_t place = rx_free_.back();
    rx_free_.pop_back();
    std::memcpy(rx_room_.data() + place * stride_, frame.data(), frame.size());
    rx_length_[place] = static_cast<std::uint32_t>(frame.size());
    arrived_[(arrived_first_ + arrived_count_++) % kQueue] = place;
    return true;
}

}  // namespace fanfare::sim
