#include "dataplane/dpdk/clock.hpp"

#include <rte_cycles.h>
#include <time.h>

#include <fstream>
#include <string>

namespace fanfare::dataplane::dpdk {

namespace {

constexpr Nanos kMeasureFor = 50 * kMillisecond;

Nanos kernel_now() {
    timespec t{};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * kSecond + t.tv_nsec;
}

// The tightest of a few readings: an interrupt between the two clocks would spoil one.
void read_both(std::uint64_t& ticks, Nanos& ns) {
    std::uint64_t best = ~std::uint64_t{0};
    for (int i = 0; i < 8; ++i) {
        const std::uint64_t before = rte_rdtsc_precise();
        const Nanos at = kernel_now();
        const std::uint64_t after = rte_rdtsc_precise();
        if (after - before >= best) continue;
        best = after - before;
        ticks = before + best / 2;
        ns = at;
    }
}

}  // namespace

std::uint64_t read_ticks() {
    return rte_rdtsc();
}

bool ticks_are_steady() {
    static const bool steady = [] {
        std::ifstream info("/proc/cpuinfo");
        for (std::string line; std::getline(info, line);) {
            if (line.rfind("flags", 0) != 0) continue;
            return line.find(" constant_tsc") != std::string::npos &&
                   line.find(" nonstop_tsc") != std::string::npos;
        }
        return false;
    }();
    return steady;
}

TickMeter::TickMeter() : ticks_(0), ns_(0) {
    read_both(ticks_, ns_);
}

TickScale TickMeter::scale() const {
    for (Nanos left; (left = ns_ + kMeasureFor - kernel_now()) > 0;) {
        const timespec pause{0, left};
        nanosleep(&pause, nullptr);
    }
    std::uint64_t ticks = 0;
    Nanos ns = 0;
    read_both(ticks, ns);
    const double seconds = static_cast<double>(ns - ns_) / static_cast<double>(kSecond);
    return {ticks, ns, static_cast<double>(ticks - ticks_) / seconds};
}

Nanos Clock::now() const {
    return steady_ ? scale_.nanos(rte_rdtsc()) : kernel_now();
}

}  // namespace fanfare::dataplane::dpdk
