// Headers of the link: golden octets both ways, and what is refused.
#include <gtest/gtest.h>

#include "dataplane/net/arp.hpp"
#include "dataplane/net/datagram.hpp"
#include "dataplane/net/framing.hpp"
#include "dataplane/net/icmp_echo.hpp"
#include "dataplane/net/multicast_mac.hpp"
#include "tests/dataplane/hosts.hpp"

namespace fanfare::dataplane::test {
namespace {

using namespace net;

const Address kFrom = Address::from_octets(10, 0, 0, 1);
const MacAddress kMac{{2, 0, 0, 0, 0, 1}};

struct Buffer {
    std::vector<std::byte> room = std::vector<std::byte>(engine::kFrameHeadroom + 1500);
    engine::TxFrame frame;
    explicit Buffer(const std::string& payload) {
        frame.data = room.data() + engine::kFrameHeadroom;
        frame.capacity = 1500;
        const auto octets = from_hex(payload);
        std::copy(octets.begin(), octets.end(), frame.data);
        frame.length = static_cast<std::uint16_t>(octets.size());
        frame.destination = kGroup;
        frame.ttl = 16;
    }
    std::span<const std::byte> wire() const {
        return {frame.data - frame.prepended, std::size_t{frame.prepended} + frame.length};
    }
};

TEST(Framing, RawPgmWithRouterAlertHasTwentyFourOctetsOfIp) {
    Buffer b("aabbccdd");
    b.frame.router_alert = true;
    const LinkIdentity link{kMac, kFrom, 0, 46};
    prepend_datagram(b.frame, link, 0);
    prepend_ethernet(b.frame, link, multicast_mac(kGroup));
    EXPECT_EQ(hex(b.wire()),
              "01005e010203"
              "020000000001"
              "0800"
              "46b8001c"
              "00004000"
              "1071" +
                  hex(b.wire().subspan(24, 2)) +
                  "0a000001"
                  "ef010203"
                  "94040000"
                  "aabbccdd");
    EXPECT_TRUE(internet_intact(b.wire().subspan(14, 24)));
}

TEST(Framing, UdpUsesOnePortForBothAndNoChecksum) {
    Buffer b("0102");
    const LinkIdentity link{kMac, kFrom, 0, 0};
    prepend_datagram(b.frame, link, 7600);
    EXPECT_EQ(hex(b.wire().subspan(20)),
              "1db01db0"
              "000a0000"
              "0102");
    EXPECT_EQ(hex(b.wire().first(10)), "4500001e000040001011");
    EXPECT_TRUE(internet_intact(b.wire().first(20)));
}

TEST(Framing, ATaggedInterfaceTagsAndTakesOnlyItsOwnVlan) {
    Buffer b("00");
    const LinkIdentity link{kMac, kFrom, 123, 0};
    prepend_datagram(b.frame, link, 0);
    prepend_ethernet(b.frame, link, kBroadcastMac);
    EXPECT_EQ(hex(b.wire().subspan(12, 6)), "8100007b0800");
    Datagram out;
    EXPECT_EQ(parse_frame(b.wire(), 123, out), FrameClass::pgm);
    EXPECT_EQ(out.ethernet.vlan, 123);
    EXPECT_EQ(out.payload.size(), 1u);
    EXPECT_EQ(parse_frame(b.wire(), 0, out), FrameClass::other_vlan);
    EXPECT_EQ(parse_frame(b.wire(), 124, out), FrameClass::other_vlan);
}

TEST(Framing, WhatWasWrittenIsWhatIsParsedWithoutLinkPadding) {
    for (const std::uint16_t udp : {0, 7600}) {
        for (const bool alert : {false, true}) {
            Buffer b("0011223344");
            b.frame.router_alert = alert;
            const LinkIdentity link{kMac, kFrom, 0, 0};
            prepend_datagram(b.frame, link, udp);
            prepend_ethernet(b.frame, link, multicast_mac(kGroup));
            std::vector<std::byte> padded(b.wire().begin(), b.wire().end());
            padded.resize(padded.size() + 20);
            Datagram out;
            ASSERT_EQ(parse_frame(padded, 0, out), FrameClass::pgm);
            EXPECT_EQ(hex(out.payload), "0011223344");
            EXPECT_EQ(out.udp_port, udp);
            EXPECT_EQ(out.ip.source, kFrom);
            EXPECT_EQ(out.ip.destination, kGroup);
            EXPECT_EQ(out.ip.router_alert, alert);
            EXPECT_FALSE(out.ip.other_options);
            EXPECT_EQ(out.ip.ttl, 16);
        }
    }
}

class Ipv4Judgement : public ::testing::Test {
  protected:
    Ipv4Judgement() : octets(20 + 8) {
        Ipv4Header header;
        header.source = kFrom;
        header.destination = kGroup;
        header.protocol = 113;
        header.ttl = 1;
        write_ipv4(octets.data(), header, 8);
    }
    Ipv4Error parse() { return parse_ipv4(octets, out, payload); }
    void mend() {
        store16(octets.data() + 10, 0);
        const std::size_t size = std::min<std::size_t>(
            octets.size(), (std::to_integer<std::size_t>(octets[0]) & 15) * 4);
        store16(octets.data() + 10, internet_checksum({octets.data(), size}));
    }
    std::vector<std::byte> octets;
    Ipv4Header out;
    std::span<const std::byte> payload;
};

TEST_F(Ipv4Judgement, EveryTruncationIsRefused) {
    ASSERT_EQ(parse(), Ipv4Error::none);
    for (std::size_t n = 0; n < octets.size(); ++n) {
        const std::vector<std::byte> cut(octets.begin(),
                                         octets.begin() + static_cast<std::ptrdiff_t>(n));
        EXPECT_NE(parse_ipv4(cut, out, payload), Ipv4Error::none) << n;
    }
}
TEST_F(Ipv4Judgement, AWrongOctetInTheHeaderIsRefused) {
    for (std::size_t i = 0; i < 20; ++i) {
        octets[i] ^= std::byte{1};
        EXPECT_NE(parse(), Ipv4Error::none) << i;
        octets[i] ^= std::byte{1};
    }
}
TEST_F(Ipv4Judgement, LengthsThatLieAreRefused) {
    octets[0] = std::byte{0x4F};  // sixty octets of header in twenty-eight
    mend();
    EXPECT_EQ(parse(), Ipv4Error::header_length);
    octets[0] = std::byte{0x44};
    mend();
    EXPECT_EQ(parse(), Ipv4Error::header_length);
    octets[0] = std::byte{0x45};
    store16(octets.data() + 2, 29);
    mend();
    EXPECT_EQ(parse(), Ipv4Error::total_length);
    store16(octets.data() + 2, 19);
    mend();
    EXPECT_EQ(parse(), Ipv4Error::total_length);
}
TEST_F(Ipv4Judgement, FragmentsAreSeen) {
    for (const std::uint16_t field : {0x2000, 0x0001, 0x1FFF}) {
        store16(octets.data() + 6, field);
        mend();
        EXPECT_EQ(parse(), Ipv4Error::none);
        EXPECT_TRUE(out.fragment);
    }
}
TEST_F(Ipv4Judgement, StrangeOptionsAreSeenAndCannotLoop) {
    octets[0] = std::byte{0x47};  // eight octets of options, where the payload was
    for (const char* options : {"0700000000000000", "94000000", "9401000000000000",
                                "94ff000000000000", "0101010101010107", "4408050000000000"}) {
        auto bytes = from_hex(options);
        bytes.resize(8);
        std::copy(bytes.begin(), bytes.end(), octets.begin() + 20);
        mend();
        ASSERT_EQ(parse(), Ipv4Error::none);
        EXPECT_TRUE(out.other_options) << options;
        EXPECT_TRUE(payload.empty());
    }
}

TEST(Udp, ALengthBeyondTheDatagramIsRefused) {
    UdpHeader header;
    std::span<const std::byte> payload;
    auto octets = from_hex("1db01db0000a00000102");
    ASSERT_TRUE(parse_udp(octets, header, payload));
    EXPECT_EQ(payload.size(), 2u);
    for (const std::uint16_t length : {0, 7, 11, 0xFFFF}) {
        store16(octets.data() + 4, length);
        EXPECT_FALSE(parse_udp(octets, header, payload)) << length;
    }
    EXPECT_FALSE(parse_udp(std::span(octets).first(7), header, payload));
}

TEST(Ethernet, GroupsMapToTheirLowTwentyThreeBits) {
    EXPECT_EQ(multicast_mac(Address::from_octets(239, 129, 2, 3)),
              (MacAddress{{0x01, 0x00, 0x5E, 0x01, 0x02, 0x03}}));
    EXPECT_EQ(multicast_mac(kAllSystems), (MacAddress{{0x01, 0x00, 0x5E, 0x00, 0x00, 0x01}}));
}
TEST(Ethernet, ShortFramesAndTagsAreMalformed) {
    Datagram out;
    for (std::size_t n = 0; n < 14; ++n) {
        EXPECT_EQ(parse_frame(std::vector<std::byte>(n), 0, out), FrameClass::malformed);
    }
    auto tagged = from_hex("ffffffffffff 020000000001 8100 0001 08");
    EXPECT_EQ(parse_frame(tagged, 1, out), FrameClass::malformed);
}

TEST(OnLink, PrefixesOfAllLengths) {
    const Address own = Address::from_octets(10, 1, 2, 3);
    EXPECT_TRUE(on_link(own, 24, Address::from_octets(10, 1, 2, 200)));
    EXPECT_FALSE(on_link(own, 24, Address::from_octets(10, 1, 3, 200)));
    EXPECT_TRUE(on_link(own, 0, Address::from_octets(99, 1, 3, 200)));
    EXPECT_TRUE(on_link(own, 32, own));
    EXPECT_FALSE(on_link(own, 32, Address::from_octets(10, 1, 2, 2)));
}

TEST(Arp, MessagesAreGoldenBothWays) {
    const ArpMessage request{
        ArpOperation::request, kMac, {}, kFrom, Address::from_octets(10, 0, 0, 2)};
    std::vector<std::byte> octets(kArpSize);
    write_arp(octets.data(), request);
    EXPECT_EQ(hex(octets),
              "0001080006040001"
              "0200000000010a000001"
              "0000000000000a000002");
    ArpMessage back;
    ASSERT_TRUE(parse_arp(octets, back));
    EXPECT_EQ(back.operation, ArpOperation::request);
    EXPECT_EQ(back.sender_mac, kMac);
    EXPECT_EQ(back.target, Address::from_octets(10, 0, 0, 2));
    for (std::size_t i = 0; i < 8; ++i) {  // hardware, protocol, lengths, operation
        octets[i] ^= std::byte{0x40};
        EXPECT_FALSE(parse_arp(octets, back)) << i;
        octets[i] ^= std::byte{0x40};
    }
    EXPECT_FALSE(parse_arp(std::span(octets).first(27), back));
}

TEST(Echo, TheReplyIsTheRequestWithAnotherType) {
    auto request = from_hex("0800000012340001 616263");
    store16(request.data() + 2, internet_checksum(request));
    std::vector<std::byte> room(100);
    ASSERT_EQ(write_echo_reply(request, room), request.size());
    EXPECT_EQ(hex(std::span(room).first(2)), "0000");
    EXPECT_EQ(hex(std::span(room).subspan(4, 7)), "12340001616263");
    EXPECT_TRUE(internet_intact(std::span(room).first(request.size())));
    EXPECT_EQ(write_echo_reply(request, std::span(room).first(10)), 0u);
    request[5] ^= std::byte{1};
    EXPECT_EQ(write_echo_reply(request, room), 0u);
    EXPECT_EQ(write_echo_reply(std::span(request).first(7), room), 0u);
}

}  // namespace
}  // namespace fanfare::dataplane::test
