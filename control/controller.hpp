// The control plane of one daemon or embedded engine, without threads and sockets: requests, worker
// events and ticks go in; commands go to the workers' rings. The daemon's loop (loop.hpp), the
// embedded engine and the simulator drive it; all calls come from one thread.
#pragma once

#include <deque>
#include <span>
#include <vector>

#include "control/handler.hpp"
#include "control/registry.hpp"
#include "control/services.hpp"

namespace fanfare::control {

inline constexpr Nanos kTickInterval =
    100 * kMillisecond;  // readers are looked at ten times a second

class Controller {
  public:
    // `links` (one for each worker, in order) and `services` outlive the controller.
    Controller(const ControlSettings& settings, std::vector<Interface> interfaces,
               std::vector<dataplane::WorkerLink*> links, Services& services);
    // Frees what it holds. The workers must have stopped.
    ~Controller();
    Controller(const Controller&) = delete;
    Controller& operator=(const Controller&) = delete;

    // One request. Descriptors in the outcome are the caller's to pass, and to close where
    // `close_after`.
    Outcome request(std::span<const std::byte> octets, const Peer& peer, Nanos now);
    void endpoint_closed(std::uint64_t socket_id, Nanos now);
    // A link went up or down, a device came or went, an MTU changed (0: as before).
    void interface_changed(std::uint32_t interface, bool up, bool gone, std::uint16_t mtu);

    // Takes the workers' events, runs what is due and hands commands over. Call when a worker rang,
    // and at next_deadline(). Returns true while there is more to do at once.
    bool poll(Nanos now);
    Nanos next_deadline() const { return stop_at_ < next_tick_ ? stop_at_ : next_tick_; }

    // Ends every sending session with a reset, gives that kStopGrace to reach the wire, then asks
    // every worker to stop; stopped() once all of them said so. Keep calling poll().
    static constexpr Nanos kStopGrace = 100 * kMillisecond;
    void stop(Nanos now);
    bool stopped() const { return stopped_workers_ == links_.size(); }

    const Registry& registry() const { return registry_; }
    Registry& registry() { return registry_; }

  private:
    void on_event(const dataplane::WorkerEvent& event, Nanos now);
    void hand_over();

    Services& services_;
    std::vector<dataplane::WorkerLink*> links_;
    Registry registry_;
    std::vector<std::deque<dataplane::Command>> waiting_;  // commands that found a full ring
    Nanos next_tick_ = 0;
    Nanos stop_at_ = kNever;
    std::size_t stopped_workers_ = 0;
};

}  // namespace fanfare::control
