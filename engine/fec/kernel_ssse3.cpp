#include <immintrin.h>

#include <cstring>

#include "engine/fec/kernel_list.hpp"
#include "engine/fec/kernel_tables.hpp"
#include "engine/fec/multiply_rows.hpp"

namespace fanfare::fec {
namespace {

constexpr auto kProducts = make_nibble_products();

struct Ssse3 {
    using Vector = __m128i;
    struct Multiplier {
        __m128i low, high;
    };
    static constexpr std::size_t kOctets = 16;
    // 16 registers: rows x columns sums, columns sources, two tables, a mask.
    static constexpr unsigned kColumns1 = 4, kColumns2 = 2, kColumns4 = 2, kColumns8 = 0;

    static Vector zero() { return _mm_setzero_si128(); }
    static Vector load(const std::uint8_t* p) {
        return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    }
    static void store(std::uint8_t* p, Vector v) {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(p), v);
    }
    static Vector load_part(const std::uint8_t* p, std::size_t n) {
        alignas(16) std::uint8_t room[16] = {};
        std::memcpy(room, p, n);
        return _mm_load_si128(reinterpret_cast<const __m128i*>(room));
    }
    static void store_part(std::uint8_t* p, std::size_t n, Vector v) {
        alignas(16) std::uint8_t room[16];
        _mm_store_si128(reinterpret_cast<__m128i*>(room), v);
        std::memcpy(p, room, n);
    }
    static Multiplier multiplier(std::uint8_t c) {
        const auto* t = reinterpret_cast<const __m128i*>(kProducts[c].product.data());
        return {_mm_load_si128(t), _mm_load_si128(t + 1)};
    }
    static Vector fma(Vector sum, Vector v, const Multiplier& m) {
        const __m128i mask = _mm_set1_epi8(0x0F);
        const __m128i low = _mm_shuffle_epi8(m.low, _mm_and_si128(v, mask));
        const __m128i high = _mm_shuffle_epi8(m.high, _mm_and_si128(_mm_srli_epi64(v, 4), mask));
        return _mm_xor_si128(sum, _mm_xor_si128(low, high));
    }
};

}  // namespace

void multiply_rows_ssse3(std::uint8_t* const* rows, std::size_t row_count,
                         const std::uint8_t* coefficients, const std::uint8_t* const* data,
                         std::size_t source_count, std::size_t length, bool accumulate) {
    multiply_rows<Ssse3>(rows, row_count, coefficients, data, source_count, length, accumulate);
}

}  // namespace fanfare::fec
