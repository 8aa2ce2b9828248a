// Packets of other implementations: what OpenPGM and ZeroMQ sent, and captures that broke other
// decoders.
#include <gtest/gtest.h>

#include <cstdlib>

#include <nlohmann/json.hpp>

#include "engine/checksum/checksum.hpp"
#include "engine/wire/names.hpp"
#include "engine/wire/octets.hpp"
#include "engine/wire/packet.hpp"
#include "tests/wire/capture.hpp"

namespace fanfare::wire {
namespace {

using test::Octets;
const std::string kData = FANFARE_TEST_DATA;

nlohmann::json golden() {
    std::ifstream file(kData + "/openpgm-golden.json");
    return nlohmann::json::parse(file)["packets"];
}

bool checksum_right(const Octets& packet) {
    return checksum::intact(checksum::best_kernels().sum(packet.data(), packet.size()));
}

TEST(Golden, EveryPacketDecodesAsItsTypeWithItsSessionAndChecksum) {
    const auto packets = golden();
    ASSERT_EQ(packets.size(), 25u);
    for (const auto& entry : packets) {
        SCOPED_TRACE(entry["what"].get<std::string>());
        const Octets octets = test::from_hex(entry["pgm_hex"]);
        Packet packet;
        ASSERT_EQ(decode(octets, packet), DecodeError::none);
        EXPECT_EQ(to_string(packet.type), entry["type"].get<std::string>());
        EXPECT_EQ(checksum_right(octets), entry["pgm_checksum_ok"].get<bool>());
        if (!entry["pgm_checksum_ok"].get<bool>()) continue;  // its ports are memory's own octets
        const auto sender = entry["sender"].get<std::string>();
        const bool zmq = sender.find("zmq") != std::string::npos;
        const bool receiver = sender == "OpenPGM receiver";
        const Gsi gsi = zmq        ? Gsi{{0xB7, 0xC6, 0xD1, 0xBC, 0x03, 0x8A}}
                        : receiver ? Gsi{{0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF}}
                                   : Gsi{{1, 2, 3, 4, 5, 6}};
        const std::uint16_t port = zmq ? 0x7713 : receiver ? 4660 : 48879;
        EXPECT_EQ(packet.tsi(), (Tsi{gsi, port}));
        EXPECT_EQ(packet.data_port(), zmq ? 7600 : 7500);
        if (packet.type == Type::spm) {
            EXPECT_EQ(packet.path, Address::from_octets(127, 0, 0, 1));
        }
        if (packet.type == Type::nak || packet.type == Type::ncf) {
            EXPECT_EQ(packet.group, Address::from_octets(239, 192, 9, 9));
            EXPECT_EQ(packet.source, Address::from_octets(127, 0, 0, receiver ? 5 : 1));
        }
    }
}

TEST(Golden, EveryPacketHasTheNumbersAndOptionsThatWereSent) {
    struct Expected {
        Sqn sqn, trail, lead;
        std::uint32_t present;
        std::uint16_t tsdu_length;
    };
    constexpr auto kFragment = bit(OptionBit::fragment), kList = bit(OptionBit::nak_list),
                   kFin = bit(OptionBit::fin), kParity = bit(OptionBit::parity_prm);
    const Expected expected[25] = {
        {0, 0, 0xFFFFFFFF, 0, 0},
        {0, 0, 0, 0, 5},
        {1, 0, 0, 0, 0},
        {2, 0, 0, kFragment, 1408},
        {3, 0, 0, kFragment, 1408},
        {4, 0, 0, kFragment, 184},
        {3, 0, 4, 0, 0},
        {0, 0, 0, 0, 0},
        {0, 0, 0, 0, 0},
        {0, 0, 0, 0, 5},
        {1, 0, 0, kList, 0},
        {1, 0, 0, kList, 0},
        {2, 0, 0, kFragment, 1408},
        {10, 0, 4, kFin, 0},
        {0, 0, 0xFFFFFFFF, kParity, 0},
        {0, 0, 0xFFFFFFFF, kParity, 0},
        {0, 0, 0xFFFFFFFF, kParity, 0},
        {0, 0, 0, 0, 12},
        {0, 0, 0, 0, 0},
        {0, 0, 0, 0, 0},
        {1, 0, 0, kList, 0},
        {1, 0, 0, 0, 0},
        {5, 0, 0, 0, 0},
        {0, 0, 0xFFFFFFFF, 0, 0},
        {0, 0, 0, 0, 333},
    };
    const auto packets = golden();
    ASSERT_EQ(packets.size(), std::size(expected));
    std::uint32_t offset = 0;
    for (std::size_t i = 0; i < packets.size(); ++i) {
        SCOPED_TRACE(packets[i]["what"].get<std::string>());
        const Octets octets = test::from_hex(packets[i]["pgm_hex"]);
        Packet packet{};
        ASSERT_EQ(decode(octets, packet), DecodeError::none);
        EXPECT_EQ(packet.sqn, expected[i].sqn);
        EXPECT_EQ(packet.trail, expected[i].trail);
        EXPECT_EQ(packet.lead, expected[i].lead);
        EXPECT_EQ(packet.options.present, expected[i].present);
        EXPECT_EQ(packet.tsdu_length, expected[i].tsdu_length);
        EXPECT_EQ(packet.payload.size(), expected[i].tsdu_length);
        if (expected[i].present == kFragment && packet.type == Type::odata) {
            EXPECT_EQ(packet.options.fragment.first_sqn, 2u);
            EXPECT_EQ(packet.options.fragment.offset, offset);
            EXPECT_EQ(packet.options.fragment.apdu_length, 3000u);
            offset += packet.tsdu_length;
        }
        if (expected[i].present == kList) {
            ASSERT_EQ(packet.options.nak_list.count, 2);
            EXPECT_EQ(nak_list_at(packet.options, 0), 2u);
            EXPECT_EQ(nak_list_at(packet.options, 1), 3u);
        }
        if (expected[i].present == kParity) {
            EXPECT_EQ(packet.options.parity_prm.group_size, 8u);
            // OpenPGM swaps the two bits; they are read as RFC 3208 has them.
            EXPECT_EQ(packet.options.parity_prm.ondemand, i != 15);
            EXPECT_EQ(packet.options.parity_prm.proactive, i != 14);
        }
    }
    EXPECT_EQ(offset, 3000u);
}

TEST(Golden, EncodingADecodedPacketGivesItsOctetsBack) {
    for (const auto& entry : golden()) {
        SCOPED_TRACE(entry["what"].get<std::string>());
        Octets octets = test::from_hex(entry["pgm_hex"]);
        Packet packet;
        ASSERT_EQ(decode(octets, packet), DecodeError::none);
        Octets again(encoded_size(packet));
        ASSERT_EQ(encode(packet, again), octets.size());
        put16(octets.data() + kChecksumAt, 0);
        if (entry["sender"] == "OpenPGM receiver" && packet.options.has(OptionBit::nak_list)) {
            // Uninitialised third octet of the list: the one thing that is not kept.
            EXPECT_NE(octets[42], std::byte{0});
            octets[42] = std::byte{0};
        }
        EXPECT_EQ(again, octets);
    }
}

TEST(Golden, TheChecksumMadeHereIsThePeersOwn) {
    for (const auto& entry : golden()) {
        if (!entry["pgm_checksum_ok"].get<bool>()) continue;
        Octets octets = test::from_hex(entry["pgm_hex"]);
        const std::uint16_t theirs = get16(octets.data() + kChecksumAt);
        put16(octets.data() + kChecksumAt, 0);
        const auto ours =
            checksum::finish(checksum::best_kernels().sum(octets.data(), octets.size()));
        std::memcpy(octets.data() + kChecksumAt, &ours, 2);
        EXPECT_EQ(get16(octets.data() + kChecksumAt), theirs) << entry["what"];
    }
}

// The captures are not ours: a copy of the sources without them still tests everything else.
test::Capture capture_named(const std::string& name) {
    const char* const folder = std::getenv("FANFARE_CAPTURES");
    return test::read_capture(std::string(folder == nullptr ? "." : folder) + "/" + name + ".pcap");
}
#define SKIP_WITHOUT(capture)     \
    if ((capture).frames.empty()) \
    GTEST_SKIP() << "FANFARE_CAPTURES names no folder with the captures"

TEST(Captures, PacketsOfZeroMqDecodeWithRightChecksums) {
    for (const char* name : {"pgm_zmtp1", "epgm_zmtp1"}) {
        SCOPED_TRACE(name);
        const auto capture = capture_named(name);
        SKIP_WITHOUT(capture);
        std::size_t spms = 0, datas = 0, requests = 0;
        for (const auto& frame : capture.frames) {
            const Octets octets = test::pgm_of(capture, frame, true);
            ASSERT_FALSE(octets.empty());
            Packet packet;
            ASSERT_EQ(decode(octets, packet), DecodeError::none);
            EXPECT_TRUE(checksum_right(octets));
            spms += packet.type == Type::spm;
            datas += packet.type == Type::odata;
            requests += packet.type == Type::spmr;
            if (packet.type == Type::spm) {
                EXPECT_EQ(packet.path, Address::from_octets(10, 0, 0, 45));
            }
        }
        EXPECT_EQ(datas, 3u);
        EXPECT_EQ(requests, 1u);
        EXPECT_EQ(spms, capture.frames.size() - 4);
    }
}

TEST(Captures, PollsAndTheirResponsesDecodeInTurn) {
    const auto capture = capture_named("pgm_poll_polr");
    SKIP_WITHOUT(capture);
    ASSERT_EQ(capture.frames.size(), 20u);
    Packet poll{};
    for (std::size_t i = 0; i < capture.frames.size(); ++i) {
        const Octets octets = test::pgm_of(capture, capture.frames[i], false);
        Packet packet;
        ASSERT_EQ(decode(octets, packet), DecodeError::none) << i;
        if (i % 2 == 0) {
            EXPECT_EQ(packet.type, Type::poll) << i;
            EXPECT_EQ(packet.path, Address::from_octets(10, 0, 2, 15)) << i;
            poll = packet;
        } else {
            EXPECT_EQ(packet.type, Type::polr) << i;
            EXPECT_EQ(packet.sqn, poll.sqn) << i;
            EXPECT_EQ(packet.poll.round, poll.poll.round) << i;
            EXPECT_EQ(packet.tsi(), poll.tsi()) << i;
        }
    }
}

TEST(Captures, PacketsThatBrokeOtherDecodersAreRefusedByName) {
    const std::pair<const char*, DecodeError> cases[] = {
        {"pgm_opts_asan", DecodeError::unknown_type},
        {"pgm_opts_asan_2", DecodeError::unknown_type},
        {"pgm_opts_asan_3", DecodeError::unknown_type},
        {"pgm_group_addr_asan", DecodeError::truncated_body},
    };
    for (const auto& [name, refusal] : cases) {
        SCOPED_TRACE(name);
        const auto capture = capture_named(name);
        SKIP_WITHOUT(capture);
        ASSERT_EQ(capture.frames.size(), 1u);
        EXPECT_TRUE(test::pgm_of(capture, capture.frames[0], false).empty())
            << "its IPv4 header promises more than there is";
        Octets octets = test::behind_ip_header(capture, capture.frames[0]);
        Packet packet;
        EXPECT_EQ(decode(octets, packet), refusal);
        // With every type in the type's place the rest is reached too, from every offset.
        for (std::size_t from = 0; from + kHeaderSize <= octets.size(); ++from) {
            for (unsigned type = 0; type < 16; ++type) {
                Octets changed(octets.begin() + static_cast<std::ptrdiff_t>(from), octets.end());
                changed[4] = static_cast<std::byte>(type);
                changed[5] |= std::byte{kOptPresent};
                EXPECT_NE(decode(changed, packet), DecodeError::none) << from << " " << type;
            }
        }
    }
}

TEST(Captures, AFrameThatIsNotIpv4HoldsNoPacket) {
    const auto capture = capture_named("bad-ipv4-version-pgm-heapoverflow");
    SKIP_WITHOUT(capture);
    ASSERT_EQ(capture.frames.size(), 1u);
    EXPECT_TRUE(test::pgm_of(capture, capture.frames[0], false).empty());
    Packet packet;
    EXPECT_NE(decode(test::behind_ip_header(capture, capture.frames[0]), packet),
              DecodeError::none);
}

}  // namespace
}  // namespace fanfare::wire
