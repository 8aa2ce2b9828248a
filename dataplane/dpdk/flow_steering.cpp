#include "dataplane/dpdk/flow_steering.hpp"

#include <rte_byteorder.h>

#include "dataplane/dpdk/log.hpp"

namespace fanfare::dataplane::dpdk {
namespace {

constexpr std::uint8_t kPgmProtocol = 113;
constexpr std::uint16_t kVlanIdMask = 0x0FFF;

// A rule as rte_flow takes it. Items point into the object: it stays where it was made.
struct Flow {
    explicit Flow(const SteeringRule& rule) : octets(rule.octets), mask(rule.mask) {
        attributes.ingress = 1;
        add(RTE_FLOW_ITEM_TYPE_ETH, nullptr, nullptr);
        if (rule.vlan != 0) {
            vlan.tci = rte_cpu_to_be_16(rule.vlan);
            vlan_mask.tci = rte_cpu_to_be_16(kVlanIdMask);
            add(RTE_FLOW_ITEM_TYPE_VLAN, &vlan, &vlan_mask);
        }
        ip.hdr.dst_addr = rte_cpu_to_be_32(rule.destination.v4);
        ip_mask.hdr.dst_addr = 0xFFFFFFFF;
        if (!rule.source.is_none()) {
            ip.hdr.src_addr = rte_cpu_to_be_32(rule.source.v4);
            ip_mask.hdr.src_addr = 0xFFFFFFFF;
        }
        // With UDP the item behind it says the protocol; some drivers refuse to be told twice.
        if (rule.udp_port == 0) {
            ip.hdr.next_proto_id = kPgmProtocol;
            ip_mask.hdr.next_proto_id = 0xFF;
        }
        add(RTE_FLOW_ITEM_TYPE_IPV4, &ip, &ip_mask);
        if (rule.udp_port != 0) {
            udp.hdr.dst_port = rte_cpu_to_be_16(rule.udp_port);
            udp_mask.hdr.dst_port = 0xFFFF;
            add(RTE_FLOW_ITEM_TYPE_UDP, &udp, &udp_mask);
        }
        if (rule.by_octets) {
            // Right behind the header before it, however long that is (Router Alert is in some).
            raw.relative = 1;
            raw.length = static_cast<std::uint16_t>(octets.size());
            raw.pattern = octets.data();
            raw_mask.relative = 1;
            raw_mask.search = 1;
            raw_mask.offset = -1;
            raw_mask.limit = 0xFFFF;
            raw_mask.length = 0xFFFF;
            raw_mask.pattern = mask.data();
            add(RTE_FLOW_ITEM_TYPE_RAW, &raw, &raw_mask);
        }
        add(RTE_FLOW_ITEM_TYPE_END, nullptr, nullptr);
        queue.index = rule.queue;
        actions[0].type = RTE_FLOW_ACTION_TYPE_QUEUE;
        actions[0].conf = &queue;
        actions[1].type = RTE_FLOW_ACTION_TYPE_END;
    }
    Flow(const Flow&) = delete;
    Flow& operator=(const Flow&) = delete;

    rte_flow_attr attributes{};
    rte_flow_item items[6] = {};  // Ethernet, VLAN, IPv4, UDP, octets, end
    rte_flow_action actions[2] = {};

  private:
    void add(rte_flow_item_type type, const void* spec, const void* item_mask) {
        items[count].type = type;
        items[count].spec = spec;
        items[count++].mask = item_mask;
    }

    std::size_t count = 0;
    std::array<std::uint8_t, SteeringRule::kOctets> octets, mask;
    rte_flow_item_vlan vlan{}, vlan_mask{};
    rte_flow_item_ipv4 ip{}, ip_mask{};
    rte_flow_item_udp udp{}, udp_mask{};
    rte_flow_item_raw raw{}, raw_mask{};
    rte_flow_action_queue queue{};
};

}  // namespace

FlowSteering::FlowSteering(std::uint16_t port_id, std::uint16_t queues, std::uint16_t vlan,
                           const FlowFunctions& functions)
    : functions_(functions),
      port_id_(port_id),
      vlan_(vlan),
      abilities_(probe(queues)),
      plan_(abilities_, queues, vlan) {}

FlowSteering::~FlowSteering() {
    const QuietLog quiet;
    rte_flow_error error{};
    for (const auto& [rule, flow] : rules_) functions_.destroy(port_id_, flow, &error);
    take_complaint();
}

SteeringAbilities FlowSteering::probe(std::uint16_t queues) const {
    if (queues < 2) return {};
    // Saying no is no fault: drivers log it as one.
    const QuietLog quiet;
    const SteeringAbilities found{probe(false), probe(true)};
    take_complaint();
    return found;
}

SteeringMethod FlowSteering::probe(bool udp) const {
    for (const SteeringMethod method : {SteeringMethod::tsi, SteeringMethod::addresses}) {
        bool takes = true;
        // A session that we receive and one that we send: both or none.
        for (const bool sends : {false, true}) {
            SteeredSession sample;
            sample.tsi = {Gsi{{1, 2, 3, 4, 5, 6}}, 7500};
            sample.sends = sends;
            sample.worker = 1;
            sample.group = Address::from_octets(239, 255, 0, 1);
            sample.source = Address::from_octets(192, 0, 2, 1);
            sample.udp_port = udp ? 3055 : 0;
            const Flow flow(*steering_rule(sample, method, vlan_));
            rte_flow_error error{};
            takes = takes && functions_.validate(port_id_, &flow.attributes, flow.items,
                                                 flow.actions, &error) == 0;
        }
        if (takes) return method;
    }
    return SteeringMethod::hand_over;
}

void FlowSteering::open(const SteeredSession& session) {
    steps_.push_back({session, false});
    settle();
}

void FlowSteering::close(std::uint64_t session_id) {
    Step end;
    end.session.id = session_id;
    end.ends = true;
    steps_.push_back(end);
    settle();
}

void FlowSteering::turn() {
    changes_left_ = kChangesPerTurn;
    settle();
}

void FlowSteering::settle() {
    while (changes_left_ > 0 && !steps_.empty()) {
        const Step step = steps_.front();
        steps_.pop_front();
        apply(step.ends ? plan_.close(step.session.id) : plan_.open(step.session));
    }
}

std::size_t FlowSteering::handed_over() const {
    std::size_t waiting = 0;
    for (const Step& step : steps_) waiting += step.ends ? 0 : 1;
    return plan_.handed_over() + waiting;
}

void FlowSteering::apply(const SteeringPlan::Change& change) {
    if (!change.remove && !change.add) return;
    --changes_left_;
    const QuietLog quiet;
    rte_flow_error error{};
    if (change.remove) {
        if (const auto found = rules_.find(*change.remove); found != rules_.end()) {
            // A card that has gone took its rules along.
            functions_.destroy(port_id_, found->second, &error);
            rules_.erase(found);
        }
    }
    if (change.add) {
        const Flow flow(*change.add);
        rte_flow* made = nullptr;
        if (functions_.validate(port_id_, &flow.attributes, flow.items, flow.actions, &error) == 0)
            made = functions_.create(port_id_, &flow.attributes, flow.items, flow.actions, &error);
        if (made != nullptr) {
            rules_.emplace(*change.add, made);
        } else {
            ++refused_;
            plan_.refused(*change.add);
        }
    }
    take_complaint();
}

}  // namespace fanfare::dataplane::dpdk
