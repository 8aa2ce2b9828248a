#include <gtest/gtest.h>

#include <random>

#include "engine/wire/names.hpp"
#include "engine/wire/packet.hpp"
#include "tests/wire/difference.hpp"
#include "tests/wire/packets.hpp"

namespace fanfare::wire {
namespace {

constexpr auto kKinds = static_cast<unsigned>(OptionBit::unknown);

std::vector<std::byte> encoded(const Packet& packet) {
    std::vector<std::byte> octets(encoded_size(packet));
    EXPECT_EQ(encode(packet, octets), octets.size());
    octets[kChecksumAt] = std::byte{1};  // any but zero: this is not about the sum
    return octets;
}

void expect_back(const Packet& packet, const std::string& what) {
    const auto octets = encoded(packet);
    Packet again;
    ASSERT_EQ(decode(octets, again), DecodeError::none) << what;
    EXPECT_EQ(test::difference(packet, again), "") << what;
    // A second time over the same object, which is full of another packet's fields.
    std::mt19937_64 random(1);
    const auto other = test::random_packet(Type::poll, (1u << kKinds) - 1, random);
    again = other.packet;
    ASSERT_EQ(decode(octets, again), DecodeError::none) << what;
    EXPECT_EQ(test::difference(packet, again), "") << what;
}

TEST(Encode, IsTheExactInverseOfDecodeForEveryTypeAndEveryOption) {
    std::mt19937_64 random(3208);
    for (Type type : test::kTypes) {
        for (unsigned kind = 0; kind < kKinds; ++kind) {
            for (int round = 0; round < 8; ++round) {
                const auto built = test::random_packet(type, 1u << kind, random);
                expect_back(built.packet, std::string(to_string(type)) + " " +
                                              std::string(to_string(static_cast<OptionBit>(kind))));
            }
        }
    }
}

TEST(Encode, PacketsWithoutOptionsComeBackWhole) {
    std::mt19937_64 random(3);
    for (Type type : test::kTypes) {
        const auto built = test::random_packet(type, 0, random);
        expect_back(built.packet, std::string(to_string(type)));
    }
}

TEST(Encode, ManyOptionsTogetherComeBackWhole) {
    std::mt19937_64 random(11);
    for (int round = 0; round < 2000; ++round) {
        std::uint32_t present = 0;
        for (int i = 0; i < 6; ++i) present |= 1u << (random() % kKinds);
        const auto type = test::kTypes[random() % std::size(test::kTypes)];
        const auto built = test::random_packet(type, present, random);
        expect_back(built.packet, "round " + std::to_string(round));
    }
}

TEST(Encode, NetworkSignificantOptionsStandBeforeAllOthers) {
    std::mt19937_64 random(91);
    for (int round = 0; round < 200; ++round) {
        std::uint32_t present = 0;
        for (int i = 0; i < 8; ++i) present |= 1u << (random() % kKinds);
        const auto built = test::random_packet(Type::spm, present, random);
        const auto octets = encoded(built.packet);
        bool others_begun = false;
        for (std::size_t at = 40; at < octets.size();
             at += std::to_integer<std::size_t>(octets[at + 1])) {
            const auto type = std::to_integer<unsigned>(octets[at]) & 0x7F;
            // By their numbers, not by the table under test: RFC 3208 says so at each format.
            bool significant = false;
            for (unsigned number : {0x02, 0x04, 0x05, 0x0B, 0x0C, 0x07, 0x08, 0x0A, 0x10, 0x11})
                significant = significant || type == number;
            EXPECT_FALSE(significant && others_begun) << "option " << type;
            others_begun = others_begun || !significant;
        }
    }
}

TEST(Encode, HeaderFlagsFollowFromTheOptions) {
    EXPECT_EQ(option_flags(Type::odata, 0), 0);
    EXPECT_EQ(option_flags(Type::odata, bit(OptionBit::fragment)), 0x01);
    EXPECT_EQ(option_flags(Type::spm, bit(OptionBit::fin) | bit(OptionBit::join)), 0x01);
    EXPECT_EQ(option_flags(Type::nak, bit(OptionBit::nak_list)), 0x03);
    EXPECT_EQ(option_flags(Type::spm, bit(OptionBit::parity_prm)), 0x03);
    EXPECT_EQ(option_flags(Type::odata, bit(OptionBit::curr_tgsize)), 0x01);
    EXPECT_EQ(option_flags(Type::rdata, bit(OptionBit::curr_tgsize)), 0x03);
}

TEST(Encode, SixteenOptionsAreWrittenAndSeventeenAreRefused) {
    std::mt19937_64 random(16);
    const auto sixteen = test::random_packet(Type::spm, (1u << 16) - 1, random);
    expect_back(sixteen.packet, "sixteen");
    const auto seventeen = test::random_packet(Type::spm, (1u << 17) - 1, random);
    std::vector<std::byte> room(2000);
    EXPECT_EQ(encode(seventeen.packet, room), 0u);
}

TEST(Encode, AFieldThatDoesNotFitItsPlaceIsRefused) {
    std::vector<std::byte> room(1500);
    const auto refused = [&](auto set) {
        Packet packet;
        packet.type = Type::spm;
        packet.options.fragment = {0, 0, 0, 0};
        packet.options.cr = {};
        EXPECT_NE(encode(packet, room), 0u);
        set(packet);
        return encode(packet, room) == 0;
    };
    std::vector<std::byte> list(4 * 63);
    const auto nak_list = [&](std::uint8_t count) {
        return refused([&](Packet& p) {
            p.options.set(OptionBit::nak_list);
            p.options.nak_list = {list.data(), count};
        });
    };
    EXPECT_TRUE(nak_list(0));
    EXPECT_FALSE(nak_list(62));
    EXPECT_TRUE(nak_list(63));
    const auto rst = [&](std::uint8_t error) {
        return refused([&](Packet& p) {
            p.options.set(OptionBit::rst);
            p.options.rst = {true, error};
        });
    };
    EXPECT_FALSE(rst(0x3F));
    EXPECT_TRUE(rst(0x40));
    EXPECT_TRUE(refused([](Packet& p) {
        p.options.set(OptionBit::cr);
        p.options.cr.what = 8;
    }));
    EXPECT_TRUE(refused([](Packet& p) {
        p.options.set(OptionBit::crqst);
        p.options.crqst.what = 8;
    }));
    EXPECT_TRUE(refused([](Packet& p) {
        p.options.set(OptionBit::fragment);
        p.options.fragment = {1, 101, 100, 0};
    }));
    EXPECT_TRUE(refused([](Packet& p) {  // encoded options are for parity packets
        p.options.set(OptionBit::fragment);
        p.options.encoded = bit(OptionBit::fragment);
    }));
    std::vector<std::byte> big(0x10000), huge(0x11000);
    Packet packet;
    packet.type = Type::odata;
    packet.payload = big;
    EXPECT_EQ(encode(packet, huge), 0u);
    packet.payload = std::span(big).first(0xFFFF);
    EXPECT_EQ(encode(packet, huge), kDataHeaderSize + 0xFFFF);
}

TEST(Encode, RefusesRoomThatIsTooSmallAndWritesNothingBeyondItsOwn) {
    std::mt19937_64 random(12);
    const auto built =
        test::random_packet(Type::odata, bit(OptionBit::fragment) | bit(OptionBit::join), random);
    const std::size_t size = encoded_size(built.packet);
    for (std::size_t room = 0; room < size; ++room) {
        std::vector<std::byte> octets(size, std::byte{0xEE});
        EXPECT_EQ(encode(built.packet, std::span(octets).first(room)), 0u);
        for (std::size_t i = room; i < size; ++i) ASSERT_EQ(octets[i], std::byte{0xEE});
    }
    std::vector<std::byte> octets(size + 8, std::byte{0xEE});
    EXPECT_EQ(encode(built.packet, octets), size);
    for (std::size_t i = size; i < octets.size(); ++i) EXPECT_EQ(octets[i], std::byte{0xEE});
}

TEST(Encode, HeadersAloneLeaveThePayloadToTheCallerAndStillStateItsLength) {
    std::mt19937_64 random(13);
    const auto built = test::random_packet(Type::rdata, bit(OptionBit::fragment), random);
    const auto whole = encoded(built.packet);
    const std::size_t head = whole.size() - built.packet.payload.size();
    std::vector<std::byte> octets(head);
    ASSERT_EQ(encode(built.packet, octets, false), head);
    octets[kChecksumAt] = std::byte{1};
    EXPECT_TRUE(std::equal(octets.begin(), octets.end(), whole.begin()));
}

}  // namespace
}  // namespace fanfare::wire
