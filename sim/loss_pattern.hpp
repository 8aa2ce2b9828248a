// Which data packets of a session a capture lacks: the pattern of loss that the simulator plays
// again.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/capture.hpp"

namespace fanfare::sim {

struct LossPattern {
    std::string fault;       // empty, or why there is no pattern
    Tsi tsi;                 // whose it is
    std::vector<bool> lost;  // from the lowest to the highest number seen: true where none came
    std::uint64_t missing = 0;
};

// Of the session `tsi`, or of the one with the most packets. Numbers may come in any order and
// more than once; they may pass 2^32.
LossPattern loss_pattern(std::span<const CapturedData> data, std::optional<Tsi> tsi = {});

// GSI and source port as tshark shows them apart, here together: 0102030405a6:1234 (octets in
// hexadecimal, port decimal).
std::string to_string(const Tsi& tsi);
std::optional<Tsi> tsi_from(std::string_view text);

}  // namespace fanfare::sim
