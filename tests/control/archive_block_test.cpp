// A block of the file tier: what is written is found again, and nothing else is believed.
#include "control/archive_block.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace fanfare::control {
namespace {

constexpr std::uint64_t kNonce = 77;
constexpr std::uint64_t kFirst = (std::uint64_t{1} << 32) | 0xFFFFFFF0u;  // numbers wrap soon

struct Block {
    std::vector<std::byte> octets = std::vector<std::byte>(kBlockBytes, std::byte{0xEE});
    BlockWriter writer;

    Block() { writer.open(octets.data()); }
    bool add(std::uint64_t ordinal, std::size_t length) {
        std::byte* const room = writer.room(length);
        if (room == nullptr) return false;
        for (std::size_t i = 0; i < length; ++i) room[i] = static_cast<std::byte>(ordinal + i);
        ArchivedPacket packet;
        packet.ordinal = ordinal;
        packet.payload = {room, length};
        packet.flags = 3;
        packet.first_sqn = static_cast<std::uint32_t>(ordinal - 1);
        packet.offset = 17;
        packet.apdu_length = 4711;
        writer.add(packet);
        return true;
    }
    void expect(std::uint64_t ordinal, std::size_t length) const {
        ArchivedPacket packet;
        ASSERT_TRUE(find_packet(octets, ordinal, packet)) << ordinal;
        EXPECT_EQ(packet.ordinal, ordinal);
        EXPECT_EQ(packet.flags, 3);
        EXPECT_EQ(packet.first_sqn, static_cast<std::uint32_t>(ordinal - 1));
        EXPECT_EQ(packet.offset, 17u);
        EXPECT_EQ(packet.apdu_length, 4711u);
        ASSERT_EQ(packet.payload.size(), length);
        for (std::size_t i = 0; i < length; ++i)
            ASSERT_EQ(packet.payload[i], static_cast<std::byte>(ordinal + i));
    }
};

TEST(ArchiveBlock, GivesBackPacketsOfAllLengthsAcrossTheWrapOfNumbers) {
    Block block;
    const std::size_t lengths[] = {0, 1, 7, 8, 9, 1400, 9000, 65'535};
    std::uint64_t next = kFirst + 12;
    for (const std::size_t length : lengths) ASSERT_TRUE(block.add(next++, length));
    EXPECT_EQ(block.writer.first(), kFirst + 12);
    EXPECT_EQ(block.writer.end(), next);
    block.writer.close(kNonce);
    EXPECT_FALSE(block.writer.is_open());
    ASSERT_TRUE(is_block(block.octets, kNonce, kFirst + 12, next));
    next = kFirst + 12;
    for (const std::size_t length : lengths) block.expect(next++, length);
    ArchivedPacket packet;
    EXPECT_FALSE(find_packet(block.octets, next, packet));
}

TEST(ArchiveBlock, TakesWhatFitsAndRefusesTheRest) {
    Block block;
    std::uint64_t count = 0;
    while (block.add(kFirst + count, 1400)) ++count;
    EXPECT_GE(count, 90u) << "a read serves a burst of losses";
    EXPECT_LE(block.writer.used(), kBlockBytes);
    block.writer.close(kNonce);
    ASSERT_TRUE(is_block(block.octets, kNonce, kFirst, kFirst + count));
    block.expect(kFirst + count - 1, 1400);
}

TEST(ArchiveBlock, ANumberWithoutAPacketIsSpannedAndNotFound) {
    Block block;
    block.writer.skip(kFirst);
    ASSERT_TRUE(block.add(kFirst + 1, 100));
    block.writer.skip(kFirst + 2);
    block.writer.close(kNonce);
    ASSERT_TRUE(is_block(block.octets, kNonce, kFirst, kFirst + 3));
    ArchivedPacket packet;
    EXPECT_FALSE(find_packet(block.octets, kFirst, packet));
    EXPECT_FALSE(find_packet(block.octets, kFirst + 2, packet));
    block.expect(kFirst + 1, 100);
}

TEST(ArchiveBlock, AnotherPlaceAnotherAgeOrAnyChangedOctetIsNoBlock) {
    Block block;
    for (std::uint64_t i = 0; i < 5; ++i) ASSERT_TRUE(block.add(kFirst + i, 300));
    const std::size_t used = block.writer.used();
    block.writer.close(kNonce);
    ASSERT_TRUE(is_block(block.octets, kNonce, kFirst, kFirst + 5));
    EXPECT_FALSE(is_block(block.octets, kNonce + 1, kFirst, kFirst + 5));
    EXPECT_FALSE(is_block(block.octets, kNonce, kFirst + 1, kFirst + 5));
    EXPECT_FALSE(is_block(block.octets, kNonce, kFirst, kFirst + 6));
    EXPECT_FALSE(
        is_block(std::span(block.octets).first(kBlockBytes - 1), kNonce, kFirst, kFirst + 5));
    constexpr std::size_t kSum = 48;  // behind it nothing of the header is looked at
    for (std::size_t at = 0; at < used; ++at) {
        if (at >= kSum && at < BlockWriter::kHeader) continue;
        if (at >= 32 && at < 36) continue;  // packets: for humans
        block.octets[at] ^= std::byte{0x10};
        EXPECT_FALSE(is_block(block.octets, kNonce, kFirst, kFirst + 5)) << at;
        block.octets[at] ^= std::byte{0x10};
    }
}

}  // namespace
}  // namespace fanfare::control
