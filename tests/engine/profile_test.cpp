#include "engine/core/profile.hpp"

#include <gtest/gtest.h>

#include "engine/core/source_packets.hpp"
#include "tests/engine/packets.hpp"

namespace fanfare::engine::test {
namespace {

TEST(Profile, NamesAreKnownBothWays) {
    for (const auto name : {ProfileName::lan, ProfileName::windows, ProfileName::openpgm}) {
        EXPECT_EQ(profile_named(to_string(name)), name);
    }
    EXPECT_FALSE(profile_named("wan"));
}

// wsrm.md 2.1, checks 24 to 26 and 47; interop.md 9.
TEST(Profile, WindowsHasTheDocumentedDefaults) {
    const Profile p = profile(ProfileName::windows);
    EXPECT_EQ(p.source.rate_bits_per_s, 56'000u);
    EXPECT_EQ(p.source.window_bytes, 10'000'000u);
    EXPECT_EQ(p.source.window_ns, 1'428'571 * kMillisecond);
    EXPECT_EQ(p.source.advance_percent, 15u);
    EXPECT_EQ(p.source.late_join_percent, 0u);
    EXPECT_FALSE(p.source.announce_first) << "no OPT_JOIN on the wire";
    EXPECT_EQ(p.source.ttl, 255);
    EXPECT_EQ(p.receiver.nak_backoff_max_ns, 600 * kMillisecond);
    EXPECT_EQ(p.receiver.nak_repeat_ns, kSecond);
    EXPECT_EQ(p.receiver.nak_rdata_ns, 4 * kSecond);
    EXPECT_EQ(p.receiver.ncf_retries, 10u);
    EXPECT_EQ(p.receiver.data_retries, 10u);
    EXPECT_FALSE(p.receiver.adapt_to_round_trip);
}

// interop.md section 14: 1456 raw, 1448 over UDP, 20 less in fragments.
TEST(Profile, OpenpgmLeavesTheTsduThatOpenpgmExpects) {
    const SourceParameters p = profile(ProfileName::openpgm).source;
    EXPECT_EQ(largest_tsdu(p, 1500, false, false), 1456);
    EXPECT_EQ(largest_tsdu(p, 1500, true, false), 1448);
    EXPECT_EQ(largest_tsdu(p, 1500, false, true), 1436);
    EXPECT_EQ(largest_tsdu(p, 1500, true, true), 1428);
    EXPECT_FALSE(p.router_alert);
    EXPECT_EQ(p.max_fragments, 16u);
}

// Every kind of data packet that such a session can send, at its largest, fits the MTU.
TEST(Profile, FullSizePacketsOfEveryKindFitTheMtu) {
    for (const std::uint16_t mtu : {576, 1500, 9000}) {
        for (const auto name : {ProfileName::lan, ProfileName::windows, ProfileName::openpgm}) {
            for (int bits = 0; bits < 8; ++bits) {
                SourceParameters p = profile(name).source;
                const bool udp = bits & 1;
                p.packed = bits & 2;
                if (bits & 4) p.late_join_percent = 50;
                SourceIdentity identity;
                identity.tsi = kTsi;
                const SourcePackets packets(p, identity, mtu, udp, checksum::best_kernels());
                std::uint32_t largest = 0;
                for (const bool fragment : {false, true}) {
                    SendEntry entry{};
                    entry.length = largest_tsdu(p, mtu, udp, fragment);
                    entry.fragment = fragment;
                    entry.packed = p.packed;
                    for (const bool repair : {false, true}) {
                        for (const bool first : {false, true}) {
                            SourcePackets::DataContents contents{
                                1, 1, repair, first && packets.syn_fits(entry), {}};
                            if (!repair && (p.announce_first || p.late_join_percent))
                                contents.join = 1;
                            const auto size =
                                packets.datagram_size(repair ? FrameKind::rdata : FrameKind::odata,
                                                      packets.data_size(contents, entry));
                            EXPECT_LE(size, mtu)
                                << to_string(name) << " udp " << udp << " fragment " << fragment
                                << " repair " << repair << " first " << first;
                            largest = std::max(largest, size);
                        }
                    }
                }
                EXPECT_GE(largest + 16, mtu) << "room is not given away either";
            }
        }
    }
}

TEST(Profile, SessionsWithOptJoinAlwaysHaveRoomForOptSynToo) {
    const SourceParameters p = profile(ProfileName::lan).source;
    SourceIdentity identity;
    const SourcePackets packets(p, identity, 1500, true, checksum::best_kernels());
    SendEntry entry{};
    entry.length = largest_tsdu(p, 1500, true, false);
    EXPECT_TRUE(packets.syn_fits(entry));
}

TEST(Profile, AnMtuTooSmallForAnyDataLeavesNoTsdu) {
    EXPECT_EQ(largest_tsdu(profile(ProfileName::lan).source, 40, true, true), 0);
}

}  // namespace
}  // namespace fanfare::engine::test
