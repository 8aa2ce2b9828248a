// Two workers over ports in memory: what one program writes, another reads, octet for octet.
#include "dataplane/worker.hpp"

#include <gtest/gtest.h>

#include "tests/dataplane/hosts.hpp"

namespace fanfare::dataplane::test {
namespace {

class TwoHosts : public ::testing::Test {
  protected:
    TwoHosts()
        : sender(network.add({})), receiver(network.add({Address::from_octets(10, 0, 0, 2)})) {}

    // Writes all, letting time pass when the window is full.
    void write_all(Sending& sending, const std::vector<std::string>& messages) {
        for (const auto& message : messages) {
            std::size_t from = 0;
            const bool stream = sending.format == ipc::SendFormat::stream;
            for (int tries = 0; tries < 100000; ++tries) {
                const auto result = sending.writer->try_send(octets_of(message).subspan(from));
                if (result.status == client::WriteStatus::done) {
                    from += result.bytes;
                    if (!stream || from == message.size()) break;
                } else {
                    ASSERT_EQ(result.status, client::WriteStatus::no_room);
                    network.run(kMillisecond);
                }
            }
        }
    }
    Reading& reading_of_first(client::ReadMode mode = client::ReadMode::message) {
        EXPECT_TRUE(network.run_until([&] { return !receiver.opened().empty(); }));
        return receiver.read(*receiver.opened().at(0), mode);
    }

    Network network;
    Host& sender;
    Host& receiver;
};

TEST_F(TwoHosts, MessagesArriveOctetForOctet) {
    receiver.listen();
    network.settle();
    Sending& sending = sender.send();
    network.settle();
    std::vector<std::string> sent;
    for (std::uint32_t i = 0; i < 500; ++i) sent.push_back(message_of(i * 7 % 1400, i));
    sent.push_back(message_of(100'000, 1000));
    sent.push_back("");
    write_all(sending, {sent.begin(), sent.begin() + 1});
    network.run(kMillisecond);
    Reading& reading = reading_of_first();
    write_all(sending, {sent.begin() + 1, sent.end()});
    sender.finish(sending);
    ASSERT_TRUE(
        network.run_until([&] { return reading.last.status == client::ReadStatus::finished; }));
    EXPECT_EQ(reading.messages, sent);
    ASSERT_TRUE(network.run_until([&] { return sending.done; }));
    EXPECT_EQ(sending.end_state, SessionState::finished);
    EXPECT_EQ(sending.parts.header->sent.load(), sending.parts.header->tail.load());
}

TEST_F(TwoHosts, AStreamIsTheSameOctetsWhateverTheWrites) {
    receiver.listen();
    Sending& sending = sender.send(ipc::SendFormat::stream);
    network.settle();
    const std::string all = message_of(3'000'000, 9);
    write_all(sending, {all.substr(0, 10)});
    network.run(kMillisecond);
    Reading& reading = reading_of_first(client::ReadMode::stream);
    write_all(sending, {all.substr(10)});
    sender.finish(sending);
    ASSERT_TRUE(
        network.run_until([&] { return reading.last.status == client::ReadStatus::finished; }));
    ASSERT_EQ(reading.messages.size(), 1u);
    EXPECT_TRUE(reading.messages[0] == all);
}

TEST_F(TwoHosts, PackedMessagesShareAPacketAndComeOutWhole) {
    receiver.listen();
    Sending& sending = sender.send(ipc::SendFormat::packed);
    network.settle();
    std::vector<std::string> sent{"first"};
    write_all(sending, sent);
    network.run(kMillisecond);
    Reading& reading = reading_of_first();
    const auto before = network.wire.carried;
    std::vector<std::string> more;
    for (std::uint32_t i = 0; i < 1000; ++i) more.push_back(message_of(i % 90, i));
    more.push_back(message_of(1440, 1));
    more.push_back(message_of(50'000, 2));
    write_all(sending, more);
    sent.insert(sent.end(), more.begin(), more.end());
    sender.finish(sending);
    ASSERT_TRUE(
        network.run_until([&] { return reading.last.status == client::ReadStatus::finished; }));
    EXPECT_EQ(reading.messages, sent);
    EXPECT_LT(network.wire.carried - before, 150u);
}

// The records of small messages take several times their payload: the trail has to follow the log.
TEST_F(TwoHosts, SmallMessagesAtRateZeroFlowThroughALogThatIsShorterThanTheirWindow) {
    receiver.listen();
    network.settle();
    engine::SourceParameters parameters = Host::quick();
    parameters.rate_bits_per_s = 0;
    parameters.window_bytes = 1 << 20;
    Sending& sending =
        sender.send(ipc::SendFormat::packed, parameters, 0, 4000, std::uint64_t{1} << 16);
    network.settle();
    std::vector<std::string> sent;
    for (std::uint32_t i = 0; i < 20000; ++i) sent.push_back(message_of(8, i));
    write_all(sending, {sent.begin(), sent.begin() + 1});
    Reading& reading = reading_of_first();
    write_all(sending, {sent.begin() + 1, sent.end()});
    sender.finish(sending);
    ASSERT_TRUE(
        network.run_until([&] { return reading.last.status != client::ReadStatus::empty; }));
    EXPECT_EQ(reading.last.status, client::ReadStatus::finished);
    EXPECT_TRUE(reading.messages == sent);
}

TEST_F(TwoHosts, LostPacketsAreRepairedThroughArpAndUnicastNaks) {
    receiver.listen();
    network.settle();
    engine::Random random(3);
    std::printf("seed 3\n");
    network.wire.hook = [&](std::span<const std::byte>, const sim::SimPort&) {
        return (random.next() >> 40) % 100 >= 5;
    };
    Sending& sending = sender.send();
    network.settle();
    std::vector<std::string> sent;
    for (std::uint32_t i = 0; i < 3000; ++i) sent.push_back(message_of(600 + i % 800, i));
    write_all(sending, {sent.begin(), sent.begin() + 1});
    Reading& reading = reading_of_first();
    write_all(sending, {sent.begin() + 1, sent.end()});
    sender.finish(sending);
    ASSERT_TRUE(
        network.run_until([&] { return reading.last.status != client::ReadStatus::empty; }));
    EXPECT_EQ(reading.last.status, client::ReadStatus::finished);
    EXPECT_TRUE(reading.messages == sent);
    EXPECT_GT(receiver.counters().arp_requests_sent.get(), 0u);
    engine::ReceiverStatistics statistics;
    Sqn trail, lead;
    ASSERT_TRUE(read_statistics(receiver.opened()[0]->session, statistics, trail, lead));
    EXPECT_GT(statistics.losses_repaired, 20u);
}

}  // namespace
}  // namespace fanfare::dataplane::test
