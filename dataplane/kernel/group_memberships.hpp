// The groups that one interface's kernel shall be a member of, spread over as many sockets as that
// takes: one socket holds igmp_max_memberships of them (20 unless somebody raised it).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/types.hpp"
#include "ipc/descriptor.hpp"

namespace fanfare::dataplane::kernel {

class GroupMemberships {
  public:
    // `groups_max`: more than that are refused, so that no room is taken later.
    explicit GroupMemberships(std::size_t groups_max);

    // On another interface from now on; everything joined is forgotten with its sockets.
    void move_to(int interface_index);
    // Brings the memberships to `wanted` (each once) with at most `budget` joins and leaves, which
    // goes down by those made. False when more are to be made. A group that the kernel refuses is
    // counted and left out until reset() or until it is asked for anew.
    bool set(std::span<const Address> wanted, std::size_t& budget);

    std::size_t joined() const;
    std::uint64_t refused() const { return refused_; }
    // Made so far.
    std::uint64_t system_calls() const { return system_calls_; }

  private:
    struct Member {
        Address group;
        std::uint32_t carrier = kNoCarrier;  // kNoCarrier: refused
    };
    struct Carrier {
        ipc::Descriptor socket;
        bool full = false;
    };
    static constexpr std::uint32_t kNoCarrier = 0xFFFFFFFF;

    std::uint32_t join(Address group);

    std::size_t groups_max_;
    int interface_index_ = 0;
    std::vector<Member> members_;  // by group
    std::vector<Address> wanted_;  // sorted
    std::vector<Carrier> carriers_;
    std::uint64_t refused_ = 0, system_calls_ = 0;
};

}  // namespace fanfare::dataplane::kernel
