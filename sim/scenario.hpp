// A whole run that follows from one seed: hosts, sessions, a phase of faults in which nothing wrong
// may happen, and a quiet phase in which everything must complete.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/network.hpp"

namespace fanfare::sim {

struct ScenarioResult {
    std::vector<std::string> broken;  // promises that were not kept
    std::string description;          // one line: what the seed made
    std::uint64_t messages = 0, frames = 0, lost = 0, corrupted = 0, duplicated = 0, reordered = 0,
                  partitions = 0;
    std::uint64_t finished = 0, resets = 0;  // readers
    std::uint64_t virtual_ns = 0, steps = 0;
};

// `filter` and its context are given to the network: how a mechanism is broken on purpose, to see
// that the judge notices.
ScenarioResult run_scenario(std::uint64_t seed, Network::Filter filter = nullptr,
                            void* context = nullptr);

}  // namespace fanfare::sim
