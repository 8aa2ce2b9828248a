#include "control/membership.hpp"

#include <algorithm>
#include <cerrno>

namespace fanfare::control {
namespace {

using Step = MembershipStep;

constexpr MembershipCell refused(int error) {
    return {error, Step::refuse};
}
constexpr MembershipCell allowed(Step step) {
    return {0, step};
}

constexpr MembershipCell kInvalid = refused(EINVAL);
constexpr MembershipCell kNotAvailable = refused(EADDRNOTAVAIL);
constexpr MembershipCell kBecomeAny = allowed(Step::become_any);
constexpr MembershipCell kEnd = allowed(Step::end);
constexpr MembershipCell kAdd = allowed(Step::add_source);
constexpr MembershipCell kRemove = allowed(Step::remove_source);
constexpr MembershipCell kBlock = allowed(Step::block_source);
constexpr MembershipCell kUnblock = allowed(Step::unblock_source);

// Rows and columns in the order of wsrm.md 7.2.
constexpr MembershipTable kTable = {{
    // join, leave, join_source, leave_source, block, unblock
    {kBecomeAny, kInvalid, kAdd, kInvalid, kInvalid, kInvalid},             // none
    {kBecomeAny, kInvalid, kAdd, kNotAvailable, kInvalid, kInvalid},        // none_after_sources
    {kNotAvailable, kEnd, kNotAvailable, kInvalid, kBlock, kInvalid},       // any
    {kNotAvailable, kEnd, kNotAvailable, kInvalid, kBlock, kNotAvailable},  // .. formerly blocked
    {kInvalid, kEnd, kInvalid, kInvalid, kNotAvailable, kUnblock},          // any_blocked
    {kInvalid, kEnd, kInvalid, kInvalid, kBlock, kInvalid},                 // any_others_blocked
    {kInvalid, kEnd, kInvalid, kInvalid, kBlock, kNotAvailable},            // .. formerly
    {kNotAvailable, kEnd, kNotAvailable, kRemove, kInvalid, kInvalid},      // source_joined
    {kNotAvailable, kEnd, kAdd, kNotAvailable, kInvalid, kInvalid},         // source_not_joined
}};

template <typename List>
bool contains(const List& list, Address source) {
    return std::find(list.begin(), list.end(), source) != list.end();
}

}  // namespace

const MembershipTable& membership_table() {
    return kTable;
}

MembershipRow Membership::row(Address source) const {
    using Row = MembershipRow;
    const bool formerly = contains(formerly_blocked_, source);
    switch (kind_) {
        case Kind::none:
            return ended_by_source_ ? Row::none_after_sources : Row::none;
        case Kind::specific:
            return contains(sources_, source) ? Row::source_joined : Row::source_not_joined;
        case Kind::any:
            break;
    }
    if (sources_.empty()) return formerly ? Row::any_formerly_blocked : Row::any;
    if (contains(sources_, source)) return Row::any_blocked;
    return formerly ? Row::any_others_blocked_formerly : Row::any_others_blocked;
}

bool Membership::wants(Address source) const {
    if (kind_ == Kind::none) return false;
    return contains(sources_, source) == (kind_ == Kind::specific);
}

void Membership::restart(Kind kind) {
    kind_ = kind;
    ended_by_source_ = false;
    sources_.clear();
    formerly_blocked_.clear();
}

int Membership::replace(bool any_source, std::span<const Address> sources) {
    if (!any_source && sources.empty()) return apply(MembershipCall::leave, {});
    std::vector<Address> list;
    for (const Address source : sources)
        if (!contains(list, source)) list.push_back(source);
    if (list.size() > kSourcesMax) return ENOBUFS;
    restart(any_source ? Kind::any : Kind::specific);
    sources_ = std::move(list);
    return 0;
}

int Membership::apply(MembershipCall call, Address source) {
    // What joins and leaves the group as a whole names no source: only whether anything is blocked
    // counts.
    const bool whole = call == MembershipCall::join || call == MembershipCall::leave;
    const Address named = whole ? (sources_.empty() ? Address{} : sources_.front()) : source;
    const MembershipCell cell =
        kTable[static_cast<std::size_t>(row(named))][static_cast<std::size_t>(call)];
    if (cell.error != 0) return cell.error;
    switch (cell.step) {
        case Step::refuse:
            break;
        case Step::become_any:
            restart(Kind::any);
            break;
        case Step::end:
            restart(Kind::none);
            break;
        case Step::add_source:
            if (sources_.size() == kSourcesMax) return ENOBUFS;
            if (kind_ == Kind::none) restart(Kind::specific);
            sources_.push_back(source);
            break;
        case Step::remove_source:
            std::erase(sources_, source);
            if (sources_.empty()) {
                restart(Kind::none);
                ended_by_source_ = true;
            }
            break;
        case Step::block_source:
            if (sources_.size() == kSourcesMax) return ENOBUFS;
            sources_.push_back(source);
            break;
        case Step::unblock_source:
            std::erase(sources_, source);
            if (contains(formerly_blocked_, source)) break;
            if (formerly_blocked_.size() == kFormerlyBlockedMax) formerly_blocked_.pop_front();
            formerly_blocked_.push_back(source);
            break;
    }
    return 0;
}

}  // namespace fanfare::control
