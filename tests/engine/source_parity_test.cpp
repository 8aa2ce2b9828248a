// Parity as a source owes and makes it: groups that fill, that end early, pro-active and on demand.
#include "engine/core/source_parity.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <vector>

#include "engine/core/random.hpp"

namespace fanfare::engine {
namespace {

constexpr std::uint32_t kK = 4;

class SourceParityTest : public ::testing::Test {
  protected:
    static SourceParameters parameters(std::uint8_t proactive, bool on_demand) {
        SourceParameters p;
        p.window_packets = 64;
        p.parity = {kK, 12, proactive, on_demand};
        return p;
    }
    void make(std::uint8_t proactive, bool on_demand) {
        const SourceParameters p = parameters(proactive, on_demand);
        service.emplace(p);
        parity.emplace(p, 1400, checksum::best_kernels(), fec::best_kernels());
    }
    void send(std::uint32_t count, std::uint16_t length = 700) {
        for (std::uint32_t i = 0; i < count; ++i) {
            const std::uint64_t ordinal = window.next();
            octets.emplace_back(length);
            Random random(ordinal);
            for (auto& octet : octets.back()) octet = static_cast<std::byte>(random.next());
            SendEntry& entry = window.open();
            entry = SendEntry{};
            entry.data = octets.back().data();
            entry.length = length;
            entry.sum = checksum::best_kernels().sum(octets.back().data(), length);
            window.commit();
            parity->data_sent(ordinal, entry, entry.data, window.trail(), *service);
        }
    }
    void ask(std::uint64_t group, std::uint32_t count) {
        wire::Packet nak{};
        nak.type = wire::Type::nak;
        nak.flags = wire::kOptParity;
        nak.sqn = static_cast<Sqn>(group) | (count - 1);
        parity->repairs().nak(nak, Address::from_octets(10, 0, 0, 7), window, *service, kSecond,
                              statistics);
    }
    // Row `row` of the group as the code has it.
    std::vector<std::byte> row_of(std::uint64_t group, std::uint32_t size, std::size_t row) {
        ParityEncoder encoder(kK, 1, 1400, fec::kernels(fec::Level::scalar));
        encoder.set_rows(row);
        encoder.begin();
        for (std::uint32_t i = 0; i < size; ++i) {
            const SendEntry& entry = window.at(group + i);
            encoder.fold(i, ParitySymbol(nullptr, false, entry.length), false, false, entry.data,
                         entry.length);
        }
        encoder.close();
        return {encoder.payload(0).begin(), encoder.payload(0).end()};
    }
    static std::vector<std::byte> copy(std::span<const std::byte> from) {
        return {from.begin(), from.end()};
    }

    SendWindow window{64, 0};
    std::optional<RepairService> service;
    std::optional<SourceParity> parity;
    std::deque<std::vector<std::byte>> octets;
    SourceStatistics statistics;
    const std::uint64_t first = window.first();
};

TEST_F(SourceParityTest, AFullGroupOwesItsProactivePackets) {
    make(2, false);
    EXPECT_FALSE(parity->on_demand());
    send(kK - 1);
    EXPECT_TRUE(parity->group_open());
    EXPECT_FALSE(parity->owed());
    send(1);
    EXPECT_FALSE(parity->group_open());
    for (std::uint32_t row = 0; row < 2; ++row) {
        ASSERT_TRUE(parity->owed());
        const auto contents = parity->proactive();
        EXPECT_EQ(contents.sqn, static_cast<Sqn>(first) | row);
        EXPECT_EQ(contents.group, 0u);
        EXPECT_EQ(contents.group_size, 0) << "full";
        EXPECT_FALSE(contents.repair);
        EXPECT_EQ(copy(contents.payload), row_of(first, kK, row));
        parity->proactive_sent();
    }
    EXPECT_FALSE(parity->owed());
    EXPECT_EQ(parity->unused(window.next()), 0u);
    EXPECT_EQ(parity->size_announced(window.next() - 1), 0);
}

TEST_F(SourceParityTest, AShortGroupSaysItsSizeAndLeavesNumbersOut) {
    make(1, false);
    send(2);
    parity->shorten(window, *service);
    EXPECT_FALSE(parity->group_open());
    EXPECT_EQ(window.at(first + 1).group_size, 2);
    EXPECT_EQ(parity->unused(window.next()), kK - 2);
    EXPECT_EQ(parity->size_announced(first + 1), 2);
    EXPECT_EQ(parity->size_announced(first), 0) << "only the group's last number ends it";
    ASSERT_TRUE(parity->owed());
    const auto contents = parity->proactive();
    EXPECT_EQ(contents.group_size, 2);
    EXPECT_EQ(copy(contents.payload), row_of(first, 2, 0));
}

TEST_F(SourceParityTest, TheNextGroupBeginsAnew) {
    make(1, false);
    send(kK, 700);
    parity->proactive_sent();
    send(2, 300);
    send(2, 900);
    const auto contents = parity->proactive();
    EXPECT_TRUE(contents.variable);
    EXPECT_EQ(contents.sqn, static_cast<Sqn>(first) + kK);
    EXPECT_EQ(copy(contents.payload), row_of(first + kK, kK, 0));
}

TEST_F(SourceParityTest, OnDemandRowsFollowTheProactiveOnesAndAreNeverUsedTwice) {
    make(1, true);
    ASSERT_TRUE(parity->on_demand());
    send(kK);
    parity->proactive_sent();
    ask(first, 2);
    ASSERT_TRUE(parity->must_confirm());
    ASSERT_TRUE(parity->wanted(first));
    for (std::uint32_t row = 1; row < 3; ++row) {
        const auto contents = parity->compute(first, window);
        ASSERT_TRUE(contents.has_value());
        EXPECT_TRUE(contents->repair);
        EXPECT_EQ(contents->sqn, static_cast<Sqn>(first) | row);
        EXPECT_EQ(copy(contents->payload), row_of(first, kK, row));
        parity->repairs().sent(first, kSecond);
    }
    EXPECT_FALSE(parity->wanted(first));
}

TEST_F(SourceParityTest, RowsBeyondKAreNumberedByTheirGroup) {
    make(3, true);
    send(kK);
    for (int i = 0; i < 3; ++i) parity->proactive_sent();
    ask(first, kK);
    parity->repairs().sent(first, kSecond);
    const auto contents = parity->compute(first, window);
    ASSERT_TRUE(contents.has_value());
    EXPECT_EQ(contents->group, 1u);
    EXPECT_EQ(contents->sqn, static_cast<Sqn>(first)) << "row 4 is number 0 of parity group 1";
}

TEST_F(SourceParityTest, DataThatTheProgramChangedGivesNoParity) {
    make(0, true);
    send(kK);
    ask(first, 1);
    octets[2][100] ^= std::byte{1};
    EXPECT_FALSE(parity->compute(first, window).has_value());
    octets[2][100] ^= std::byte{1};
    EXPECT_TRUE(parity->compute(first, window).has_value());
}

TEST_F(SourceParityTest, WhatIsAskedOfAnOpenGroupWaitsForItsEnd) {
    make(0, true);
    send(2);
    ask(first, 1);
    EXPECT_TRUE(service->pending().empty());
    send(2);
    EXPECT_TRUE(parity->wanted(first));
    EXPECT_FALSE(service->pending().empty());
}

}  // namespace
}  // namespace fanfare::engine
