#include "sim/tree.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace fanfare::sim {
namespace {

// Source at port 0; site A with ports 1 and 2, site B with port 3.
struct Sites {
    Tree tree;
    Tree::Node source, a, b, first, second, third;
    Random random{1};
    std::vector<Tree::Reach> reached;

    Sites() {
        source = tree.add_node(Tree::kRoot, delay(1));
        a = tree.add_node(Tree::kRoot, delay(10), true);
        b = tree.add_node(Tree::kRoot, delay(100), true);
        first = tree.add_node(a, delay(1000));
        second = tree.add_node(a, delay(2000));
        third = tree.add_node(b, delay(4000));
        tree.place(0, source);
        tree.place(1, first);
        tree.place(2, second);
        tree.place(3, third);
    }
    static TreeLink delay(Nanos time) {
        TreeLink link;
        link.delay_ns = time;
        return link;
    }
    void flood(std::size_t port, std::uint32_t ttl = 16, bool counted = false) {
        tree.flood(port, ttl, counted, random, reached);
    }
    const Tree::Reach* of(std::size_t port) const {
        const auto found = std::find_if(reached.begin(), reached.end(),
                                        [&](const auto& reach) { return reach.port == port; });
        return found == reached.end() ? nullptr : &*found;
    }
    bool gets(std::size_t port) const { return of(port) != nullptr && !of(port)->lost; }
};

TEST(Tree, a_frame_to_all_reaches_everybody_else_once_after_the_delays_of_its_links) {
    Sites s;
    s.flood(0);
    ASSERT_EQ(s.reached.size(), 3u);
    EXPECT_EQ(s.of(1)->delay_ns, 1011);
    EXPECT_EQ(s.of(2)->delay_ns, 2011);
    EXPECT_EQ(s.of(3)->delay_ns, 4101);
    s.flood(1);
    ASSERT_EQ(s.reached.size(), 3u);
    EXPECT_EQ(s.of(2)->delay_ns, 3000);
    EXPECT_EQ(s.of(0)->delay_ns, 1011);
    EXPECT_EQ(s.of(3)->delay_ns, 5110);
}

TEST(Tree, a_loss_on_a_link_is_seen_by_all_behind_it_and_by_nobody_else) {
    Sites s;
    s.tree.link(s.a).loss_down = 1;
    s.flood(0);
    EXPECT_FALSE(s.gets(1));
    EXPECT_FALSE(s.gets(2));
    EXPECT_TRUE(s.gets(3));
    EXPECT_EQ(s.of(1)->delay_ns, 1011) << "when it would have come";
    s.tree.link(s.a).loss_down = 0;
    s.tree.link(s.second).loss_down = 1;
    s.flood(0);
    EXPECT_TRUE(s.gets(1));
    EXPECT_FALSE(s.gets(2));
    s.tree.link(s.source).loss_up = 1;
    s.flood(0);
    EXPECT_FALSE(s.gets(1) || s.gets(2) || s.gets(3));
}

TEST(Tree, receivers_behind_one_lossy_link_lose_the_same_frames) {
    Sites s;
    s.tree.link(s.a).loss_down = 0.5;
    int lost = 0;
    for (int i = 0; i < 1000; ++i) {
        s.flood(0);
        EXPECT_EQ(s.gets(1), s.gets(2));
        EXPECT_TRUE(s.gets(3));
        lost += s.gets(1) ? 0 : 1;
    }
    EXPECT_GT(lost, 400);
    EXPECT_LT(lost, 600);
}

TEST(Tree, losses_come_in_runs_where_the_link_has_them) {
    Sites s;
    s.tree.link(s.a).loss_down = 0.05;
    s.tree.link(s.a).loss_run = 4;
    int run = 0;
    for (int i = 0; i < 2000; ++i) {
        s.flood(0);
        if (!s.gets(1)) {
            ++run;
            continue;
        }
        EXPECT_EQ(run % 4, 0) << "frame " << i;
        run = 0;
    }
}

TEST(Tree, a_list_says_which_counted_frames_go_and_others_do_not_move_it) {
    Sites s;
    s.tree.link(s.source).loss_list = {false, true, false};
    s.flood(0, 16, true);
    EXPECT_TRUE(s.gets(3));
    s.flood(0, 16, false);
    EXPECT_TRUE(s.gets(3));
    s.flood(0, 16, true);
    EXPECT_FALSE(s.gets(1) || s.gets(3));
    s.flood(0, 16, true);
    s.flood(0, 16, true);
    EXPECT_TRUE(s.gets(3)) << "behind the list's end nothing is lost";
}

TEST(Tree, a_partition_cuts_both_directions_until_it_heals) {
    Sites s;
    s.tree.cut(s.b, true);
    s.flood(0);
    EXPECT_FALSE(s.gets(3));
    EXPECT_TRUE(s.gets(1));
    s.tree.route(3, 0, 16, s.random, s.reached);
    EXPECT_FALSE(s.gets(0));
    s.tree.cut(s.b, false);
    s.flood(0);
    EXPECT_TRUE(s.gets(3));
}

TEST(Tree, a_ttl_of_one_stays_in_its_subnet_and_each_router_costs_one) {
    Sites s;
    s.flood(1, 1);
    EXPECT_TRUE(s.gets(2)) << "the same subnet's other host: its router does not forward";
    EXPECT_EQ(s.of(0), nullptr);
    EXPECT_EQ(s.of(3), nullptr);
    s.flood(1, 3);
    EXPECT_TRUE(s.gets(0));
    EXPECT_EQ(s.of(3), nullptr) << "two routers away, the third hop is missing";
    s.flood(1, 4);
    EXPECT_TRUE(s.gets(3));
    s.tree.route(1, 0, 2, s.random, s.reached);
    EXPECT_TRUE(s.reached.empty());
    s.tree.route(1, 0, 3, s.random, s.reached);
    EXPECT_TRUE(s.gets(0));
}

TEST(Tree, a_frame_to_one_takes_the_shortest_way) {
    Sites s;
    s.tree.route(2, 0, 16, s.random, s.reached);
    ASSERT_EQ(s.reached.size(), 1u);
    EXPECT_EQ(s.of(0)->delay_ns, 2011);
    s.tree.route(1, 2, 16, s.random, s.reached);
    EXPECT_EQ(s.of(2)->delay_ns, 3000);
    s.tree.route(1, 9, 16, s.random, s.reached);
    EXPECT_TRUE(s.reached.empty()) << "a port that is nowhere";
    s.tree.link(s.a).loss_up = 1;
    s.tree.route(1, 0, 16, s.random, s.reached);
    EXPECT_FALSE(s.gets(0));
    s.tree.route(1, 2, 16, s.random, s.reached);
    EXPECT_TRUE(s.gets(2)) << "it does not leave the site";
}

}  // namespace
}  // namespace fanfare::sim
