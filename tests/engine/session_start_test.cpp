#include "engine/core/session_start.hpp"

#include <gtest/gtest.h>

#include "tests/engine/packets.hpp"

namespace fanfare::engine::test {
namespace {

constexpr JoinLimits kLimits{1u << 16, 1u << 24};

std::optional<SessionStart> start_at(const Datagram& d, const JoinLimits& limits = kLimits) {
    return session_start(d.decoded(), limits);
}
Change with_join(Sqn min) {
    return [min](wire::Packet& p) {
        p.options.set(wire::OptionBit::join);
        p.options.join.min_sqn = min;
    };
}
Change with_syn() {
    return [](wire::Packet& p) { p.options.set(wire::OptionBit::syn); };
}

TEST(SessionStart, WithoutAnyHintTheFirstOdataHeardIsTheStart) {
    const auto start = start_at(odata(17, 10, "x"));
    ASSERT_TRUE(start);
    EXPECT_EQ(start->first, 17u);
    EXPECT_FALSE(start->is_beginning);
}

TEST(SessionStart, ARepairForSomebodyElseStartsNothing) {
    EXPECT_FALSE(start_at(rdata(17, 10, "x")));
}

TEST(SessionStart, OptSynMarksTheBeginningOnOdataAndRdata) {
    for (const auto& d : {odata(17, 17, "x", with_syn()), rdata(17, 17, "x", with_syn())}) {
        const auto start = start_at(d);
        ASSERT_TRUE(start);
        EXPECT_EQ(start->first, 17u);
        EXPECT_TRUE(start->is_beginning);
    }
}

TEST(SessionStart, OptJoinReachesBackToItsNumber) {
    EXPECT_EQ(start_at(odata(20, 10, "x", with_join(12)))->first, 12u);
    EXPECT_EQ(start_at(rdata(20, 10, "x", with_join(12)))->first, 12u);
    EXPECT_EQ(start_at(spm(0, 10, 30, with_join(12)))->first, 12u);
}

TEST(SessionStart, OptJoinThroughTheWrap) {
    EXPECT_EQ(start_at(odata(3, 0xFFFFFFF0, "x", with_join(0xFFFFFFFA)))->first, 0xFFFFFFFAu);
}

TEST(SessionStart, OptJoinNeverReachesBehindTheTrailNorAheadOfThePacket) {
    EXPECT_EQ(start_at(odata(20, 15, "x", with_join(12)))->first, 15u);
    EXPECT_EQ(start_at(odata(20, 15, "x", with_join(25)))->first, 20u);
    EXPECT_EQ(start_at(spm(0, 15, 20, with_join(12)))->first, 15u);
    EXPECT_EQ(start_at(spm(0, 15, 20, with_join(99)))->first, 21u);
}

TEST(SessionStart, OptJoinIsLimitedByTheJoinersOwnMemory) {
    const std::string payload(1000, 'x');
    EXPECT_EQ(start_at(odata(100'000, 0, payload, with_join(0)), {1u << 16, 2'000'000})->first,
              99'000u);
    EXPECT_EQ(start_at(odata(100'000, 0, "x", with_join(0)), {1u << 12, 1u << 24})->first,
              100'000u - 1024);
    EXPECT_EQ(start_at(spm(0, 0, 99'999, with_join(0)), {1u << 16, 3'000'000})->first, 99'000u);
}

TEST(SessionStart, AnEmptyWindowNamesTheNextNumber) {
    EXPECT_EQ(start_at(spm(0, 50, 49))->first, 50u);
    const auto start = start_at(spm(0, 0, 0xFFFFFFFF));
    EXPECT_EQ(start->first, 0u);
    EXPECT_TRUE(start->is_beginning) << "OpenPGM begins at 0 and sends no OPT_SYN";
}

TEST(SessionStart, AnSpmOfARunningSessionStartsNothing) {
    EXPECT_FALSE(start_at(spm(0, 10, 20)));
}

}  // namespace
}  // namespace fanfare::engine::test
