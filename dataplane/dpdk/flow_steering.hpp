// A card's rules for running sessions: what dataplane/steering.hpp decides, as rte_flow. Calls that
// may take milliseconds and allocate: for the control thread, never for a worker.
#pragma once

#include <rte_flow.h>

#include <cstdint>
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

    void open(const SteeredSession& session);
    void close(std::uint64_t session_id);

    const SteeringAbilities& abilities() const { return abilities_; }
    std::size_t rules() const { return rules_.size(); }
    std::uint64_t refused() const { return refused_; }
    std::size_t handed_over() const { return plan_.handed_over(); }

  private:
    SteeringAbilities probe(std::uint16_t queues) const;
    SteeringMethod probe(bool udp) const;
    void apply(const SteeringPlan::Change& change);

    FlowFunctions functions_;
    std::uint16_t port_id_, vlan_;
    SteeringAbilities abilities_;
    SteeringPlan plan_;
    std::map<SteeringRule, rte_flow*> rules_;
    std::uint64_t refused_ = 0;
};

}  // namespace fanfare::dataplane::dpdk
