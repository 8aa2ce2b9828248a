#include "control/group_filter.hpp"

#include <algorithm>
#include <iterator>

namespace fanfare::control {
namespace {

bool less(Address a, Address b) {
    return a.v4 < b.v4;
}

}  // namespace

void GroupFilterMerge::add(bool any_source, const std::vector<Address>& sources) {
    std::vector<Address> sorted = sources;
    std::sort(sorted.begin(), sorted.end(), less);
    std::vector<Address> merged;
    if (!any_source) {
        std::set_union(joined_.begin(), joined_.end(), sorted.begin(), sorted.end(),
                       std::back_inserter(merged), less);
        joined_ = std::move(merged);
    } else if (!any_) {
        any_ = true;
        blocked_ = std::move(sorted);
    } else {
        std::set_intersection(blocked_.begin(), blocked_.end(), sorted.begin(), sorted.end(),
                              std::back_inserter(merged), less);
        blocked_ = std::move(merged);
    }
}

GroupFilter GroupFilterMerge::result(std::size_t sources_max) const {
    GroupFilter out;
    out.exclude = any_;
    if (any_) {
        std::set_difference(blocked_.begin(), blocked_.end(), joined_.begin(), joined_.end(),
                            std::back_inserter(out.sources), less);
        if (out.sources.size() > sources_max) out.sources.resize(sources_max);
        return out;
    }
    if (joined_.size() > sources_max)
        out.exclude = true;
    else
        out.sources = joined_;
    return out;
}

}  // namespace fanfare::control
