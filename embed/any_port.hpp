// A port of either kind behind one type, so that one worker can have both: the kind is told apart
// by a branch that always goes the same way for one port.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "dataplane/dpdk/dpdk_port.hpp"
#include "dataplane/kernel/kernel_port.hpp"
#include "dataplane/port.hpp"

namespace fanfare::embed {

// What it stands for outlives it.
class AnyPort {
    // Before its users, whose results follow from it.
    template <typename Call>
    auto visit(Call&& call) const {
        if (dpdk_ != nullptr) [[likely]]
            return call(*dpdk_);
        return call(*kernel_);
    }

  public:
    explicit AnyPort(dataplane::dpdk::DpdkPort& port) : dpdk_(&port) {}
    explicit AnyPort(dataplane::kernel::KernelPort& port) : kernel_(&port) {}

    std::size_t receive(std::span<dataplane::RxFrame> rx) {
        return visit([&](auto& port) { return port.receive(rx); });
    }
    void release(std::span<dataplane::RxFrame> rx) {
        visit([&](auto& port) { port.release(rx); });
    }
    std::size_t allocate(std::span<engine::TxFrame> tx) {
        return visit([&](auto& port) { return port.allocate(tx); });
    }
    std::size_t transmit(std::span<engine::TxFrame> tx) {
        return visit([&](auto& port) { return port.transmit(tx); });
    }
    void wake_descriptors(dataplane::WakeDescriptors& out) const {
        if (kernel_ == nullptr) {
            out.complete = false;  // DPDK's drivers are polled
        } else {
            kernel_->wake_descriptors(out);
        }
    }
    std::size_t waiting() const { return kernel_ != nullptr ? kernel_->waiting() : 0; }
    void give_back(std::span<engine::TxFrame> tx) {
        visit([&](auto& port) { port.give_back(tx); });
    }
    bool set_multicast_filter(std::span<const dataplane::MacAddress> groups) {
        return visit([&](auto& port) { return port.set_multicast_filter(groups); });
    }
    bool set_memberships(const dataplane::Memberships& wanted) {
        return kernel_ == nullptr || kernel_->set_memberships(wanted);
    }
    dataplane::PortFacts facts() const {
        return visit([](auto& port) { return port.facts(); });
    }
    // Of a port whose interface has gone (dataplane/worker.hpp).
    void stay_out() {
        if (dpdk_ != nullptr) dpdk_->stay_out();
    }
    std::uint64_t system_calls() const {
        return visit([](auto& port) { return port.system_calls(); });
    }

  private:
    dataplane::dpdk::DpdkPort* dpdk_ = nullptr;
    dataplane::kernel::KernelPort* kernel_ = nullptr;
};
static_assert(dataplane::DatagramPort<AnyPort>);

}  // namespace fanfare::embed
