#include "sim/figures.hpp"

#include <gtest/gtest.h>

#include <array>

namespace fanfare::sim {
namespace {

TEST(Figures, a_percentile_is_the_nearest_rank) {
    EXPECT_EQ(percentile(std::vector<Nanos>{}, 0.5), 0);
    EXPECT_EQ(percentile(std::vector<Nanos>{7}, 0.99), 7);
    EXPECT_EQ(percentile(std::vector<Nanos>{4, 1, 3, 2}, 0.5), 2);
    EXPECT_EQ(percentile(std::vector<Nanos>{4, 1, 3, 2}, 1), 4);
    EXPECT_EQ(percentile(std::vector<Nanos>{4, 1, 3, 2}, 0), 1);
}

TEST(Figures, naks_and_repairs_count_for_what_was_lost_and_apart_for_what_was_not) {
    Meter meter(0);
    meter.lost(5);
    meter.lost(5);
    meter.lost(6);
    meter.nak_reached_source(std::array<Sqn, 3>{5, 6, 9}, false);
    meter.nak_reached_source(std::array<Sqn, 1>{5}, false);
    meter.repair_sent(5, false);
    meter.repair_sent(6, false);
    meter.repair_sent(6, false);
    meter.repair_sent(9, false);
    const Figures f = meter.result();
    EXPECT_EQ(f.lost_packets, 2u);
    EXPECT_EQ(f.nak_packets, 2u);
    EXPECT_EQ(f.naks_of_loss, (std::vector<std::uint32_t>{2, 1}));
    EXPECT_DOUBLE_EQ(f.naks_per_loss(), 1.5);
    EXPECT_DOUBLE_EQ(f.repairs_per_loss(), 1.5);
    EXPECT_EQ(f.other_naks, 1u);
    EXPECT_EQ(f.other_repairs, 1u);
}

TEST(Figures, a_parity_nak_counts_for_every_lost_packet_of_its_group) {
    Meter meter(8);
    meter.lost(16);
    meter.lost(23);
    meter.lost(24);
    meter.nak_reached_source(std::array<Sqn, 1>{17}, true);  // one parity packet of group 16
    meter.repair_sent(16, true);
    const Figures f = meter.result();
    EXPECT_EQ(f.naks_of_loss, (std::vector<std::uint32_t>{1, 1, 0}));
    EXPECT_EQ(f.lost_repairs, 1u);
}

TEST(Figures, goodput_spans_from_the_first_packet_to_the_last_and_to_the_last_receiver) {
    Meter meter(0);
    meter.data_sent(1, 1000, kSecond);
    meter.data_sent(2, 1000, 2 * kSecond);
    meter.complete(3 * kSecond);
    const Figures f = meter.result();
    EXPECT_DOUBLE_EQ(f.source_bits_per_s.front(), 8000);
    EXPECT_DOUBLE_EQ(f.complete_bits_per_s.front(), 8000);
}

TEST(Figures, runs_add_up) {
    Meter one(0), two(0);
    one.lost(1);
    one.repair_sent(1, false);
    two.lost(1);
    two.repair_sent(1, false);
    two.repair_sent(1, false);
    Figures sum = one.result();
    sum.add(two.result());
    EXPECT_EQ(sum.runs, 2u);
    EXPECT_EQ(sum.lost_packets, 2u);
    EXPECT_DOUBLE_EQ(sum.repairs_per_loss(), 1.5);
}

}  // namespace
}  // namespace fanfare::sim
