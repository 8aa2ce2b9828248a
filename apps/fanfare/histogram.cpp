#include "apps/fanfare/histogram.hpp"

#include <algorithm>
#include <cmath>

namespace fanfare::tool {

std::uint64_t Histogram::count_above(std::uint64_t value) const {
    std::uint64_t count = 0;
    for (std::size_t slot = slot_of(value) + 1; slot < kSlots; ++slot) count += counts_[slot];
    return count;
}

std::uint64_t Histogram::percentile(double share, std::uint64_t above) const {
    const std::size_t first = above == 0 ? 0 : slot_of(above) + 1;
    const std::uint64_t among = above == 0 ? total_ : count_above(above);
    if (among == 0) return 0;
    const auto wanted = std::max<std::uint64_t>(
        1, static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(among))));
    std::uint64_t seen = 0;
    for (std::size_t slot = first; slot < kSlots; ++slot) {
        seen += counts_[slot];
        if (seen >= wanted) return std::min(highest_of(slot), max_);
    }
    return max_;
}

}  // namespace fanfare::tool
