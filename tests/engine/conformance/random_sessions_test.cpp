// Sessions with parity of any size, packets of any length, pauses, and links that lose, repeat,
// damage and delay: the seed decides, and everybody gets everything.
#include <cstdio>

#include "tests/engine/conformance/alone.hpp"

namespace fanfare::engine::test {
namespace {

struct RandomSessions : ::testing::TestWithParam<std::uint64_t> {
    Random random{GetParam() * 7919};
    std::uint64_t below(std::uint64_t end) { return random.next() % end; }

    PairParameters draw() {
        PairParameters p;
        const auto k = static_cast<std::uint8_t>(2u << below(6));
        const auto n = static_cast<std::uint8_t>(below(3) == 0 ? k + 1 + below(255u - k) : 255);
        const auto h = static_cast<std::uint8_t>(below(std::min<unsigned>(n - k, k) + 1));
        p.source.parity = {k, n, h, h == 0 || below(2) == 0};
        p.source.rate_bits_per_s = 20'000'000ull << below(4);
        p.source.window_ns = 2 * kSecond;
        p.source.window_bytes = 100'000'000;
        p.source.random_first_sqn = false;
        p.first_sqn = below(2) == 0 ? 0xFFFFFF00u : 0x7FFFFF80u;
        p.seed = GetParam();
        p.log_bytes = std::size_t{1} << (19 + below(3));
        p.index_entries = std::size_t{1} << (11 + below(3));
        p.receiver.parity_bytes = (64u << 10) << below(4);
        p.receivers = 1 + below(3);
        p.repairer = p.receivers > 1 && below(3) == 0;
        p.multicast_naks = below(2) == 0;
        p.mtu = below(4) == 0 ? 9000 : 1500;
        p.link.loss = 0.01 * static_cast<double>(below(9));
        p.link.duplicate = 0.01 * static_cast<double>(below(3));
        p.link.corrupt = 0.01 * static_cast<double>(below(3));
        p.link.delay_ns = kMicrosecond << below(11);
        p.link.jitter_ns = below(2) == 0 ? 0 : kMicrosecond << below(11);
        return p;
    }
};

TEST_P(RandomSessions, DeliverEverything) {
    std::printf("seed %llu\n", static_cast<unsigned long long>(GetParam()));
    Pair pair(draw());
    const std::array<std::size_t, 3> lengths{300, 1400, 6000};
    const std::size_t most = lengths[below(3)];
    const bool alike = below(3) == 0;
    const std::uint64_t pauses = below(3) == 0 ? 10 : 200;
    for (std::size_t i = 0; i < 500; ++i) {
        pair.send(message_of(i, alike ? most : 1 + below(most)));
        if (below(pauses) == 0) pair.run_for(static_cast<Nanos>(below(20)) * kMillisecond);
    }
    pair.finish();
    const auto over = [](const Subscriber& s) {
        return s.started && s.receiver->state() != SessionState::open;
    };
    EXPECT_TRUE(pair.run_until(
        [&] { return std::all_of(pair.subscribers.begin(), pair.subscribers.end(), over); },
        60 * kSecond));
    for (const Subscriber& s : pair.subscribers) {
        EXPECT_EQ(s.receiver->state(), SessionState::finished)
            << static_cast<int>(s.receiver->cause());
        EXPECT_TRUE(s.messages == pair.sent) << s.messages.size();
    }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomSessions, ::testing::Range<std::uint64_t>(1, 101));

}  // namespace
}  // namespace fanfare::engine::test
