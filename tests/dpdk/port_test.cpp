// Ports on devices that need nothing: net_ring (a loop) and net_null (a source of empty frames and
// a sink).
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "dataplane/dpdk/lcore_runner.hpp"
#include "frames.hpp"

using namespace fanfare;
using namespace fanfare::dataplane;
using namespace fanfare::dataplane::dpdk;

// Two workers' ports are made one after the other.
static_assert(alignof(DpdkPort) >= ipc::kCacheLine);

namespace {

// Names and small tables that DPDK keeps for good, and cuttings of its heap: little beside any
// pool's megabytes.
constexpr std::uint64_t kDriverKeeps = 1u << 20;

}  // namespace

TEST(PortTest, CarriesFramesOfAllLengthsWholeAndInOrder) {
    auto device = open_test_device("net_ring0");
    DpdkPort& port = device->port(0);
    const unsigned before = free_buffers(port);
    const auto seen = exchange(port, port, 3000, 1514);
    EXPECT_EQ(seen.size(), 3000u);
    EXPECT_EQ(std::set<std::uint32_t>(seen.begin(), seen.end()).size(), 3000u);
    EXPECT_EQ(free_buffers(port), before);
}

TEST(PortTest, LendsFramesWithHeadroomAlignedAndEmpty) {
    auto device = open_test_device("net_null0");
    std::array<engine::TxFrame, 100> tx;
    for (auto& frame : tx) frame.length = frame.prepended = 77;
    ASSERT_EQ(device->port(0).allocate(tx), tx.size());
    std::set<const void*> places;
    for (const auto& frame : tx) {
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(frame.data) % 8, 0u);
        EXPECT_GE(frame.capacity, 1500);
        EXPECT_EQ(frame.length, 0);
        EXPECT_EQ(frame.prepended, 0);
        std::memset(frame.data - engine::kFrameHeadroom, 0xAA,
                    engine::kFrameHeadroom + frame.capacity);
        places.insert(frame.data);
    }
    EXPECT_EQ(places.size(), tx.size());
    device->port(0).give_back(tx);
}

TEST(PortTest, GivesFewerFramesWhenThePoolIsShortAndAllAgainAfterwards) {
    auto device = open_test_device("net_null0");
    DpdkPort& port = device->port(0);
    const unsigned before = free_buffers(port);
    std::vector<engine::TxFrame> held(before + 1000);
    EXPECT_EQ(port.allocate(held), before);
    std::array<engine::TxFrame, 8> more;
    EXPECT_EQ(port.allocate(more), 0u);
    // Three come back: three can be had although eight are asked for.
    port.give_back(std::span(held).subspan(before - 3, 3));
    const std::size_t got = port.allocate(more);
    EXPECT_GT(got, 0u);
    EXPECT_LE(got, 3u);
    port.give_back(std::span(more).first(got));
    port.give_back(std::span(held).first(before - 3));
    EXPECT_EQ(free_buffers(port), before);
}

TEST(PortTest, TakesAPrefixWhenTheRingIsFullAndLeavesTheRestToTheCaller) {
    auto device = open_test_device("net_ring0");
    DpdkPort& port = device->port(0);
    const unsigned before = free_buffers(port);
    std::vector<engine::TxFrame> tx(1500);
    ASSERT_EQ(port.allocate(tx), tx.size());
    for (std::uint32_t i = 0; i < tx.size(); ++i) {
        const auto frame = test_frame(i, 60);
        std::memcpy(tx[i].data, frame.data(), frame.size());
        tx[i].length = 60;
    }
    const std::size_t taken = port.transmit(tx);
    EXPECT_GT(taken, 500u);
    EXPECT_LT(taken, tx.size());
    // The same frames again, once there is room: nothing of them was changed or lost.
    std::size_t received = 0;
    std::uint32_t next = 0;
    const auto drain = [&] {
        std::array<RxFrame, 32> rx;
        for (std::size_t n; (n = port.receive(rx)) > 0; received += n) {
            for (std::size_t i = 0; i < n; ++i, ++next) {
                const auto expected = test_frame(next, 60);
                ASSERT_EQ(rx[i].length, 60u);
                ASSERT_EQ(std::memcmp(rx[i].data, expected.data(), 60), 0);
            }
            port.release(std::span(rx).first(n));
        }
    };
    drain();
    EXPECT_EQ(port.transmit(std::span(tx).subspan(taken)), tx.size() - taken);
    drain();
    EXPECT_EQ(received, tx.size());
    EXPECT_EQ(free_buffers(port), before);
}

TEST(PortTest, TellsItsFactsAndTakesAnyFilterOnASoftwareWire) {
    auto device = open_test_device("net_ring0", 1, 9000);
    DpdkPort& port = device->port(0);
    EXPECT_EQ(port.facts().mtu, 9000);
    EXPECT_TRUE(port.facts().link_up);
    EXPECT_FALSE(port.facts().kernel_answers);
    const std::array groups = {MacAddress{{0x01, 0, 0x5E, 1, 2, 3}},
                               MacAddress{{0x01, 0, 0x5E, 1, 2, 4}}};
    EXPECT_TRUE(port.set_multicast_filter(groups));
    EXPECT_TRUE(port.set_multicast_filter({}));
    EXPECT_EQ(port.system_calls(), 0u);
    const auto seen = exchange(port, port, 300, 9014);
    EXPECT_EQ(seen.size(), 300u);
}

TEST(PortTest, GivesEveryWorkerAPairOfQueuesWhereTheDeviceHasThem) {
    auto device = open_test_device("net_null0", 2);
    EXPECT_EQ(device->ports(), 2);
    EXPECT_NE(device->port(0).pool(), device->port(1).pool());
    auto loop = open_test_device("net_ring0", 2);
    EXPECT_EQ(loop->ports(), 1);
}

TEST(PortTest, CanBeOpenedAgainAfterItWasClosed) {
    const std::uint64_t before = test_eal().free_bytes();
    for (int i = 0; i < 5; ++i) open_test_device("net_ring3").reset();
    EXPECT_GT(test_eal().free_bytes() + kDriverKeeps, before);
}

TEST(PortTest, FitsItsBuffersIntoTheMemoryItMayTake) {
    std::string error;
    auto small =
        Device::open(test_eal(), {.interface = "feed", .device = "net_ring0"}, 1, 12u << 20, error);
    ASSERT_NE(small, nullptr) << error;
    EXPECT_LT(small->buffers_per_queue(), 6000u);
    EXPECT_GE(small->buffers_per_queue(), Device::kBuffersMin);
}

// A card's rings are as long as asked for; a driver of files stands in for the card.
TEST(PortTest, GivesACardTheRingsItIsToldUpToWhatTheMemoryHolds) {
    const auto folder =
        std::filesystem::temp_directory_path() / ("fanfare-rings-" + std::to_string(::getpid()));
    std::filesystem::create_directory(folder);
    // An empty capture: magic, version 2.4, zone, accuracy, longest frame, Ethernet.
    const std::uint32_t header[] = {0xA1B2C3D4, 0x00040002, 0, 0, 65535, 1};
    std::ofstream(folder / "in.pcap", std::ios::binary)
        .write(reinterpret_cast<const char*>(header), sizeof header);
    const std::string text = "net_pcap0,rx_pcap=" + (folder / "in.pcap").string() +
                             ",tx_pcap=" + (folder / "out.pcap").string();
    const auto rings = [&](std::uint16_t receive, std::uint64_t memory_bytes) {
        DeviceRequest request{.interface = "feed", .device = text};
        if (receive != 0) request.receive_ring = receive;
        std::string error;
        const auto device = Device::open(test_eal(), request, 1, memory_bytes, error);
        EXPECT_NE(device, nullptr) << error;
        return device == nullptr ? 0 : device->receive_descriptors();
    };
    const std::uint64_t memory = test_eal().free_bytes() / 2;
    EXPECT_EQ(rings(256, memory), 256);
    EXPECT_EQ(rings(1000, memory), 512) << "down to a power of two";
    EXPECT_GT(rings(0, memory), 1024);
    EXPECT_LT(rings(8192, 12u << 20), 4096);
    std::filesystem::remove_all(folder);
}

TEST(PortTest, SaysWhatIsMissingWhenMemoryIsShortAndLeavesNothing) {
    const std::uint64_t before = test_eal().free_bytes();
    std::string error;
    // Far more queues than any memory here has buffers for.
    auto device =
        Device::open(test_eal(), {.interface = "feed", .device = "net_null0", .mtu = 9000}, 16,
                     std::uint64_t{1} << 40, error);
    EXPECT_EQ(device, nullptr);
    EXPECT_NE(error.find("interface feed: no memory for"), std::string::npos) << error;
    EXPECT_NE(error.find("-m MEGABYTES"), std::string::npos) << error;
    EXPECT_GT(test_eal().free_bytes() + kDriverKeeps, before);
}

TEST(PortTest, RefusesDevicesThatDoNotStartInOneLineThatNamesThem) {
    test_eal();
    const std::pair<const char*, const char*> cases[] = {
        {"net_nosuchdriver0", "net_nosuchdriver0"},
        {"net_memif0,role=boss", "role=boss"},
        {"0000:ff:1f.7", "there is no PCI device 0000:ff:1f.7"},
        {"net_af_xdp0,iface=nosuch9", "no kernel interface \"nosuch9\""},
        {"net_af_packet0,iface=nosuch9", "no kernel interface \"nosuch9\""},
        {"net_memif0,socket=/nosuch/folder/s,socket-abstract=no", "/nosuch/folder"},
    };
    for (const auto& [text, words] : cases) {
        std::string error;
        EXPECT_EQ(
            Device::open(test_eal(), {.interface = "feed", .device = text}, 1, 64u << 20, error),
            nullptr);
        EXPECT_EQ(error.find("interface feed: "), 0u) << error;
        EXPECT_NE(error.find(words), std::string::npos) << error;
        EXPECT_EQ(error.find('\n'), std::string::npos) << error;
    }
}

TEST(PortTest, RefusesADeviceThatTwoInterfacesName) {
    const std::vector<DeviceRequest> twice = {{.interface = "a", .device = "net_ring0"},
                                              {.interface = "b", .device = "net_ring0"}};
    std::string error;
    EXPECT_FALSE(check_devices(twice, error));
    EXPECT_EQ(
        error,
        "interface b: device net_ring0 is that of interface a already; give it another number");
    EXPECT_TRUE(open_devices(test_eal(), twice, 1, error).empty());
}

TEST(PortTest, OpensSeveralDevicesInTheMemoryThatThereIs) {
    const std::vector<DeviceRequest> three = {{.interface = "a", .device = "net_ring0"},
                                              {.interface = "b", .device = "net_ring1"},
                                              {.interface = "c", .device = "net_null0"}};
    std::string error;
    const auto devices = open_devices(test_eal(), three, 1, error);
    ASSERT_EQ(devices.size(), 3u) << error;
    for (const auto& device : devices) EXPECT_GE(device->buffers_per_queue(), Device::kBuffersMin);
}

namespace {

// Counts turns; says it has work for the first hundred, and stops when told.
struct CountingWorker {
    std::atomic<std::uint64_t> polls{0};
    std::atomic<bool> stop{false};
    Nanos last = 0;
    bool time_went_back = false;
    std::size_t poll(Nanos now) {
        time_went_back = time_went_back || now < last;
        last = now;
        return ++polls <= 100 ? 1 : 0;
    }
    Nanos next_deadline(Nanos) const { return kNever; }
    bool stopped() const { return stop.load(); }
};

}  // namespace

TEST(LcoreRunnerTest, TurnsAWorkerUntilItSaysThatItHasStopped) {
    for (const Idle idle : {Idle::yield, Idle::sleep}) {
        ipc::WorkerPage page{};
        const ipc::Descriptor bell(eventfd(0, EFD_NONBLOCK));
        CountingWorker worker;
        LcoreRunner runner(test_eal());
        std::string error;
        ASSERT_TRUE(runner.launch(0, pollable(worker),
                                  {.idle = idle, .page = &page, .doorbell = bell.get()}, error));
        EXPECT_TRUE(soon([&] { return worker.polls > 200; }));
        EXPECT_FALSE(runner.launch(0, pollable(worker), {}, error));
        EXPECT_NE(error.find("worker 0"), std::string::npos);
        worker.stop = true;
        EXPECT_TRUE(soon([&] { return !runner.running(0); }));
        runner.wait();
        EXPECT_FALSE(worker.time_went_back);
        EXPECT_EQ(page.sleeping.load(), 0u);
    }
}

TEST(LcoreRunnerTest, EndsAWorkerThatSleepsWhenAskedTo) {
    ipc::WorkerPage page{};
    const ipc::Descriptor bell(eventfd(0, EFD_NONBLOCK));
    CountingWorker worker;
    LcoreRunner runner(test_eal());
    std::string error;
    ASSERT_TRUE(runner.launch(
        0, pollable(worker),
        {.idle = Idle::sleep, .page = &page, .doorbell = bell.get(), .sleep_ns = 3600 * kSecond},
        error));
    EXPECT_TRUE(soon([&] { return page.sleeping.load() == 1 && worker.polls > 100; }));
    runner.request_stop();
    runner.wait();
    EXPECT_FALSE(runner.running(0));
}

namespace {

// The folder of a daemon that was killed: the number is above any process id.
std::filesystem::path dead_folder() {
    const char* runtime = std::getenv("XDG_RUNTIME_DIR");
    const std::filesystem::path root = geteuid() == 0       ? "/var/run"
                                       : runtime != nullptr ? runtime
                                                            : "/tmp";
    return root / "dpdk" / "fanfare-99999999";
}

class LeaveDeadFolder : public testing::Environment {
  public:
    void SetUp() override { std::filesystem::create_directories(dead_folder()); }
};
[[maybe_unused]] const auto* const leave_dead_folder =
    testing::AddGlobalTestEnvironment(new LeaveDeadFolder);

}  // namespace

TEST(EalTest, SweepsTheFoldersOfKilledDaemonsAtItsStart) {
    test_eal();
    EXPECT_FALSE(std::filesystem::exists(dead_folder()));
}
