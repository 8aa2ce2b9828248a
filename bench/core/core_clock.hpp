// Time of a loop's measured parts, in nanoseconds and in ticks of the time-stamp counter, and how
// core loops report it.
#pragma once

#include <benchmark/benchmark.h>
#include <x86intrin.h>

#include <chrono>
#include <cstdint>

namespace fanfare::bench {

class CoreClock {
  public:
    void start() {
        began_ = std::chrono::steady_clock::now();
        ticks_began_ = __rdtsc();
    }
    // Seconds since start(), added to what was measured before.
    double stop() {
        ticks_ += __rdtsc() - ticks_began_;
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began_;
        seconds_ += took.count();
        return took.count();
    }
    double seconds() const { return seconds_; }
    double ticks() const { return static_cast<double>(ticks_); }

  private:
    std::chrono::steady_clock::time_point began_;
    std::uint64_t ticks_began_ = 0, ticks_ = 0;
    double seconds_ = 0;
};

// What `packets` took, less what the port alone takes for as many.
struct CoreCost {
    double packets = 0, seconds = 0, ticks = 0;
    double port_seconds = 0, port_ticks = 0;  // a packet

    double ns() const { return 1e9 * (seconds / packets - port_seconds); }
    double packet_ticks() const { return ticks / packets - port_ticks; }
    void report(benchmark::State& state) const {
        state.counters["packets/s"] = 1e9 / ns();
        state.counters["ns"] = ns();
        state.counters["tsc"] = packet_ticks();
        state.counters["port_ns"] = 1e9 * port_seconds;
    }
};

}  // namespace fanfare::bench
