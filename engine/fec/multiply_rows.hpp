// The loop every vector kernel shares; an instruction set brings the operations (`Ops`), compiled
// with its own flags. Tiles of R rows by C vectors keep all sums in registers: each source octet is
// loaded once per R rows, each row octet is stored once however many sources there are.
//
//   Ops::Vector, Ops::kOctets       one register and its size
//   Ops::Multiplier                 what a coefficient becomes; Ops::multiplier(c), Ops::fma(sum,
//   v, m) = sum + v*c; Ops::fma2(sum, v, m, w, n), where there is one: sum + v*m + w*n Ops::load,
//   store, zero          unaligned; load_part, store_part for the last n < kOctets octets
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/fec/kernels.hpp"

namespace fanfare::fec {

template <typename Ops, unsigned kRows, unsigned kColumns>
inline void multiply_tile(std::uint8_t* const* rows, const std::uint8_t* coefficients,
                          std::size_t stride, const std::uint8_t* const* data,
                          std::size_t source_count, std::size_t at, bool accumulate) {
    typename Ops::Vector sum[kRows][kColumns];
    for (unsigned r = 0; r < kRows; ++r) {
        for (unsigned c = 0; c < kColumns; ++c) {
            sum[r][c] = accumulate ? Ops::load(rows[r] + at + c * Ops::kOctets) : Ops::zero();
        }
    }
    std::size_t s = 0;
    if constexpr (requires { &Ops::fma2; }) {
        for (; source_count - s >= 2; s += 2) {
            typename Ops::Vector v[2][kColumns];
            for (unsigned i = 0; i < 2; ++i) {
                for (unsigned c = 0; c < kColumns; ++c)
                    v[i][c] = Ops::load(data[s + i] + at + c * Ops::kOctets);
            }
            for (unsigned r = 0; r < kRows; ++r) {
                const auto m = Ops::multiplier(coefficients[r * stride + s]);
                const auto n = Ops::multiplier(coefficients[r * stride + s + 1]);
                for (unsigned c = 0; c < kColumns; ++c)
                    sum[r][c] = Ops::fma2(sum[r][c], v[0][c], m, v[1][c], n);
            }
        }
    }
    for (; s < source_count; ++s) {
        typename Ops::Vector v[kColumns];
        for (unsigned c = 0; c < kColumns; ++c) v[c] = Ops::load(data[s] + at + c * Ops::kOctets);
        for (unsigned r = 0; r < kRows; ++r) {
            const auto m = Ops::multiplier(coefficients[r * stride + s]);
            for (unsigned c = 0; c < kColumns; ++c) sum[r][c] = Ops::fma(sum[r][c], v[c], m);
        }
    }
    for (unsigned r = 0; r < kRows; ++r) {
        for (unsigned c = 0; c < kColumns; ++c)
            Ops::store(rows[r] + at + c * Ops::kOctets, sum[r][c]);
    }
}

// The last, partial vector of every row.
template <typename Ops, unsigned kRows>
inline void multiply_tail(std::uint8_t* const* rows, const std::uint8_t* coefficients,
                          std::size_t stride, const std::uint8_t* const* data,
                          std::size_t source_count, std::size_t at, std::size_t octets,
                          bool accumulate) {
    typename Ops::Vector sum[kRows];
    for (unsigned r = 0; r < kRows; ++r)
        sum[r] = accumulate ? Ops::load_part(rows[r] + at, octets) : Ops::zero();
    for (std::size_t s = 0; s < source_count; ++s) {
        const auto v = Ops::load_part(data[s] + at, octets);
        for (unsigned r = 0; r < kRows; ++r) {
            sum[r] = Ops::fma(sum[r], v, Ops::multiplier(coefficients[r * stride + s]));
        }
    }
    for (unsigned r = 0; r < kRows; ++r) Ops::store_part(rows[r] + at, octets, sum[r]);
}

// Tiles as wide as they go, then narrower ones: what is left of a packet is a few vectors, and a
// vector by itself costs as many loads of coefficients as a wide tile. Returns where it stopped.
template <typename Ops, unsigned kRows, unsigned kColumns>
inline std::size_t multiply_tiles(std::uint8_t* const* rows, const std::uint8_t* coefficients,
                                  const std::uint8_t* const* data, std::size_t source_count,
                                  std::size_t at, std::size_t length, bool accumulate) {
    for (; length - at >= kColumns * Ops::kOctets; at += kColumns * Ops::kOctets) {
        multiply_tile<Ops, kRows, kColumns>(rows, coefficients, source_count, data, source_count,
                                            at, accumulate);
    }
    if constexpr (kColumns > 1) {
        at = multiply_tiles<Ops, kRows, (kColumns > 4 ? 4 : kColumns / 2)>(
            rows, coefficients, data, source_count, at, length, accumulate);
    }
    return at;
}

template <typename Ops, unsigned kRows, unsigned kColumns>
inline void multiply_row_block(std::uint8_t* const* rows, const std::uint8_t* coefficients,
                               const std::uint8_t* const* data, std::size_t source_count,
                               std::size_t length, bool accumulate) {
    const std::size_t at = multiply_tiles<Ops, kRows, kColumns>(
        rows, coefficients, data, source_count, 0, length, accumulate);
    if (at < length) {
        multiply_tail<Ops, kRows>(rows, coefficients, source_count, data, source_count, at,
                                  length - at, accumulate);
    }
}

// Columns per row count are the instruction set's choice: Ops::kColumns1, 2, 4 and (0 = not
// used) 8.
template <typename Ops>
void multiply_rows(std::uint8_t* const* rows, std::size_t row_count,
                   const std::uint8_t* coefficients, const std::uint8_t* const* data,
                   std::size_t source_count, std::size_t length, bool accumulate) {
    while (row_count > 0) {
        std::size_t done;
        if (Ops::kColumns8 != 0 && row_count >= 8) {
            constexpr unsigned kColumns = Ops::kColumns8 != 0 ? Ops::kColumns8 : 1;
            multiply_row_block<Ops, 8, kColumns>(rows, coefficients, data, source_count, length,
                                                 accumulate);
            done = 8;
        } else if (row_count >= 4) {
            multiply_row_block<Ops, 4, Ops::kColumns4>(rows, coefficients, data, source_count,
                                                       length, accumulate);
            done = 4;
        } else if (row_count >= 2) {
            multiply_row_block<Ops, 2, Ops::kColumns2>(rows, coefficients, data, source_count,
                                                       length, accumulate);
            done = 2;
        } else {
            multiply_row_block<Ops, 1, Ops::kColumns1>(rows, coefficients, data, source_count,
                                                       length, accumulate);
            done = 1;
        }
        rows += done;
        coefficients += done * source_count;
        row_count -= done;
    }
}

}  // namespace fanfare::fec
