// Kernel ports on the loopback of a network namespace of their own, as root or not: two ports with
// an address each, as two daemons of one machine would have.
#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <thread>
#include <vector>

#include "dataplane/kernel/kernel_device.hpp"
#include "dataplane/kernel/kernel_port.hpp"
#include "dataplane/net/framing.hpp"

namespace fanfare::dataplane::kernel {
namespace {

const Address kOne = Address::from_octets(127, 0, 0, 2);
const Address kTwo = Address::from_octets(127, 0, 0, 3);
const Address kGroup = Address::from_octets(239, 77, 1, 1);
constexpr std::uint16_t kUdp = 47600;

// Loopback is down in a new namespace, and larger than any card.
void bring_loopback_up() {
    const ipc::Descriptor socket(::socket(AF_INET, SOCK_DGRAM, 0));
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    ASSERT_EQ(ioctl(socket.get(), SIOCSIFFLAGS, &request), 0) << std::strerror(errno);
    request.ifr_mtu = 1500;
    ASSERT_EQ(ioctl(socket.get(), SIOCSIFMTU, &request), 0) << std::strerror(errno);
}

std::unique_ptr<KernelPort> open_port(Address address) {
    std::string error;
    auto port = KernelPort::open({"lo", address, 1500}, error);
    EXPECT_NE(port, nullptr) << error;
    return port;
}

void want(KernelPort& port, std::vector<Address> groups, std::vector<std::uint16_t> udp_ports) {
    const Memberships wanted{std::move(groups), std::move(udp_ports)};
    int calls = 1;
    while (!port.set_memberships(wanted)) ASSERT_LT(++calls, 1000);
}

struct Packet {
    std::size_t bytes = 0;
    std::uint32_t number = 0;
    std::uint8_t ttl = 16;
    bool router_alert = false;
    std::uint8_t dscp = 0;
};

void fill(std::byte* to, const Packet& packet) {
    for (std::size_t i = 0; i < packet.bytes; ++i)
        to[i] = static_cast<std::byte>(packet.number * 31 + i);
    std::memcpy(to, &packet.number, std::min(packet.bytes, sizeof packet.number));
}

void send(KernelPort& port, Address from, Address to, const std::vector<Packet>& packets,
          std::uint16_t udp = kUdp) {
    std::vector<engine::TxFrame> frames(packets.size());
    ASSERT_EQ(port.allocate(frames), frames.size());
    for (std::size_t i = 0; i < frames.size(); ++i) {
        fill(frames[i].data, packets[i]);
        frames[i].length = static_cast<std::uint16_t>(packets[i].bytes);
        frames[i].destination = to;
        frames[i].ttl = packets[i].ttl;
        frames[i].router_alert = packets[i].router_alert;
        net::address_datagram(frames[i], {{}, from, 0, packets[i].dscp}, udp);
    }
    std::size_t done = 0;
    for (int tries = 0; done < frames.size(); ++tries) {
        ASSERT_LT(tries, 1000);
        done += port.transmit(std::span(frames).subspan(done));
    }
}

struct Got {
    RxOrigin origin;
    std::vector<std::byte> octets;
    std::uint32_t number() const {
        std::uint32_t out = 0;
        std::memcpy(&out, octets.data(), std::min(octets.size(), sizeof out));
        return out;
    }
};

// Waits for `count`, and some time more for what should not come.
std::vector<Got> collect(KernelPort& port, std::size_t count) {
    std::vector<Got> got;
    const auto start = std::chrono::steady_clock::now();
    auto until = start + std::chrono::seconds(count > 0 ? 10 : 0);
    bool grace = false;
    while (true) {
        RxFrame frames[7];
        const std::size_t n = port.receive(frames);
        for (std::size_t i = 0; i < n; ++i)
            got.push_back({*frames[i].origin, {frames[i].data, frames[i].data + frames[i].length}});
        port.release(std::span(frames).first(n));
        if (!grace && got.size() >= count) {
            grace = true;
            until = std::chrono::steady_clock::now() + std::chrono::milliseconds(30);
        }
        if (std::chrono::steady_clock::now() > until) return got;
    }
}

std::vector<Packet> sized(const std::vector<std::size_t>& sizes) {
    std::vector<Packet> out;
    for (const auto size : sizes) out.push_back({size, static_cast<std::uint32_t>(out.size())});
    return out;
}

void expect_equal(const std::vector<Got>& got, const std::vector<Packet>& sent, Address from,
                  Address to) {
    ASSERT_EQ(got.size(), sent.size());
    for (std::size_t i = 0; i < sent.size(); ++i) {
        std::vector<std::byte> expected(sent[i].bytes);
        fill(expected.data(), sent[i]);
        ASSERT_EQ(got[i].octets, expected) << i;
        ASSERT_EQ(got[i].origin.source, from);
        ASSERT_EQ(got[i].origin.destination, to);
        ASSERT_EQ(got[i].origin.udp_port, kUdp);
    }
}

class KernelPortTest : public ::testing::Test {
  protected:
    void SetUp() override {
        one = open_port(kOne);
        two = open_port(kTwo);
        ASSERT_TRUE(one && two);
        free = one->free_frames();
    }
    void TearDown() override { EXPECT_EQ(one->free_frames(), free) << "frames leaked"; }
    std::unique_ptr<KernelPort> one, two;
    std::size_t free = 0;
};

TEST_F(KernelPortTest, CarriesBurstsOfOneSizeInFewCallsWholeAndInOrder) {
    want(*two, {kGroup}, {kUdp});
    for (const std::size_t size : {1u, 64u, 1400u, 1472u}) {
        const auto packets = sized(std::vector<std::size_t>(200, size));
        const std::uint64_t before = one->system_calls();
        send(*one, kOne, kGroup, packets);
        EXPECT_LT(one->system_calls() - before, 60u);
        expect_equal(collect(*two, packets.size()), packets, kOne, kGroup);
    }
}

TEST_F(KernelPortTest, CarriesBurstsOfManySizesInOrder) {
    want(*two, {kGroup}, {kUdp});
    std::vector<std::size_t> sizes;
    for (std::size_t i = 0; i < 300; ++i)
        sizes.push_back(i % 5 == 0 ? 1472 : i % 7 == 0 ? 1 + i : 900);
    send(*one, kOne, kGroup, sized(sizes));
    expect_equal(collect(*two, sizes.size()), sized(sizes), kOne, kGroup);
    EXPECT_EQ(one->counters().transmit_dropped.get(), 0u);
}

TEST_F(KernelPortTest, CarriesBurstsWithRouterAlertBetweenOthers) {
    want(*two, {kGroup}, {kUdp});
    auto packets = sized(std::vector<std::size_t>(200, 1400));
    for (std::size_t i = 0; i < packets.size(); ++i) packets[i].router_alert = i % 50 >= 25;
    const std::uint64_t before = one->system_calls();
    send(*one, kOne, kGroup, packets);
    EXPECT_LT(one->system_calls() - before, 60u);
    expect_equal(collect(*two, packets.size()), packets, kOne, kGroup);
    EXPECT_EQ(one->counters().transmit_dropped.get(), 0u);
}

TEST_F(KernelPortTest, UnicastReachesTheAddressedOneOfTwoOnTheSameUdpPort) {
    want(*one, {kGroup}, {kUdp});
    want(*two, {kGroup}, {kUdp});
    const auto packets = sized({100, 100, 60, 1400});
    send(*one, kOne, kTwo, packets);
    expect_equal(collect(*two, packets.size()), packets, kOne, kTwo);
    EXPECT_TRUE(collect(*one, 0).empty());
    send(*two, kTwo, kOne, packets);
    expect_equal(collect(*one, packets.size()), packets, kTwo, kOne);
    EXPECT_TRUE(collect(*two, 0).empty());
}

TEST_F(KernelPortTest, HearsGroupsWhileItIsAMemberAndUdpPortsWhileTheyAreWanted) {
    const auto packets = sized({100, 100});
    send(*one, kOne, kGroup, packets);
    want(*two, {}, {kUdp});
    send(*one, kOne, kGroup, packets);
    EXPECT_TRUE(collect(*two, 0).empty());
    want(*two, {kGroup}, {kUdp});
    send(*one, kOne, kGroup, packets);
    EXPECT_EQ(collect(*two, 2).size(), 2u);
    send(*one, kOne, Address{kGroup.v4 + 1}, packets);
    EXPECT_TRUE(collect(*two, 0).empty());
    want(*two, {kGroup}, {});
    send(*one, kOne, kGroup, packets);
    EXPECT_TRUE(collect(*two, 0).empty());
    want(*two, {kGroup}, {kUdp});
    send(*one, kOne, kGroup, packets);
    EXPECT_EQ(collect(*two, 2).size(), 2u);
}

TEST_F(KernelPortTest, JoinsMoreGroupsThanOneSocketMayAndLeavesThem) {
    std::vector<Address> groups;
    for (std::uint32_t i = 0; i < 150; ++i) groups.push_back(Address{kGroup.v4 + i});
    want(*two, groups, {kUdp});
    EXPECT_EQ(two->counters().refused.get(), 0u);
    for (const auto group : {groups.front(), groups[75], groups.back()}) {
        send(*one, kOne, group, sized({50}));
        EXPECT_EQ(collect(*two, 1).size(), 1u);
    }
    want(*two, {groups[75]}, {kUdp});
    send(*one, kOne, groups.front(), sized({50}));
    EXPECT_TRUE(collect(*two, 0).empty());
    send(*one, kOne, groups[75], sized({50}));
    EXPECT_EQ(collect(*two, 1).size(), 1u);
    want(*two, groups, {kUdp});
    send(*one, kOne, groups.back(), sized({50}));
    EXPECT_EQ(collect(*two, 1).size(), 1u);
}

TEST_F(KernelPortTest, SendsWithTheTimeToLiveServiceAndRouterAlertOfEachFrame) {
    const ipc::Descriptor plain(::socket(AF_INET, SOCK_DGRAM, 0));
    const int on = 1;
    // Sockets of a port that was closed may last a moment longer.
    setsockopt(plain.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    for (const int option : {IP_RECVTTL, IP_RECVTOS, IP_RECVOPTS})
        ASSERT_EQ(setsockopt(plain.get(), IPPROTO_IP, option, &on, sizeof on), 0);
    const timeval patience{5, 0};
    setsockopt(plain.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(kUdp);
    name.sin_addr.s_addr = htonl(0x7F000009);
    ASSERT_EQ(bind(plain.get(), reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
    auto packets = sized({100, 100, 100, 100});
    packets[1].ttl = 1;
    packets[2].router_alert = true;
    packets[3].dscp = 46;
    send(*one, kOne, Address{0x7F000009}, packets);
    for (const auto& packet : packets) {
        std::byte room[2000];
        alignas(cmsghdr) std::byte control[512];
        iovec piece{room, sizeof room};
        msghdr message{};
        message.msg_iov = &piece;
        message.msg_iovlen = 1;
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        ASSERT_EQ(recvmsg(plain.get(), &message, 0), 100) << std::strerror(errno);
        int ttl = 0, tos = 0;
        bool alert = false;
        for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
            if (c->cmsg_level != IPPROTO_IP) continue;
            if (c->cmsg_type == IP_TTL) std::memcpy(&ttl, CMSG_DATA(c), sizeof ttl);
            if (c->cmsg_type == IP_TOS) tos = *CMSG_DATA(c);
            if (c->cmsg_type == IP_RECVOPTS) alert = *CMSG_DATA(c) == 148;
        }
        EXPECT_EQ(ttl, packet.ttl);
        EXPECT_EQ(tos, packet.dscp << 2);
        EXPECT_EQ(alert, packet.router_alert);
    }
}

TEST_F(KernelPortTest, DropsAndCountsWhatIsNoDatagramAndSendsTheRest) {
    want(*two, {kGroup}, {kUdp});
    std::vector<engine::TxFrame> frames(5);
    ASSERT_EQ(one->allocate(frames), frames.size());
    for (std::size_t i = 0; i < frames.size(); ++i) {
        fill(frames[i].data, {200, static_cast<std::uint32_t>(i)});
        frames[i].length = 200;
        frames[i].destination = kGroup;
        frames[i].ttl = 4;
        // Raw PGM can't be sent, an empty packet is none.
        if (i == 3) frames[i].length = 0;
        net::address_datagram(frames[i], {{}, kOne, 0, 0}, i == 1 ? 0 : kUdp);
    }
    EXPECT_EQ(one->transmit(frames), frames.size());
    EXPECT_EQ(one->counters().transmit_dropped.get(), 2u);
    const auto got = collect(*two, 3);
    ASSERT_EQ(got.size(), 3u);
    EXPECT_EQ(got[0].number(), 0u);
    EXPECT_EQ(got[1].number(), 2u);
    EXPECT_EQ(got[2].number(), 4u);
}

TEST_F(KernelPortTest, ABurstToAUdpPortThatIsNotToBeHadCostsOneTry) {
    const auto stray = open_port(Address::from_octets(10, 99, 0, 9));  // nobody here holds it
    const std::uint64_t before = stray->system_calls();
    send(*stray, kOne, kGroup, sized(std::vector<std::size_t>(200, 100)));
    EXPECT_EQ(stray->counters().transmit_dropped.get(), 200u);
    EXPECT_EQ(stray->counters().refused.get(), 1u);
    EXPECT_LT(stray->system_calls() - before, 50u);
    EXPECT_EQ(stray->free_frames(), 1024u);
}

// As an engine writes them: each packet behind the one before.
std::vector<engine::TxFrame> adjoining(KernelPort& port, std::size_t count, std::size_t bytes,
                                       std::uint32_t first = 0) {
    std::vector<engine::TxFrame> frames(count);
    EXPECT_EQ(port.allocate(frames), count);
    engine::Output out(frames);
    for (std::size_t i = 0; i < count; ++i) {
        engine::TxFrame& frame = *out.next();
        fill(frame.data, {bytes, first + static_cast<std::uint32_t>(i)});
        frame.length = static_cast<std::uint16_t>(bytes);
        frame.destination = kGroup;
        frame.ttl = 4;
        net::address_datagram(frame, {{}, kOne, 0, 0}, kUdp);
        out.commit();
    }
    return frames;
}

TEST_F(KernelPortTest, CarriesPacketsThatStandOneBehindTheOther) {
    want(*two, {kGroup}, {kUdp});
    for (const std::size_t size : {1u, 333u, 1424u, 1472u}) {
        auto frames = adjoining(*one, 200, size);
        for (std::size_t i = 1; i < FramePool::kBlockFrames; ++i)
            ASSERT_EQ(frames[i].data, frames[i - 1].data + size);
        std::size_t done = 0;
        while (done < frames.size()) done += one->transmit(std::span(frames).subspan(done));
        const auto packets = sized(std::vector<std::size_t>(200, size));
        expect_equal(collect(*two, packets.size()), packets, kOne, kGroup);
    }
}

TEST_F(KernelPortTest, NewDataBehindAFullCallWaitsOnceForMore) {
    want(*two, {kGroup}, {kUdp});
    auto frames = adjoining(*one, 70, 1424);
    EXPECT_EQ(one->transmit(frames), 45u);
    EXPECT_EQ(one->waiting(), 25u);
    // With 70 more they fill a call, and so do the next.
    auto more = adjoining(*one, 70, 1424, 70);
    frames.erase(frames.begin(), frames.begin() + 45);
    frames.insert(frames.end(), more.begin(), more.end());
    EXPECT_EQ(one->transmit(frames), 90u);
    EXPECT_EQ(one->waiting(), 5u);
    // Nothing came to them: they go.
    EXPECT_EQ(one->transmit(std::span(frames).subspan(90)), 5u);
    EXPECT_EQ(one->waiting(), 0u);
    const auto packets = sized(std::vector<std::size_t>(140, 1424));
    expect_equal(collect(*two, packets.size()), packets, kOne, kGroup);
}

TEST_F(KernelPortTest, WhatHasMoreBehindItNeverWaits) {
    want(*two, {kGroup}, {kUdp});
    // More than are looked at together, and the rest less than a full call.
    auto many = adjoining(*one, 300, 1424);
    EXPECT_EQ(one->transmit(many), 300u);
    EXPECT_EQ(one->waiting(), 0u);
    const auto packets = sized(std::vector<std::size_t>(300, 1424));
    expect_equal(collect(*two, packets.size()), packets, kOne, kGroup);
}

TEST_F(KernelPortTest, NothingWaitsBehindLessThanAFullCallNorBehindWhatIsNoNewData) {
    want(*two, {kGroup}, {kUdp});
    auto few = adjoining(*one, 44, 1424);
    EXPECT_EQ(one->transmit(few), 44u);
    auto ends = adjoining(*one, 70, 1424);
    ends.back().kind = engine::FrameKind::spm;
    EXPECT_EQ(one->transmit(ends), 70u) << "an SPM leaves at once, and what stands before it";
    EXPECT_EQ(one->waiting(), 0u);
    EXPECT_EQ(collect(*two, 114).size(), 114u);
}

TEST_F(KernelPortTest, OpensAsManyUdpPortsAsItHasPlacesAndMakesRoomForTheNext) {
    for (std::uint16_t i = 0; i < KernelPort::kUdpPortsMax + 10; ++i)
        send(*one, kOne, kGroup, sized({10}), static_cast<std::uint16_t>(kUdp + i));
    EXPECT_EQ(one->counters().refused.get(), 0u);
    std::vector<std::uint16_t> many;
    for (std::uint16_t i = 0; i < KernelPort::kUdpPortsMax; ++i)
        many.push_back(static_cast<std::uint16_t>(kUdp + 100 + i));
    want(*one, {}, many);
    EXPECT_EQ(one->counters().refused.get(), 0u);
    send(*one, kOne, kGroup, sized({10}));
    EXPECT_EQ(one->counters().refused.get(), 1u) << "no place may be taken from who was promised";
    want(*one, {}, {});
    send(*one, kOne, kGroup, sized({10}));
    EXPECT_EQ(one->counters().refused.get(), 1u);
}

TEST_F(KernelPortTest, GivesUdpPortsBackToTheSystem) {
    const auto taken = [] {
        const ipc::Descriptor plain(::socket(AF_INET, SOCK_DGRAM, 0));
        sockaddr_in name{};
        name.sin_family = AF_INET;
        name.sin_port = htons(kUdp);
        return bind(plain.get(), reinterpret_cast<sockaddr*>(&name), sizeof name) != 0;
    };
    want(*one, {kGroup}, {kUdp});
    collect(*one, 0);
    EXPECT_TRUE(taken());
    want(*one, {kGroup}, {});
    collect(*one, 0);
    EXPECT_FALSE(taken());
}

TEST_F(KernelPortTest, MayBeTurnedByAnotherThreadFromSomeTimeOn) {
    want(*two, {kGroup}, {kUdp});
    send(*one, kOne, kGroup, sized({100}));
    EXPECT_EQ(collect(*two, 1).size(), 1u);
    std::thread([&] {
        EXPECT_TRUE(collect(*two, 0).empty());
        send(*one, kOne, kGroup, sized(std::vector<std::size_t>(200, 1400)));
        EXPECT_EQ(collect(*two, 200).size(), 200u);
    }).join();
    EXPECT_TRUE(collect(*two, 0).empty());
    send(*one, kOne, kGroup, sized({100}));
    EXPECT_EQ(collect(*two, 1).size(), 1u);
}

TEST_F(KernelPortTest, MayBeTurnedByAThreadThatComesInThePlaceOfTheOneThatOpenedIt) {
    // A thread that begins when another one has ended gets its stack, and all addresses with it.
    std::unique_ptr<KernelPort> port;
    std::thread([&] {
        port = open_port(kTwo);
        want(*port, {kGroup}, {kUdp + 1});
        EXPECT_TRUE(collect(*port, 0).empty());
    }).join();
    std::thread([&] {
        EXPECT_TRUE(collect(*port, 0).empty());
        send(*one, kOne, kGroup, sized({100}), kUdp + 1);
        EXPECT_EQ(collect(*port, 1).size(), 1u);
    }).join();
}

TEST_F(KernelPortTest, HearsAgainWhenANewThreadFoundNoDescriptorForItsRing) {
    want(*two, {kGroup}, {kUdp});
    EXPECT_TRUE(collect(*two, 0).empty());
    std::thread([&] {
        rlimit before{};
        ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
        rlimit none = before;
        none.rlim_cur = 0;
        ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
        RxFrame frames[4];
        EXPECT_EQ(two->receive(frames), 0u);
        ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
        EXPECT_EQ(two->counters().receive_dropped.get(), 0u);
        send(*one, kOne, kGroup, sized({100}));
        EXPECT_EQ(collect(*two, 1).size(), 1u);
        EXPECT_EQ(two->counters().receive_dropped.get(), 1u) << "the ring that was not to be had";
    }).join();
}

TEST_F(KernelPortTest, AFloodBeyondItsBuffersStopsNothing) {
    want(*two, {kGroup}, {kUdp});
    // Nobody receives meanwhile: more messages than there are buffers, and then some.
    for (int i = 0; i < 40; ++i) send(*one, kOne, kGroup, sized({100, 50, 100, 50, 100, 50}));
    const auto got = collect(*two, 240);
    EXPECT_EQ(got.size(), 240u);
    send(*one, kOne, kGroup, sized({77}));
    const auto last = collect(*two, 1);
    ASSERT_EQ(last.size(), 1u);
    EXPECT_EQ(last[0].octets.size(), 77u);
}

TEST_F(KernelPortTest, LooksCostNoSystemCallWhileNothingComes) {
    want(*two, {kGroup}, {kUdp});
    collect(*two, 0);
    const std::uint64_t before = two->system_calls();
    RxFrame frames[4];
    for (int i = 0; i < 100000; ++i) ASSERT_EQ(two->receive(frames), 0u);
    EXPECT_LT(two->system_calls() - before, 10u);
}

TEST_F(KernelPortTest, WhoSleepsIsWokenByWhatComes) {
    want(*two, {kGroup}, {kUdp});
    collect(*two, 0);
    for (const Address to : {kGroup, kTwo}) {
        WakeDescriptors ports;
        two->wake_descriptors(ports);
        EXPECT_TRUE(ports.complete);
        std::vector<pollfd> ends;
        for (std::size_t i = 0; i < ports.count; ++i) ends.push_back({ports.list[i], POLLIN, 0});
        ASSERT_EQ(ends.size(), 2u);
        EXPECT_EQ(poll(ends.data(), ends.size(), 0), 0) << "nothing came";
        std::thread sender([&] {
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
            send(*one, kOne, to, sized({100}));
        });
        EXPECT_EQ(poll(ends.data(), ends.size(), 10000), 1);
        sender.join();
        EXPECT_EQ(collect(*two, 1).size(), 1u);
        EXPECT_EQ(poll(ends.data(), ends.size(), 0), 0) << "it would never sleep again";
    }
}

TEST_F(KernelPortTest, SaysThatItIsADatagramPort) {
    const PortFacts facts = one->facts();
    EXPECT_TRUE(facts.datagrams);
    EXPECT_TRUE(facts.kernel_answers);
    EXPECT_TRUE(facts.link_up);
    EXPECT_EQ(facts.mtu, 1500);
}

TEST(KernelDeviceTest, NamesWhatIsWrongInOneLine) {
    const auto refusal = [](const KernelDeviceRequest& request) {
        std::string error;
        EXPECT_EQ(KernelDevice::open(request, error), nullptr);
        EXPECT_EQ(error.find('\n'), std::string::npos);
        return error;
    };
    for (const char* text :
         {"kernel", "kernel,", "kernel,iface=", "kernel,eth0", "kernel,iface=lo,queues=2"})
        EXPECT_NE(refusal({"feed", text, kOne}).find("kernel,iface=NAME"), std::string::npos)
            << text;
    EXPECT_NE(refusal({"feed", "kernel,iface=none9", kOne}).find("there is no kernel interface"),
              std::string::npos);
    EXPECT_NE(refusal({"feed", "kernel,iface=lo", Address::from_octets(10, 9, 8, 7)})
                  .find("ip address add 10.9.8.7/PREFIX dev lo"),
              std::string::npos);
    EXPECT_NE(refusal({"feed", "kernel,iface=lo", kOne, 0, 5}).find("lo.5"), std::string::npos);
    EXPECT_FALSE(is_kernel_device("kernels,iface=lo"));
    EXPECT_FALSE(is_kernel_device("net_af_xdp0,iface=kernel"));
}

TEST(KernelDeviceTest, TakesAnAddressThatHasALabelOfItsOwn) {
    const ipc::Descriptor socket(::socket(AF_INET, SOCK_DGRAM, 0));
    ifreq request{};
    std::strcpy(request.ifr_name, "lo:feed");
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(Address::from_octets(10, 98, 0, 1).v4);
    std::memcpy(&request.ifr_addr, &address, sizeof address);
    ASSERT_EQ(ioctl(socket.get(), SIOCSIFADDR, &request), 0) << std::strerror(errno);
    std::string error;
    EXPECT_TRUE(
        check_kernel_device({"feed", "kernel,iface=lo", Address::from_octets(10, 98, 0, 1)}, error))
        << error;
}

TEST(KernelDeviceTest, TakesEveryAddressOfLoopback) {
    std::string error;
    const auto device = KernelDevice::open({"feed", "kernel,iface=lo", kTwo, 1400}, error);
    ASSERT_NE(device, nullptr) << error;
    EXPECT_EQ(device->mtu(), 1400);
    EXPECT_EQ(device->kernel_name(), "lo");
    EXPECT_TRUE(device->up());
}

}  // namespace
}  // namespace fanfare::dataplane::kernel

int main(int argc, char** argv) {
    ::testing::InitGoogleTest(&argc, argv);
    // Where neither is allowed the machine's own loopback serves as well.
    const bool own = unshare(geteuid() == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET) == 0;
    if (own) fanfare::dataplane::kernel::bring_loopback_up();
    return RUN_ALL_TESTS();
}
