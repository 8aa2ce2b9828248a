#include <gtest/gtest.h>

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "engine/fec/galois.hpp"
#include "engine/fec/generator.hpp"
#include "engine/fec/kernels.hpp"

namespace fanfare::fec {
namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes from_hex(const std::string& hex) {
    Bytes out;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
        out.push_back(static_cast<std::uint8_t>(std::stoi(hex.substr(i, 2), nullptr, 16)));
    }
    return out;
}

nlohmann::json vectors() {
    std::ifstream file(std::string(FANFARE_TEST_DATA) + "/fec-vectors.json");
    return nlohmann::json::parse(file);
}

std::vector<Level> levels_here() {
    std::vector<Level> levels;
    for (auto level : {Level::scalar, Level::ssse3, Level::avx2, Level::avx512, Level::gfni}) {
        if (kernels(level).level == level) levels.push_back(level);
    }
    return levels;
}

// A buffer that ends where its pages end: the next octet faults.
class GuardedBuffer {
  public:
    explicit GuardedBuffer(std::size_t size) : size_(size) {
        const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
        room_ = (size + page - 1) / page * page + page;
        base_ = static_cast<std::uint8_t*>(
            mmap(nullptr, room_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        mprotect(base_ + room_ - page, page, PROT_NONE);
        data_ = base_ + room_ - page - size;
    }
    ~GuardedBuffer() { munmap(base_, room_); }
    GuardedBuffer(const GuardedBuffer&) = delete;
    GuardedBuffer& operator=(const GuardedBuffer&) = delete;
    std::uint8_t* data() { return data_; }
    std::size_t size() const { return size_; }

  private:
    std::uint8_t* base_;
    std::uint8_t* data_;
    std::size_t size_, room_;
};

Bytes row_of(std::size_t k, std::size_t j) {
    Bytes row(k);
    generator_row(k, j, row);
    return row;
}

TEST(Generator, RowsMadeOneAfterTheOtherAreTheRowsMadeAlone) {
    for (std::size_t k = 2; k <= kMaxData; k *= 2) {
        const RowMaker maker(k);
        for (std::size_t j = k; j < kMaxPackets; ++j) {
            Bytes row(k);
            maker.row(j, row);
            EXPECT_EQ(row, row_of(k, j)) << k << " " << j;
        }
    }
}

TEST(Galois, TablesAgreeWithThePublishedChecks) {
    const auto check = vectors()["gf_check"];
    for (std::size_t i = 0; i < 16; ++i) {
        EXPECT_EQ(kGalois.power[i], check["antilog_0_15"][i].get<int>());
        EXPECT_EQ(kGalois.log[i + 1], check["log_1_16"][i].get<int>());
    }
    EXPECT_EQ(multiply(0x57, 0x83), check["mul_57_83"].get<int>());
    EXPECT_EQ(inverse(0x02), check["inv_02"].get<int>());
    EXPECT_EQ(inverse(0xFF), check["inv_ff"].get<int>());
}

TEST(Galois, EveryNonzeroElementTimesItsInverseIsOne) {
    for (unsigned a = 1; a < 256; ++a)
        EXPECT_EQ(multiply(static_cast<Octet>(a), inverse(static_cast<Octet>(a))), 1);
}

TEST(Generator, RowsEqualEveryPublishedRow) {
    const auto all = vectors();
    for (const char* list : {"blocks", "rows_large_k"}) {
        for (const auto& block : all[list]) {
            const auto k = block["k"].get<std::size_t>();
            for (const auto& [row, hex] : block["rows"].items()) {
                EXPECT_EQ(row_of(k, std::stoul(row)), from_hex(hex.get<std::string>()))
                    << "k " << k << " row " << row;
            }
        }
    }
}

TEST(Kernels, ParityEqualsEveryPublishedBlockAtEveryLevel) {
    const auto all = vectors();
    for (auto level : levels_here()) {
        for (const auto& block : all["blocks"]) {
            const auto k = block["k"].get<std::size_t>();
            std::vector<Bytes> data;
            std::vector<const std::uint8_t*> sources;
            for (const auto& hex : block["data"]) data.push_back(from_hex(hex.get<std::string>()));
            for (const auto& d : data) sources.push_back(d.data());
            for (const auto& [row, hex] : block["parity"].items()) {
                const Bytes coefficients = row_of(k, std::stoul(row));
                Bytes parity(data[0].size());
                std::uint8_t* rows[] = {parity.data()};
                kernels(level).multiply_rows(rows, 1, coefficients.data(), sources.data(), k,
                                             parity.size(), false);
                EXPECT_EQ(parity, from_hex(hex.get<std::string>()))
                    << to_string(level) << " k " << k << " row " << row;
            }
        }
    }
}

TEST(Kernels, VariableLengthSymbolsEncodeInBothOctetOrders) {
    const auto v = vectors()["variable_length"];
    const auto k = v["k"].get<std::size_t>();
    for (const char* order : {"network_order", "little_endian"}) {
        std::vector<Bytes> data;
        std::vector<const std::uint8_t*> sources;
        for (const auto& hex : v[std::string("symbols_") + order])
            data.push_back(from_hex(hex.get<std::string>()));
        for (const auto& d : data) sources.push_back(d.data());
        for (const auto& [row, hex] : v[std::string("parity_") + order].items()) {
            const Bytes coefficients = row_of(k, std::stoul(row));
            Bytes parity(data[0].size());
            std::uint8_t* rows[] = {parity.data()};
            best_kernels().multiply_rows(rows, 1, coefficients.data(), sources.data(), k,
                                         parity.size(), false);
            EXPECT_EQ(parity, from_hex(hex.get<std::string>()));
        }
    }
}

TEST(Kernels, EveryLevelEqualsScalarForEveryLengthAndEndsWhereItsBuffersEnd) {
    constexpr std::size_t kSources = 5;
    constexpr std::size_t kRows = 11;  // 8 + 2 + 1: every row block of the tiles but 4
    std::mt19937_64 random(20261121);
    for (std::size_t length = 0; length <= 1200; length += (length < 300 ? 1 : 37)) {
        std::vector<std::unique_ptr<GuardedBuffer>> data, rows, expected;
        std::vector<const std::uint8_t*> sources;
        std::vector<std::uint8_t*> row_pointers, expected_pointers;
        for (std::size_t s = 0; s < kSources; ++s) {
            data.push_back(std::make_unique<GuardedBuffer>(length));
            for (std::size_t b = 0; b < length; ++b)
                data[s]->data()[b] = static_cast<std::uint8_t>(random());
            sources.push_back(data[s]->data());
        }
        Bytes coefficients(kRows * kSources);
        for (auto& c : coefficients) c = static_cast<std::uint8_t>(random());
        coefficients[3] = 0;
        for (std::size_t r = 0; r < kRows; ++r) {
            rows.push_back(std::make_unique<GuardedBuffer>(length));
            expected.push_back(std::make_unique<GuardedBuffer>(length));
            row_pointers.push_back(rows[r]->data());
            expected_pointers.push_back(expected[r]->data());
        }
        for (auto level : levels_here()) {
            for (std::size_t row_count :
                 {std::size_t{1}, std::size_t{2}, std::size_t{4}, std::size_t{7}, kRows}) {
                for (bool accumulate : {false, true}) {
                    for (std::size_t r = 0; r < kRows; ++r) {
                        std::memset(rows[r]->data(), 0x5A, length);
                        std::memset(expected[r]->data(), 0x5A, length);
                    }
                    kernels(Level::scalar)
                        .multiply_rows(expected_pointers.data(), row_count, coefficients.data(),
                                       sources.data(), kSources, length, accumulate);
                    kernels(level).multiply_rows(row_pointers.data(), row_count,
                                                 coefficients.data(), sources.data(), kSources,
                                                 length, accumulate);
                    for (std::size_t r = 0; r < kRows; ++r) {
                        ASSERT_EQ(std::memcmp(rows[r]->data(), expected[r]->data(), length), 0)
                            << to_string(level) << " length " << length << " rows " << row_count
                            << " row " << r;
                    }
                }
            }
        }
    }
}

TEST(Kernels, AlignmentOfTheOctetsDoesNotMatter) {
    std::mt19937_64 random(7);
    Bytes source(400), expected(400), row(400);
    for (auto& b : source) b = static_cast<std::uint8_t>(random());
    const std::uint8_t coefficient = 0xC3;
    for (auto level : levels_here()) {
        for (std::size_t from = 0; from < 64; ++from) {
            for (std::size_t to : {std::size_t{0}, from, 63 - from}) {
                const std::uint8_t* sources[] = {source.data() + from};
                std::uint8_t* rows[] = {row.data() + to};
                std::uint8_t* expected_rows[] = {expected.data() + to};
                kernels(level).multiply_rows(rows, 1, &coefficient, sources, 1, 300, false);
                kernels(Level::scalar)
                    .multiply_rows(expected_rows, 1, &coefficient, sources, 1, 300, false);
                ASSERT_EQ(std::memcmp(rows[0], expected_rows[0], 300), 0)
                    << to_string(level) << " " << from;
            }
        }
    }
}

// Encodes a random group, keeps only `have`, decodes the missing data packets and compares.
void round_trip(std::size_t k, const std::vector<std::uint8_t>& have, std::uint64_t seed) {
    constexpr std::size_t kLength = 70;
    std::mt19937_64 random(seed);
    std::vector<Bytes> data(k, Bytes(kLength));
    for (auto& d : data)
        for (auto& b : d) b = static_cast<std::uint8_t>(random());
    std::vector<const std::uint8_t*> all;
    for (const auto& d : data) all.push_back(d.data());

    std::vector<Bytes> received;
    for (auto row : have) {
        if (row < k) {
            received.push_back(data[row]);
            continue;
        }
        const Bytes coefficients = row_of(k, row);
        Bytes parity(kLength);
        std::uint8_t* rows[] = {parity.data()};
        best_kernels().multiply_rows(rows, 1, coefficients.data(), all.data(), k, kLength, false);
        received.push_back(parity);
    }
    Bytes missing;
    for (std::size_t i = 0; i < k; ++i) {
        if (std::find(have.begin(), have.end(), static_cast<std::uint8_t>(i)) == have.end()) {
            missing.push_back(static_cast<std::uint8_t>(i));
        }
    }
    Bytes coefficients(missing.size() * k);
    ASSERT_TRUE(RowMaker(k).decoding_rows(have, missing, coefficients));
    std::vector<const std::uint8_t*> sources;
    for (const auto& r : received) sources.push_back(r.data());
    std::vector<Bytes> made(missing.size(), Bytes(kLength));
    std::vector<std::uint8_t*> rows;
    for (auto& m : made) rows.push_back(m.data());
    best_kernels().multiply_rows(rows.data(), rows.size(), coefficients.data(), sources.data(), k,
                                 kLength, false);
    for (std::size_t i = 0; i < missing.size(); ++i) {
        ASSERT_EQ(made[i], data[missing[i]]) << "k " << k << " packet " << int{missing[i]};
    }
}

TEST(Decode, AnyKPacketsOfASmallGroupGiveTheDataBack) {
    for (std::size_t k : {2u, 4u}) {
        const unsigned n = static_cast<unsigned>(k) * 2 + 2;
        for (unsigned pattern = 0; pattern < (1u << n); ++pattern) {
            if (static_cast<std::size_t>(__builtin_popcount(pattern)) != k) continue;
            std::vector<std::uint8_t> have;
            for (unsigned i = 0; i < n; ++i) {
                if (pattern & (1u << i)) have.push_back(static_cast<std::uint8_t>(i));
            }
            round_trip(k, have, pattern);
        }
    }
}

TEST(Decode, RandomErasuresOfLargeGroupsInAnyOrderGiveTheDataBack) {
    std::mt19937_64 random(99);
    for (std::size_t k : {8u, 16u, 32u, 64u, 128u}) {
        for (int round = 0; round < 20; ++round) {
            std::vector<std::uint8_t> rows(kMaxPackets);
            for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<std::uint8_t>(i);
            std::shuffle(rows.begin(), rows.end(), random);
            rows.resize(k);
            round_trip(k, rows, random());
        }
    }
}

TEST(Decode, ARowTwiceOrAPacketThatArrivedIsRefused) {
    Bytes out(16);
    const RowMaker maker(2);
    const std::uint8_t twice[] = {0, 0};
    const std::uint8_t good[] = {0, 2};
    const std::uint8_t one[] = {1};
    const std::uint8_t zero[] = {0};
    const std::uint8_t beyond[] = {2};
    EXPECT_FALSE(maker.decoding_rows(twice, one, out));
    EXPECT_FALSE(maker.decoding_rows(good, zero, out));
    EXPECT_FALSE(maker.decoding_rows(good, beyond, out));
    EXPECT_TRUE(maker.decoding_rows(good, one, out));
}

TEST(Decode, OtherCountsThanAGroupsAndPacketsThatNoGroupHasAreRefused) {
    Bytes out(2);
    const RowMaker maker(2);
    const std::uint8_t one[] = {1};
    const std::uint8_t few[] = {0};
    const std::uint8_t many[] = {0, 2, 3};
    const std::uint8_t foreign[] = {0, kMaxPackets};
    const std::uint8_t both[] = {2, 3};
    const std::uint8_t two[] = {0, 1};
    const std::uint8_t beyond[] = {4};
    EXPECT_FALSE(maker.decoding_rows(few, one, out));
    EXPECT_FALSE(maker.decoding_rows(many, one, out));
    EXPECT_FALSE(maker.decoding_rows(foreign, one, out));
    EXPECT_FALSE(maker.decoding_rows(both, two, out)) << "two rows find no room";
    EXPECT_FALSE(maker.decoding_rows(both, beyond, out)) << "parity is made, not decoded";
    EXPECT_TRUE(maker.decoding_rows(both, one, out));
}

}  // namespace
}  // namespace fanfare::fec
