// An engine inside the application: worker and control driven by the application's own thread, no
// daemon and no thread hop. Sockets of this process (fanfare/socket.h, fanfare/fanfare.hpp) then
// speak to it; types and calls are the same.
//
//   control::Config config;
//   control::add_interface_flag("feed,10.0.0.1/24,net_af_xdp0,iface=eth1", config, error);
//   auto engine = embed::Engine::open(config, error);
//   fanfare::Sender sender("239.1.1.1", 7500);
//   for (;;) { engine->poll(); ... non-blocking sends and receives ... }
//
// Kernel interfaces may go, come back, or come after the engine: it looks ten times a second, in
// poll(). Sessions of one that goes are reset, as a daemon's are.
//
// Two rules follow from the one thread. The polling thread makes non-blocking calls only: nobody
// would turn the engine while it waits. Other threads may use sockets as they like, blocking calls
// included, as long as one thread polls. And sessions end with the engine: unlike a daemon's,
// repairs do not outlive the process (poll until drained() before closing it).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "control/config.hpp"
#include "engine/types.hpp"

namespace fanfare::embed {

class Engine {
  public:
    // Starts DPDK and the devices that `config` names, with one worker. A process can hold one
    // engine, and no second one after it: DPDK starts once. `config` needs interfaces; its
    // `control`, `group` and `idle` are not used, `lcores` says on which core DPDK shall place what
    // it allocates. nullptr, with one line in `error`.
    //
    // `log` is given what a daemon writes into its log, one line without newline a call: in open()
    // what a device lacks and which interfaces are missing, in poll() interfaces that go and come,
    // and why one that is there can not be used. A name that is wrong shows nowhere else. It may be
    // empty, is called by open() and the polling thread, and must not call the engine nor sockets.
    static std::unique_ptr<Engine> open(control::Config config, std::string& error,
                                        std::function<void(const std::string&)> log = {});
    // Resets sessions that are still open. Sockets of this engine should have been closed; what is
    // asked of one later fails with ECONNRESET.
    ~Engine();
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    // One turn of worker and control; never waits. Always the same thread. Returns how much there
    // was to do, 0 when idle.
    std::size_t poll();
    // True when no sending session is left, neither open nor repairing.
    bool drained() const;
    // The time of the engine, CLOCK_MONOTONIC.
    Nanos now() const;

  private:
    struct Parts;
    explicit Engine(std::unique_ptr<Parts> parts);
    std::unique_ptr<Parts> parts_;
};

}  // namespace fanfare::embed
