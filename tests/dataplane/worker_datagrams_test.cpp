// Workers on datagram ports: the kernel has the link, the worker has datagrams of PGM in UDP.
#include <gtest/gtest.h>

#include "dataplane/net/datagram.hpp"
#include "tests/dataplane/hosts.hpp"

namespace fanfare::dataplane::test {
namespace {

using client::ReadStatus;
using client::WriteStatus;

constexpr std::uint16_t kUdp = 7600;
const Address kOther = Address::from_octets(10, 0, 0, 2);

HostPlan datagram_plan(Address address = HostPlan{}.address) {
    HostPlan plan;
    plan.address = address;
    plan.datagrams = true;
    return plan;
}

// With `alone` nobody listens any more once the session is open.
void transfer(Network& network, Host& from, Host& to, std::uint16_t source_port,
              bool alone = false) {
    std::vector<std::string> sent;
    for (std::uint32_t i = 0; i < 300; ++i) sent.push_back(message_of(200 + i * 13 % 1200, i));
    Sending& sending = from.send(ipc::SendFormat::message, Host::quick(), kUdp, source_port);
    network.settle();
    const std::size_t before = to.opened().size();
    Reading* reading = nullptr;
    for (const auto& message : sent) {
        int tries = 0;
        while (sending.writer->try_send(octets_of(message)).status != WriteStatus::done) {
            ASSERT_LT(++tries, 10000);
            network.run(kMillisecond);
        }
        if (reading != nullptr) continue;
        ASSERT_TRUE(network.run_until([&] { return to.opened().size() > before; }));
        reading = &to.read(*to.opened().back());
        if (alone) to.unlisten();
    }
    from.finish(sending);
    ASSERT_TRUE(network.run_until([&] { return reading->last.status != ReadStatus::empty; }));
    EXPECT_EQ(reading->last.status, ReadStatus::finished);
    EXPECT_TRUE(reading->messages == sent);
    ASSERT_TRUE(network.run_until([&] { return sending.done; }));
}

// Loses some of what is on the wire, and notes what is no UDP.
struct Watch {
    explicit Watch(Network& network, std::uint32_t percent = 2) {
        std::printf("seed 21\n");
        network.wire.hook = [this, percent](std::span<const std::byte> frame, const sim::SimPort&) {
            net::Datagram datagram;
            const auto what = net::parse_frame(frame, 0, datagram);
            if (what != net::FrameClass::pgm || datagram.udp_port != kUdp) ++strange;
            const bool lose = (random.next() >> 40) % 100 < percent;
            lost += lose;
            return !lose;
        };
    }
    engine::Random random{21};
    std::size_t strange = 0, lost = 0;
};

TEST(DatagramPort, CarriesASessionUnderLossWithoutAWordOfArpOrIgmp) {
    Network network;
    Host& one = network.add(datagram_plan());
    Host& two = network.add(datagram_plan(kOther));
    Watch watch(network);
    two.listen(kGroup, kPort, kUdp);
    network.settle();
    transfer(network, one, two, 4000);
    EXPECT_GT(watch.lost, 0u);
    EXPECT_EQ(watch.strange, 0u);
    EXPECT_EQ(two.counters().igmp_reports_sent.get(), 0u);
    EXPECT_EQ(two.counters().arp_requests_sent.get() + one.counters().arp_requests_sent.get(), 0u);
}

TEST(DatagramPort, MeetsALinkLayerPort) {
    Network network;
    Host& one = network.add(datagram_plan());
    HostPlan link;
    link.address = kOther;
    Host& two = network.add(link);
    // Of the kernel behind the datagram port, whose address this is.
    two.plan.gateway = {};
    two.listen(kGroup, kPort, kUdp);
    network.settle();
    transfer(network, one, two, 4000);
}

TEST(DatagramPort, IsToldGroupsAndUdpPortsAndWhenTheyAreNoLongerWanted) {
    Network network;
    Host& host = network.add(datagram_plan());
    host.listen(kGroup, kPort, kUdp);
    network.settle();
    EXPECT_EQ(host.port().memberships().groups, std::vector{kGroup});
    EXPECT_EQ(host.port().memberships().udp_ports, std::vector{kUdp});
    EXPECT_EQ(host.port().filter_calls(), 0u);
    host.unlisten();
    network.settle();
    EXPECT_TRUE(host.port().memberships().groups.empty());
    EXPECT_TRUE(host.port().memberships().udp_ports.empty());
}

TEST(DatagramPort, LetsTheWorkerSleepAndNeverRunsOutOfGroups) {
    Network network;
    Host& host = network.add(datagram_plan());
    // More groups one after the other than there is room for at a time.
    for (std::uint32_t i = 0; i < 1100; ++i) {
        const Address group{kGroup.v4 + 1 + i};
        host.listen(group, kPort, kUdp, 0);
        network.settle();
        ASSERT_EQ(host.port().memberships().groups, std::vector{group}) << i;
        host.unlisten();
        network.run(3 * kSecond);  // a leave is said twice, one second apart at the most
    }
    EXPECT_GT(host.next_deadline(network.now), network.now);
}

TEST(DatagramPort, IgnoresWhatItSentItself) {
    Network network;
    Host& host = network.add(datagram_plan());
    network.wire.hook = [&](std::span<const std::byte> frame, const sim::SimPort&) {
        host.port().inject(frame);  // as over loopback
        return true;
    };
    host.listen(kGroup, kPort, kUdp);
    network.settle();
    transfer(network, host, host, 4000);
    EXPECT_GE(host.counters().frames_not_for_us.get(), 300u);
    EXPECT_EQ(host.counters().decode_errors[1].get(), 0u);
}

TEST(DatagramPort, ServesSessionsOfAWorkerThatHasNone) {
    for (const std::uint32_t queue : {0u, 1u}) {
        Network network;
        HostPlan plan = datagram_plan();
        plan.workers = 2;
        plan.queues = {queue};
        Host& one = network.add(plan);
        plan.address = kOther;
        Host& two = network.add(plan);
        Watch watch(network);
        two.listen(kGroup, kPort, kUdp, 6);
        network.settle();
        bool owners[2] = {false, false};
        for (std::uint16_t port = 6000; port < 6004; ++port) {
            owners[owner_of(Tsi{Gsi{{9, 8, 7, 6, 5, 1}}, port}, 2)] = true;
            transfer(network, one, two, port);
            if (HasFatalFailure()) return;
        }
        EXPECT_TRUE(owners[0] && owners[1]) << "the test's ports must meet both workers";
        EXPECT_EQ(watch.strange, 0u);
        EXPECT_GT(watch.lost, 0u);
    }
}

// The kernel's sockets are the interface's: they serve whichever worker has the session, to its
// end.
TEST(DatagramPort, KeepsAUdpPortForAnotherWorkersSessionWhenNobodyListensAnyMore) {
    for (std::uint16_t port = 6000; port < 6004; ++port) {
        SCOPED_TRACE("source port " + std::to_string(port));
        Network network;
        HostPlan plan = datagram_plan();
        plan.workers = 2;
        Host& one = network.add(plan);
        plan.address = kOther;
        Host& two = network.add(plan);
        Watch watch(network);
        two.listen(kGroup, kPort, kUdp);
        network.settle();
        transfer(network, one, two, port, true);
        if (HasFatalFailure()) return;
        EXPECT_GT(watch.lost, 0u);
        EXPECT_TRUE(one.port().memberships().udp_ports.empty()) << "its sessions are over";
        two.close(*two.opened().back());
        network.settle();
        EXPECT_TRUE(two.port().memberships().udp_ports.empty());
        EXPECT_TRUE(two.port().memberships().groups.empty());
    }
}

}  // namespace
}  // namespace fanfare::dataplane::test
