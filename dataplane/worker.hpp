// A worker: one thread, its queue pair on every port, its sessions for life (DESIGN section 5).
// poll() runs commands, receive, publish, tick, transmit, and never waits. Instantiated for DPDK
// and for the simulator.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "dataplane/worker_core.hpp"

namespace fanfare::dataplane {

template <PacketPort P>
class alignas(ipc::kCacheLine) Worker {
  public:
    // ports[i] is this worker's queue on config.interfaces[i], or null where it has none; then its
    // frames go by way of the interface's owner, through `mesh`, which may be null for one worker
    // alone. Ports, link and mesh outlive the worker. Sessions are lent by commands and given back
    // by events.
    Worker(const WorkerConfig& config, WorkerLink& link, std::vector<P*> ports, HandoverMesh* mesh)
        : ports_(std::move(ports)), core_(config, link, facts_of(ports_, config), mesh) {
        ports_.resize(config.interfaces.size(), nullptr);
        filter_.reserve(1024);
        memberships_.groups.reserve(1024);
        memberships_.udp_ports.reserve(UdpPorts::kPortsMax);
    }
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;
    // Gives all lent frames back. Ports that are gone must still take them.
    ~Worker() {
        for (const auto& outlet : core_.outlets()) {
            if (outlet->ring != nullptr) continue;
            outlet->queue.return_all();
            give_back(*outlet);
        }
    }

    // One turn; returns how much there was to do, 0 when idle. After `stopped` was said it does
    // nothing but deliver events that are still kept.
    std::size_t poll(Nanos now) {
        core_.begin(now);
        if (core_.stopped()) {
            core_.settle(now);
            return 0;
        }
        refill();
        std::size_t work = core_.run_commands(now);
        work += receive(now);
        work += core_.take_handover(now);
        refill();
        work += core_.publish(now);
        refill();
        work += core_.tick(now);
        core_.loop_back(now);
        work += transmit();
        serve_ports();
        core_.settle(now);
        (work > 0 ? core_.counters().turns_busy : core_.counters().turns_idle).add();
        return work;
    }

    // When poll() wants to be called next if no frame, command or publication comes before: for a
    // worker that sleeps. The rule of sleeping is that of ipc/wakeup.hpp: set WorkerPage::sleeping,
    // fence, poll() once more, and sleep only if that found nothing.
    Nanos next_deadline(Nanos now) const { return core_.next_deadline(now); }
    bool stopped() const { return core_.stopped(); }
    // Where what comes to the ports shows.
    WakeDescriptors wake_descriptors() const {
        WakeDescriptors out;
        for (std::uint32_t i = 0; i < ports_.size(); ++i) {
            if (ports_[i] == nullptr || !core_.has_port(i)) continue;
            if constexpr (requires { ports_[i]->wake_descriptors(out); }) {
                ports_[i]->wake_descriptors(out);
            } else {
                out.complete = false;
            }
        }
        return out;
    }

  private:
    using Outlet = WorkerCore::Outlet;

    static std::vector<std::optional<PortFacts>> facts_of(const std::vector<P*>& ports,
                                                          const WorkerConfig& config) {
        std::vector<std::optional<PortFacts>> facts(config.interfaces.size());
        for (std::size_t i = 0; i < ports.size() && i < facts.size(); ++i) {
            if (ports[i] != nullptr) facts[i] = ports[i]->facts();
        }
        return facts;
    }

    std::size_t receive(Nanos now) {
        std::size_t work = 0;
        for (std::uint32_t i = 0; i < ports_.size(); ++i) {
            if (ports_[i] == nullptr || !core_.has_port(i)) continue;
            std::span<RxFrame> frames(rx_);
            // Two bursts a turn, so that a busy port is not starved by a turn's fixed costs.
            for (int burst = 0; burst < 2; ++burst) {
                const std::size_t count = ports_[i]->receive(frames);
                if (count == 0) break;
                work += core_.on_frames(i, {frames.data(), count}, now);
                ports_[i]->release({frames.data(), count});
                if (count < frames.size()) break;
            }
        }
        return work;
    }

    // Keeps empty frames at hand wherever engines may write.
    void refill() {
        for (const auto& outlet : core_.outlets()) {
            FrameQueue& queue = outlet->queue;
            if (outlet->ring != nullptr) {
                if (queue.have() == 0) core_.send_outbound_ring(*outlet);
                continue;
            }
            if (!core_.has_port(outlet->interface) || queue.room_count() >= WorkerCore::kLent / 2 ||
                queue.have() >= WorkerCore::kLent) {
                continue;
            }
            const auto places = queue.places().first(WorkerCore::kLent - queue.have());
            queue.added(ports_[outlet->interface]->allocate(places));
        }
    }

    std::size_t transmit() {
        std::size_t work = 0;
        for (const auto& outlet : core_.outlets()) {
            FrameQueue& queue = outlet->queue;
            if (outlet->ring != nullptr) {
                work += queue.looped();
                core_.send_outbound_ring(*outlet);
                continue;
            }
            if (!core_.has_port(outlet->interface)) {
                give_back(*outlet);
                continue;
            }
            const std::size_t ready = queue.sift();
            std::size_t sent = ready;
            if (ready > 0 && core_.is_up(outlet->interface)) {
                sent = send(*ports_[outlet->interface], queue, ready);
                work += sent;
            } else {
                for (std::size_t i = 0; i < ready; ++i) queue.put_back(queue.frame(i));
            }
            queue.left(sent);
            give_back(*outlet);
        }
        return work;
    }

    static std::size_t octets_of(const engine::TxFrame& frame) {
        return std::size_t{frame.prepended} + frame.length;
    }

    std::size_t send(P& port, FrameQueue& queue, std::size_t ready) {
        WorkerCounters& counters = core_.counters();
        std::size_t bytes = 0;
        // The port may change what it takes: sizes are read before.
        for (std::size_t i = 0; i < ready; ++i) bytes += octets_of(queue.frame(i));
        const std::size_t sent = port.transmit({&queue.frame(0), ready});
        for (std::size_t i = sent; i < ready; ++i) bytes -= octets_of(queue.frame(i));
        counters.frames_sent.add(sent);
        counters.bytes_sent.add(bytes);
        std::size_t waiting = 0;
        if constexpr (requires { port.waiting(); }) waiting = port.waiting();
        if (sent + waiting < ready) counters.transmit_full.add();
        return sent;
    }

    void give_back(Outlet& outlet) {
        if (outlet.queue.returns().empty()) return;
        ports_[outlet.interface]->give_back(outlet.queue.returns());
        outlet.queue.clear_returns();
    }

    void serve_ports() {
        for (std::uint32_t i = 0; i < ports_.size(); ++i) {
            if (ports_[i] == nullptr) continue;
            if (!core_.has_port(i)) {
                // All its frames were given back by now.
                if constexpr (requires { ports_[i]->stay_out(); }) ports_[i]->stay_out();
                continue;
            }
            if (core_.wants_facts(i)) core_.set_facts(i, ports_[i]->facts());
            if (!core_.owns(i)) continue;
            if constexpr (DatagramPort<P>) {
                if (core_.speaks_datagrams(i)) {
                    if (core_.take_memberships(i, memberships_) &&
                        !ports_[i]->set_memberships(memberships_)) {
                        core_.filter_unfinished(i);
                    }
                    continue;
                }
            }
            if (core_.take_filter(i, filter_)) ports_[i]->set_multicast_filter(filter_);
        }
    }

    std::vector<P*> ports_;
    WorkerCore core_;
    // Of one burst, in receive() alone: kept, as clearing it would be a seventh of an idle turn.
    std::array<RxFrame, WorkerCore::kBurst> rx_;
    std::vector<MacAddress> filter_;
    Memberships memberships_;
};

}  // namespace fanfare::dataplane
