// The command line of fanfare-sim as plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/scale_plan.hpp"

namespace fanfare::simulate {

enum class Command { list, run, sweep, replay };

struct Arguments {
    Command command = Command::list;
    // What to run, each once for every number of receivers and every seed.
    std::vector<sim::ScalePlan> plans;
    std::vector<std::uint32_t> receivers;
    std::uint64_t seed = 1, seeds = 1;
    bool json = false;
    std::string capture;             // replay: the file
    std::optional<std::string> tsi;  // replay: of which session
};

// Throws tool::UsageFailure. Nothing is returned when help was asked for: it stands in `help`.
std::optional<Arguments> parse_command_line(int argc, const char* const* argv, std::string& help);

}  // namespace fanfare::simulate
