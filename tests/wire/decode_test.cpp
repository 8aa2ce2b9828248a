#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "engine/wire/names.hpp"
#include "engine/wire/octets.hpp"
#include "engine/wire/packet.hpp"
#include "tests/wire/capture.hpp"
#include "tests/wire/guarded_pages.hpp"

namespace fanfare::wire {
namespace {

using test::Octets;

// A valid ODATA with options, to be damaged one way at a time.
Octets odata_with_options() {
    Packet packet;
    packet.type = Type::odata;
    packet.sqn = 7;
    packet.options.set(OptionBit::fragment);
    packet.options.fragment = {7, 0, 100, 0};
    packet.options.set(OptionBit::syn);
    static const Octets payload(10, std::byte{0x55});
    packet.payload = payload;
    Octets octets(encoded_size(packet));
    EXPECT_EQ(encode(packet, octets), octets.size());
    put16(octets.data() + kChecksumAt, 0x1234);
    return octets;
}
constexpr std::size_t kOptions = 24;  // where OPT_LENGTH of an ODATA stands

// The packet ends where its page ends: one octet read too many ends the test.
DecodeError decode_of(const Octets& octets) {
    static const test::GuardedPages pages(4096);
    std::byte* begin = pages.end() - octets.size();
    std::copy(octets.begin(), octets.end(), begin);
    Packet packet;
    return decode({begin, octets.size()}, packet);
}

TEST(Decode, EveryShorterPrefixOfAPacketIsRefused) {
    const Octets whole = odata_with_options();
    ASSERT_EQ(decode_of(whole), DecodeError::none);
    for (std::size_t n = 0; n < whole.size(); ++n) {
        const Octets part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n));
        EXPECT_NE(decode_of(part), DecodeError::none) << n;
    }
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

// Every way to be refused, each with a packet that goes wrong in this way alone.
TEST(Decode, EveryFaultHasItsName) {
    const Octets whole = odata_with_options();
    const auto damaged = [&](std::size_t at, int value) {
        Octets o = whole;
        o[at] = static_cast<std::byte>(value);
        return o;
    };
    Octets unsummed = whole;
    put16(unsummed.data() + kChecksumAt, 0);
    Octets other_family = spm_with(test::from_hex("8e040000"));
    other_family[29] = std::byte{2};
    Octets seventeen;
    for (int i = 0; i < 17; ++i) {
        for (auto octet : test::from_hex(i == 16 ? "8d040000" : "0d040000"))
            seventeen.push_back(octet);
    }
    const auto short_of = [&](std::size_t size) {
        return Octets(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    };
    const std::pair<DecodeError, Octets> cases[] = {
        {DecodeError::truncated_header, {}},
        {DecodeError::truncated_header, short_of(15)},
        {DecodeError::unknown_type, damaged(4, 0x03)},
        {DecodeError::unknown_type, damaged(4, 0x06)},
        {DecodeError::unknown_type, damaged(4, 0x0E)},
        {DecodeError::unknown_type, damaged(4, 0x14)},  // reserved bit
        {DecodeError::unknown_type, damaged(4, 0x44)},  // version 1
        {DecodeError::truncated_body, short_of(16)},
        {DecodeError::truncated_body, short_of(23)},
        {DecodeError::tsdu_length_mismatch, damaged(15, 11)},
        {DecodeError::tsdu_length_mismatch, damaged(15, 9)},
        {DecodeError::address_family, other_family},
        {DecodeError::options_truncated, short_of(24)},
        {DecodeError::options_truncated, short_of(27)},
        {DecodeError::options_truncated, damaged(kOptions + 3, 200)},
        {DecodeError::options_truncated, damaged(kOptions + 2, 0xFF)},
        {DecodeError::options_length_missing, damaged(kOptions, 0x01)},
        {DecodeError::options_length_missing, damaged(kOptions, 0x80)},  // OPT_LENGTH is not last
        {DecodeError::options_length_missing, damaged(kOptions + 1, 5)},
        {DecodeError::options_length_wrong, damaged(kOptions + 3, 0)},
        {DecodeError::options_length_wrong, damaged(kOptions + 3, 7)},
        {DecodeError::options_length_wrong, damaged(kOptions + 3, 28)},  // END before the end
        {DecodeError::option_too_short, damaged(kOptions + 5, 0)},
        {DecodeError::option_too_short, damaged(kOptions + 5, 3)},
        {DecodeError::option_overrun, damaged(kOptions + 5, 0xFF)},
        {DecodeError::option_overrun, damaged(kOptions + 3, 22)},  // two octets left for an option
        {DecodeError::too_many_options, spm_with(seventeen)},
        {DecodeError::options_unterminated, damaged(kOptions + 20, 0x0D)},
        {DecodeError::option_length_invalid, damaged(kOptions + 5, 12)},     // OPT_FRAGMENT has 16
        {DecodeError::option_length_invalid, damaged(kOptions + 20, 0x80)},  // a second OPT_LENGTH
        {DecodeError::nak_list_invalid, spm_with(test::from_hex("82040000"))},
        {DecodeError::nak_list_invalid, spm_with(test::from_hex("820600000000"))},
        {DecodeError::nak_list_invalid, spm_with(Octets(test::from_hex("8209000000000000ff")))},
        {DecodeError::fragment_invalid, damaged(kOptions + 12, 0xFF)},  // offset beyond the message
        {DecodeError::checksum_missing, unsummed},
    };
    std::set<DecodeError> reached;
    for (const auto& [error, octets] : cases) {
        EXPECT_EQ(to_string(decode_of(octets)), to_string(error)) << octets.size();
        reached.insert(error);
    }
    for (unsigned i = 1; i < static_cast<unsigned>(DecodeError::count_); ++i) {
        const auto error = static_cast<DecodeError>(i);
        // Judged in the pass that copies the payload, not by decode.
        if (error == DecodeError::checksum_wrong) continue;
        EXPECT_TRUE(reached.contains(error)) << to_string(error);
    }
}

TEST(Decode, EveryNameIsOnce) {
    std::set<std::string_view> names;
    for (unsigned i = 0; i < static_cast<unsigned>(DecodeError::count_); ++i)
        EXPECT_TRUE(names.insert(to_string(static_cast<DecodeError>(i))).second) << i;
    for (unsigned i = 0; i < static_cast<unsigned>(OptionBit::unknown); ++i)
        EXPECT_TRUE(names.insert(to_string(static_cast<OptionBit>(i))).second) << i;
    for (unsigned i : {0, 1, 2, 4, 5, 8, 9, 10, 12, 13})
        EXPECT_TRUE(names.insert(to_string(static_cast<Type>(i))).second) << i;
    EXPECT_FALSE(names.contains("unknown"));
    EXPECT_EQ(to_string(static_cast<Type>(3)), "unknown");
}

TEST(Decode, OtherTypesThanDataMayComeWithoutAChecksum) {
    Octets octets = spm_with(test::from_hex("8e040000"));
    put16(octets.data() + kChecksumAt, 0);
    EXPECT_EQ(decode_of(octets), DecodeError::none);
}

TEST(Decode, EveryOptionIsRefusedWhenItIsShorterThanItsFields) {
    const std::pair<int, int> least[] = {{0x01, 16}, {0x03, 8},  {0x04, 12}, {0x05, 12},
                                         {0x07, 12}, {0x08, 8},  {0x09, 8},  {0x0A, 8},
                                         {0x0C, 8},  {0x10, 24}, {0x12, 16}, {0x13, 16}};
    for (const auto& [type, size] : least) {
        for (int length = 4; length < size; ++length) {
            Octets option(static_cast<std::size_t>(length));
            option[0] = static_cast<std::byte>(0x80 | type);
            option[1] = static_cast<std::byte>(length);
            EXPECT_EQ(decode_of(spm_with(option)), DecodeError::option_length_invalid)
                << type << " " << length;
        }
    }
}

// The option area of an SPM is the end of the packet: lengths that are wrong by one octet reach
// outside.
TEST(Decode, LengthsThatAreWrongByOneAreRefused) {
    const Octets good =
        spm_with(test::from_hex("0d040000"
                                "8308000000000001"));
    ASSERT_EQ(decode_of(good), DecodeError::none);
    const std::size_t options = 36, syn = 40, join = 44;
    Octets octets = good;
    octets[options + 3] = std::byte{17};
    EXPECT_EQ(decode_of(octets), DecodeError::options_truncated);
    octets = good;
    octets[options + 3] = std::byte{15};
    EXPECT_EQ(decode_of(octets), DecodeError::option_overrun);
    octets = good;
    octets[join + 1] = std::byte{9};
    EXPECT_EQ(decode_of(octets), DecodeError::option_overrun);
    octets = good;
    octets[join + 1] = std::byte{7};
    EXPECT_EQ(decode_of(octets), DecodeError::option_length_invalid);
    // One, two or three octets behind the last whole option, and the packet ends with them.
    for (std::size_t left = 1; left < 4; ++left) {
        octets.assign(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(join + left));
        octets[options + 3] = static_cast<std::byte>(8 + left);
        EXPECT_EQ(decode_of(octets), DecodeError::option_overrun) << left;
    }
    octets.assign(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(join));
    octets[options + 3] = std::byte{8};
    EXPECT_EQ(decode_of(octets), DecodeError::options_unterminated);
    octets[syn] = std::byte{0x8D};
    EXPECT_EQ(decode_of(octets), DecodeError::none);
}

// Random damage to good packets: nothing to be expected but that it ends and reads inside, which
// the exact size of the buffers shows under a sanitizer.
TEST(Decode, DamagedPacketsAreJudgedWithoutReadingOutside) {
    std::mt19937_64 random(7);
    const Octets good[] = {odata_with_options(),
                           spm_with(test::from_hex("020c00000000000100000002880800020000000a"))};
    std::size_t refused = 0;
    for (int round = 0; round < 20000; ++round) {
        Octets octets = good[round % 2];
        for (std::uint64_t i = 0, n = 1 + random() % 4; i < n; ++i)
            octets[random() % octets.size()] = static_cast<std::byte>(random());
        octets.resize(random() % 8 == 0 ? random() % octets.size() : octets.size());
        octets.shrink_to_fit();
        refused += decode_of(octets) != DecodeError::none;
    }
    EXPECT_GT(refused, 1000u);
}

TEST(Decode, SixteenOptionsAreTaken) {
    Octets options;
    for (int i = 0; i < 16; ++i) {
        for (auto octet : test::from_hex(i == 15 ? "8d040000" : "0d040000"))
            options.push_back(octet);
    }
    EXPECT_EQ(decode_of(spm_with(options)), DecodeError::none);
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

TEST(Decode, TheLongestNakListIsTakenWhateverItsReservedOctetsHold) {
    Octets full(4 + 62 * 4);
    full[0] = std::byte{0x82};
    full[1] = static_cast<std::byte>(full.size());
    for (int garbage : {0x00, 0x01, 0x02, 0x04, 0xD4, 0xFF}) {
        full[2] = full[3] = static_cast<std::byte>(garbage);
        const Octets octets = spm_with(full);
        Packet packet;
        ASSERT_EQ(decode(octets, packet), DecodeError::none);
        EXPECT_EQ(packet.options.nak_list.count, kNakListMax);
        EXPECT_EQ(packet.options.encoded, 0u);
    }
}

}  // namespace
}  // namespace fanfare::wire
