#include <immintrin.h>

#include "engine/fec/kernel_list.hpp"
#include "engine/fec/kernel_tables.hpp"
#include "engine/fec/multiply_rows.hpp"

namespace fanfare::fec {
namespace {

constexpr auto kProducts = make_nibble_products();

struct Avx512 {
    using Vector = __m512i;
    struct Multiplier {
        __m512i low, high;
    };
    static constexpr std::size_t kOctets = 64;
    // 32 registers: rows x columns sums, columns sources, two tables, a mask.
    static constexpr unsigned kColumns1 = 4, kColumns2 = 4, kColumns4 = 4, kColumns8 = 2;

    static Vector zero() { return _mm512_setzero_si512(); }
    static Vector load(const std::uint8_t* p) { return _mm512_loadu_si512(p); }
    static void store(std::uint8_t* p, Vector v) { _mm512_storeu_si512(p, v); }
    static __mmask64 first(std::size_t n) { return (std::uint64_t{1} << n) - 1; }  // n < 64
    static Vector load_part(const std::uint8_t* p, std::size_t n) {
        return _mm512_maskz_loadu_epi8(first(n), p);
    }
    static void store_part(std::uint8_t* p, std::size_t n, Vector v) {
        _mm512_mask_storeu_epi8(p, first(n), v);
    }
    static Multiplier multiplier(std::uint8_t c) {
        const auto* t = reinterpret_cast<const __m128i*>(kProducts[c].product.data());
        return {_mm512_broadcast_i32x4(_mm_load_si128(t)),
                _mm512_broadcast_i32x4(_mm_load_si128(t + 1))};
    }
    static Vector fma(Vector sum, Vector v, const Multiplier& m) {
        const __m512i mask = _mm512_set1_epi8(0x0F);
        const __m512i low = _mm512_shuffle_epi8(m.low, _mm512_and_si512(v, mask));
        const __m512i high =
            _mm512_shuffle_epi8(m.high, _mm512_and_si512(_mm512_srli_epi64(v, 4), mask));
        return _mm512_ternarylogic_epi64(sum, low, high, 0x96);  // 0x96: three-way exclusive or
    }
};

}  // namespace

void multiply_rows_avx512(std::uint8_t* const* rows, std::size_t row_count,
                          const std::uint8_t* coefficients, const std::uint8_t* const* data,
                          std::size_t source_count, std::size_t length, bool accumulate) {
    multiply_rows<Avx512>(rows, row_count, coefficients, data, source_count, length, accumulate);
}

}  // namespace fanfare::fec
