// Per-coefficient constants of the vector kernels, made at compile time.
#pragma once

#include <array>
#include <cstdint>

#include "engine/fec/galois.hpp"

namespace fanfare::fec {

// For byte shuffles: products with the 16 low nibbles, then with the 16 high nibbles.
struct alignas(32) NibbleProducts {
    std::array<Octet, 32> product;
};

constexpr std::array<NibbleProducts, 256> make_nibble_products() {
    std::array<NibbleProducts, 256> tables{};
    for (unsigned c = 0; c < 256; ++c) {
        for (unsigned n = 0; n < 16; ++n) {
            tables[c].product[n] = multiply(static_cast<Octet>(c), static_cast<Octet>(n));
            tables[c].product[16 + n] = multiply(static_cast<Octet>(c), static_cast<Octet>(n << 4));
        }
    }
    return tables;
}

// For gf2p8affineqb: multiplication by c as an 8x8 bit matrix. Octet 7 - i of the word is the row
// that makes bit i of the product: its bit j says whether c * 2^j has bit i.
constexpr std::array<std::uint64_t, 256> make_affine_matrices() {
    std::array<std::uint64_t, 256> matrices{};
    for (unsigned c = 0; c < 256; ++c) {
        std::uint64_t matrix = 0;
        for (unsigned i = 0; i < 8; ++i) {
            std::uint64_t row = 0;
            for (unsigned j = 0; j < 8; ++j) {
                const unsigned product =
                    multiply(static_cast<Octet>(c), static_cast<Octet>(1u << j));
                row |= static_cast<std::uint64_t>((product >> i) & 1) << j;
            }
            matrix |= row << (8 * (7 - i));
        }
        matrices[c] = matrix;
    }
    return matrices;
}

}  // namespace fanfare::fec
