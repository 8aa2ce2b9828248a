// The lookup of a packet's session: by how many there are, one after the other, in runs, and for
// sessions that nobody knows.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <vector>

#include "dataplane/session_table.hpp"
#include "engine/types.hpp"

namespace {

using namespace fanfare;

struct Session {
    std::uint64_t number = 0;
};

// A source port each, on hosts of 16 sessions: as feeds are.
Tsi tsi_of(std::uint64_t i) {
    const auto host = static_cast<std::uint32_t>(i / 16);
    return Tsi{Gsi{{10, 20, static_cast<std::uint8_t>(host >> 16),
                    static_cast<std::uint8_t>(host >> 8), static_cast<std::uint8_t>(host), 1}},
               static_cast<std::uint16_t>(7000 + i % 16)};
}

// state.range(0) sessions, each asked for state.range(1) times in a row; with state.range(2) none
// of those asked for is there.
void find_session(benchmark::State& state) {
    const auto count = static_cast<std::uint64_t>(state.range(0));
    const auto run = static_cast<std::uint64_t>(state.range(1));
    const std::uint64_t first_asked = state.range(2) != 0 ? count : 0;
    dataplane::SessionTable<Session> table(count);
    std::vector<Session> sessions(count);
    std::vector<Tsi> asked;
    for (std::uint64_t i = 0; i < count; ++i) {
        if (!table.insert(tsi_of(i), &sessions[i])) state.SkipWithError("the table refused one");
        asked.push_back(tsi_of(first_asked + i));
    }
    std::uint64_t at = 0, in_run = 0, found = 0;
    for (auto _ : state) {
        found += table.find(asked[at]) != nullptr ? 1 : 0;
        if (++in_run == run) {
            in_run = 0;
            if (++at == count) at = 0;
        }
    }
    const auto asked_count = static_cast<std::uint64_t>(state.iterations());
    if (found != (state.range(2) != 0 ? 0 : asked_count)) state.SkipWithError("a wrong answer");
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(find_session)
    ->ArgNames({"sessions", "run", "unknown"})
    ->ArgsProduct({{1, 10, 100, 1000, 10000}, {1, 8}, {0}})
    ->ArgsProduct({{1000}, {1}, {1}});

}  // namespace

BENCHMARK_MAIN();
