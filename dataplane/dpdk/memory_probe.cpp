#include "dataplane/dpdk/memory_probe.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <limits>

namespace fanfare::dataplane::dpdk {

namespace {

// The first number in the file, or `otherwise` (also for the word "max" of control groups).
std::uint64_t number_in(const std::filesystem::path& path, std::uint64_t otherwise) {
    std::ifstream file(path);
    std::uint64_t value = 0;
    return file >> value ? value : otherwise;
}

std::uint64_t meminfo(const std::string& root, const std::string& key) {
    std::ifstream file(root + "/proc/meminfo");
    for (std::string line; std::getline(file, line);) {
        if (line.rfind(key, 0) != 0) continue;
        std::uint64_t kib = 0;
        const auto digits = line.find_first_of("0123456789");
        if (digits == std::string::npos) return 0;
        std::from_chars(line.data() + digits, line.data() + line.size(), kib);
        return kib * 1024;
    }
    return 0;
}

}  // namespace

MemoryFacts probe_memory(const std::string& root) {
    MemoryFacts facts;
    std::error_code ignored;
    const std::filesystem::path huge = root + "/sys/kernel/mm/hugepages";
    for (const auto& entry : std::filesystem::directory_iterator(huge, ignored)) {
        const std::string name = entry.path().filename();  // hugepages-2048kB
        const auto dash = name.find('-');
        if (dash == std::string::npos) continue;
        std::uint64_t kib = 0;
        std::from_chars(name.data() + dash + 1, name.data() + name.size(), kib);
        const std::uint64_t free = number_in(entry.path() / "free_hugepages", 0);
        const std::uint64_t promised = number_in(entry.path() / "resv_hugepages", 0);
        if (free > promised) facts.huge_free_bytes += (free - promised) * kib * 1024;
    }
    facts.available_bytes = meminfo(root, "MemAvailable:");
    // Control groups version 2, mounted where systemd and containers have it.
    constexpr auto kNoLimit = std::numeric_limits<std::uint64_t>::max();
    const std::uint64_t limit = number_in(root + "/sys/fs/cgroup/memory.max", kNoLimit);
    if (limit != kNoLimit) {
        const std::uint64_t used = number_in(root + "/sys/fs/cgroup/memory.current", 0);
        facts.available_bytes = std::min(facts.available_bytes, limit > used ? limit - used : 0);
    }
    return facts;
}

MemoryChoice choose_memory(const MemoryFacts& facts, std::uint64_t wanted) {
    if (facts.huge_free_bytes >= wanted) return {true, wanted};
    constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
    const std::uint64_t half = facts.available_bytes / 2 / kMiB * kMiB;
    return {false, std::max(std::min(wanted, half), kLeastBytes)};
}

}  // namespace fanfare::dataplane::dpdk
