// The kernels that exist, one a file; each vector file is compiled with its instruction set's flags
// alone.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fanfare::fec {

#define FANFARE_FEC_KERNEL(name)                                                                  \
    void name(std::uint8_t* const* rows, std::size_t row_count, const std::uint8_t* coefficients, \
              const std::uint8_t* const* data, std::size_t source_count, std::size_t length,      \
              bool accumulate)
FANFARE_FEC_KERNEL(multiply_rows_scalar);
FANFARE_FEC_KERNEL(multiply_rows_ssse3);
FANFARE_FEC_KERNEL(multiply_rows_avx2);
FANFARE_FEC_KERNEL(multiply_rows_avx512);
FANFARE_FEC_KERNEL(multiply_rows_gfni);
#undef FANFARE_FEC_KERNEL

}  // namespace fanfare::fec
