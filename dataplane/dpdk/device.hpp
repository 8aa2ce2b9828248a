// One ethdev, from the DEVICE text of an interface to queue pairs that workers can use, and back.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "dataplane/dpdk/device_text.hpp"
#include "dataplane/dpdk/dpdk_port.hpp"
#include "dataplane/dpdk/eal.hpp"
#include "dataplane/dpdk/xdp_sockets.hpp"
#include "engine/types.hpp"

namespace fanfare::dataplane::dpdk {

struct DeviceRequest {
    std::string interface;  // its name in the configuration, for messages
    std::string device;     // DEVICE text
    Address address;
    std::uint16_t mtu = 0;   // 0: the kernel interface's, else 1500
    bool take_over = false;  // AF_XDP may take the interface of the default route
    // The kernel interface may come later: the device is opened when it has (follow_interface).
    bool may_be_missing = false;
    // Most descriptors of a card's rings. The defaults are more than any card has: 16 ms of a
    // port's top rate.
    std::uint16_t receive_ring = 8192, transmit_ring = 2048;
};

// Taken once when the device is opened.
struct DeviceCapabilities {
    bool ipv4_checksum_transmit = false;
    bool udp_checksum_transmit = false;
    bool checksum_receive = false;
    bool multi_segment_transmit = false;
    bool multicast_list = false;
};

struct DeviceLink {
    bool up = false;
    bool gone = false;  // unplugged
};

struct DeviceStatistics {  // since the device was opened, as far as its driver counts
    std::uint64_t frames_received = 0, frames_sent = 0, bytes_received = 0, bytes_sent = 0;
    std::uint64_t receive_missed = 0;     // no room in the ring: the worker came too late
    std::uint64_t receive_no_buffer = 0;  // pool was empty
    std::uint64_t receive_errors = 0, transmit_errors = 0;
};

// What can be said before DPDK is started: the texts, the kernel interfaces (there, up, not the
// default route's), the permissions, the PCI addresses, and that no device stands twice. False,
// with one line in `error`.
bool check_devices(std::span<const DeviceRequest> requests, std::string& error);

class Device {
  public:
    // A pool must hold what the driver keeps in its rings and what a worker has in its hands at
    // once.
    static constexpr std::uint32_t kBuffersMin = 4096;

    // `workers`: queue pairs wanted. `memory_bytes`: what its buffers may take. nullptr, with one
    // line in `error`, and nothing is left of it then. AF_XDP is tried for a second: the kernel
    // refuses now and then while it still takes another socket of the same interface down.
    static std::unique_ptr<Device> open(const Eal& eal, const DeviceRequest& request,
                                        std::uint16_t workers, std::uint64_t memory_bytes,
                                        std::string& error);
    // After no worker uses a port any more.
    ~Device();
    Device(const Device&) = delete;
    Device& operator=(const Device&) = delete;

    // Queue pairs there are: worker i has port(i) if i < ports(), else its frames go by hand-over.
    std::uint16_t ports() const { return static_cast<std::uint16_t>(ports_.size()); }
    DpdkPort& port(std::uint16_t worker) { return *ports_[worker]; }

    std::uint16_t port_id() const { return port_id_; }  // ethdev's

    const std::string& interface() const { return interface_; }
    const std::string& name() const { return text_.name; }
    DeviceKind kind() const { return text_.kind; }
    // Whose link events rtnetlink brings; empty: link() is all there is.
    const std::string& kernel_name() const { return kernel_name_; }
    std::uint16_t mtu() const { return mtu_; }
    const DeviceCapabilities& capabilities() const { return capabilities_; }
    std::uint16_t receive_descriptors() const { return receive_descriptors_; }
    std::uint32_t buffers_per_queue() const { return buffers_; }
    // Lines for the operator: what was given less than it asks for, and the remedy.
    const std::vector<std::string>& notes() const { return notes_; }

    // Both from the thread that opened the device. The link as it is:
    DeviceLink link() const;
    // The same, and a memif client without its server looks for it (once a second): to be called
    // some ten times a second.
    DeviceLink link();
    // An interface of the kernel that went and came again is another one, which sockets of the
    // former never hear: opens the device anew on it, for the ports that there are. From the
    // thread that opened it, some ten times a second while workers were told that the interface
    // has gone; true when the device serves the kernel's present interface. A device whose
    // interface was missing is opened for the first time here. It has one port, whose worker reads
    // all its queues: how many it will have nobody knows when ports are made.
    bool follow_interface();
    // The kernel interface was missing when this was made, and still is.
    bool missing() const { return missing_; }
    // Why follow_interface() did not open it when it was called last, with a remedy where there is
    // one; empty: it did, or there is no such interface, or workers are still on their way out.
    const std::string& trouble() const { return trouble_; }
    // From any thread.
    DeviceStatistics statistics() const;

  private:
    Device() = default;
    bool probe(std::string& error);
    bool configure(std::uint16_t workers, std::uint64_t memory_bytes, std::string& error);
    bool set_up_queues(int socket, std::string& error);
    void choose_ring_sizes(const struct rte_eth_dev_info& info, std::uint64_t memory_bytes);
    void reconnect();
    void make_ports(const DeviceRequest& request);
    DpdkPortQueues queues_of(std::uint16_t port) const;
    bool adopt_kernel_link(const DeviceRequest& request, std::string& error);
    bool reopen();
    void close();
    void close_device();  // all but the ports
    std::string failed(const std::string& what, int code) const;
    std::uint32_t room_octets() const;

    std::string interface_;
    DeviceText text_;
    std::string kernel_name_;
    unsigned kernel_index_ = 0;  // of the interface that it was opened on
    std::uint64_t memory_bytes_ = 0;
    std::uint16_t port_id_ = 0xFFFF;
    bool probed_ = false, started_ = false, configured_ = false;
    bool client_ = false;  // memif: the other end may come and go, and we call
    Nanos reconnect_at_ = 0;
    std::uint16_t mtu_ = 1500;
    bool hopeless_ = false;  // the last failure would come again
    bool missing_ = false;
    DeviceRequest request_;
    std::string trouble_;
    std::uint16_t queues_ = 1, workers_ = 1;
    std::uint16_t receive_ring_ = 0, transmit_ring_ = 0;  // most
    std::uint16_t receive_descriptors_ = 0, transmit_descriptors_ = 0;
    std::uint32_t buffers_ = 0;
    DeviceCapabilities capabilities_;
    std::vector<rte_mempool*> pools_;  // one for each queue
    std::vector<std::unique_ptr<DpdkPort>> ports_;
    std::vector<std::string> notes_;
    XdpSockets xdp_sockets_;  // the driver's; see close_device()
    std::atomic<bool> gone_{
        false};  // partner: DPDK's event thread stores, link() loads; nothing hangs on its order
};

// Opens all, sharing out the memory that is free. Empty, with one line in `error`, if one fails;
// those opened before are closed again.
std::vector<std::unique_ptr<Device>> open_devices(const Eal& eal,
                                                  std::span<const DeviceRequest> requests,
                                                  std::uint16_t workers, std::string& error);

}  // namespace fanfare::dataplane::dpdk
