// Hosts on one network in virtual time, and the judge of what they delivered.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sim/host.hpp"
#include "sim/judge.hpp"
#include "sim/network.hpp"

namespace fanfare::sim {

class Simulation {
  public:
    Simulation(std::uint64_t seed, const LinkShape& shape) : network_(seed, shape) {}

    Host& add_host(const HostPlan& plan);

    // Runs until `end`, or until `done` holds after some step. True when `done` held. Throws when
    // hosts keep moving without time going on.
    bool run_until(Nanos end, const std::function<bool()>& done = nullptr);
    bool run_for(Nanos time, const std::function<bool()>& done = nullptr) {
        return run_until(now() + time, done);
    }

    Nanos now() const { return network_.now(); }
    Network& network() { return network_; }
    Host& host(std::size_t i) { return *hosts_[i]; }
    const std::vector<std::unique_ptr<Host>>& hosts() const { return hosts_; }

    // Every sender was let go and every reader knows the end of its session.
    bool settled() const { return unsettled().empty(); }
    // What is not settled yet, for a human.
    std::string unsettled() const;
    // Stops all hosts as daemons stop; true when everything lent came back within `time`.
    bool stop(Nanos time);
    std::uint64_t steps() const { return steps_; }

  private:
    Network network_;
    Directory directory_;
    std::vector<std::unique_ptr<Host>> hosts_;
    std::uint64_t steps_ = 0;
};

// One line for each broken promise; empty when all were kept:
//   what a reader got is contiguous, in order, once, octet for octet what was sent (programs.cpp
//   judges it); a session that ends in good order ends `finished` and complete for every reader who
//   was there; a session whose program died ends with a reset that says so, after a true beginning
//   of what it published; any other reset has a cause that the scenario allows.
std::vector<std::string> judge(const Simulation& simulation, const Allowance& allowance);

}  // namespace fanfare::sim
