#include <cstring>

#include "engine/checksum/kernel_list.hpp"

namespace fanfare::checksum {
namespace {

// 32-bit words added in 64 bits, folded to 32 at the end: ones' complement sums may be folded at
// any width.
template <bool kCopy>
std::uint32_t run(std::byte* destination, const std::byte* source, std::size_t length) {
    std::uint64_t sum = 0;
    std::size_t at = 0;
    for (; length - at >= 4; at += 4) {
        std::uint32_t word;
        std::memcpy(&word, source + at, 4);
        if constexpr (kCopy) std::memcpy(destination + at, &word, 4);
        sum += word;
    }
    if (at < length) {
        std::uint32_t word = 0;  // missing octets count as zero
        std::memcpy(&word, source + at, length - at);
        if constexpr (kCopy) std::memcpy(destination + at, &word, length - at);
        sum += word;
    }
    sum = (sum & 0xFFFFFFFFu) + (sum >> 32);
    sum = (sum & 0xFFFFFFFFu) + (sum >> 32);
    return static_cast<std::uint32_t>(sum);
}

}  // namespace

std::uint32_t sum_scalar(const std::byte* data, std::size_t length) {
    return run<false>(nullptr, data, length);
}

std::uint32_t copy_and_sum_scalar(std::byte* destination, const std::byte* source,
                                  std::size_t length) {
    return run<true>(destination, source, length);
}

}  // namespace fanfare::checksum
