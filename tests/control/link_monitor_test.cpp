// Link events from rtnetlink messages, whole, cut and foreign.
#include "control/link_monitor.hpp"

#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <cstring>

namespace fanfare::control {
namespace {

std::vector<std::byte> message(std::uint16_t type, int index, unsigned flags, const char* name,
                               std::uint32_t mtu) {
    alignas(8) char buffer[256] = {};
    auto* header = reinterpret_cast<nlmsghdr*>(buffer);
    auto* info = reinterpret_cast<ifinfomsg*>(NLMSG_DATA(header));
    header->nlmsg_type = type;
    info->ifi_index = index;
    info->ifi_flags = flags;
    std::size_t length = NLMSG_LENGTH(sizeof(*info));
    const auto add = [&](std::uint16_t kind, const void* value, std::size_t bytes) {
        auto* attribute = reinterpret_cast<rtattr*>(buffer + NLMSG_ALIGN(length));
        attribute->rta_type = kind;
        attribute->rta_len = static_cast<std::uint16_t>(RTA_LENGTH(bytes));
        std::memcpy(RTA_DATA(attribute), value, bytes);
        length = NLMSG_ALIGN(length) + RTA_ALIGN(attribute->rta_len);
    };
    add(IFLA_IFNAME, name, std::strlen(name) + 1);
    add(IFLA_MTU, &mtu, sizeof(mtu));
    header->nlmsg_len = static_cast<std::uint32_t>(length);
    const auto* octets = reinterpret_cast<const std::byte*>(buffer);
    return {octets, octets + length};
}

class LinkMonitorTest : public ::testing::Test {
  protected:
    void SetUp() override {
        std::string error;
        monitor = LinkMonitor::open(error);
        ASSERT_TRUE(monitor) << error;
        monitor->watch(3, "lo");
        monitor->watch(4, "fanfare-absent");
    }
    std::optional<LinkMonitor> monitor;
    const int lo = static_cast<int>(::if_nametoindex("lo"));
};

TEST_F(LinkMonitorTest, up_down_removal_and_mtu_reach_the_interface_they_concern) {
    auto changes = monitor->on_message(message(RTM_NEWLINK, lo, IFF_UP | IFF_RUNNING, "lo", 9000));
    ASSERT_EQ(changes.size(), 1u);
    EXPECT_EQ(changes[0].interface, 3u);
    EXPECT_TRUE(changes[0].state.exists && changes[0].state.up);
    EXPECT_EQ(changes[0].state.mtu, 9000);
    changes = monitor->on_message(message(RTM_NEWLINK, lo, IFF_UP, "lo", 9000));
    ASSERT_EQ(changes.size(), 1u);
    EXPECT_FALSE(changes[0].state.up) << "no carrier";
    changes = monitor->on_message(message(RTM_DELLINK, lo, IFF_UP | IFF_RUNNING, "lo", 9000));
    ASSERT_EQ(changes.size(), 1u);
    EXPECT_FALSE(changes[0].state.exists);
    EXPECT_TRUE(
        monitor->on_message(message(RTM_NEWLINK, lo + 4000, IFF_UP, "other", 1500)).empty());
}

TEST_F(LinkMonitorTest, a_device_that_comes_back_under_a_new_index_is_known_by_its_name) {
    const auto changes = monitor->on_message(
        message(RTM_NEWLINK, 4711, IFF_UP | IFF_RUNNING, "fanfare-absent", 1500));
    ASSERT_EQ(changes.size(), 1u);
    EXPECT_EQ(changes[0].interface, 4u);
    EXPECT_EQ(monitor->on_message(message(RTM_NEWLINK, 4711, 0, "renamed", 1500)).size(), 1u)
        << "by index then";
}

TEST_F(LinkMonitorTest, cut_messages_are_judged_by_what_is_there) {
    const auto whole = message(RTM_NEWLINK, lo, IFF_UP | IFF_RUNNING, "lo", 9000);
    for (std::size_t n = 1; n < whole.size(); ++n)
        (void)monitor->on_message(std::span(whole).first(n));
    auto wrong = whole;
    const std::uint32_t length = 3;
    std::memcpy(wrong.data(), &length, sizeof(length));
    EXPECT_TRUE(monitor->on_message(wrong).empty());
}

TEST_F(LinkMonitorTest, after_lost_messages_every_interface_is_looked_at) {
    const auto changes = monitor->on_message({});
    ASSERT_EQ(changes.size(), 2u);
    EXPECT_TRUE(changes[0].state.exists);
    EXPECT_FALSE(changes[1].state.exists);
}

TEST(KernelInterface, is_named_by_iface_alone) {
    EXPECT_EQ(kernel_interface_of("net_af_xdp0,iface=eth1"), "eth1");
    EXPECT_EQ(kernel_interface_of("net_af_packet0,iface=eth1,qpairs=2"), "eth1");
    EXPECT_EQ(kernel_interface_of("0000:01:00.0"), "");
}

}  // namespace
}  // namespace fanfare::control
