// Seeded randomness for back-offs and first sequence numbers. splitmix64 (public domain,
// Steele/Lea/Flood): eight octets of state, any seed is good, and one seed decides a whole run. Not
// for secrets.
#pragma once

#include <cstdint>

#include "engine/types.hpp"

namespace fanfare::engine {

class Random {
  public:
    explicit Random(std::uint64_t seed = 0) : state_(seed) {}

    std::uint64_t next() {
        state_ += 0x9E3779B97F4A7C15ull;
        std::uint64_t z = state_;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
        return z ^ (z >> 31);
    }

    // Uniform in [low, high]; low when high <= low. The multiply-shift bias is below 2^-32 for any
    // span in use.
    Nanos between(Nanos low, Nanos high) {
        if (high <= low) return low;
        const auto span = static_cast<std::uint64_t>(high - low) + 1;
        return low + static_cast<Nanos>((static_cast<Wide>(next()) * span) >> 64);
    }

  private:
    __extension__ using Wide = unsigned __int128;
    std::uint64_t state_;
};

}  // namespace fanfare::engine
