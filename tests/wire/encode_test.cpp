#include <gtest/gtest.h>

#include <random>

#include "engine/wire/names.hpp"
#include "engine/wire/packet.hpp"
#include "tests/wire/packets.hpp"

namespace fanfare::wire {
namespace {

TEST(Encode, IsTheExactInverseOfDecodeForEveryTypeAndEveryOption) {
    std::mt19937_64 random(3208);
    for (Type type : test::kTypes) {
        for (std::size_t kind = 0; kind < static_cast<std::size_t>(OptionBit::unknown); ++kind) {
            const auto built = test::random_packet(type, 1u << kind, random);
            std::vector<std::byte> octets(encoded_size(built.packet));
            ASSERT_EQ(encode(built.packet, octets), octets.size());
            octets[6] = std::byte{1};
            Packet again;
            ASSERT_EQ(decode(octets, again), DecodeError::none)
                << to_string(type) << " " << to_string(static_cast<OptionBit>(kind));
            again.checksum = 0;
            test::expect_equal(built.packet, again);
        }
    }
}

TEST(Encode, ManyOptionsTogetherComeBackWhole) {
    std::mt19937_64 random(11);
    for (int round = 0; round < 2000; ++round) {
        std::uint32_t present = 0;
        for (int i = 0; i < 6; ++i)
            present |= 1u << (random() % static_cast<unsigned>(OptionBit::unknown));
        const auto type = test::kTypes[random() % std::size(test::kTypes)];
        const auto built = test::random_packet(type, present, random);
        std::vector<std::byte> octets(encoded_size(built.packet));
        ASSERT_EQ(encode(built.packet, octets), octets.size());
        octets[6] = std::byte{1};
        Packet again;
        ASSERT_EQ(decode(octets, again), DecodeError::none);
        again.checksum = 0;
        test::expect_equal(built.packet, again);
    }
}

TEST(Encode, RefusesRoomThatIsTooSmallAndWritesNothingBeyondItsOwn) {
    std::mt19937_64 random(12);
    const auto built =
        test::random_packet(Type::odata, bit(OptionBit::fragment) | bit(OptionBit::join), random);
    const std::size_t size = encoded_size(built.packet);
    for (std::size_t room = 0; room < size; ++room) {
        std::vector<std::byte> octets(size, std::byte{0xEE});
        EXPECT_EQ(encode(built.packet, std::span(octets).first(room)), 0u);
    }
    std::vector<std::byte> octets(size + 8, std::byte{0xEE});
    EXPECT_EQ(encode(built.packet, octets), size);
    for (std::size_t i = size; i < octets.size(); ++i) EXPECT_EQ(octets[i], std::byte{0xEE});
}

TEST(Encode, HeadersAloneLeaveThePayloadToTheCaller) {
    std::mt19937_64 random(13);
    const auto built = test::random_packet(Type::rdata, bit(OptionBit::fragment), random);
    std::vector<std::byte> octets(encoded_size(built.packet));
    EXPECT_EQ(encode(built.packet, octets, false), octets.size() - built.packet.payload.size());
}

}  // namespace
}  // namespace fanfare::wire
