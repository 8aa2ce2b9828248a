#include "dataplane/kernel/group_memberships.hpp"

#include <algorithm>
#include <cerrno>

#include "dataplane/kernel/udp_socket.hpp"

namespace fanfare::dataplane::kernel {

GroupMemberships::GroupMemberships(std::size_t groups_max) : groups_max_(groups_max) {
    members_.reserve(groups_max);
    wanted_.reserve(groups_max);
    carriers_.reserve(groups_max);
}

void GroupMemberships::move_to(int interface_index) {
    interface_index_ = interface_index;
    members_.clear();
    carriers_.clear();
}

std::size_t GroupMemberships::joined() const {
    return static_cast<std::size_t>(std::count_if(
        members_.begin(), members_.end(), [](const Member& m) { return m.carrier != kNoCarrier; }));
}

std::uint32_t GroupMemberships::join(Address group) {
    for (std::uint32_t i = 0;; ++i) {
        if (i == carriers_.size()) {
            if (carriers_.size() == carriers_.capacity()) return kNoCarrier;
            int error = 0;
            ++system_calls_;
            ipc::Descriptor socket = open_membership_socket(error);
            if (!socket) return kNoCarrier;
            carriers_.push_back({std::move(socket), false});
        }
        Carrier& carrier = carriers_[i];
        if (carrier.full) continue;
        ++system_calls_;
        const int error = join_group(carrier.socket.get(), interface_index_, group);
        if (error == 0) return i;
        // A fresh socket that is full has no room for any: that is a refusal like others.
        const bool last = i + 1 == carriers_.size();
        const bool empty = std::none_of(members_.begin(), members_.end(),
                                        [i](const Member& m) { return m.carrier == i; });
        if (error != ENOBUFS || (last && empty)) return kNoCarrier;
        carrier.full = true;
    }
}

bool GroupMemberships::set(std::span<const Address> wanted, std::size_t& budget) {
    wanted_.assign(wanted.begin(), wanted.begin() + static_cast<std::ptrdiff_t>(
                                                        std::min(wanted.size(), groups_max_)));
    if (wanted.size() > groups_max_) ++refused_;
    std::sort(wanted_.begin(), wanted_.end());
    const auto by_group = [](const Member& a, const Member& b) { return a.group < b.group; };

    std::size_t kept = 0;
    bool complete = true;
    for (std::size_t i = 0; i < members_.size(); ++i) {
        const Member member = members_[i];
        if (!std::binary_search(wanted_.begin(), wanted_.end(), member.group)) {
            if (budget > 0) {
                if (member.carrier != kNoCarrier) {
                    --budget;
                    ++system_calls_;
                    Carrier& carrier = carriers_[member.carrier];
                    leave_group(carrier.socket.get(), interface_index_, member.group);
                    carrier.full = false;
                }
                continue;
            }
            complete = false;
        }
        members_[kept++] = member;
    }
    members_.resize(kept);

    const std::size_t sorted = members_.size();
    for (const Address group : wanted_) {
        const auto end = members_.begin() + static_cast<std::ptrdiff_t>(sorted);
        const auto at = std::lower_bound(members_.begin(), end, Member{group}, by_group);
        if (at != end && at->group == group) continue;
        if (members_.size() == groups_max_) break;  // some that shall go are still there
        if (budget == 0) {
            complete = false;
            break;
        }
        --budget;
        const std::uint32_t carrier = join(group);
        if (carrier == kNoCarrier) ++refused_;
        members_.push_back({group, carrier});
    }
    std::sort(members_.begin(), members_.end(), by_group);
    return complete;
}

}  // namespace fanfare::dataplane::kernel
