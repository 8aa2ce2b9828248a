// ZeroMQ's framing: what the encoder makes, what the decoder makes of it and of anything else.
#include "apps/fanfare/zmtp.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace fanfare::tool {
namespace {

using Octets = std::vector<std::byte>;

Octets octets(const std::string& text) {
    const auto* from = reinterpret_cast<const std::byte*>(text.data());
    return {from, from + text.size()};
}
std::string text(std::span<const std::byte> octets) {
    return {reinterpret_cast<const char*>(octets.data()), octets.size()};
}
Octets hex(const std::string& digits) {
    Octets out;
    for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
        out.push_back(static_cast<std::byte>(std::stoi(digits.substr(i, 2), nullptr, 16)));
    return out;
}

struct Encoded {
    std::vector<Octets> payloads;
    ZmtpEncoder encoder;
    explicit Encoded(std::size_t limit)
        : encoder(limit, [this](std::span<const std::byte> p) {
              payloads.emplace_back(p.begin(), p.end());
          }) {}
};
struct Decoded {
    std::vector<std::string> messages;
    ZmtpDecoder decoder;
    explicit Decoded(std::size_t limit = 1 << 20)
        : decoder([this](std::span<const std::byte> m) { messages.push_back(text(m)); }, limit) {}
};

std::uint16_t offset_of(const Octets& payload) {
    return static_cast<std::uint16_t>(std::to_integer<unsigned>(payload[0]) << 8 |
                                      std::to_integer<unsigned>(payload[1]));
}

TEST(ZmtpEncoder, MakesTheOctetsThatZeroMqWasSeenToSend) {
    Encoded e(kZmtpPayloadUdp);
    e.encoder.add(octets("hello"));
    e.encoder.add(octets("part1"), true);
    e.encoder.add(octets("part2"));
    e.encoder.add(octets(std::string(300, 'x')));
    e.encoder.flush();
    ASSERT_EQ(e.payloads.size(), 1u);
    Octets expected =
        hex("0000"
            "0600");
    const auto append = [&](const Octets& more) {
        expected.insert(expected.end(), more.begin(), more.end());
    };
    append(octets("hello"));
    append(hex("0601"));
    append(octets("part1"));
    append(hex("0600"));
    append(octets("part2"));
    append(hex("FF000000000000012D00"));
    append(octets(std::string(300, 'x')));
    EXPECT_EQ(e.payloads[0], expected);
}

TEST(ZmtpEncoder, KeepsAShortLengthUpTo254AndALongOneFrom255) {
    Encoded e(1000);
    e.encoder.add(octets(std::string(253, 'a')));
    e.encoder.flush();
    e.encoder.add(octets(std::string(254, 'a')));
    e.encoder.flush();
    ASSERT_EQ(e.payloads.size(), 2u);
    EXPECT_EQ(e.payloads[0][2], std::byte{254});
    EXPECT_EQ(e.payloads[1][2], std::byte{255});
    EXPECT_EQ(e.payloads[1].size(), 2u + 10 + 254);
}

TEST(ZmtpEncoder, SaysThatNoMessageStartsWhereAPacketHoldsOnlyTheMiddleOfOne) {
    Encoded e(100);
    e.encoder.add(octets(std::string(250, 'a')));
    e.encoder.add(octets("b"));
    e.encoder.flush();
    ASSERT_EQ(e.payloads.size(), 3u);
    EXPECT_EQ(offset_of(e.payloads[0]), 0);
    EXPECT_EQ(offset_of(e.payloads[1]), kZmtpNoStart);
    EXPECT_EQ(offset_of(e.payloads[2]), 252 - 2 * 98);  // behind the end of the first
}

TEST(ZmtpEncoder, CountsALaterPartAsNoStart) {
    Encoded e(20);
    e.encoder.add(octets(std::string(16, 'a')), true);  // fills the payload
    e.encoder.add(octets("b"));
    e.encoder.add(octets("c"));
    e.encoder.flush();
    ASSERT_EQ(e.payloads.size(), 2u);
    EXPECT_EQ(offset_of(e.payloads[1]), 3);
}

TEST(ZmtpEncoder, NeverMakesAnEmptyPayload) {
    Encoded e(10);
    e.encoder.flush();
    e.encoder.add(octets("123456"));  // exactly full
    e.encoder.flush();
    ASSERT_EQ(e.payloads.size(), 1u);
    EXPECT_TRUE(e.encoder.empty());
}

TEST(ZmtpDecoder, GivesBackWhatTheEncoderTookWhateverTheSizes) {
    const std::uint64_t seed = 20261121;
    std::cout << "seed " << seed << "\n";
    std::mt19937_64 random(seed);
    for (int round = 0; round < 200; ++round) {
        Encoded e(3 + random() % 1500);
        Decoded d;
        std::vector<std::string> sent;
        for (int i = 0; i < 30; ++i) {
            std::string whole;
            const auto parts = 1 + random() % 3;
            for (std::uint64_t part = 0; part < parts; ++part) {
                std::string body(random() % (random() % 5 == 0 ? 3000 : 40), '\0');
                for (char& c : body) c = static_cast<char>(random());
                e.encoder.add(octets(body), part + 1 < parts);
                whole += body;
            }
            sent.push_back(whole);
            if (random() % 4 == 0) e.encoder.flush();
        }
        e.encoder.flush();
        for (const auto& payload : e.payloads) d.decoder.payload(payload);
        ASSERT_EQ(d.messages, sent) << "round " << round;
        ASSERT_EQ(d.decoder.malformed(), 0u);
    }
}

TEST(ZmtpDecoder, StartsAtTheFirstMessageThatBeginsAfterItJoined) {
    Encoded e(100);
    e.encoder.add(octets(std::string(250, 'a')));
    e.encoder.add(octets("b"));
    e.encoder.flush();
    e.encoder.add(octets("c"));
    e.encoder.flush();
    Decoded d;
    for (std::size_t i = 1; i < e.payloads.size(); ++i) d.decoder.payload(e.payloads[i]);
    EXPECT_EQ(d.messages, (std::vector<std::string>{"b", "c"}));
}

TEST(ZmtpDecoder, TakesAnOffsetAtTheEndAsAMessageThatStartsTheNextPacket) {
    Decoded d;
    d.decoder.payload(hex(
        "000361616102006200"));  // rubbish before, then offset 3: "b", and one octet of a length
    ASSERT_EQ(d.messages, std::vector<std::string>{"b"});
    Decoded late;
    late.decoder.payload(hex("0003616161"));
    EXPECT_TRUE(late.decoder.synchronised());
    late.decoder.payload(hex("0000020063"));
    EXPECT_EQ(late.messages, std::vector<std::string>{"c"});
}

TEST(ZmtpDecoder, FindsTheNextMessageBehindAMissingPacket) {
    Encoded e(60);
    e.encoder.add(octets(std::string(150, 'a')));
    e.encoder.add(octets("b"));
    e.encoder.flush();
    ASSERT_EQ(e.payloads.size(), 3u);
    Decoded d;
    d.decoder.payload(e.payloads[0]);
    d.decoder.payload(e.payloads[2]);
    EXPECT_EQ(d.messages, std::vector<std::string>{"b"});
    EXPECT_EQ(d.decoder.malformed(), 1u);
}

TEST(ZmtpDecoder, RefusesWhatIsNoPayloadAndGoesOnAfterIt) {
    const Octets good = hex("0000020062");
    for (const char* bad : {"", "00", "000100", "FFFE61", "00000000", "0000FF0000000000000000"}) {
        Decoded d;
        d.decoder.payload(good);
        d.decoder.payload(hex(bad));
        d.decoder.payload(good);
        EXPECT_EQ(d.messages, (std::vector<std::string>{"b", "b"})) << bad;
    }
}

TEST(ZmtpDecoder, TakesNoMessageBeyondItsLimitWhateverItsLengthSays) {
    Decoded d(1000);
    d.decoder.payload(hex("0000FF7FFFFFFFFFFFFFFF00616161"));
    EXPECT_EQ(d.decoder.malformed(), 1u);
    // Nor one that grows part by part.
    Encoded e(1400);
    for (int i = 0; i < 5; ++i) e.encoder.add(octets(std::string(300, 'a')), true);
    e.encoder.flush();
    for (const auto& payload : e.payloads) d.decoder.payload(payload);
    EXPECT_GE(d.decoder.malformed(), 2u);
    d.decoder.payload(hex("0000020062"));
    EXPECT_EQ(d.messages, std::vector<std::string>{"b"});
}

TEST(ZmtpDecoder, SurvivesAnyOctets) {
    const std::uint64_t seed = 77;
    std::cout << "seed " << seed << "\n";
    std::mt19937_64 random(seed);
    Decoded d;
    for (int i = 0; i < 20'000; ++i) {
        Octets payload(random() % 64);
        for (auto& o : payload) o = static_cast<std::byte>(random() % 3 ? random() % 5 : random());
        d.decoder.payload(payload);
    }
    d.decoder.resynchronise();
    d.messages.clear();
    d.decoder.payload(hex("0000020062"));
    EXPECT_EQ(d.messages, std::vector<std::string>{"b"});
}

}  // namespace
}  // namespace fanfare::tool
