// Runs the simulator over a range of seeds; any seed that fails is run again by hand with --seed.
//   sim_sweep [--seed N] [--seeds M] [--verbose]
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "sim/scenario.hpp"

int main(int argc, char** argv) {
    std::uint64_t first = 1, count = 1;
    bool verbose = false, counted = false;
    for (int i = 1; i < argc; ++i) {
        const bool value = i + 1 < argc;
        if (value && std::strcmp(argv[i], "--seed") == 0) {
            first = std::strtoull(argv[++i], nullptr, 10);
        } else if (value && std::strcmp(argv[i], "--seeds") == 0) {
            count = std::strtoull(argv[++i], nullptr, 10);
            counted = true;
        } else if (std::strcmp(argv[i], "--verbose") == 0) {
            verbose = true;
        } else {
            std::fprintf(stderr, "sim_sweep: %s is no option; use --seed N, --seeds M, --verbose\n",
                         argv[i]);
            return 2;
        }
    }
    std::printf("seeds %llu to %llu\n", static_cast<unsigned long long>(first),
                static_cast<unsigned long long>(first + count - 1));
    std::fflush(stdout);
    fanfare::sim::ScenarioResult sum;
    std::uint64_t failed = 0;
    for (std::uint64_t seed = first; seed < first + count; ++seed) {
        if (verbose) {
            std::printf("seed %llu: ", static_cast<unsigned long long>(seed));
            std::fflush(stdout);
        }
        const auto result = fanfare::sim::run_scenario(seed);
        if (verbose)
            std::printf(
                "%s; %llu frames, %llu lost, %llu messages read, %llu finished, %llu resets, %.0f "
                "ms virtual, "
                "%llu steps\n",
                result.description.c_str(), static_cast<unsigned long long>(result.frames),
                static_cast<unsigned long long>(result.lost),
                static_cast<unsigned long long>(result.messages),
                static_cast<unsigned long long>(result.finished),
                static_cast<unsigned long long>(result.resets),
                static_cast<double>(result.virtual_ns) * 1e-6,
                static_cast<unsigned long long>(result.steps));
        for (const auto& line : result.broken)
            std::printf("seed %llu: %s (%s)\n", static_cast<unsigned long long>(seed), line.c_str(),
                        result.description.c_str());
        std::fflush(stdout);
        failed += result.broken.empty() ? 0 : 1;
        sum.messages += result.messages;
        sum.frames += result.frames;
        sum.lost += result.lost;
        sum.corrupted += result.corrupted;
        sum.duplicated += result.duplicated;
        sum.reordered += result.reordered;
        sum.partitions += result.partitions;
        sum.finished += result.finished;
        sum.resets += result.resets;
    }
    std::printf(
        "%llu messages read, %llu frames, %llu lost, %llu corrupted, %llu doubled, %llu late, %llu "
        "partitions; "
        "%llu readers finished, %llu were reset\n",
        static_cast<unsigned long long>(sum.messages), static_cast<unsigned long long>(sum.frames),
        static_cast<unsigned long long>(sum.lost), static_cast<unsigned long long>(sum.corrupted),
        static_cast<unsigned long long>(sum.duplicated),
        static_cast<unsigned long long>(sum.reordered),
        static_cast<unsigned long long>(sum.partitions),
        static_cast<unsigned long long>(sum.finished), static_cast<unsigned long long>(sum.resets));
    if (counted && (sum.lost == 0 || sum.finished == 0)) {
        std::printf("nothing was lost or nothing finished: this sweep proves nothing\n");
        return 1;
    }
    std::printf("%llu of %llu seeds failed\n", static_cast<unsigned long long>(failed),
                static_cast<unsigned long long>(count));
    return failed == 0 ? 0 : 1;
}
