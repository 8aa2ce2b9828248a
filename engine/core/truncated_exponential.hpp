// A random wait for many who may all have the same to say (RFC 3208 6.3; Nonnenmacher and Biersack,
// "Scalable Feedback for Large Groups"): density rises exponentially over the interval, so that of
// many who draw few are early, and the first one's words reach the others before they speak.
#pragma once

#include <algorithm>
#include <cmath>

#include "engine/core/random.hpp"
#include "engine/types.hpp"

namespace fanfare::engine {

// In [0, interval]. `steepness`: ln(number of those who draw) + 1 fits best; at 1 the draw is
// nearly uniform. 0.01 to 40.
inline Nanos truncated_exponential(Nanos interval, double steepness, Random& random) {
    if (interval <= 0) return 0;
    const double uniform = static_cast<double>(random.next() >> 11) * 0x1p-53;
    const double share = std::log1p(uniform * std::expm1(steepness)) / steepness;
    return std::min(static_cast<Nanos>(share * static_cast<double>(interval)), interval);
}

}  // namespace fanfare::engine
