#include <immintrin.h>

#include "engine/checksum/kernel_list.hpp"

namespace fanfare::checksum {
namespace {

// Even and odd 32-bit words are added into 64-bit lanes: 2^32 words fit before one overflows. The
// last, partial vector is loaded and stored under a mask: nothing outside is touched, absent octets
// count as zero.
template <bool kCopy>
std::uint32_t run(std::byte* destination, const std::byte* source, std::size_t length) {
    const __m512i low = _mm512_set1_epi64(0xFFFFFFFF);
    __m512i even = _mm512_setzero_si512();
    __m512i odd = _mm512_setzero_si512();
    std::size_t at = 0;
    for (; length - at >= 64; at += 64) {
        const __m512i a = _mm512_loadu_si512(source + at);
        if constexpr (kCopy) _mm512_storeu_si512(destination + at, a);
        even = _mm512_add_epi64(even, _mm512_and_si512(a, low));
        odd = _mm512_add_epi64(odd, _mm512_srli_epi64(a, 32));
    }
    if (at < length) {
        const __mmask64 mask = (std::uint64_t{1} << (length - at)) - 1;
        const __m512i a = _mm512_maskz_loadu_epi8(mask, source + at);
        if constexpr (kCopy) _mm512_mask_storeu_epi8(destination + at, mask, a);
        even = _mm512_add_epi64(even, _mm512_and_si512(a, low));
        odd = _mm512_add_epi64(odd, _mm512_srli_epi64(a, 32));
    }
    auto sum = static_cast<std::uint64_t>(_mm512_reduce_add_epi64(_mm512_add_epi64(even, odd)));
    sum = (sum & 0xFFFFFFFFu) + (sum >> 32);
    sum = (sum & 0xFFFFFFFFu) + (sum >> 32);
    return static_cast<std::uint32_t>(sum);
}

}  // namespace

std::uint32_t sum_avx512(const std::byte* data, std::size_t length) {
    return run<false>(nullptr, data, length);
}

std::uint32_t copy_and_sum_avx512(std::byte* destination, const std::byte* source,
                                  std::size_t length) {
    return run<true>(destination, source, length);
}

}  // namespace fanfare::checksum
