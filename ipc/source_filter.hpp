// The value of IP_MSFILTER as it crosses the control socket, whichever of the two structures a
// program gave: a membership's whole state at once (RFC 3678 section 4).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "engine/types.hpp"
#include "ipc/messages.hpp"

namespace fanfare::ipc {

enum class FilterMode : std::uint32_t { exclude = 0, include = 1 };  // MCAST_EXCLUDE, MCAST_INCLUDE

struct SourceFilterHead {
    Address group;
    Address interface;  // as in MembershipValue
    FilterMode mode = FilterMode::exclude;
    std::uint32_t count = 0;  // sources: set, how many follow; got, how many there are
    std::uint32_t first = 0;  // get: the first that is wanted
};
// Sources in one value; a longer list is got in several.
inline constexpr std::size_t kFilterValueSourcesMax =
    (kOptionValueMax - sizeof(SourceFilterHead)) / sizeof(Address);

struct SourceFilterValue {
    SourceFilterHead head;
    std::array<Address, kFilterValueSourcesMax> sources{};
};
static_assert(sizeof(SourceFilterValue) <= kOptionValueMax);

}  // namespace fanfare::ipc
