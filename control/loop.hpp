// The control thread: one io_uring loop around the controller. Connections, requests, the ends of
// sockets, the workers' bells, link events, signals and the clock.
//
// A connection has one operation under way at a time: receive, or send of the reply. So a client
// waits for its own replies only, and one that does not read them holds up nobody.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "control/controller.hpp"
#include "control/link_monitor.hpp"
#include "control/system_services.hpp"

namespace fanfare::control {

struct LoopSettings {
    int listener = -1;           // listening SOCK_SEQPACKET socket
    std::optional<gid_t> group;  // who may use the daemon beside root and its own user
    std::uint32_t connections_max = 1024;
    std::uint32_t malformed_max = 8;  // requests that are none, until the connection is dropped
    int stop = -1;  // becomes readable when the daemon shall end (signalfd, eventfd)
    Nanos stop_patience_ns = 2 * kSecond;  // for workers that do not answer `stop`
    std::function<void()> each_tick;       // some ten times a second; may be empty
    // Whether the device of an interface is open on what the kernel has now under its name; empty:
    // always. One that is not counts as gone.
    std::function<bool(std::uint32_t interface)> serves;
    std::function<void(const std::string&)> log;  // one line, without newline; may be empty
};

class Loop : public EndpointWatcher {
  public:
    // nullptr, with one line in `error`, if there is no io_uring. Everything given outlives the
    // loop; `links` may be nullptr.
    static std::unique_ptr<Loop> open(const LoopSettings& settings, Controller& controller,
                                      SystemServices& services,
                                      std::span<dataplane::WorkerLink* const> workers,
                                      LinkMonitor* links, std::string& error);
    ~Loop() override;

    // Runs until `stop` is readable and the workers have stopped (or patience is over).
    void run();

    void watch(int endpoint, std::uint64_t socket_id) override;
    void unwatch(int endpoint, std::uint64_t socket_id) override;

  private:
    struct Parts;
    explicit Loop(std::unique_ptr<Parts> parts);
    std::unique_ptr<Parts> parts_;
};

// Nanoseconds of CLOCK_MONOTONIC.
Nanos monotonic_now();

}  // namespace fanfare::control
