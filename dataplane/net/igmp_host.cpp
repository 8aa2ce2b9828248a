#include "dataplane/net/igmp_host.hpp"

#include <algorithm>

#include "dataplane/net/multicast_mac.hpp"
#include "dataplane/net/octets.hpp"

namespace fanfare::dataplane::net {

IgmpHost::IgmpHost(std::uint64_t seed, std::size_t groups_max)
    : random_(seed), groups_max_(groups_max) {
    groups_.reserve(groups_max);
}

IgmpHost::Group* IgmpHost::find(Address address) {
    for (Group& group : groups_) {
        if (group.address == address) return &group;
    }
    return nullptr;
}

bool IgmpHost::joined(Address address) const {
    for (const Group& group : groups_) {
        if (group.address == address) return group.members > 0;
    }
    return false;
}

// A change is told at once and repeated robustness - 1 times (5.1). A later change takes the place
// of what is left of an earlier one.
void IgmpHost::change(Group& group, Nanos now) {
    group.repeats = robustness_;
    group.change_at = now;
    deadline_ = std::min(deadline_, now);
}

bool IgmpHost::join(Address address, Nanos now) {
    Group* group = find(address);
    if (group == nullptr) {
        if (groups_.size() == groups_max_) return false;
        group = &groups_.emplace_back();
        group->address = address;
    }
    if (group->members++ == 0 && address != kAllSystems) change(*group, now);
    return true;
}

void IgmpHost::leave(Address address, Nanos now) {
    Group* group = find(address);
    if (group == nullptr || group->members == 0) return;
    if (--group->members > 0) return;
    group->answer_at = kNever;
    group->source_count = 0;
    if (address != kAllSystems) {
        change(*group, now);
    } else {
        sweep();
    }
}

void IgmpHost::report_all(Nanos now) {
    for (Group& group : groups_) {
        if (group.address != kAllSystems) change(group, now);
    }
}

std::uint8_t IgmpHost::version(Nanos now) const {
    if (now < version_one_until_) return 1;
    return now < version_two_until_ ? 2 : 3;
}

// "Whenever a host changes its compatibility mode, it cancels all its pending response and
// retransmission timers" (7.2.1).
void IgmpHost::set_version(std::uint8_t version, Nanos now) {
    if (version == version_) return;
    version_ = version;
    general_at_ = kNever;
    general_next_ = 0;
    for (Group& group : groups_) {
        // A change that was never told at all is still told, in the new form.
        if (group.repeats < robustness_) {
            group.repeats = 0;
            group.change_at = kNever;
        } else if (group.change_at != kNever) {
            group.change_at = now;
        }
        group.answer_at = kNever;
        group.source_count = 0;
    }
    sweep();
}

void IgmpHost::on_query(const IgmpQuery& query, bool router_alert, Nanos now) {
    if (query.version >= 2 && !router_alert) return;
    if (query.version < 3 && query.group.is_none()) {
        const Nanos until = now + robustness_ * query_interval_ + query.max_response;
        (query.version == 1 ? version_one_until_ : version_two_until_) = until;
    }
    if (query.version == 3) {
        robustness_ = query.robustness != 0 ? query.robustness : kRobustness;
        query_interval_ = query.query_interval != 0 ? query.query_interval : kQueryInterval;
    }
    set_version(version(now), now);

    if (query.group.is_none()) {
        if (version_ < 3) {  // each group answers for itself
            for (Group& group : groups_) {
                if (group.members == 0 || group.address == kAllSystems) continue;
                group.answer_at = std::min(group.answer_at, now + delay(query.max_response));
            }
        } else {
            const Nanos at = now + delay(query.max_response);
            // Nothing joined, nothing to report (5.2).
            const bool state = std::any_of(groups_.begin(), groups_.end(), [](const Group& group) {
                return group.members > 0 && group.address != kAllSystems;
            });
            if (state && at < general_at_) {  // rule 1, else rule 2
                general_at_ = at;
                general_next_ = 0;
            }
        }
        sweep();
        return;
    }
    Group* group = find(query.group);
    if (group == nullptr || group->members == 0 || group->address == kAllSystems) return;
    const Nanos at = now + delay(query.max_response);
    if (general_at_ <= at) return;  // rule 1: the general answer comes sooner and says it all
    const bool pending = group->answer_at != kNever;
    const std::size_t count = version_ == 3 ? query.source_count() : 0;
    if (count == 0 || (pending && group->source_count == 0) ||
        count > kSourcesMax - group->source_count) {
        group->source_count = 0;  // rule 4
    } else {
        for (std::size_t i = 0; i < count; ++i) {  // rules 3 and 5
            const Address source = load_address(query.sources.data() + 4 * i);
            const auto end = group->sources.begin() + group->source_count;
            if (std::find(group->sources.begin(), end, source) == end) {
                group->sources[group->source_count++] = source;
            }
        }
    }
    group->answer_at = std::min(group->answer_at, at);
    sweep();
}

void IgmpHost::on_report(Address address) {
    if (version_ == 3) return;
    Group* group = find(address);
    if (group == nullptr) return;
    group->answer_at = kNever;
    sweep();
}

// Forgets groups that were left and told so, and finds the next deadline.
void IgmpHost::sweep() {
    for (std::size_t i = 0; i < groups_.size();) {
        if (groups_[i].members == 0 && groups_[i].change_at == kNever) {
            groups_[i] = groups_.back();
            groups_.pop_back();
        } else {
            ++i;
        }
    }
    deadline_ = general_at_;
    for (const Group& group : groups_) {
        deadline_ = std::min({deadline_, group.change_at, group.answer_at});
    }
}

std::size_t IgmpHost::next_message(Nanos now, std::span<std::byte> room, Address& destination) {
    if (deadline_ > now) return 0;
    set_version(version(now), now);
    destination = kIgmpRouters;
    const std::size_t size =
        version_ == 3 ? write_v3(now, room) : write_old(now, room, destination);
    sweep();
    return size;
}

// One report with everything that is due, as far as it fits.
std::size_t IgmpHost::write_v3(Nanos now, std::span<std::byte> room) {
    IgmpReportWriter report(room);
    for (Group& group : groups_) {
        if (group.change_at > now) continue;
        const bool in = group.members > 0;
        if (!report.add(in ? IgmpRecord::to_exclude : IgmpRecord::to_include, group.address)) {
            return report.finish();
        }
        --group.repeats;
        group.change_at = group.repeats > 0 ? now + delay(kUnsolicitedInterval) : kNever;
    }
    for (Group& group : groups_) {
        if (group.answer_at > now || group.members == 0) continue;
        // EXCLUDE {} and queried sources B: IS_IN(B); else the whole state (5.2).
        const bool sources = group.source_count > 0;
        if (!report.add(sources ? IgmpRecord::is_include : IgmpRecord::is_exclude, group.address,
                        {group.sources.data(), group.source_count})) {
            return report.finish();
        }
        group.answer_at = kNever;
        group.source_count = 0;
    }
    if (general_at_ <= now) {
        for (; general_next_ < groups_.size(); ++general_next_) {
            const Group& group = groups_[general_next_];
            if (group.members == 0 || group.address == kAllSystems) continue;
            if (!report.add(IgmpRecord::is_exclude, group.address)) return report.finish();
        }
        general_at_ = kNever;
        general_next_ = 0;
    }
    return report.finish();
}

// v1 and v2 say one group a message. A report goes to the group itself, so that other members hear
// it; a leave to all routers, and v1 knows none.
std::size_t IgmpHost::write_old(Nanos now, std::span<std::byte> room, Address& destination) {
    const IgmpType report = version_ == 1 ? IgmpType::report_v1 : IgmpType::report_v2;
    for (Group& group : groups_) {
        if (group.change_at <= now) {
            const bool in = group.members > 0;
            --group.repeats;
            group.change_at = group.repeats > 0 ? now + delay(kUnsolicitedInterval) : kNever;
            if (!in && version_ == 1) {
                group.change_at = kNever;
                continue;
            }
            destination = in ? group.address : kAllRouters;
            return write_igmp_v2(room.data(), in ? report : IgmpType::leave_v2, group.address);
        }
        if (group.answer_at <= now) {
            group.answer_at = kNever;
            destination = group.address;
            return write_igmp_v2(room.data(), report, group.address);
        }
    }
    return 0;
}

}  // namespace fanfare::dataplane::net
