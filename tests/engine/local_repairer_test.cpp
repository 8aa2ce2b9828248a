// A source, a designated local repairer and the receivers of its site in virtual time.
#include "engine/core/local_repairer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "engine/core/poll_types.hpp"
#include "tests/engine/packets.hpp"

namespace fanfare::engine::test {
namespace {

constexpr std::uint64_t kSeed = 20261124;

PairParameters site(std::size_t receivers) {
    PairParameters p;
    p.seed = kSeed;
    p.receivers = 1 + receivers;
    p.repairer = true;
    p.source.random_first_sqn = false;
    p.first_sqn = 0xFFFFFF80u;
    p.source.rate_bits_per_s = 100'000'000;
    return p;
}

bool from_the_source(const Datagram& d) {
    return d.kind == FrameKind::odata || d.kind == FrameKind::rdata || d.kind == FrameKind::ncf ||
           d.kind == FrameKind::spm;
}

void expect_complete(Pair& pair) {
    for (std::size_t i = 0; i < pair.subscribers.size(); ++i) {
        SCOPED_TRACE(i);
        EXPECT_EQ(pair.subscribers[i].receiver->state(), SessionState::finished)
            << static_cast<int>(pair.subscribers[i].receiver->cause());
        EXPECT_TRUE(pair.subscribers[i].messages == pair.sent);
    }
}

bool over(Pair& pair) {
    return std::all_of(pair.subscribers.begin(), pair.subscribers.end(), [](const Subscriber& s) {
        return s.started && s.receiver->state() != SessionState::open;
    });
}

// A loss that one receiver has makes it ask the source, whose NCF calls forth the offer.
void let_it_be_found(Pair& pair) {
    bool lost = false;
    pair.drop = [&](const Datagram& d, std::size_t to) {
        if (lost || d.kind != FrameKind::odata || to != 1) return false;
        return lost = true;
    };
    for (std::size_t i = 0; i < 10; ++i) pair.send(message_of(i, 500));
    pair.run_for(20 * kMillisecond);
    pair.drop = {};
    for (std::size_t i = 1; i < pair.subscribers.size(); ++i) {
        ASSERT_EQ(pair.subscribers[i].receiver->repairer(), receiver_address(0));
    }
}

TEST(LocalRepairer, OffersItselfWhenTheSourceConfirmsWhatItHolds) {
    Pair pair(site(3));
    std::vector<Datagram> offers;
    pair.tap = [&](const Datagram& d) {
        if (d.kind == FrameKind::polr) offers.push_back(d);
    };
    let_it_be_found(pair);
    ASSERT_EQ(offers.size(), 1u);
    const Datagram& offer = offers.front();
    EXPECT_EQ(offer.from, kSourceAddress) << "9.5.2.1: the source's address";
    EXPECT_EQ(offer.to, kGroup);
    EXPECT_TRUE(offer.router_alert);
    const wire::Packet packet = offer.decoded();
    EXPECT_EQ(packet.options.redirect.dlr, receiver_address(0));
    EXPECT_EQ(packet.flags & wire::kOptParity, 0);
    EXPECT_NE(packet.flags & wire::kOptNetworkSignificant, 0);
}

TEST(LocalRepairer, MakesNoOfferWhereTheNcfCompletesItsOwnNak) {
    Pair pair(site(2));
    std::size_t offers = 0;
    pair.tap = [&](const Datagram& d) { offers += d.kind == FrameKind::polr; };
    std::set<Sqn> lost;
    pair.drop = [&](const Datagram& d, std::size_t to) {
        const bool loses =
            d.kind == FrameKind::odata && to != ~std::size_t{0} && d.decoded().sqn % 10 == 3;
        if (loses) lost.insert(d.decoded().sqn);
        return loses;
    };
    for (std::size_t i = 0; i < 100; ++i) pair.send(message_of(i, 500));
    pair.finish();
    ASSERT_TRUE(pair.run_until([&] { return over(pair); }));
    EXPECT_GE(lost.size(), 10u);
    EXPECT_EQ(offers, 0u);
    expect_complete(pair);
}

TEST(LocalRepairer, LossesOfTheSiteAreRepairedWithoutTheSource) {
    Pair pair(site(8));
    let_it_be_found(pair);
    const auto before = pair.source->statistics();
    std::map<Sqn, int> repairs;
    std::size_t nnaks = 0;
    pair.tap = [&](const Datagram& d) {
        if (d.kind == FrameKind::rdata) {
            ++repairs[d.decoded().sqn];
            EXPECT_EQ(d.from, kSourceAddress);
            EXPECT_TRUE(d.router_alert);
        }
        if (d.kind == FrameKind::nnak) {
            ++nnaks;
            EXPECT_EQ(d.to, kSourceAddress);
        }
    };
    // The link into the site loses every eighth packet; the repairer stands before it.
    std::set<Sqn> lost;
    pair.drop = [&](const Datagram& d, std::size_t to) {
        const bool loses = d.kind == FrameKind::odata && to != 0 && d.decoded().sqn % 8 == 5;
        if (loses) lost.insert(d.decoded().sqn);
        return loses;
    };
    for (std::size_t i = 0; i < 800; ++i) pair.send(message_of(i, 700));
    pair.finish();
    ASSERT_TRUE(pair.run_until([&] { return over(pair); }));
    expect_complete(pair);
    EXPECT_GE(lost.size(), 100u);
    EXPECT_EQ(pair.source->statistics().naks_received, before.naks_received);
    EXPECT_EQ(pair.source->statistics().rdata_packets_sent, before.rdata_packets_sent);
    EXPECT_GT(nnaks, 0u);
    const auto& told = pair.subscribers[0].repairer->statistics();
    EXPECT_EQ(repairs.size(), lost.size());
    EXPECT_LE(told.rdata_sent, lost.size() * 11 / 10) << "one repair serves the site";
    EXPECT_EQ(told.naks_forwarded, 0u);
}

TEST(LocalRepairer, ALossOfTheWholeSiteCostsTheSourceOneNak) {
    Pair pair(site(10));
    let_it_be_found(pair);
    std::map<Sqn, int> naks;
    pair.tap = [&](const Datagram& d) {
        if (d.kind == FrameKind::nak && d.to == kSourceAddress) {
            for (const Sqn sqn : named(d)) ++naks[sqn];
        }
    };
    std::set<Sqn> lost;
    pair.drop = [&](const Datagram& d, std::size_t) {
        const bool loses = d.kind == FrameKind::odata && d.decoded().sqn % 8 == 5;
        if (loses) lost.insert(d.decoded().sqn);
        return loses;
    };
    for (std::size_t i = 0; i < 800; ++i) pair.send(message_of(i, 700));
    pair.finish();
    ASSERT_TRUE(pair.run_until([&] { return over(pair); }));
    expect_complete(pair);
    EXPECT_EQ(naks.size(), lost.size());
    for (const auto& [sqn, count] : naks) EXPECT_EQ(count, 1) << sqn;
}

TEST(LocalRepairer, RepairsWhatTheSourcesWindowHasPassed) {
    PairParameters p = site(2);
    p.source.window_ns = 20 * kMillisecond;
    p.source.window_bytes = 250'000;
    Pair pair(p);
    let_it_be_found(pair);
    // One receiver hears nothing of the data for three windows.
    const Nanos from = pair.now, until = pair.now + 60 * kMillisecond;
    pair.drop = [&](const Datagram& d, std::size_t to) {
        return to == 2 && d.to.is_multicast() && pair.now >= from && pair.now < until &&
               from_the_source(d);
    };
    std::size_t i = 0;
    while (pair.now < until + 40 * kMillisecond) {
        pair.send(message_of(i++, 1000));
        pair.run_for(200 * kMicrosecond);
    }
    pair.finish();
    ASSERT_TRUE(pair.run_until([&] { return over(pair); }));
    expect_complete(pair);
    EXPECT_GT(pair.subscribers[0].repairer->statistics().rdata_sent, 200u);
    EXPECT_EQ(pair.source->statistics().naks_too_late, 0u);
}

TEST(LocalRepairer, WhenItDiesReceiversGoBackToTheSource) {
    Pair pair(site(4));
    let_it_be_found(pair);
    // Dead: nothing reaches it, so it says nothing any more.
    pair.drop = [&](const Datagram& d, std::size_t to) {
        if (to == 0 || d.to == receiver_address(0)) return true;
        return d.kind == FrameKind::odata && d.decoded().sqn % 8 == 5 && to != ~std::size_t{0};
    };
    for (std::size_t i = 0; i < 400; ++i) pair.send(message_of(i, 700));
    pair.finish();
    ASSERT_TRUE(pair.run_until([&] {
        return std::all_of(
            pair.subscribers.begin() + 1, pair.subscribers.end(),
            [](const Subscriber& s) { return s.receiver->state() != SessionState::open; });
    }));
    for (std::size_t i = 1; i < pair.subscribers.size(); ++i) {
        EXPECT_EQ(pair.subscribers[i].receiver->state(), SessionState::finished);
        EXPECT_TRUE(pair.subscribers[i].messages == pair.sent);
    }
    // Who asked first found out; the others were spared by the NCF that the source gave him.
    EXPECT_TRUE(std::any_of(pair.subscribers.begin() + 1, pair.subscribers.end(),
                            [](const Subscriber& s) { return s.receiver->repairer().is_none(); }));
    EXPECT_GT(pair.source->statistics().rdata_packets_sent, 40u);
}

TEST(LocalRepairer, FragmentsKeepTheirPlaceInTheMessage) {
    Pair pair(site(2));
    let_it_be_found(pair);
    const auto repaired = pair.source->statistics().rdata_packets_sent;
    pair.drop = [&](const Datagram& d, std::size_t to) {
        return d.kind == FrameKind::odata && to != 0 && d.decoded().sqn % 5 == 2;
    };
    for (std::size_t i = 0; i < 60; ++i) pair.send(message_of(i, 300 + i * 400));
    pair.finish();
    ASSERT_TRUE(pair.run_until([&] { return over(pair); }));
    expect_complete(pair);
    EXPECT_EQ(pair.source->statistics().rdata_packets_sent, repaired);
}

class LocalRepairerUnderFaults : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(LocalRepairerUnderFaults, EverythingCompletesUnderLossEverywhere) {
    std::cout << "seed " << GetParam() << "\n";
    PairParameters p = site(4);
    p.seed = GetParam();
    Random random(p.seed);
    p.link.loss = static_cast<double>(random.next() % 15) / 100;
    p.link.duplicate = 0.02;
    p.link.corrupt = 0.01;
    p.link.jitter_ns = random.between(0, 200 * kMicrosecond);
    p.frames = 4 + random.next() % 60;
    p.prefix = random.next() % 2 ? 32 : 24;  // 24: the repairer is in the own subnet
    Pair pair(p);
    for (std::size_t i = 0; i < 1000; ++i) {
        pair.send(message_of(i, random.next() % (i % 10 ? 1400 : 9000)));
    }
    pair.finish();
    ASSERT_TRUE(pair.run_until([&] { return over(pair); }));
    expect_complete(pair);
}

INSTANTIATE_TEST_SUITE_P(Seeds, LocalRepairerUnderFaults, ::testing::Range<std::uint64_t>(1, 21));

// What stands alone: a repairer over a window that the test fills.
struct Alone {
    std::vector<IndexEntry> index = std::vector<IndexEntry>(1u << 8);
    std::vector<std::byte> log = std::vector<std::byte>(1u << 16);
    ReceiverParameters parameters = profile(ProfileName::lan).receiver;
    Receiver receiver{parameters, {index, log}, checksum::best_kernels()};
    LocalRepairer repairer;
    Frames frames{64};
    Nanos now = kSecond;

    explicit Alone(const RepairerParameters& repairs = {})
        : repairer(repairs, {index, log}, 1500, false, checksum::best_kernels()) {
        const ReceiverIdentity identity{kTsi, kDataPort, kGroup, kSourceAddress,
                                        receiver_address(0)};
        receiver.start(identity, 1, now);
        repairer.start(identity);
        hear(spm(1, 0, 0xFFFFFFFF));
    }
    std::uint64_t stored_first = 0, stored_end = 0;
    LocalRepairer::Window window() {
        return {receiver.start_ordinal(),
                receiver.next_ordinal(),
                receiver.lead(),
                receiver.open_burst(0),
                receiver.path(),
                stored_first,
                stored_end};
    }
    std::vector<Datagram> tick() {
        Output out = frames.output();
        repairer.on_tick(window(), now, out);
        return frames.take(out, receiver_address(0));
    }
    std::vector<Datagram> fetched(const StoredPacket& stored, bool sends = true) {
        Output out = frames.output();
        EXPECT_EQ(repairer.on_fetched(stored, window(), now, out), sends);
        return frames.take(out, receiver_address(0));
    }
    std::vector<Datagram> hear(const Datagram& d) {
        const wire::Packet packet = d.decoded();
        Output out = frames.output();
        const bool to_us = d.to == receiver_address(0);
        if (!to_us) {
            receiver.open_burst(packet.payload.size());
            receiver.on_packet(packet, d.octets, d.from, now, out);
        }
        out = frames.output();
        repairer.on_packet(packet, d.from, to_us, window(), now, out);
        return frames.take(out, receiver_address(0));
    }
    std::vector<Datagram> ask(const std::vector<Sqn>& sqns, const Change& change = {}) {
        Datagram d = nak(sqns, change);
        d.to = receiver_address(0);
        d.from = receiver_address(1);
        return hear(d);
    }
};

std::vector<FrameKind> kinds(const std::vector<Datagram>& sent) {
    std::vector<FrameKind> result;
    for (const Datagram& d : sent) result.push_back(d.kind);
    return result;
}

TEST(LocalRepairer, AnswersANakWithNcfThenNullNakThenRdata) {
    Alone a;
    for (Sqn i = 0; i < 10; ++i) a.hear(odata(i, 0, "text " + std::to_string(i)));
    const auto sent = a.ask({3, 5});
    ASSERT_EQ(kinds(sent),
              (std::vector{FrameKind::ncf, FrameKind::nnak, FrameKind::rdata, FrameKind::rdata}));
    EXPECT_EQ(named(sent[0]), (std::vector<Sqn>{3, 5}));
    EXPECT_EQ(sent[0].from, kSourceAddress);
    EXPECT_EQ(named(sent[1]), (std::vector<Sqn>{3, 5}));
    EXPECT_EQ(sent[1].from, receiver_address(0));
    EXPECT_EQ(sent[1].to, kSourceAddress);
    const wire::Packet packet = sent[2].decoded();
    EXPECT_EQ(packet.sqn, 3u);
    EXPECT_EQ(
        std::string(reinterpret_cast<const char*>(packet.payload.data()), packet.payload.size()),
        "text 3");
    EXPECT_EQ(kinds(a.ask({3})), (std::vector{FrameKind::ncf})) << "repaired just now";
    a.now += kMillisecond;
    EXPECT_EQ(a.ask({3}).size(), 3u);
}

TEST(LocalRepairer, PassesOnWhatItDoesNotHoldAndLetsItsOwnNakAskForWhatItMisses) {
    Alone a;
    for (Sqn i = 0; i < 400; ++i) a.hear(odata(i, 0, "x"));
    a.hear(odata(402, 0, "x"));
    auto sent = a.ask({10});  // its index has 256 entries
    ASSERT_EQ(kinds(sent), (std::vector{FrameKind::ncf, FrameKind::nak}));
    EXPECT_EQ(sent[1].to, kSourceAddress);
    sent = a.ask({401});
    EXPECT_EQ(kinds(sent), (std::vector{FrameKind::ncf})) << "its receiver asks for that itself";
    sent = a.ask({500});
    EXPECT_EQ(kinds(sent), (std::vector{FrameKind::nak}))
        << "whether that was sent the source alone knows";
}

TEST(LocalRepairer, WhatTheLogHasOverwrittenIsNotRepaired) {
    Alone a;
    const std::string large(1400, 'l');
    for (Sqn i = 0; i < 100; ++i) a.hear(odata(i, 0, large));
    EXPECT_EQ(kinds(a.ask({10})), (std::vector{FrameKind::ncf, FrameKind::nak}));
    EXPECT_EQ(a.ask({90}).size(), 3u);
}

// Ordinals of an Alone's session, which begins with 0.
constexpr std::uint64_t kStart = std::uint64_t{1} << 32;

std::span<const std::byte> octets_of(const std::string& text) {
    return std::as_bytes(std::span(text));
}

TEST(LocalRepairer, WhatMemoryNoLongerHoldsComesOutOfTheStore) {
    Alone a;
    for (Sqn i = 0; i < 400; ++i) a.hear(odata(i, 0, "x"));
    a.stored_first = kStart + 5;
    a.stored_end = kStart + 300;
    EXPECT_EQ(kinds(a.ask({3})), (std::vector{FrameKind::ncf, FrameKind::nak}))
        << "the store begins later";
    ASSERT_EQ(kinds(a.ask({10, 11})), (std::vector{FrameKind::ncf, FrameKind::nnak}));
    EXPECT_EQ(kinds(a.ask({10})), (std::vector{FrameKind::ncf})) << "it is under way";
    EXPECT_EQ(a.repairer.next_fetch(), kStart + 10);
    EXPECT_EQ(a.repairer.next_fetch(), kStart + 11);
    EXPECT_EQ(a.repairer.next_fetch(), 0u);
    const std::string text = "out of a file";
    StoredPacket stored{kStart + 10, octets_of(text), kEntryData | kEntryMessageBegin, 10, 0, 90};
    const auto sent = a.fetched(stored);
    ASSERT_EQ(kinds(sent), (std::vector{FrameKind::rdata}));
    EXPECT_EQ(sent[0].from, kSourceAddress);
    const wire::Packet packet = sent[0].decoded();
    EXPECT_EQ(packet.sqn, 10u);
    EXPECT_EQ(packet.trail, 5u);
    EXPECT_EQ(packet.payload.size(), text.size());
    ASSERT_TRUE(packet.options.has(wire::OptionBit::fragment));
    EXPECT_EQ(packet.options.fragment.first_sqn, 10u);
    EXPECT_EQ(packet.options.fragment.apdu_length, 90u);
    EXPECT_EQ(kinds(a.ask({10})), (std::vector{FrameKind::ncf})) << "repaired just now";
    EXPECT_EQ(a.repairer.statistics().fetched, 1u);

    Output out = a.frames.output();
    a.repairer.on_fetch_failed(kStart + 11, a.window(), out);
    const auto passed = a.frames.take(out, receiver_address(0));
    ASSERT_EQ(kinds(passed), (std::vector{FrameKind::nak}));
    EXPECT_EQ(passed[0].to, kSourceAddress);
    EXPECT_EQ(named(passed[0]), (std::vector<Sqn>{11}));
}

TEST(LocalRepairer, AsksTheStoreForABoundedNumberAtATime) {
    Alone a;
    for (Sqn i = 0; i < 400; ++i) a.hear(odata(i, 0, "x"));
    a.stored_first = kStart;
    a.stored_end = kStart + 300;
    for (Sqn i = 0; i < 100; ++i) a.ask({i});
    for (std::size_t i = 0; i < LocalRepairer::kFetchesUnderWay; ++i) {
        EXPECT_EQ(a.repairer.next_fetch(), kStart + i) << "in the order they were asked for";
    }
    EXPECT_EQ(a.repairer.next_fetch(), 0u);
    Output out = a.frames.output();
    a.repairer.on_fetch_failed(kStart + 3, a.window(), out);
    a.frames.take(out, receiver_address(0));
    EXPECT_EQ(a.repairer.next_fetch(), kStart + LocalRepairer::kFetchesUnderWay);

    for (Sqn i = 0; i < 4000; ++i) a.hear(odata(400 + i, 0, "x"));
    a.stored_end = kStart + 4000;
    for (Sqn i = 100; i < 2000; ++i) a.ask({i});
    EXPECT_EQ(a.repairer.statistics().fetches_shed, 1999 - LocalRepairer::kFetchesMost);
}

TEST(LocalRepairer, ARepairOutOfTheStoreWaitsForTheRate) {
    RepairerParameters slow;
    slow.rate_bits_per_s = 1'000'000;
    Alone a(slow);
    for (Sqn i = 0; i < 400; ++i) a.hear(odata(i, 0, "x"));
    a.stored_first = kStart;
    a.stored_end = kStart + 300;
    a.ask({10, 11, 12});
    while (a.repairer.next_fetch() != 0) {
    }
    const std::string large(1400, 'l');
    const auto flags = kEntryData | kEntryMessageBegin | kEntryMessageEnd;
    a.fetched({kStart + 10, octets_of(large), static_cast<std::uint16_t>(flags), 0, 0, 0});
    a.fetched({kStart + 11, octets_of(large), static_cast<std::uint16_t>(flags), 0, 0, 0});
    EXPECT_TRUE(
        a.fetched({kStart + 12, octets_of(large), static_cast<std::uint16_t>(flags), 0, 0, 0},
                  false)
            .empty());
    ASSERT_GT(a.repairer.next_deadline(), a.now);
    a.now = a.repairer.next_deadline();
    a.tick();
    EXPECT_EQ(a.fetched({kStart + 12, octets_of(large), static_cast<std::uint16_t>(flags), 0, 0, 0})
                  .size(),
              1u);
}

TEST(LocalRepairer, OneRequesterCannotMakeAStream) {
    Alone a;
    for (Sqn i = 0; i < 10; ++i) a.hear(odata(i, 0, "x"));
    std::size_t repairs = 0;
    for (int i = 0; i < 20'000; ++i) {
        a.now += 100 * kMicrosecond;
        for (const Datagram& d : a.ask({3})) repairs += d.kind == FrameKind::rdata ? 1 : 0;
    }
    EXPECT_LT(repairs, 60u) << "two seconds, one number";
    EXPECT_GT(a.repairer.statistics().naks_shed, 10'000u);
}

TEST(LocalRepairer, AnnouncesItselfOnceItHoldsDataAndThenNowAndThen) {
    RepairerParameters announcing;
    announcing.announce_interval_ns = kSecond;
    Alone a(announcing);
    a.hear(spm(2, 0, 0xFFFFFFFF));
    EXPECT_EQ(a.repairer.next_deadline(), kNever) << "it holds nothing yet";
    a.hear(odata(0, 0, "x"));
    a.hear(odata(1, 0, "x"));
    EXPECT_EQ(a.repairer.next_deadline(), a.now);
    const auto offer = a.tick();
    ASSERT_EQ(kinds(offer), (std::vector{FrameKind::polr}));
    EXPECT_EQ(offer[0].from, kSourceAddress);
    EXPECT_EQ(offer[0].to, kGroup);
    EXPECT_TRUE(a.tick().empty());
    a.now += kSecond;
    EXPECT_EQ(kinds(a.tick()), (std::vector{FrameKind::polr}));
}

TEST(LocalRepairer, ItsParentIsAnsweredAloneAndInItsOwnName) {
    Alone a;
    const Address parent = Address::from_octets(10, 0, 9, 1);
    a.hear(spm(3, 0, 0xFFFFFFFF, [&](wire::Packet& p) { p.path = parent; }));
    for (Sqn i = 0; i < 10; ++i) a.hear(odata(i, 0, "x"));
    Datagram d = nak({3, 40});
    d.to = receiver_address(0);
    d.from = parent;
    const auto sent = a.hear(d);
    ASSERT_EQ(kinds(sent),
              (std::vector{FrameKind::ncf, FrameKind::nnak, FrameKind::nak, FrameKind::rdata}));
    for (const Datagram& one : sent) {
        EXPECT_EQ(one.to, parent);
        EXPECT_EQ(one.from, receiver_address(0));
    }
    EXPECT_FALSE(sent[0].router_alert);
    EXPECT_FALSE(sent[3].router_alert);
    EXPECT_EQ(named(sent[2]), (std::vector<Sqn>{40}));
}

TEST(LocalRepairer, APollForRepairersIsAnsweredWithItsAddress) {
    Alone a;
    ReceiverIdentity identity = a.receiver.identity();
    identity.repairs = true;
    a.receiver.start(identity, 1, a.now);
    a.hear(spm(2, 0, 0xFFFFFFFF));
    wire::Packet poll = from_source(wire::Type::poll);
    poll.sqn = 1;
    poll.path = kSourceAddress;
    poll.poll.subtype = kPollDlr;
    a.hear(datagram_of(poll, kSourceAddress, kGroup));
    a.now += kMillisecond;
    Output out = a.frames.output();
    a.receiver.on_tick(a.now, out);
    const auto sent = a.frames.take(out, receiver_address(0));
    ASSERT_EQ(kinds(sent), (std::vector{FrameKind::polr}));
    EXPECT_EQ(sent[0].to, kSourceAddress);
    EXPECT_EQ(sent[0].decoded().options.redirect.dlr, receiver_address(0));
}

TEST(LocalRepairer, FirstAndLastPacketKeepTheirMarks) {
    Alone a;
    a.hear(odata(0, 0, "first", [](wire::Packet& p) { p.options.set(wire::OptionBit::syn); }));
    a.hear(odata(1, 0, "last", [](wire::Packet& p) { p.options.set(wire::OptionBit::fin); }));
    const auto sent = a.ask({0, 1});
    ASSERT_EQ(sent.size(), 4u);
    EXPECT_TRUE(sent[2].decoded().options.has(wire::OptionBit::syn));
    EXPECT_FALSE(sent[2].decoded().options.has(wire::OptionBit::fin));
    EXPECT_TRUE(sent[3].decoded().options.has(wire::OptionBit::fin));
}

TEST(LocalRepairer, TheMarksStandOnRepairsOfWhatItGotByARepairItself) {
    Alone a;
    a.hear(odata(1, 0, "second"));
    a.hear(rdata(0, 0, "first", [](wire::Packet& p) { p.options.set(wire::OptionBit::syn); }));
    const auto sent = a.ask({0});
    ASSERT_EQ(sent.size(), 3u);
    EXPECT_TRUE(sent[2].decoded().options.has(wire::OptionBit::syn));
}

TEST(LocalRepairer, AMarkThatAnotherAddressSetsIsNone) {
    Alone a;
    a.hear(odata(0, 0, "x"));
    Datagram forged =
        odata(0, 0, "x", [](wire::Packet& p) { p.options.set(wire::OptionBit::fin); });
    forged.from = receiver_address(7);
    a.hear(forged);
    const auto sent = a.ask({0});
    ASSERT_EQ(sent.size(), 3u);
    EXPECT_FALSE(sent[2].decoded().options.has(wire::OptionBit::fin));
}

TEST(LocalRepairer, NaksOfOthersGroupsSourcesAndForParityAreRefused) {
    Alone a;
    for (Sqn i = 0; i < 10; ++i) a.hear(odata(i, 0, "x"));
    EXPECT_TRUE(a.ask({3}, [](wire::Packet& p) { p.group = Address{1}; }).empty());
    EXPECT_TRUE(a.ask({3}, [](wire::Packet& p) { p.source = Address{1}; }).empty());
    EXPECT_TRUE(a.ask({3}, [](wire::Packet& p) { p.flags |= wire::kOptParity; }).empty());
    EXPECT_TRUE(a.ask({3}, [](wire::Packet& p) { p.destination_port ^= 1; }).empty());
    EXPECT_EQ(a.repairer.statistics().rejected, 3u);
    EXPECT_TRUE(a.hear(nak({3})).empty()) << "sent to the source, not to us";
}

// Two sites whose repairers lost the same would otherwise confirm each other's NAKs, and nobody
// would ask the source.
TEST(LocalRepairer, ItAsksTheSourceItselfWhateverOthersOffer) {
    Alone a;
    ReceiverIdentity identity = a.receiver.identity();
    identity.repairs = true;
    identity.prefix = 24;
    a.receiver.start(identity, 1, a.now);
    a.hear(spm(1, 0, 0xFFFFFFFF));
    a.hear(odata(0, 0, "x"));
    wire::Packet offer = from_receiver(wire::Type::polr);
    offer.options.set(wire::OptionBit::redirect);
    offer.options.redirect.dlr = Address::from_octets(10, 7, 7, 7);
    a.hear(datagram_of(offer, kSourceAddress, kGroup));
    EXPECT_TRUE(a.receiver.repairer().is_none());
    a.hear(odata(2, 0, "x"));
    a.now += kMillisecond;
    Output out = a.frames.output();
    a.receiver.on_tick(a.now, out);
    const auto sent = a.frames.take(out, receiver_address(0));
    ASSERT_FALSE(sent.empty());
    EXPECT_EQ(sent[0].to, kSourceAddress);
}

// What the source owes says nothing of the repairer (9.5.3.1).
TEST(LocalRepairer, ParityNaksThatTheSourceLeavesUnansweredDoNotDiscardIt) {
    Alone a;
    ReceiverIdentity identity = a.receiver.identity();
    identity.prefix = 32;
    a.receiver.start(identity, 1, a.now);
    a.hear(spm(1, 0, 0xFFFFFFFF, [](wire::Packet& p) {
        p.options.set(wire::OptionBit::parity_prm);
        p.options.parity_prm = {false, true, 4};
    }));
    wire::Packet offer = from_receiver(wire::Type::polr);
    offer.options.set(wire::OptionBit::redirect);
    offer.options.redirect.dlr = Address::from_octets(10, 7, 7, 7);
    a.hear(datagram_of(offer, kSourceAddress, kGroup));
    for (const Sqn sqn : {0u, 1u, 2u, 4u}) a.hear(odata(sqn, 0, "x"));
    std::size_t naks = 0;
    for (int i = 0; i < 20; ++i) {
        a.now += 10 * kMillisecond;
        Output out = a.frames.output();
        a.receiver.on_tick(a.now, out);
        for (const Datagram& d : a.frames.take(out, receiver_address(0))) {
            if (d.kind != FrameKind::nak || d.to == kGroup) continue;
            ++naks;
            EXPECT_EQ(d.to, kSourceAddress);
            EXPECT_NE(d.decoded().flags & wire::kOptParity, 0);
        }
    }
    EXPECT_GE(naks, 3u);
    EXPECT_EQ(a.receiver.repairer(), Address::from_octets(10, 7, 7, 7));
}

TEST(LocalRepairer, AnOfferThatDoesNotBearTheSourcesAddressIsNotBelieved) {
    Pair pair(site(1));
    pair.send("x");
    pair.run_for(10 * kMillisecond);
    wire::Packet offer = from_receiver(wire::Type::polr);
    offer.options.set(wire::OptionBit::redirect);
    offer.options.redirect.dlr = Address::from_octets(10, 7, 7, 7);
    pair.inject(datagram_of(offer, receiver_address(5), kGroup));
    pair.run_for(kMillisecond);
    EXPECT_TRUE(pair.subscribers[1].receiver->repairer().is_none());
    pair.inject(datagram_of(offer, kSourceAddress, kGroup));
    pair.run_for(kMillisecond);
    EXPECT_EQ(pair.subscribers[1].receiver->repairer(), Address::from_octets(10, 7, 7, 7));
}

}  // namespace
}  // namespace fanfare::engine::test
