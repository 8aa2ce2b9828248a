// Which rules a card gets for which sessions.
#include "dataplane/steering.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

namespace fanfare::dataplane {
namespace {

constexpr SteeringAbilities kTsi{SteeringMethod::tsi, SteeringMethod::tsi};
constexpr SteeringAbilities kAddresses{SteeringMethod::addresses, SteeringMethod::addresses};
constexpr Address kGroup{0xEF010101}, kSource{0x0A000001}, kOther{0x0A000002};

SteeredSession reception(std::uint64_t id, std::uint32_t worker, Address source = kSource) {
    return {id,     Tsi{Gsi{{1, 2, 3, 4, 5, 6}}, static_cast<std::uint16_t>(0x7000 + id)},
            false,  0,
            worker, kGroup,
            source, 0};
}
SteeredSession sender(std::uint64_t id, std::uint32_t worker) {
    SteeredSession session = reception(id, worker);
    session.sends = true;
    return session;
}

TEST(SteeringRule, a_received_session_is_told_by_its_source_port_and_gsi) {
    const auto rule = steering_rule(reception(0x123, 3), SteeringMethod::tsi, 7);
    ASSERT_TRUE(rule);
    EXPECT_EQ(rule->queue, 3);
    EXPECT_EQ(rule->vlan, 7);
    EXPECT_EQ(rule->source, kSource);
    EXPECT_EQ(rule->destination, kGroup);
    EXPECT_EQ(rule->udp_port, 0);
    EXPECT_TRUE(rule->by_octets);
    const std::array<std::uint8_t, 14> octets{0x71, 0x23, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6},
        mask{0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
    EXPECT_EQ(rule->octets, octets);
    EXPECT_EQ(rule->mask, mask);
}

TEST(SteeringRule, naks_come_from_anybody_with_the_sessions_port_as_their_destination) {
    auto session = sender(0x123, 1);
    session.udp_port = 3055;
    const auto rule = steering_rule(session, SteeringMethod::tsi, 0);
    ASSERT_TRUE(rule);
    EXPECT_TRUE(rule->source.is_none());
    EXPECT_EQ(rule->destination, kSource) << "our own address";
    EXPECT_EQ(rule->udp_port, 3055);
    const std::array<std::uint8_t, 14> octets{0, 0, 0x71, 0x23, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6},
        mask{0, 0, 0xFF, 0xFF, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
    EXPECT_EQ(rule->octets, octets);
    EXPECT_EQ(rule->mask, mask);
}

TEST(SteeringRule, addresses_alone_look_at_no_octet_and_hand_over_makes_no_rule) {
    const auto rule = steering_rule(reception(1, 0), SteeringMethod::addresses, 0);
    ASSERT_TRUE(rule);
    EXPECT_FALSE(rule->by_octets);
    EXPECT_EQ(rule->mask, (std::array<std::uint8_t, 14>{}));
    EXPECT_FALSE(steering_rule(reception(1, 0), SteeringMethod::hand_over, 0));
}

TEST(SteeringPlan, every_session_has_an_exact_rule_from_its_start_to_its_end) {
    SteeringPlan plan(kTsi, 2, 0);
    const auto a = plan.open(reception(1, 0)), b = plan.open(reception(2, 1));
    ASSERT_TRUE(a.add && b.add);
    EXPECT_NE(a.add, b.add);
    EXPECT_EQ(b.add->queue, 1);
    EXPECT_EQ(plan.rules(), 2u);
    EXPECT_EQ(plan.handed_over(), 0u);
    EXPECT_EQ(plan.open(reception(1, 0)), SteeringPlan::Change{}) << "it is open already";
    const auto end = plan.close(1);
    EXPECT_EQ(end.remove, a.add);
    EXPECT_FALSE(end.add);
    EXPECT_EQ(plan.rules(), 1u);
    EXPECT_EQ(plan.close(1), SteeringPlan::Change{});
    EXPECT_EQ(plan.close(99), SteeringPlan::Change{});
}

TEST(SteeringPlan, one_queue_and_a_card_that_tells_nothing_need_no_rules) {
    SteeringPlan alone(kTsi, 1, 0);
    EXPECT_EQ(alone.open(reception(1, 0)), SteeringPlan::Change{});
    EXPECT_EQ(alone.handed_over(), 0u) << "there is nothing to choose";
    SteeringPlan blind({}, 2, 0);
    EXPECT_EQ(blind.open(reception(1, 0)), SteeringPlan::Change{});
    EXPECT_EQ(blind.handed_over(), 1u);
    EXPECT_EQ(blind.close(1), SteeringPlan::Change{});
    EXPECT_EQ(blind.handed_over(), 0u);
}

TEST(SteeringPlan, each_form_of_travel_has_the_method_that_the_card_has_for_it) {
    SteeringPlan plan({SteeringMethod::hand_over, SteeringMethod::addresses}, 2, 0);
    EXPECT_FALSE(plan.open(reception(1, 1)).add);
    auto udp = reception(2, 1);
    udp.udp_port = 3055;
    const auto change = plan.open(udp);
    ASSERT_TRUE(change.add);
    EXPECT_FALSE(change.add->by_octets);
    EXPECT_EQ(plan.handed_over(), 1u);
}

TEST(SteeringPlan, an_owner_without_a_queue_on_the_port_is_served_by_hand_over) {
    SteeringPlan plan(kTsi, 2, 0);
    EXPECT_EQ(plan.open(reception(1, 2)), SteeringPlan::Change{});
    EXPECT_EQ(plan.handed_over(), 1u);
}

TEST(SteeringPlan, sessions_that_share_addresses_share_the_rule_of_the_oldest) {
    SteeringPlan plan(kAddresses, 2, 0);
    const auto first = plan.open(reception(1, 0));
    ASSERT_TRUE(first.add);
    EXPECT_EQ(plan.open(reception(2, 1)), SteeringPlan::Change{});
    EXPECT_EQ(plan.open(reception(3, 0)), SteeringPlan::Change{});
    EXPECT_EQ(plan.handed_over(), 1u) << "of the other worker's";
    EXPECT_TRUE(plan.open(reception(4, 1, kOther)).add) << "another source is another rule";
    // The oldest goes: the rule follows to the next one's owner, and stays while it serves.
    const auto moved = plan.close(1);
    EXPECT_EQ(moved.remove, first.add);
    ASSERT_TRUE(moved.add);
    EXPECT_EQ(moved.add->queue, 1);
    EXPECT_EQ(plan.handed_over(), 1u);
    EXPECT_EQ(plan.close(3), SteeringPlan::Change{});
    EXPECT_EQ(plan.handed_over(), 0u);
    EXPECT_EQ(plan.close(2).remove, moved.add);
}

TEST(SteeringPlan, a_rule_that_the_card_refused_is_not_tried_again_while_its_sessions_run) {
    SteeringPlan plan(kAddresses, 2, 0);
    const auto first = plan.open(reception(1, 0));
    plan.refused(*first.add);
    EXPECT_EQ(plan.rules(), 0u);
    EXPECT_EQ(plan.handed_over(), 1u);
    EXPECT_EQ(plan.open(reception(2, 0)), SteeringPlan::Change{});
    EXPECT_EQ(plan.close(1), SteeringPlan::Change{}) << "there is no rule to take back";
    EXPECT_EQ(plan.close(2), SteeringPlan::Change{});
    EXPECT_TRUE(plan.open(reception(3, 0)).add) << "a new beginning";
}

TEST(SteeringPlan, rules_are_bounded_and_those_without_one_are_handed_over) {
    SteeringPlan plan(kTsi, 2, 0);
    for (std::uint64_t id = 0; id < SteeringPlan::kRulesMax; ++id)
        ASSERT_TRUE(plan.open(reception(id, id % 2)).add);
    EXPECT_FALSE(plan.open(reception(5000, 0)).add);
    EXPECT_EQ(plan.rules(), SteeringPlan::kRulesMax);
    EXPECT_EQ(plan.handed_over(), 1u);
    EXPECT_TRUE(plan.close(0).remove);
    EXPECT_TRUE(plan.open(reception(5001, 0)).add);
}

// A card that does what it is told always has one rule a match, and each leads to the owner of a
// session that is open.
TEST(SteeringPlan, whatever_comes_and_goes_the_card_stays_in_step) {
    const unsigned seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    for (const auto& abilities : {kTsi, kAddresses}) {
        SteeringPlan plan(abilities, 3, 0);
        std::set<SteeringRule> card;
        std::map<std::uint64_t, SteeredSession> open;
        for (int step = 0; step < 3000; ++step) {
            const std::uint64_t id = random() % 40;
            SteeringPlan::Change change;
            if (open.contains(id)) {
                open.erase(id);
                change = plan.close(id);
            } else {
                auto session = random() % 2 == 0
                                   ? reception(id, random() % 4, Address{1 + random() % 3})
                                   : sender(id, random() % 4);
                open.emplace(id, session);
                change = plan.open(session);
            }
            if (change.remove) ASSERT_EQ(card.erase(*change.remove), 1u);
            if (change.add) {
                if (random() % 8 == 0)
                    plan.refused(*change.add);
                else
                    ASSERT_TRUE(card.insert(*change.add).second);
            }
            ASSERT_EQ(card.size(), plan.rules());
            std::size_t steered = 0;
            std::set<SteeringRule> used, matches;
            for (const auto& [key, session] : open) {
                const auto rule =
                    steering_rule(session,
                                  abilities.raw == SteeringMethod::tsi ? SteeringMethod::tsi
                                                                       : SteeringMethod::addresses,
                                  0);
                if (!card.contains(*rule)) continue;
                ++steered;
                used.insert(*rule);
            }
            for (SteeringRule rule : card) {
                rule.queue = 0;
                ASSERT_TRUE(matches.insert(rule).second) << "two rules for the same packets";
            }
            ASSERT_EQ(used, card) << "a rule that serves nobody";
            ASSERT_EQ(plan.handed_over(), open.size() - steered);
        }
    }
}

}  // namespace
}  // namespace fanfare::dataplane
