// The inner loop of parity: rows of octets, each a sum of products of a constant and a source row,
// in GF(2^8). One table of kernels per instruction set, chosen once and passed in; the scalar one
// judges the others.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fanfare::fec {

enum class Level : std::uint8_t { scalar, ssse3, avx2, avx512, gfni };

inline constexpr std::size_t kMaxData =
    128;  // k at most: the option's field holds no larger power of two
inline constexpr std::size_t kMaxPackets = 255;  // n at most: the field's nonzero points

// rows[r][b] (+)= sum over s of coefficients[r * sources + s] * data[s][b], for b < length.
//   rows          row_count pointers to `length` octets each; overwritten, or added to when
//   `accumulate` coefficients  row_count * source_count octets, row by row data source_count
//   pointers to `length` readable octets each; no row overlaps a source
// Any alignment and length; nothing outside the named octets is read or written.
using MultiplyRows = void (*)(std::uint8_t* const* rows, std::size_t row_count,
                              const std::uint8_t* coefficients, const std::uint8_t* const* data,
                              std::size_t source_count, std::size_t length, bool accumulate);

struct Kernels {
    Level level;
    MultiplyRows multiply_rows;
};

// The kernels of a level, or the best one below it that was compiled in and this CPU has.
const Kernels& kernels(Level at_most);
const Kernels& best_kernels();
const char* to_string(Level level);

}  // namespace fanfare::fec
