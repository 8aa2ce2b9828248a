#include "engine/core/nak_builder.hpp"

#include <gtest/gtest.h>

#include <numeric>

#include "tests/engine/packets.hpp"

namespace fanfare::engine::test {
namespace {

struct NakBuilderTest : ::testing::Test {
    ReceiverIdentity identity{kTsi, kDataPort, kGroup, kSourceAddress};
    ReceiverParameters parameters;
    Address path = Address::from_octets(10, 9, 9, 9);
    Frames frames{1};

    Datagram build(const std::vector<Sqn>& sqns) {
        Output out = frames.output();
        EXPECT_TRUE(
            write_nak(identity, parameters, path, sqns, checksum::best_kernels(), *out.next()));
        out.commit();
        return frames.take(out, receiver_address(0)).front();
    }
};

TEST_F(NakBuilderTest, ANakGoesToThePathWithPortsExchangedAndBothAddresses) {
    const Datagram d = build({0xFFFFFFFF});
    const wire::Packet packet = d.decoded();
    EXPECT_EQ(d.to, path);
    EXPECT_TRUE(d.router_alert);
    EXPECT_EQ(packet.type, wire::Type::nak);
    EXPECT_EQ(packet.source_port, kDataPort);
    EXPECT_EQ(packet.destination_port, kTsi.source_port);
    EXPECT_EQ(packet.tsi(), kTsi);
    EXPECT_EQ(packet.source, kSourceAddress);
    EXPECT_EQ(packet.group, kGroup);
    EXPECT_EQ(packet.sqn, 0xFFFFFFFFu);
    EXPECT_EQ(packet.options.present, 0u);
}

TEST_F(NakBuilderTest, AListHoldsUpTo63NumbersAndGoesWithoutRouterAlert) {
    std::vector<Sqn> sqns(63);
    std::iota(sqns.begin(), sqns.end(), 0xFFFFFFE0u);
    const Datagram d = build(sqns);
    EXPECT_EQ(named(d), sqns);
    EXPECT_FALSE(d.router_alert);
    EXPECT_EQ(d.decoded().flags, wire::kOptPresent | wire::kOptNetworkSignificant);
}

TEST_F(NakBuilderTest, AnSpmrGoesToTheGroupWithTtl1OrToTheSource) {
    for (const bool multicast : {true, false}) {
        Output out = frames.output();
        ASSERT_TRUE(
            write_spmr(identity, parameters, multicast, checksum::best_kernels(), *out.next()));
        out.commit();
        const Datagram d = frames.take(out, receiver_address(0)).front();
        EXPECT_EQ(d.octets.size(), 16u);
        EXPECT_EQ(d.decoded().tsi(), kTsi);
        EXPECT_EQ(d.to, multicast ? kGroup : kSourceAddress);
        EXPECT_EQ(d.ttl, multicast ? 1 : parameters.ttl);
    }
}

}  // namespace
}  // namespace fanfare::engine::test
