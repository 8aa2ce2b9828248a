// What a source owes its receivers, and what it learns of them from who asks, and when.
#include "engine/core/repair_service.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <vector>

#include "tests/engine/packets.hpp"

namespace fanfare::engine::test {
namespace {

class RepairServiceTest : public ::testing::Test {
  protected:
    static SourceParameters parameters() {
        SourceParameters p = profile(ProfileName::lan).source;
        p.window_packets = 4096;
        return p;
    }
    void send(std::uint32_t count) {
        for (std::uint32_t i = 0; i < count; ++i) {
            window.open() = SendEntry{};
            window.at(window.next()).ncf_at = SendWindow::kLongAgo;
            window.at(window.next()).rdata_at = SendWindow::kLongAgo;
            window.commit();
        }
    }
    // One NAK for `count` numbers from `from` on.
    void ask(std::uint64_t from, std::size_t count, std::uint32_t requester, Nanos at) {
        std::array<std::byte, 4 * wire::kNakListMax> list;
        for (std::size_t i = 1; i < count; ++i) {
            const Sqn sqn = static_cast<Sqn>(from + i);
            for (std::size_t b = 0; b < 4; ++b)
                list[4 * (i - 1) + b] = static_cast<std::byte>(sqn >> (24 - 8 * b));
        }
        wire::Packet nak{};
        nak.type = wire::Type::nak;
        nak.sqn = static_cast<Sqn>(from);
        if (count > 1) {
            nak.options.present = wire::bit(OptionBit::nak_list);
            nak.options.nak_list = {list.data(), static_cast<std::uint8_t>(count - 1)};
        }
        service.nak(nak, Address{0x0A000001u + requester}, window, at, statistics);
    }
    void confirm(Nanos at) {
        RepairService::Confirmation sqns;
        while (service.must_confirm()) service.confirm(window, at, sqns);
    }
    // `crowd` receivers ask for the same burst one after the other; then it is repaired.
    void burst(std::size_t numbers, std::uint32_t crowd, Nanos at) {
        const std::uint64_t from = window.next();
        send(static_cast<std::uint32_t>(numbers));
        for (std::uint32_t i = 0; i < crowd; ++i) {
            ask(from, numbers, i, at + i);
            confirm(at + i);
        }
        for (std::size_t i = 0; i < numbers; ++i) service.repaired(from + i, window, at + crowd);
    }
    using OptionBit = wire::OptionBit;

    SendWindow window{4096, 0};
    RepairService service{parameters()};
    SourceStatistics statistics;
};

TEST_F(RepairServiceTest, ABurstThatACrowdLosesWidensTheBackOff) {
    const Nanos before = service.tuning().interval();
    for (int i = 0; i < 20; ++i) burst(10, 20, (i + 1) * kSecond);
    EXPECT_GT(service.tuning().interval(), before);
}

TEST_F(RepairServiceTest, ABurstIsOneLoss) {
    BackoffTuning one(parameters());
    one.asked();
    one.crowded(kSecond);
    burst(10, 20, kSecond);
    EXPECT_EQ(service.tuning().interval(), one.interval());
}

TEST_F(RepairServiceTest, AListCountsByTheFirstNumberThatOthersAskedForAsWell) {
    BackoffTuning one(parameters());
    one.asked();
    one.crowded(kSecond);
    const std::uint64_t from = window.next();
    send(2);
    ask(from, 2, 1, kSecond);
    for (const std::uint32_t other : {2u, 3u}) ask(from, 1, other, kSecond);
    ASSERT_LT(service.tuning().interval(), one.interval());
    ask(from, 2, 4, kSecond);
    EXPECT_EQ(service.tuning().interval(), one.interval())
        << "four lost the first number, whoever lost the second";
}

TEST_F(RepairServiceTest, WhoCatchesUpSaysNothingOfPathsAndCrowds) {
    const Nanos before = service.tuning().interval();
    const Nanos hold = service.hold().hold();
    for (int i = 0; i < 20; ++i) burst(60, 20, (i + 1) * kSecond);
    EXPECT_EQ(service.tuning().interval(), before);
    EXPECT_EQ(service.hold().hold(), hold);
}

TEST_F(RepairServiceTest, ACrowdThatLosesTheRepairTooIsCountedAgain) {
    const std::uint64_t lost = window.next();
    send(1);
    for (std::uint32_t i = 0; i < 4; ++i) ask(lost, 1, i, kSecond);
    service.repaired(lost, window, kSecond);
    const Nanos once = service.tuning().interval();
    for (std::uint32_t i = 0; i < 3; ++i) ask(lost, 1, i, 2 * kSecond);
    EXPECT_EQ(service.tuning().interval(), once);
    ask(lost, 1, 3, 2 * kSecond);
    EXPECT_GT(service.tuning().interval(), once);
}

TEST_F(RepairServiceTest, AListThatCrossedItsRepairsDidSoOnce) {
    const std::uint64_t from = window.next();
    send(2);
    ask(from, 2, 1, kSecond);
    for (const std::uint64_t i : {0, 1}) service.repaired(from + i, window, kSecond);
    const Nanos hold = service.hold().hold();
    ask(from, 2, 2, kSecond + 4 * kMillisecond);
    EXPECT_EQ(service.hold().hold(), 2 * hold);
}

TEST_F(RepairServiceTest, WhoWasAnsweredAtLastAsksForTheNextRepairNotInVain) {
    const std::uint64_t lost = window.next();
    send(1);
    ask(lost, 1, 1, kSecond);
    service.repaired(lost, window, kSecond);
    ask(lost, 1, 2, kSecond + 500 * kMicrosecond);
    ASSERT_FALSE(service.pending().contains(lost));
    const Nanos hold = service.hold().hold();
    ask(lost, 1, 2, kSecond + 900 * kMicrosecond);
    ASSERT_TRUE(service.pending().contains(lost));
    const Nanos shorter = service.hold().hold();
    EXPECT_LT(shorter, hold);
    service.repaired(lost, window, kSecond + 900 * kMicrosecond);
    ask(lost, 1, 2, kSecond + 20 * kMillisecond);
    EXPECT_EQ(service.hold().hold(), shorter);
}

// The age of a NAK tells the path from what should have silenced its sender.
TEST_F(RepairServiceTest, ARepairOfLongAgoDoesNotMakeTheNaksForTheNextOneLate) {
    const Nanos path = service.tuning().min();
    const std::uint64_t lost = window.next();
    send(1);
    ask(lost, 1, 1, kSecond);
    confirm(kSecond);
    service.repaired(lost, window, kSecond);
    // Somebody lost the repair too, and others with it.
    ask(lost, 1, 1, kSecond + 30 * kMillisecond);
    confirm(kSecond + 30 * kMillisecond);
    ask(lost, 1, 2, kSecond + 30 * kMillisecond + 10 * kMicrosecond);
    EXPECT_EQ(service.tuning().min(), path);
}

TEST_F(RepairServiceTest, BeforeAnyNcfHasLeftNoNakIsLate) {
    const Nanos path = service.tuning().min();
    const std::uint64_t lost = window.next();
    send(1);
    ask(lost, 1, 1, kSecond);
    ask(lost, 1, 2, kSecond + 10 * kMicrosecond);
    EXPECT_EQ(service.tuning().min(), path);
    confirm(kSecond + 20 * kMicrosecond);
    ask(lost, 1, 3, kSecond + 90 * kMicrosecond);
    EXPECT_EQ(service.tuning().min(), 70 * kMicrosecond + 70 * kMicrosecond / 4);
}

// In a storm NCFs wait (RFC 5.2). The oldest numbers, asked for again meanwhile, must not be all
// that is ever confirmed.
TEST_F(RepairServiceTest, WhereNcfsWaitTheNextGoesOnWhereTheLastEnded) {
    send(4000);
    while (window.size() > 1000) window.drop_oldest();
    send(2000);  // round the ring
    const std::uint64_t a = window.trail() + 10, b = a + 1000, c = b + 1500;
    RepairService::Confirmation sqns;
    const auto next = [&](Nanos at) {
        EXPECT_EQ(service.confirm(window, at, sqns), 63u);
        EXPECT_TRUE(std::is_sorted(sqns.begin(), sqns.end()));
        return static_cast<Sqn>(sqns[0]);
    };
    for (const std::uint64_t from : {a, b, c}) ask(from, 63, 1, kSecond);
    EXPECT_EQ(next(kSecond), static_cast<Sqn>(a));
    ask(a, 63, 1, 2 * kSecond);
    EXPECT_EQ(next(2 * kSecond), static_cast<Sqn>(b));
    EXPECT_EQ(next(2 * kSecond), static_cast<Sqn>(c));
    EXPECT_EQ(next(2 * kSecond), static_cast<Sqn>(a));
    EXPECT_FALSE(service.must_confirm());
}

}  // namespace
}  // namespace fanfare::engine::test
