// Frames that lie: counted by reason, and nobody else is harmed. And what a poll costs: no
// allocation.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "dataplane/net/internet_checksum.hpp"
#include "dataplane/net/ipv4.hpp"
#include "dataplane/source_session.hpp"
#include "tests/dataplane/hosts.hpp"

namespace {
std::atomic<bool> watching{false};
std::atomic<std::uint64_t> allocations{0};
}  // namespace

void* operator new(std::size_t bytes) {
    if (watching.load(std::memory_order_relaxed)) allocations.fetch_add(1);
    if (void* p = std::malloc(bytes)) return p;
    throw std::bad_alloc();
}
void operator delete(void* p) noexcept {
    std::free(p);
}
void operator delete(void* p, std::size_t) noexcept {
    std::free(p);
}

namespace fanfare::dataplane::test {
namespace {

using client::ReadStatus;
using client::WriteStatus;

class Hostile : public ::testing::Test {
  protected:
    Hostile()
        : sender(network.add({})), receiver(network.add({Address::from_octets(10, 0, 0, 2)})) {
        network.wire.hook = [this](std::span<const std::byte> frame, const sim::SimPort&) {
            seen.emplace_back(frame.begin(), frame.end());
            return true;
        };
        receiver.port().promiscuous = true;
        receiver.listen(kGroup, kPort, 0, 4);
        network.settle();
        sending = &sender.send();
        network.settle();
        write("first");
        network.settle();
        reading = &receiver.read(*receiver.opened().at(0));
    }
    void write(const std::string& text) {
        ASSERT_EQ(sending->writer->try_send(octets_of(text)).status, WriteStatus::done);
    }
    // A good ODATA frame as it was on the wire.
    std::vector<std::byte> odata() {
        for (auto& frame : seen) {
            if (frame.size() > 40 && frame[23] == std::byte{113} && frame[38] == std::byte{4})
                return frame;
        }
        ADD_FAILURE() << "no ODATA was seen";
        return {};
    }
    // The same of one without options, as nearly all of a session are: once the trail has moved.
    std::vector<std::byte> plain_odata() {
        network.run(kSecond);
        write("plain");
        network.settle();
        EXPECT_EQ(seen.back()[38], std::byte{4});
        EXPECT_EQ(seen.back()[39], std::byte{0});
        return seen.back();
    }
    void inject(const std::vector<std::byte>& frame) {
        receiver.port().inject(frame);
        network.settle();
    }
    static void mend_ip(std::vector<std::byte>& frame) {
        const std::size_t size =
            std::min((std::to_integer<std::size_t>(frame[14]) & 15) * 4, frame.size() - 14);
        net::store16(frame.data() + 24, 0);
        net::store16(frame.data() + 24, net::internet_checksum({frame.data() + 14, size}));
    }
    static void mend_pgm(std::vector<std::byte>& frame) {
        const std::span<std::byte> pgm(frame.data() + 34, frame.size() - 34);
        net::store16(pgm.data() + 6, 0);
        net::store16(pgm.data() + 6, net::internet_checksum(pgm));
    }
    void expect_unharmed() {
        const std::size_t before = reading->messages.size();
        write("still here");
        network.run(kMillisecond);
        ASSERT_EQ(reading->messages.size(), before + 1);
        EXPECT_EQ(reading->messages.back(), "still here");
    }
    std::uint64_t decode_errors() {
        std::uint64_t sum = 0;
        for (auto& counter : receiver.counters().decode_errors) sum += counter.get();
        return sum;
    }

    Network network;
    Host& sender;
    Host& receiver;
    Sending* sending = nullptr;
    Reading* reading = nullptr;
    std::vector<std::vector<std::byte>> seen;
};

TEST_F(Hostile, EveryTruncationOfAGoodFrameIsCounted) {
    const auto frame = odata();
    std::uint64_t expected = 0;
    for (std::size_t n = 1; n < frame.size(); ++n) {
        inject({frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(n)});
        ++expected;
    }
    EXPECT_EQ(receiver.counters().frames_malformed.get(), expected);
    expect_unharmed();
}

TEST_F(Hostile, AWrongIpChecksumIsCounted) {
    auto frame = odata();
    frame[24] ^= std::byte{1};
    inject(frame);
    EXPECT_EQ(receiver.counters().ip_checksum_wrong.get(), 1u);
    expect_unharmed();
}

TEST_F(Hostile, FragmentsAreDroppedAndCounted) {
    auto frame = odata();
    frame[20] |= std::byte{0x20};
    mend_ip(frame);
    inject(frame);
    EXPECT_EQ(receiver.counters().ip_fragments.get(), 1u);
    expect_unharmed();
}

TEST_F(Hostile, IpOptionsAreCountedAndThePacketTaken) {
    auto frame = odata();
    frame[14] = std::byte{0x46};
    const auto option = from_hex("07040400");
    frame.insert(frame.begin() + 34, option.begin(), option.end());
    net::store16(frame.data() + 16, static_cast<std::uint16_t>(net::load16(frame.data() + 16) + 4));
    mend_ip(frame);
    inject(frame);
    EXPECT_EQ(receiver.counters().ip_options.get(), 1u);
    EXPECT_EQ(receiver.counters().verdicts[static_cast<int>(engine::Verdict::duplicate)].get(), 1u);
    expect_unharmed();
}

TEST_F(Hostile, AForgedSourceAddressIsNotBelieved) {
    auto frame = odata();
    frame[29] = std::byte{77};
    mend_ip(frame);
    inject(frame);
    EXPECT_EQ(
        receiver.counters().verdicts[static_cast<int>(engine::Verdict::untrusted_source)].get(),
        1u);
    expect_unharmed();
}

TEST_F(Hostile, DamagedPayloadsAndHeadersOfAStrangerTakeNoSpare) {
    for (int i = 0; i < 20; ++i) {
        auto frame = odata();
        frame[34 + 8] = static_cast<std::byte>(i);  // another TSI, checksum not mended
        frame[34 + 9] = std::byte{0x77};
        inject(frame);
    }
    EXPECT_EQ(receiver.counters().verdicts[static_cast<int>(engine::Verdict::checksum_wrong)].get(),
              20u);
    EXPECT_EQ(receiver.counters().spares_exhausted.get(), 0u);
    expect_unharmed();
}

TEST_F(Hostile, PlainDataOfAStrangerOpensASessionOnlyWhenItCameFromAnotherHostToAListenedGroup) {
    auto stranger = plain_odata();
    stranger[34 + 9] = std::byte{0x77};
    const auto opened = receiver.counters().sessions_opened.get();
    inject(stranger);
    EXPECT_EQ(receiver.counters().verdicts[static_cast<int>(engine::Verdict::checksum_wrong)].get(),
              1u);
    mend_pgm(stranger);
    const auto before = receiver.counters().frames_not_for_us.get();
    auto frame = stranger;
    std::memcpy(frame.data() + 6, receiver.port().mac().octets.data(), 6);  // ours, come back
    inject(frame);
    frame = stranger;
    frame[33] = std::byte{0x44};  // another group
    mend_ip(frame);
    inject(frame);
    frame = stranger;
    frame[26] = std::byte{239};  // from a group
    mend_ip(frame);
    inject(frame);
    frame = stranger;
    std::fill_n(frame.begin() + 26, 4, std::byte{0});  // from nobody
    mend_ip(frame);
    inject(frame);
    frame = stranger;
    std::copy_n(frame.begin() + 26, 4, frame.begin() + 30);  // to a host
    mend_ip(frame);
    inject(frame);
    EXPECT_EQ(receiver.counters().frames_not_for_us.get(), before + 5);
    EXPECT_EQ(receiver.counters().sessions_opened.get(), opened);
    inject(stranger);
    EXPECT_EQ(receiver.counters().sessions_opened.get(), opened + 1);
    expect_unharmed();
}

TEST_F(Hostile, AFloodOfTsisTakesTheSparesAndNothingElse) {
    for (int i = 0; i < 200; ++i) {
        auto frame = odata();
        frame[34 + 8] = static_cast<std::byte>(i);
        frame[34 + 9] = std::byte{0x77};
        mend_pgm(frame);
        inject(frame);
    }
    EXPECT_EQ(receiver.counters().sessions_opened.get(), 4u);
    EXPECT_EQ(receiver.counters().spares_exhausted.get(), 197u);
    expect_unharmed();
}

TEST_F(Hostile, FramesForOthersAreCounted) {
    auto frame = odata();
    frame[33] = std::byte{0x44};  // another group behind the same filter
    mend_ip(frame);
    const auto before = receiver.counters().frames_not_for_us.get();
    inject(frame);
    frame = odata();
    frame[12] = std::byte{0x86};  // IPv6
    inject(frame);
    frame = odata();
    frame[23] = std::byte{6};  // TCP
    mend_ip(frame);
    inject(frame);
    EXPECT_EQ(receiver.counters().frames_not_for_us.get(), before + 3);
    expect_unharmed();
}

// What looks like data of an open session is found out when the whole batch stands.
TEST_F(Hostile, FramesThatOnlyLookLikeASessionsAreJudgedByThemselvesAmongGoodOnes) {
    const std::vector<std::byte> plain = plain_odata();
    network.settle();  // the messages are read
    const auto before = receiver.counters().frames_not_for_us.get();
    std::vector<std::string> good;
    for (int i = 0; i < 10; ++i) {
        auto frame = plain;
        frame[33] = std::byte{0x44};  // another group
        mend_ip(frame);
        receiver.port().inject(frame);
        frame = plain;
        frame[29] = std::byte{77};  // another source
        mend_ip(frame);
        receiver.port().inject(frame);
        // Our own of that kind, come back.
        std::memcpy(frame.data() + 6, receiver.port().mac().octets.data(), 6);
        receiver.port().inject(frame);
        good.push_back(message_of(60, static_cast<std::uint32_t>(i)));
        write(good.back());
        sender.poll(network.now);
    }
    const std::size_t had = reading->messages.size();
    network.settle();
    EXPECT_EQ(receiver.counters().frames_not_for_us.get(), before + 20);
    EXPECT_EQ(
        receiver.counters().verdicts[static_cast<int>(engine::Verdict::untrusted_source)].get(),
        10u);
    ASSERT_EQ(reading->messages.size(), had + 10);
    EXPECT_TRUE(std::equal(good.begin(), good.end(),
                           reading->messages.begin() + static_cast<std::ptrdiff_t>(had)));
    expect_unharmed();
}

// RFC 3208 6.3.
TEST_F(Hostile, ANakToTheGroupIsForTheEarsOfItsSubnetAndNotForTheSource) {
    std::vector<std::byte> nak;
    bool lose = true;
    network.wire.hook = [&](std::span<const std::byte> frame, const sim::SimPort&) {
        if (frame[23] != std::byte{113}) return true;
        const std::byte type = frame[(std::to_integer<std::size_t>(frame[14]) & 15) * 4 + 14 + 4];
        if (type == std::byte{4} && std::exchange(lose, false)) return false;
        if (type == std::byte{8}) nak.assign(frame.begin(), frame.end());
        return true;
    };
    for (const char* text : {"lost", "next"}) {
        write(text);
        network.run(10 * kMillisecond);
    }
    ASSERT_FALSE(nak.empty());
    sender.listen();
    sender.port().promiscuous = true;
    const auto naks = [&] { return sending->session->source.statistics().naks_received; };
    const auto before = naks();
    sender.port().inject(nak);
    network.settle();
    EXPECT_EQ(naks(), before + 1);
    std::copy_n(odata().begin() + 30, 4, nak.begin() + 30);
    mend_ip(nak);
    sender.port().inject(nak);
    network.settle();
    EXPECT_EQ(naks(), before + 1);
}

TEST_F(Hostile, PacketsTowardsASourceThatIsNotHereAreCounted) {
    auto frame = odata();
    frame[30] = std::byte{10};
    frame[31] = frame[32] = std::byte{0};
    frame[33] = std::byte{2};
    frame.resize(34 + 16);
    frame[38] = std::byte{0x0C};  // SPMR
    frame[39] = std::byte{0};
    net::store16(frame.data() + 48, 0);
    net::store16(frame.data() + 16, 36);
    mend_ip(frame);
    mend_pgm(frame);
    inject(frame);
    EXPECT_EQ(receiver.counters().naks_for_no_source.get(), 1u);
    expect_unharmed();
}

TEST_F(Hostile, UnknownTypesAreCountedByReason) {
    auto frame = odata();
    frame[38] = std::byte{0x3F};
    inject(frame);
    EXPECT_EQ(
        receiver.counters().decode_errors[static_cast<int>(wire::DecodeError::unknown_type)].get(),
        1u);
    expect_unharmed();
}

TEST_F(Hostile, RandomDamageIsAlwaysHarmless) {
    std::uint32_t x = 99;
    std::printf("seed 99\n");
    const auto random = [&] {
        x = x * 1664525u + 1013904223u;
        return x >> 8;
    };
    const auto good = seen;
    for (int round = 0; round < 20000; ++round) {
        auto frame = good[random() % good.size()];
        const int changes = 1 + static_cast<int>(random() % 4);
        for (int i = 0; i < changes; ++i)
            frame[12 + random() % (frame.size() - 12)] = static_cast<std::byte>(random());
        if (frame.size() > 38 && (random() & 1) != 0) mend_ip(frame);
        if (random() % 8 == 0) frame.resize(random() % frame.size() + 1);
        receiver.port().inject(frame);
        if (round % 16 == 0) receiver.poll(network.now);
    }
    network.settle();
    network.run(10 * kMillisecond);
    EXPECT_GT(decode_errors(), 0u);
    expect_unharmed();
}

TEST_F(Hostile, OurOwnFramesComingBackAreNotOurs) {
    auto frame = odata();
    sender.listen();
    network.settle();
    sender.port().inject(frame);
    network.settle();
    EXPECT_TRUE(sender.opened().empty());
}

TEST_F(Hostile, PollingAllocatesNothing) {
    // Everything that grows on the test's side stands still meanwhile: no hook, no reader, no
    // event.
    std::vector<std::string> sent;
    for (std::uint32_t i = 0; i < 2000; ++i) sent.push_back(message_of(i % 1400, i));
    std::uint64_t lost = 0;
    network.wire.hook = [&lost](std::span<const std::byte> frame, const sim::SimPort&) {
        return frame[23] != std::byte{113} || ++lost % 50 != 0;
    };
    const auto opened_before = receiver.events.size();
    allocations = 0;
    watching = true;
    std::size_t next = 0;
    for (int turn = 0; turn < 40000 && next < sent.size(); ++turn) {
        if (sending->writer->try_send(octets_of(sent[next])).status == WriteStatus::done) ++next;
        sender.workers[0]->poll(network.now);
        receiver.workers[0]->poll(network.now);
        network.now += 10 * kMicrosecond;
    }
    for (int turn = 0; turn < 20000; ++turn) {
        sender.workers[0]->poll(network.now);
        receiver.workers[0]->poll(network.now);
        network.now += 20 * kMicrosecond;
    }
    watching = false;
    EXPECT_EQ(next, sent.size());
    EXPECT_EQ(allocations.load(), 0u);
    EXPECT_EQ(receiver.events.size(), opened_before);
    engine::ReceiverStatistics statistics;
    Sqn trail, lead;
    ASSERT_TRUE(read_statistics(receiver.opened()[0]->session, statistics, trail, lead));
    EXPECT_GT(statistics.losses_repaired, 10u);
}

}  // namespace
}  // namespace fanfare::dataplane::test
