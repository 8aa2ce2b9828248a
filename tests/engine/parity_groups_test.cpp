// Parity that waits for its groups, and what is made of it: any k packets of a group give back the
// rest, and nothing that a parity packet says is believed unchecked.
#include "engine/core/parity_groups.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "engine/core/parity_encoder.hpp"
#include "engine/core/random.hpp"

namespace fanfare::engine {
namespace {

constexpr std::uint32_t kK = 8, kRows = 4;
constexpr std::uint64_t kStart = (std::uint64_t{1} << 32) | 64;
constexpr std::uint32_t kPool = 64 << 10;

std::vector<std::byte> payload_of(std::uint64_t ordinal, std::size_t length) {
    std::vector<std::byte> octets(length);
    Random random(ordinal);
    for (auto& octet : octets) octet = static_cast<std::byte>(random.next());
    return octets;
}

// A source's groups and a receiver's window.
struct Receiving {
    explicit Receiving(std::uint32_t pool = kPool, std::size_t log_octets = 1 << 18)
        : index(1024),
          log(log_octets),
          window({index, log}),
          groups(pool, index.size(), fec::best_kernels()),
          encoder(kK, kRows, 2048, fec::best_kernels()) {
        window.start(static_cast<Sqn>(kStart));
        groups.start(kK);
    }
    static std::size_t length_of(std::uint64_t ordinal, bool variable) {
        return variable ? 100 + ordinal * 37 % 900 : 500;
    }
    // Parity of the group as its source makes it; the first `size` numbers have packets.
    void encode(std::uint64_t group, bool variable, std::uint32_t size = kK) {
        encoder.begin();
        for (std::uint32_t i = 0; i < size; ++i) {
            const auto data = payload_of(group + i, length_of(group + i, variable));
            encoder.fold(i, ParitySymbol(nullptr, false, static_cast<std::uint16_t>(data.size())),
                         false, false, data.data(), data.size());
        }
        encoder.close();
    }
    void data(std::uint64_t ordinal, bool variable) {
        const auto octets = payload_of(ordinal, length_of(ordinal, variable));
        window.reserve(octets.size());
        std::uint64_t position = 0;
        ASSERT_TRUE(window.room_for(ordinal, static_cast<std::uint32_t>(octets.size()), position));
        std::memcpy(window.at(position), octets.data(), octets.size());
        window.commit(ordinal, position, static_cast<std::uint32_t>(octets.size()), kEntryData,
                      static_cast<std::uint32_t>(octets.size()), nullptr);
        groups.note(ordinal, false, false);
        advance();
    }
    void advance() {
        window.advance([](IndexEntry&, bool, const FragmentNote&, std::uint64_t) { return true; });
    }
    wire::Packet packet(std::uint64_t group, std::uint32_t row) const {
        wire::Packet packet{};
        packet.type = wire::Type::odata;
        packet.flags = wire::kOptParity;
        if (encoder.variable()) packet.flags |= wire::kOptVarPktLen;
        packet.sqn = static_cast<Sqn>(group) | row;
        packet.payload = encoder.payload(row);
        return packet;
    }
    ParityGroups::Kept keep(std::uint64_t group, std::uint32_t row) {
        ParityGroups::Group* const g = groups.open(group, window.next());
        return g == nullptr ? ParityGroups::Kept::no_room
                            : groups.keep(*g, row, packet(group, row));
    }
    ParityGroups::Outcome decode(std::uint64_t group) {
        window.reserve(groups.held_octets());
        return groups.decode(*groups.find(group), window);
    }
    void expect_right(std::uint64_t ordinal, bool variable) {
        const auto octets = payload_of(ordinal, length_of(ordinal, variable));
        ASSERT_TRUE(window.held(ordinal)) << ordinal - kStart;
        const IndexEntry& entry = window.entry(ordinal);
        ASSERT_EQ(entry.length, octets.size());
        EXPECT_EQ(std::memcmp(log.data() + (entry.place & (log.size() - 1)), octets.data(),
                              octets.size()),
                  0)
            << ordinal - kStart;
    }

    std::vector<IndexEntry> index;
    std::vector<std::byte> log;
    ReceiveWindow window;
    ParityGroups groups;
    ParityEncoder encoder;
};

TEST(ParityGroups, AnyKOfAGroupGiveBackTheRest) {
    for (const bool variable : {false, true}) {
        for (std::uint32_t lost = 1; lost < 1u << kK; ++lost) {
            const auto missing = static_cast<std::uint32_t>(__builtin_popcount(lost));
            if (missing > kRows) continue;
            Receiving r;
            r.encode(kStart, variable);
            // The rows, too, are any: the last ones first.
            for (std::uint32_t i = 0; i < missing; ++i)
                ASSERT_EQ(r.keep(kStart, kRows - 1 - i), ParityGroups::Kept::kept);
            for (std::uint32_t i = 0; i < kK; ++i)
                if ((lost >> i & 1) == 0) r.data(kStart + i, variable);
            r.window.extend(kStart + kK - 1);
            ASSERT_EQ(r.decode(kStart), ParityGroups::Outcome::done);
            EXPECT_EQ(r.groups.recovered().size(), missing);
            for (std::uint32_t i = 0; i < kK; ++i) r.expect_right(kStart + i, variable);
            r.advance();
            EXPECT_EQ(r.window.next(), kStart + kK);
        }
    }
}

TEST(ParityGroups, OneTooFewIsIncompleteAndCountedAsNeeded) {
    Receiving r;
    r.encode(kStart, false);
    for (std::uint32_t i = 3; i < kK; ++i) r.data(kStart + i, false);
    ASSERT_EQ(r.keep(kStart, 0), ParityGroups::Kept::kept);
    ASSERT_EQ(r.keep(kStart, 1), ParityGroups::Kept::kept);
    EXPECT_EQ(r.groups.needed(r.window, *r.groups.find(kStart)), 1u);
    EXPECT_EQ(r.decode(kStart), ParityGroups::Outcome::incomplete);
    EXPECT_FALSE(r.window.held(kStart));
    ASSERT_EQ(r.keep(kStart, 2), ParityGroups::Kept::kept);
    EXPECT_EQ(r.groups.needed(r.window, *r.groups.find(kStart)), 0u);
    EXPECT_EQ(r.decode(kStart), ParityGroups::Outcome::done);
}

TEST(ParityGroups, AShortGroupNeedsFewerAndItsNakAsksAsIfItWereFull) {
    Receiving r;
    r.encode(kStart, true, 3);
    r.data(kStart + 1, true);
    ASSERT_EQ(r.keep(kStart, 0), ParityGroups::Kept::kept);
    ParityGroups::Group& group = *r.groups.find(kStart);
    group.size = 3;
    EXPECT_EQ(r.groups.needed(r.window, group), 1u);
    EXPECT_EQ(r.groups.needed_of_full(r.window, group), 1u + kK - 3);
    ASSERT_EQ(r.keep(kStart, 1), ParityGroups::Kept::kept);
    ASSERT_EQ(r.decode(kStart), ParityGroups::Outcome::done);
    for (std::uint32_t i = 0; i < 3; ++i) r.expect_right(kStart + i, true);
    EXPECT_FALSE(r.window.held(kStart + 3)) << "nobody sent that";
}

TEST(ParityGroups, TheSamePacketTwiceIsOneAndOneThatContradictsItIsNotKept) {
    Receiving r;
    r.encode(kStart, false);
    ASSERT_EQ(r.keep(kStart, 0), ParityGroups::Kept::kept);
    EXPECT_EQ(r.keep(kStart, 0), ParityGroups::Kept::duplicate);
    wire::Packet other = r.packet(kStart, 1);
    other.payload = other.payload.first(other.payload.size() - 1);
    EXPECT_EQ(r.groups.keep(*r.groups.find(kStart), 1, other), ParityGroups::Kept::contradiction);
    other = r.packet(kStart, 1);
    other.flags |= wire::kOptVarPktLen;
    EXPECT_EQ(r.groups.keep(*r.groups.find(kStart), 1, other), ParityGroups::Kept::contradiction);
    other.payload = other.payload.first(1);
    EXPECT_EQ(r.groups.keep(*r.groups.find(kStart), 2, other), ParityGroups::Kept::contradiction)
        << "no room for the encoded length";
    EXPECT_EQ(r.groups.find(kStart)->parity, 1);
}

TEST(ParityGroups, WhatDecodesToNonsenseIsNotPlaced) {
    Receiving r;
    r.encode(kStart, true);
    for (std::uint32_t i = 1; i < kK; ++i) r.data(kStart + i, true);
    wire::Packet forged = r.packet(kStart, 0);
    std::vector<std::byte> octets(forged.payload.begin(), forged.payload.end());
    octets[octets.size() - 2] ^= std::byte{0x7F};  // of the encoded length
    forged.payload = octets;
    ASSERT_EQ(r.groups.keep(*r.groups.open(kStart, r.window.next()), 0, forged),
              ParityGroups::Kept::kept);
    EXPECT_EQ(r.decode(kStart), ParityGroups::Outcome::undecodable);
    EXPECT_FALSE(r.window.held(kStart));
    EXPECT_EQ(r.window.next(), kStart);
}

TEST(ParityGroups, ThePoolIsBoundedAndAReleasedGroupGivesItsPlacesBack) {
    Receiving r(16 << 10);
    r.encode(kStart, false);
    std::uint64_t group = kStart;
    std::size_t kept = 0;
    for (; r.keep(group, 0) == ParityGroups::Kept::kept; group += kK) ++kept;
    EXPECT_EQ(kept, 8u) << "2,048 octets each";
    EXPECT_EQ(r.groups.held_octets(), kept * 500);
    r.groups.release(*r.groups.find(kStart));
    EXPECT_EQ(r.groups.held_octets(), (kept - 1) * 500);
    EXPECT_EQ(r.keep(group, 0), ParityGroups::Kept::kept);
    EXPECT_EQ(r.groups.find(kStart), nullptr);
}

TEST(ParityGroups, ALongerFrameMakesThePlacesLongerAndWhatWasKeptIsDropped) {
    Receiving r;
    r.encode(kStart, false);
    ASSERT_EQ(r.keep(kStart, 0), ParityGroups::Kept::kept);
    wire::Packet jumbo = r.packet(kStart + kK, 0);
    const std::vector<std::byte> octets(8000), endless(9217);
    jumbo.payload = octets;
    ParityGroups::Group* const next = r.groups.open(kStart + kK, r.window.next());
    EXPECT_EQ(r.groups.keep(*next, 0, jumbo), ParityGroups::Kept::no_room);
    std::vector<std::uint64_t> pushed_out;
    const auto note = [&](ParityGroups::Group& group) { pushed_out.push_back(group.start); };
    r.groups.make_room_for(jumbo, note);
    EXPECT_EQ(pushed_out, std::vector<std::uint64_t>{kStart});
    EXPECT_EQ(r.groups.keep(*next, 0, jumbo), ParityGroups::Kept::kept);
    r.groups.make_room_for(jumbo, note);
    EXPECT_EQ(pushed_out.size(), 1u) << "once";
    EXPECT_EQ(r.groups.find(kStart)->parity, 0);
    EXPECT_EQ(r.groups.held_octets(), 8000u);
    jumbo.payload = endless;
    ParityGroups::Group* const third = r.groups.open(kStart + 2 * kK, r.window.next());
    r.groups.make_room_for(jumbo, note);
    EXPECT_EQ(pushed_out.size(), 1u) << "no place is so long";
    EXPECT_EQ(r.groups.keep(*third, 0, jumbo), ParityGroups::Kept::no_room);
}

TEST(ParityGroups, AGroupsPlaceIsTakenOnlyWhenItIsBehindWhatIsContiguous) {
    Receiving r;
    const std::uint64_t lap = 256 * kK;  // 1,024 entries: room for 256 groups
    ASSERT_NE(r.groups.open(kStart, r.window.next()), nullptr);
    EXPECT_EQ(r.groups.open(kStart + lap, r.window.next()), nullptr);
    EXPECT_NE(r.groups.find(kStart), nullptr);
    EXPECT_NE(r.groups.open(kStart + lap, kStart + kK), nullptr);
    EXPECT_EQ(r.groups.find(kStart), nullptr);
}

// RFC 11.2, 11.4: OPT_PARITY_GRP numbers rows beyond k.
TEST(ParityGroups, ARowThatTheCodeDoesNotHaveHasNoIndex) {
    Receiving r;
    wire::Packet packet{};
    packet.sqn = static_cast<Sqn>(kStart) | 5;
    EXPECT_EQ(r.groups.index_of(packet), 5u);
    packet.options.set(wire::OptionBit::parity_grp);
    packet.options.parity_grp.group = 30;
    EXPECT_EQ(r.groups.index_of(packet), 245u);
    packet.sqn = static_cast<Sqn>(kStart) | 6;
    EXPECT_EQ(r.groups.index_of(packet), 246u);
    packet.sqn = static_cast<Sqn>(kStart) | 7;
    EXPECT_EQ(r.groups.index_of(packet), std::nullopt) << "255 packets are the most";
    packet.options.parity_grp.group = 0xFFFFFFFF;
    EXPECT_EQ(r.groups.index_of(packet), std::nullopt);
}

TEST(ParityGroups, WhereTheLogHasRoomForAFewThoseAreMadeFirst) {
    Receiving r(kPool, 4096);
    r.encode(kStart, false);
    for (std::uint32_t i = 1; i < 5; ++i) r.data(kStart + i, false);
    for (std::uint32_t row = 0; row < kRows; ++row)
        ASSERT_EQ(r.keep(kStart, row), ParityGroups::Kept::kept);
    EXPECT_EQ(r.decode(kStart), ParityGroups::Outcome::partly);
    ASSERT_EQ(r.groups.recovered().size(), 2u);
    EXPECT_EQ(r.groups.recovered()[0], kStart) << "the oldest, which lets readers on";
    for (std::uint32_t i = 0; i < 6; ++i) r.expect_right(kStart + i, false);
    r.advance();
    EXPECT_EQ(r.window.next(), kStart + 6);
}

}  // namespace
}  // namespace fanfare::engine
