// Ways a packet can take: loopback, hand-over between workers, next hops; and what the interface
// says itself.
#include <gtest/gtest.h>

#include "dataplane/net/arp.hpp"
#include "dataplane/net/internet_checksum.hpp"
#include "dataplane/net/ipv4.hpp"
#include "dataplane/net/multicast_mac.hpp"
#include "tests/dataplane/hosts.hpp"

namespace fanfare::dataplane::test {
namespace {

using client::ReadStatus;
using client::WriteStatus;

const Address kOther = Address::from_octets(10, 0, 0, 2);

void send_all(Network& network, Sending& sending, const std::vector<std::string>& messages) {
    for (const auto& message : messages) {
        int tries = 0;
        while (sending.writer->try_send(octets_of(message)).status != WriteStatus::done) {
            ASSERT_LT(++tries, 10000);
            network.run(kMillisecond);
        }
    }
}

std::vector<std::string> some_messages(std::uint32_t count) {
    std::vector<std::string> list;
    for (std::uint32_t i = 0; i < count; ++i) list.push_back(message_of(200 + i * 13 % 1200, i));
    return list;
}

// One message to open the session, a reader, the rest, and an orderly end.
void transfer(Network& network, Host& from, Host& to, const std::vector<std::string>& sent,
              std::uint16_t source_port, std::uint16_t udp = 0) {
    Sending& sending = from.send(ipc::SendFormat::message, Host::quick(), udp, source_port);
    network.settle();
    const std::size_t before = to.opened().size();
    send_all(network, sending, {sent[0]});
    ASSERT_TRUE(network.run_until([&] { return to.opened().size() > before; }));
    Reading& reading = to.read(*to.opened().back());
    send_all(network, sending, {sent.begin() + 1, sent.end()});
    from.finish(sending);
    ASSERT_TRUE(network.run_until([&] { return reading.last.status != ReadStatus::empty; }));
    EXPECT_EQ(reading.last.status, ReadStatus::finished);
    EXPECT_TRUE(reading.messages == sent);
    ASSERT_TRUE(network.run_until([&] { return sending.done; }));
}

// Check 86.
TEST(Loopback, ReceiversOnTheSendingHostGetTheData) {
    Network network;
    Host& host = network.add({});
    host.listen();
    network.settle();
    transfer(network, host, host, some_messages(500), 4000);
    EXPECT_GE(host.counters().loopback_copies.get(), 500u);
}

TEST(Loopback, IsOffWhereTheSessionSaysSo) {
    Network network;
    Host& host = network.add({});
    host.listen();
    network.settle();
    Sending& sending = host.send();
    sending.session->spec.loopback = false;
    network.settle();
    send_all(network, sending, {"nobody here"});
    network.run(kMillisecond);
    EXPECT_TRUE(host.opened().empty());
    EXPECT_EQ(host.counters().loopback_copies.get(), 0u);
}

TEST(Loopback, ASpmRequestOfALocalLateJoinerReachesTheLocalSource) {
    Network network;
    Host& host = network.add({});
    auto parameters = Host::quick();
    parameters.ambient_spm_ns = 100 * kSecond;
    parameters.heartbeat_spm_ns = {};
    Sending& sending = host.send(ipc::SendFormat::message, parameters);
    network.settle();
    send_all(network, sending, {"before"});
    network.run(10 * kMillisecond);
    host.listen();
    network.settle();
    send_all(network, sending, {"after"});
    network.run(50 * kMillisecond);
    ASSERT_EQ(host.opened().size(), 1u);
    engine::SourceStatistics statistics;
    Sqn trail, lead;
    network.run(kSecond);
    ASSERT_TRUE(read_statistics(sending.session, statistics, trail, lead));
    EXPECT_GT(statistics.spmr_received, 0u);
    EXPECT_EQ(host.counters().arp_requests_sent.get(), 0u);
}

class TwoWorkers : public ::testing::TestWithParam<std::vector<std::uint32_t>> {};

TEST_P(TwoWorkers, SessionsOfBothWorkersRunWhicheverHasTheQueue) {
    Network network;
    HostPlan plan;
    plan.workers = 2;
    plan.queues = GetParam();
    plan.mesh_slots = 256;
    Host& one = network.add(plan);
    plan.address = kOther;
    Host& two = network.add(plan);
    engine::Random random(11);
    std::printf("seed 11\n");
    network.wire.hook = [&](std::span<const std::byte>, const sim::SimPort&) {
        return (random.next() >> 40) % 100 >= 2;
    };
    two.listen(kGroup, kPort, 0, 6);
    one.listen(kGroup, kPort, 0, 6);
    network.settle();
    bool owners[2] = {false, false};
    for (std::uint16_t port = 6000; port < 6004; ++port) {
        owners[owner_of(Tsi{Gsi{{9, 8, 7, 6, 5, 1}}, port}, 2)] = true;
        transfer(network, one, two, some_messages(100), port);
        if (HasFatalFailure()) return;
    }
    EXPECT_TRUE(owners[0] && owners[1]) << "the test's ports must meet both workers";
    EXPECT_GT(two.counters(0).handover_sent.get() + two.counters(1).handover_sent.get(), 0u);
    EXPECT_EQ(two.counters(0).handover_full.get() + two.counters(1).handover_full.get(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Queues, TwoWorkers,
                         ::testing::Values(std::vector<std::uint32_t>{0},
                                           std::vector<std::uint32_t>{1},
                                           std::vector<std::uint32_t>{0, 1},
                                           std::vector<std::uint32_t>{1, 0}));

TEST(Handover, UdpPortsOfAnotherWorkersSessionsAreServed) {
    Network network;
    HostPlan plan;
    plan.workers = 2;
    Host& one = network.add(plan);
    plan.address = kOther;
    Host& two = network.add(plan);
    engine::Random random(12);
    network.wire.hook = [&](std::span<const std::byte>, const sim::SimPort&) {
        return (random.next() >> 40) % 100 >= 3;
    };
    two.listen(kGroup, kPort, 7600, 6);
    network.settle();
    for (std::uint16_t port = 6000; port < 6004; ++port)
        transfer(network, one, two, some_messages(100), port, 7600);
}

TEST(Handover, ASleepingWorkerIsRungWhenItIsHandedSomething) {
    Network network;
    HostPlan plan;
    plan.workers = 2;
    Host& host = network.add(plan);
    Memory memory(sizeof(ipc::WorkerPage));
    host.links[0]->page = ipc::init_worker_page(memory.span(), 0);
    host.links[0]->doorbell = 55;
    // A source port whose session worker 1 owns.
    std::uint16_t port = 6000;
    while (owner_of(Tsi{Gsi{{9, 8, 7, 6, 5, 1}}, port}, 2) != 1) ++port;
    network.settle();
    host.links[0]->page->sleeping.store(1);
    host.wakes.clear();
    host.send(ipc::SendFormat::message, Host::quick(), 0, port);
    host.workers[1]->poll(network.now);
    EXPECT_NE(std::find(host.wakes.begin(), host.wakes.end(), std::pair('c', 55)),
              host.wakes.end());
    EXPECT_EQ(host.links[0]->page->sleeping.load(), 0u);
    network.settle();
}

// What leaves a host, as text.
struct Tap {
    std::vector<std::string> frames;
    explicit Tap(Network& network) {
        network.wire.hook = [this](std::span<const std::byte> frame, const sim::SimPort&) {
            frames.push_back(hex(frame));
            return true;
        };
    }
    std::vector<std::string> of(const std::string& start) const {
        std::vector<std::string> list;
        for (const auto& f : frames) {
            if (f.substr(0, start.size()) == start) list.push_back(f);
        }
        return list;
    }
};

TEST(Link, AnswersArpRequestsForItsAddressOnly) {
    Network network;
    Host& host = network.add({});
    Tap tap(network);
    network.settle();
    const auto ask = [&](const std::string& target) {
        const auto frame = from_hex(
            "ffffffffffff 020000000009 0806 0001080006040001 020000000009 0a000009 "
            "000000000000 " +
            target);
        host.port().inject(frame);
        network.settle();
    };
    ask("0a000007");
    EXPECT_TRUE(tap.of("020000000009").empty());
    ask("0a000001");
    ASSERT_EQ(tap.of("020000000009").size(), 1u);
    EXPECT_EQ(tap.of("020000000009")[0],
              "020000000009"
              "020000000001"
              "0806"
              "0001080006040002"
              "0200000000010a000001"
              "0200000000090a000009");
    EXPECT_EQ(host.counters().arp_replies_sent.get(), 1u);
}

TEST(Link, LeavesArpAndEchoToAKernelThatHoldsTheAddress) {
    Network network;
    HostPlan plan;
    sim::SimPort port(network.wire, MacAddress{{2, 0, 0, 0, 0, 1}});
    port.kernel_answers = true;
    WorkerConfig config;
    config.interfaces.push_back({"feed", plan.address, 24});
    WorkerLink link(0);
    Tap tap(network);
    {
        Worker<sim::SimPort> worker(config, link, {&port}, nullptr);
        port.inject(
            from_hex("ffffffffffff 020000000009 0806 0001080006040001 020000000009 0a000009 "
                     "000000000000 0a000001"));
        worker.poll(kSecond);
        EXPECT_TRUE(tap.frames.empty());
    }
    EXPECT_EQ(port.lent(), 0u);
}

std::vector<std::byte> echo_request() {
    auto icmp = from_hex("0800000012340001 616263646566");
    net::store16(icmp.data() + 2, net::internet_checksum(icmp));
    net::Ipv4Header ip;
    ip.source = Address::from_octets(10, 0, 0, 9);
    ip.destination = Address::from_octets(10, 0, 0, 1);
    ip.protocol = 1;
    ip.ttl = 64;
    auto frame = from_hex("020000000001 020000000009 0800");
    frame.resize(34);
    net::write_ipv4(frame.data() + 14, ip, icmp.size());
    frame.insert(frame.end(), icmp.begin(), icmp.end());
    return frame;
}

TEST(Link, AnswersEchoRequests) {
    Network network;
    Host& host = network.add({});
    Tap tap(network);
    host.port().inject(echo_request());
    network.settle();
    const auto replies = tap.of("020000000009");
    ASSERT_EQ(replies.size(), 1u);
    EXPECT_EQ(replies[0].substr(68, 4), "0000");
    EXPECT_EQ(replies[0].substr(76), "12340001616263646566");
    EXPECT_EQ(host.counters().echo_replies_sent.get(), 1u);
}

TEST(Link, JoinsAreReportedAndTheFilterFollows) {
    Network network;
    Host& host = network.add({});
    Tap tap(network);
    network.settle();
    EXPECT_EQ(host.port().filter(), std::vector<MacAddress>{net::multicast_mac(net::kAllSystems)});
    host.listen();
    network.run(2 * kSecond);
    const std::string report =
        "01005e000016"
        "020000000001"
        "0800"
        "46c00028"
        "00004000"
        "0102";
    ASSERT_EQ(tap.of(report).size(), 2u);
    // Source, all IGMPv3 routers, Router Alert; report, one record, to-exclude, the group.
    EXPECT_EQ(tap.of(report)[0].substr(52),
              "0a000001"
              "e0000016"
              "94040000"
              "2200e8f9"
              "00000001"
              "04000000"
              "ef010203");
    EXPECT_EQ(host.port().filter().size(), 2u);
    EXPECT_TRUE(host.port().lets_in(net::multicast_mac(kGroup)));
    tap.frames.clear();
    host.unlisten();
    network.run(2 * kSecond);
    ASSERT_EQ(tap.of(report).size(), 2u);
    EXPECT_EQ(tap.of(report)[0].substr(92, 2), "03");
    EXPECT_EQ(host.port().filter().size(), 1u);
    EXPECT_EQ(host.counters().igmp_reports_sent.get(), 4u);
}

TEST(Link, ASessionKeepsItsGroupJoinedWhenNobodyListensAnyMore) {
    Network network;
    Host& one = network.add({});
    Host& two = network.add({kOther});
    two.listen();
    network.settle();
    Sending& sending = one.send();
    network.settle();
    send_all(network, sending, {"a"});
    network.settle();
    ASSERT_EQ(two.opened().size(), 1u);
    Reading& reading = two.read(*two.opened()[0]);
    two.unlisten();
    network.settle();
    send_all(network, sending, {"b"});
    network.settle();
    EXPECT_EQ(reading.messages, (std::vector<std::string>{"a", "b"}));
    two.close(*two.opened()[0]);
    network.settle();
    EXPECT_FALSE(two.port().lets_in(net::multicast_mac(kGroup)));
}

TEST(Link, MH30ASessionThatEndedLeavesItsGroupThoughItIsStillRead) {
    Network network;
    Host& one = network.add({});
    Host& two = network.add({kOther});
    two.listen();
    network.settle();
    Sending& sending = one.send();
    network.settle();
    send_all(network, sending, {"a"});
    network.settle();
    ASSERT_EQ(two.opened().size(), 1u);
    two.read(*two.opened()[0]);
    two.unlisten();
    network.settle();
    EXPECT_TRUE(two.port().lets_in(net::multicast_mac(kGroup)));
    one.finish(sending);
    network.run(kSecond);
    EXPECT_FALSE(two.port().lets_in(net::multicast_mac(kGroup)));
    two.close(*two.opened()[0]);
    network.settle();
    EXPECT_FALSE(two.port().lets_in(net::multicast_mac(kGroup)));
}

TEST(Link, ASessionThatOneSourceAloneIsHeardForLetsIgmpAskForNobodyElse) {
    Network network;
    Host& one = network.add({});
    Host& two = network.add({kOther});
    Tap tap(network);
    network.settle();
    two.listen(kGroup, kPort, 0, 2, Address::from_octets(10, 0, 0, 1));
    Sending& sending = one.send();
    network.settle();
    send_all(network, sending, {"a"});
    network.run(2 * kSecond);
    ASSERT_EQ(two.opened().size(), 1u);
    two.read(*two.opened()[0]);
    two.unlisten();  // the session alone holds the group now
    network.run(2 * kSecond);
    const auto reports = tap.of("01005e000016");
    ASSERT_GE(reports.size(), 1u);
    for (const std::string& report : reports) {
        // RFC 3376 4.2.12: one record, ALLOW_NEW_SOURCES, one source, the group, the source.
        EXPECT_EQ(report.substr(84), "0000000105000001ef0102030a000001");
    }
}

TEST(Link, ASessionOnAnotherWorkerKeepsItsGroupJoinedToo) {
    Network network;
    HostPlan plan;
    Host& one = network.add(plan);
    plan.address = kOther;
    plan.workers = 2;
    Host& two = network.add(plan);
    two.listen();
    network.settle();
    std::uint16_t port = 6000;
    while (owner_of(Tsi{Gsi{{9, 8, 7, 6, 5, 1}}, port}, 2) != 1) ++port;
    Sending& sending = one.send(ipc::SendFormat::message, Host::quick(), 0, port);
    network.settle();
    send_all(network, sending, {"a"});
    network.settle();
    ASSERT_EQ(two.opened().size(), 1u);
    two.unlisten();
    network.settle();
    EXPECT_TRUE(two.port(0).lets_in(net::multicast_mac(kGroup)));
    two.close(*two.opened()[0]);
    network.settle();
    EXPECT_FALSE(two.port(0).lets_in(net::multicast_mac(kGroup)));
}

// A receiver whose source is far away: where do its NAKs go?
class NextHop : public ::testing::Test {
  protected:
    std::vector<std::string> naks(Address gateway) {
        HostPlan plan;
        plan.address = Address::from_octets(192, 168, 7, 1);
        Host& far = network.add(plan);
        plan.address = kOther;
        plan.gateway = gateway;
        Host& near = network.add(plan);
        std::vector<std::string> list;
        bool lossy = false;
        network.wire.hook = [&](std::span<const std::byte> frame, const sim::SimPort& from) {
            const std::string text = hex(frame);
            if (&from == &near.port() && text.substr(24, 4) == "0800" &&
                text.substr(46, 2) == "71") {
                // What its subnet is told goes to the group.
                (text.substr(60, 8) == "ef010203" ? told : list).push_back(text);
            }
            if (lossy && &from == &far.port() && text.substr(46, 2) == "71" &&
                text.substr(76, 2) == "04") {
                lossy = false;
                return false;
            }
            return true;
        };
        near.listen();
        network.settle();
        Sending& sending = far.send();
        network.settle();
        send_all(network, sending, {"one"});
        network.run(kMillisecond);
        lossy = true;
        send_all(network, sending, {"two"});
        network.settle();
        send_all(network, sending, {"three"});
        network.run(5 * kMillisecond);
        if (!gateway.is_none()) {
            near.port().inject(
                from_hex("020000000002 0200000000fe 0806 0001080006040002 0200000000fe 0a0000fe "
                         "020000000002 0a000002"));
            network.run(5 * kMillisecond);
        }
        return list;
    }
    std::vector<std::string> told;
    Network network;
};

// RFC 3208 6.3.
TEST_F(NextHop, BeyondThePrefixTheSubnetIsToldOfANakWithTtl1) {
    const auto list = naks(Address::from_octets(10, 0, 0, 254));
    ASSERT_FALSE(told.empty());
    for (const auto& nak : told) {
        EXPECT_EQ(nak.substr(0, 12), "01005e010203");
        EXPECT_EQ(nak.substr(44, 2), "01");
    }
}
TEST_F(NextHop, BeyondThePrefixItIsTheGateway) {
    const auto list = naks(Address::from_octets(10, 0, 0, 254));
    ASSERT_FALSE(list.empty());
    for (const auto& nak : list) {
        EXPECT_EQ(nak.substr(0, 12), "0200000000fe");
        EXPECT_EQ(nak.substr(60, 8), "c0a80701");
    }
}
TEST_F(NextHop, WithoutAGatewayItIsWhereTheSpmsComeFrom) {
    const auto list = naks({});
    ASSERT_FALSE(list.empty());
    for (const auto& nak : list) {
        EXPECT_EQ(nak.substr(0, 12), "020000000001");
        EXPECT_EQ(nak.substr(60, 8), "c0a80701");
    }
    // Nobody on this link has that address: asking for it would be a wait for nothing.
    EXPECT_EQ(network.hosts.back()->counters().arp_requests_sent.get(), 0u);
}

TEST(Link, TagsAndDscpAreOnEveryFrameAndOtherVlansAreIgnored) {
    Network network;
    HostPlan plan;
    plan.vlan = 100;
    plan.dscp = 46;
    Host& one = network.add(plan);
    plan.address = kOther;
    Host& two = network.add(plan);
    plan.address = Address::from_octets(10, 0, 0, 3);
    plan.vlan = 101;
    Host& stranger = network.add(plan);
    Tap tap(network);
    two.listen();
    stranger.listen();
    network.settle();
    const auto sent = some_messages(20);
    Sending& sending = one.send();
    network.settle();
    send_all(network, sending, sent);
    network.run(kMillisecond);
    EXPECT_EQ(two.opened().size(), 1u);
    EXPECT_TRUE(stranger.opened().empty());
    for (const auto& frame : tap.frames) EXPECT_EQ(frame.substr(24, 4), "8100");
    const auto data = tap.of(
        "01005e010203"
        "020000000001"
        "81000064"
        "080045b8");
    EXPECT_GE(data.size(), 20u);
}

TEST(ReceiveLossOnPurpose, IsMadeGoodByRepairs) {
    Network network;
    Host& one = network.add({});
    HostPlan plan;
    plan.address = kOther;
    plan.receive_loss = {10, 3};
    Host& two = network.add(plan);
    two.listen();
    network.settle();
    transfer(network, one, two, some_messages(2000), 4000);
    EXPECT_GT(two.counters().frames_lost_on_purpose.get(), 150u);
}

}  // namespace
}  // namespace fanfare::dataplane::test
