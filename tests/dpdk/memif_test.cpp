// A memif wire between two processes, neither of them root: the other one sends everything back.
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "frames.hpp"
#include "ipc/descriptor.hpp"

using namespace fanfare;
using namespace fanfare::dataplane;
using namespace fanfare::dataplane::dpdk;

namespace {

constexpr const char* kPeer = "FANFARE_TEST_MEMIF_PEER";

// A name in the abstract name space: nothing in the file system, gone with the process.
// The first server of this process goes on listening to its end, so each role of ours has a name of
// its own.
std::string socket_name(int process, const std::string& our_role) {
    return "fanfare-test-" + std::to_string(process) + our_role;
}

// The other process: sends what it gets until it is killed, which happens with its parent at the
// latest.
int echo(const std::string& text) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    auto device = open_test_device(text);
    if (!device) return 1;
    DpdkPort& port = device->port(0);
    std::array<RxFrame, 32> rx;
    for (;;) {
        const std::size_t count = port.receive(rx);
        for (std::size_t i = 0; i < count; ++i) {
            std::array<engine::TxFrame, 1> tx;
            if (port.allocate(tx) != 1) continue;
            std::memcpy(tx[0].data, rx[i].data, rx[i].length);
            tx[0].length = static_cast<std::uint16_t>(rx[i].length);
            while (port.transmit(tx) != 1) std::this_thread::yield();
        }
        port.release(std::span(rx).first(count));
        if (count == 0) std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
}

class Peer {
  public:
    // `role` is the peer's.
    explicit Peer(const std::string& role) : process_(fork()) {
        if (process_ != 0) return;
        setenv(kPeer,
               ("net_memif0,role=" + role +
                ",id=0,socket=" + socket_name(getppid(), role == "client" ? "server" : "client"))
                   .c_str(),
               1);
        execl("/proc/self/exe", "dpdk_memif_test", nullptr);
        _exit(1);
    }
    ~Peer() {
        kill(process_, SIGKILL);
        waitpid(process_, nullptr, 0);
        // Killed, it could not take its folder away; the next daemon would.
        const char* runtime = std::getenv("XDG_RUNTIME_DIR");
        const std::string root = runtime != nullptr ? runtime : "/tmp";
        rmdir((root + "/dpdk/fanfare-" + std::to_string(process_)).c_str());
    }

  private:
    pid_t process_;
};

// A worker's turns and the control thread's looks, one after the other, as they never wait for each
// other.
bool link_comes(Device& device, bool up) {
    std::multiset<std::uint32_t> ignored;
    for (int i = 0; i < 10000 && device.link().up != up; ++i) {
        collect_test_frames(device.port(0), 1514, ignored);
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return device.link().up == up;
}

}  // namespace

TEST(MemifTest, CarriesFramesToAnotherProcessAndBackWithoutRoot) {
    ASSERT_NE(geteuid(), 0u);
    auto device =
        open_test_device("net_memif0,role=server,id=0,socket=" + socket_name(getpid(), "server"));
    ASSERT_TRUE(device);
    DpdkPort& port = device->port(0);
    EXPECT_FALSE(port.facts().link_up);
    {
        const Peer peer("client");
        ASSERT_TRUE(link_comes(*device, true)) << "the peer never connected";
        EXPECT_TRUE(port.facts().link_up);
        const unsigned before = free_buffers(port);
        const std::uint32_t count = device->buffers_per_queue() + 5000;
        const auto seen = exchange(port, port, count, 1514);
        EXPECT_EQ(seen.size(), count);
        EXPECT_EQ(std::set<std::uint32_t>(seen.begin(), seen.end()).size(), count);
        EXPECT_EQ(free_buffers(port), before);
        EXPECT_EQ(port.system_calls(), 0u);
    }
    // The peer was killed: the link goes, and comes with the next one.
    EXPECT_TRUE(link_comes(*device, false));
    const Peer next("client");
    ASSERT_TRUE(link_comes(*device, true)) << "no second peer can connect";
    EXPECT_EQ(exchange(port, port, 1000, 1514).size(), 1000u);
}

TEST(MemifTest, AClientWaitsForItsServerAndComesBackWhenThatWasKilled) {
    auto device =
        open_test_device("net_memif1,role=client,id=0,socket=" + socket_name(getpid(), "client"));
    ASSERT_TRUE(device);
    DpdkPort& port = device->port(0);
    EXPECT_FALSE(device->link().up);
    ASSERT_EQ(device->notes().size(), 1u);
    std::multiset<std::uint32_t> seen;
    EXPECT_EQ(collect_test_frames(port, 1514, seen), 0u);
    EXPECT_FALSE(send_test_frame(port, 1, 100));
    EXPECT_TRUE(port.set_multicast_filter({}));
    for (int i = 0; i < 2; ++i) {
        {
            const Peer server("server");
            ASSERT_TRUE(link_comes(*device, true)) << "round " << i;
            EXPECT_EQ(exchange(port, port, 1000, 1514).size(), 1000u);
        }
        EXPECT_TRUE(link_comes(*device, false));
    }
    EXPECT_EQ(free_buffers(port), device->buffers_per_queue());
}

TEST(MemifTest, AServerIsNotKeptOutByThePathThatAKilledOneLeft) {
    const std::string path = "/tmp/fanfare-test-" + std::to_string(getpid()) + ".sock";
    const std::string text = "net_memif2,role=server,id=0,socket-abstract=no,socket=" + path;
    const auto is_there = [&path] { return access(path.c_str(), F_OK) == 0; };
    // What a killed one leaves: a name that nobody listens at.
    {
        const ipc::Descriptor left(socket(AF_UNIX, SOCK_SEQPACKET, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        ASSERT_EQ(bind(left.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    }
    ASSERT_TRUE(is_there());
    auto device = open_test_device(text);
    ASSERT_TRUE(device);
    // One that is served stays.
    std::string error;
    DeviceRequest second{.interface = "feed", .device = text};
    second.device.replace(0, 10, "net_memif3");
    EXPECT_EQ(Device::open(test_eal(), second, 1, 16u << 20, error), nullptr);
    EXPECT_TRUE(is_there());
    device.reset();
    EXPECT_FALSE(is_there());
}

int main(int argc, char** argv) {
    if (const char* device = std::getenv(kPeer)) return echo(device);
    // Before anything else of the process is there: from here on an ordinary user.
    constexpr uid_t kNobody = 65534;
    if (geteuid() == 0 &&
        (setgroups(0, nullptr) != 0 || setgid(kNobody) != 0 || setuid(kNobody) != 0))
        return 1;
    testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
