// Every fixed part and every option octet by octet as RFC 3208 draws it (PGMCC: as OpenPGM has it),
// so that encode and decode cannot be wrong together.
#include <gtest/gtest.h>

#include <functional>

#include "engine/wire/names.hpp"
#include "engine/wire/octets.hpp"
#include "engine/wire/packet.hpp"
#include "tests/wire/capture.hpp"

namespace fanfare::wire {
namespace {

using test::Octets;
using Check = std::function<bool(const Packet&)>;

std::string hex_of(const Octets& octets) {
    std::string text;
    for (auto octet : octets) {
        text += "0123456789abcdef"[std::to_integer<unsigned>(octet) >> 4];
        text += "0123456789abcdef"[std::to_integer<unsigned>(octet) & 15];
    }
    return text;
}

// Decodes `hex`, asks `check`, and encodes again to the same octets.
void expect_layout(const std::string& hex, const Check& check) {
    Octets octets = test::from_hex(hex);
    Packet packet;
    ASSERT_EQ(decode(octets, packet), DecodeError::none) << hex;
    EXPECT_TRUE(check(packet)) << hex;
    Octets again(encoded_size(packet));
    ASSERT_EQ(encode(packet, again), octets.size()) << hex;
    put16(octets.data() + kChecksumAt, 0);
    EXPECT_EQ(hex_of(again), hex_of(octets));
}

std::string header(const std::string& type, const std::string& flags, const std::string& tsdu) {
    return "beef1d4c" + type + flags + "1111" + "010203040506" + tsdu;
}

const std::string kAddress1 = "000100000a000001";  // AFI 1, 10.0.0.1
const std::string kAddress2 = "00010000efc00909";  // AFI 1, 239.192.9.9

TEST(Layout, FixedPartsOfAllTypesStandAsDrawn) {
    expect_layout(header("00", "00", "0000") + "01020304" + "11121314" + "21222324" + kAddress1,
                  [](const Packet& p) {
                      return p.type == Type::spm && p.sqn == 0x01020304 && p.trail == 0x11121314 &&
                             p.lead == 0x21222324 && p.path == Address::from_octets(10, 0, 0, 1) &&
                             p.source_port == 0xBEEF && p.destination_port == 7500 &&
                             p.tsi().source_port == 0xBEEF && p.data_port() == 7500 &&
                             p.gsi.octets == std::array<std::uint8_t, 6>{1, 2, 3, 4, 5, 6};
                  });
    expect_layout(header("01", "00", "0000") + "01020304" + "0506" + "0708" + kAddress1 +
                      "11121314" + "21222324" + "31323334",
                  [](const Packet& p) {
                      return p.type == Type::poll && p.sqn == 0x01020304 &&
                             p.poll.round == 0x0506 && p.poll.subtype == 0x0708 &&
                             p.path == Address::from_octets(10, 0, 0, 1) &&
                             p.poll.backoff_us == 0x11121314 && p.poll.random == 0x21222324 &&
                             p.poll.mask == 0x31323334 && !p.towards_source();
                  });
    expect_layout(header("02", "00", "0000") + "01020304" + "0506" + "0000", [](const Packet& p) {
        return p.type == Type::polr && p.sqn == 0x01020304 && p.poll.round == 0x0506 &&
               p.towards_source() && p.tsi().source_port == 7500 && p.data_port() == 0xBEEF;
    });
    for (const char* type : {"04", "05"}) {
        expect_layout(header(type, "00", "0003") + "01020304" + "11121314" + "616263",
                      [&](const Packet& p) {
                          return p.type == (type[1] == '4' ? Type::odata : Type::rdata) &&
                                 p.sqn == 0x01020304 && p.trail == 0x11121314 &&
                                 p.tsdu_length == 3 && p.payload.size() == 3 &&
                                 p.payload[2] == std::byte{0x63} && !p.towards_source();
                      });
    }
    for (const char* type : {"08", "09", "0a"}) {
        expect_layout(
            header(type, "00", "0000") + "01020304" + kAddress1 + kAddress2, [&](const Packet& p) {
                return p.type == static_cast<Type>(std::stoi(type, nullptr, 16)) &&
                       p.sqn == 0x01020304 && p.source == Address::from_octets(10, 0, 0, 1) &&
                       p.group == Address::from_octets(239, 192, 9, 9) &&
                       p.towards_source() == (p.type != Type::ncf);
            });
    }
    expect_layout(header("0c", "00", "0000"),
                  [](const Packet& p) { return p.type == Type::spmr && p.towards_source(); });
    expect_layout(header("0d", "00", "0000") + "01020304" + "80000001", [](const Packet& p) {
        return p.type == Type::ack && p.sqn == 0x01020304 && p.ack_bitmap == 0x80000001 &&
               p.towards_source();
    });
}

TEST(Layout, TheOtherNumberOfAckIsTakenAsAck) {
    Packet packet;
    ASSERT_EQ(decode(test::from_hex(header("0b", "00", "0000") + "0102030400000001"), packet),
              DecodeError::none);
    EXPECT_EQ(packet.type, Type::ack);
    EXPECT_EQ(packet.sqn, 0x01020304u);
}

TEST(Layout, EveryOptionStandsAsDrawn) {
    struct Case {
        OptionBit option;
        const char* hex;
        Check check;
    };
    const auto at = [](std::uint8_t d) { return Address::from_octets(10, 0, 0, d); };
    const Case cases[] = {
        {OptionBit::fragment, "81100000010203040000001100000bb8",
         [](const Packet& p) {
             const auto& f = p.options.fragment;
             return f.first_sqn == 0x01020304 && f.offset == 0x11 && f.apdu_length == 3000;
         }},
        {OptionBit::nak_list, "820c00000102030405060708",
         [](const Packet& p) {
             return p.options.nak_list.count == 2 && nak_list_at(p.options, 0) == 0x01020304 &&
                    nak_list_at(p.options, 1) == 0x05060708;
         }},
        {OptionBit::join, "8308000001020304",
         [](const Packet& p) { return p.options.join.min_sqn == 0x01020304; }},
        {OptionBit::nak_bo_ivl, "840c00000000c35001020304",
         [](const Packet& p) {
             return p.options.nak_bo_ivl.interval_us == 50'000 &&
                    p.options.nak_bo_ivl.sqn == 0x01020304;
         }},
        {OptionBit::nak_bo_rng, "850c00000000c35000000032",
         [](const Packet& p) {
             return p.options.nak_bo_rng.max_us == 50'000 && p.options.nak_bo_rng.min_us == 50;
         }},
        {OptionBit::nbr_unreach, "8b040000", [](const Packet&) { return true; }},
        {OptionBit::path_nla, "8c0800000a000007",
         [&](const Packet& p) { return p.options.path_nla.path == at(7); }},
        {OptionBit::redirect, "870c0000000100000a000008",
         [&](const Packet& p) { return p.options.redirect.dlr == at(8); }},
        {OptionBit::parity_prm, "8808000200000008",
         [](const Packet& p) {
             const auto& o = p.options.parity_prm;
             return o.proactive && !o.ondemand && o.group_size == 8;
         }},
        {OptionBit::parity_prm, "8808000100000008",
         [](const Packet& p) {
             return !p.options.parity_prm.proactive && p.options.parity_prm.ondemand;
         }},
        {OptionBit::parity_grp, "8908000000000002",
         [](const Packet& p) { return p.options.parity_grp.group == 2; }},
        {OptionBit::curr_tgsize, "8a08000000000005",
         [](const Packet& p) { return p.options.curr_tgsize.actual_size == 5; }},
        {OptionBit::syn, "8d040000", [](const Packet&) { return true; }},
        {OptionBit::fin, "8e040000", [](const Packet&) { return true; }},
        {OptionBit::rst, "8f04006a",
         [](const Packet& p) {
             return p.options.rst.nak_unanswered && p.options.rst.error == 0x2A;
         }},
        {OptionBit::rst, "8f04003f",
         [](const Packet& p) {
             return !p.options.rst.nak_unanswered && p.options.rst.error == 0x3F;
         }},
        {OptionBit::cr, "90180005010203041111122213330000000100000a000009",
         [&](const Packet& p) {
             const auto& o = p.options.cr;
             return o.what == 5 && o.sqn == 0x01020304 && o.worst_link == 0x1111 &&
                    o.worst_path == 0x1222 && o.receiver_path == 0x1333 && o.receiver == at(9);
         }},
        {OptionBit::crqst, "91040006", [](const Packet& p) { return p.options.crqst.what == 6; }},
        {OptionBit::cc_data, "9210000001020304000100000a00000a",
         [&](const Packet& p) {
             return p.options.cc_data.timestamp_ms == 0x01020304 &&
                    p.options.cc_data.acker == at(10);
         }},
        {OptionBit::cc_feedback, "9310000001020304000180000a00000b",
         [&](const Packet& p) {
             const auto& o = p.options.cc_feedback;
             return o.timestamp_ms == 0x01020304 && o.loss == 0x8000 && o.acker == at(11);
         }},
        {OptionBit::invalid, "ff040000", [](const Packet&) { return true; }},
        {OptionBit::packed, "f0040000", [](const Packet&) { return true; }},
    };
    std::uint32_t seen = 0;
    for (const auto& c : cases) {
        SCOPED_TRACE(to_string(c.option));
        const std::string option = c.hex;
        const std::size_t total = 4 + option.size() / 2;
        const std::string length = {"0123456789abcdef"[total >> 4], "0123456789abcdef"[total & 15]};
        const auto flags = option_flags(Type::spm, bit(c.option));
        expect_layout(
            header("00", flags == 3 ? "03" : "01", "0000") + "01020304" + "11121314" + "21222324" +
                kAddress1 + "000400" + length + option,
            [&](const Packet& p) { return p.options.present == bit(c.option) && c.check(p); });
        seen |= bit(c.option);
    }
    EXPECT_EQ(seen, bit(OptionBit::unknown) - 1) << "an option has no layout here";
}

TEST(Layout, OptionsOfAParityPacketAreKeptAsTheyWereEncoded) {
    // Offset above length is nothing wrong in a sum of fragments; U is set.
    expect_layout(header("05", "80", "0002").replace(10, 2, "81") + "01020304" + "11121314" +
                      "00040018" + "01100485f1f2f3f4ffffffff00000bb8" + "f00404c1" + "abcd",
                  [](const Packet& p) {
                      const auto& o = p.options;
                      return o.encoded == kPayloadOptions && o.fragment.fourth == 0x85 &&
                             o.fragment.first_sqn == 0xF1F2F3F4 &&
                             o.fragment.offset == 0xFFFFFFFF && o.fragment.apdu_length == 3000 &&
                             o.packed.fourth == 0xC1;
                  });
}

TEST(Layout, TheEncodedBitCountsOnlyForPayloadOptionsInParityPackets) {
    Packet packet;
    // The same option in a packet that is not parity: F is ignored and the rule holds.
    EXPECT_EQ(decode(test::from_hex(header("05", "01", "0000") + "0102030411121314" + "00040014" +
                                    "81100485f1f2f3f4ffffffff00000bb8"),
                     packet),
              DecodeError::fragment_invalid);
    // OpenPGM leaves memory's own octets in these two.
    for (const char* option : {"820cdddd0102030405060708", "9210d4c401020304000100000a00000a"}) {
        const std::string text = option;
        const char* total = text.size() == 24 ? "00040010" : "00040014";
        ASSERT_EQ(
            decode(test::from_hex(header("05", "81", "0000") + "0102030411121314" + total + text),
                   packet),
            DecodeError::none);
        EXPECT_EQ(packet.options.encoded, 0u);
    }
}

TEST(Layout, OfAnOptionThatOccursTwiceTheFirstCounts) {
    Packet packet;
    ASSERT_EQ(
        decode(test::from_hex(header("00", "01", "0000") + "000000010000000200000003" + kAddress1 +
                              "00040014" + "0308000000000007" + "8308000000000009"),
               packet),
        DecodeError::none);
    EXPECT_EQ(packet.options.join.min_sqn, 7u);
}

}  // namespace
}  // namespace fanfare::wire
