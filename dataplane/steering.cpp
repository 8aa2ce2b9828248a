#include "dataplane/steering.hpp"

#include <algorithm>

namespace fanfare::dataplane {
namespace {

// Offsets in the PGM header, RFC 3208 section 8.
constexpr std::size_t kSourcePort = 0, kDestinationPort = 2, kGsi = 8;

void put16(std::array<std::uint8_t, SteeringRule::kOctets>& to, std::size_t at,
           std::uint16_t value) {
    to[at] = static_cast<std::uint8_t>(value >> 8);
    to[at + 1] = static_cast<std::uint8_t>(value);
}

}  // namespace

const char* to_string(SteeringMethod method) {
    switch (method) {
        case SteeringMethod::hand_over:
            return "hand-over";
        case SteeringMethod::addresses:
            return "addresses";
        case SteeringMethod::tsi:
            return "tsi";
    }
    return "unknown";
}

std::optional<SteeringRule> steering_rule(const SteeredSession& session, SteeringMethod method,
                                          std::uint16_t vlan) {
    if (method == SteeringMethod::hand_over) return std::nullopt;
    SteeringRule rule;
    rule.vlan = vlan;
    rule.udp_port = session.udp_port;
    rule.queue = static_cast<std::uint16_t>(session.worker);
    // NAKs come from any receiver to our own address; they carry the session's source port as
    // their destination port.
    rule.destination = session.sends ? session.source : session.group;
    if (!session.sends) rule.source = session.source;
    if (method == SteeringMethod::tsi) {
        rule.by_octets = true;
        const std::size_t port = session.sends ? kDestinationPort : kSourcePort;
        put16(rule.octets, port, session.tsi.source_port);
        put16(rule.mask, port, 0xFFFF);
        std::copy(session.tsi.gsi.octets.begin(), session.tsi.gsi.octets.end(),
                  rule.octets.begin() + kGsi);
        std::fill(rule.mask.begin() + kGsi, rule.mask.end(), std::uint8_t{0xFF});
    }
    return rule;
}

SteeringPlan::Change SteeringPlan::open(const SteeredSession& session) {
    Change change;
    if (queues_ < 2 || sessions_.contains(session.id)) return change;
    // An owner without a queue here gets everything by hand-over.
    auto key =
        session.worker < queues_
            ? steering_rule(session, session.udp_port != 0 ? abilities_.udp : abilities_.raw, vlan_)
            : std::nullopt;
    if (!key) {
        sessions_.emplace(session.id, std::nullopt);
        return change;
    }
    key->queue = 0;
    const auto at = groups_.try_emplace(*key).first;
    at->second.members.push_back({session.id, static_cast<std::uint16_t>(session.worker)});
    sessions_.emplace(session.id, *key);
    settle(at, change);
    return change;
}

SteeringPlan::Change SteeringPlan::close(std::uint64_t id) {
    Change change;
    const auto found = sessions_.find(id);
    if (found == sessions_.end()) return change;
    if (found->second) {
        const auto at = groups_.find(*found->second);
        std::erase_if(at->second.members, [id](const Member& m) { return m.id == id; });
        settle(at, change);
    }
    sessions_.erase(found);
    return change;
}

// Brings the card's rule of a group in step with its members.
void SteeringPlan::settle(Groups::iterator at, Change& change) {
    Group& group = at->second;
    const auto rule_to = [&](std::uint16_t queue) {
        SteeringRule rule = at->first;
        rule.queue = queue;
        return rule;
    };
    // The oldest member decides; a rule is left alone while it still serves that one.
    const bool stays =
        group.queue && !group.members.empty() && group.members.front().queue == *group.queue;
    if (group.queue && !stays) {
        change.remove = rule_to(*group.queue);
        group.queue.reset();
        --rules_;
    }
    if (group.members.empty()) {
        groups_.erase(at);
        return;
    }
    if (group.queue || group.refused || rules_ >= kRulesMax) return;
    group.queue = group.members.front().queue;
    ++rules_;
    change.add = rule_to(*group.queue);
}

void SteeringPlan::refused(const SteeringRule& rule) {
    SteeringRule key = rule;
    key.queue = 0;
    const auto at = groups_.find(key);
    if (at == groups_.end() || !at->second.queue) return;
    at->second.queue.reset();
    at->second.refused = true;
    --rules_;
}

std::size_t SteeringPlan::handed_over() const {
    std::size_t steered = 0;
    for (const auto& [key, group] : groups_) {
        if (!group.queue) continue;
        steered += static_cast<std::size_t>(
            std::count_if(group.members.begin(), group.members.end(),
                          [&](const Member& m) { return m.queue == *group.queue; }));
    }
    return sessions_.size() - steered;
}

}  // namespace fanfare::dataplane
