#include "engine/core/parity_encoder.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace fanfare::engine {
namespace {

std::vector<std::byte> from_hex(const std::string& hex) {
    std::vector<std::byte> out;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
        out.push_back(static_cast<std::byte>(std::stoi(hex.substr(i, 2), nullptr, 16)));
    return out;
}
std::vector<std::byte> payload_of(const ParityEncoder& encoder, std::size_t row) {
    return {encoder.payload(row).begin(), encoder.payload(row).end()};
}
void fold(ParityEncoder& encoder, std::size_t place, const std::vector<std::byte>& data) {
    encoder.fold(place, ParitySymbol(nullptr, false, static_cast<std::uint16_t>(data.size())),
                 false, false, data.data(), data.size());
}

// fec-vectors.json, blocks, k = 2.
TEST(ParityEncoder, PacketsOfOneLengthMakeTheRowsOfTheVectors) {
    ParityEncoder encoder(2, 3, 64, fec::best_kernels());
    fold(encoder, 0, from_hex("0205080b0e111417"));
    fold(encoder, 1, from_hex("1215181b1e212427"));
    encoder.close();
    EXPECT_FALSE(encoder.variable());
    EXPECT_EQ(payload_of(encoder, 0), from_hex("2225282b2e717477"));
    EXPECT_EQ(payload_of(encoder, 1), from_hex("4245484b4ed1d4d7"));
    EXPECT_EQ(payload_of(encoder, 2), from_hex("8285888b8e8c898a"));
}

TEST(ParityEncoder, TheLastRowOfTheFieldIsThatOfTheVectors) {
    ParityEncoder encoder(2, 1, 64, fec::best_kernels());
    encoder.set_rows(252);
    encoder.begin();
    fold(encoder, 0, from_hex("0205080b0e111417"));
    fold(encoder, 1, from_hex("1215181b1e212427"));
    EXPECT_EQ(payload_of(encoder, 0), from_hex("06010c0f0a1d181b"));
}

// fec-vectors.json, variable_length: the longest comes first, in the middle, last.
TEST(ParityEncoder, PacketsOfDifferentLengthsEndInAnEncodedLength) {
    const auto data = {from_hex("4142434445464748494a"), from_hex("6b6c6d"), from_hex(""),
                       from_hex("30313233343536")};
    ParityEncoder encoder(4, 3, 64, fec::kernels(fec::Level::scalar));
    std::size_t place = 0;
    for (const auto& packet : data) fold(encoder, place++, packet);
    encoder.close();
    EXPECT_TRUE(encoder.variable());
    EXPECT_EQ(payload_of(encoder, 0), from_hex("195376623fa8cd1364fd009b"));
    EXPECT_EQ(payload_of(encoder, 1), from_hex("91fb2f97497102e126720008"));
    EXPECT_EQ(payload_of(encoder, 2), from_hex("985c4c0de3293bdb887d00bf"));
}

// fec-vectors.json, option_encoding.
TEST(ParityEncoder, OptionsAreEncodedFromTheirFourthOctetOn) {
    ParityEncoder encoder(4, 2, 64, fec::best_kernels());
    const std::byte octet{7};
    for (std::uint32_t i = 0; i < 4; ++i) {
        const ParitySymbol::Fragment fragment{100, 1400 * i, 3000};
        encoder.fold(i, ParitySymbol(i < 3 ? &fragment : nullptr, false, 1), i < 3, false, &octet,
                     1);
    }
    encoder.close();
    EXPECT_TRUE(encoder.fragments());
    EXPECT_FALSE(encoder.packed());
    const auto encoded = [&](std::size_t row) {
        const auto* octets = reinterpret_cast<const std::byte*>(encoder.symbol(row).octets());
        return std::vector<std::byte>(octets, octets + 13);
    };
    EXPECT_EQ(encoded(0), from_hex("53000000260000f068000069a6"));
    EXPECT_EQ(encoded(1), from_hex("04000000ca000073dc0000f874"));
}

TEST(ParityEncoder, AShortGroupIsAGroupWhoseOtherPacketsAreZeros) {
    ParityEncoder shorter(4, 1, 64, fec::best_kernels()), padded(4, 1, 64, fec::best_kernels());
    const auto a = from_hex("010203"), b = from_hex("0a0b0c"), zeros = from_hex("000000");
    fold(shorter, 0, a);
    fold(shorter, 1, b);
    shorter.close();
    fold(padded, 0, a);
    fold(padded, 1, b);
    fold(padded, 2, zeros);
    fold(padded, 3, zeros);
    padded.close();
    EXPECT_EQ(payload_of(shorter, 0), payload_of(padded, 0));
}

TEST(ParitySymbol, WhatWasDecodedIsJudged) {
    const ParitySymbol::Fragment good{5, 10, 20}, beyond{5, 21, 20};
    EXPECT_TRUE(ParitySymbol(&good, false, 1).meaning(true, true)->fragment.has_value());
    EXPECT_FALSE(ParitySymbol(nullptr, true, 1).meaning(true, true)->fragment.has_value());
    EXPECT_TRUE(ParitySymbol(nullptr, true, 1).meaning(true, true)->packed);
    EXPECT_FALSE(ParitySymbol(nullptr, false, 1).meaning(true, true)->packed);
    EXPECT_FALSE(ParitySymbol(&beyond, false, 1).meaning(true, true)) << "offset behind the end";
    ParitySymbol damaged(&good, false, 1);
    damaged.octets()[0] = 0x41;
    EXPECT_FALSE(damaged.meaning(true, true));
    EXPECT_TRUE(damaged.meaning(false, true)) << "no packet of the group has the option";
    ParitySymbol null_with_fields(nullptr, false, 1);
    null_with_fields.octets()[5] = 1;
    EXPECT_FALSE(null_with_fields.meaning(true, true));
}

}  // namespace
}  // namespace fanfare::engine
