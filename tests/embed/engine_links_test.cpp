// An engine whose kernel interfaces go, come back and come late, in a network namespace that goes
// away with the process.
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>

#include "embed/engine.hpp"
#include "fanfare/fanfare.hpp"
#include "tests/embed/turn_until.hpp"
#include "tests/forked_holder.hpp"

namespace fanfare::embed {
namespace {

bool have_namespace = false;

void shell(const std::string& command) {
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
}

void add_pair(const std::string& one, const std::string& other) {
    shell("ip link add name " + one + " type veth peer name " + other + " && ip link set " + one +
          " up && ip link set " + other + " up");
}

int connected() {
    const int fd = fanfare_socket(AF_INET, SOCK_RDM | SOCK_NONBLOCK, IPPROTO_RM);
    sockaddr_in group{};
    group.sin_family = AF_INET;
    group.sin_port = htons(7500);
    group.sin_addr.s_addr = htonl(0xEF4D0001);
    if (fanfare_connect(fd, reinterpret_cast<const sockaddr*>(&group), sizeof group) == 0)
        return fd;
    const int error = errno;
    fanfare_close(fd);
    errno = error;
    return -1;
}

short shown(int fd) {
    pollfd wait{fd, POLLOUT, 0};
    (void)::poll(&wait, 1, 0);
    return wait.revents;
}

TEST(EmbeddedEngineLinks, AreWatchedAsTheDaemonWatchesThem) {
    if (!have_namespace) GTEST_SKIP() << "needs root to make a network namespace";
    add_pair("v0", "v1");
    control::Config config;
    std::string error;
    for (const char* text :
         {"one,10.77.0.1/24,net_af_packet0,iface=v0", "late,10.78.0.1/24,net_af_packet1,iface=v2",
          "udp,10.79.0.1/24,kernel,iface=v4"})
        ASSERT_TRUE(control::add_interface_flag(text, config, error)) << error;
    std::string said;
    const auto engine =
        Engine::open(config, error, [&](const std::string& line) { said += line + '\n'; });
    ASSERT_NE(engine, nullptr) << error;
    const auto says = [&](const char* text) {
        return turn_until(*engine, [&] { return said.find(text) != std::string::npos; });
    };
    EXPECT_TRUE(says("no kernel interface \"v2\"")) << said;
    EXPECT_TRUE(says("no kernel interface \"v4\"")) << said;
    const int first = connected();
    ASSERT_GE(first, 0) << errno;
    EXPECT_EQ(fanfare_send(first, "x", 1, 0), 1);

    // It goes down: its session is reset, and with the other one missing there is none left.
    shell("ip link set v0 down");
    constexpr short kBroken = POLLERR | POLLHUP;
    EXPECT_TRUE(turn_until(*engine, [&] { return (shown(first) & kBroken) == kBroken; }));
    EXPECT_EQ(fanfare_send(first, "x", 1, 0), -1);
    EXPECT_EQ(errno, ECONNRESET);
    EXPECT_EQ(connected(), -1);
    EXPECT_EQ(errno, ENETUNREACH);

    // The one that was missing comes, the other one comes back.
    int second = -1, third = -1;
    add_pair("v2", "v3");
    EXPECT_TRUE(turn_until(*engine, [&] { return (second = connected()) >= 0; }));
    EXPECT_EQ(fanfare_send(second, "x", 1, 0), 1);
    shell("ip link del v2 && ip link set v0 up");
    EXPECT_TRUE(turn_until(*engine, [&] { return (shown(second) & kBroken) == kBroken; }));
    EXPECT_TRUE(turn_until(*engine, [&] { return (third = connected()) >= 0; }));
    EXPECT_EQ(fanfare_send(third, "x", 1, 0), 1);

    // What is there and can not be used is told with its remedy.
    shell("ip link add name v2 type veth peer name v3");
    add_pair("v4", "v5");
    EXPECT_TRUE(says("ip link set dev v2 up")) << said;
    EXPECT_TRUE(says("ip address add 10.79.0.1/PREFIX dev v4")) << said;
    shell("ip address add 10.79.0.1/24 dev v4");
    EXPECT_TRUE(says("interface udp (v4) is there")) << said;

    // A child that was forked holds the engine's descriptors, which hides no reset.
    fanfare::test::ForkedHolder child;
    ASSERT_TRUE(child.holds());
    shell("ip link del v0");
    EXPECT_TRUE(turn_until(*engine, [&] { return (shown(third) & POLLHUP) != 0; }));
    EXPECT_TRUE(says("interface one (v0) has gone")) << said;
    EXPECT_TRUE(child.end());
    for (const int fd : {first, second, third}) EXPECT_EQ(fanfare_close(fd), 0);
}

}  // namespace
}  // namespace fanfare::embed

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    // As `ip netns exec` does it: sysfs shows the network namespace it was mounted in.
    fanfare::embed::have_namespace = geteuid() == 0 && unshare(CLONE_NEWNET | CLONE_NEWNS) == 0 &&
                                     mount("", "/", nullptr, MS_REC | MS_SLAVE, nullptr) == 0 &&
                                     mount("sysfs", "/sys", "sysfs", 0, nullptr) == 0;
    return RUN_ALL_TESTS();
}
