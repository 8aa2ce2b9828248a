// What one host wants of one group on one interface: the wishes of all its sockets merged
// (RFC 3376 section 3.2, wsrm.md 7.5). Pure.
#pragma once

#include <vector>

#include "engine/types.hpp"

namespace fanfare::control {

struct GroupFilter {
    bool exclude = false;          // everything but `sources`; else `sources` alone
    std::vector<Address> sources;  // sorted
    bool operator==(const GroupFilter&) const = default;
    bool empty() const { return !exclude && sources.empty(); }
};

class GroupFilterMerge {
  public:
    // One socket's wish: any source but these, or these sources.
    void add(bool any_source, const std::vector<Address>& sources);
    // EXCLUDE of (the intersection of what is blocked) without (the union of what is joined), or
    // INCLUDE of the union. At most `sources_max` sources: a longer list lets more through, which
    // the sockets' own filters then hold back.
    GroupFilter result(std::size_t sources_max) const;

  private:
    bool any_ = false;
    std::vector<Address> blocked_, joined_;  // sorted; blocked_: by every any-source wish so far
};

}  // namespace fanfare::control
