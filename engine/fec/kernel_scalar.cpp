#include "engine/fec/galois.hpp"
#include "engine/fec/kernel_list.hpp"

namespace fanfare::fec {

void multiply_rows_scalar(std::uint8_t* const* rows, std::size_t row_count,
                          const std::uint8_t* coefficients, const std::uint8_t* const* data,
                          std::size_t source_count, std::size_t length, bool accumulate) {
    for (std::size_t r = 0; r < row_count; ++r) {
        for (std::size_t b = 0; b < length; ++b) {
            Octet sum = accumulate ? rows[r][b] : Octet{0};
            for (std::size_t s = 0; s < source_count; ++s) {
                sum ^= multiply(coefficients[r * source_count + s], data[s][b]);
            }
            rows[r][b] = sum;
        }
    }
}

}  // namespace fanfare::fec
