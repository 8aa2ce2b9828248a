// One source and many receivers: every named scenario keeps every promise, the same seed gives the
// same run, and the figures count what they say.
#include "sim/scale.hpp"

#include <gtest/gtest.h>

#include "engine/wire/packet.hpp"

namespace fanfare::sim {
namespace {

ScalePlan small(const char* name, std::uint32_t receivers) {
    ScalePlan plan = *plan_named(name);
    plan.receivers = receivers;
    plan.receivers_of_site = 8;
    plan.messages = 400;
    return plan;
}

void expect_kept(const ScalePlan& plan, std::uint64_t seed, const ScaleResult& result) {
    for (const auto& line : result.broken)
        ADD_FAILURE() << plan.name << ", seed " << seed << ": " << line;
}

TEST(Scale, every_scenario_keeps_every_promise) {
    for (const ScalePlan& named : named_plans()) {
        const ScalePlan plan = small(named.name.c_str(), 24);
        ASSERT_EQ(fault_of(plan), "");
        std::uint64_t lost = 0;
        for (std::uint64_t seed = 1; seed <= 3; ++seed) {
            const ScaleResult result = run_scale(plan, seed);
            expect_kept(plan, seed, result);
            lost += result.copies_lost;
            EXPECT_GT(result.figures.finished, 0u) << plan.name;
            EXPECT_EQ(result.figures.resets, 0u) << plan.name;
        }
        EXPECT_GT(lost, 0u) << plan.name << " loses nothing and shows nothing";
    }
}

TEST(Scale, the_profiles_and_udp_come_through_too) {
    for (const auto profile : {engine::ProfileName::windows, engine::ProfileName::openpgm}) {
        ScalePlan plan = small("common-loss", 10);
        plan.profile = profile;
        plan.rate_bits_per_s = 0;  // as the profile has it
        plan.udp_port = 3055;
        const ScaleResult result = run_scale(plan, 5);
        expect_kept(plan, 5, result);
        EXPECT_EQ(result.figures.finished, 10u);
    }
}

TEST(Scale, the_same_seed_gives_the_same_run_and_another_one_another) {
    ScalePlan plan = small("mixed", 30);
    plan.coming_and_going = 0.2;
    plan.partitions = 1;
    plan.partition_ns = 5 * kMillisecond;
    plan.drift_ppm = 50;
    const ScaleResult first = run_scale(plan, 42), again = run_scale(plan, 42),
                      other = run_scale(plan, 43);
    EXPECT_EQ(first.fingerprint, again.fingerprint);
    EXPECT_EQ(first.turns, again.turns);
    EXPECT_EQ(first.figures.repair_delays, again.figures.repair_delays);
    EXPECT_NE(first.fingerprint, other.fingerprint);
}

TEST(Scale, without_loss_nobody_asks_and_nothing_is_repaired) {
    ScalePlan plan = small("common-loss", 20);
    plan.loss_shared = 0;
    const ScaleResult result = run_scale(plan, 1);
    expect_kept(plan, 1, result);
    const Figures& f = result.figures;
    EXPECT_EQ(f.lost_packets + f.nak_packets + f.lost_repairs + f.other_repairs, 0u);
    EXPECT_EQ(f.data_packets, plan.messages);
    EXPECT_EQ(f.delivered_octets, f.payload_octets * 20);
    EXPECT_GT(f.source_octets_per_octet(), 1.0);
    EXPECT_LT(f.source_octets_per_octet(), 1.1);
}

TEST(Scale, recorded_losses_are_lost_again_and_nothing_else) {
    ScalePlan plan = small("common-loss", 12);
    plan.loss_shared = 0;
    plan.loss_list.assign(plan.messages, false);
    for (const std::size_t place : {3, 100, 101, 250}) plan.loss_list[place] = true;
    const ScaleResult result = run_scale(plan, 1);
    expect_kept(plan, 1, result);
    EXPECT_EQ(result.figures.lost_packets, 4u);
    EXPECT_EQ(result.figures.repair_delays.size(), 4u * 12u);
    EXPECT_EQ(result.figures.finished, 12u);
    EXPECT_GE(result.figures.lost_repairs, 4u);
}

TEST(Scale, one_receiver_asks_once_for_what_it_alone_lost) {
    ScalePlan plan = small("private-loss", 1);
    plan.loss_private = 0.02;
    plan.messages = 1000;
    const Figures f = run_scale(plan, 9).figures;
    ASSERT_GT(f.lost_packets, 5u);
    EXPECT_EQ(f.repair_delays.size(), f.lost_packets);
    EXPECT_GE(f.naks_per_loss(), 1.0);
    EXPECT_GE(f.repairs_per_loss(), 1.0);
}

TEST(Scale, with_a_repairer_above_each_site_the_source_is_asked_once_a_site_and_loss) {
    ScalePlan plan = small("repairers-common-loss", 64);
    plan.messages = 2000;
    const ScaleResult result = run_scale(plan, 3);
    expect_kept(plan, 3, result);
    const Figures& f = result.figures;
    ASSERT_GT(f.lost_packets, 5u);
    EXPECT_LE(percentile(f.naks_of_loss, 1.0), 8u) << "8 sites, and never more";
    EXPECT_EQ(f.finished, 64u);
}

TEST(Scale, what_a_sites_link_loses_its_repairer_gives_and_not_the_source) {
    ScalePlan plan = small("local-repairers", 64);
    plan.loss_shared = 0;
    plan.messages = 2000;
    const ScaleResult result = run_scale(plan, 4);
    expect_kept(plan, 4, result);
    const Figures& f = result.figures;
    ASSERT_GT(f.lost_packets, 50u);
    EXPECT_GT(f.local_repairs, f.lost_packets * 8 / 10);
    EXPECT_LT(f.lost_repairs, f.lost_packets / 10) << "before a repairer was known";
    EXPECT_EQ(percentile(f.naks_of_loss, 0.5), 0u);
    EXPECT_LE(percentile(f.naks_of_loss, 1.0), 1u) << "the site that lost it";
}

Figures several(const ScalePlan& plan, std::uint64_t seeds) {
    Figures all;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        const ScaleResult result = run_scale(plan, seed);
        expect_kept(plan, seed, result);
        all.add(result.figures);
    }
    return all;
}

// RFC 3208 15.2.1: what suppression is for, and what it may cost.
TEST(Scale, a_loss_that_a_crowd_shares_costs_few_naks_one_repair_and_little_time) {
    for (const std::uint32_t receivers : {1u, 10u, 100u}) {
        ScalePlan plan = *plan_named("common-loss");
        plan.receivers = receivers;
        const Figures f = several(plan, 3);
        EXPECT_LE(percentile(f.naks_of_loss, 0.5), 3u) << receivers;
        EXPECT_LE(f.repairs_per_loss(), 1.05) << receivers;
        EXPECT_LT(percentile(f.repair_delays, 0.5), 2 * kMillisecond) << receivers;
    }
}

// Sites whose round trips are longer than the widest back-off: each asks for itself, all of its
// receivers with one voice, and the answers are merged.
TEST(Scale, of_far_sites_each_asks_about_once_and_one_repair_serves_them_all) {
    ScalePlan plan = *plan_named("far-sites");
    plan.receivers = 100;
    plan.messages = 20000;  // a fifth of a second of retries shows how far the source is
    const Figures f = several(plan, 1);
    EXPECT_LE(percentile(f.naks_of_loss, 0.5), 4u) << "4 sites";
    EXPECT_LE(f.naks_per_loss(), 5.5);
    EXPECT_LE(f.repairs_per_loss(), 1.1);
}

// The judge has to notice when the network does what no protocol survives unnoticed.
TEST(Scale, the_judge_notices_repairs_that_never_come) {
    ScalePlan plan = small("common-loss", 4);
    plan.loss_shared = 0.05;
    const auto no_repairs = [](void*, std::size_t from, std::span<const std::byte> frame) {
        constexpr std::size_t kTypeBehindIp = 14 + 24 + 4;  // Router Alert is on repairs
        return from != 0 || frame.size() <= kTypeBehindIp ||
               frame[kTypeBehindIp] != static_cast<std::byte>(wire::Type::rdata);
    };
    EXPECT_FALSE(run_scale(plan, 1, no_repairs).broken.empty());
}

TEST(Scale, impossible_plans_are_named) {
    ScalePlan plan;
    EXPECT_EQ(fault_of(plan), "");
    plan.message_octets = 1480;
    EXPECT_NE(fault_of(plan), "");
    plan = ScalePlan{};
    plan.receivers = 0;
    EXPECT_NE(fault_of(plan), "");
    plan = ScalePlan{};
    plan.loss_shared = 1;
    EXPECT_NE(fault_of(plan), "");
    plan = ScalePlan{};
    plan.loss_site = -0.5;
    EXPECT_NE(fault_of(plan), "");
    plan = ScalePlan{};
    plan.receive_log_bytes = 100'000;
    EXPECT_NE(fault_of(plan), "");
    plan = ScalePlan{};
    plan.messages = 1'000'000;
    EXPECT_NE(fault_of(plan), "");
}

}  // namespace
}  // namespace fanfare::sim
