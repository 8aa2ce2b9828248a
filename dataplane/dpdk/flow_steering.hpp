// A card's rules for running sessions: what dataplane/steering.hpp decides, as rte_flow. Calls that
// may take milliseconds and allocate: for the control thread, never for a worker.
#pragma once

#include <rte_flow.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>

#include "dataplane/steering.hpp"

namespace fanfare::dataplane::dpdk {

// The calls of ethdev that are used, so that a test can stand in for a card.
struct FlowFunctions {
    int (*validate)(std::uint16_t port, const rte_flow_attr*, const rte_flow_item[],
                    const rte_flow_action[], rte_flow_error*) = rte_flow_validate;
    rte_flow* (*create)(std::uint16_t port, const rte_flow_attr*, const rte_flow_item[],
                        const rte_flow_action[], rte_flow_error*) = rte_flow_create;
    int (*destroy)(std::uint16_t port, rte_flow*, rte_flow_error*) = rte_flow_destroy;
};

class FlowSteering {
  public:
    // `port_id`: a started ethdev with `queues` receive queues that workers read, worker i queue
    // i. Asks it what it can match; a driver without rules says no to all of it. Goes before the
    // device is stopped.
    FlowSteering(std::uint16_t port_id, std::uint16_t queues, std::uint16_t vlan,
                 const FlowFunctions& functions = {});
    // Takes all rules back.
    ~FlowSteering();
    FlowSteering(const FlowSteering&) = delete;
    FlowSteering& operator=(const FlowSteering&) = delete;

    // Changes to the card between two turns. A slow one takes a millisecond for a rule: a third of
    // the control thread's time, as turns are 100 ms apart. Sessions that open by the hundred are
    // handed over until theirs is made.
    static constexpr std::size_t kChangesPerTurn = 32;

    // At once, or in one of the next turns.
    void open(const SteeredSession& session);
    void close(std::uint64_t session_id);
    // Some ten times a second.
    void turn();

    const SteeringAbilities& abilities() const { return abilities_; }
    std::size_t rules() const { return rules_.size(); }
    std::uint64_t refused() const { return refused_; }
    std::size_t handed_over() const;

  private:
    SteeringAbilities probe(std::uint16_t queues) const;
    SteeringMethod probe(bool udp) const;
    void settle();
    void apply(const SteeringPlan::Change& change);

    struct Step {  // a session's begin or, `ends`, its end
        SteeredSession session;
        bool ends = false;
    };

    FlowFunctions functions_;
    std::uint16_t port_id_, vlan_;
    SteeringAbilities abilities_;
    SteeringPlan plan_;
    std::map<SteeringRule, rte_flow*> rules_;
    std::deque<Step> steps_;  // in the order in which they came
    std::size_t changes_left_ = kChangesPerTurn;
    std::uint64_t refused_ = 0;
};

}  // namespace fanfare::dataplane::dpdk
