// Source and receivers with parity, in virtual time (RFC 3208 section 11).
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
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

// Check 52.
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
// Check 56.
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

// Checks 57 and 171.
TEST(Parity, RdataCompletionParity_LossesBeyondTheProactiveOnesAreAskedForByCount) {
    Pair pair(with_parity(8, 1, true));
    Count count(pair);
    std::set<std::uint32_t> counts;
    auto tap = pair.tap;
    pair.tap = [&, tap](const Datagram& d) {
        tap(d);
        if (d.kind != FrameKind::nak) return;
        for (const Sqn sqn : named(d)) counts.insert(sqn % 8 + 1);
    };
    pair.drop = [&](const Datagram& d, std::size_t) {
        return is_data(d) && d.decoded().sqn % 8 < 3;
    };
    for (std::size_t i = 0; i < 80; ++i) pair.send(message_of(i, 1000));
    pair.finish();
    expect_complete(pair);
    EXPECT_EQ(count.naks, 0) << "RFC 11.5: no selective NAKs where parity is on demand";
    EXPECT_GT(count.parity_naks, 0);
    EXPECT_GT(count.parity_ncfs, 0);
    EXPECT_EQ(count.repairs, 0);
    EXPECT_EQ(count.on_demand, 20) << "two of each group: what pro-active parity did not bring";
    EXPECT_EQ(counts, std::set<std::uint32_t>{2});
    const auto& statistics = pair.subscribers[0].receiver->statistics();
    EXPECT_EQ(statistics.parity_naks_sent, 10u);
    EXPECT_EQ(statistics.naks_sent, 0u);
    EXPECT_EQ(statistics.parity_decoded, 30u);
    EXPECT_EQ(pair.source->statistics().parity_repairs_sent, 20u);
}

TEST(Parity, RdataCompletionParityVarPktlen_PacketsOfAllLengths) {
    for (const bool on_demand : {false, true}) {
        Pair pair(with_parity(8, on_demand ? 0 : 3, on_demand));
        Count count(pair);
        bool variable = false;
        auto tap = pair.tap;
        pair.tap = [&, tap](const Datagram& d) {
            tap(d);
            if (is_parity(d)) variable = variable || (d.decoded().flags & wire::kOptVarPktLen);
        };
        pair.drop = [&](const Datagram& d, std::size_t) {
            return is_data(d) && d.decoded().sqn % 8 >= 5;
        };
        for (std::size_t i = 0; i < 400; ++i) pair.send(message_of(i, i * 37 % 1400));
        pair.finish();
        expect_complete(pair);
        EXPECT_EQ(count.naks, 0);
        EXPECT_TRUE(variable);
        EXPECT_EQ(pair.subscribers[0].receiver->statistics().parity_rejected, 0u);
    }
}

TEST(Parity, FragmentsAndTheirOptionsComeOutOfParity) {
    for (const bool on_demand : {false, true}) {
        Pair pair(with_parity(16, on_demand ? 0 : 4, on_demand));
        Count count(pair);
        pair.drop = [&](const Datagram& d, std::size_t) {
            return is_data(d) && d.decoded().sqn % 4 == 2;
        };
        for (std::size_t i = 0; i < 100; ++i) pair.send(message_of(i, i * 997 % 9000));
        pair.finish();
        expect_complete(pair);
        EXPECT_EQ(count.naks, 0);
        EXPECT_GT(pair.subscribers[0].receiver->statistics().parity_decoded, 40u);
        EXPECT_EQ(pair.subscribers[0].receiver->statistics().parity_rejected, 0u);
    }
}

// A whole session for every k: losses at random, in any order, with duplicates and damage.
struct Weather {
    double loss, duplicate, corrupt;
    Nanos jitter;
};
void storm(std::uint8_t k, std::uint8_t h, bool on_demand, const Weather& weather,
           std::uint64_t seed) {
    PairParameters p = with_parity(k, h, on_demand);
    p.seed = seed;
    p.receivers = 2;
    p.source.window_ns = 5 * kSecond;
    p.source.rate_bits_per_s = 100'000'000;
    p.index_entries = 1u << 12;
    p.log_bytes = 1u << 21;
    p.link.loss = weather.loss;
    p.link.duplicate = weather.duplicate;
    p.link.corrupt = weather.corrupt;
    p.link.jitter_ns = weather.jitter;
    Pair pair(p);
    Random random(seed);
    for (std::size_t i = 0; i < 400; ++i) {
        pair.send(message_of(seed * 1000 + i, static_cast<std::size_t>(
                                                  random.between(0, i % 7 == 0 ? 6000 : 1300))));
        if (i % 50 == 49) pair.run_for(random.between(0, 4) * kMillisecond);
    }
    pair.finish();
    SCOPED_TRACE(testing::Message() << "k " << int{k} << " h " << int{h} << " on demand "
                                    << on_demand << " seed " << seed);
    expect_complete(pair, 60 * kSecond);
    for (const auto& s : pair.subscribers) EXPECT_EQ(s.receiver->statistics().parity_rejected, 0u);
}
TEST(Parity, EverySizeAndModeSurvivesLossDuplicatesDamageAndDisorder) {
    std::uint64_t seed = 1;
    for (const std::uint8_t k : {2, 4, 8, 16, 32, 64, 128}) {
        for (const std::uint8_t h : {0, 1, 2, 5}) {
            for (const bool on_demand : {false, true}) {
                if (h == 0 && !on_demand) continue;
                storm(k, h, on_demand, {0.02, 0.01, 0.01, 0}, seed++);
                storm(k, h, on_demand, {0.15, 0.05, 0.02, 200 * kMicrosecond}, seed++);
            }
        }
    }
}

// All erasure patterns of a small group, through source and receiver: any k of its packets do.
TEST(Parity, AnyKPacketsOfAGroupMakeIt) {
    constexpr unsigned kK = 4, kH = 4;
    for (unsigned gone = 0; gone < 1u << (kK + kH); ++gone) {
        if (std::popcount(gone) > static_cast<int>(kH)) continue;
        Pair pair(with_parity(kK, kH, false));
        Count count(pair);
        pair.drop = [&](const Datagram& d, std::size_t) {
            if (d.kind != FrameKind::odata) return false;
            const unsigned number = d.decoded().sqn % kK + (is_parity(d) ? kK : 0);
            return ((gone >> number) & 1) != 0;
        };
        for (std::size_t i = 0; i < 3 * kK; ++i) pair.send(message_of(i, 10 + i % 5));
        pair.finish();
        expect_complete(pair);
        EXPECT_EQ(count.naks, 0) << "lost " << std::hex << gone;
    }
}

// The same at random for large groups, parity beyond k included.
TEST(Parity, LargeGroupsLoseWhatTheirParityMakesUpFor) {
    Random random(9);
    for (const std::uint8_t k : {32, 64, 128}) {
        const auto h = static_cast<std::uint8_t>(k == 128 ? 127 : k + k / 2);
        Pair pair(with_parity(k, h, false));
        Count count(pair);
        bool numbered = false;
        auto tap = pair.tap;
        pair.tap = [&, tap](const Datagram& d) {
            tap(d);
            numbered = numbered || (is_parity(d) && d.decoded().options.has(OptionBit::parity_grp));
        };
        std::map<std::uint32_t, std::set<std::uint32_t>> gone;
        pair.drop = [&](const Datagram& d, std::size_t) {
            if (d.kind != FrameKind::odata) return false;
            const wire::Packet packet = d.decoded();
            std::uint32_t number = packet.sqn % k;
            if (is_parity(d)) {
                number += k;
                if (packet.options.has(OptionBit::parity_grp))
                    number += k * packet.options.parity_grp.group;
            }
            auto& lost = gone[packet.sqn / k];
            if (lost.empty()) {
                while (lost.size() < h)
                    lost.insert(static_cast<std::uint32_t>(random.between(0, k + h - 1)));
            }
            return lost.count(number) != 0;
        };
        for (std::size_t i = 0; i < 6u * k; ++i) pair.send(message_of(i, 500 + i % 300));
        pair.finish();
        expect_complete(pair);
        EXPECT_EQ(count.naks, 0);
        EXPECT_EQ(numbered, h > k);
    }
}

TEST(Parity, FullSizePacketsOfEveryKindPassMtu1500) {
    for (const auto name : {ProfileName::lan, ProfileName::windows}) {
        for (const bool udp : {false, true}) {
            for (const bool on_demand : {false, true}) {
                PairParameters p = with_parity(8, 2, on_demand);
                const ParityParameters parity = p.source.parity;
                p.source = profile(name).source;
                p.source.parity = parity;
                p.source.late_join_percent = 10;
                p.source.rate_bits_per_s = 100'000'000;
                p.source.window_ns = 20 * kSecond;
                p.receiver = profile(name).receiver;
                p.udp = udp;
                Pair pair(p);
                std::map<FrameKind, std::size_t> largest, parity_largest;
                pair.tap = [&](const Datagram& d) {
                    EXPECT_LE(d.ip_size(udp), 1500u) << static_cast<int>(d.kind);
                    auto& most = (is_parity(d) ? parity_largest : largest)[d.kind];
                    most = std::max(most, d.ip_size(udp));
                };
                std::set<Sqn> lost;
                pair.drop = [&](const Datagram& d, std::size_t) {
                    return is_data(d) && d.decoded().sqn % 8 < 3 &&
                           lost.insert(d.decoded().sqn).second;
                };
                for (std::size_t i = 0; i < 20; ++i) {
                    pair.send(message_of(i, pair.source->largest_tsdu(false)));
                    pair.send(message_of(100 + i, 4 * pair.source->largest_tsdu(true)));
                    pair.send(message_of(200 + i, 7));
                }
                pair.finish();
                expect_complete(pair, 60 * kSecond);
                EXPECT_GE(largest[FrameKind::odata], 1460u);
                EXPECT_GE(parity_largest[FrameKind::odata], 1475u);
                if (on_demand) {
                    EXPECT_GE(parity_largest[FrameKind::rdata], 1479u);
                } else {
                    EXPECT_GE(largest[FrameKind::rdata], 1460u);
                }
            }
        }
    }
}

TEST(Parity, AGroupThatPausesIsClosedAndTheRestOfItsNumbersStaysUnused) {
    for (const bool on_demand : {false, true}) {
        Pair pair(with_parity(8, on_demand ? 0 : 2, on_demand));
        Count count(pair);
        std::set<Sqn> numbers;
        std::set<std::uint32_t> sizes;
        auto tap = pair.tap;
        pair.tap = [&, tap](const Datagram& d) {
            tap(d);
            const wire::Packet packet = d.decoded();
            if (is_data(d)) numbers.insert(packet.sqn % 8);
            if (packet.options.has(OptionBit::curr_tgsize) &&
                (is_parity(d) || d.kind == FrameKind::spm))
                sizes.insert(packet.options.curr_tgsize.actual_size);
        };
        // The first of each three is lost.
        pair.drop = [&](const Datagram& d, std::size_t) {
            return is_data(d) && d.decoded().sqn % 8 == 0;
        };
        for (std::size_t i = 0; i < 30; ++i) {
            pair.send(message_of(i, 100 + i));
            if (i % 3 == 2) pair.run_for(20 * kMillisecond);
        }
        pair.finish();
        expect_complete(pair);
        EXPECT_EQ(count.naks, 0);
        EXPECT_EQ(numbers, (std::set<Sqn>{0, 1, 2}));
        EXPECT_EQ(sizes, (std::set<std::uint32_t>{3}));
        EXPECT_EQ(pair.source->statistics().groups_shortened, 10u);
        EXPECT_EQ(pair.subscribers[0].receiver->statistics().parity_decoded, 10u);
    }
}

TEST(Parity, ASlowSourceThatHasMoreToSendDoesNotPause) {
    PairParameters p = with_parity(8, 1, false);
    p.source.rate_bits_per_s = 1'000'000;  // a packet takes longer than the first heartbeat waits
    Pair pair(p);
    Count count(pair);
    for (std::size_t i = 0; i < 80; ++i) pair.send(message_of(i, 1400));
    pair.run_for(2 * kSecond);
    ASSERT_TRUE(pair.all_queued_sent());
    EXPECT_EQ(pair.source->statistics().groups_shortened, 0u);
    EXPECT_EQ(count.proactive, 10);
}

TEST(Parity, AShortGroupOfWhichAllIsLostIsRepaired) {
    for (const bool on_demand : {false, true}) {
        Pair pair(with_parity(8, on_demand ? 0 : 2, on_demand));
        Count count(pair);
        Sqn first = 0;
        bool any = false;
        pair.drop = [&](const Datagram& d, std::size_t) {
            if (d.kind != FrameKind::odata) return false;
            if (!any) first = d.decoded().sqn;
            any = true;
            return (d.decoded().sqn - first) / 8 == 1;
        };
        for (std::size_t i = 0; i < 9; ++i) {
            pair.send(message_of(i, 200));
            if (i % 3 == 2) pair.run_for(20 * kMillisecond);
        }
        pair.finish();
        expect_complete(pair);
        EXPECT_EQ(count.naks > 0, !on_demand);
        EXPECT_EQ(count.parity_naks > 0, on_demand);
    }
}

// The size of a short group is nowhere heard: SPMs are lost too. Numbers that were never used are
// asked for, and the group's last packet says so.
TEST(Parity, NumbersThatWereNeverUsedAreAnsweredWithTheGroupsLastPacket) {
    Pair pair(with_parity(8, 1, false));
    Count count(pair);
    Sqn first = 0;
    bool any = false, told = false;
    auto tap = pair.tap;
    pair.tap = [&, tap](const Datagram& d) {
        tap(d);
        if (d.kind == FrameKind::rdata && d.decoded().options.has(OptionBit::curr_tgsize))
            told = true;
    };
    pair.drop = [&](const Datagram& d, std::size_t) {
        if (d.kind == FrameKind::spm) return any && pair.now < 25 * kMillisecond;
        if (d.kind != FrameKind::odata) return false;
        if (!any) first = d.decoded().sqn;
        any = true;
        const Sqn number = d.decoded().sqn - first;
        return is_parity(d) ? number / 8 == 0 : number == 2;
    };
    for (std::size_t i = 0; i < 3; ++i) pair.send(message_of(i, 200));
    pair.run_for(20 * kMillisecond);
    for (std::size_t i = 3; i < 30; ++i) pair.send(message_of(i, 200));
    pair.run_for(5 * kMillisecond);
    EXPECT_TRUE(told);
    EXPECT_EQ(pair.subscribers[0].messages.size(), 30u);
    pair.finish();
    expect_complete(pair);
}

// RFC 10: the answer to a number that was left out is a whole packet as well.
TEST(Parity, NumbersThatWereNeverUsedAreNoWayToAStream) {
    Pair pair(with_parity(8, 1, false));
    Count count(pair);
    Sqn first = 0;
    bool any = false;
    auto tap = pair.tap;
    pair.tap = [&, tap](const Datagram& d) {
        tap(d);
        if (d.kind == FrameKind::odata && !any) first = d.decoded().sqn;
        any |= d.kind == FrameKind::odata;
    };
    for (std::size_t i = 0; i < 3; ++i) pair.send(message_of(i, 200));
    pair.run_for(20 * kMillisecond);
    for (std::size_t i = 3; i < 10; ++i) pair.send(message_of(i, 200));
    pair.run_for(5 * kMillisecond);
    // Number 5 of the first group, which ended with number 2.
    for (int i = 0; i < 1000; ++i) {
        Datagram d = nak({first + 5});
        d.from = receiver_address(5);
        pair.inject(d, i * 200 * kMicrosecond);
    }
    pair.run_for(200 * kMillisecond);
    EXPECT_GE(count.repairs, 1u);
    EXPECT_LE(count.repairs, 32u) << "16 at will, then ever more seldom";
}

TEST(Parity, SynAndFinStandOnParityOfTheFirstAndTheLastGroup) {
    Pair pair(with_parity(4, 1, false));
    std::vector<Sqn> syn, fin;
    pair.tap = [&](const Datagram& d) {
        if (!is_parity(d)) return;
        const wire::Packet packet = d.decoded();
        if (packet.options.has(OptionBit::syn)) syn.push_back(packet.sqn);
        if (packet.options.has(OptionBit::fin)) fin.push_back(packet.sqn);
    };
    Sqn first = 0;
    bool any = false;
    // The first packet comes out of parity; that nothing was before it is known all the same.
    pair.drop = [&](const Datagram& d, std::size_t) {
        if (d.kind == FrameKind::spm && !any) return false;
        if (is_data(d) && !any) {
            any = true;
            first = d.decoded().sqn;
            return true;
        }
        return false;
    };
    for (std::size_t i = 0; i < 14; ++i) pair.send(message_of(i, 50));
    pair.finish();
    expect_complete(pair);
    EXPECT_EQ(syn, std::vector<Sqn>{first});
    EXPECT_EQ(fin, std::vector<Sqn>{first + 12});
    EXPECT_FALSE(pair.subscribers[0].has_event(Event::Kind::joined_late));
}

TEST(Parity, OneParityPacketRepairsDifferentLossesOfManyReceivers) {
    PairParameters p = with_parity(16, 0, true);
    p.receivers = 8;
    p.multicast_naks = true;
    Pair pair(p);
    Count count(pair);
    pair.drop = [&](const Datagram& d, std::size_t receiver) {
        return is_data(d) && d.decoded().sqn % 16 == 2 * receiver;
    };
    for (std::size_t i = 0; i < 160; ++i) pair.send(message_of(i, 800));
    pair.finish();
    expect_complete(pair);
    EXPECT_EQ(count.repairs, 0);
    EXPECT_LE(count.on_demand, 15) << "ten groups, eight losses each";
}

TEST(Parity, WhenParityIsUsedUpPacketsAreAskedForOneByOne) {
    // n = k + 1: one parity packet a group, and it is sent before anybody asks.
    Pair pair(with_parity(8, 1, true, 9));
    Count count(pair);
    pair.drop = [&](const Datagram& d, std::size_t) {
        return is_data(d) && d.decoded().sqn % 8 < 2;
    };
    for (std::size_t i = 0; i < 40; ++i) pair.send(message_of(i, 300));
    pair.finish();
    expect_complete(pair);
    EXPECT_EQ(count.on_demand, 0);
    EXPECT_GT(count.repairs, 0);
    EXPECT_LE(count.repairs, 10);
}

TEST(Parity, AReceiverWithoutRoomForParityGetsEverythingByNumber) {
    PairParameters p = with_parity(8, 1, true);
    p.receiver.parity_bytes = 0;
    p.link.loss = 0.05;
    Pair pair(p);
    Count count(pair);
    for (std::size_t i = 0; i < 400; ++i) pair.send(message_of(i, 700));
    pair.finish();
    expect_complete(pair);
    EXPECT_EQ(count.parity_naks, 0);
    EXPECT_EQ(count.on_demand, 0);
    EXPECT_GT(count.repairs, 0);
}

TEST(Parity, APoolThatIsFullCostsRepairsByNumberAndNothingElse) {
    PairParameters p = with_parity(64, 0, true);
    p.receiver.parity_bytes = 8 * 2048;  // eight packets
    Pair pair(p);
    Count count(pair);
    pair.drop = [&](const Datagram& d, std::size_t) {
        return is_data(d) && d.decoded().sqn % 64 < 20;
    };
    for (std::size_t i = 0; i < 320; ++i) pair.send(message_of(i, 700));
    pair.finish();
    expect_complete(pair);
    EXPECT_GT(pair.subscribers[0].receiver->statistics().parity_dropped, 0u);
    EXPECT_GT(count.repairs, 0);
}

// The pool makes longer places for the first long packet and lets go of what it holds.
TEST(Parity, WhatTheFirstLongPacketPushesOutIsAskedFor) {
    PairParameters p = with_parity(8, 1, false);
    p.mtu = 9000;
    Pair pair(p);
    Sqn first = 0;
    bool any = false;
    pair.drop = [&](const Datagram& d, std::size_t) {
        if (d.kind == FrameKind::rdata) return pair.now < 3 * kMillisecond;
        if (d.kind != FrameKind::odata) return false;
        if (!any) first = d.decoded().sqn;
        any = true;
        const Sqn number = d.decoded().sqn - first;
        return !is_parity(d) && (number == 2 || number == 4 || number == 10);
    };
    for (std::size_t i = 0; i < 8; ++i) pair.send(message_of(i, 200));
    for (std::size_t i = 8; i < 64; ++i) pair.send(message_of(i, 6000));
    pair.finish();
    expect_complete(pair);
}

// A log that is full again and again: groups that could be decoded wait for room, and none is
// forgotten.
TEST(Parity, ASmallLogUnderHeavyLossDeliversEverything) {
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        SCOPED_TRACE(seed);
        PairParameters p = with_parity(8, seed % 4 == 3 ? 2 : 0, true);
        p.seed = seed;
        p.log_bytes = 1u << 17;
        p.source.rate_bits_per_s = 50'000'000;
        p.link.loss = 0.05 + 0.02 * static_cast<double>(seed % 6);
        p.link.delay_ns = kMillisecond * static_cast<Nanos>(seed % 4);
        Pair pair(p);
        for (std::size_t i = 0; i < 800; ++i) pair.send(message_of(i, 1000 + i % 300));
        pair.finish();
        expect_complete(pair);
    }
}

TEST(Parity, NumbersWrapInsideAndBetweenGroups) {
    PairParameters p = with_parity(8, 2, true);
    p.source.random_first_sqn = false;
    p.first_sqn = 0xFFFFFFE3;
    p.link.loss = 0.1;
    Pair pair(p);
    for (std::size_t i = 0; i < 300; ++i) pair.send(message_of(i, 300 + i));
    pair.finish();
    expect_complete(pair);
}

TEST(Parity, ALateJoinerBeginsWithAGroup) {
    PairParameters p = with_parity(16, 2, true);
    p.receivers = 2;
    p.source.late_join_percent = 50;
    p.source.announce_first = false;
    p.source.rate_bits_per_s = 50'000'000;
    p.link.loss = 0.05;
    Pair pair(p);
    pair.subscribers[1].listening = false;
    for (std::size_t i = 0; i < 600; ++i) pair.send(message_of(i, 1000));
    pair.run_for(50 * kMillisecond);
    pair.start_listening(1);
    pair.finish();
    ASSERT_TRUE(pair.run_until([&] { return all_over(pair); }, 20 * kSecond));
    EXPECT_TRUE(pair.subscribers[0].messages == pair.sent);
    const auto& late = pair.subscribers[1];
    EXPECT_EQ(late.receiver->state(), SessionState::finished);
    ASSERT_FALSE(late.messages.empty());
    EXPECT_TRUE(std::equal(late.messages.rbegin(), late.messages.rend(), pair.sent.rbegin()));
    EXPECT_EQ(late.receiver->start_ordinal() % 16, 0u);
}

TEST(Parity, AProgramThatRewritesWhatItSentEndsItsOwnStream) {
    Pair pair(with_parity(8, 0, true));
    std::string octets = message_of(1, 500);
    std::vector<Publish> items(8);
    for (auto& item : items) {
        item.data = reinterpret_cast<const std::byte*>(octets.data());
        item.length = 500;
        item.message_length = 500;
    }
    Frames frames(64);
    Output out = frames.output();
    ASSERT_EQ(pair.source->publish(items, 0, out), 8u);
    octets[7] ^= 1;
    const Sqn group = pair.source->lead() & ~Sqn{7};
    const Datagram asked = nak({group}, [](wire::Packet& p) { p.flags |= wire::kOptParity; });
    out = frames.output();
    pair.source->on_packet(asked.decoded(), receiver_address(0), kMillisecond, out);
    pair.source->on_tick(kMillisecond, out);
    ASSERT_FALSE(out.events().empty());
    EXPECT_EQ(out.events()[0].cause, ResetCause::sender_changed_sent_data);
}

// Hostile parity from the trusted address: nothing that is here changes, nothing is placed beyond
// what fits, and the session goes on.
struct HostileParity : ::testing::Test {
    std::vector<IndexEntry> index = std::vector<IndexEntry>(1u << 10);
    std::vector<std::byte> log = std::vector<std::byte>(1u << 20);
    Receiver receiver{profile(ProfileName::lan).receiver, ReceiveMemory{index, log},
                      checksum::best_kernels()};
    Frames frames{64};
    Nanos now = kSecond;

    void SetUp() override {
        receiver.start({kTsi, kDataPort, kGroup, kSourceAddress}, 1, now);
        give(spm(1, 64, 63, [](wire::Packet& p) {
            p.options.set(OptionBit::parity_prm);
            p.options.parity_prm = {true, false, 4};
        }));
    }
    Verdict give(const Datagram& d) {
        Output out = frames.output();
        const wire::Packet packet = d.decoded();
        receiver.open_burst(packet.payload.size());
        return receiver.on_packet(packet, d.octets, d.from, now, out);
    }
    static Datagram parity(Sqn sqn, const std::string& payload, const Change& change = {}) {
        return odata(sqn, 64, payload, [&](wire::Packet& p) {
            p.flags |= wire::kOptParity;
            if (change) change(p);
        });
    }
};

TEST_F(HostileParity, NumbersAndSizesOutOfRangeAreRefused) {
    const auto group = [](std::uint32_t number) {
        return [number](wire::Packet& p) {
            p.options.set(OptionBit::parity_grp);
            p.options.parity_grp.group = number;
        };
    };
    const auto size = [](std::uint32_t actual) {
        return [actual](wire::Packet& p) {
            p.options.set(OptionBit::curr_tgsize);
            p.options.curr_tgsize.actual_size = actual;
        };
    };
    EXPECT_EQ(give(parity(64, "x", group(0xFFFFFFFF))), Verdict::malformed);
    EXPECT_EQ(give(parity(64, "x", group(63))), Verdict::malformed);
    EXPECT_EQ(give(parity(64, "x", size(0))), Verdict::malformed);
    EXPECT_EQ(give(parity(64, "x", size(5))), Verdict::malformed);
    EXPECT_EQ(give(parity(64, "x", size(0xFFFFFFFF))), Verdict::malformed);
    EXPECT_EQ(give(parity(64 + 2000, "x")), Verdict::beyond_window);
    EXPECT_EQ(give(parity(32, "x")), Verdict::before_window);
    EXPECT_EQ(receiver.state(), SessionState::open);
}

TEST_F(HostileParity, ADecodingThatMakesNoSenseIsCountedAndThePacketsAreAskedFor) {
    for (const Sqn sqn : {64u, 65u, 66u}) EXPECT_EQ(give(odata(sqn, 64, "abc")), Verdict::accepted);
    // The decoded length would be far beyond the payload's.
    give(parity(64, std::string("xyz\xFF\xFF", 5),
                [](wire::Packet& p) { p.flags |= wire::kOptVarPktLen; }));
    EXPECT_EQ(receiver.statistics().parity_rejected, 1u);
    EXPECT_EQ(receiver.next_ordinal() & 0xFFFFFFFF, 67u);
    EXPECT_EQ(give(odata(68, 64, "abc")), Verdict::accepted);
    Output out = frames.output();
    now += kMillisecond;
    receiver.on_tick(now, out);
    const auto sent = frames.take(out, receiver_address(0));
    ASSERT_FALSE(sent.empty());
    EXPECT_EQ(named(sent[0]), std::vector<Sqn>{67});
    EXPECT_EQ(give(rdata(67, 64, "abc")), Verdict::accepted);
    EXPECT_EQ(receiver.next_ordinal() & 0xFFFFFFFF, 69u);
}

TEST_F(HostileParity, ASizeThatContradictsDataIsNotBelieved) {
    for (const Sqn sqn : {64u, 65u, 67u}) EXPECT_EQ(give(odata(sqn, 64, "abc")), Verdict::accepted);
    give(parity(64, "xyz", [](wire::Packet& p) {
        p.options.set(OptionBit::curr_tgsize);
        p.options.curr_tgsize.actual_size = 3;
    }));
    EXPECT_GE(receiver.statistics().parity_rejected, 1u);
    EXPECT_EQ(receiver.next_ordinal() & 0xFFFFFFFF, 66u);
}

TEST_F(HostileParity, ASizeThatContradictsParityIsNotBelievedEither) {
    give(odata(64, 64, "abc"));
    give(parity(64, "xyz"));
    give(odata(65, 64, "abc", [](wire::Packet& p) {
        p.options.set(OptionBit::curr_tgsize);
        p.options.curr_tgsize.actual_size = 2;
    }));
    EXPECT_GE(receiver.statistics().parity_rejected, 1u);
    EXPECT_EQ(receiver.next_ordinal() & 0xFFFFFFFF, 66u) << "66 and 67 are not left out";
}

// RFC 11.2: the group's size holds for the session. Which parity there is may change.
TEST_F(HostileParity, WhatSpmsSayOfParityLaterIsFollowedButForTheSize) {
    const auto announce = [&](Sqn number, bool proactive, bool on_demand, std::uint32_t k) {
        give(spm(number, 64, 63, [=](wire::Packet& p) {
            p.options.set(OptionBit::parity_prm);
            p.options.parity_prm = {proactive, on_demand, k};
        }));
    };
    const auto asked = [&] {
        now += 5 * kMillisecond;
        Output out = frames.output();
        receiver.on_tick(now, out);
        const auto sent = frames.take(out, receiver_address(0));
        return sent.empty() ? std::uint8_t{0xFF} : sent[0].decoded().flags & wire::kOptParity;
    };
    announce(2, false, true, 8);
    for (const Sqn sqn : {64u, 65u, 66u, 68u, 69u, 70u}) give(odata(sqn, 64, "abc"));
    EXPECT_EQ(asked(), 0) << "another size: nothing of it counts";
    give(rdata(67, 64, "abc"));
    announce(3, true, true, 4);
    give(odata(72, 64, "abc"));
    EXPECT_EQ(asked(), wire::kOptParity) << "71, by its group";
    announce(4, true, false, 4);
    std::uint8_t next = 0xFF;
    for (int i = 0; i < 4 && next == 0xFF; ++i) next = asked();
    EXPECT_EQ(next, 0) << "which turns into a number";
}

TEST_F(HostileParity, DamagedParityIsNotKept) {
    Datagram damaged = parity(64, "xyz");
    damaged.octets.back() ^= std::byte{1};
    EXPECT_EQ(give(damaged), Verdict::checksum_wrong);
    EXPECT_EQ(receiver.statistics().parity_received, 0u);
}

}  // namespace
}  // namespace fanfare::engine::test
