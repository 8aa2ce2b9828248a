#include "dataplane/dpdk/device_text.hpp"

#include <gtest/gtest.h>

using namespace fanfare::dataplane::dpdk;

namespace {

DeviceText parsed(std::string_view text) {
    std::string error;
    auto device = parse_device(text, error);
    EXPECT_TRUE(device) << error;
    return device.value_or(DeviceText{});
}

std::string refusal(std::string_view text) {
    std::string error;
    EXPECT_FALSE(parse_device(text, error)) << text;
    EXPECT_EQ(error.find('\n'), std::string::npos);
    return error;
}

}  // namespace

TEST(DeviceTextTest, KnowsTheKindFromTheDriversName) {
    EXPECT_EQ(parsed("net_af_xdp0,iface=eth1").kind, DeviceKind::af_xdp);
    EXPECT_EQ(parsed("net_af_packet12,iface=eth1").kind, DeviceKind::af_packet);
    EXPECT_EQ(parsed("net_memif0,role=server,socket=/run/x,id=0").kind, DeviceKind::memif);
    EXPECT_EQ(parsed("net_ring0").kind, DeviceKind::ring);
    EXPECT_EQ(parsed("net_tap0").kind, DeviceKind::tap);
    EXPECT_EQ(parsed("net_null0").kind, DeviceKind::null);
    EXPECT_EQ(parsed("net_virtio_user0,path=/dev/vhost-net").kind, DeviceKind::other);
}

TEST(DeviceTextTest, GivesTheTextBackAsTheEalTakesIt) {
    for (const char* text : {"net_memif0,role=server,socket=/run/x,id=0", "net_ring0",
                             "net_pcap0,rx_pcap=a.pcap,flag"})
        EXPECT_EQ(parsed(text).text(), text);
}

TEST(DeviceTextTest, TakesPciAddressesInShortAndLongForm) {
    EXPECT_EQ(parsed("0000:01:00.0").kind, DeviceKind::pci);
    EXPECT_EQ(parsed("01:00.1").name, "0000:01:00.1");
    EXPECT_EQ(parsed("0000:AF:1f.7,promisc=1").text(), "0000:af:1f.7,promisc=1");
}

TEST(DeviceTextTest, RefusesWhatNamesNoDeviceInOneLineThatQuotesIt) {
    for (const char* text : {"", "eth1", "0000:01:00.8", "0000:01:00", "00:1:00.0", "g000:01:00.0",
                             "net_x y0", "1:2.3"}) {
        const std::string error = refusal(text);
        EXPECT_NE(error.find('"' + std::string(text) + '"'), std::string::npos) << error;
        EXPECT_NE(error.find("net_af_xdp0,iface=eth1"), std::string::npos) << error;
    }
    EXPECT_NE(refusal("net_ring").find("net_ring0"), std::string::npos);
    EXPECT_NE(refusal("net_ring0,=5").find("without a name"), std::string::npos);
    EXPECT_NE(refusal("net_" + std::string(100, 'a') + "0").size(), 0u);
}

TEST(DeviceTextTest, AsksForTheKernelInterfaceWhereThereMustBeOne) {
    EXPECT_NE(refusal("net_af_xdp0").find(",iface=NAME"), std::string::npos);
    EXPECT_NE(refusal("net_af_packet0,iface=").find(",iface=NAME"), std::string::npos);
    EXPECT_EQ(kernel_interface(parsed("net_af_xdp0,iface=eth1")), "eth1");
    EXPECT_EQ(kernel_interface(parsed("net_tap0,iface=eth1")), "");
}

TEST(DeviceTextTest, TakesAllQueuesOfAnAfXdpInterfaceAndNoBusyPollingOnAVirtualOne) {
    auto device = parsed("net_af_xdp0,iface=v0");
    complete_arguments(device, 1, 4, true, 1500);
    EXPECT_EQ(device.text(), "net_af_xdp0,iface=v0,queue_count=4,busy_budget=0");
    device = parsed("net_af_xdp0,iface=v0");
    complete_arguments(device, 1, 1, false, 1500);
    EXPECT_EQ(device.text(), "net_af_xdp0,iface=v0");
}

TEST(DeviceTextTest, LeavesWhatTheUserGave) {
    auto device = parsed("net_af_xdp0,iface=v0,start_queue=1,busy_budget=8");
    complete_arguments(device, 2, 4, true, 1500);
    EXPECT_EQ(device.text(), "net_af_xdp0,iface=v0,start_queue=1,busy_budget=8");
    device = parsed("net_af_packet0,iface=v0,framecnt=512");
    complete_arguments(device, 1, 1, true, 9000);
    EXPECT_EQ(device.text(), "net_af_packet0,iface=v0,framecnt=512");
    device = parsed("net_memif0,rsize=10");
    complete_arguments(device, 1, 1, true, 1500);
    EXPECT_EQ(device.text(), "net_memif0,rsize=10");
}

TEST(DeviceTextTest, MakesPacketRingsOfWholeFramesThatHoldTheMtu) {
    for (const std::uint16_t mtu : {128, 1500, 1950, 1951, 4000, 9000}) {
        auto device = parsed("net_af_packet0,iface=v0");
        complete_arguments(device, 3, 1, true, mtu);
        const unsigned long frame = std::stoul(*device.argument("framesz"));
        const unsigned long block = std::stoul(*device.argument("blocksz"));
        EXPECT_GE(frame, mtu + 98u);
        EXPECT_EQ(block % frame, 0u);
        EXPECT_EQ(block % 4096, 0u);
        EXPECT_EQ(std::stoul(*device.argument("framecnt")) % (block / frame), 0u);
        EXPECT_EQ(*device.argument("qpairs"), "3");
    }
}
