// Membership of one datagram socket in one group on one interface, as the Windows table has it
// (wsrm.md section 7): which of the six calls is allowed in which state, with which error, and what
// it changes. One table of 9 rows and 6 calls decides everything. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string_view>
#include <vector>

#include "engine/types.hpp"

namespace fanfare::control {

enum class MembershipCall : std::uint8_t {
    join,          // IP_ADD_MEMBERSHIP, MCAST_JOIN_GROUP
    leave,         // IP_DROP_MEMBERSHIP, MCAST_LEAVE_GROUP
    join_source,   // IP_ADD_SOURCE_MEMBERSHIP, MCAST_JOIN_SOURCE_GROUP
    leave_source,  // IP_DROP_SOURCE_MEMBERSHIP, MCAST_LEAVE_SOURCE_GROUP
    block,         // IP_BLOCK_SOURCE, MCAST_BLOCK_SOURCE
    unblock,       // IP_UNBLOCK_SOURCE, MCAST_UNBLOCK_SOURCE
};
inline constexpr std::size_t kMembershipCalls = 6;

// What the state is as far as a call that names source s is concerned: the rows of wsrm.md 7.2.
enum class MembershipRow : std::uint8_t {
    none,                         // N
    none_after_sources,           // NS: the last membership ended by dropping its last source
    any,                          // A: nothing blocked, s never blocked
    any_formerly_blocked,         // A: nothing blocked, s was blocked once
    any_blocked,                  // A: s is blocked
    any_others_blocked,           // A: others are blocked, s never was
    any_others_blocked_formerly,  // A: others are blocked, s was blocked once
    source_joined,                // I: s is joined
    source_not_joined,            // I: others are joined
};
inline constexpr std::size_t kMembershipRows = 9;

enum class MembershipStep : std::uint8_t {
    refuse,
    become_any,
    end,
    add_source,
    remove_source,
    block_source,
    unblock_source,
};

struct MembershipCell {
    int error = 0;  // an errno; 0: allowed
    MembershipStep step = MembershipStep::refuse;
};
using MembershipTable = std::array<std::array<MembershipCell, kMembershipCalls>, kMembershipRows>;
const MembershipTable& membership_table();

class Membership {
  public:
    // Own limit on joined, or blocked, sources (wsrm.md 7.3 leaves it to us): what one IGMP record
    // tells (net::IgmpHost::kFilterSourcesMax).
    static constexpr std::size_t kSourcesMax = 64;
    // Unblocked sources that are remembered, oldest forgotten first (wsrm.md 7.1).
    static constexpr std::size_t kFormerlyBlockedMax = 1024;

    // Makes the call; `source` counts for the four that name one. Returns 0 or an errno: from the
    // table, or ENOBUFS when a list is full. On an errno nothing has changed.
    int apply(MembershipCall call, Address source);

    // Sets all of it at once (IP_MSFILTER): any source but these, or these alone. What was blocked
    // once is forgotten. None alone ends it, as IP_DROP_MEMBERSHIP does. 0, EINVAL (to end what is
    // not there) or ENOBUFS, and then nothing has changed.
    int replace(bool any_source, std::span<const Address> sources);

    MembershipRow row(Address source) const;
    bool is_member() const { return kind_ != Kind::none; }
    // Nothing that a later call could tell from a fresh state.
    bool is_blank() const { return kind_ == Kind::none && !ended_by_source_; }
    bool any_source() const { return kind_ == Kind::any; }
    // Blocked sources of an any-source membership, joined ones of a source-specific one.
    const std::vector<Address>& sources() const { return sources_; }
    bool wants(Address source) const;

  private:
    enum class Kind : std::uint8_t { none, any, specific };
    void restart(Kind kind);
    Kind kind_ = Kind::none;
    bool ended_by_source_ = false;
    std::vector<Address> sources_;
    std::deque<Address> formerly_blocked_;
};

}  // namespace fanfare::control
