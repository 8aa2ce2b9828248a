#include "engine/fec/generator.hpp"

#include <algorithm>
#include <utility>

namespace fanfare::fec {

void generator_row(std::size_t k, std::size_t j, std::span<Octet> row) {
    // Lagrange's basis: coefficient i is the product over m != i of (x_j + x_m) / (x_i + x_m).
    for (std::size_t i = 0; i < k; ++i) {
        Octet above = 1;
        Octet below = 1;
        for (std::size_t m = 0; m < k; ++m) {
            if (m == i) continue;
            above = multiply(above, static_cast<Octet>(point(j) ^ point(m)));
            below = multiply(below, static_cast<Octet>(point(i) ^ point(m)));
        }
        row[i] = divide(above, below);
    }
}

RowMaker::RowMaker(std::size_t k) : k_(k) {
    for (std::size_t i = 0; i < k; ++i) {
        Octet below = 1;
        for (std::size_t m = 0; m < k; ++m) {
            if (m != i) below = multiply(below, static_cast<Octet>(point(i) ^ point(m)));
        }
        below_[i] = below;
    }
}

void RowMaker::row(std::size_t j, std::span<Octet> out) const {
    const Octet x = point(j);
    Octet all = 1;
    for (std::size_t m = 0; m < k_; ++m) all = multiply(all, static_cast<Octet>(x ^ point(m)));
    for (std::size_t i = 0; i < k_; ++i) {
        out[i] = divide(all, multiply(static_cast<Octet>(x ^ point(i)), below_[i]));
    }
}

bool decoding_rows(std::size_t k, std::span<const std::uint8_t> have,
                   std::span<const std::uint8_t> missing, std::span<Octet> out,
                   std::span<Octet> scratch) {
    if (have.size() != k || k == 0 || k > kMaxData || scratch.size() < k ||
        out.size() < missing.size() * k) {
        return false;
    }
    // A packet i is the value at x_i of one polynomial of degree < k through the received points
    // (x_j, packet j): the same basis as above, over the points that arrived. No elimination is
    // needed.
    for (std::size_t a = 0; a < k; ++a) {
        if (have[a] >= kMaxPackets) return false;
        for (std::size_t b = 0; b < a; ++b) {
            if (have[a] == have[b]) return false;
        }
    }
    Octet* below = scratch.data();
    for (std::size_t a = 0; a < k; ++a) {
        Octet product = 1;
        for (std::size_t b = 0; b < k; ++b) {
            if (b != a)
                product = multiply(product, static_cast<Octet>(point(have[a]) ^ point(have[b])));
        }
        below[a] = product;
    }
    for (std::size_t r = 0; r < missing.size(); ++r) {
        const Octet x = point(missing[r]);
        if (missing[r] >= k) return false;
        Octet all = 1;
        for (std::size_t b = 0; b < k; ++b) {
            const auto difference = static_cast<Octet>(x ^ point(have[b]));
            if (difference == 0) return false;  // it did arrive
            all = multiply(all, difference);
        }
        for (std::size_t a = 0; a < k; ++a) {
            const auto difference = static_cast<Octet>(x ^ point(have[a]));
            out[r * k + a] = divide(all, multiply(difference, below[a]));
        }
    }
    return true;
}

}  // namespace fanfare::fec
