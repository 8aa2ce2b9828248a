// Runs of plain packets: as send_data would send them one by one.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>

#include "engine/core/source.hpp"
#include "tests/engine/packets.hpp"

namespace fanfare::engine::test {
namespace {

struct SourceRunTest : ::testing::Test {
    SourceParameters parameters = profile(ProfileName::lan).source;
    SourceIdentity identity{kTsi, kDataPort, kGroup, kSourceAddress, 0xFFFFFFF8, 7};
    std::unique_ptr<Source> source;
    Frames frames{4096};
    Nanos now = 10 * kSecond;
    std::deque<std::string> storage;
    std::uint64_t position = 0;
    std::size_t taken = 0;

    // Runs are sent once nobody can join at the start any more.
    void SetUp() override {
        parameters.random_first_sqn = false;
        parameters.announce_first = false;
        parameters.rate_bits_per_s = 0;
    }
    Source& s() {
        if (!source) {
            source = std::make_unique<Source>(parameters, identity, 1500, false,
                                              checksum::best_kernels());
        }
        return *source;
    }
    // Records as a log has them: `around` octets beside each payload.
    std::vector<Datagram> publish(const std::vector<std::size_t>& lengths,
                                  std::uint64_t around = 16, bool packed = false) {
        std::vector<Publish> items;
        for (const std::size_t length : lengths) {
            storage.push_back(message_of(storage.size(), length));
            position += length + around;
            Publish item;
            item.data = reinterpret_cast<const std::byte*>(storage.back().data());
            item.length = static_cast<std::uint16_t>(length);
            item.message_length = item.length;
            item.packed = packed;
            item.release_position = position;
            items.push_back(item);
        }
        Output out = frames.output();
        taken = s().publish(items, now, out);
        std::vector<Datagram> data;
        for (Datagram& d : frames.take(out, kSourceAddress)) {
            if (d.kind == FrameKind::odata) data.push_back(std::move(d));
        }
        return data;
    }
    static std::string text(const Datagram& d) {
        const wire::Packet packet = d.decoded();
        return {reinterpret_cast<const char*>(packet.payload.data()), packet.payload.size()};
    }
};

TEST_F(SourceRunTest, EveryPacketOfARunIsWholeAndIntactAcrossTheWrapOfNumbers) {
    std::vector<std::size_t> lengths(64);
    for (std::size_t i = 0; i < lengths.size(); ++i) lengths[i] = i * 22;
    const auto data = publish(lengths);
    ASSERT_EQ(data.size(), 64u);
    for (std::size_t i = 0; i < data.size(); ++i) {
        const wire::Packet packet = data[i].decoded();
        EXPECT_EQ(packet.sqn, static_cast<Sqn>(0xFFFFFFF8 + i));
        EXPECT_EQ(packet.trail, 0xFFFFFFF8u);
        EXPECT_EQ(packet.tsi(), kTsi);
        EXPECT_EQ(packet.destination_port, kDataPort);
        EXPECT_EQ(text(data[i]), storage[i]);
        EXPECT_TRUE(checksum::intact(
            checksum::best_kernels().sum(data[i].octets.data(), data[i].octets.size())));
        EXPECT_EQ(data[i].to, kGroup);
        EXPECT_EQ(data[i].ttl, parameters.ttl);
        EXPECT_FALSE(data[i].router_alert);
    }
    EXPECT_EQ(s().statistics().odata_packets_sent, 64u);
    EXPECT_EQ(s().statistics().data_bytes_sent, 22u * 63 * 64 / 2);
}

TEST_F(SourceRunTest, ContainersBearTheirMark) {
    publish({10});
    for (const Datagram& d : publish({30, 40}, 16, true)) {
        EXPECT_EQ(d.decoded().options.present, wire::bit(wire::OptionBit::packed));
        EXPECT_TRUE(
            checksum::intact(checksum::best_kernels().sum(d.octets.data(), d.octets.size())));
    }
}

TEST_F(SourceRunTest, WhatARunSentIsRepairedWithTheSameOctets) {
    publish(std::vector<std::size_t>(20, 100));
    now += kMillisecond;
    const Datagram ask = nak({0xFFFFFFFC, 3});
    Output out = frames.output();
    s().on_packet(ask.decoded(), ask.octets, ask.from, now, out);
    frames.take(out, kSourceAddress);
    Output more = frames.output();
    s().on_tick(now, more);
    std::vector<std::string> repaired;
    for (const Datagram& d : frames.take(more, kSourceAddress)) {
        if (d.kind == FrameKind::rdata) repaired.push_back(text(d));
    }
    EXPECT_EQ(repaired, (std::vector<std::string>{storage[4], storage[11]}));
}

TEST_F(SourceRunTest, ARunStopsWhereTheTokensEnd) {
    parameters.rate_bits_per_s = 100'000'000;
    publish({1});
    now += kSecond;
    // One millisecond's depth at 100 Mbit/s: 12,500 octets of datagrams.
    const auto data = publish(std::vector<std::size_t>(64, 1000));
    std::size_t octets = 0;
    for (const Datagram& d : data) octets += d.ip_size();
    EXPECT_LE(octets, 12'500u);
    EXPECT_GT(octets, 12'500u - 1044u);
    EXPECT_EQ(taken, data.size());
    EXPECT_TRUE(publish({1000}).empty());
    now += 100 * kMicrosecond;  // carries 1,250 octets
    EXPECT_EQ(publish({1000}).size(), 1u);
}

TEST_F(SourceRunTest, ARunStopsAtTheWindowOfALimitedRate) {
    parameters.rate_bits_per_s = 1'000'000'000;
    parameters.window_bytes = 10'000;
    publish({1});
    now += 10 * kMicrosecond;
    EXPECT_EQ(publish(std::vector<std::size_t>(32, 1000)).size(), 9u);
}

TEST_F(SourceRunTest, AtRateZeroTheTrailFollowsAndItsPlaceIsOnEveryPacket) {
    parameters.window_bytes = 5'000;
    publish({1});
    const auto data = publish(std::vector<std::size_t>(32, 1000));
    ASSERT_EQ(data.size(), 32u);
    EXPECT_EQ(s().lead() + 1 - s().trail(), 5u);
    EXPECT_EQ(data[20].decoded().sqn + 1 - data[20].decoded().trail, 6u);
}

TEST_F(SourceRunTest, ATrailThatMovedBehindTheLastPacketOfARunIsToldByAnSpm) {
    parameters.window_bytes = 5'000;
    parameters.heartbeat_spm_ns = {};
    parameters.ambient_spm_ns = 100 * kSecond;
    publish({1});
    const auto data = publish(std::vector<std::size_t>(32, 1000));
    ASSERT_TRUE(sqn_before(data.back().decoded().trail, s().trail())) << "no packet said it";
    now += kSecond;
    Output out = frames.output();
    s().on_tick(now, out);
    const auto told = frames.take(out, kSourceAddress);
    ASSERT_EQ(told.size(), 1u);
    EXPECT_EQ(told[0].kind, FrameKind::spm);
    EXPECT_EQ(told[0].decoded().trail, s().trail());
}

TEST_F(SourceRunTest, AtRateZeroRecordsOfSmallMessagesNeverFillTheLog) {
    parameters.window_bytes = 1 << 20;
    parameters.window_log_bytes = 48 << 10;
    for (int burst = 0; burst < 200; ++burst) {
        ASSERT_EQ(publish(std::vector<std::size_t>(32, 8), 24).size(), 32u);
        ASSERT_LE(position - s().released_position(), std::uint64_t{48} << 10);
    }
}

}  // namespace
}  // namespace fanfare::engine::test
