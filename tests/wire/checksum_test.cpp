#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

#include "engine/checksum/checksum.hpp"
#include "tests/wire/guarded_pages.hpp"

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

using test::GuardedPages;
constexpr std::size_t kLongest = 4096;  // past the largest packet by far enough

class Kernel : public testing::TestWithParam<Level> {
  protected:
    void SetUp() override {
        if (kernels(GetParam()).level != GetParam()) GTEST_SKIP() << "this CPU lacks the level";
    }
    const Kernels& k() const { return kernels(GetParam()); }
};

std::string name_of(const testing::TestParamInfo<Level>& info) {
    constexpr const char* kNames[] = {"scalar", "avx2", "avx512"};
    return kNames[static_cast<std::size_t>(info.param)];
}
INSTANTIATE_TEST_SUITE_P(Level, Kernel, testing::Values(Level::scalar, Level::avx2, Level::avx512),
                         name_of);

TEST_P(Kernel, SumsEveryLengthAtTheEndAndAtTheBeginningOfAPage) {
    std::mt19937_64 random(1071);
    GuardedPages source(kLongest), room(kLongest);
    for (std::size_t i = 0; i < source.size(); ++i)
        source.begin()[i] = static_cast<std::byte>(random());
    for (std::size_t length = 0; length <= kLongest; ++length) {
        for (const bool at_end : {true, false}) {
            const std::byte* from = at_end ? source.end() - length : source.begin();
            std::byte* to = at_end ? room.end() - length : room.begin();
            const std::uint16_t right = plain_fold(from, length);
            ASSERT_EQ(fold(k().sum(from, length)), right) << length << at_end;
            std::memset(room.begin(), 0xEE, room.size());
            ASSERT_EQ(fold(k().copy_and_sum(to, from, length)), right) << length << at_end;
            ASSERT_EQ(std::memcmp(to, from, length), 0) << length << at_end;
            // The octets beside are as they were.
            if (length < room.size()) {
                ASSERT_EQ(at_end ? to[-1] : to[length], std::byte{0xEE}) << length << at_end;
            }
        }
    }
}

TEST_P(Kernel, SumsAndCopiesAtEveryAlignmentOfSourceAndDestination) {
    std::mt19937_64 random(64);
    std::vector<std::byte> source(64 + 300), room(64 + 300);
    for (auto& octet : source) octet = static_cast<std::byte>(random());
    for (std::size_t from = 0; from < 64; ++from) {
        for (std::size_t to = 0; to < 64; ++to) {
            const std::size_t length = 130 + random() % 170;
            const std::byte* begin = source.data() + from;
            std::fill(room.begin(), room.end(), std::byte{0xEE});
            const auto sum = k().copy_and_sum(room.data() + to, begin, length);
            const auto right = plain_fold(begin, length);
            ASSERT_EQ(fold(sum), right) << from << " " << to;
            ASSERT_EQ(fold(k().sum(begin, length)), right);
            ASSERT_EQ(std::memcmp(room.data() + to, begin, length), 0);
            for (std::size_t i = 0; i < to; ++i) ASSERT_EQ(room[i], std::byte{0xEE});
            for (std::size_t i = to + length; i < room.size(); ++i)
                ASSERT_EQ(room[i], std::byte{0xEE});
        }
    }
}

TEST_P(Kernel, SumsTheLargestPacketsOfExtremeOctetsWithoutLosingACarry) {
    for (int octet : {0x00, 0x01, 0x7F, 0x80, 0xFE, 0xFF}) {
        const std::vector<std::byte> data(65'535, static_cast<std::byte>(octet));
        for (std::size_t length : {65'535, 65'534, 65'533, 65'472, 32'768}) {
            ASSERT_EQ(fold(k().sum(data.data(), length)), plain_fold(data.data(), length))
                << octet << " " << length;
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

TEST(Checksum, ALevelThatTheCpuLacksFallsToOneThatItHas) {
    for (auto level : {Level::scalar, Level::avx2, Level::avx512})
        EXPECT_LE(kernels(level).level, level);
    EXPECT_EQ(&best_kernels(), &kernels(Level::avx512));
    EXPECT_EQ(kernels(Level::scalar).level, Level::scalar);
}

TEST(Checksum, AZeroResultIsSentAsAllOnes) {
    EXPECT_EQ(finish(0xFFFF), 0xFFFF);
}

}  // namespace
}  // namespace fanfare::checksum
