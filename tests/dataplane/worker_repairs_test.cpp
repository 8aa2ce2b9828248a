// A worker as designated local repairer: what it says for a source elsewhere.
#include <gtest/gtest.h>

#include <cstring>

#include "dataplane/net/datagram.hpp"
#include "dataplane/net/multicast_mac.hpp"
#include "dataplane/receive_session.hpp"
#include "dataplane/source_session.hpp"
#include "tests/dataplane/hosts.hpp"

namespace fanfare::dataplane::test {
namespace {

using client::ReadStatus;
using client::WriteStatus;

const Address kRepairerAddress = Address::from_octets(10, 0, 1, 9);

// A source, a repairer, and a receiver in another subnet of the same wire.
struct Site {
    Network network;
    Host& source = network.add({});
    Host& repairer = network.add(plan_of(kRepairerAddress));
    Host& receiver = network.add(plan_of(Address::from_octets(10, 0, 2, 7), 5));
    Window* window = nullptr;  // of the repairer's session

    static HostPlan plan_of(Address address, double loss = 0) {
        HostPlan plan;
        plan.address = address;
        plan.receive_loss = {loss, 42};
        // No router joins the subnets of this wire: what leaves the receiver's goes to the
        // repairer.
        if (loss > 0) plan.gateway = kRepairerAddress;
        return plan;
    }
    Site() {
        Command listen;
        listen.kind = Command::Kind::add_listen;
        listen.listen.listen_id = 77;
        listen.listen.group = kGroup;
        listen.listen.repairs = true;  // any port
        repairer.post(0, listen);
        auto made = std::make_unique<Window>(1000, 1 << 20, 1 << 12);
        free_receive_session(made->session);
        ReceiveSpec spec;
        spec.session_id = 1000;
        spec.parameters = repairer.receiver;
        spec.region = made->parts.header;
        spec.index = made->parts.index.data();
        spec.index_entries = static_cast<std::uint32_t>(made->parts.index.size());
        spec.log = made->parts.log.data();
        spec.log_bytes = made->parts.log.size();
        spec.repairer = true;
        spec.repairs.announce_interval_ns = 50 * kMillisecond;
        made->session = make_receive_session(spec, checksum::best_kernels());
        window = made.get();
        repairer.windows.push_back(std::move(made));
        Command add;
        add.kind = Command::Kind::add_spare;
        add.id = 1000;
        add.receive = window->session;
        repairer.post(0, add);
        receiver.listen();
        network.settle();
    }
    void send(Sending& sending, std::uint32_t from, std::uint32_t count) {
        for (std::uint32_t i = from; i < from + count; ++i) {
            while (sending.writer->try_send(octets_of(message_of(700, i))).status !=
                   WriteStatus::done) {
                network.run(kMillisecond);
            }
        }
        network.settle();
    }
    RepairFigures figures() {
        window->session->take_snapshot();
        RepairFigures out;
        EXPECT_TRUE(read_repairs(window->session, out));
        return out;
    }
};

TEST(WorkerRepairs, AReceiverBelowIsRepairedByTheRepairerAndNotByTheSource) {
    Site site;
    Sending& sending = site.source.send();
    site.send(sending, 0, 10);
    ASSERT_TRUE(
        site.network.run_until([&] { return !site.receiver.opened().empty(); }, 5 * kSecond));
    Reading& reading = site.receiver.read(*site.receiver.opened().back());
    // An SPM later it has offered itself.
    ASSERT_TRUE(site.network.run_until([&] { return site.figures().statistics.offers_sent > 0; },
                                       3 * kSecond));
    site.network.run(10 * kMillisecond);
    site.send(sending, 10, 410);
    ASSERT_TRUE(site.network.run_until([&] { return reading.messages.size() == 420; }));
    const engine::SourceStatistics source = sending.session->source.statistics();
    EXPECT_EQ(source.rdata_packets_sent, 0u);
    EXPECT_GT(source.nnaks_received, 0u);
    site.source.finish(sending);
    ASSERT_TRUE(site.network.run_until([&] { return reading.last.status != ReadStatus::empty; }));
    EXPECT_EQ(reading.last.status, ReadStatus::finished);
    EXPECT_EQ(reading.messages.size(), 420u);
    const auto figures = site.figures();
    EXPECT_GT(figures.statistics.rdata_sent, 0u);
    EXPECT_GT(figures.statistics.nnak_sent, 0u);
    EXPECT_GE(figures.memory_packets, 420u);
}

// The frame of a packet; `wrong` is added to its checksum.
std::vector<std::byte> frame_of(const wire::Packet& packet, Address from, Address to,
                                std::uint16_t wrong = 0) {
    constexpr std::size_t kTpduAt = net::kEthernetSize + net::kIpv4Size;
    std::vector<std::byte> frame(kTpduAt + wire::encoded_size(packet));
    const auto tpdu = std::span(frame).subspan(kTpduAt);
    EXPECT_NE(wire::encode(packet, tpdu), 0u);
    const auto sum = static_cast<std::uint16_t>(
        checksum::finish(checksum::best_kernels().sum(tpdu.data(), tpdu.size())) + wrong);
    std::memcpy(tpdu.data() + wire::kChecksumAt, &sum, sizeof sum);
    net::Ipv4Header ip;
    ip.source = from;
    ip.destination = to;
    ip.protocol = wire::kIpProtocolPgm;
    ip.ttl = 1;
    net::write_ipv4(frame.data() + net::kEthernetSize, ip, tpdu.size());
    const MacAddress mac = to.is_multicast()
                               ? net::multicast_mac(to)
                               : MacAddress{{2, 0, 0, 0, 0, static_cast<std::uint8_t>(to.v4)}};
    net::write_ethernet(frame.data(), {mac, MacAddress{{2, 0, 0, 0, 0, 0x99}}, 0, net::kTypeIpv4});
    return frame;
}

TEST(WorkerRepairs, ADamagedCopyOfAPacketPutsNoMarkOnItsRepair) {
    Site site;
    wire::Packet data{}, repair{};
    std::vector<std::byte> kept, repaired;
    site.network.wire.hook = [&](std::span<const std::byte> frame, const sim::SimPort&) {
        net::Datagram datagram;
        if (net::parse_frame(frame, 0, datagram) != net::FrameClass::pgm) return true;
        wire::Packet packet{};
        if (wire::decode(datagram.payload, packet) != wire::DecodeError::none) return true;
        if (packet.type == wire::Type::odata) {
            kept.assign(datagram.payload.begin(), datagram.payload.end());
            wire::decode(kept, data);
        } else if (packet.type == wire::Type::rdata && packet.sqn == data.sqn) {
            repaired.assign(datagram.payload.begin(), datagram.payload.end());
            wire::decode(repaired, repair);
        }
        return true;
    };
    Sending& sending = site.source.send();
    site.send(sending, 0, 10);
    ASSERT_FALSE(kept.empty());
    ASSERT_FALSE(data.options.has(wire::OptionBit::fin));
    wire::Packet copy = data;
    copy.options.set(wire::OptionBit::fin);
    copy.flags = wire::option_flags(copy.type, copy.options.present);
    site.repairer.port().inject(frame_of(copy, site.source.plan.address, kGroup, 1));
    site.network.settle();

    wire::Packet nak{};
    nak.type = wire::Type::nak;
    nak.gsi = data.gsi;
    nak.source_port = data.destination_port;
    nak.destination_port = data.source_port;
    nak.sqn = data.sqn;
    nak.source = site.source.plan.address;
    nak.group = kGroup;
    repaired.clear();
    site.repairer.port().inject(frame_of(nak, Address::from_octets(10, 0, 2, 8), kRepairerAddress));
    site.network.run(10 * kMillisecond);
    ASSERT_FALSE(repaired.empty()) << "the repairer answers";
    EXPECT_FALSE(repair.options.has(wire::OptionBit::fin));
}

}  // namespace
}  // namespace fanfare::dataplane::test
