// The matrices of PGM's parity: Rizzo's systematic Vandermonde construction. Row j < k is data
// packet j itself; row k + h makes parity packet h. Rows do not depend on n, so a group may have as
// much parity as it comes to need.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/fec/galois.hpp"
#include "engine/fec/kernels.hpp"

namespace fanfare::fec {

// Evaluation point j: x_0 = 0, x_j = 2^(j-1). Requires j < 255.
constexpr Octet point(std::size_t j) {
    return j == 0 ? Octet{0} : kGalois.power[j - 1];
}

// Writes row `j` (k <= j < 255) of the generator for groups of k: k coefficients, one a data
// packet.
void generator_row(std::size_t k, std::size_t j, std::span<Octet> row);

// The rows of groups of one k, for both ends, with the work that all groups share done once, in
// logarithms: a row of the generator costs k look-ups instead of k * k products, and rows for e
// missing packets some 3 * k * e instead of k * k.
class RowMaker {
  public:
    // 1 <= k <= kMaxData.
    explicit RowMaker(std::size_t k);
    std::size_t k() const { return k_; }
    // Writes row `j` (k <= j < 255) as generator_row has it: k coefficients.
    void row(std::size_t j, std::span<Octet> out) const;

    // Writes the coefficients that make missing data packets out of k received ones.
    //   have      k distinct rows of the group that arrived, in the order the decoder will pass
    //   them: j < k is data packet j, j >= k is parity packet j - k
    //   missing   data packets to make, each once, < k and not in `have`; all that lack or some
    //   out       missing.size() * k coefficients, row by row
    // Returns false when `have` holds a row twice or out of range, or `missing` one that arrived:
    // then `out` is unspecified.
    bool decoding_rows(std::span<const std::uint8_t> have, std::span<const std::uint8_t> missing,
                       std::span<Octet> out) const;

  private:
    std::size_t k_;
    // Of data packet i: the product over data m != i of (x_i + x_m); of parity row j, that over all
    // data m of (x_j + x_m). Logarithms, 0 to 254.
    std::array<std::uint8_t, kMaxPackets> log_of_data_{};
};

}  // namespace fanfare::fec
