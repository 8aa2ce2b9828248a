// The PGM checksum: ones' complement over the whole TPDU, no pseudo-header, a computed 0 sent as
// 0xFFFF (RFC 3208 section 8.1). Partial sums are 32-bit, unfolded, of big-endian 16-bit words as
// loaded in host order (RFC 1071: the byte order cancels out), so that sums over pieces that start
// at even offsets add.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace fanfare::checksum {

enum class Level : std::uint8_t { scalar, avx2, avx512 };

// One table of kernels, chosen once at start and passed in; every level gives the same partial sum
// modulo 0xFFFF. `data` may have any alignment and any length up to 65,535 octets; nothing outside
// is read.
struct Kernels {
    Level level;
    // Partial sum of [data, data+length).
    std::uint32_t (*sum)(const std::byte* data, std::size_t length);
    // Copies and sums in one pass. Source and destination do not overlap; exactly `length` octets
    // are read and written.
    std::uint32_t (*copy_and_sum)(std::byte* destination, const std::byte* source,
                                  std::size_t length);
};

// The kernels of a level, or the best one below it that was compiled in and this CPU has.
const Kernels& kernels(Level at_most);
// The best this CPU has; FANFARE_SIMD_LEVEL (scalar|avx2|avx512) is read by the callers in apps,
// never here.
const Kernels& best_kernels();

// Adds the partial sum of a piece that starts at octet offset `offset` of the packet.
constexpr std::uint32_t add(std::uint32_t sum, std::uint32_t piece, std::size_t offset);
// Folds to 16 bits (not complemented).
constexpr std::uint16_t fold(std::uint32_t sum);
// The value for the checksum field, as the 16-bit word to be stored with memcpy (host order of the
// sum): complement of the folded sum, 0 replaced by 0xFFFF.
constexpr std::uint16_t finish(std::uint32_t sum);
// True when a packet whose octets, checksum field included, sum to `sum` is intact.
constexpr bool intact(std::uint32_t sum);

constexpr std::uint16_t fold(std::uint32_t sum) {
    sum = (sum & 0xFFFF) + (sum >> 16);
    sum = (sum & 0xFFFF) + (sum >> 16);
    return static_cast<std::uint16_t>(sum);
}
constexpr std::uint32_t add(std::uint32_t sum, std::uint32_t piece, std::size_t offset) {
    std::uint32_t folded = fold(piece);
    if (offset & 1) folded = ((folded & 0xFF) << 8) | (folded >> 8);
    return std::uint32_t{fold(sum)} + folded;
}
constexpr std::uint16_t finish(std::uint32_t sum) {
    auto c = static_cast<std::uint16_t>(~fold(sum));
    return c == 0 ? std::uint16_t{0xFFFF} : c;
}
constexpr bool intact(std::uint32_t sum) {
    return fold(sum) == 0xFFFF;
}

}  // namespace fanfare::checksum
