// take_in_order against on_packet: two receivers hear the same, one in runs, one packet by packet,
// and end alike.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "engine/core/receiver.hpp"
#include "tests/engine/packets.hpp"

namespace fanfare::engine::test {
namespace {

using wire::OptionBit;

struct Listener {
    Listener() : index(1024), log(1u << 16) {
        receiver.start({kTsi, kDataPort, kGroup, kSourceAddress}, 5, kSecond);
    }
    Verdict give(const Datagram& d, Nanos now) {
        Output out = frames.output();
        const wire::Packet packet = d.decoded();
        receiver.open_burst(packet.payload.size());
        return receiver.on_packet(packet, d.octets, d.from, now, out);
    }
    // A burst as a worker hands it over.
    void burst(const std::vector<Datagram>& datagrams, Nanos now) {
        std::vector<Received> received;
        std::size_t bytes = 0;
        for (const Datagram& d : datagrams) {
            received.push_back({d.decoded(), d.octets, d.from});
            bytes += received.back().packet.payload.size();
        }
        receiver.open_burst(bytes);
        std::vector<const Received*> places;
        for (const Received& r : received) places.push_back(&r);
        std::span<const Received* const> run(places);
        while (!run.empty()) {
            Receiver::Refused passed_over{};
            const Receiver::Run taken = receiver.take_in_order(run, now, passed_over);
            runs += taken.accepted;
            refused += taken.packets - taken.accepted;
            EXPECT_EQ(std::accumulate(passed_over.begin(), passed_over.end(), taken.accepted),
                      taken.packets);
            run = run.subspan(taken.packets);
            if (run.empty()) break;
            Output out = frames.output();
            receiver.on_packet(run[0]->packet, run[0]->tpdu, run[0]->ip_source, now, out);
            run = run.subspan(1);
        }
    }
    void tick(Nanos now) {
        Output out = frames.output();
        receiver.on_tick(now, out);
    }
    std::string text() const {
        std::string out;
        for (std::uint64_t i = receiver.start_ordinal(); i < receiver.next_ordinal(); ++i) {
            const IndexEntry& e = index[i & (index.size() - 1)];
            if (e.sqn != static_cast<Sqn>(i)) continue;
            out += std::to_string(e.flags) + ':';
            out.append(reinterpret_cast<const char*>(log.data()) + (e.place & (log.size() - 1)),
                       e.length);
            out += '\n';
        }
        return out;
    }

    std::vector<IndexEntry> index;
    std::vector<std::byte> log;
    Receiver receiver{profile(ProfileName::lan).receiver, ReceiveMemory{index, log},
                      checksum::best_kernels()};
    Frames frames{64};
    std::size_t runs = 0, refused = 0;  // taken in runs, passed over in them
};

void expect_alike(const Listener& a, const Listener& b) {
    EXPECT_EQ(a.receiver.next_ordinal(), b.receiver.next_ordinal());
    EXPECT_EQ(a.receiver.state(), b.receiver.state());
    EXPECT_EQ(a.receiver.trail(), b.receiver.trail());
    EXPECT_EQ(a.receiver.lead(), b.receiver.lead());
    EXPECT_EQ(a.receiver.next_deadline(), b.receiver.next_deadline());
    EXPECT_EQ(a.text(), b.text());
    const ReceiverStatistics& s = a.receiver.statistics();
    const ReceiverStatistics& t = b.receiver.statistics();
    EXPECT_EQ(s.odata_received, t.odata_received);
    EXPECT_EQ(s.rdata_received, t.rdata_received);
    EXPECT_EQ(s.duplicates, t.duplicates);
    EXPECT_EQ(s.data_bytes, t.data_bytes);
    EXPECT_EQ(s.total_bytes, t.total_bytes);
    EXPECT_EQ(s.losses_detected, t.losses_detected);
    EXPECT_EQ(s.losses_repaired, t.losses_repaired);
    for (std::size_t v = 0; v < static_cast<std::size_t>(Verdict::count_); ++v)
        EXPECT_EQ(s.verdicts[v], t.verdicts[v]) << "verdict " << v;
}

struct ReceiverRunTest : ::testing::Test {
    ReceiverRunTest() {
        for (Listener* l : {&in_runs, &one_by_one}) {
            l->give(spm(1, kFirst, kFirst - 1), kSecond);
            l->give(odata(kFirst, kFirst, "first",
                          [](wire::Packet& p) { p.options.set(OptionBit::syn); }),
                    kSecond);
        }
    }
    void hear(const std::vector<Datagram>& datagrams, Nanos now = kSecond) {
        in_runs.burst(datagrams, now);
        for (const Datagram& d : datagrams) one_by_one.give(d, now);
        expect_alike(in_runs, one_by_one);
    }
    static constexpr Sqn kFirst = 0xFFFFFFF0;  // so that runs cross 2^32
    static Datagram plain(Sqn i) { return odata(kFirst + i, kFirst, "m" + std::to_string(i)); }
    static Datagram damaged(Datagram d) {
        d.octets.back() ^= std::byte{1};
        return d;
    }
    static Datagram foreign(Datagram d) {
        d.from = receiver_address(3);
        return d;
    }
    Listener in_runs, one_by_one;
};

TEST_F(ReceiverRunTest, ARunInOrderIsTakenWholeAcrossTheWrapOfNumbers) {
    std::vector<Datagram> run;
    for (Sqn i = 1; i <= 32; ++i) run.push_back(odata(kFirst + i, kFirst, std::to_string(i)));
    hear(run);
    EXPECT_EQ(in_runs.runs, 32u);
}

TEST_F(ReceiverRunTest, ContainersAndEmptyMessagesAreTakenAndMarkedForReaders) {
    hear({odata(kFirst + 1, kFirst, ""),
          odata(kFirst + 2, kFirst, "\x00\x01x",
                [](wire::Packet& p) { p.options.set(OptionBit::packed); }),
          odata(kFirst + 3, kFirst, "plain")});
    EXPECT_EQ(in_runs.runs, 3u);
}

TEST_F(ReceiverRunTest, TheTrailMovesWithEachPacketThatSaysSo) {
    hear({odata(kFirst + 1, kFirst, "a"), odata(kFirst + 2, kFirst + 1, "b"),
          odata(kFirst + 3, kFirst + 3, "c"), odata(kFirst + 4, kFirst + 2, "d")});
    EXPECT_EQ(in_runs.runs, 4u);
    EXPECT_EQ(in_runs.receiver.trail(), kFirst + 3);
}

TEST_F(ReceiverRunTest, ARunStopsAtWhatIsNotUsual) {
    const std::vector<std::pair<const char*, Datagram>> unusual = {
        {"a damaged packet", damaged(plain(3))},
        {"another IP source", foreign(plain(3))},
        {"another port", odata(kFirst + 3, kFirst, "x",
                               [](wire::Packet& p) { p.destination_port = kDataPort + 1; })},
        {"a repair", rdata(kFirst + 3, kFirst, "m3")},
        {"a gap", plain(5)},
        {"a duplicate", plain(1)},
        {"parity",
         odata(kFirst + 1, kFirst, "m1", [](wire::Packet& p) { p.flags |= wire::kOptParity; })},
        {"a fragment", odata(kFirst + 3, kFirst, "m3",
                             [](wire::Packet& p) {
                                 p.options.set(OptionBit::fragment);
                                 p.options.fragment = {kFirst + 3, 0, 9};
                             })},
        {"the end",
         odata(kFirst + 3, kFirst, "m3", [](wire::Packet& p) { p.options.set(OptionBit::fin); })},
        {"an SPM", spm(2, kFirst, kFirst + 2)},
    };
    for (const auto& [what, datagram] : unusual) {
        SCOPED_TRACE(what);
        Listener a, b;
        const std::vector<Datagram> burst = {
            spm(1, kFirst, kFirst - 1),
            odata(kFirst, kFirst, "first", [](wire::Packet& p) { p.options.set(OptionBit::syn); }),
            plain(1),
            plain(2),
            datagram,
            plain(3),
            plain(4)};
        a.burst(burst, kSecond);
        for (const Datagram& d : burst) b.give(d, kSecond);
        expect_alike(a, b);
        EXPECT_GE(a.runs, 2u);
        EXPECT_LE(a.runs, 4u) << "it was taken as usual";
    }
}

TEST_F(ReceiverRunTest, ARunGoesOnBehindDataThatIsOnlyToBeRefused) {
    hear({plain(1), plain(1), damaged(plain(2)), plain(2), foreign(plain(3)), plain(3),
          rdata(kFirst + 2, kFirst, "m2"), odata(kFirst - 9, kFirst - 9, "long gone"), plain(4),
          odata(kFirst + (1u << 30), kFirst, ""), damaged(odata(kFirst + (1u << 30), kFirst, "x")),
          plain(5)});
    EXPECT_EQ(in_runs.runs, 5u);
    EXPECT_EQ(in_runs.refused, 7u);
}

TEST_F(ReceiverRunTest, WhatARunRefusesShowsThatTheSourceLivesUnlessItIsDamaged) {
    const Nanos silence = profile(ProfileName::lan).receiver.silence_ns;
    const auto tick = [&](Nanos now) {
        for (Listener* l : {&in_runs, &one_by_one}) l->tick(now);
        expect_alike(in_runs, one_by_one);
    };
    const Datagram long_one = odata(kFirst + 1, kFirst, std::string(1000, 'x'));
    hear({long_one});
    Nanos now = kSecond + silence - kMillisecond;
    hear(std::vector<Datagram>(30, long_one), now);
    EXPECT_EQ(in_runs.refused, 30u);
    tick(now + kSecond);
    EXPECT_EQ(in_runs.receiver.state(), SessionState::open);
    EXPECT_GT(in_runs.receiver.statistics().rate_kbits_overall, 0u);
    EXPECT_EQ(in_runs.receiver.statistics().rate_kbits_overall,
              one_by_one.receiver.statistics().rate_kbits_overall);
    hear({damaged(plain(2))}, now + silence - kMillisecond);
    tick(now + silence);
    EXPECT_EQ(in_runs.receiver.state(), SessionState::reset);
}

TEST_F(ReceiverRunTest, AJumpThatIsToBeBelievedEndsARunAndDataBetweenTakesItBack) {
    std::vector<Datagram> jumps;
    for (Sqn i = 0; i < 63; ++i)
        jumps.push_back(odata(kFirst + (1u << 20) + i, kFirst + (1u << 20), ""));
    hear(jumps);
    hear({odata(kFirst + 1, kFirst, "a")});
    hear(jumps);
    EXPECT_EQ(in_runs.receiver.state(), SessionState::open);
    EXPECT_EQ(in_runs.refused, 126u);
    hear({jumps[0]});
    EXPECT_EQ(in_runs.receiver.state(), SessionState::reset);
}

// Loss, repeats, damage, repairs, SPMs, fragments and bursts of any size: nobody can tell the two
// apart.
TEST_F(ReceiverRunTest, RandomStreamsEndAlike) {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Random random(seed);
        const auto below = [&](std::uint64_t n) { return random.next() % n; };
        Listener a, b;
        for (Listener* l : {&a, &b}) l->give(spm(1, kFirst, kFirst - 1), kSecond);
        std::vector<Datagram> stream;
        Sqn spm_sqn = 2;
        for (Sqn i = 0; i < 600; ++i) {
            const Sqn sqn = kFirst + i;
            const Sqn trail = kFirst + (i > 200 ? (i - 200) / 16 * 16 : 0);
            const std::string text(below(9) == 0 ? 0 : below(200), static_cast<char>('a' + i % 26));
            Datagram d = odata(sqn, trail, text, [&](wire::Packet& p) {
                if (i == 0) p.options.set(OptionBit::syn);
                if (below(3) == 0) p.options.set(OptionBit::packed);
            });
            switch (below(24)) {
                case 0:  // lost, repaired at once or in a while
                    stream.push_back(rdata(sqn, trail, text));
                    break;
                case 1:  // late
                    stream.insert(stream.end() - static_cast<std::ptrdiff_t>(std::min<std::size_t>(
                                                     stream.size(), below(6))),
                                  d);
                    break;
                case 2:
                    stream.push_back(d);
                    stream.push_back(d);
                    break;
                case 3: {
                    Datagram damaged = d;
                    damaged.octets[below(damaged.octets.size())] ^= std::byte{0x10};
                    stream.push_back(damaged);
                    stream.push_back(d);
                    break;
                }
                case 4:
                    stream.push_back(d);
                    stream.push_back(spm(spm_sqn++, trail, sqn));
                    break;
                case 5: {
                    stream.push_back(foreign(d));
                    stream.push_back(d);
                    break;
                }
                case 6:
                    stream.push_back(odata(sqn + (1u << 20), trail, text));
                    stream.push_back(d);
                    break;
                default:
                    stream.push_back(d);
            }
        }
        Nanos now = kSecond;
        for (std::size_t at = 0; at < stream.size();) {
            const std::size_t size = std::min<std::size_t>(stream.size() - at, 1 + below(32));
            const auto begin = stream.begin() + static_cast<std::ptrdiff_t>(at);
            now += 1000;
            // Packets that no codec would decode never reach a receiver, nor those of another TSI.
            std::vector<Datagram> burst;
            for (auto it = begin; it != begin + static_cast<std::ptrdiff_t>(size); ++it) {
                wire::Packet packet;
                if (wire::decode(it->octets, packet) == wire::DecodeError::none &&
                    packet.tsi() == kTsi)
                    burst.push_back(*it);
            }
            a.burst(burst, now);
            for (const Datagram& d : burst) b.give(d, now);
            at += size;
        }
        expect_alike(a, b);
        EXPECT_GT(a.runs, 200u);
        if (HasFailure()) return;
    }
}

}  // namespace
}  // namespace fanfare::engine::test
