// AF_XDP and AF_PACKET on both ends of a veth pair, in a network namespace that goes away with the
// process.
#include <gtest/gtest.h>
#include <rte_dev.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "dataplane/dpdk/flow_steering.hpp"
#include "frames.hpp"

using namespace fanfare;
using namespace fanfare::dataplane;
using namespace fanfare::dataplane::dpdk;

namespace {

bool have_namespace = false;

// As `ip netns exec` does it: sysfs shows the network namespace it was mounted in.
bool enter_namespace() {
    return geteuid() == 0 && unshare(CLONE_NEWNET | CLONE_NEWNS) == 0 &&
           mount("", "/", nullptr, MS_REC | MS_SLAVE, nullptr) == 0 &&
           mount("sysfs", "/sys", "sysfs", 0, nullptr) == 0;
}

std::string shell(const std::string& command) {
    FILE* pipe = popen((command + " 2>&1").c_str(), "r");
    std::string out;
    char part[256];
    while (pipe != nullptr && std::fgets(part, sizeof part, pipe) != nullptr) out += part;
    const int status = pipe == nullptr ? -1 : pclose(pipe);
    EXPECT_EQ(status, 0) << command << ": " << out;
    return out;
}

std::string device_text(const std::string& driver, const std::string& interface) {
    return "net_" + driver + interface.substr(1) + ",iface=" + interface;
}

constexpr const char* kHold = "FANFARE_TEST_HOLD";

// Another process that has a device open until it is killed. It says so with one octet on its
// standard output.
class Holder {
  public:
    explicit Holder(const std::string& device) {
        int ends[2];
        if (pipe(ends) != 0) return;
        process_ = fork();
        if (process_ == 0) {
            dup2(ends[1], STDOUT_FILENO);
            close(ends[0]);
            setenv(kHold, device.c_str(), 1);
            execl("/proc/self/exe", "dpdk_veth_test", nullptr);
            _exit(1);
        }
        close(ends[1]);
        char octet = 0;
        holds_ = read(ends[0], &octet, 1) == 1;
        close(ends[0]);
    }
    ~Holder() {
        kill(process_, SIGKILL);
        waitpid(process_, nullptr, 0);
        rmdir(("/var/run/dpdk/fanfare-" + std::to_string(process_)).c_str());
    }
    bool holds() const { return holds_; }

    static int run(const std::string& device) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        const auto held = open_test_device(device);
        if (!held || write(STDOUT_FILENO, "x", 1) != 1) return 1;
        for (;;) pause();
    }

  private:
    pid_t process_ = -1;
    bool holds_ = false;
};

class VethTest : public testing::TestWithParam<const char*> {
  protected:
    void SetUp() override {
        if (!have_namespace) GTEST_SKIP() << "needs root to make a network namespace";
        test_eal();
        make_pair(1);
    }
    void TearDown() override {
        if (have_namespace) shell("ip link del v0 2>/dev/null || true");
    }
    static void make_pair(int queues, int mtu = 1500) {
        const std::string lanes = " mtu " + std::to_string(mtu) + " numrxqueues " +
                                  std::to_string(queues) + " numtxqueues " + std::to_string(queues);
        shell("ip link del v0 2>/dev/null || true");
        shell("ip link add name v0" + lanes + " type veth peer name v1" + lanes);
        shell("sysctl -qw net.ipv6.conf.v0.disable_ipv6=1 net.ipv6.conf.v1.disable_ipv6=1 || true");
        shell("ip link set v0 up && ip link set v1 up");
    }
    std::unique_ptr<Device> open(const std::string& interface, std::uint16_t workers = 1,
                                 std::uint16_t mtu = 0) {
        return open_test_device(device_text(GetParam(), interface), workers, mtu);
    }
    std::string refusal(const DeviceRequest& request) {
        std::string error;
        EXPECT_EQ(Device::open(test_eal(), request, 1, 64u << 20, error), nullptr);
        EXPECT_EQ(error.find('\n'), std::string::npos) << error;
        return error;
    }
    bool xdp() const { return std::string(GetParam()) == "af_xdp"; }
};

}  // namespace

TEST_P(VethTest, CarriesMoreFramesThanItsPoolHasBuffersWhole) {
    auto a = open("v0");
    auto b = open("v1");
    ASSERT_TRUE(a && b);
    const unsigned before = free_buffers(b->port(0));
    const std::uint32_t count = 2 * a->buffers_per_queue() + 1000;
    const auto seen = exchange(a->port(0), b->port(0), count, 1514);
    EXPECT_EQ(seen.size(), count);
    EXPECT_EQ(std::set<std::uint32_t>(seen.begin(), seen.end()).size(), count);
    EXPECT_EQ(free_buffers(b->port(0)), before) << "receiving kept buffers";
    EXPECT_GT(a->port(0).system_calls(), 0u);
    EXPECT_EQ(a->statistics().frames_sent, count);
}

TEST_P(VethTest, CarriesFramesBothWaysAtOnce) {
    auto a = open("v0");
    auto b = open("v1");
    ASSERT_TRUE(a && b);
    EXPECT_EQ(exchange(a->port(0), b->port(0), 500, 1514).size(), 500u);
    EXPECT_EQ(exchange(b->port(0), a->port(0), 500, 1514).size(), 500u);
    EXPECT_EQ(exchange(a->port(0), b->port(0), 500, 1514).size(), 500u);
}

TEST_P(VethTest, TakesNoRulesForSessionsAndCarriesOnAsBefore) {
    auto a = open("v0", 2);
    auto b = open("v1");
    ASSERT_TRUE(a && b);
    FlowSteering steering(b->port_id(), 2, 0);
    EXPECT_EQ(steering.abilities().raw, SteeringMethod::hand_over);
    EXPECT_EQ(steering.abilities().udp, SteeringMethod::hand_over);
    steering.open({1, Tsi{}, false, 0, 1, Address{0xEF010101}, Address{0x0A000001}, 0});
    EXPECT_EQ(steering.rules(), 0u);
    EXPECT_EQ(steering.handed_over(), 1u);
    EXPECT_EQ(exchange(a->port(0), b->port(0), 200, 1514).size(), 200u);
}

TEST_P(VethTest, TellsWhatTheKernelKnowsOfItsInterface) {
    auto a = open("v0");
    ASSERT_TRUE(a);
    const PortFacts facts = a->port(0).facts();
    char text[18];
    const auto& o = facts.mac.octets;
    std::snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", o[0], o[1], o[2], o[3], o[4],
                  o[5]);
    EXPECT_NE(shell("ip link show v0").find(text), std::string::npos);
    EXPECT_EQ(facts.mtu, 1500);
    EXPECT_TRUE(facts.link_up);
    EXPECT_FALSE(facts.kernel_answers);
    EXPECT_EQ(a->kernel_name(), "v0");
    shell("ip link set v1 down");  // carrier goes
    // The kernel's work queue tells the other end.
    EXPECT_TRUE(soon([&] { return !a->port(0).facts().link_up; }));
    EXPECT_FALSE(a->link().up);
    EXPECT_FALSE(a->link().gone);
    shell("ip link set v1 up");
    EXPECT_TRUE(soon([&] { return a->port(0).facts().link_up; }));
}

TEST_P(VethTest, LeavesAnsweringToTheKernelWhereThatHoldsTheAddressAndSeesThePackets) {
    shell("ip address add 10.9.8.7/24 dev v0");
    std::string error;
    auto a = Device::open(test_eal(),
                          {.interface = "feed",
                           .device = device_text(GetParam(), "v0"),
                           .address = Address::from_octets(10, 9, 8, 7)},
                          1, 64u << 20, error);
    ASSERT_TRUE(a) << error;
    EXPECT_EQ(a->port(0).facts().kernel_answers, !xdp());
}

TEST_P(VethTest, ProgrammesTheKernelsMulticastListAndLeavesNothingInIt) {
    auto a = open("v0");
    ASSERT_TRUE(a);
    const auto listed = [] {
        return shell("ip maddress show dev v0").find("01:00:5e:01:02:03") != std::string::npos;
    };
    const std::array two = {MacAddress{{0x01, 0, 0x5E, 1, 2, 3}},
                            MacAddress{{0x01, 0, 0x5E, 1, 2, 4}}};
    const std::array other = {two[1]};
    EXPECT_FALSE(listed());
    EXPECT_TRUE(a->port(0).set_multicast_filter(two));
    EXPECT_TRUE(listed());
    EXPECT_TRUE(a->port(0).set_multicast_filter(other));
    EXPECT_FALSE(listed());
    EXPECT_TRUE(a->port(0).set_multicast_filter(two));
    a.reset();
    EXPECT_FALSE(listed());
    EXPECT_EQ(shell("ip link show v0").find("PROMISC"), std::string::npos);
}

TEST_P(VethTest, LetsEverythingInWhenTheListIsTooLongAndNoLongerWhenItIsShortAgain) {
    auto a = open("v0");
    ASSERT_TRUE(a);
    std::vector<MacAddress> many(KernelMulticast::kListMax + 1);
    for (std::size_t i = 0; i < many.size(); ++i)
        many[i] = MacAddress{
            {0x01, 0, 0x5E, 2, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)}};
    const auto all = [] {
        return shell("ip -d link show v0").find("allmulti 1") != std::string::npos;
    };
    EXPECT_TRUE(a->port(0).set_multicast_filter(many));
    EXPECT_TRUE(all());
    EXPECT_TRUE(a->port(0).set_multicast_filter(std::span(many).first(3)));
    EXPECT_FALSE(all());
}

TEST_P(VethTest, RefusesAnInterfaceThatIsDown) {
    shell("ip link set v0 down");
    EXPECT_EQ(refusal({.interface = "feed", .device = device_text(GetParam(), "v0")}),
              "interface feed: kernel interface v0 is down: ip link set dev v0 up");
}

TEST_P(VethTest, LeavesTheDefaultRouteAloneUnlessTold) {
    shell("ip address add 10.9.8.7/24 dev v0 && ip route add default via 10.9.8.1");
    DeviceRequest request{.interface = "feed", .device = device_text(GetParam(), "v0")};
    std::string error;
    if (xdp()) {
        EXPECT_NE(refusal(request).find("--take-over"), std::string::npos);
    }
    request.take_over = xdp();
    EXPECT_TRUE(Device::open(test_eal(), request, 1, 64u << 20, error)) << error;
}

TEST_P(VethTest, CanBeOpenedAgainRightAfterItWasClosed) {
    for (int i = 0; i < 4; ++i) {
        auto a = open("v0");
        ASSERT_TRUE(a) << "time " << i;
        auto b = open("v1");
        ASSERT_TRUE(b) << "time " << i;
        EXPECT_EQ(exchange(a->port(0), b->port(0), 100, 1514).size(), 100u);
    }
}

TEST_P(VethTest, CanBeOpenedAgainAfterItsHolderWasKilled) {
    for (int i = 0; i < 2; ++i) {
        const Holder holder(device_text(GetParam(), "v0"));
        ASSERT_TRUE(holder.holds());
    }
    auto a = open("v0");
    auto b = open("v1");
    ASSERT_TRUE(a && b);
    EXPECT_EQ(exchange(b->port(0), a->port(0), 500, 1514).size(), 500u);
}

TEST_P(VethTest, SurvivesTheRemovalOfItsInterface) {
    auto a = open("v0");
    ASSERT_TRUE(a);
    DpdkPort& port = a->port(0);
    ASSERT_TRUE(send_test_frame(port, 1, 100));
    shell("ip link del v0");
    EXPECT_TRUE(a->link().gone);
    EXPECT_FALSE(port.facts().link_up);
    std::multiset<std::uint32_t> seen;
    for (std::uint32_t i = 0; i < 100; ++i) {
        send_test_frame(port, i, 100);
        collect_test_frames(port, 1514, seen);
    }
    EXPECT_TRUE(seen.empty());
    port.set_multicast_filter(std::array{MacAddress{{0x01, 0, 0x5E, 1, 2, 3}}});
}

TEST_P(VethTest, OpensADeviceWhoseInterfaceComesLater) {
    shell("ip link del v0");
    DeviceRequest request{.interface = "feed", .device = device_text(GetParam(), "v0")};
    EXPECT_NE(refusal(request).find("no kernel interface \"v0\""), std::string::npos);
    request.may_be_missing = true;
    std::string error;
    const auto late = Device::open(test_eal(), request, 2, 64u << 20, error);
    ASSERT_TRUE(late) << error;
    EXPECT_TRUE(late->missing());
    ASSERT_EQ(late->ports(), 1);
    EXPECT_TRUE(late->port(0).shut());
    EXPECT_FALSE(late->link().up);
    EXPECT_FALSE(late->port(0).facts().link_up);
    EXPECT_FALSE(late->follow_interface());
    EXPECT_TRUE(late->trouble().empty()) << "there is nothing to open yet: " << late->trouble();
    // With several queues the one port reads them all.
    make_pair(2);
    shell("ip link set v0 down");
    EXPECT_FALSE(late->follow_interface());
    EXPECT_NE(late->trouble().find("ip link set dev v0 up"), std::string::npos) << late->trouble();
    shell("ip link set v0 up");
    shell("ip address add 10.9.8.7/24 dev v0 && ip route add default via 10.9.8.1");
    if (xdp()) {
        EXPECT_FALSE(late->follow_interface());
        EXPECT_NE(late->trouble().find("--take-over"), std::string::npos) << late->trouble();
    }
    shell("ip route del default");
    bool follows = false;
    for (int i = 0; i < 100 && !(follows = late->follow_interface()); ++i) usleep(20'000);
    ASSERT_TRUE(follows) << late->trouble();
    EXPECT_TRUE(late->trouble().empty());
    EXPECT_FALSE(late->missing());
    EXPECT_FALSE(late->port(0).shut());
    EXPECT_NE(late->port(0).facts().mac, MacAddress{});
    const DpdkPort without_device({.kernel_interface = "nowhere"});
    EXPECT_EQ(without_device.facts().mac, MacAddress{}) << "another device's facts are not its own";
    auto b = open("v1");
    ASSERT_TRUE(b);
    EXPECT_EQ(exchange(late->port(0), b->port(0), 500, 1514).size(), 500u);
    EXPECT_EQ(exchange(b->port(0), late->port(0), 500, 1514).size(), 500u);
}

TEST_P(VethTest, CarriesALargerMtu) {
    const std::uint16_t mtu = xdp() ? 3000 : 9000;
    make_pair(1, mtu);
    auto a = open("v0");
    auto b = open("v1");
    ASSERT_TRUE(a && b);
    EXPECT_EQ(a->mtu(), mtu);
    EXPECT_EQ(exchange(a->port(0), b->port(0), 2000, mtu + 14u).size(), 2000u);
}

TEST_P(VethTest, ServesTwoWorkersOrSaysWhatItCanNotRead) {
    make_pair(4);
    auto a = open("v0", 2);
    auto b = open("v1", 1);
    ASSERT_TRUE(a && b);
    EXPECT_EQ(b->ports(), 1);
    // AF_XDP binds to channels, of which a veth has one; AF_PACKET spreads by itself.
    EXPECT_EQ(a->ports(), xdp() ? 1 : 2);
    for (std::uint16_t i = 0; i < a->ports(); ++i)
        EXPECT_EQ(exchange(a->port(i), b->port(0), 500, 1514).size(), 500u);
    ASSERT_EQ(a->notes().size(), xdp() ? 1u : 0u);
    if (xdp()) {
        EXPECT_EQ(a->notes()[0],
                  "interface feed: v0 has 4 receive queues, of which AF_XDP reads 1; packets of "
                  "the others are lost: "
                  "ethtool -L v0 rx 1");
    }
}

TEST_P(VethTest, KeepsToASmallerMtuAndNeverChangesTheInterfaces) {
    auto a = open("v0", 1, 1000);
    ASSERT_TRUE(a);
    EXPECT_EQ(a->port(0).facts().mtu, 1000);
    EXPECT_NE(shell("ip link show v0").find("mtu 1500"), std::string::npos);
    a.reset();
    EXPECT_EQ(refusal({.interface = "feed", .device = device_text(GetParam(), "v0"), .mtu = 1501}),
              "interface feed: kernel interface v0 has MTU 1500, less than 1501: ip link set dev "
              "v0 mtu 1501");
}

INSTANTIATE_TEST_SUITE_P(Driver, VethTest, testing::Values("af_xdp", "af_packet"),
                         [](const auto& info) { return std::string(info.param); });

TEST(AfXdpTest, NamesTheLargestMtuItTakes) {
    if (!have_namespace) GTEST_SKIP() << "needs root to make a network namespace";
    shell(
        "ip link add name v0 mtu 9000 type veth peer name v1 mtu 9000 && ip link set v0 up && ip "
        "link set v1 up");
    std::string error;
    EXPECT_EQ(Device::open(test_eal(), {.interface = "feed", .device = "net_af_xdp0,iface=v0"}, 1,
                           64u << 20, error),
              nullptr);
    EXPECT_EQ(error.find("interface feed: MTU 9000 is more than the 3"), 0u) << error;
    EXPECT_NE(error.find("key mtu"), std::string::npos) << error;
    shell("ip link del v0");
}

// Sessions come and go; `port` has two receive queues.
static void check_rules(std::uint16_t port) {
    FlowSteering steering(port, 2, 0);
    std::printf("net_tap matches: raw %s, udp %s\n", to_string(steering.abilities().raw),
                to_string(steering.abilities().udp));
    EXPECT_NE(steering.abilities().raw, SteeringMethod::tsi) << "it knows no octets";
    EXPECT_NE(steering.abilities().udp, SteeringMethod::tsi);
    for (std::uint64_t id = 1; id <= 4; ++id)
        steering.open({id, Tsi{Gsi{}, static_cast<std::uint16_t>(id)}, false, 0,
                       static_cast<std::uint32_t>(id % 2), Address{0xEF010101},
                       Address{0x0A000001 + static_cast<std::uint32_t>(id)},
                       static_cast<std::uint16_t>(id > 2 ? 3055 : 0)});
    std::printf("rules %zu, refused %zu\n", steering.rules(),
                static_cast<std::size_t>(steering.refused()));
    EXPECT_EQ(steering.rules() + steering.handed_over(), 4u);
    for (std::uint64_t id = 1; id <= 4; ++id) steering.close(id);
    EXPECT_EQ(steering.rules(), 0u);
    EXPECT_EQ(steering.handed_over(), 0u);
}

// The one driver at hand that knows rules: it makes filters of the kernel's of them (tc flower).
// Whether the kernel here has those is the machine's affair; whatever it says, figures and rules
// agree and nothing is left.
TEST(TapRules, AreTakenOrRefusedAndNeverLeftBehind) {
    if (!have_namespace) {
        std::printf("no network namespace without root: nothing to ask\n");
        return;
    }
    // With two queues, which the daemon does not give a tap.
    test_eal();
    ASSERT_EQ(rte_dev_probe("net_tap7"), 0);
    std::uint16_t port = 0;
    ASSERT_EQ(rte_eth_dev_get_port_by_name("net_tap7", &port), 0);
    rte_mempool* const pool = rte_pktmbuf_pool_create("tap_rules", 4095, 0, 0,
                                                      2048 + RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY);
    ASSERT_NE(pool, nullptr);
    const rte_eth_conf conf{};
    ASSERT_EQ(rte_eth_dev_configure(port, 2, 2, &conf), 0);
    for (std::uint16_t queue = 0; queue < 2; ++queue) {
        ASSERT_EQ(rte_eth_rx_queue_setup(port, queue, 512, 0, nullptr, pool), 0);
        ASSERT_EQ(rte_eth_tx_queue_setup(port, queue, 512, 0, nullptr), 0);
    }
    ASSERT_EQ(rte_eth_dev_start(port), 0);
    check_rules(port);
    rte_eth_dev_info info{};
    ASSERT_EQ(rte_eth_dev_info_get(port, &info), 0);
    rte_eth_dev_stop(port);
    rte_dev_remove(info.device);
    rte_mempool_free(pool);
}

int main(int argc, char** argv) {
    if (const char* device = std::getenv(kHold)) return Holder::run(device);
    testing::InitGoogleTest(&argc, argv);
    have_namespace = enter_namespace();
    return RUN_ALL_TESTS();
}
