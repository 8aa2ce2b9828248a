// Rules as a card gets them, seen by a recording stand-in for its driver; and what the drivers at
// hand say to them.
#include "dataplane/dpdk/flow_steering.hpp"

#include <gtest/gtest.h>
#include <rte_byteorder.h>

#include <cerrno>
#include <functional>
#include <string>

#include "frames.hpp"

namespace fanfare::dataplane::dpdk {
namespace {

constexpr std::uint16_t kPort = 5;

// Writes every call down in words, and refuses what `refuses` says.
struct Card {
    std::vector<std::string> validated, created;
    std::map<rte_flow*, std::string> rules;
    std::function<bool(const std::string&)> refuses = [](const std::string&) { return false; };
    bool full = false;
    std::uintptr_t last = 0;
    int foreign = 0;  // calls for another port, or for a rule that is not there
};
Card* card = nullptr;

std::string octets_in_words(const std::uint8_t* octets, std::size_t count) {
    std::string out;
    for (std::size_t i = 0; i < count; ++i) {
        char two[3];
        std::snprintf(two, sizeof two, "%02x", octets[i]);
        out += two;
    }
    return out;
}

std::string in_words(const rte_flow_attr* attributes, const rte_flow_item items[],
                     const rte_flow_action actions[]) {
    std::string out = attributes->ingress && !attributes->egress && !attributes->transfer &&
                              attributes->group == 0
                          ? "in"
                          : "?";
    const auto field = [&out](const char* name, std::uint64_t spec, std::uint64_t mask,
                              std::uint64_t all) {
        EXPECT_EQ(spec & ~mask, 0u) << "a value outside of its mask";
        if (mask == 0) return;
        EXPECT_EQ(mask, all);
        out += std::string(" ") + name + "=" + std::to_string(spec);
    };
    for (; items->type != RTE_FLOW_ITEM_TYPE_END; ++items) {
        EXPECT_EQ(items->last, nullptr);
        switch (items->type) {
            case RTE_FLOW_ITEM_TYPE_ETH:
                EXPECT_EQ(items->spec, nullptr);
                out += " / eth";
                break;
            case RTE_FLOW_ITEM_TYPE_VLAN: {
                const auto* s = static_cast<const rte_flow_item_vlan*>(items->spec);
                const auto* m = static_cast<const rte_flow_item_vlan*>(items->mask);
                out += " / vlan";
                field("id", rte_be_to_cpu_16(s->tci), rte_be_to_cpu_16(m->tci), 0xFFF);
                break;
            }
            case RTE_FLOW_ITEM_TYPE_IPV4: {
                const auto* s = static_cast<const rte_flow_item_ipv4*>(items->spec);
                const auto* m = static_cast<const rte_flow_item_ipv4*>(items->mask);
                out += " / ipv4";
                field("src", rte_be_to_cpu_32(s->hdr.src_addr), m->hdr.src_addr, 0xFFFFFFFF);
                field("dst", rte_be_to_cpu_32(s->hdr.dst_addr), m->hdr.dst_addr, 0xFFFFFFFF);
                field("proto", s->hdr.next_proto_id, m->hdr.next_proto_id, 0xFF);
                EXPECT_EQ(m->hdr.version_ihl, 0) << "packets with and without Router Alert";
                break;
            }
            case RTE_FLOW_ITEM_TYPE_UDP: {
                const auto* s = static_cast<const rte_flow_item_udp*>(items->spec);
                const auto* m = static_cast<const rte_flow_item_udp*>(items->mask);
                out += " / udp";
                EXPECT_EQ(m->hdr.src_port, 0);
                field("dst", rte_be_to_cpu_16(s->hdr.dst_port), m->hdr.dst_port, 0xFFFF);
                break;
            }
            case RTE_FLOW_ITEM_TYPE_RAW: {
                const auto* s = static_cast<const rte_flow_item_raw*>(items->spec);
                const auto* m = static_cast<const rte_flow_item_raw*>(items->mask);
                EXPECT_EQ(s->relative, 1);
                EXPECT_EQ(s->search, 0);
                EXPECT_EQ(s->offset, 0);
                EXPECT_EQ(m->length, 0xFFFF);
                out += " / raw " + octets_in_words(s->pattern, s->length) + "&" +
                       octets_in_words(m->pattern, s->length);
                break;
            }
            default:
                out += " / item " + std::to_string(items->type);
        }
    }
    for (; actions->type != RTE_FLOW_ACTION_TYPE_END; ++actions) {
        if (actions->type == RTE_FLOW_ACTION_TYPE_QUEUE)
            out += " -> queue " +
                   std::to_string(static_cast<const rte_flow_action_queue*>(actions->conf)->index);
        else
            out += " -> action " + std::to_string(actions->type);
    }
    return out;
}

int card_validate(std::uint16_t port, const rte_flow_attr* attributes, const rte_flow_item items[],
                  const rte_flow_action actions[], rte_flow_error*) {
    if (port != kPort) ++card->foreign;
    card->validated.push_back(in_words(attributes, items, actions));
    return card->refuses(card->validated.back()) ? -ENOTSUP : 0;
}
rte_flow* card_create(std::uint16_t port, const rte_flow_attr* attributes,
                      const rte_flow_item items[], const rte_flow_action actions[],
                      rte_flow_error*) {
    if (port != kPort) ++card->foreign;
    const std::string words = in_words(attributes, items, actions);
    EXPECT_FALSE(card->validated.empty() || card->validated.back() != words)
        << "created without being asked for first";
    if (card->full) return nullptr;
    card->created.push_back(words);
    auto* flow = reinterpret_cast<rte_flow*>(++card->last);
    card->rules.emplace(flow, words);
    return flow;
}
int card_destroy(std::uint16_t port, rte_flow* flow, rte_flow_error*) {
    if (port != kPort || card->rules.erase(flow) != 1) ++card->foreign;
    return 0;
}
constexpr FlowFunctions kCard{card_validate, card_create, card_destroy};

class FlowSteeringTest : public testing::Test {
  protected:
    void SetUp() override { card = &card_; }
    void TearDown() override {
        EXPECT_EQ(card_.foreign, 0);
        EXPECT_TRUE(card_.rules.empty()) << "rules are taken back at the end";
    }
    Card card_;
};

SteeredSession session_of(std::uint64_t id, std::uint32_t worker, std::uint16_t udp_port = 0,
                          bool sends = false) {
    return {id,
            Tsi{Gsi{{0xA1, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6}}, static_cast<std::uint16_t>(0x100 + id)},
            sends,
            0,
            worker,
            Address{0xEF010101},
            Address{0x0A000001},
            udp_port};
}
bool has(const std::string& words, const char* part) {
    return words.find(part) != std::string::npos;
}

TEST_F(FlowSteeringTest, ASessionGetsOneRuleThatNamesItsTsiAndLosesItAtItsEnd) {
    FlowSteering steering(kPort, 2, 0, kCard);
    EXPECT_EQ(steering.abilities().raw, SteeringMethod::tsi);
    EXPECT_TRUE(card_.created.empty()) << "asking makes no rules";
    steering.open(session_of(1, 1));
    ASSERT_EQ(card_.created.size(), 1u);
    EXPECT_EQ(card_.created[0],
              "in / eth / ipv4 src=167772161 dst=4009820417 proto=113 / raw "
              "0101000000000000a1a2a3a4a5a6&ffff000000000000ffffffffffff -> queue 1");
    steering.close(1);
    EXPECT_TRUE(card_.rules.empty());
    EXPECT_EQ(steering.rules(), 0u);
}

TEST_F(FlowSteeringTest, NaksForOurSessionAndTheEncapsulatedFormAreMatchedInTheirPlaces) {
    FlowSteering steering(kPort, 2, 100, kCard);
    steering.open(session_of(1, 1, 0, true));
    steering.open(session_of(2, 0, 3055));
    ASSERT_EQ(card_.created.size(), 2u);
    EXPECT_EQ(card_.created[0],
              "in / eth / vlan id=100 / ipv4 dst=167772161 proto=113 / raw "
              "0000010100000000a1a2a3a4a5a6&0000ffff00000000ffffffffffff -> queue 1");
    EXPECT_EQ(card_.created[1],
              "in / eth / vlan id=100 / ipv4 src=167772161 dst=4009820417 / udp dst=3055 / raw "
              "0102000000000000a1a2a3a4a5a6&ffff000000000000ffffffffffff -> queue 0");
}

TEST_F(FlowSteeringTest, ACardThatMatchesNoOctetsIsAskedByAddresses) {
    card_.refuses = [](const std::string& words) { return has(words, "raw"); };
    FlowSteering steering(kPort, 2, 0, kCard);
    EXPECT_EQ(steering.abilities().raw, SteeringMethod::addresses);
    EXPECT_EQ(steering.abilities().udp, SteeringMethod::addresses);
    steering.open(session_of(1, 1));
    ASSERT_EQ(card_.created.size(), 1u);
    EXPECT_EQ(card_.created[0],
              "in / eth / ipv4 src=167772161 dst=4009820417 proto=113 -> queue 1");
    // The same addresses, another worker: no second rule, and back to it when the first has gone.
    steering.open(session_of(2, 0));
    EXPECT_EQ(card_.created.size(), 1u);
    EXPECT_EQ(steering.handed_over(), 1u);
    steering.close(1);
    ASSERT_EQ(card_.rules.size(), 1u);
    EXPECT_TRUE(has(card_.rules.begin()->second, "queue 0"));
}

TEST_F(FlowSteeringTest, ACardThatKnowsUdpAloneSteersTheEncapsulatedFormAlone) {
    card_.refuses = [](const std::string& words) {
        return has(words, "raw") || has(words, "proto=113");
    };
    FlowSteering steering(kPort, 2, 0, kCard);
    EXPECT_EQ(steering.abilities().raw, SteeringMethod::hand_over);
    EXPECT_EQ(steering.abilities().udp, SteeringMethod::addresses);
    steering.open(session_of(1, 1));
    EXPECT_TRUE(card_.created.empty());
    EXPECT_EQ(steering.refused(), 0u) << "it was not asked again";
    EXPECT_EQ(steering.handed_over(), 1u);
}

TEST_F(FlowSteeringTest, AFullTableIsCountedAndTheSessionRunsWithout) {
    FlowSteering steering(kPort, 2, 0, kCard);
    card_.full = true;
    steering.open(session_of(1, 1));
    EXPECT_EQ(steering.refused(), 1u);
    EXPECT_EQ(steering.rules(), 0u);
    EXPECT_EQ(steering.handed_over(), 1u);
    steering.close(1);
    card_.full = false;
    steering.open(session_of(2, 1));
    EXPECT_EQ(steering.rules(), 1u);
    EXPECT_EQ(steering.handed_over(), 0u);
}

TEST_F(FlowSteeringTest, AMassStartIsSpreadOverTurnsAndEndsKeepTheirOrder) {
    constexpr std::size_t kTurn = FlowSteering::kChangesPerTurn;
    FlowSteering steering(kPort, 2, 0, kCard);
    for (std::uint64_t id = 1; id <= 2 * kTurn + 5; ++id) steering.open(session_of(id, id % 2));
    EXPECT_EQ(card_.rules.size(), kTurn);
    EXPECT_EQ(steering.handed_over(), kTurn + 5);
    // The first ends, and so does one that still waits for its rule.
    steering.close(1);
    steering.close(2 * kTurn + 5);
    EXPECT_EQ(card_.rules.size(), kTurn) << "there is no change left";
    steering.turn();
    EXPECT_EQ(card_.rules.size(), 2 * kTurn);
    steering.turn();
    EXPECT_EQ(card_.rules.size(), 2 * kTurn + 3) << "all but the two that ended";
    EXPECT_EQ(steering.handed_over(), 0u);
    steering.turn();
    EXPECT_EQ(card_.rules.size(), 2 * kTurn + 3);
    EXPECT_EQ(card_.created.size(), 2 * kTurn + 5);
}

TEST_F(FlowSteeringTest, OneQueueAsksTheCardNothing) {
    FlowSteering steering(kPort, 1, 0, kCard);
    steering.open(session_of(1, 0));
    EXPECT_TRUE(card_.validated.empty());
}

TEST(FlowSteeringDriverTest, DriversWithoutRulesLeaveEverythingToHandOverAndComplainToNobody) {
    for (const char* name : {"net_null0", "net_ring0"}) {
        auto device = open_test_device(name, 2);
        // Asked as if it had two queues: what counts is the driver's answer.
        FlowSteering steering(device->port_id(), 2, 0);
        EXPECT_EQ(steering.abilities().raw, SteeringMethod::hand_over) << name;
        EXPECT_EQ(steering.abilities().udp, SteeringMethod::hand_over) << name;
        steering.open(session_of(1, 1));
        EXPECT_EQ(steering.rules(), 0u);
        EXPECT_EQ(steering.handed_over(), 1u);
    }
}

}  // namespace
}  // namespace fanfare::dataplane::dpdk
