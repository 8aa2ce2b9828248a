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

template <typename Word, bool kCopy>
inline std::uint64_t take(std::byte*& destination, const std::byte*& source) {
    Word word;
    std::memcpy(&word, source, sizeof word);
    source += sizeof word;
    if constexpr (kCopy) {
        std::memcpy(destination, &word, sizeof word);
        destination += sizeof word;
    }
    return word;
}

// Fewer than 32 octets, by ever shorter words; missing octets count as zero.
template <bool kCopy>
inline std::uint64_t run_short(std::byte* destination, const std::byte* source,
                               std::size_t length) {
    std::uint64_t sum = 0;
    for (; length >= 8; length -= 8) {
        const std::uint64_t word = take<std::uint64_t, kCopy>(destination, source);
        sum += (word & 0xFFFFFFFFu) + (word >> 32);
    }
    if (length & 4) sum += take<std::uint32_t, kCopy>(destination, source);
    if (length & 2) sum += take<std::uint16_t, kCopy>(destination, source);
    if (length & 1) sum += take<std::uint8_t, kCopy>(destination, source);
    return sum;
}

// The first n words of a vector.
inline __m256i mask_of(std::size_t words) {
    alignas(32) static constexpr std::int32_t kMasks[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kMasks + 8 - words));
}

// Even and odd 32-bit words are added into 64-bit lanes: 2^32 words fit before one overflows. What
// a last, partial vector lacks: its copy ends where the data ends and goes back over what stands
// there already (masked stores cost tens of cycles on some processors), its words are loaded under
// a mask.
template <bool kCopy>
std::uint32_t run(std::byte* destination, const std::byte* source, std::size_t length) {
    if (length < 32) return fold(run_short<kCopy>(destination, source, length));
    const __m256i low = _mm256_set1_epi64x(0xFFFFFFFF);
    __m256i even = _mm256_setzero_si256();
    __m256i odd = _mm256_setzero_si256();
    const auto add = [&](__m256i words) {
        even = _mm256_add_epi64(even, _mm256_and_si256(words, low));
        odd = _mm256_add_epi64(odd, _mm256_srli_epi64(words, 32));
    };
    std::size_t at = 0;
    for (; length - at >= 64; at += 64) {
        const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(source + at));
        const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(source + at + 32));
        if constexpr (kCopy) {
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(destination + at), a);
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(destination + at + 32), b);
        }
        add(a);
        add(b);
    }
    if (length - at >= 32) {
        const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(source + at));
        if constexpr (kCopy) _mm256_storeu_si256(reinterpret_cast<__m256i*>(destination + at), a);
        add(a);
        at += 32;
    }
    std::uint64_t rest = 0;
    if (const std::size_t left = length - at; left > 0) {
        if constexpr (kCopy) {
            const std::size_t last = length - 32;
            _mm256_storeu_si256(
                reinterpret_cast<__m256i*>(destination + last),
                _mm256_loadu_si256(reinterpret_cast<const __m256i*>(source + last)));
        }
        add(_mm256_maskload_epi32(reinterpret_cast<const int*>(source + at), mask_of(left / 4)));
        rest = run_short<false>(nullptr, source + at + (left & ~std::size_t{3}), left & 3);
    }
    const __m256i both = _mm256_add_epi64(even, odd);
    const __m128i half =
        _mm_add_epi64(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
    return fold(static_cast<std::uint64_t>(_mm_extract_epi64(half, 0)) +
                static_cast<std::uint64_t>(_mm_extract_epi64(half, 1)) + rest);
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
