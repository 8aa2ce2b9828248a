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

}  // namespace
}  // namespace fanfare::engine::test
