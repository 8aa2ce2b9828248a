#include "dataplane/net/arp_table.hpp"

#include <gtest/gtest.h>

namespace fanfare::dataplane::net {
namespace {

using Answer = ArpTable::Answer;
const Address kPeer = Address::from_octets(10, 0, 0, 9);
const MacAddress kPeerMac{{2, 0, 0, 0, 0, 9}};

class ArpTableTest : public ::testing::Test {
  protected:
    engine::TxFrame frame(int number) {
        engine::TxFrame f;
        f.handle = reinterpret_cast<void*>(static_cast<std::uintptr_t>(number));
        return f;
    }
    int number(const engine::TxFrame& f) {
        return static_cast<int>(reinterpret_cast<std::uintptr_t>(f.handle));
    }
    std::vector<int> ready() {
        std::vector<int> list;
        engine::TxFrame f;
        while (table.next_ready(f, mac)) list.push_back(number(f));
        return list;
    }
    std::vector<int> given_up() {
        std::vector<int> list;
        engine::TxFrame f;
        while (table.next_given_up(f, now)) list.push_back(number(f));
        return list;
    }
    int requests() {
        int count = 0;
        Address target;
        while (table.next_request(target, now)) ++count;
        return count;
    }
    ArpTable table{4};
    Nanos now = kSecond;
    MacAddress mac;
};

TEST_F(ArpTableTest, AFrameWaitsForTheAnswerAndThenLeaves) {
    EXPECT_EQ(table.resolve(kPeer, frame(1), now, mac), Answer::kept);
    EXPECT_EQ(table.next_deadline(), now);
    EXPECT_EQ(requests(), 1);
    EXPECT_TRUE(ready().empty());
    table.heard(kPeer, kPeerMac, true, now);
    EXPECT_EQ(ready(), std::vector<int>{1});
    EXPECT_EQ(mac, kPeerMac);
    EXPECT_EQ(table.resolve(kPeer, frame(2), now, mac), Answer::resolved);
    EXPECT_EQ(table.next_deadline(), kNever);
}

TEST_F(ArpTableTest, TheNewestFramesAreKeptAndTheOldestGivenUp) {
    for (int i = 1; i <= 6; ++i) EXPECT_EQ(table.resolve(kPeer, frame(i), now, mac), Answer::kept);
    EXPECT_EQ(given_up(), (std::vector<int>{2, 1}));
    table.heard(kPeer, kPeerMac, true, now);
    EXPECT_EQ(ready(), (std::vector<int>{3, 4, 5, 6}));
}

TEST_F(ArpTableTest, FramesThatWaitTooLongAreGivenUp) {
    table.resolve(kPeer, frame(1), now, mac);
    requests();
    now += ArpTable::kFrameAge - 1;
    EXPECT_TRUE(given_up().empty());
    now += 1;
    EXPECT_EQ(given_up(), std::vector<int>{1});
}

TEST_F(ArpTableTest, RequestsAreRepeatedWithPausesAndThenNobodyIsAskedForAWhile) {
    table.resolve(kPeer, frame(1), now, mac);
    std::vector<Nanos> at;
    for (const Nanos end = now + 10 * kSecond; now < end; now += kMillisecond) {
        if (requests() > 0) at.push_back(now);
        given_up();
    }
    ASSERT_EQ(at.size(), ArpTable::kTries);
    EXPECT_EQ(at[1] - at[0], ArpTable::kRetryIntervals[0]);
    EXPECT_EQ(at[2] - at[1], ArpTable::kRetryIntervals[1]);
    EXPECT_EQ(at[4] - at[3], ArpTable::kRetryIntervals[2]);
    // Failed, and long enough ago to be asked again.
    EXPECT_EQ(table.resolve(kPeer, frame(2), now, mac), Answer::kept);
    EXPECT_EQ(requests(), 1);
}

TEST_F(ArpTableTest, ANextHopThatDoesNotAnswerRefusesFramesAtOnce) {
    table.resolve(kPeer, frame(1), now, mac);
    for (const Nanos end = now + 4 * kSecond; now < end; now += 10 * kMillisecond) {
        requests();
        given_up();
    }
    EXPECT_EQ(table.resolve(kPeer, frame(2), now, mac), Answer::refused);
}

TEST_F(ArpTableTest, AnEntryIsAskedAgainWhileItIsUsedAndForgottenWhenUnconfirmed) {
    table.heard(kPeer, kPeerMac, true, now);
    now += ArpTable::kRefreshAfter;
    EXPECT_EQ(table.resolve(kPeer, frame(1), now, mac), Answer::resolved);
    EXPECT_EQ(requests(), 1);
    now += ArpTable::kExpireAfter - ArpTable::kRefreshAfter;
    EXPECT_EQ(table.resolve(kPeer, frame(1), now, mac), Answer::kept);
    table.heard(kPeer, kPeerMac, false, now);
    EXPECT_EQ(ready(), std::vector<int>{1});
}

TEST_F(ArpTableTest, OnlyWhoSpeaksToUsIsTakenIn) {
    table.heard(kPeer, kPeerMac, false, now);
    EXPECT_EQ(table.resolve(kPeer, frame(1), now, mac), Answer::kept);
}

TEST_F(ArpTableTest, GroupAndZeroHardwareAddressesAreNotBelieved) {
    table.heard(kPeer, MacAddress{{1, 0, 0x5E, 0, 0, 1}}, true, now);
    table.heard(kPeer, MacAddress{{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}}, true, now);
    table.heard(kPeer, MacAddress{}, true, now);
    EXPECT_EQ(table.resolve(kPeer, frame(1), now, mac), Answer::kept);
}

TEST_F(ArpTableTest, AFloodOfStrangersTakesNoPlaceFromFramesThatWait) {
    table.resolve(kPeer, frame(1), now, mac);
    for (std::uint32_t i = 0; i < 1000; ++i) {
        table.heard(Address{0x0A010000 + i}, MacAddress{{2, 1, 1, 1, 1, 1}}, true, now + i);
    }
    table.heard(kPeer, kPeerMac, true, now);
    EXPECT_EQ(ready(), std::vector<int>{1});
}

TEST_F(ArpTableTest, ClearingGivesEveryFrameBack) {
    table.resolve(kPeer, frame(1), now, mac);
    table.resolve(Address{1}, frame(2), now, mac);
    table.clear();
    EXPECT_EQ(given_up().size(), 2u);
    EXPECT_EQ(table.next_deadline(), kNever);
}

}  // namespace
}  // namespace fanfare::dataplane::net
