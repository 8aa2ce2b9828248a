#include <gtest/gtest.h>

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

TEST(Decode, EveryPacketCapturedFromOpenPgmAndZeroMqDecodesAsItsTypeWithARightChecksum) {
    for (const auto& entry : golden()) {
        const Octets octets = test::from_hex(entry["pgm_hex"]);
        Packet packet;
        ASSERT_EQ(decode(octets, packet), DecodeError::none) << entry["what"];
        EXPECT_EQ(to_string(packet.type), entry["type"].get<std::string>()) << entry["what"];
        if (entry["pgm_checksum_ok"].get<bool>())
            EXPECT_TRUE(checksum_right(octets)) << entry["what"];
    }
}

// Uninitialised third and fourth octets of the peer's options are the one thing that is not kept.
TEST(Decode, ReencodingACapturedPacketGivesItsOctetsBack) {
    for (const auto& entry : golden()) {
        Octets octets = test::from_hex(entry["pgm_hex"]);
        Packet packet;
        ASSERT_EQ(decode(octets, packet), DecodeError::none);
        if (packet.options.has(OptionBit::nak_list) || packet.options.has(OptionBit::cc_data) ||
            packet.options.has(OptionBit::cc_feedback) || (packet.flags & kOptParity) ||
            packet.options.encoded) {
            continue;
        }
        Octets again(encoded_size(packet));
        ASSERT_EQ(encode(packet, again), octets.size()) << entry["what"];
        put16(octets.data() + 6, 0);
        if (packet.options.has(OptionBit::parity_prm)) continue;  // the peer swaps two bits there
        EXPECT_EQ(again, octets) << entry["what"];
    }
}

TEST(Decode, TheFirstCapturedSpmHasItsFields) {
    const auto octets =
        test::from_hex("beef1d4c00009bb501020304050600000000000000000000ffffffff000100007f000001");
    Packet packet;
    ASSERT_EQ(decode(octets, packet), DecodeError::none);
    EXPECT_EQ(packet.source_port, 0xBEEF);
    EXPECT_EQ(packet.destination_port, 7500);
    EXPECT_EQ(packet.gsi.octets, (std::array<std::uint8_t, 6>{1, 2, 3, 4, 5, 6}));
    EXPECT_EQ(packet.trail, 0u);
    EXPECT_EQ(packet.lead, 0xFFFFFFFFu);
    EXPECT_EQ(packet.path, Address::from_octets(127, 0, 0, 1));
    EXPECT_FALSE(packet.towards_source());
}

TEST(Decode, ZeroMqCapturesDecode) {
    for (const char* name : {"pgm_zmtp1", "epgm_zmtp1"}) {
        const auto capture = test::read_capture(kData + "/captures/" + name + ".pcap");
        std::size_t decoded = 0;
        for (const auto& frame : capture.frames) {
            const Octets octets = test::pgm_of(capture, frame, true);
            if (octets.empty()) continue;
            Packet packet;
            EXPECT_EQ(decode(octets, packet), DecodeError::none) << name;
            ++decoded;
        }
        EXPECT_GT(decoded, 5u) << name;
    }
}

TEST(Decode, PollAndPolrOfACaptureDecode) {
    const auto capture = test::read_capture(kData + "/captures/pgm_poll_polr.pcap");
    std::size_t polls = 0, responses = 0;
    for (const auto& frame : capture.frames) {
        Packet packet;
        const Octets octets = test::pgm_of(capture, frame, false);
        if (octets.empty() || decode(octets, packet) != DecodeError::none) continue;
        polls += packet.type == Type::poll;
        responses += packet.type == Type::polr;
    }
    EXPECT_GT(polls, 0u);
    EXPECT_GT(responses, 0u);
}

TEST(Decode, PacketsThatBrokeOtherDecodersAreRefusedByName) {
    for (const char* name :
         {"pgm_opts_asan", "pgm_opts_asan_2", "pgm_opts_asan_3", "pgm_group_addr_asan"}) {
        const auto capture = test::read_capture(kData + "/captures/" + name + ".pcap");
        for (const auto& frame : capture.frames) {
            const Octets octets = test::pgm_of(capture, frame, false);
            if (octets.empty()) continue;  // refused below PGM already
            Packet packet;
            const auto error = decode(octets, packet);
            EXPECT_NE(error, DecodeError::none) << name;
            EXPECT_NE(to_string(error), "unknown") << name;
        }
    }
}

// A valid ODATA with options, to be damaged one way at a time.
Octets odata_with_options() {
    Packet packet;
    packet.type = Type::odata;
    packet.sqn = 7;
    packet.options.set(OptionBit::fragment);
    packet.options.fragment = {7, 0, 100};
    packet.options.set(OptionBit::syn);
    static const Octets payload(10, std::byte{0x55});
    packet.payload = payload;
    Octets octets(encoded_size(packet));
    EXPECT_EQ(encode(packet, octets), octets.size());
    put16(octets.data() + 6, 0x1234);
    return octets;
}
constexpr std::size_t kOptions = 24;  // where OPT_LENGTH of an ODATA stands

DecodeError decode_of(const Octets& octets) {
    Packet packet;
    return decode(octets, packet);
}

TEST(Decode, EveryShorterPrefixOfAPacketIsRefused) {
    const Octets whole = odata_with_options();
    ASSERT_EQ(decode_of(whole), DecodeError::none);
    for (std::size_t n = 0; n < whole.size(); ++n) {
        const Octets part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n));
        EXPECT_NE(decode_of(part), DecodeError::none) << n;
    }
}

TEST(Decode, FaultsHaveTheirNames) {
    const Octets whole = odata_with_options();
    const auto damaged = [&](std::size_t at, int value) {
        Octets o = whole;
        o[at] = static_cast<std::byte>(value);
        return decode_of(o);
    };
    EXPECT_EQ(decode_of(Octets(15)), DecodeError::truncated_header);
    EXPECT_EQ(damaged(4, 0x03), DecodeError::unknown_type);
    EXPECT_EQ(decode_of(Octets(whole.begin(), whole.begin() + 20)), DecodeError::truncated_body);
    EXPECT_EQ(damaged(15, 11), DecodeError::tsdu_length_mismatch);
    EXPECT_EQ(damaged(kOptions, 0x01), DecodeError::options_length_missing);
    EXPECT_EQ(damaged(kOptions + 1, 5), DecodeError::options_length_missing);
    EXPECT_EQ(damaged(kOptions + 3, 200), DecodeError::options_truncated);
    EXPECT_EQ(damaged(kOptions + 3, 4), DecodeError::options_length_wrong);
    EXPECT_EQ(damaged(kOptions + 3, 28), DecodeError::options_length_wrong);
    EXPECT_EQ(damaged(kOptions + 5, 0), DecodeError::option_too_short);
    EXPECT_EQ(damaged(kOptions + 5, 0xFF), DecodeError::option_overrun);
    EXPECT_EQ(damaged(kOptions + 5, 8), DecodeError::option_length_invalid);
    EXPECT_EQ(damaged(kOptions + 20, 0x0D), DecodeError::options_unterminated);
    EXPECT_EQ(damaged(kOptions + 19, 0xFF), DecodeError::none)
        << "a longer message is nothing wrong";
    EXPECT_EQ(damaged(kOptions + 12, 0xFF), DecodeError::fragment_invalid)
        << "offset beyond the message";
    Octets unsummed = whole;
    put16(unsummed.data() + 6, 0);
    EXPECT_EQ(decode_of(unsummed), DecodeError::checksum_missing);
}

// SPM with room for whatever options a test wants.
Octets spm_with(const Octets& options) {
    Packet packet;
    packet.type = Type::spm;
    packet.path = Address::from_octets(10, 0, 0, 1);
    Octets octets(encoded_size(packet));
    encode(packet, octets);
    octets[5] = std::byte{kOptPresent};
    octets.push_back(std::byte{0});
    octets.push_back(std::byte{4});
    octets.push_back(static_cast<std::byte>((options.size() + 4) >> 8));
    octets.push_back(static_cast<std::byte>(options.size() + 4));
    octets.insert(octets.end(), options.begin(), options.end());
    return octets;
}

TEST(Decode, MoreThanSixteenOptionsAreRefused) {
    Octets options;
    for (int i = 0; i < 16; ++i) {
        const Octets one = test::from_hex(i == 15 ? "8d040000" : "0d040000");
        options.insert(options.end(), one.begin(), one.end());
    }
    EXPECT_EQ(decode_of(spm_with(options)), DecodeError::none);
    const Octets first = test::from_hex("0d040000");
    options.insert(options.begin(), first.begin(), first.end());
    EXPECT_EQ(decode_of(spm_with(options)), DecodeError::too_many_options);
}

TEST(Decode, UnknownOptionsAreSkippedByAHostWhateverOpxSays) {
    for (const char* option : {"55040000", "55040100", "55040200", "55040300"}) {
        Octets options = test::from_hex(option);
        const Octets fin = test::from_hex("8e040000");
        options.insert(options.end(), fin.begin(), fin.end());
        const Octets octets = spm_with(options);
        Packet packet;
        ASSERT_EQ(decode(octets, packet), DecodeError::none);
        EXPECT_TRUE(packet.options.has(OptionBit::unknown));
        EXPECT_TRUE(packet.options.has(OptionBit::fin));
    }
}

TEST(Decode, AnEmptyOddOrOverlongNakListIsRefused) {
    EXPECT_EQ(decode_of(spm_with(test::from_hex("82040000"))), DecodeError::nak_list_invalid);
    EXPECT_EQ(decode_of(spm_with(test::from_hex("820600000000"))), DecodeError::nak_list_invalid);
    Octets list(4 + 63 * 4);
    list[0] = std::byte{0x82};
    list[1] = static_cast<std::byte>(list.size() & 0xFF);  // 256 does not fit the length octet
    EXPECT_NE(decode_of(spm_with(list)), DecodeError::none);
    Octets full(4 + 62 * 4);
    full[0] = std::byte{0x82};
    full[1] = static_cast<std::byte>(full.size());
    full[2] = std::byte{0xD4};  // OpenPGM leaves memory's own octets here
    const Octets octets = spm_with(full);
    Packet packet;
    ASSERT_EQ(decode(octets, packet), DecodeError::none);
    EXPECT_EQ(packet.options.nak_list.count, 62);
}

TEST(Decode, AnAddressOfAnotherFamilyIsRefused) {
    Octets octets = spm_with(test::from_hex("8e040000"));
    octets[29] = std::byte{2};
    EXPECT_EQ(decode_of(octets), DecodeError::address_family);
}

}  // namespace
}  // namespace fanfare::wire
