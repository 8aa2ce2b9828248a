// Interfaces that go, come, and come back, as the control side sees them: what rtnetlink tells of
// kernel interfaces, what only a device knows of itself, and devices that are opened when the
// kernel has their interface again, or for the first time.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "control/controller.hpp"
#include "control/link_monitor.hpp"
#include "embed/workers.hpp"

namespace fanfare::embed {

// All calls by the thread that calls the controller. What it is made of outlives it.
class LinkWatch {
  public:
    // `log`: one line, without newline; may be empty.
    LinkWatch(Workers& workers, control::Controller& controller,
              std::function<void(const std::string&)> log);

    // Some ten times a second: never waits. Opening a device takes its milliseconds.
    void tick();
    // What came from `monitor` since the last call; for whoever has no loop that reads it.
    void read(control::LinkMonitor& monitor);

  private:
    void welcome_back(std::uint32_t interface);

    Workers& workers_;
    control::Controller& controller_;
    std::function<void(const std::string&)> log_;
    std::vector<unsigned> failures_;  // by interface: ticks since its device first did not open
};

// Watches the kernel interfaces that the devices name. nullopt, with one line in `error`, if the
// kernel gives no rtnetlink socket.
std::optional<control::LinkMonitor> watch_links(const std::vector<control::Interface>& interfaces,
                                                std::string& error);

}  // namespace fanfare::embed
