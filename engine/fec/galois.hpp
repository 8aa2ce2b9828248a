// GF(2^8) modulo x^8 + x^4 + x^3 + x^2 + 1 (0x11D) with generator 2: the field of PGM's parity (RFC
// 3208 section 11 leaves it to Rizzo's code, which all implementations use). Tables are made at
// compile time.
#pragma once

#include <array>
#include <cstdint>

namespace fanfare::fec {

using Octet = std::uint8_t;
inline constexpr unsigned kPolynomial = 0x11D;

struct GaloisTables {
    // power[i] = 2^i; three times over, so that a sum of three logarithms needs no modulo.
    std::array<Octet, 765> power{};
    std::array<Octet, 256> log{};  // log[0] is 0
};

constexpr GaloisTables make_galois_tables() {
    GaloisTables tables;
    unsigned x = 1;
    for (unsigned i = 0; i < 255; ++i) {
        tables.power[i] = static_cast<Octet>(x);
        tables.power[i + 255] = static_cast<Octet>(x);
        tables.power[i + 510] = static_cast<Octet>(x);
        tables.log[x] = static_cast<Octet>(i);
        x <<= 1;
        if (x & 0x100) x ^= kPolynomial;
    }
    return tables;
}
inline constexpr GaloisTables kGalois = make_galois_tables();

constexpr Octet multiply(Octet a, Octet b) {
    return a == 0 || b == 0 ? Octet{0} : kGalois.power[unsigned{kGalois.log[a]} + kGalois.log[b]];
}
// Requires b != 0.
constexpr Octet divide(Octet a, Octet b) {
    return a == 0 ? Octet{0} : kGalois.power[255u + kGalois.log[a] - kGalois.log[b]];
}
constexpr Octet inverse(Octet a) {
    return divide(1, a);
}

static_assert(multiply(0x57, 0x83) == 0x31 && inverse(0x02) == 0x8E);

}  // namespace fanfare::fec
