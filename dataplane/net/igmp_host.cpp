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
        if (group.address == address) return group.wanted();
    }
    return false;
}

IgmpHost::Group* IgmpHost::find_or_make(Address address) {
    if (Group* group = find(address)) return group;
    if (groups_.size() == groups_max_) return nullptr;
    Group& group = groups_.emplace_back();
    group.address = address;
    return &group;
}

IgmpHost::SessionSource* IgmpHost::find_session_source(Group& group, Address source) {
    const auto end = group.session_sources.begin() + group.session_source_count;
    const auto at = std::find_if(group.session_sources.begin(), end,
                                 [&](const SessionSource& s) { return s.address == source; });
    return source.is_none() || at == end ? nullptr : &*at;
}

bool IgmpHost::join(Address address, Address source, Nanos now) {
    Group* group = find_or_make(address);
    if (group == nullptr) return false;
    if (SessionSource* known = find_session_source(*group, source)) {
        ++known->members;
    } else if (!source.is_none() && group->session_source_count < kSessionSourcesMax) {
        group->session_sources[group->session_source_count++] = {source, 1};
        change(*group, now);
    } else if (group->members++ == 0) {
        change(*group, now);
    }
    return true;
}

// What is not listed was counted with those of any source.
void IgmpHost::leave(Address address, Address source, Nanos now) {
    Group* group = find(address);
    if (group == nullptr) return;
    if (SessionSource* known = find_session_source(*group, source)) {
        if (--known->members > 0) return;
        *known = group->session_sources[--group->session_source_count];
        change(*group, now);
    } else if (group->members > 0 && --group->members == 0) {
        change(*group, now);
    }
}

// What sessions and datagram sockets want together (RFC 3376 3.2): true, all but `sources`; else
// these alone. A list too long to be told lets everything through.
bool IgmpHost::merge(const Group& group, std::array<Address, kFilterSourcesMax>& sources,
                     std::size_t& count) {
    count = 0;
    if (group.members > 0) return true;
    const auto sessions_end = group.session_sources.begin() + group.session_source_count;
    const auto of_session = [&](Address address) {
        return std::any_of(group.session_sources.begin(), sessions_end,
                           [&](const SessionSource& s) { return s.address == address; });
    };
    for (std::size_t i = 0; i < group.wish_count; ++i) {
        if (!of_session(group.wishes[i])) sources[count++] = group.wishes[i];
    }
    if (group.filter_exclude) return true;
    if (count + group.session_source_count > sources.size()) {
        count = 0;
        return true;
    }
    for (auto at = group.session_sources.begin(); at != sessions_end; ++at)
        sources[count++] = at->address;
    return false;
}

bool IgmpHost::set_filter(Address address, bool exclude, std::span<const Address> sources,
                          Nanos now) {
    sources = sources.first(std::min(sources.size(), kFilterSourcesMax));
    const bool ends = !exclude && sources.empty();
    Group* group = ends ? find(address) : find_or_make(address);
    if (group == nullptr) return ends;
    group->filter_exclude = exclude;
    group->wish_count = static_cast<std::uint8_t>(sources.size());
    std::copy(sources.begin(), sources.end(), group->wishes.begin());
    change(*group, now);
    return true;
}

// A group's wishes changed: what is told of it follows. Older queriers hear of joining and leaving
// alone; the rest is filtered in this host (RFC 3376 7.2.1).
void IgmpHost::change(Group& group, Nanos now) {
    if (!group.wanted()) {
        group.answer_at = kNever;
        group.source_count = 0;
    }
    if (group.address == kAllSystems) return sweep();
    const auto listed = [](const Source& source) { return source.listed; };
    const auto end = group.told.begin() + group.told_count;
    const bool was = group.exclude || std::any_of(group.told.begin(), end, listed);
    std::array<Address, kFilterSourcesMax> list;
    std::size_t count = 0;
    const bool exclude = merge(group, list, count);
    const std::span<const Address> sources(list.data(), count);
    if (version_ < 3) {
        const bool is = group.wanted();
        group.exclude = exclude;
        const Nanos change_at = group.change_at;
        tell_sources(group, sources, now);
        for (std::size_t i = 0; i < group.told_count; ++i) group.told[i].repeats = 0;
        group.change_at = change_at;
        if (was != is) tell_mode(group, now);
    } else if (exclude != group.exclude) {
        // One record with the whole list takes the place of what was left to tell of sources.
        group.exclude = exclude;
        group.told_count = 0;
        for (const Address source : sources) group.told[group.told_count++] = {source, true, 0};
        tell_mode(group, now);
    } else {
        tell_sources(group, sources, now);
    }
    sweep();
}

// A change is told at once and repeated robustness - 1 times (5.1). A later change takes the place
// of what is left of an earlier one.
void IgmpHost::tell_mode(Group& group, Nanos now) {
    group.repeats = robustness_;
    group.change_at = now;
}

// The same mode with another list: the difference is told, each source as often as robustness says.
// While the mode itself is still being told its records carry the new list (5.1).
void IgmpHost::tell_sources(Group& group, std::span<const Address> sources, Nanos now) {
    const auto contains = [&](Address address) {
        return std::find(sources.begin(), sources.end(), address) != sources.end();
    };
    bool changed = false;
    for (std::size_t i = 0; i < group.told_count; ++i) {
        Source& source = group.told[i];
        if (source.listed == contains(source.address)) continue;
        source.listed = !source.listed;
        source.repeats = robustness_;
        changed = true;
    }
    for (const Address address : sources) {
        const auto end = group.told.begin() + group.told_count;
        const auto at = std::find_if(group.told.begin(), end,
                                     [&](const Source& s) { return s.address == address; });
        if (at != end) continue;
        if (group.told_count == group.told.size()) {
            // Room is made by forgetting to repeat that another one went.
            const auto gone =
                std::find_if(group.told.begin(), end, [](const Source& s) { return !s.listed; });
            if (gone == end) break;
            *gone = group.told[--group.told_count];
        }
        group.told[group.told_count++] = {address, true, robustness_};
        changed = true;
    }
    if (changed) group.change_at = now;
}

void IgmpHost::report_all(Nanos now) {
    for (Group& group : groups_) {
        if (group.address == kAllSystems) continue;
        if (group.exclude || !group.wanted()) {
            tell_mode(group, now);
        } else {
            for (std::size_t i = 0; i < group.told_count; ++i) group.told[i].repeats = robustness_;
            group.change_at = now;
        }
    }
    sweep();
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
        // A change that was never told at all is still told, in the new form. An older querier
        // hears of a list of sources as of a group that was joined or left.
        bool fresh = group.change_at != kNever && group.repeats >= robustness_;
        for (std::size_t i = 0; i < group.told_count; ++i) {
            fresh = fresh || group.told[i].repeats >= robustness_;
            if (version < 3) group.told[i].repeats = 0;
        }
        if (fresh && version < 3) group.repeats = robustness_;
        if (!fresh) group.repeats = 0;
        group.change_at = fresh ? now : kNever;
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
                if (!group.wanted() || group.address == kAllSystems) continue;
                group.answer_at = std::min(group.answer_at, now + delay(query.max_response));
            }
        } else {
            const Nanos at = now + delay(query.max_response);
            // Nothing joined, nothing to report (5.2).
            const bool state = std::any_of(groups_.begin(), groups_.end(), [](const Group& group) {
                return group.wanted() && group.address != kAllSystems;
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
    if (group == nullptr || !group->wanted() || group->address == kAllSystems) return;
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
        if (!groups_[i].wanted() && groups_[i].change_at == kNever) {
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

// What changed in a group: the mode with the whole list, or the sources that came and went (5.1).
// False when it does not fit any more.
bool IgmpHost::write_change(Group& group, IgmpReportWriter& report, Nanos now) {
    std::array<Address, 2 * kFilterSourcesMax> some;
    const auto gather = [&](auto&& wanted) {
        std::size_t count = 0;
        for (std::size_t i = 0; i < group.told_count; ++i) {
            if (wanted(group.told[i])) some[count++] = group.told[i].address;
        }
        return std::span<const Address>(some.data(), count);
    };
    if (group.repeats > 0) {
        const auto type = group.exclude ? IgmpRecord::to_exclude : IgmpRecord::to_include;
        const auto list = gather([](const Source& source) { return source.listed; });
        if (!report.add(type, group.address, list)) return false;
        --group.repeats;
    } else {
        for (const bool allow : {true, false}) {
            const auto list = gather([&](const Source& source) {
                return source.repeats > 0 && (source.listed != group.exclude) == allow;
            });
            if (list.empty()) continue;
            const auto type = allow ? IgmpRecord::allow_new : IgmpRecord::block_old;
            if (!report.add(type, group.address, list)) return false;
            for (std::size_t i = 0; i < group.told_count; ++i) {
                Source& source = group.told[i];
                if (source.repeats > 0 && (source.listed != group.exclude) == allow)
                    --source.repeats;
            }
        }
    }
    bool more = group.repeats > 0;
    std::size_t kept = 0;
    for (std::size_t i = 0; i < group.told_count; ++i) {
        const Source& source = group.told[i];
        more = more || source.repeats > 0;
        if (source.listed || source.repeats > 0) group.told[kept++] = source;
    }
    group.told_count = static_cast<std::uint8_t>(kept);
    group.change_at = more ? now + delay(kUnsolicitedInterval) : kNever;
    return true;
}

// The whole state of a group, as queries ask for it.
bool IgmpHost::write_state(const Group& group, IgmpReportWriter& report) const {
    std::array<Address, 2 * kFilterSourcesMax> list;
    std::size_t count = 0;
    for (std::size_t i = 0; i < group.told_count; ++i) {
        if (group.told[i].listed) list[count++] = group.told[i].address;
    }
    return report.add(group.exclude ? IgmpRecord::is_exclude : IgmpRecord::is_include,
                      group.address, {list.data(), count});
}

// The answer to a query of a group, or of sources of it: INCLUDE (A) and queried B gives IS_IN
// (A*B), EXCLUDE (A) gives IS_IN (B-A); an empty answer is none (5.2).
bool IgmpHost::write_answer(const Group& group, IgmpReportWriter& report) const {
    if (group.source_count == 0) return write_state(group, report);
    std::array<Address, kSourcesMax> list;
    std::size_t count = 0;
    for (std::size_t i = 0; i < group.source_count; ++i) {
        const auto end = group.told.begin() + group.told_count;
        const bool listed = std::any_of(group.told.begin(), end, [&](const Source& source) {
            return source.listed && source.address == group.sources[i];
        });
        if (listed != group.exclude) list[count++] = group.sources[i];
    }
    return count == 0 || report.add(IgmpRecord::is_include, group.address, {list.data(), count});
}

// One report with everything that is due, as far as it fits.
std::size_t IgmpHost::write_v3(Nanos now, std::span<std::byte> room) {
    IgmpReportWriter report(room);
    for (Group& group : groups_) {
        if (group.change_at > now) continue;
        if (!write_change(group, report, now)) return report.finish();
    }
    for (Group& group : groups_) {
        if (group.answer_at > now || !group.wanted()) continue;
        if (!write_answer(group, report)) return report.finish();
        group.answer_at = kNever;
        group.source_count = 0;
    }
    if (general_at_ <= now) {
        for (; general_next_ < groups_.size(); ++general_next_) {
            const Group& group = groups_[general_next_];
            if (!group.wanted() || group.address == kAllSystems) continue;
            if (!write_state(group, report)) return report.finish();
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
            const bool in = group.wanted();
            if (group.repeats > 0) --group.repeats;
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
