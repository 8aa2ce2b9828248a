// What a source owes those who asked for parity: group by group, raised and never added to.
#include "engine/core/parity_repairs.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "tests/engine/packets.hpp"

namespace fanfare::engine::test {
namespace {

constexpr std::uint32_t kGroup = 4;
constexpr Address kRequester = Address::from_octets(10, 0, 0, 7);

class ParityRepairsTest : public ::testing::Test {
  protected:
    explicit ParityRepairsTest(const SourceParameters& p = parameters())
        : window{p.window_packets, 0}, service{p}, repairs{p} {}
    static SourceParameters parameters() {
        SourceParameters p = profile(ProfileName::lan).source;
        p.window_packets = 64;
        p.parity.group_size = kGroup;
        p.parity.block_size = 8;
        p.parity.on_demand = true;
        return p;
    }
    // `count` more packets enter the window.
    void send(std::uint32_t count) {
        for (std::uint32_t i = 0; i < count; ++i) {
            const std::uint64_t ordinal = window.next();
            if (ordinal % kGroup == 0) repairs.begin(ordinal);
            window.open() = SendEntry{};
            window.commit();
        }
    }
    void close(std::uint64_t group, std::uint8_t size = kGroup) {
        repairs.close(group, size, window.trail(), service);
    }
    static wire::Packet nak_for(std::uint64_t group, std::uint32_t count) {
        wire::Packet nak{};
        nak.type = wire::Type::nak;
        nak.flags = wire::kOptParity;
        nak.sqn = static_cast<Sqn>(group) | (count - 1);
        return nak;
    }
    void ask(std::uint64_t group, std::uint32_t count, Nanos at = kSecond,
             Address requester = kRequester) {
        wire::Packet nak = nak_for(group, count);
        repairs.nak(nak, requester, window, service, at, statistics);
    }
    // One NAK that lists `listed` numbers more, of these two groups in turn.
    void ask_list(std::uint64_t group, std::size_t listed, Nanos at, Address requester) {
        std::vector<std::byte> list;
        for (std::size_t i = 1; i <= listed; ++i) {
            const Sqn sqn = static_cast<Sqn>(group + i % 2 * kGroup);
            for (const int shift : {24, 16, 8, 0})
                list.push_back(static_cast<std::byte>(sqn >> shift));
        }
        wire::Packet nak = nak_for(group, 1);
        nak.options.present = wire::bit(wire::OptionBit::nak_list);
        nak.options.nak_list = {list.data(), static_cast<std::uint8_t>(listed)};
        repairs.nak(nak, requester, window, service, at, statistics);
    }
    void serve(std::uint64_t group, Nanos at) {
        repairs.sent(group, at);
        service.parity_served(group);
    }

    SendWindow window;
    RepairService service;
    ParityRepairs repairs;
    SourceStatistics statistics;
    const std::uint64_t first = window.first();
};

// 256 whole groups, of which much parity may be asked for.
class ManyGroupsTest : public ParityRepairsTest {
  protected:
    ManyGroupsTest() : ParityRepairsTest(large()) {
        send(large().window_packets);
        for (std::uint64_t group = first; group < window.next(); group += kGroup) close(group);
    }
    static SourceParameters large() {
        SourceParameters p = parameters();
        p.window_packets = 1024;
        p.parity.block_size = 255;
        return p;
    }
};

TEST_F(ParityRepairsTest, AWholeGroupIsRepairedWithAsManyPacketsAsTheLargestRequest) {
    send(kGroup);
    close(first);
    ask(first, 1);
    ask(first, 3);
    ask(first, 2);
    ASSERT_TRUE(repairs.wanted(first));
    EXPECT_TRUE(repairs.sent(first, kSecond));
    EXPECT_TRUE(repairs.sent(first, kSecond));
    EXPECT_FALSE(repairs.sent(first, kSecond));
    EXPECT_EQ(repairs.next_index(first), 3);
}

TEST_F(ParityRepairsTest, AnOpenGroupWaitsForItsEnd) {
    send(2);
    ask(first, 2);
    EXPECT_FALSE(repairs.wanted(first));
    EXPECT_TRUE(service.pending().empty());
    send(2);
    close(first);
    EXPECT_TRUE(repairs.wanted(first));
    EXPECT_EQ(service.pending().oldest(window.trail()), first);
}

TEST_F(ParityRepairsTest, WhatAShortGroupLeavesOutIsNoLoss) {
    send(2);
    ask(first, 3);
    close(first, 2);
    ASSERT_TRUE(repairs.wanted(first));
    EXPECT_FALSE(repairs.sent(first, kSecond)) << "three of four asked for, two were never sent";
}

TEST_F(ParityRepairsTest, AGroupThatEndsBehindTheTrailOwesNothing) {
    send(2);
    ask(first, 2);
    window.drop_oldest();
    send(2);
    close(first);
    EXPECT_FALSE(repairs.wanted(first));
    EXPECT_TRUE(service.pending().empty())
        << "it would stand for a number beyond the window, whose octets nobody sent";
}

TEST_F(ParityRepairsTest, AGroupThatBeganBehindTheTrailIsTooLateToAskFor) {
    send(kGroup);
    close(first);
    window.drop_oldest();
    ask(first, 1);
    EXPECT_FALSE(repairs.wanted(first));
    EXPECT_EQ(statistics.naks_too_late, 1u);
}

// RFC 10: one NAK may ask for k packets, again and again up to n.
TEST_F(ManyGroupsTest, ARequesterPaysForEachPacketThatItAsksFor) {
    std::size_t caused = 0;
    Nanos at = kSecond;
    for (int round = 0; round < 50; ++round, at += 10 * kMillisecond) {
        for (std::uint64_t group = first; group < window.next(); group += kGroup) {
            ask(group, kGroup, at);
            while (repairs.wanted(group)) {
                repairs.sent(group, at);
                ++caused;
            }
        }
    }
    EXPECT_GT(statistics.naks_shed, 0u);
    EXPECT_LE(caused, 4096u + 500u) << "the burst, and a thousand a second";
}

TEST_F(ParityRepairsTest, OneConfirmationNamesTheLargestCountOfEachGroup) {
    send(2 * kGroup);
    close(first);
    close(first + kGroup);
    ask(first, 1);
    ask(first, 3);
    ask(first + kGroup, 2);
    ParityRepairs::Confirmation sqns;
    ASSERT_EQ(repairs.confirm(window, kSecond, sqns), 2u);
    EXPECT_EQ(sqns[0], static_cast<Sqn>(first) + 2);
    EXPECT_EQ(sqns[1], static_cast<Sqn>(first) + kGroup + 1);
    EXPECT_FALSE(repairs.must_confirm());
}

TEST_F(ManyGroupsTest, WhereConfirmationsWaitTheNextGoesOnWhereTheLastEnded) {
    for (std::uint64_t i = 0; i < 100; ++i) ask(first + i * kGroup, 1);
    ParityRepairs::Confirmation sqns;
    ASSERT_EQ(repairs.confirm(window, kSecond, sqns), 63u);
    ask(first, 1, 2 * kSecond);
    ASSERT_EQ(repairs.confirm(window, 2 * kSecond, sqns), 37u);
    EXPECT_EQ(sqns[0], static_cast<Sqn>(first) + 63 * kGroup);
    ASSERT_EQ(repairs.confirm(window, 2 * kSecond, sqns), 1u);
    EXPECT_EQ(sqns[0], static_cast<Sqn>(first));
    EXPECT_FALSE(repairs.must_confirm());
}

TEST_F(ParityRepairsTest, WhoAsksOnceMoreDidNotCrossTheParityItAsksFor) {
    constexpr Address kOther = Address::from_octets(10, 0, 0, 9);
    send(kGroup);
    close(first);
    ask(first, 1);
    repairs.sent(first, kSecond);
    const Nanos hold = service.hold().hold();
    ask(first, 1, kSecond + hold / 2, kOther);
    EXPECT_FALSE(repairs.wanted(first)) << "another's NAK crossed it";
    ask(first, 1, kSecond + hold / 2 + hold / 4, kOther);
    EXPECT_TRUE(repairs.wanted(first)) << "it asks in vain otherwise";
    const Nanos shorter = service.hold().hold();
    EXPECT_LT(shorter, hold);
    // What is lost again was not held back.
    serve(first, kSecond + hold);
    ask(first, 1, 2 * kSecond, kOther);
    EXPECT_EQ(service.hold().hold(), shorter);
}

TEST_F(ParityRepairsTest, OfTwoWhoAskedTheLastIsTheOneWhoAsksOnceMore) {
    constexpr Address kOther = Address::from_octets(10, 0, 0, 9);
    send(kGroup);
    close(first);
    ask(first, 1);
    serve(first, kSecond);
    ask(first, 1, 2 * kSecond, kOther);
    ASSERT_TRUE(repairs.wanted(first));
    serve(first, 2 * kSecond);
    ask(first, 1, 2 * kSecond + service.hold().hold() / 2, kOther);
    EXPECT_TRUE(repairs.wanted(first));
}

TEST_F(ParityRepairsTest, AListThatCrossedItsParityDidSoOnceAndWhoCatchesUpSaysNothing) {
    constexpr Address kOther = Address::from_octets(10, 0, 0, 9);
    for (const std::size_t listed : {std::size_t{1}, RepairService::kCatchingUp}) {
        const std::uint64_t group = window.next();
        const bool learns = listed == 1;
        send(2 * kGroup);
        close(group);
        close(group + kGroup);
        const Nanos before = service.hold().hold();
        ask_list(group, listed, kSecond, kRequester);
        const Nanos hold = service.hold().hold();
        EXPECT_EQ(hold < before, learns) << "what was learnt fades";
        for (const std::uint64_t g : {group, group + kGroup}) serve(g, kSecond);
        ask_list(group, listed, kSecond + 4 * kMillisecond, kOther);
        EXPECT_EQ(service.hold().hold(), learns ? 2 * hold : hold);
    }
}

TEST_F(ParityRepairsTest, WhereOnlyParityIsAskedForTheHoldFollowsWhatIsHeard) {
    constexpr Address kOther = Address::from_octets(10, 0, 0, 9);
    const Nanos at_first = service.hold().hold();
    const auto lose = [&](Nanos crossing) {
        const std::uint64_t group = window.next();
        send(kGroup);
        close(group);
        ask(group, 1);
        repairs.sent(group, kSecond);
        service.parity_served(group);
        if (crossing > 0) ask(group, 1, kSecond + crossing, kOther);
    };
    lose(at_first - 1);
    const Nanos learnt = service.hold().hold();
    EXPECT_GT(learnt, at_first);
    for (int i = 0; i < 10; ++i) lose(0);
    EXPECT_LT(service.hold().hold(), learnt);
}

}  // namespace
}  // namespace fanfare::engine::test
