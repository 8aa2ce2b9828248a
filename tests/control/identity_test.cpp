#include "control/identity.hpp"

#include <gtest/gtest.h>

#include <set>

namespace fanfare::control {
namespace {

TEST(Identity, the_gsi_is_the_same_after_a_restart_and_differs_by_host_and_address) {
    const Address a{0x0A000001}, b{0x0A000002};
    EXPECT_EQ(derive_gsi("machine-one", a), derive_gsi("machine-one", a));
    EXPECT_NE(derive_gsi("machine-one", a), derive_gsi("machine-one", b));
    EXPECT_NE(derive_gsi("machine-one", a), derive_gsi("machine-two", a));
}

TEST(Identity, a_gsi_is_twelve_hexadecimal_digits) {
    EXPECT_EQ(to_string(*parse_gsi("a1B2c3d4e5f6")), "a1b2c3d4e5f6");
    for (const char* wrong : {"", "a1b2c3d4e5f", "a1b2c3d4e5f67", "a1b2c3d4e5g6", "a1:b2:c3:d4:"})
        EXPECT_FALSE(parse_gsi(wrong)) << wrong;
}

TEST(SourcePorts, a_port_rests_for_the_longest_window_and_comes_back_after_it) {
    SourcePorts ports;
    ports.note_window(300 * kSecond);
    ASSERT_EQ(ports.take(5, 0), 5);
    EXPECT_EQ(ports.take(5, 0), 6) << "in use";
    ports.give_back(5, 100 * kSecond);
    EXPECT_EQ(ports.take(5, 399 * kSecond), 7) << "at rest";
    EXPECT_EQ(ports.take(5, 400 * kSecond), 5);
}

TEST(SourcePorts, a_short_window_rests_a_minute_all_the_same) {
    SourcePorts ports;
    ports.note_window(kMillisecond);
    ports.take(5, 0);
    ports.give_back(5, 0);
    EXPECT_EQ(ports.take(5, 59 * kSecond), 6);
    EXPECT_EQ(ports.take(5, 60 * kSecond), 5);
}

TEST(SourcePorts, every_port_but_zero_is_given_once) {
    SourcePorts ports;
    std::set<int> seen;
    for (int i = 0; i < 65535; ++i)
        seen.insert(ports.take(static_cast<std::uint64_t>(i) * 7919, 0).value());
    EXPECT_EQ(seen.size(), 65535u);
    EXPECT_EQ(seen.count(0), 0u);
    EXPECT_FALSE(ports.take(1, 0));
}

}  // namespace
}  // namespace fanfare::control
