// Captures made by hand, whole and hostile.
#include "sim/capture.hpp"

#include <gtest/gtest.h>

#include "dataplane/net/framing.hpp"
#include "dataplane/net/multicast_mac.hpp"
#include "engine/checksum/checksum.hpp"
#include "sim/loss_pattern.hpp"
#include "sim/random.hpp"

namespace fanfare::sim {
namespace {

namespace net = dataplane::net;
using Octets = std::vector<std::byte>;

constexpr Tsi kTsi{Gsi{{1, 2, 3, 4, 5, 0xA6}}, 1234};
constexpr std::uint32_t kMicro = 0xA1B2C3D4, kEthernet = 1, kRaw = 101;

void put(Octets& out, std::uint32_t value, bool swapped = false) {
    if (swapped) value = __builtin_bswap32(value);
    const auto* p = reinterpret_cast<const std::byte*>(&value);
    out.insert(out.end(), p, p + 4);
}

Octets file_head(std::uint32_t link = kEthernet, bool swapped = false,
                 std::uint32_t magic = kMicro) {
    Octets out;
    put(out, magic, swapped);
    put(out, swapped ? 0x00040002 : 0x00040002, false);  // version, not looked at
    put(out, 0);
    put(out, 0);
    put(out, 65535, swapped);
    put(out, link, swapped);
    return out;
}

void add_record(Octets& file, const Octets& frame, bool swapped = false,
                std::uint32_t cut_off = 0) {
    put(file, 1, swapped);
    put(file, 2, swapped);
    put(file, static_cast<std::uint32_t>(frame.size()), swapped);
    put(file, static_cast<std::uint32_t>(frame.size()) + cut_off, swapped);
    file.insert(file.end(), frame.begin(), frame.end());
}

struct FrameShape {
    std::uint16_t udp = 0;
    bool ethernet = true;
    wire::Type type = wire::Type::odata;
    std::uint8_t flags = 0;
    Tsi tsi = kTsi;
};

Octets frame_of(Sqn sqn, const FrameShape& shape = {}) {
    const Octets payload(40, std::byte{7});
    wire::Packet packet;
    packet.type = shape.type;
    packet.flags = shape.flags;
    packet.gsi = shape.tsi.gsi;
    packet.source_port = shape.tsi.source_port;
    packet.destination_port = 7500;
    packet.sqn = sqn;
    packet.trail = sqn;
    packet.payload = payload;
    packet.tsdu_length = static_cast<std::uint16_t>(payload.size());
    Octets room(engine::kFrameHeadroom + 1500);
    engine::TxFrame frame;
    frame.data = room.data() + engine::kFrameHeadroom;
    frame.capacity = 1500;
    frame.ttl = 16;
    frame.destination = Address::from_octets(239, 1, 2, 3);
    frame.length = static_cast<std::uint16_t>(wire::encode(packet, {frame.data, frame.capacity}));
    const std::uint16_t sum =
        checksum::finish(checksum::best_kernels().sum(frame.data, frame.length));
    std::memcpy(frame.data + wire::kChecksumAt, &sum, sizeof sum);
    const net::LinkIdentity link{{{2, 0, 0, 0, 0, 1}}, Address::from_octets(10, 0, 0, 1), 0, 0};
    net::prepend_datagram(frame, link, shape.udp);
    if (shape.ethernet) net::prepend_ethernet(frame, link, net::multicast_mac(frame.destination));
    return {frame.data - frame.prepended, frame.data + frame.length};
}

TEST(Capture, data_packets_are_found_behind_ethernet_raw_ip_and_udp_in_either_byte_order) {
    for (const bool swapped : {false, true}) {
        for (const std::uint32_t magic : {kMicro, 0xA1B23C4Du}) {
            for (const std::uint16_t udp : {0, 3055}) {
                for (const std::uint32_t link : {kEthernet, kRaw}) {
                    Octets file = file_head(link, swapped, magic);
                    FrameShape shape;
                    shape.udp = udp;
                    shape.ethernet = link == kEthernet;
                    add_record(file, frame_of(5, shape), swapped);
                    add_record(file, frame_of(7, shape), swapped);
                    const Capture capture = read_capture(file);
                    EXPECT_EQ(capture.fault, "");
                    ASSERT_EQ(capture.data.size(), 2u);
                    EXPECT_EQ(capture.data[0].sqn, 5u);
                    EXPECT_EQ(capture.data[1].sqn, 7u);
                    EXPECT_EQ(capture.data[1].tsi, kTsi);
                }
            }
        }
    }
}

TEST(Capture, repairs_parity_damage_and_other_traffic_are_no_data) {
    Octets file = file_head();
    FrameShape repair;
    repair.type = wire::Type::rdata;
    add_record(file, frame_of(1, repair));
    FrameShape parity;
    parity.flags = wire::kOptParity;
    add_record(file, frame_of(2, parity));
    Octets damaged = frame_of(3);
    damaged.back() ^= std::byte{1};
    add_record(file, damaged);
    add_record(file, Octets(60, std::byte{0}));
    add_record(file, {});
    const Capture capture = read_capture(file);
    EXPECT_EQ(capture.fault, "");
    EXPECT_TRUE(capture.data.empty());
    EXPECT_EQ(capture.frames, 5u);
    EXPECT_EQ(capture.other, 5u);
}

TEST(Capture, a_packet_that_the_capture_cut_off_is_counted_apart) {
    Octets file = file_head();
    add_record(file, frame_of(1), false, 10);
    const Capture capture = read_capture(file);
    EXPECT_EQ(capture.cut, 1u);
    EXPECT_TRUE(capture.data.empty());
}

TEST(Capture, what_is_no_pcap_is_refused_with_a_reason) {
    EXPECT_NE(read_capture({}).fault, "");
    EXPECT_NE(read_capture(Octets(23)).fault, "");
    EXPECT_NE(read_capture(Octets(24)).fault, "");
    EXPECT_NE(read_capture(file_head(kEthernet, false, 0x0A0D0D0A)).fault.find("pcapng"),
              std::string::npos);
    EXPECT_NE(read_capture(file_head(113)).fault.find("113"), std::string::npos);
    EXPECT_EQ(read_capture(file_head()).fault, "");
}

TEST(Capture, lengths_that_do_not_fit_end_it_and_keep_what_was_read) {
    Octets whole = file_head();
    add_record(whole, frame_of(1));
    for (const std::uint32_t claim : {0xFFFFFFFFu, 0x80000000u, 1u << 18, 200u}) {
        Octets file = whole;
        put(file, 0);
        put(file, 0);
        put(file, claim);
        put(file, claim);
        file.resize(file.size() + 10);
        const Capture capture = read_capture(file);
        EXPECT_NE(capture.fault, "") << claim;
        EXPECT_EQ(capture.data.size(), 1u);
    }
    for (std::size_t size = file_head().size() + 1; size < whole.size(); ++size)
        EXPECT_NE(read_capture(std::span(whole).first(size)).fault, "") << size;
}

TEST(Capture, random_damage_never_reads_outside) {
    const std::uint64_t seed = 20;
    Random random(seed);
    Octets good = file_head();
    for (Sqn sqn = 0; sqn < 20; ++sqn) add_record(good, frame_of(sqn));
    for (int i = 0; i < 2000; ++i) {
        Octets file = good;
        for (std::uint64_t n = 1 + random.below(8); n > 0; --n)
            file[random.below(file.size())] = static_cast<std::byte>(random.next());
        file.resize(random.below(file.size() + 1));
        file.shrink_to_fit();  // a sanitizer sees every octet too far
        const Capture capture = read_capture(file);
        EXPECT_LE(capture.data.size(), 20u);
        (void)loss_pattern(capture.data);
    }
}

TEST(LossPattern, numbers_that_never_came_are_the_losses) {
    std::vector<CapturedData> data;
    for (const Sqn sqn : {10, 11, 14, 13, 14, 17}) data.push_back({kTsi, sqn});
    const LossPattern pattern = loss_pattern(data);
    EXPECT_EQ(pattern.fault, "");
    EXPECT_EQ(pattern.lost,
              (std::vector<bool>{false, false, true, false, false, true, true, false}));
    EXPECT_EQ(pattern.missing, 3u);
}

TEST(LossPattern, numbers_pass_the_end_of_32_bits) {
    std::vector<CapturedData> data;
    for (const Sqn sqn : {0xFFFFFFFEu, 0u, 1u}) data.push_back({kTsi, sqn});
    EXPECT_EQ(loss_pattern(data).lost, (std::vector<bool>{false, true, false, false}));
}

TEST(LossPattern, the_busiest_session_counts_unless_one_is_named) {
    const Tsi other{Gsi{{9, 9, 9, 9, 9, 9}}, 1};
    const std::vector<CapturedData> data{{other, 1}, {kTsi, 5}, {kTsi, 7}, {other, 2}, {kTsi, 8}};
    EXPECT_EQ(loss_pattern(data).tsi, kTsi);
    EXPECT_EQ(loss_pattern(data).missing, 1u);
    EXPECT_EQ(loss_pattern(data, other).missing, 0u);
    EXPECT_NE(loss_pattern(data, Tsi{}).fault, "");
    EXPECT_NE(loss_pattern({}).fault, "");
}

TEST(LossPattern, numbers_too_far_apart_are_refused_before_memory_is_taken) {
    const std::vector<CapturedData> far{{kTsi, 0}, {kTsi, 0x70000000}};
    EXPECT_NE(loss_pattern(far).fault, "");
    std::vector<CapturedData> steps;
    for (Sqn i = 0; i < 64; ++i) steps.push_back({kTsi, i << 20});
    EXPECT_NE(loss_pattern(steps).fault, "");
}

TEST(LossPattern, a_session_is_named_by_its_octets_and_port) {
    EXPECT_EQ(to_string(kTsi), "0102030405a6:1234");
    EXPECT_EQ(tsi_from("0102030405a6:1234"), kTsi);
    for (const char* wrong : {"", ":", "0102030405a6", "0102030405a6:", "0102030405a6:70000",
                              "0102030405g6:1", "0102030405a6:1x", "01020304a6:1"})
        EXPECT_FALSE(tsi_from(wrong)) << wrong;
}

}  // namespace
}  // namespace fanfare::sim
