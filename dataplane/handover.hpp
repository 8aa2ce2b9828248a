// The rings between workers: two for each ordered pair. `inbound` carries copies: received frames
// of sessions that the other owns, unicast datagrams for the worker that runs ARP, memberships for
// the one that runs IGMP. `outbound` lends slots to engines whose worker has no queue on a port:
// its consumer sends them there.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "dataplane/commands.hpp"
#include "dataplane/frame_ring.hpp"

namespace fanfare::dataplane {

// Read by all workers at every hand-over; nothing that one of them writes stands on its lines.
class alignas(ipc::kCacheLine) HandoverMesh {
  public:
    // Slots of a ring: several bursts, so that a worker that is late by one turn loses nothing.
    static constexpr std::size_t kSlots = 256;

    // For one worker no ring is made. `mtu_max` is the largest of all interfaces. Outlives the
    // workers.
    explicit HandoverMesh(std::uint32_t workers, std::uint16_t mtu_max = 1500,
                          std::size_t slots = kSlots)
        : workers_(workers) {
        // Ethernet with a tag in front of the largest datagram.
        const std::size_t frame_bytes = std::size_t{mtu_max} + 18;
        for (std::size_t i = 0; workers > 1 && i < std::size_t{workers} * workers; ++i) {
            const bool itself = i / workers == i % workers;
            inbound_.push_back(itself ? nullptr : std::make_unique<FrameRing>(slots, frame_bytes));
            outbound_.push_back(itself ? nullptr : std::make_unique<FrameRing>(slots, frame_bytes));
        }
    }

    std::uint32_t workers() const { return workers_; }
    FrameRing& inbound(std::uint32_t from, std::uint32_t to) {
        return *inbound_[from * workers_ + to];
    }
    FrameRing& outbound(std::uint32_t from, std::uint32_t to) {
        return *outbound_[from * workers_ + to];
    }

    // Each worker says how it is woken: its link's page and doorbell.
    void attach(std::uint32_t worker, WorkerLink* link) {
        links_[worker].store(link, std::memory_order_release);  // partner: link()
    }
    // Null while that worker was not built yet.
    WorkerLink* link(std::uint32_t worker) const {
        return links_[worker].load(std::memory_order_acquire);  // partner: attach()
    }

  private:
    std::uint32_t workers_;
    std::vector<std::unique_ptr<FrameRing>> inbound_, outbound_;
    std::array<std::atomic<WorkerLink*>, kMaxWorkers> links_{};
};

}  // namespace fanfare::dataplane
