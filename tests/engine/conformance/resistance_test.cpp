// RFC 3208 section 10: what a host that sends from its own address alone can bring about.
#include "tests/engine/conformance/alone.hpp"

namespace fanfare::engine::test {
namespace {

const Address kStranger = Address::from_octets(10, 0, 7, 7);

Datagram from_stranger(Datagram d, Address to) {
    d.from = kStranger;
    d.to = to;
    return d;
}

TEST(Resistance, NumbersThatWereNeverSentAreNotConfirmedByARepairer) {
    PairParameters p;
    p.receivers = 3;
    p.repairer = true;
    p.source.random_first_sqn = false;
    Pair pair(p);
    for (std::size_t i = 0; i < 20; ++i) pair.send(message_of(i, 500));
    pair.run_for(20 * kMillisecond);
    // Its NCFs bear the source's address: receivers would look for what nobody can give them.
    for (int i = 0; i < 100; ++i) {
        const Sqn ahead = pair.source->lead() + 50 + static_cast<Sqn>(i) * 10;
        pair.inject(from_stranger(nak({ahead, ahead + 1}), receiver_address(0)), i * kMillisecond);
    }
    pair.run_for(5 * kSecond);
    for (std::size_t i = 0; i < 20; ++i) pair.send(message_of(i, 500));
    pair.finish();
    pair.run_for(2 * kSecond);
    for (const Subscriber& s : pair.subscribers) {
        EXPECT_EQ(s.receiver->state(), SessionState::finished);
        EXPECT_TRUE(s.messages == pair.sent);
        EXPECT_EQ(s.receiver->statistics().naks_sent, 0u);
    }
}

// Heard in the subnet alone, so that the source knows nothing of it.
TEST_F(ReceiverAlone, NaksOfAnotherThatNobodyConfirmsDoNotSilenceUsForGood) {
    give(odata(102, 100, "c"));
    const Nanos begin = now;
    while (of(FrameKind::nak).empty() && now < begin + 2 * kSecond) {
        give(from_stranger(nak({101}), kGroup));
        run_for(500 * kMicrosecond);
    }
    ASSERT_FALSE(of(FrameKind::nak).empty());
    EXPECT_LT(now - begin, 100 * kMillisecond) << "less than half of the window";
}

TEST_F(ReceiverAlone, NaksOfAnotherDoNotPutOffTheSecondRequestForGoodEither) {
    give(odata(102, 100, "c"));
    give(ncf({101}));
    const Nanos begin = now;
    while (of(FrameKind::nak).empty() && now < begin + 2 * kSecond) {
        give(from_stranger(nak({101}), kGroup));
        run_for(500 * kMicrosecond);
    }
    ASSERT_FALSE(of(FrameKind::nak).empty());
    EXPECT_LT(now - begin, 100 * kMillisecond);
}

// Without an SPM nobody may ask for anything (RFC 6.2), and a stranger that asks for SPMs again and
// again keeps us from asking.
TEST_F(ReceiverAlone, SpmrsOfAnotherDoNotSilenceOursForGood) {
    receiver->start({kTsi, kDataPort, kGroup, kSourceAddress, receiver_address(0)}, 5, now);
    give(odata(100, 100, "a"));
    const Nanos begin = now;
    while (of(FrameKind::spmr).empty() && now < begin + 2 * kSecond) {
        give(from_stranger(spmr(), kGroup));
        run_for(50 * kMicrosecond);
    }
    ASSERT_FALSE(of(FrameKind::spmr).empty());
    EXPECT_LT(now - begin, 100 * kMillisecond);
}

// RFC 5.2: a storm of NAKs leaves data and repairs their part of the rate, though NCFs go first.
TEST(Resistance, AStormOfNaksLeavesDataItsPartOfTheRate) {
    PairParameters p;
    p.source.rate_bits_per_s = 50'000'000;
    p.source.random_first_sqn = false;
    Pair pair(p);
    Random random(7);
    for (std::size_t i = 0; i < 20; ++i) pair.send(message_of(i, 1000));
    pair.run_for(20 * kMillisecond);
    for (int ms = 0; ms < 200; ++ms) {
        for (int i = 0; i < 50; ++i) pair.send(message_of(i, 100));
        for (int i = 0; i < 100; ++i) {
            std::vector<Sqn> sqns(63);
            for (Sqn& sqn : sqns)
                sqn = pair.source->lead() - static_cast<Sqn>(random.next() % 5000);
            pair.inject(from_stranger(nak(sqns), kSourceAddress), i * 10 * kMicrosecond);
        }
        pair.run_for(kMillisecond);
    }
    // 1,250,000 octets fit into the time; a third is for NCFs, half of the rest for repairs.
    EXPECT_GT(pair.source->statistics().data_bytes_sent, 250'000u);
    EXPECT_GT(pair.source->statistics().ncf_sent, 500u) << "some are answered all the same";
}

// Whatever a stranger says in its own name, to whomever: everybody gets everything.
class Stranger {
  public:
    Stranger(Pair& pair, std::uint64_t seed) : pair_(pair), random_(seed) {}

    void speak() {
        Datagram d = packet();
        d.from = kStranger;
        const Address group = kGroup;
        switch (random_.next() % 3) {
            case 0:
                d.to = group;
                break;
            case 1:
                d.to = kSourceAddress;
                break;
            default:
                d.to = receiver_address(random_.next() % pair_.subscribers.size());
        }
        pair_.inject(std::move(d), random_.between(0, kMillisecond));
    }

  private:
    Sqn number() {
        const Sqn lead = pair_.source->lead();
        switch (random_.next() % 6) {
            case 0:
                return static_cast<Sqn>(random_.next());
            case 1:
                return lead + static_cast<Sqn>(random_.next() % 4000);
            case 2:
                return lead + (1u << 31) + static_cast<Sqn>(random_.next() % 3) - 1;
            default:
                return lead - static_cast<Sqn>(random_.next() % 200);
        }
    }
    Datagram packet() {
        using wire::OptionBit;
        using wire::Type;
        const auto any = static_cast<std::uint32_t>(random_.next());
        switch (random_.next() % 10) {
            case 0:
            case 1:
            case 2:
            case 3: {
                std::vector<Sqn> sqns(1 + random_.next() % 63);
                for (Sqn& sqn : sqns) sqn = number();
                const std::array types{Type::nak, Type::nak, Type::nak, Type::nnak, Type::ncf};
                return request(types[random_.next() % types.size()], sqns, [&](wire::Packet& p) {
                    if (random_.next() % 4 == 0) p.flags |= wire::kOptParity;
                    feedback(p, any);
                });
            }
            case 4:
                return spmr();
            case 5: {
                wire::Packet p = from_receiver(Type::polr);
                p.sqn = any % 4;
                p.options.set(OptionBit::redirect);
                p.options.redirect.dlr = kStranger;
                return datagram_of(p, kStranger, kGroup);
            }
            case 6: {
                wire::Packet p = from_receiver(Type::ack);
                p.sqn = number();
                p.ack_bitmap = any;
                feedback(p, any);
                return datagram_of(p, kStranger, kGroup);
            }
            case 7: {
                wire::Packet p = from_source(Type::poll);
                p.sqn = any % 8;
                p.path = kStranger;
                return datagram_of(p, kStranger, kGroup);
            }
            case 8:
                return spm(any, number(), number(), [&](wire::Packet& p) {
                    if (any & 1) p.options.set(OptionBit::rst);
                    if (any & 2) p.options.set(OptionBit::fin);
                    if (any & 4) p.options.set(OptionBit::nbr_unreach);
                    if (any & 8) {
                        p.options.set(OptionBit::curr_tgsize);
                        p.options.curr_tgsize.actual_size = any % 9;
                    }
                });
            default:
                return odata(number(), number(), "false", [&](wire::Packet& p) {
                    if (any & 1) p.type = Type::rdata;
                    if (any & 2) p.flags |= wire::kOptParity;
                    if (any & 4) p.options.set(OptionBit::fin);
                });
        }
    }
    void feedback(wire::Packet& p, std::uint32_t any) {
        if (any % 3 != 0) return;
        p.options.set(wire::OptionBit::cc_feedback);
        p.options.cc_feedback = {static_cast<std::uint32_t>(pair_.now / kMillisecond),
                                 static_cast<std::uint16_t>(any >> 16),
                                 any % 2 ? kStranger : receiver_address(0)};
    }

    Pair& pair_;
    Random random_;
};

struct AStranger : ::testing::TestWithParam<std::uint64_t> {};

TEST_P(AStranger, CanNeitherEndASessionNorTakeDataFromIt) {
    const std::uint64_t seed = GetParam();
    std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
    Random random(seed);
    PairParameters p;
    p.seed = seed;
    p.receivers = 1 + random.next() % 4;
    p.repairer = random.next() % 2 == 0;
    p.multicast_naks = random.next() % 2 == 0;
    p.source.rate_bits_per_s = 50'000'000;
    p.source.random_first_sqn = false;
    p.first_sqn = random.next() % 2 ? 0xFFFFFF00u : 0x7FFFFF00u;
    p.link.loss = 0.02;
    if (random.next() % 2 == 0) p.source.parity = {8, 255, 1, random.next() % 2 == 0};
    Pair pair(p);
    // Who opens a session first is believed: the source was there before.
    pair.send("begin");
    pair.run_for(2 * kMillisecond);
    Stranger stranger(pair, seed);
    for (std::size_t i = 0; i < 600; ++i) {
        pair.send(message_of(i, 200 + i % 900));
        if (i % 20 == 19) pair.run_for(3 * kMillisecond);
        for (int spoken = 0; spoken < 8; ++spoken) stranger.speak();
    }
    for (int i = 0; i < 100; ++i) {
        stranger.speak();
        pair.run_for(kMillisecond);
    }
    pair.finish();
    pair.run_until([&] {
        stranger.speak();
        return std::all_of(
            pair.subscribers.begin(), pair.subscribers.end(),
            [](const Subscriber& s) { return s.receiver->state() != SessionState::open; });
    });
    for (const Subscriber& s : pair.subscribers) {
        EXPECT_EQ(s.receiver->state(), SessionState::finished)
            << static_cast<int>(s.receiver->cause());
        EXPECT_TRUE(s.messages == pair.sent);
    }
}

INSTANTIATE_TEST_SUITE_P(Seeds, AStranger, ::testing::Range<std::uint64_t>(1, 41));

}  // namespace
}  // namespace fanfare::engine::test
