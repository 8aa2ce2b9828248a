// Datagram sockets on workers: who gets what, filters, loops, room, hostile regions.
#include <gtest/gtest.h>

#include <algorithm>

#include "dataplane/datagram_table.hpp"
#include "tests/dataplane/hosts.hpp"

namespace fanfare::dataplane::test {
namespace {

constexpr Address kNear = Address::from_octets(10, 0, 0, 1),
                  kFar = Address::from_octets(10, 0, 0, 2),
                  kThird = Address::from_octets(10, 0, 0, 3),
                  kOtherGroup = Address::from_octets(239, 9, 9, 9);
constexpr std::uint64_t kLogBytes = 1 << 16;
constexpr std::uint32_t kEntries = 64;
constexpr std::uint16_t kRecord = 1472 + sizeof(ipc::SentDatagram);

// A program with a datagram socket.
struct Program {
    explicit Program(std::uint64_t id)
        : receive(ipc::ReceiveLayout::for_log(kLogBytes, kEntries).total_bytes),
          send(ipc::SendLayout::for_log(kLogBytes).total_bytes),
          page_memory(sizeof(ipc::SocketPage)) {
        const auto in = ipc::ReceiveLayout::for_log(kLogBytes, kEntries).init(receive.span(), id);
        const auto out = ipc::SendLayout::for_log(kLogBytes).init(
            send.span(), id, ipc::SendFormat::message, kRecord, kRecord);
        page = ipc::init_socket_page(page_memory.span(), id, 2);
        socket = std::make_shared<DatagramSocket>();
        socket->socket_id = id;
        socket->region = in.header;
        socket->index = in.index.data();
        socket->index_entries = static_cast<std::uint32_t>(in.index.size());
        socket->log = in.log.data();
        socket->log_bytes = in.log.size();
        socket->send_region = out.header;
        socket->send_log_bytes = out.log.size();
        socket->page = page;
        socket->endpoint = static_cast<int>(id);
        socket->first_ordinal = socket->next_ordinal = std::uint64_t{1} << 32;
        in.header->start_ordinal = in.header->lead = std::uint64_t{1} << 32;
        socket->cutter = {out.log.data(), out.log.size(), ipc::SendFormat::message, kRecord,
                          kRecord};
        reader.emplace(*ipc::ReceiveView::open(receive.span()), *page, client::ReadMode::message);
        writer.emplace(*ipc::SendView::open(send.span()), *page);
        entry.socket = socket;
        entry.port = kPort;
    }
    bool say(const std::string& text, Address to, std::uint16_t port = kPort) {
        const ipc::SentDatagram head{to, {}, port, 0, 0};
        const client::DataPart parts[] = {
            {reinterpret_cast<const std::byte*>(&head), sizeof head},
            {reinterpret_cast<const std::byte*>(text.data()), text.size()}};
        return writer->try_send(parts).status == client::WriteStatus::done;
    }
    struct Got {
        ipc::ReceivedDatagram head;
        std::string text;
    };
    std::vector<Got> take() {
        std::vector<Got> all;
        std::vector<std::byte> room(1 << 16);
        for (;;) {
            const auto result = reader->try_recv(std::span(room));
            last = result.status;
            if (result.status != client::ReadStatus::data) return all;
            Got got;
            std::memcpy(&got.head, room.data(), sizeof got.head);
            got.text.assign(reinterpret_cast<const char*>(room.data()) + sizeof got.head,
                            result.bytes - sizeof got.head);
            all.push_back(std::move(got));
        }
    }
    std::vector<std::string> texts() {
        std::vector<std::string> out;
        for (const Got& got : take()) out.push_back(got.text);
        return out;
    }
    void join(Address group, bool any = true, std::vector<Address> sources = {}) {
        std::sort(sources.begin(), sources.end());
        entry.memberships.push_back({0, group, any, sources});
    }
    Memory receive, send, page_memory;
    ipc::SocketPage* page;
    std::shared_ptr<DatagramSocket> socket;
    std::optional<client::MessageReader> reader;
    std::optional<client::MessageWriter> writer;
    DatagramEntry entry;
    client::ReadStatus last = client::ReadStatus::empty;
};

using Texts = std::vector<std::string>;

class WorkerDatagrams : public ::testing::Test {
  protected:
    Host& host(Address address, std::uint32_t workers = 1,
               std::vector<std::uint32_t> queues = {0}) {
        HostPlan plan;
        plan.address = address;
        plan.workers = workers;
        plan.queues = std::move(queues);
        return network.add(plan);
    }
    // The table of these programs, to every worker of the host.
    void give(Host& host, const std::vector<Program*>& programs) {
        queue(host, programs);
        network.settle();
    }
    void queue(Host& host, const std::vector<Program*>& programs) {
        auto table = std::make_unique<DatagramTable>();
        table->version = ++version;
        table->ports.resize(1024);
        table->interfaces = {42};
        for (Program* program : programs) {
            table->entries.push_back(program->entry);
            table->entries.back().former_tail = program->socket->send_region->tail;
            const std::uint16_t port = program->entry.port;
            table->ports[port / 64] |= std::uint64_t{1} << (port % 64);
            for (const auto& m : program->entry.memberships) {
                const auto same = std::find_if(table->filters.begin(), table->filters.end(),
                                               [&](const auto& f) { return f.group == m.group; });
                if (same == table->filters.end())
                    table->filters.push_back({0, m.group, m.any_source, m.sources});
            }
        }
        std::sort(table->filters.begin(), table->filters.end(),
                  [](const auto& a, const auto& b) { return a.group < b.group; });
        Command command;
        command.kind = Command::Kind::set_datagrams;
        command.datagrams = table.get();
        for (std::uint32_t w = 0; w < host.plan.workers; ++w) host.post(w, command);
        tables.push_back(std::move(table));
    }
    void settle() { network.run(kMillisecond); }

    std::vector<std::unique_ptr<DatagramTable>> tables;  // outlive the hosts
    std::uint64_t version = 0;
    Network network;
};

TEST_F(WorkerDatagrams, ADatagramReachesEveryMemberOfItsGroupAndSaysWhereItComesFrom) {
    Host &near = host(kNear), &far = host(kFar);
    Program sender(1), member(2), second(3);
    member.join(kGroup);
    second.join(kGroup);
    give(near, {&sender});
    give(far, {&member, &second});
    ASSERT_TRUE(sender.say("hello", kGroup) && sender.say("", kGroup));
    settle();
    const auto got = member.take();
    ASSERT_EQ(got.size(), 2u);
    EXPECT_EQ(got[0].text, "hello");
    EXPECT_EQ(got[1].text, "");
    EXPECT_EQ(got[0].head.source, kNear);
    EXPECT_EQ(got[0].head.destination, kGroup);
    EXPECT_EQ(got[0].head.source_port, kPort);
    EXPECT_EQ(got[0].head.interface_index, 42u);
    EXPECT_EQ(got[0].head.interface_address, kFar);
    EXPECT_EQ(got[0].head.ttl, 1);
    EXPECT_EQ(second.texts(), (Texts{"hello", ""}));
    EXPECT_EQ(far.counters().datagrams_received.get(), 4u);
    EXPECT_EQ(far.counters().datagrams_checksum_wrong.get(), 0u);
}

// Check 195.
TEST_F(WorkerDatagrams, Check195ASocketGetsOnlyGroupsThatItJoinedItself) {
    Host &near = host(kNear), &far = host(kFar);
    Program sender(1), member(2), stranger(3), elsewhere(4), bound(5);
    member.join(kGroup);
    elsewhere.join(kOtherGroup);
    bound.join(kGroup);
    bound.entry.bound = kOtherGroup;
    give(near, {&sender});
    give(far, {&member, &stranger, &elsewhere, &bound});
    ASSERT_TRUE(sender.say("hello", kGroup));
    settle();
    EXPECT_EQ(member.texts(), Texts{"hello"});
    EXPECT_TRUE(stranger.texts().empty() && elsewhere.texts().empty() && bound.texts().empty());
}

// Check 190.
TEST_F(WorkerDatagrams, Check190ABlockedSourceIsNotHeardOthersAreAndItIsAgainWhenUnblocked) {
    Host &near = host(kNear), &far = host(kFar), &third = host(kThird);
    Program blocked(1), heard(2), member(3);
    member.join(kGroup, true, {kNear});
    give(near, {&blocked});
    give(third, {&heard});
    give(far, {&member});
    ASSERT_TRUE(blocked.say("no", kGroup) && heard.say("yes", kGroup));
    settle();
    EXPECT_EQ(member.texts(), Texts{"yes"});
    member.entry.memberships.clear();
    member.join(kGroup);
    give(far, {&member});
    ASSERT_TRUE(blocked.say("again", kGroup));
    settle();
    EXPECT_EQ(member.texts(), Texts{"again"});
}

// Check 191.
TEST_F(WorkerDatagrams, Check191ASourceMembershipHearsTheListedSourcesAlone) {
    Host &near = host(kNear), &far = host(kFar), &third = host(kThird);
    Program listed(1), unlisted(2), member(3);
    member.join(kGroup, false, {kNear});
    give(near, {&listed});
    give(third, {&unlisted});
    give(far, {&member});
    ASSERT_TRUE(unlisted.say("no", kGroup) && listed.say("yes", kGroup));
    settle();
    EXPECT_EQ(member.texts(), Texts{"yes"});
}

TEST_F(WorkerDatagrams, AUnicastDatagramReachesOneSocketTheConnectedBeforeTheYoungest) {
    Host &near = host(kNear), &far = host(kFar);
    Program sender(1), old(2), young(3), connected(4);
    connected.entry.peer = kThird;
    connected.entry.peer_port = kPort;
    give(near, {&sender});
    give(far, {&old, &young, &connected});
    ASSERT_TRUE(sender.say("one", kFar));
    network.run(10 * kMillisecond);  // ARP first
    EXPECT_EQ(young.texts(), Texts{"one"});
    connected.entry.peer = kNear;
    give(far, {&old, &connected, &young});
    ASSERT_TRUE(sender.say("two", kFar));
    settle();
    EXPECT_EQ(connected.texts(), Texts{"two"});
    EXPECT_TRUE(old.texts().empty() && young.texts().empty());
}

TEST_F(WorkerDatagrams, WhatIsSentIsHeardOnThisHostUnlessItsLoopIsOff) {
    Host &near = host(kNear), &far = host(kFar);
    Program self(1), remote(2);
    self.join(kGroup);
    remote.join(kGroup);
    give(near, {&self});
    give(far, {&remote});
    ASSERT_TRUE(self.say("loop", kGroup));
    settle();
    EXPECT_EQ(self.texts(), Texts{"loop"});
    self.entry.multicast_loop = false;
    give(near, {&self});
    ASSERT_TRUE(self.say("away", kGroup));
    self.entry.multicast_loop = true;
    settle();
    EXPECT_TRUE(self.texts().empty());
    // TTL 0 stays on the host.
    self.entry.multicast_ttl = 0;
    give(near, {&self});
    ASSERT_TRUE(self.say("here", kGroup));
    settle();
    EXPECT_EQ(self.texts(), Texts{"here"});
    EXPECT_EQ(remote.texts(), (Texts{"loop", "away"}));
    ASSERT_TRUE(self.say("me", kNear));
    settle();
    EXPECT_EQ(self.texts(), Texts{"me"});
}

TEST_F(WorkerDatagrams, ADatagramGoesByTheOptionsOfItsTimeHoweverManyChangesWait) {
    Host &near = host(kNear), &far = host(kFar);
    Program self(1), remote(2);
    self.join(kGroup);
    remote.join(kGroup);
    give(near, {&self});
    give(far, {&remote});
    ASSERT_TRUE(self.say("first", kGroup));
    self.entry.multicast_loop = false;
    queue(near, {&self});
    ASSERT_TRUE(self.say("second", kGroup));
    self.entry.multicast_loop = true;
    queue(near, {&self});
    ASSERT_TRUE(self.say("third", kGroup));
    settle();
    EXPECT_EQ(self.texts(), (Texts{"first", "third"}));
    EXPECT_EQ(remote.texts(), (Texts{"first", "second", "third"}));
}

TEST_F(WorkerDatagrams, AllThatWasSentBeforeACloseLeaves) {
    Host &near = host(kNear), &far = host(kFar);
    Program closes(1), stays(2), member(3);
    member.join(kGroup);
    give(near, {&closes, &stays});
    give(far, {&member});
    for (int i = 0; i < 400; ++i) ASSERT_TRUE(closes.say("x", kGroup));
    queue(near, {&stays});
    ASSERT_TRUE(stays.say("after", kGroup));
    settle();
    EXPECT_EQ(near.counters().datagrams_sent.get(), 401u);
    EXPECT_EQ(near.counters().datagrams_refused.get(), 0u);
    EXPECT_EQ(closes.socket->sent.get(), 400u);
}

TEST_F(WorkerDatagrams, APortThatTakesNothingHoldsACloseUpForAWhileAndWhatIsLostIsCounted) {
    Host& near = host(kNear);
    Program closes(1);
    give(near, {&closes});
    near.port().takes_at_most = 0;
    for (int i = 0; i < 400; ++i) ASSERT_TRUE(closes.say("x", kGroup));
    queue(near, {});
    network.run(kSecond);
    EXPECT_EQ(near.events.back().kind, WorkerEvent::Kind::datagrams_replaced);
    EXPECT_GT(closes.socket->refused.get(), 0u);
    EXPECT_EQ(closes.socket->sent.get() + closes.socket->refused.get(), 400u);
    EXPECT_EQ(near.counters().datagrams_refused.get(), closes.socket->refused.get());
}

TEST_F(WorkerDatagrams, WhatASocketThatStaysCouldNotSendBeforeAChangeLeavesLater) {
    Host& near = host(kNear);
    Program stays(1);
    give(near, {&stays});
    const std::size_t all = near.port().takes_at_most;
    near.port().takes_at_most = 0;
    for (int i = 0; i < 400; ++i) ASSERT_TRUE(stays.say("x", kGroup));
    queue(near, {&stays});
    network.run(kSecond);
    EXPECT_EQ(near.events.back().kind, WorkerEvent::Kind::datagrams_replaced);
    EXPECT_EQ(near.counters().datagrams_refused.get(), 0u);
    near.port().takes_at_most = all;
    network.run(kSecond);
    EXPECT_EQ(stays.socket->sent.get(), 400u);
    EXPECT_EQ(near.counters().datagrams_refused.get(), 0u);
}

TEST_F(WorkerDatagrams, AReaderThatIsBehindLosesTheNewestAndNeverWhatItHas) {
    Host &near = host(kNear), &far = host(kFar);
    Program sender(1), member(2);
    member.join(kGroup);
    give(near, {&sender});
    give(far, {&member});
    Texts sent;
    for (std::uint32_t i = 0; i < 300; ++i) {
        sent.push_back(message_of(1 + i * 37 % 1400, i));
        ASSERT_TRUE(sender.say(sent.back(), kGroup));
        if (i % 16 == 0) settle();
    }
    settle();
    const Texts got = member.texts();
    EXPECT_EQ(member.last, client::ReadStatus::empty);
    ASSERT_GT(got.size(), 20u);
    EXPECT_EQ(got, Texts(sent.begin(), sent.begin() + static_cast<std::ptrdiff_t>(got.size())));
    EXPECT_EQ(far.counters().datagrams_dropped_full.get(), sent.size() - got.size());
    EXPECT_EQ(member.socket->dropped_full.get(), sent.size() - got.size());
    // And goes on, over many laps, with nothing lost while it keeps up.
    for (std::uint32_t i = 0; i < 500; ++i) {
        const std::string text = message_of(i * 53 % 1400, i);
        ASSERT_TRUE(sender.say(text, kGroup));
        settle();
        ASSERT_EQ(member.texts(), Texts{text}) << i;
    }
}

TEST_F(WorkerDatagrams, ACursorThatLiesHarmsItsOwnSocketAlone) {
    Host &near = host(kNear), &far = host(kFar);
    Program sender(1), liar(2), honest(3);
    liar.join(kGroup);
    honest.join(kGroup);
    give(near, {&sender});
    give(far, {&liar, &honest});
    for (std::uint32_t i = 0; i < 200; ++i) {
        liar.page->cursor_ordinal = i % 3 == 0 ? 7 : ~std::uint64_t{0} - i;
        ASSERT_TRUE(sender.say("x" + std::to_string(i), kGroup));
        settle();
        ASSERT_EQ(honest.texts(), Texts{"x" + std::to_string(i)});
    }
}

TEST_F(WorkerDatagrams, WhatMakesNoSenseInASendRegionEndsThatSocketAlone) {
    Host &near = host(kNear), &far = host(kFar);
    Program liar(1), honest(2), member(3);
    member.join(kGroup);
    give(near, {&liar, &honest});
    give(far, {&member});
    liar.socket->send_region->tail = 1 << 30;
    ASSERT_TRUE(honest.say("fine", kGroup));
    settle();
    EXPECT_TRUE(liar.socket->failed);
    EXPECT_EQ(std::count(near.wakes.begin(), near.wakes.end(), std::pair{'h', 1}), 1);
    EXPECT_EQ(member.texts(), Texts{"fine"});
    // A destination that is none, and one too long for the MTU, are refused and counted.
    ASSERT_TRUE(honest.say("nowhere", Address{}) && honest.say("x", kGroup, 0));
    ASSERT_TRUE(honest.say("goes on", kGroup));
    settle();
    EXPECT_EQ(member.texts(), Texts{"goes on"});
    EXPECT_EQ(near.counters().datagrams_refused.get(), 2u);
}

TEST_F(WorkerDatagrams, ADamagedDatagramIsDropped) {
    Host& far = host(kFar);
    Program member(1);
    member.join(kGroup);
    give(far, {&member});
    // 10.0.0.1:7500 to 239.1.2.3:7500 "ab", checksum wrong by one bit, and none at all.
    const auto frame = [&](std::uint16_t sum) {
        auto octets = from_hex(
            "01005e010203 020000000099 0800 4500001e00000000 0111 0000"
            "0a000001 ef010203 1d4c1d4c000a0000 6162");
        net::store16(octets.data() + 24, net::internet_checksum({octets.data() + 14, 20}));
        net::store16(octets.data() + 40, sum);
        return octets;
    };
    for (const std::uint16_t sum : {std::uint16_t{0x1234}, std::uint16_t{0}}) {
        const auto octets = frame(sum);
        network.wire.carry(octets, nullptr);
        settle();
    }
    EXPECT_EQ(member.texts(), Texts{"ab"});
    EXPECT_EQ(far.counters().datagrams_checksum_wrong.get(), 1u);
}

TEST_F(WorkerDatagrams, AnotherWorkersQueueHandsDatagramsToTheOneThatRunsThem) {
    Host &near = host(kNear), &far = host(kFar, 2, {1});
    Program sender(1), member(2);
    member.join(kGroup);
    give(near, {&sender});
    give(far, {&member});
    ASSERT_TRUE(sender.say("over", kGroup));
    settle();
    EXPECT_EQ(member.texts(), Texts{"over"});
    ASSERT_TRUE(member.say("back", kGroup));
    sender.join(kGroup);
    give(near, {&sender});
    settle();
}

TEST_F(WorkerDatagrams, ASleepingReaderIsWokenOnce) {
    Host &near = host(kNear), &far = host(kFar);
    Program sender(1), member(2);
    member.join(kGroup);
    give(near, {&sender});
    give(far, {&member});
    member.page->receive_sleeping = 1;
    ASSERT_TRUE(sender.say("a", kGroup) && sender.say("b", kGroup));
    settle();
    EXPECT_EQ(std::count(far.wakes.begin(), far.wakes.end(), std::pair{'r', 2}), 1);
    EXPECT_EQ(member.page->receive_sleeping, 0u);
}

TEST_F(WorkerDatagrams, ATableGoesBackWhenTheNextOneCame) {
    Host& near = host(kNear);
    Program program(1);
    give(near, {&program});
    ASSERT_TRUE(program.say("last words", kGroup));
    give(near, {});
    const auto replaced = std::count_if(near.events.begin(), near.events.end(), [](const auto& e) {
        return e.kind == WorkerEvent::Kind::datagrams_replaced && e.id == 1;
    });
    EXPECT_EQ(replaced, 1);
    EXPECT_EQ(near.counters().datagrams_sent.get(), 1u);  // what was published still left
}

}  // namespace
}  // namespace fanfare::dataplane::test
