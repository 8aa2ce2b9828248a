#include <immintrin.h>

#include <cstring>

#include "engine/checksum/kernel_list.hpp"

namespace fanfare::checksum {
namespace {

std::uint32_t fold(std::uint64_t sum) {
    sum = (sum & 0xFFFFFFFFu) + (sum >> 32);
    sum = (sum & 0xFFFFFFFFu) + (sum >> 32);
    return static_cast<std::uint32_t>(sum);
}

// Even and odd 32-bit words are added into 64-bit lanes: 2^32 words fit before one overflows.
template <bool kCopy>
std::uint32_t run(std::byte* destination, const std::byte* source, std::size_t length) {
    const __m256i low = _mm256_set1_epi64x(0xFFFFFFFF);
    __m256i even = _mm256_setzero_si256();
    __m256i odd = _mm256_setzero_si256();
    std::size_t at = 0;
    for (; length - at >= 64; at += 64) {
        const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(source + at));
        const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(source + at + 32));
        if constexpr (kCopy) {
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(destination + at), a);
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(destination + at + 32), b);
        }
        even = _mm256_add_epi64(even, _mm256_and_si256(a, low));
        odd = _mm256_add_epi64(odd, _mm256_srli_epi64(a, 32));
        even = _mm256_add_epi64(even, _mm256_and_si256(b, low));
        odd = _mm256_add_epi64(odd, _mm256_srli_epi64(b, 32));
    }
    if (length - at >= 32) {
        const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(source + at));
        if constexpr (kCopy) _mm256_storeu_si256(reinterpret_cast<__m256i*>(destination + at), a);
        even = _mm256_add_epi64(even, _mm256_and_si256(a, low));
        odd = _mm256_add_epi64(odd, _mm256_srli_epi64(a, 32));
        at += 32;
    }
    const __m256i both = _mm256_add_epi64(even, odd);
    const __m128i half =
        _mm_add_epi64(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
    std::uint64_t sum = static_cast<std::uint64_t>(_mm_extract_epi64(half, 0)) +
                        static_cast<std::uint64_t>(_mm_extract_epi64(half, 1));
    for (; length - at >= 8; at += 8) {
        std::uint64_t word;
        std::memcpy(&word, source + at, 8);
        if constexpr (kCopy) std::memcpy(destination + at, &word, 8);
        sum += (word & 0xFFFFFFFFu) + (word >> 32);
    }
    if (at < length) {
        std::uint64_t word = 0;  // missing octets count as zero
        std::memcpy(&word, source + at, length - at);
        if constexpr (kCopy) std::memcpy(destination + at, &word, length - at);
        sum += (word & 0xFFFFFFFFu) + (word >> 32);
    }
    return fold(sum);
}

}  // namespace

std::uint32_t sum_avx2(const std::byte* data, std::size_t length) {
    return run<false>(nullptr, data, length);
}

std::uint32_t copy_and_sum_avx2(std::byte* destination, const std::byte* source,
                                std::size_t length) {
    return run<true>(destination, source, length);
}

}  // namespace fanfare::checksum
