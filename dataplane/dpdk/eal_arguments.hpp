// The command line that the EAL is started with, from what the daemon knows. Pure: memory facts and
// CPUs come in.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/dpdk/memory_probe.hpp"

namespace fanfare::dataplane::dpdk {

struct EalRequest {
    std::string lcores = "0";  // CPUs of the workers, one worker each: "0,2-3"; empty: no worker
    std::vector<std::string> arguments;  // the user's, behind "--"
    std::vector<std::string> devices;    // DEVICE texts of all interfaces
    std::uint16_t mtu = 1500;            // the largest of them
    std::uint64_t memory_bytes = 0;      // 0: by the number of devices and workers
};

struct EalPlan {
    std::vector<std::string> arguments;  // argv[1] and on
    std::vector<unsigned>
        worker_cpus;  // lcore i runs on worker_cpus[i]; the main lcore is the next number
    std::uint64_t memory_bytes = 0;  // 0: the user's arguments decide
    std::string file_prefix;         // empty: the user's own
    bool huge_pages = false;
};

// "0,2-3" as a list of CPUs in the order given; one may stand twice (two workers share it).
std::optional<std::vector<unsigned>> parse_cpus(std::string_view text,
                                                const std::vector<unsigned>& allowed,
                                                std::string& error);

// `allowed`: CPUs this process may run on. `process` makes the file prefix private. `isolated`:
// CPUs that the kernel keeps programs off (isolcpus) and a worker can be put on all the same; no
// process begins with them, so they stand in no `allowed`.
// nullopt, with one line in `error`, when the request contradicts itself.
std::optional<EalPlan> plan_eal(const EalRequest& request, const MemoryFacts& memory,
                                const std::vector<unsigned>& allowed, int process,
                                std::string& error, const std::vector<unsigned>& isolated = {});

}  // namespace fanfare::dataplane::dpdk
