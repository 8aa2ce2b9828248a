#include <immintrin.h>

#include "engine/fec/kernel_list.hpp"
#include "engine/fec/kernel_tables.hpp"
#include "engine/fec/multiply_rows.hpp"

namespace fanfare::fec {
namespace {

constexpr auto kMatrices = make_affine_matrices();

struct Gfni {
    using Vector = __m512i;
    using Multiplier = __m512i;
    static constexpr std::size_t kOctets = 64;
    // 32 registers: rows x columns sums, columns of two sources, two matrices, two products.
    static constexpr unsigned kColumns1 = 8, kColumns2 = 6, kColumns4 = 4, kColumns8 = 2;

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
        return _mm512_set1_epi64(static_cast<long long>(kMatrices[c]));
    }
    // gf2p8mulb is fixed to another polynomial; the affine form multiplies by a constant in any.
    static Vector fma(Vector sum, Vector v, Multiplier m) {
        return _mm512_xor_si512(sum, _mm512_gf2p8affine_epi64_epi8(v, m, 0));
    }
    // Two products join the sum in one operation: half the additions.
    static Vector fma2(Vector sum, Vector v, Multiplier m, Vector w, Multiplier n) {
        constexpr int kSumOfThree = 0x96;
        return _mm512_ternarylogic_epi64(sum, _mm512_gf2p8affine_epi64_epi8(v, m, 0),
                                         _mm512_gf2p8affine_epi64_epi8(w, n, 0), kSumOfThree);
    }
};

}  // namespace

void multiply_rows_gfni(std::uint8_t* const* rows, std::size_t row_count,
                        const std::uint8_t* coefficients, const std::uint8_t* const* data,
                        std::size_t source_count, std::size_t length, bool accumulate) {
    multiply_rows<Gfni>(rows, row_count, coefficients, data, source_count, length, accumulate);
}

}  // namespace fanfare::fec
