// Reads PGM data packets out of a capture file: classic pcap, either byte order, micro- or
// nanoseconds, Ethernet or raw IPv4, IP protocol 113 or UDP. Everything in a file may be hostile:
// each length is judged against what remains before it is used.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/types.hpp"

namespace fanfare::sim {

// One ODATA with data of the application, in the order of the file.
struct CapturedData {
    Tsi tsi;
    Sqn sqn = 0;
};

struct Capture {
    std::string fault;  // empty, or why the file could not be read to its end
    std::vector<CapturedData> data;
    // Frames seen; those that are no intact PGM; PGM whose end the capture cut off.
    std::uint64_t frames = 0, other = 0, cut = 0;
};

// Parts that were read before a fault are kept.
Capture read_capture(std::span<const std::byte> file);

}  // namespace fanfare::sim
