#include "frames.hpp"

#include <rte_mempool.h>

namespace fanfare::dataplane::dpdk {

unsigned free_buffers(const DpdkPort& port) {
    return rte_mempool_avail_count(port.pool());
}

namespace {

std::unique_ptr<Eal>& environment() {
    static std::unique_ptr<Eal> eal;
    return eal;
}

class EndEal : public testing::Environment {
  public:
    void TearDown() override { environment().reset(); }
};
[[maybe_unused]] const auto* const end_eal = testing::AddGlobalTestEnvironment(new EndEal);

}  // namespace

Eal& test_eal() {
    auto& eal = environment();
    if (!eal) {
        // One worker on the first CPU that there is.
        cpu_set_t set;
        CPU_ZERO(&set);
        sched_getaffinity(0, sizeof set, &set);
        int cpu = 0;
        while (cpu < CPU_SETSIZE - 1 && !CPU_ISSET(cpu, &set)) ++cpu;
        std::string error;
        EalSettings settings;
        settings.request.lcores = std::to_string(cpu);
        eal = Eal::start(settings, error);
        if (!eal) {
            std::fprintf(stderr, "%s\n", error.c_str());
            std::abort();
        }
    }
    return *eal;
}

std::unique_ptr<Device> open_test_device(const std::string& text, std::uint16_t workers,
                                         std::uint16_t mtu) {
    std::string error;
    Eal& eal = test_eal();
    auto device = Device::open(eal, {.interface = "feed", .device = text, .mtu = mtu}, workers,
                               eal.free_bytes() / 3, error);
    EXPECT_NE(device, nullptr) << error;
    return device;
}

}  // namespace fanfare::dataplane::dpdk
