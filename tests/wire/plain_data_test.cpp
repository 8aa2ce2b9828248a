#include "engine/wire/plain_data.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace fanfare::wire {
namespace {

std::vector<std::byte> data_packet(std::size_t length, Type type, bool packed) {
    std::vector<std::byte> payload(length, std::byte{0x5A});
    Packet packet{};
    packet.type = type;
    packet.gsi.octets = {1, 2, 3, 4, 5, 6};
    packet.source_port = 0x1234;
    packet.destination_port = 7500;
    packet.sqn = 0xFFFFFFFE;
    packet.trail = 0xFFFFFF00;
    packet.payload = payload;
    if (packed) packet.options.set(OptionBit::packed);
    packet.flags = option_flags(type, packet.options.present);
    std::vector<std::byte> octets(encoded_size(packet));
    encode(packet, octets);
    octets[kChecksumAt] = std::byte{1};  // any but none
    return octets;
}

// Whatever the shortcut takes, decode() takes, and to the same fields.
bool taken_alike(std::span<const std::byte> octets) {
    Packet shortcut{}, whole{};
    if (!decode_plain_data(octets, shortcut)) return false;
    EXPECT_EQ(decode(octets, whole), DecodeError::none);
    EXPECT_EQ(shortcut.type, whole.type);
    EXPECT_EQ(shortcut.flags, whole.flags);
    EXPECT_EQ(shortcut.tsi(), whole.tsi());
    EXPECT_EQ(shortcut.destination_port, whole.destination_port);
    EXPECT_EQ(shortcut.checksum, whole.checksum);
    EXPECT_EQ(shortcut.tsdu_length, whole.tsdu_length);
    EXPECT_EQ(shortcut.sqn, whole.sqn);
    EXPECT_EQ(shortcut.trail, whole.trail);
    EXPECT_EQ(shortcut.options.present, whole.options.present);
    EXPECT_EQ(shortcut.options.encoded, whole.options.encoded);
    EXPECT_EQ(shortcut.payload.data(), whole.payload.data());
    EXPECT_EQ(shortcut.payload.size(), whole.payload.size());
    return true;
}

}  // namespace

TEST(PlainData, TakesDataWithoutOptionsAndContainersAsDecodeWould) {
    for (const Type type : {Type::odata, Type::rdata}) {
        for (const bool packed : {false, true}) {
            for (const std::size_t length : {0u, 1u, 2u, 1452u}) {
                EXPECT_TRUE(taken_alike(data_packet(length, type, packed)));
            }
        }
    }
}

TEST(PlainData, TheKeyOfASessionIsThatOfItsTsi) {
    const auto octets = data_packet(3, Type::odata, false);
    Packet packet{};
    ASSERT_EQ(decode(octets, packet), DecodeError::none);
    EXPECT_EQ(source_key(octets.data()), packet.tsi().key());
}

TEST(PlainData, LeavesEveryTruncationAndEveryOtherTypeToDecode) {
    const auto octets = data_packet(8, Type::odata, true);
    for (std::size_t length = 0; length < octets.size(); ++length) {
        // A copy of that length, so that a look beyond it is seen.
        const std::vector<std::byte> part(octets.begin(),
                                          octets.begin() + static_cast<std::ptrdiff_t>(length));
        Packet packet{};
        EXPECT_FALSE(decode_plain_data(part, packet)) << length;
    }
    for (unsigned type = 0; type < 256; ++type) {
        if (type == 4 || type == 5) continue;
        auto other = octets;
        other[4] = static_cast<std::byte>(type);
        Packet packet{};
        EXPECT_FALSE(decode_plain_data(other, packet)) << type;
    }
}

TEST(PlainData, DataWithoutAChecksumIsNotTaken) {
    auto octets = data_packet(8, Type::odata, false);
    octets[kChecksumAt] = octets[kChecksumAt + 1] = std::byte{0};
    Packet packet{};
    EXPECT_FALSE(decode_plain_data(octets, packet));
}

TEST(PlainData, ChangedOctetsAreTakenAsDecodeTakesThemOrNotAtAll) {
    constexpr unsigned kSeed = 11;
    std::printf("seed %u\n", kSeed);
    std::mt19937 random(kSeed);
    std::size_t taken = 0;
    for (int round = 0; round < 20000; ++round) {
        auto octets = data_packet(random() % 32, Type::odata, random() % 2 != 0);
        for (unsigned changes = random() % 3; changes > 0; --changes) {
            octets[random() % octets.size()] = static_cast<std::byte>(random());
        }
        taken += taken_alike(octets) ? 1 : 0;
    }
    EXPECT_GT(taken, 5000u);
}

}  // namespace fanfare::wire
