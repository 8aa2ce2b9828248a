// Bursts for UDP_SEGMENT and out of UDP_GRO, with lengths of all kinds.
#include "dataplane/kernel/segments.hpp"

#include <gtest/gtest.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <cstring>
#include <random>
#include <vector>

#include "dataplane/net/framing.hpp"

namespace fanfare::dataplane::kernel {
namespace {

const Address kGroup = Address::from_octets(239, 1, 2, 3);

std::vector<std::byte> octets(std::size_t count, unsigned seed = 1) {
    std::vector<std::byte> out(count);
    for (std::size_t i = 0; i < count; ++i) out[i] = static_cast<std::byte>(i * 7 + seed);
    return out;
}

std::vector<Outgoing> outgoing(const std::vector<std::size_t>& sizes) {
    static const std::vector<std::byte> room = octets(65536);
    std::vector<Outgoing> out;
    for (const auto size : sizes) {
        Outgoing& one = out.emplace_back();
        one.destination = kGroup;
        one.udp_port = 7600;
        one.ttl = 16;
        one.payload = std::span(room).first(size);
    }
    return out;
}

TEST(OutgoingOf, SaysWhatStandsBesideTheFrame) {
    auto room = octets(1000);
    for (const bool alert : {false, true}) {
        engine::TxFrame frame;
        frame.data = room.data();
        frame.length = 1000;
        frame.kind = alert ? engine::FrameKind::rdata : engine::FrameKind::odata;
        frame.ttl = 16;
        frame.router_alert = alert;
        frame.destination = kGroup;
        net::address_datagram(frame, {{}, Address::from_octets(10, 0, 0, 1), 0, 46}, 7600);
        EXPECT_EQ(frame.source, Address::from_octets(10, 0, 0, 1));
        Outgoing out;
        ASSERT_TRUE(outgoing_of(frame, out));
        EXPECT_EQ(out.destination, kGroup);
        EXPECT_EQ(out.udp_port, 7600);
        EXPECT_EQ(out.ttl, 16);
        EXPECT_EQ(out.tos, 46 << 2);
        EXPECT_EQ(out.router_alert, alert);
        EXPECT_EQ(out.may_wait, !alert) << "repairs wait for nobody";
        EXPECT_EQ(out.payload.data(), room.data());
        EXPECT_EQ(out.payload.size(), 1000u);
        frame.length = 0;
        EXPECT_FALSE(outgoing_of(frame, out)) << "no payload, no segment";
        frame.length = 10;
        frame.udp_port = 0;
        EXPECT_FALSE(outgoing_of(frame, out)) << "raw PGM";
    }
}

TEST(RunLength, TakesEqualSizesAndOneShorterAtTheEnd) {
    EXPECT_EQ(run_length({}, 64), 0u);
    EXPECT_EQ(run_length(outgoing({1400}), 64), 1u);
    EXPECT_EQ(run_length(outgoing({1400, 1400, 1400}), 64), 3u);
    EXPECT_EQ(run_length(outgoing({1400, 1400, 100, 1400}), 64), 3u);
    EXPECT_EQ(run_length(outgoing({1400, 1400, 1401}), 64), 2u);
    EXPECT_EQ(run_length(outgoing({100, 1400}), 64), 1u);
    EXPECT_EQ(run_length(outgoing({1400, 100, 100}), 64), 2u);
}

TEST(RunLength, KeepsTheKernelsLimitsOfSegmentsAndOctets) {
    EXPECT_EQ(run_length(outgoing(std::vector<std::size_t>(200, 64)), kSegmentsMax), 64u);
    EXPECT_EQ(run_length(outgoing(std::vector<std::size_t>(200, 64)), 1), 1u);
    EXPECT_EQ(run_length(outgoing(std::vector<std::size_t>(200, 1472)), 64), 44u);
    auto exact = outgoing(std::vector<std::size_t>(40, 1637));  // 40 * 1637 + 9 = 65489
    exact.push_back(outgoing({9})[0]);
    EXPECT_EQ(run_length(exact, 64), 41u);
    exact.back() = outgoing({10})[0];
    EXPECT_EQ(run_length(exact, 64), 40u);
    for (auto& one : exact) one.router_alert = true;
    exact.back().payload = exact.back().payload.first(6);
    EXPECT_EQ(run_length(exact, 64), 40u) << "an option takes four octets";
    EXPECT_EQ(run_length(outgoing({65507, 1}), 64), 1u);
}

// What an interface takes in one piece is below 65,536 octets with its Ethernet header and a tag:
// 45 packets of 1,400 octets behind PGM's header of 24, and not the 46 that an IP datagram of
// 65,535 could hold.
TEST(RunLength, LeavesRoomForTheHeadersOfWhatAnInterfaceTakesWhole) {
    EXPECT_EQ(kRunBytesMax + 18 + 20 + 8, 65535u);
    const auto list = outgoing(std::vector<std::size_t>(100, 1424));
    EXPECT_EQ(run_length(list, kSegmentsMax), 45u);
    EXPECT_GT(46u * 1424, kRunBytesMax);
    EXPECT_LE(46u * 1424, kPayloadMax);
    for (std::size_t size = 1; size <= kPayloadMax; size = size * 5 / 4 + 1) {
        const std::size_t run =
            run_length(outgoing(std::vector<std::size_t>(100, size)), kSegmentsMax);
        EXPECT_TRUE(run == 1 || run * size <= kRunBytesMax) << size;
        EXPECT_TRUE(is_full(outgoing({size}), run, kSegmentsMax)) << size;
    }
}

TEST(IsFull, SaysWhetherAnotherOfTheSizeWouldGoWithThem) {
    const auto list = outgoing({1424, 1424});
    EXPECT_FALSE(is_full(list, 44, 64));
    EXPECT_TRUE(is_full(list, 45, 64));
    EXPECT_TRUE(is_full(list, 2, 2));
    EXPECT_FALSE(is_full(outgoing({64}), 63, 64));
    EXPECT_TRUE(is_full(outgoing({64}), 64, 64));
    auto exact = outgoing({1637});  // 40 * 1637 + 9 = 65489
    EXPECT_FALSE(is_full(exact, 39, 64));
    EXPECT_TRUE(is_full(exact, 40, 64));
}

TEST(RunLength, EndsWhereDatagramsGoAnotherWay) {
    const auto differs = [](auto&& change) {
        auto list = outgoing({1400, 1400, 1400});
        change(list[1]);
        return run_length(list, 64);
    };
    EXPECT_EQ(differs([](Outgoing&) {}), 3u);
    EXPECT_EQ(differs([](Outgoing& o) { o.destination.v4 ^= 1; }), 1u);
    EXPECT_EQ(differs([](Outgoing& o) { o.udp_port = 1; }), 1u);
    EXPECT_EQ(differs([](Outgoing& o) { o.ttl = 1; }), 1u);
    EXPECT_EQ(differs([](Outgoing& o) { o.tos = 4; }), 1u);
    EXPECT_EQ(differs([](Outgoing& o) { o.router_alert = true; }), 1u);
}

// A buffer as io_uring fills it.
constexpr ArrivalLayout kLayout{16, 64};

void add_control(std::vector<std::byte>& control, int level, int type, const void* value,
                 std::size_t bytes) {
    cmsghdr head{};
    head.cmsg_len = CMSG_LEN(bytes);
    head.cmsg_level = level;
    head.cmsg_type = type;
    const std::size_t at = control.size();
    control.resize(at + CMSG_SPACE(bytes));
    std::memcpy(control.data() + at, &head, sizeof head);
    std::memcpy(control.data() + at + CMSG_LEN(0), value, bytes);
}

struct Filled {
    explicit Filled(std::size_t payload, int segment = 0) : room(kLayout.payload_at() + payload) {
        io_uring_recvmsg_out head{};
        std::vector<std::byte> control;
        if (segment != 0) add_control(control, SOL_UDP, UDP_GRO, &segment, sizeof segment);
        in_pktinfo info{};
        info.ipi_addr.s_addr = htonl(kGroup.v4);
        add_control(control, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
        head.namelen = sizeof(sockaddr_in);
        head.controllen = static_cast<std::uint32_t>(control.size());
        head.payloadlen = static_cast<std::uint32_t>(payload);
        sockaddr_in from{};
        from.sin_family = AF_INET;
        from.sin_addr.s_addr = htonl(0x0A000002);
        std::memcpy(room.data(), &head, sizeof head);
        std::memcpy(room.data() + 16, &from, sizeof from);
        std::memcpy(room.data() + 32, control.data(), control.size());
        const auto filling = octets(payload);
        if (payload > 0) std::memcpy(room.data() + kLayout.payload_at(), filling.data(), payload);
    }
    bool parse(Arrival& out) const { return parse_arrival(room, room.size(), kLayout, out); }
    std::vector<std::byte> room;
};

TEST(ParseArrival, FindsAddressesSegmentSizeAndPayload) {
    Arrival out;
    ASSERT_TRUE(Filled(3000, 1400).parse(out));
    EXPECT_EQ(out.source, Address::from_octets(10, 0, 0, 2));
    EXPECT_EQ(out.destination, kGroup);
    EXPECT_EQ(out.segment_bytes, 1400u);
    EXPECT_EQ(out.payload.size(), 3000u);
    ASSERT_TRUE(Filled(20).parse(out));
    EXPECT_EQ(out.segment_bytes, 0u);
    ASSERT_TRUE(Filled(20, -5).parse(out));
    EXPECT_EQ(out.segment_bytes, 0u) << "no size of a segment";
}

TEST(ParseArrival, RefusesWhatWasCutOffAndAddressesOfOtherFamilies) {
    Arrival out;
    for (const std::uint32_t flag : {MSG_TRUNC, MSG_CTRUNC}) {
        Filled cut(100);
        std::memcpy(cut.room.data() + 12, &flag, sizeof flag);
        EXPECT_FALSE(cut.parse(out));
    }
    Filled six(100);
    const sa_family_t family = AF_INET6;
    std::memcpy(six.room.data() + 16, &family, sizeof family);
    EXPECT_FALSE(six.parse(out));
    const Filled good(100);
    for (std::size_t written = 0; written < kLayout.payload_at(); ++written)
        EXPECT_FALSE(parse_arrival(good.room, written, kLayout, out)) << written;
    EXPECT_FALSE(parse_arrival(good.room, good.room.size() + 1, kLayout, out));
}

TEST(ParseArrival, StaysInsideWhateverLengthsControlMessagesHave) {
    std::mt19937 random(6);
    std::printf("seed 6\n");
    for (int i = 0; i < 100000; ++i) {
        Filled filled(random() % 100, static_cast<int>(random() % 3000));
        for (int k = 0; k < 4; ++k)
            filled.room[random() % kLayout.payload_at()] = static_cast<std::byte>(random());
        Arrival out;
        const std::size_t written = random() % (filled.room.size() + 1);
        if (!parse_arrival(filled.room, written, kLayout, out)) continue;
        ASSERT_GE(out.payload.data(), filled.room.data() + kLayout.payload_at());
        ASSERT_LE(out.payload.data() + out.payload.size(), filled.room.data() + written);
    }
}

TEST(SegmentsTest, CutsInOrderWholeAndTheRestLast) {
    for (const std::size_t total : {1u, 1399u, 1400u, 1401u, 2800u, 65507u}) {
        const auto room = octets(total);
        Arrival arrival;
        arrival.payload = room;
        arrival.segment_bytes = 1400;
        Segments segments(arrival);
        std::size_t at = 0;
        while (!segments.empty()) {
            const auto segment = segments.next();
            ASSERT_EQ(segment.data(), room.data() + at);
            ASSERT_EQ(segment.size(), std::min<std::size_t>(1400, total - at));
            at += segment.size();
        }
        EXPECT_EQ(at, total);
    }
}

TEST(SegmentsTest, TakesASizeOfNothingOrTooMuchForOneDatagram) {
    const auto room = octets(500);
    for (const std::size_t size : {std::size_t{0}, std::size_t{500}, ~std::size_t{0}}) {
        Arrival arrival;
        arrival.payload = room;
        arrival.segment_bytes = size;
        Segments segments(arrival);
        EXPECT_EQ(segments.next().size(), 500u);
        EXPECT_TRUE(segments.empty());
    }
    EXPECT_TRUE(Segments(Arrival{}).empty());
}

}  // namespace
}  // namespace fanfare::dataplane::kernel
