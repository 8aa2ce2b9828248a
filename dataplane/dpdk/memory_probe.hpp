// What memory the machine has free for packet buffers: huge pages first, ordinary memory else.
#pragma once

#include <cstdint>
#include <string>

namespace fanfare::dataplane::dpdk {

struct MemoryFacts {
    std::uint64_t huge_free_bytes = 0;  // over all page sizes
    std::uint64_t available_bytes =
        0;  // ordinary memory that can be had without swapping (MemAvailable), within
            // the limit of the process's control group
};

// `root` is put before /sys and /proc; empty on a real machine.
MemoryFacts probe_memory(const std::string& root = "");

struct MemoryChoice {
    bool huge = false;
    std::uint64_t bytes = 0;
};

// Huge pages if `wanted` fits into the free ones, else ordinary memory: `wanted`, but at most half
// of what is available, so that the session regions find room too, and at least kLeastBytes.
inline constexpr std::uint64_t kLeastBytes = std::uint64_t{64} << 20;
MemoryChoice choose_memory(const MemoryFacts& facts, std::uint64_t wanted);

}  // namespace fanfare::dataplane::dpdk
