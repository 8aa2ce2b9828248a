// A worker as designated local repairer: what it says for a source elsewhere.
#include <gtest/gtest.h>

#include <cstring>

#include "dataplane/net/datagram.hpp"
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

}  // namespace
}  // namespace fanfare::dataplane::test
