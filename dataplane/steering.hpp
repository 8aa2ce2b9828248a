// Which rules a card needs so that a session's packets arrive on its owner's queue. Decides and
// keeps count; knows no card and no DPDK (dataplane/dpdk/flow_steering.hpp has those).
//
// Cards know IP and UDP but not PGM: what tells a session is the TSI, in the first 14 octets of the
// PGM header (RFC 3208 section 8): source port at 0, destination port at 2, GSI at 8. A card that
// can compare octets behind the header before them gets an exact rule. One that can't is told by
// addresses: source and group of a session that we receive, our own address for NAKs. Several
// sessions may share these; the rule then serves the owner of the first, and the others' packets
// are handed over between workers as without a rule. So a rule is never more than a short cut:
// workers look at the TSI of every packet, wherever it arrives.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "dataplane/commands.hpp"
#include "engine/types.hpp"

namespace fanfare::dataplane {

enum class SteeringMethod : std::uint8_t {
    hand_over,  // the card tells nothing of use: no rule
    addresses,  // IP addresses, protocol or UDP port
    tsi,        // those, and the octets of the TSI
};
const char* to_string(SteeringMethod method);

// What a card was found to match, by the form that PGM travels in.
struct SteeringAbilities {
    SteeringMethod raw = SteeringMethod::hand_over;  // IP protocol 113
    SteeringMethod udp = SteeringMethod::hand_over;
};

// A packet matches when all that is set here is equal; it then goes to `queue`.
struct SteeringRule {
    static constexpr std::size_t kOctets = 14;  // from the PGM header's start to the GSI's end

    std::uint16_t vlan = 0;  // 0: untagged
    Address source;          // none: any
    Address destination;
    std::uint16_t udp_port = 0;  // destination; 0: IP protocol 113
    bool by_octets = false;
    std::array<std::uint8_t, kOctets> octets{}, mask{};  // of the PGM header, where by_octets
    std::uint16_t queue = 0;

    auto operator<=>(const SteeringRule&) const = default;
};

// The rule for one session, by `method`; none for hand_over.
std::optional<SteeringRule> steering_rule(const SteeredSession& session, SteeringMethod method,
                                          std::uint16_t vlan);

class SteeringPlan {
  public:
    // Most rules at once. Cards have from some hundred (exact filters) to millions; beyond this
    // many sessions the time to programme them at a mass start costs more than hand-over.
    static constexpr std::size_t kRulesMax = 1024;

    // `queues`: receive queues that workers read: worker i reads queue i. With one, or none, there
    // is nothing to steer.
    SteeringPlan(SteeringAbilities abilities, std::uint16_t queues, std::uint16_t vlan)
        : abilities_(abilities), queues_(queues), vlan_(vlan) {}

    // What to do to the card: first `remove`, then `add`.
    struct Change {
        std::optional<SteeringRule> remove, add;
        bool operator==(const Change&) const = default;
    };
    Change open(const SteeredSession& session);
    // Also of a session that was never opened: then nothing is to be done.
    Change close(std::uint64_t id);
    // The card did not take an `add`: who counted on it is handed over until the rule's last
    // session has gone.
    void refused(const SteeringRule& rule);

    std::size_t rules() const { return rules_; }
    // Open sessions whose packets no rule brings to their owner.
    std::size_t handed_over() const;

  private:
    struct Member {
        std::uint64_t id = 0;
        std::uint16_t queue = 0;
    };
    struct Group {  // sessions that one rule matches, oldest first
        std::vector<Member> members;
        std::optional<std::uint16_t> queue;  // where the rule in the card leads to
        bool refused = false;
    };
    using Groups = std::map<SteeringRule, Group>;  // the rules with queue 0
    void settle(Groups::iterator at, Change& change);

    SteeringAbilities abilities_;
    std::uint16_t queues_, vlan_;
    Groups groups_;
    // Each session's group; none for one that no rule could serve.
    std::unordered_map<std::uint64_t, std::optional<SteeringRule>> sessions_;
    std::size_t rules_ = 0;
};

}  // namespace fanfare::dataplane
