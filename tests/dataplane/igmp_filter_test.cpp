// Source filters in IGMP (RFC 3376 sections 3.2, 5.1 and 5.2; wsrm.md 7.5): what changes say and
// how often, what queries of groups and of sources are answered, and what an older querier hears.
#include <gtest/gtest.h>

#include "dataplane/net/igmp_host.hpp"
#include "dataplane/net/internet_checksum.hpp"
#include "dataplane/net/multicast_mac.hpp"
#include "dataplane/net/octets.hpp"
#include "tests/dataplane/hosts.hpp"

namespace fanfare::dataplane::test {
namespace {

using namespace net;

constexpr Address kA{0x0A000001}, kB{0x0A000002}, kC{0x0A000003};
const std::string kTellA = "0a000001", kTellB = "0a000002", kTellC = "0a000003";

class IgmpFilter : public ::testing::Test {
  protected:
    void filter(bool exclude, std::vector<Address> sources) {
        ASSERT_TRUE(host.set_filter(kGroup, exclude, sources, now));
    }
    // Everything that is sent, each report from its records on; v1 and v2 messages whole.
    std::vector<std::string> run(Nanos duration = 5 * kSecond) {
        std::vector<std::string> list;
        const Nanos end = now + duration;
        while (host.next_deadline() <= end) {
            now = std::max(now, host.next_deadline());
            std::vector<std::byte> room(600);
            const std::size_t size = host.next_message(now, room, to);
            if (size == 0) continue;
            EXPECT_TRUE(internet_intact(std::span(room).first(size)));
            store16(room.data() + 2, 0);
            const std::string text = hex(std::span(room).first(size));
            list.push_back(text.substr(0, 2) == "22" ? text.substr(16) : text);
        }
        now = end;
        return list;
    }
    void query(const std::string& text, bool alert = true) {
        auto octets = from_hex(text);
        store16(octets.data() + 2, internet_checksum(octets));
        IgmpMessage message;
        ASSERT_TRUE(parse_igmp(octets, message));
        host.on_query(message.query, alert, now);
    }
    static std::string record(const char* type, const char* count, const std::string& sources) {
        return std::string(type) + "00" + count + "ef010203" + sources;
    }
    using Twice = std::vector<std::string>;
    static Twice twice(const std::string& text) { return {text, text}; }

    Nanos now = kSecond;
    Address to;
    IgmpHost host{7, 16};
};

TEST_F(IgmpFilter, ChangesWithinAModeTellTheDifferenceTwice) {
    filter(false, {kA, kB});  // N -> I: allow
    EXPECT_EQ(run(), twice(record("05", "0002", kTellA + kTellB)));
    EXPECT_TRUE(host.joined(kGroup));
    filter(false, {kA, kB, kC});
    EXPECT_EQ(run(), twice(record("05", "0001", kTellC)));
    filter(false, {kB});  // two left
    EXPECT_EQ(run(), twice(record("06", "0002", kTellA + kTellC)));
    filter(false, {});  // I -> N: block the rest
    EXPECT_EQ(run(), twice(record("06", "0001", kTellB)));
    EXPECT_FALSE(host.joined(kGroup));
    EXPECT_EQ(host.next_deadline(), kNever);
}

TEST_F(IgmpFilter, BlockingAndUnblockingTellTheDifferenceTwice) {
    filter(true, {});  // N -> A
    EXPECT_EQ(run(), twice(record("04", "0000", "")));
    filter(true, {kA});
    EXPECT_EQ(run(), twice(record("06", "0001", kTellA)));
    filter(true, {});
    EXPECT_EQ(run(), twice(record("05", "0001", kTellA)));
    filter(false, {});  // A -> N
    EXPECT_EQ(run(), twice(record("03", "0000", "")));
    EXPECT_EQ(host.next_deadline(), kNever);
}

TEST_F(IgmpFilter, AnotherModeTellsTheWholeList) {
    filter(false, {kA, kB});
    run();
    filter(true, {kC});
    EXPECT_EQ(run(), twice(record("04", "0001", kTellC)));
    filter(false, {kA});
    EXPECT_EQ(run(), twice(record("03", "0001", kTellA)));
}

TEST_F(IgmpFilter, TheSameFilterAgainSaysNothing) {
    filter(true, {kA});
    run();
    filter(true, {kA});
    EXPECT_TRUE(run().empty());
}

TEST_F(IgmpFilter, AChangeBeforeTheRepeatIsToldWithWhatIsLeft) {
    filter(false, {kA});
    std::vector<std::byte> room(600);
    ASSERT_GT(host.next_message(now, room, to), 0u);
    filter(false, {kA, kB});
    const auto sent = run();
    ASSERT_EQ(sent.size(), 2u);
    EXPECT_EQ(sent[0], record("05", "0002", kTellA + kTellB));
    EXPECT_EQ(sent[1], record("05", "0001", kTellB));
}

TEST_F(IgmpFilter, APgmSessionMakesItAnySourceAndItsEndGivesTheFilterBack) {
    filter(false, {kA});
    run();
    ASSERT_TRUE(host.join(kGroup, now));
    EXPECT_EQ(run(), twice(record("04", "0000", "")));
    filter(false, {kA, kB});  // says nothing while the session wants everything
    EXPECT_TRUE(run().empty());
    host.leave(kGroup, now);
    EXPECT_EQ(run(), twice(record("03", "0002", kTellA + kTellB)));
    EXPECT_TRUE(host.joined(kGroup));
}

TEST_F(IgmpFilter, MH30SessionsThatHearOneSourceAloneTellItByCount) {
    ASSERT_TRUE(host.join(kGroup, kA, now));  // N -> I: allow
    EXPECT_EQ(run(), twice(record("05", "0001", kTellA)));
    ASSERT_TRUE(host.join(kGroup, kA, now));
    host.leave(kGroup, kA, now);
    EXPECT_TRUE(run().empty());
    filter(false, {kB});
    EXPECT_EQ(run(), twice(record("05", "0001", kTellB)));
    ASSERT_TRUE(host.join(kGroup, now));  // any source beside them
    EXPECT_EQ(run(), twice(record("04", "0000", "")));
    host.leave(kGroup, now);
    EXPECT_EQ(run(), twice(record("03", "0002", kTellB + kTellA)));
    host.leave(kGroup, kA, now);
    filter(false, {});
    EXPECT_EQ(run(), twice(record("06", "0002", kTellB + kTellA)));
    EXPECT_FALSE(host.joined(kGroup));
}

TEST_F(IgmpFilter, WhatASessionHearsIsNotExcludedForDatagramSockets) {
    filter(true, {kA, kB});
    EXPECT_EQ(run(), twice(record("04", "0002", kTellA + kTellB)));
    ASSERT_TRUE(host.join(kGroup, kA, now));
    EXPECT_EQ(run(), twice(record("05", "0001", kTellA)));
    host.leave(kGroup, kA, now);
    EXPECT_EQ(run(), twice(record("06", "0001", kTellA)));
}

TEST_F(IgmpFilter, MoreSourcesOfSessionsThanAreListedMakeItAnySourceAndEveryLeaveCounts) {
    constexpr auto kMost = IgmpHost::kSessionSourcesMax;
    for (std::uint32_t i = 0; i <= kMost; ++i)
        ASSERT_TRUE(host.join(kGroup, Address{0x0A010000 + i}, now));
    EXPECT_EQ(run(), twice(record("04", "0000", "")));
    for (std::uint32_t i = 0; i < kMost; ++i) host.leave(kGroup, Address{0x0A010000 + i}, now);
    EXPECT_TRUE(host.joined(kGroup));
    host.leave(kGroup, Address{0x0A010000 + kMost}, now);
    EXPECT_FALSE(host.joined(kGroup));
    EXPECT_EQ(run(), twice(record("03", "0000", "")));
}

TEST_F(IgmpFilter, GeneralAndGroupQueriesAreAnsweredWithTheCurrentState) {
    filter(false, {kA, kB});
    run();
    query("1114 0000 00000000 02 7d 0000");
    EXPECT_EQ(run(), Twice{record("01", "0002", kTellA + kTellB)});
    query("1114 0000 ef010203 02 7d 0000");
    EXPECT_EQ(run(), Twice{record("01", "0002", kTellA + kTellB)});
    filter(true, {kC});
    run();
    query("1114 0000 00000000 02 7d 0000");
    EXPECT_EQ(run(), Twice{record("02", "0001", kTellC)});
}

TEST_F(IgmpFilter, AQueryOfSourcesIsAnsweredWithThoseThatAreWanted) {
    const std::string ask_a_and_c = "1114 0000 ef010203 02 7d 0002 0a000001 0a000003";
    filter(false, {kA, kB});
    run();
    query(ask_a_and_c);
    EXPECT_EQ(run(), Twice{record("01", "0001", kTellA)});
    filter(false, {kB});
    run();
    query(ask_a_and_c);
    EXPECT_TRUE(run().empty());
    filter(true, {kA});
    run();
    query(ask_a_and_c);
    EXPECT_EQ(run(), Twice{record("01", "0001", kTellC)});
}

TEST_F(IgmpFilter, AnOlderQuerierHearsOfJoiningAndLeavingAlone) {
    query("1164 0000 00000000");
    filter(false, {kA});
    EXPECT_EQ(run(), twice("16000000ef010203"));
    filter(false, {kA, kB});
    filter(true, {});
    filter(true, {kC});
    EXPECT_TRUE(run().empty());
    query("1164 0000 00000000");
    EXPECT_EQ(run(20 * kSecond), Twice{"16000000ef010203"});
    filter(false, {});
    const auto left = run();
    ASSERT_FALSE(left.empty());
    EXPECT_EQ(left[0], "17000000ef010203");
    EXPECT_EQ(to, kAllRouters);
    query("1100 0000 00000000", false);  // version 1
    filter(false, {kA});
    EXPECT_EQ(run(), twice("12000000ef010203"));
    filter(false, {});
    EXPECT_TRUE(run().empty());
}

TEST_F(IgmpFilter, WhenTheOlderQuerierIsGoneTheSourcesAreToldOnItsSuccessorsQuery) {
    query("1164 0000 00000000");
    filter(false, {kA});
    run();
    now += 300 * kSecond;
    query("1114 0000 00000000 02 7d 0000");
    EXPECT_EQ(run(), Twice{record("01", "0001", kTellA)});
}

TEST_F(IgmpFilter, ListsNeverGrowBeyondTheLimitWhateverIsAsked) {
    std::vector<Address> many;
    for (std::uint32_t round = 0; round < 8; ++round) {
        many.clear();
        for (std::uint32_t i = 0; i < 100; ++i)
            many.push_back(Address{0x0A000000 + round * 100 + i});
        filter(false, many);
        std::vector<std::byte> room(600);
        ASSERT_GT(host.next_message(now, room, to), 0u);
    }
    run();
    query("1114 0000 ef010203 02 7d 0000");
    const auto state = run();
    ASSERT_EQ(state.size(), 1u);
    EXPECT_EQ(state[0].size(), 2 * (8 + 4 * IgmpHost::kFilterSourcesMax));
}

}  // namespace
}  // namespace fanfare::dataplane::test
