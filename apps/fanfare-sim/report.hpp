// Figures for people (a table that is Markdown) and for programs (JSON).
#pragma once

#include <string>
#include <vector>

#include "sim/figures.hpp"

namespace fanfare::simulate {

struct Row {
    std::string scenario;
    std::uint32_t receivers = 0;
    std::uint64_t seed = 0, seeds = 0;  // first, and how many
    sim::Figures figures;               // of all seeds
    std::vector<std::string> broken;    // promises not kept, each with its seed
};

// The table's two head lines, and one line of it; each ends with a newline.
std::string table_head();
std::string table_line(const Row& row);

// An array, one object a row; README of its fields: docs/simulation.md.
std::string json_text(const std::vector<Row>& rows);

}  // namespace fanfare::simulate
