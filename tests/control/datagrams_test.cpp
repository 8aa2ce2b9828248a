// Datagram sockets by requests: their life, the membership calls with their numbers in wsrm.md
// section 8, and what workers are told.
#include "control/datagrams.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <utility>

#include "ipc/source_filter.hpp"
#include "tests/control/control_fixture.hpp"
#include "tests/control/membership_cells.hpp"

namespace fanfare::control {
namespace {

constexpr Address kSource{0x0A000005}, kOther{0x0A000006};
constexpr std::int32_t kCalls[] = {IP_ADD_MEMBERSHIP,        IP_DROP_MEMBERSHIP,
                                   IP_ADD_SOURCE_MEMBERSHIP, IP_DROP_SOURCE_MEMBERSHIP,
                                   IP_BLOCK_SOURCE,          IP_UNBLOCK_SOURCE};
constexpr int kAdd = 0, kDrop = 1, kAddSource = 2, kDropSource = 3, kBlock = 4, kUnblock = 5;

class Datagrams : public ControlTest {
  protected:
    explicit Datagrams(std::uint32_t workers = 1) : ControlTest(workers) {}

    std::uint64_t datagram() { return socket(ipc::SocketType::datagram); }
    int member(std::uint64_t id, int call, Address source = kSource, Address group = kGroup,
               Address interface = {}) {
        const ipc::MembershipValue value{group, interface, source};
        return set(id, kCalls[call], std::as_bytes(std::span(&value, 1)), IPPROTO_IP);
    }
    // Makes the calls on one socket and gives the last one's error; those before succeed.
    int last_of(std::initializer_list<int> calls) {
        const std::uint64_t id = datagram();
        int error = 0;
        for (const int call : calls) {
            EXPECT_EQ(error, 0);
            error = member(id, call);
        }
        EXPECT_EQ(close_all(id), 0);
        return error;
    }
    int close_all(std::uint64_t id) {
        controller->endpoint_closed(id, now);
        give_tables_back();
        return 0;
    }
    // Takes the tables that were posted as a worker does: each gives the former back.
    const dataplane::DatagramTable* table(std::uint32_t worker = 0) {
        for (const Command& c : commands(worker)) {
            if (c.kind != Command::Kind::set_datagrams) continue;
            if (held.size() <= worker) held.resize(worker + 1);
            const auto* former = held[worker];
            held[worker] = c.datagrams;
            if (former == nullptr) continue;
            Event event;
            event.kind = Event::Kind::datagrams_replaced;
            event.id = former->version;
            say(event, worker);
        }
        return held.size() > worker ? held[worker] : nullptr;
    }
    void give_tables_back() {
        for (std::uint32_t w = 0; w < links.size(); ++w) (void)table(w);
    }
    // The socket's membership as the worker has it; nullptr: none.
    const dataplane::DatagramMembership* membership(std::uint64_t id) {
        for (const auto& entry : table()->entries) {
            if (entry.socket->socket_id != id) continue;
            for (const auto& m : entry.memberships)
                if (m.group == kGroup && m.interface == 0) return &m;
        }
        return nullptr;
    }
    std::vector<const dataplane::DatagramTable*> held;
};

// Check 196.
TEST_F(Datagrams, Check196EveryCellOfTheTableThroughRequests) {
    int cells = 0;
    for (const CellRow& row : kCellRows) {
        for (int c = 0; c < 6; ++c, ++cells) {
            SCOPED_TRACE(std::string(row.name) + ", " + kCellCalls[c]);
            const std::uint64_t id = datagram();
            for (const CellStep& step : row.way)
                ASSERT_EQ(member(id, step.call, step.of_other ? kOther : kSource), 0);
            const auto* before = membership(id);
            const bool was = before != nullptr;
            const bool wanted = was && before->wants(kSource);
            EXPECT_EQ(member(id, c), row.errors[static_cast<std::size_t>(c)]);
            if (row.errors[static_cast<std::size_t>(c)] != 0) {
                const auto* after = membership(id);
                ASSERT_EQ(after != nullptr, was);
                if (was) {
                    EXPECT_EQ(after->wants(kSource), wanted);
                }
            }
            close_all(id);
        }
    }
    EXPECT_EQ(cells, 54);
    EXPECT_TRUE(registry().sockets.empty());
    EXPECT_EQ(registry().budget.used(), 0u);
}

TEST_F(Datagrams, Check173JoiningTwice) {
    EXPECT_EQ(last_of({kAdd, kAdd}), EADDRNOTAVAIL);
}
TEST_F(Datagrams, Check174ASourceBesideAnySourceLeavesTheFilterAsItIs) {
    const auto id = datagram();
    ASSERT_EQ(member(id, kAdd), 0);
    EXPECT_EQ(member(id, kAddSource), EADDRNOTAVAIL);
    ASSERT_NE(membership(id), nullptr);
    EXPECT_TRUE(membership(id)->wants(kOther));
}
TEST_F(Datagrams, Check175ARefusedDropLeavesTheFilterAsItIs) {
    const auto id = datagram();
    ASSERT_EQ(member(id, kAdd), 0);
    EXPECT_EQ(member(id, kDropSource), EINVAL);
    ASSERT_NE(membership(id), nullptr);
    EXPECT_TRUE(membership(id)->wants(kOther) && membership(id)->wants(kSource));
}
TEST_F(Datagrams, Check176UnblockingWhatNobodyBlocked) {
    EXPECT_EQ(last_of({kAdd, kUnblock}), EINVAL);
}
TEST_F(Datagrams, Check177AfterLeavingEveryCallThatNeedsTheMembership) {
    for (const int call : {kDrop, kDropSource, kBlock, kUnblock})
        EXPECT_EQ(last_of({kAdd, kDrop, call}), EINVAL) << call;
}
TEST_F(Datagrams, Check178AnySourceBesideASource) {
    EXPECT_EQ(last_of({kAddSource, kAdd}), EADDRNOTAVAIL);
}
TEST_F(Datagrams, Check179TheSameSourceTwice) {
    EXPECT_EQ(last_of({kAddSource, kAddSource}), EADDRNOTAVAIL);
}
TEST_F(Datagrams, Check180UnblockingOnASourceMembership) {
    EXPECT_EQ(last_of({kAddSource, kUnblock}), EINVAL);
}
TEST_F(Datagrams, Check181UnblockingAfterTheLastSource) {
    EXPECT_EQ(last_of({kAddSource, kDropSource, kUnblock}), EINVAL);
}
TEST_F(Datagrams, Check182DroppingTheLastSourceTwice) {
    EXPECT_EQ(last_of({kAddSource, kDropSource, kDropSource}), EADDRNOTAVAIL);
}
TEST_F(Datagrams, Check183BlockingTwice) {
    EXPECT_EQ(last_of({kAdd, kBlock, kBlock}), EADDRNOTAVAIL);
}
TEST_F(Datagrams, Check184AddingABlockedSource) {
    EXPECT_EQ(last_of({kAdd, kBlock, kAddSource}), EINVAL);
}
TEST_F(Datagrams, Check185JoiningWithSomethingBlocked) {
    EXPECT_EQ(last_of({kAdd, kBlock, kAdd}), EINVAL);
}
TEST_F(Datagrams, Check186UnblockingTwice) {
    EXPECT_EQ(last_of({kAdd, kBlock, kUnblock, kUnblock}), EADDRNOTAVAIL);
}
TEST_F(Datagrams, Check187ThePairOnTwoInterfaces) {
    const auto id = datagram();
    EXPECT_EQ(member(id, kAddSource, kSource, kGroup, kFeed), 0);
    EXPECT_EQ(member(id, kAddSource, kSource, kGroup, kBackup), 0);
    EXPECT_EQ(table()->filters.size(), 2u);
}
TEST_F(Datagrams, Check188JoiningAgainAfterLeaving) {
    EXPECT_EQ(last_of({kAdd, kDrop, kAdd}), 0);
}
TEST_F(Datagrams, Check189LeavingTheGroupLeavesAllItsSources) {
    const auto id = datagram();
    ASSERT_EQ(member(id, kAddSource), 0);
    ASSERT_EQ(member(id, kAddSource, kOther), 0);
    ASSERT_EQ(member(id, kDrop), 0);
    EXPECT_EQ(membership(id), nullptr);
    EXPECT_TRUE(table()->filters.empty());
}
TEST_F(Datagrams, Check192BlockingOnASourceMembership) {
    EXPECT_EQ(last_of({kAddSource, kBlock}), EINVAL);
}
TEST_F(Datagrams, Check194WhatIsNoGroupNoInterfaceNoSource) {
    const auto id = datagram();
    EXPECT_EQ(member(id, kAdd, kSource, Address{0x0A000001}), EINVAL);
    EXPECT_EQ(member(id, kAdd, kSource, kGroup, Address{0x0A630001}), EADDRNOTAVAIL);
    EXPECT_EQ(member(id, kAdd, kSource, kGroup, Address{77}), EADDRNOTAVAIL);
    EXPECT_EQ(member(id, kAddSource, Address{}), EINVAL);
    EXPECT_EQ(member(id, kAddSource, kGroup), EINVAL);
    const std::byte few[8] = {};
    EXPECT_EQ(set(id, IP_ADD_MEMBERSHIP, few, IPPROTO_IP), EINVAL);
    EXPECT_TRUE(registry().socket(id)->datagram->memberships.empty());
    EXPECT_EQ(member(id, kAdd), 0);
}

TEST_F(Datagrams, MembershipCallsOnAPgmSocketGiveENOPROTOOPT) {
    const auto id = socket();
    EXPECT_EQ(member(id, kAdd), ENOPROTOOPT);
}

TEST_F(Datagrams, AnInterfaceIsNamedByItsNumberToo) {
    interfaces[1].kernel_index = 7;
    start();
    const auto id = datagram();
    EXPECT_EQ(member(id, kAdd, {}, kGroup, Address{7}), 0);
    ASSERT_EQ(table()->filters.size(), 1u);
    EXPECT_EQ(table()->filters[0].interface, 1u);
}

TEST_F(Datagrams, AnInterfaceThatComesLateOrComesBackIsNamedByTheNumberItHasThen) {
    interfaces[1].kernel_name = "eth1";
    interfaces[1].gone = interfaces[1].spec.missing = true;
    start();
    services.kernel_indices["eth1"] = 7;
    controller->interface_changed(1, true, false, 0);
    const auto id = datagram();
    EXPECT_EQ(member(id, kAdd, {}, kGroup, Address{7}), 0);
    EXPECT_EQ(table()->filters.at(0).interface, 1u);

    services.kernel_indices.clear();
    controller->interface_changed(1, false, true, 0);
    services.kernel_indices["eth1"] = 9;
    controller->interface_changed(1, true, false, 0);
    EXPECT_EQ(registry().interface_with_index(7), -1);
    EXPECT_EQ(registry().interface_with_index(9), 1);
}

TEST_F(Datagrams, AnInterfaceThatWasReplacedBetweenTwoLooksIsNamedByItsNewNumber) {
    interfaces[1].kernel_name = "eth1";
    interfaces[1].kernel_index = 7;
    start();
    services.kernel_indices["eth1"] = 9;
    controller->interface_changed(1, true, false, 0);
    EXPECT_EQ(registry().interface_with_index(7), -1);
    EXPECT_EQ(registry().interface_with_index(9), 1);
}

TEST_F(Datagrams, AnInterfaceThatIsRenamedKeepsItsNumber) {
    interfaces[1].kernel_name = "eth1";
    interfaces[1].kernel_index = 7;
    start();
    controller->interface_changed(1, false, false, 0);
    EXPECT_EQ(registry().interface_with_index(7), 1);
}

TEST_F(Datagrams, WishesOfAllSocketsMeetInOneFilterAGroup) {
    const auto a = datagram(), b = datagram();
    ASSERT_EQ(member(a, kAddSource), 0);
    ASSERT_EQ(table()->filters.size(), 1u);
    EXPECT_FALSE(table()->filters[0].exclude);
    ASSERT_EQ(member(b, kAdd), 0);
    EXPECT_TRUE(table()->filters[0].exclude);
    ASSERT_EQ(member(b, kBlock, kOther), 0);
    EXPECT_EQ(table()->filters[0].sources, std::vector<Address>{kOther});
    ASSERT_EQ(member(b, kBlock, kSource), 0);  // but a wants it
    EXPECT_EQ(table()->filters[0].sources, std::vector<Address>{kOther});
    close_all(b);
    EXPECT_FALSE(table()->filters[0].exclude);
    close_all(a);
    EXPECT_TRUE(table()->filters.empty());
}

TEST_F(Datagrams, MoreMembershipsThanTheLimitGiveENOBUFS) {
    const auto id = datagram();
    for (std::uint32_t i = 0; i < kMembershipsMax; ++i)
        ASSERT_EQ(member(id, kAdd, {}, Address{0xEF020000 + i}), 0);
    EXPECT_EQ(member(id, kAdd), ENOBUFS);
    EXPECT_EQ(member(id, kDrop, {}, Address{0xEF020000}), 0);
    EXPECT_EQ(member(id, kAdd), 0);
}

TEST_F(Datagrams, MembershipsOfAllSocketsOfAUserAreLimited) {
    settings.memberships_per_user = 3;
    start();
    const auto a = datagram(), b = datagram();
    ASSERT_EQ(member(a, kAdd), 0);
    ASSERT_EQ(member(a, kAdd, {}, Address{0xEF020001}), 0);
    ASSERT_EQ(member(b, kAdd), 0);
    EXPECT_EQ(member(b, kAdd, {}, Address{0xEF020002}), ENOBUFS);
    EXPECT_EQ(member(b, kBlock), 0) << "a membership that stands may change";
    const auto user = std::exchange(peer.uid, 4321);
    EXPECT_EQ(member(datagram(), kAdd, {}, Address{0xEF020002}), 0) << "another user's";
    peer.uid = user;
    EXPECT_EQ(member(a, kDrop), 0);
    EXPECT_EQ(member(b, kAdd, {}, Address{0xEF020002}), 0);
    close_all(a);
    EXPECT_EQ(member(b, kAdd, {}, Address{0xEF020003}), 0) << "a closed socket's are given back";
}

TEST_F(Datagrams, AWholeFilterIsSetAndToldTheWorker) {
    const auto id = datagram();
    const auto set_filter = [&](ipc::FilterMode mode, std::vector<Address> sources,
                                std::uint32_t count) {
        ipc::SourceFilterValue value;
        value.head = {kGroup, {}, mode, count, 0};
        std::copy(sources.begin(), sources.end(), value.sources.begin());
        const auto octets = sizeof value.head + sources.size() * sizeof(Address);
        return set(id, IP_MSFILTER, std::as_bytes(std::span(&value, 1)).first(octets), IPPROTO_IP);
    };
    using enum ipc::FilterMode;
    EXPECT_EQ(set_filter(include, {}, 0), EINVAL) << "nothing to end";
    EXPECT_EQ(set_filter(include, {kSource, kOther}, 2), 0);
    ASSERT_NE(membership(id), nullptr);
    EXPECT_TRUE(membership(id)->wants(kSource) && !membership(id)->wants(Address{0x0A000009}));
    EXPECT_EQ(set_filter(exclude, {kOther}, 1), 0);
    EXPECT_TRUE(membership(id)->wants(kSource) && !membership(id)->wants(kOther));
    ipc::OptionRequest ask{};
    ask.level = IPPROTO_IP;
    ask.name = IP_MSFILTER;
    ask.length = sizeof ask.value;
    const ipc::SourceFilterHead whose{kGroup, {}, include, 0, 0};
    std::memcpy(ask.value, &whose, sizeof whose);
    const auto got = call(ask, ipc::RequestType::get_option, id).as<ipc::OptionReply>();
    ipc::SourceFilterValue told;
    ASSERT_EQ(got.length, sizeof told.head + sizeof(Address));
    std::memcpy(static_cast<void*>(&told), got.value, got.length);
    EXPECT_EQ(told.head.mode, exclude);
    EXPECT_EQ(told.head.count, 1u);
    EXPECT_EQ(told.sources[0], kOther);
    EXPECT_EQ(set_filter(exclude, {kOther}, 2), EINVAL) << "fewer than it says";
    EXPECT_EQ(set_filter(exclude, {kGroup}, 1), EINVAL) << "no source";
    EXPECT_EQ(set_filter(static_cast<ipc::FilterMode>(7), {}, 0), EINVAL);
    EXPECT_FALSE(membership(id)->wants(kOther));
    EXPECT_EQ(set_filter(include, {}, 0), 0);
    EXPECT_EQ(membership(id), nullptr);
}

TEST_F(Datagrams, APortIsSharedOnlyWhenBothSay) {
    const auto a = datagram(), b = datagram();
    EXPECT_EQ(bind(a, {}), 0);
    EXPECT_EQ(bind(a, {}), EINVAL);
    EXPECT_EQ(bind(b, kGroup), EADDRINUSE);
    EXPECT_EQ(set(b, SO_REUSEADDR, std::uint32_t{1}, SOL_SOCKET), 0);
    EXPECT_EQ(bind(b, kGroup), EADDRINUSE);
    EXPECT_EQ(set(a, SO_REUSEADDR, std::uint32_t{1}, SOL_SOCKET), 0);
    EXPECT_EQ(bind(b, kGroup), 0);
    EXPECT_EQ(bind(datagram(), Address{0x0A630001}), EADDRNOTAVAIL);
    EXPECT_TRUE(table()->wants_port(kPort));
    EXPECT_FALSE(table()->wants_port(kPort + 1));
    peer.uid = 1000;
    EXPECT_EQ(bind(datagram(), {}, 999), EACCES);
}

TEST_F(Datagrams, WhoConnectsUnboundGetsADynamicPort) {
    const auto id = datagram();
    ASSERT_EQ(connect(id, Address{0x0A000009}, 9), 0);
    EXPECT_GE(registry().socket(id)->port, 49152);
    EXPECT_EQ(table()->entries[0].peer, Address{0x0A000009});
    EXPECT_EQ(table()->entries[0].peer_port, 9);
    ipc::NameRequest whom{};
    whom.peer = 1;
    const auto told = call(whom, ipc::RequestType::name, id).as<ipc::NameReply>();
    EXPECT_EQ(told.address, Address{0x0A000009});
    EXPECT_EQ(told.port, 9);
    EXPECT_EQ(listen(id), EOPNOTSUPP);
    EXPECT_EQ(accept(id).error, EOPNOTSUPP);
}

TEST_F(Datagrams, AConnectedSocketsNameIsWhatItSendsBy) {
    const auto address = [&](std::uint64_t id) {
        return call(ipc::NameRequest{}, ipc::RequestType::name, id).as<ipc::NameReply>().address;
    };
    interfaces[1].spec.prefix = 16;
    interfaces[0].spec.gateway = Address{0x0A000001};
    start();
    const auto id = datagram();
    EXPECT_TRUE(address(id).is_none());
    ASSERT_EQ(connect(id, Address{kBackup.v4 + 7}, 9), 0);
    EXPECT_EQ(address(id), kBackup) << "on link";
    ASSERT_EQ(connect(id, Address{0x08080808}, 9), 0);
    EXPECT_EQ(address(id), kFeed) << "by its gateway";
    ASSERT_EQ(connect(id, kGroup, 9), 0);
    EXPECT_EQ(address(id), kFeed);
    ASSERT_EQ(set(id, IP_MULTICAST_IF, kBackup.v4, IPPROTO_IP), 0);
    EXPECT_EQ(address(id), kBackup);
    ASSERT_EQ(connect(id, {}, 0), 0);
    EXPECT_TRUE(address(id).is_none()) << "no peer any more";
    const auto bound = datagram();
    ASSERT_EQ(bind(bound, kFeed), 0);
    ASSERT_EQ(connect(bound, Address{kBackup.v4 + 7}, 9), 0);
    EXPECT_EQ(address(bound), kFeed) << "what it is bound to";
}

TEST_F(Datagrams, OptionsOfSendingAreKeptAndToldTheWorker) {
    const auto id = datagram();
    EXPECT_EQ(set(id, IP_MULTICAST_TTL, std::uint32_t{9}, IPPROTO_IP), 0);
    EXPECT_EQ(set(id, IP_MULTICAST_TTL, std::uint32_t{256}, IPPROTO_IP), EINVAL);
    EXPECT_EQ(set(id, IP_TTL, std::uint32_t{0}, IPPROTO_IP), EINVAL);
    EXPECT_EQ(set(id, IP_MULTICAST_LOOP, std::uint32_t{0}, IPPROTO_IP), 0);
    EXPECT_EQ(set(id, IP_MULTICAST_IF, kBackup.v4, IPPROTO_IP), 0);
    EXPECT_EQ(set(id, IP_MULTICAST_IF, std::uint32_t{0x0A630001}, IPPROTO_IP), EADDRNOTAVAIL);
    EXPECT_EQ(set(id, kRmLateJoin, std::uint32_t{0}), ENOPROTOOPT);
    const auto& entry = table()->entries.at(0);
    EXPECT_EQ(entry.multicast_ttl, 9);
    EXPECT_FALSE(entry.multicast_loop);
    EXPECT_EQ(entry.multicast_interface, 1u);
}

TEST_F(Datagrams, NoMemoryIsENOBUFSAndHoldsNothing) {
    services.fail_next_memory = 0;
    settings.memory_per_user_bytes = 100'000;
    start();
    ipc::SocketRequest request{};
    request.type = ipc::SocketType::datagram;
    EXPECT_EQ(call(request, ipc::RequestType::socket).error, ENOBUFS);
    EXPECT_TRUE(registry().sockets.empty());
    EXPECT_EQ(registry().budget.used(), 0u);
    EXPECT_TRUE(services.open_descriptors.empty());
}

TEST_F(Datagrams, TheSweepWakesWhoSleepsBeforeADatagramOrRoom) {
    socket();  // one of another kind, and older
    const auto id = datagram();
    const auto& state = *registry().socket(id)->datagram;
    const int endpoint = registry().socket(id)->endpoint;
    auto& page = *registry().socket(id)->page.page;
    page.receive_sleeping = page.send_sleeping = 1;
    state.send.header->tail.store(state.send.header->limit.load());
    pass_time(kTickInterval);
    EXPECT_EQ(services.octets_sent[endpoint] + services.drained[endpoint], 0);
    state.receive.header->lead.fetch_add(1);
    state.send.header->limit.fetch_add(64);
    pass_time(kTickInterval);
    EXPECT_EQ(services.octets_sent[endpoint], 1);
    EXPECT_EQ(services.drained[endpoint], 1);
}

TEST_F(Datagrams, WhatWasSentBeforeAChangeIsKnownToTheWorker) {
    const auto id = datagram();
    registry().socket(id)->datagram->send.header->tail.store(640);
    ASSERT_EQ(set(id, IP_MULTICAST_TTL, std::uint32_t{9}, IPPROTO_IP), 0);
    EXPECT_EQ(table()->entries.at(0).former_tail, 640u);
}

class DatagramsOfTwoWorkers : public Datagrams {
  protected:
    DatagramsOfTwoWorkers() : Datagrams(2) {}
};

TEST_F(DatagramsOfTwoWorkers, ASocketsMemoryStandsUntilNoWorkerKnowsItAnyMore) {
    const auto id = datagram();
    give_tables_back();
    controller->endpoint_closed(id, now);
    ASSERT_EQ(registry().sockets.count(id), 1u);
    (void)table(0);
    ASSERT_EQ(registry().sockets.count(id), 1u);
    (void)table(1);
    EXPECT_EQ(registry().sockets.count(id), 0u);
    EXPECT_TRUE(services.regions.empty());
}

}  // namespace
}  // namespace fanfare::control
