// Runs a plan: builds the tree and its hosts from one seed, lets it run until every receiver has
// all or knows why not, judges what each got, and returns the figures.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "sim/figures.hpp"
#include "sim/scale_plan.hpp"

namespace fanfare::sim {

struct ScaleResult {
    Figures figures;
    std::vector<std::string> broken;  // promises that were not kept, with the receiver's number
    std::uint64_t frames = 0, copies_lost = 0;
    std::uint64_t turns = 0;
    Nanos virtual_ns = 0;
    std::uint64_t fingerprint = 0;  // equal for two runs in which everything went the same way
};

// Requires fault_of(plan).empty(). `filter` and its context are the network's: how a mechanism is
// broken on purpose.
ScaleResult run_scale(const ScalePlan& plan, std::uint64_t seed,
                      bool (*filter)(void*, std::size_t, std::span<const std::byte>) = nullptr,
                      void* context = nullptr);

}  // namespace fanfare::sim
