#include <immintrin.h>

#include <cstring>

#include "engine/fec/kernel_list.hpp"
#include "engine/fec/kernel_tables.hpp"
#include "engine/fec/multiply_rows.hpp"

namespace fanfare::fec {
namespace {

constexpr auto kProducts = make_nibble_products();

struct Avx2 {
    using Vector = __m256i;
    struct Multiplier {
        __m256i low, high;
    };
    static constexpr std::size_t kOctets = 32;
    // 16 registers: rows x columns sums, columns sources, two tables, a mask.
    static constexpr unsigned kColumns1 = 4, kColumns2 = 2, kColumns4 = 2, kColumns8 = 0;

    static Vector zero() { return _mm256_setzero_si256(); }
    static Vector load(const std::uint8_t* p) {
        return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    }
    static void store(std::uint8_t* p, Vector v) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v);
    }
    static Vector load_part(const std::uint8_t* p, std::size_t n) {
        alignas(32) std::uint8_t room[32] = {};
        std::memcpy(room, p, n);
        return _mm256_load_si256(reinterpret_cast<const __m256i*>(room));
    }
    static void store_part(std::uint8_t* p, std::size_t n, Vector v) {
        alignas(32) std::uint8_t room[32];
        _mm256_store_si256(reinterpret_cast<__m256i*>(room), v);
        std::memcpy(p, room, n);
    }
    static Multiplier multiplier(std::uint8_t c) {
        const auto* t = reinterpret_cast<const __m128i*>(kProducts[c].product.data());
        return {_mm256_broadcastsi128_si256(_mm_load_si128(t)),
                _mm256_broadcastsi128_si256(_mm_load_si128(t + 1))};
    }
    static Vector fma(Vector sum, Vector v, const Multiplier& m) {
        const __m256i mask = _mm256_set1_epi8(0x0F);
        const __m256i low = _mm256_shuffle_epi8(m.low, _mm256_and_si256(v, mask));
        const __m256i high =
            _mm256_shuffle_epi8(m.high, _mm256_and_si256(_mm256_srli_epi64(v, 4), mask));
        return _mm256_xor_si256(sum, _mm256_xor_si256(low, high));
    }
};

}  // namespace

void multiply_rows_avx2(std::uint8_t* const* rows, std::size_t row_count,
                        const std::uint8_t* coefficients, const std::uint8_t* const* data,
                        std::size_t source_count, std::size_t length, bool accumulate) {
    multiply_rows<Avx2>(rows, row_count, coefficients, data, source_count, length, accumulate);
}

}  // namespace fanfare::fec
