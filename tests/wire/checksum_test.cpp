#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "engine/checksum/checksum.hpp"

namespace fanfare::checksum {
namespace {

// RFC 1071 word by word: the judge of all kernels.
std::uint16_t plain_fold(const std::byte* data, std::size_t length) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < length; i += 2) {
        std::uint16_t word = 0;
        std::memcpy(&word, data + i, std::min<std::size_t>(2, length - i));
        sum += word;
    }
    while (sum >> 16) sum = (sum & 0xFFFF) + (sum >> 16);
    return static_cast<std::uint16_t>(sum);
}

std::vector<Level> levels_here() {
    std::vector<Level> levels;
    for (auto level : {Level::scalar, Level::avx2, Level::avx512}) {
        if (kernels(level).level == level) levels.push_back(level);
    }
    return levels;
}

TEST(Checksum, EveryKernelSumsAndCopiesEveryLengthAndAlignmentAsThePlainLoopDoes) {
    std::mt19937_64 random(1071);
    std::vector<std::byte> source(2300);
    for (auto& octet : source) octet = static_cast<std::byte>(random());
    for (std::size_t offset = 0; offset < 65; offset += 3) {
        for (std::size_t length = 0; length <= 2200; length += (length < 200 ? 1 : 61)) {
            const std::uint16_t right = plain_fold(source.data() + offset, length);
            for (auto level : levels_here()) {
                ASSERT_EQ(fold(kernels(level).sum(source.data() + offset, length)), right)
                    << length;
                // Heap rooms of the exact size: a sanitizer sees one octet too many, read or
                // written.
                auto room = std::make_unique<std::byte[]>(length);
                auto exact = std::make_unique<std::byte[]>(length);
                if (length > 0) std::memcpy(exact.get(), source.data() + offset, length);
                ASSERT_EQ(fold(kernels(level).copy_and_sum(room.get(), exact.get(), length)), right)
                    << length;
                ASSERT_TRUE(length == 0 || std::memcmp(room.get(), exact.get(), length) == 0)
                    << length;
            }
        }
    }
}

TEST(Checksum, PiecesAddUpToTheWholeWhereverTheCutIs) {
    std::mt19937_64 random(5);
    std::vector<std::byte> packet(301);
    for (auto& octet : packet) octet = static_cast<std::byte>(random());
    const auto& k = best_kernels();
    for (std::size_t cut = 0; cut <= packet.size(); ++cut) {
        const auto sum =
            add(k.sum(packet.data(), cut), k.sum(packet.data() + cut, packet.size() - cut), cut);
        EXPECT_EQ(fold(sum), plain_fold(packet.data(), packet.size())) << cut;
    }
}

TEST(Checksum, AFinishedPacketIsIntactAndAnyFlippedBitShows) {
    std::mt19937_64 random(6);
    std::vector<std::byte> packet(120);
    for (auto& octet : packet) octet = static_cast<std::byte>(random());
    packet[6] = packet[7] = std::byte{0};
    const auto& k = best_kernels();
    const std::uint16_t value = finish(k.sum(packet.data(), packet.size()));
    std::memcpy(packet.data() + 6, &value, 2);
    EXPECT_TRUE(intact(k.sum(packet.data(), packet.size())));
    for (std::size_t i = 0; i < packet.size() * 8; ++i) {
        packet[i / 8] ^= static_cast<std::byte>(1u << (i % 8));
        EXPECT_FALSE(intact(k.sum(packet.data(), packet.size()))) << i;
        packet[i / 8] ^= static_cast<std::byte>(1u << (i % 8));
    }
}

TEST(Checksum, AZeroResultIsSentAsAllOnes) {
    EXPECT_EQ(finish(0xFFFF), 0xFFFF);
}

}  // namespace
}  // namespace fanfare::checksum
