// Source and receivers with parity, in virtual time (RFC 3208 section 11).
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>

#include "tests/engine/packets.hpp"

namespace fanfare::engine::test {
namespace {

using wire::OptionBit;

bool all_over(const Pair& pair) {
    return std::all_of(pair.subscribers.begin(), pair.subscribers.end(), [](const Subscriber& s) {
        return s.started && s.receiver->state() != SessionState::open;
    });
}
void expect_complete(Pair& pair, Nanos limit = 20 * kSecond) {
    ASSERT_TRUE(pair.run_until([&] { return all_over(pair); }, limit))
        << pair.subscribers[0].messages.size() << " of " << pair.sent.size();
    for (auto& s : pair.subscribers) {
        EXPECT_EQ(s.receiver->state(), SessionState::finished)
            << static_cast<int>(s.receiver->cause());
        EXPECT_TRUE(s.messages == pair.sent) << s.messages.size() << " of " << pair.sent.size();
    }
}

PairParameters with_parity(std::uint8_t k, std::uint8_t h, bool on_demand, std::uint8_t n = 255) {
    PairParameters p;
    p.source.parity = {k, n, h, on_demand};
    return p;
}
bool is_parity(const Datagram& d) {
    return (d.kind == FrameKind::odata || d.kind == FrameKind::rdata) &&
           (d.decoded().flags & wire::kOptParity) != 0;
}
bool is_data(const Datagram& d) {
    return d.kind == FrameKind::odata && !is_parity(d);
}

// Everything that a run sent, by kind.
struct Count {
    explicit Count(Pair& pair) {
        pair.tap = [this](const Datagram& d) {
            EXPECT_LE(d.ip_size(), 1500u);
            const bool parity = (d.decoded().flags & wire::kOptParity) != 0;
            switch (d.kind) {
                case FrameKind::odata:
                    ++(parity ? proactive : data);
                    break;
                case FrameKind::rdata:
                    ++(parity ? on_demand : repairs);
                    break;
                case FrameKind::nak:
                    ++(parity ? parity_naks : naks);
                    break;
                case FrameKind::ncf:
                    ++(parity ? parity_ncfs : ncfs);
                    break;
                default:
                    break;
            }
        };
    }
    int data = 0, proactive = 0, repairs = 0, on_demand = 0, naks = 0, parity_naks = 0, ncfs = 0,
        parity_ncfs = 0;
};

TEST(Parity, TwoParityPacketsFollowEachGroupOf8AndNothingElseChanges) {
    Pair pair(with_parity(8, 2, false));
    Count count(pair);
    for (std::size_t i = 0; i < 64; ++i) pair.send(message_of(i, 1000));
    pair.finish();
    expect_complete(pair);
    EXPECT_EQ(count.data, 64);
    EXPECT_EQ(count.proactive, 16);
    EXPECT_EQ(count.naks, 0);
    EXPECT_EQ(pair.subscribers[0].receiver->statistics().parity_unneeded, 16u);
}

// OpenPGM's odata_jump_parity: data is lost, and later packets bring it back without a NAK.
TEST(Parity, OdataJumpParity_TwoLostOfEachGroupOf8AreMadeWithoutAnyNak) {
    Pair pair(with_parity(8, 2, false));
    Count count(pair);
    std::map<Sqn, int> lost;
    pair.drop = [&](const Datagram& d, std::size_t) {
        if (!is_data(d)) return false;
        const Sqn sqn = d.decoded().sqn;
        return sqn % 8 == (sqn / 8) % 8 || sqn % 8 == (sqn / 8 * 3 + 1) % 8;
    };
    for (std::size_t i = 0; i < 800; ++i) pair.send(message_of(i, 1000));
    pair.finish();
    expect_complete(pair);
    EXPECT_EQ(count.naks, 0);
    EXPECT_EQ(count.repairs, 0);
    EXPECT_GT(pair.subscribers[0].receiver->statistics().parity_decoded, 150u);
}

}  // namespace
}  // namespace fanfare::engine::test
