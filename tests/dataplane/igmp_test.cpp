// IGMP messages and the host's behaviour (RFC 3376 sections 4, 5, 7.2).
#include "dataplane/net/igmp_host.hpp"

#include <gtest/gtest.h>

#include "dataplane/net/internet_checksum.hpp"
#include "dataplane/net/multicast_mac.hpp"
#include "tests/dataplane/hosts.hpp"

namespace fanfare::dataplane::test {
namespace {

using namespace net;

struct Sent {
    Nanos at;
    Address to;
    std::string octets;
};

class IgmpHostTest : public ::testing::Test {
  protected:
    std::vector<Sent> run(Nanos duration, std::size_t room_bytes = 1400) {
        std::vector<Sent> list;
        const Nanos end = now + duration;
        while (host.next_deadline() <= end) {
            now = std::max(now, host.next_deadline());
            std::vector<std::byte> room(room_bytes);
            Address to;
            const std::size_t size = host.next_message(now, room, to);
            if (size == 0) continue;
            EXPECT_TRUE(internet_intact(std::span(room).first(size)));
            store16(room.data() + 2, 0);
            list.push_back({now, to, hex(std::span(room).first(size))});
        }
        now = end;
        return list;
    }
    void query(const std::string& text, bool alert = true) {
        auto octets = from_hex(text);
        store16(octets.data() + 2, internet_checksum(octets));
        IgmpMessage message;
        ASSERT_TRUE(parse_igmp(octets, message));
        ASSERT_EQ(message.type, IgmpType::query);
        host.on_query(message.query, alert, now);
    }
    const Address group = Address::from_octets(239, 1, 2, 3);
    const Address other = Address::from_octets(239, 9, 9, 9);
    Nanos now = kSecond;
    IgmpHost host{42, 300};
};

TEST_F(IgmpHostTest, AJoinIsToldAtOnceAndOnceMoreWithinASecond) {
    host.join(group, now);
    const Nanos start = now;
    const auto sent = run(10 * kSecond);
    ASSERT_EQ(sent.size(), 2u);
    EXPECT_EQ(sent[0].at, start);
    EXPECT_EQ(sent[0].octets,
              "22000000"
              "00000001"
              "04000000"
              "ef010203");
    EXPECT_EQ(sent[0].to, Address::from_octets(224, 0, 0, 22));
    EXPECT_EQ(sent[1].octets, sent[0].octets);
    EXPECT_GT(sent[1].at, start);
    EXPECT_LE(sent[1].at, start + kSecond);
}

TEST_F(IgmpHostTest, TheLastLeaveIsToldAndTheGroupForgotten) {
    host.join(group, now);
    host.join(group, now);
    run(5 * kSecond);
    host.leave(group, now);
    EXPECT_TRUE(run(5 * kSecond).empty());
    EXPECT_TRUE(host.joined(group));
    host.leave(group, now);
    const auto sent = run(5 * kSecond);
    ASSERT_EQ(sent.size(), 2u);
    EXPECT_EQ(sent[0].octets,
              "22000000"
              "00000001"
              "03000000"
              "ef010203");
    EXPECT_FALSE(host.joined(group));
    EXPECT_EQ(host.next_deadline(), kNever);
}

TEST_F(IgmpHostTest, ALeaveTakesThePlaceOfAJoinNotYetRepeated) {
    host.join(group, now);
    std::vector<std::byte> room(100);
    Address to;
    ASSERT_GT(host.next_message(now, room, to), 0u);
    host.leave(group, now);
    for (const auto& sent : run(5 * kSecond)) EXPECT_EQ(sent.octets.substr(16, 2), "03");
}

TEST_F(IgmpHostTest, AGeneralQueryIsAnsweredForAllGroupsAfterARandomDelay) {
    host.join(group, now);
    host.join(other, now);
    run(5 * kSecond);
    const Nanos asked = now;
    query("1164 0000 00000000 02 7d 0000");
    const auto sent = run(20 * kSecond);
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(sent[0].octets,
              "22000000"
              "00000002"
              "02000000"
              "ef010203"
              "02000000"
              "ef090909");
    EXPECT_GT(sent[0].at, asked);
    EXPECT_LE(sent[0].at, asked + 10 * kSecond);
}

TEST_F(IgmpHostTest, AnAnswerThatDoesNotFitGoesInSeveralReports) {
    for (std::uint32_t i = 0; i < 250; ++i) host.join(Address{0xEF000000 + i}, now);
    run(5 * kSecond);
    query("110a 0000 00000000 02 7d 0000");
    const auto sent = run(5 * kSecond, 800);
    std::size_t records = 0;
    for (const auto& s : sent) records += (s.octets.size() / 2 - 8) / 8;
    EXPECT_EQ(records, 250u);
    EXPECT_EQ(sent.size(), 3u);
}

TEST_F(IgmpHostTest, AGroupQueryIsAnsweredForThatGroupAlone) {
    host.join(group, now);
    host.join(other, now);
    run(5 * kSecond);
    query("110a 0000 ef090909 02 7d 0000");
    query("110a 0000 ef777777 02 7d 0000");
    const auto sent = run(5 * kSecond);
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(sent[0].octets,
              "22000000"
              "00000001"
              "02000000"
              "ef090909");
}

TEST_F(IgmpHostTest, AGroupAndSourceQueryIsAnsweredWithItsSources) {
    host.join(group, now);
    run(5 * kSecond);
    query("110a 0000 ef010203 02 7d 0002 0a000001 0a000002");
    query("110a 0000 ef010203 02 7d 0001 0a000002");
    const auto sent = run(5 * kSecond);
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(sent[0].octets,
              "22000000"
              "00000001"
              "01000002"
              "ef010203"
              "0a000001"
              "0a000002");
}

TEST_F(IgmpHostTest, AGroupQueryWidensAPendingAnswerToSources) {
    host.join(group, now);
    run(5 * kSecond);
    query("110a 0000 ef010203 02 7d 0001 0a000001");
    query("110a 0000 ef010203 02 7d 0000");
    const auto sent = run(5 * kSecond);
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(sent[0].octets,
              "22000000"
              "00000001"
              "02000000"
              "ef010203");
}

TEST_F(IgmpHostTest, AListOfMoreSourcesThanAreRememberedIsAnsweredForTheWholeGroup) {
    host.join(group, now);
    run(5 * kSecond);
    std::string text = "110a 0000 ef010203 02 7d 0028 ";
    for (int i = 0; i < 40; ++i)
        text += "0a0000" + hex(std::vector<std::byte>{static_cast<std::byte>(i)});
    query(text);
    const auto sent = run(5 * kSecond);
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(sent[0].octets,
              "22000000"
              "00000001"
              "02000000"
              "ef010203");
}

TEST_F(IgmpHostTest, QueriesWithoutRouterAlertAreNotAnswered) {
    host.join(group, now);
    run(5 * kSecond);
    query("110a 0000 00000000 02 7d 0000", false);
    EXPECT_TRUE(run(20 * kSecond).empty());
}

TEST_F(IgmpHostTest, TheQuerierSaysHowOftenChangesAreTold) {
    query("1101 0000 00000000 05 7d 0000");
    host.join(group, now);
    EXPECT_EQ(run(10 * kSecond).size(), 5u);
}

TEST_F(IgmpHostTest, AnOlderQuerierIsSpokenToInItsOwnWordsUntilItIsGone) {
    query("1164 0000 00000000");  // version 2
    EXPECT_EQ(host.version(now), 2);
    host.join(group, now);
    auto sent = run(5 * kSecond);
    ASSERT_EQ(sent.size(), 2u);
    EXPECT_EQ(sent[0].octets,
              "16000000"
              "ef010203");
    EXPECT_EQ(sent[0].to, group);
    query("1164 0000 00000000");
    sent = run(10 * kSecond);
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(sent[0].octets,
              "16000000"
              "ef010203");
    host.leave(group, now);
    sent = run(5 * kSecond);
    ASSERT_GE(sent.size(), 1u);
    EXPECT_EQ(sent[0].octets,
              "17000000"
              "ef010203");
    EXPECT_EQ(sent[0].to, Address::from_octets(224, 0, 0, 2));
    now += 2 * 125 * kSecond + 10 * kSecond;
    EXPECT_EQ(host.version(now), 3);
    host.join(group, now);
    EXPECT_EQ(run(5 * kSecond).at(0).octets.substr(0, 2), "22");
}

TEST_F(IgmpHostTest, VersionOneHasReportsAndNoLeaves) {
    query("1100 0000 00000000", false);
    EXPECT_EQ(host.version(now), 1);
    host.join(group, now);
    EXPECT_EQ(run(5 * kSecond).at(0).octets,
              "12000000"
              "ef010203");
    host.leave(group, now);
    EXPECT_TRUE(run(5 * kSecond).empty());
    EXPECT_FALSE(host.joined(group));
}

TEST_F(IgmpHostTest, AnotherMembersReportSpeaksForUsInVersionTwo) {
    query("1164 0000 00000000");
    host.join(group, now);
    run(5 * kSecond);
    query("1164 0000 00000000");
    host.on_report(group);
    EXPECT_TRUE(run(20 * kSecond).empty());
}

TEST_F(IgmpHostTest, AllSystemsIsNeverReported) {
    host.join(kAllSystems, now);
    EXPECT_EQ(host.next_deadline(), kNever);
    query("1101 0000 00000000 02 7d 0000");
    EXPECT_TRUE(run(5 * kSecond).empty());
}

TEST_F(IgmpHostTest, AnInterfaceThatCameBackReportsAgain) {
    host.join(group, now);
    run(5 * kSecond);
    host.report_all(now);
    EXPECT_EQ(run(5 * kSecond).size(), 2u);
}

TEST(Igmp, TimesAboveOneHundredTwentySevenAreFloatingPoint) {
    EXPECT_EQ(igmp_code_value(0x64), 100u);
    EXPECT_EQ(igmp_code_value(0x80), 128u);
    EXPECT_EQ(igmp_code_value(0x8A), 208u);
    EXPECT_EQ(igmp_code_value(0xFF), 31744u);
}

TEST(Igmp, LengthsAndChecksumsAreJudged) {
    auto octets = from_hex("110a 0000 ef010203 02 7d 0002 0a000001 0a000002");
    IgmpMessage message;
    const auto good = [&](std::vector<std::byte> o) {
        store16(o.data() + 2, 0);
        store16(o.data() + 2, internet_checksum(o));
        return parse_igmp(o, message);
    };
    EXPECT_TRUE(good(octets));
    EXPECT_FALSE(parse_igmp(octets, message));  // no checksum
    store16(octets.data() + 10, 3);             // one source more than there is
    EXPECT_FALSE(good(octets));
    for (const std::size_t n : {4u, 7u, 9u, 10u, 11u}) {
        if (n < 8) {
            EXPECT_FALSE(parse_igmp(std::span(octets).first(n), message));
        } else {
            EXPECT_FALSE(good({octets.begin(), octets.begin() + static_cast<std::ptrdiff_t>(n)}))
                << n;
        }
    }
    auto unknown = from_hex("99000000 00000000");
    EXPECT_FALSE(good(unknown));
}

}  // namespace
}  // namespace fanfare::dataplane::test
