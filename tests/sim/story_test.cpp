// Stories: one thing goes wrong, and everybody who listened still has what was sent, or knows why
// not.
#include "sim/story.hpp"

#include <gtest/gtest.h>

#include "sim/scenario.hpp"

namespace fanfare::sim {
namespace {

using wire::Type;

void expect_delivered(const Story& story, const Allowance& allowance = Allowance{}) {
    for (const auto& line : story.judged(allowance)) ADD_FAILURE() << line;
}

TEST(Story, EveryListenerGetsEveryMessageOverAQuietNetwork) {
    Story story(3);
    ASSERT_EQ(story.run_until_idle(), "");
    expect_delivered(story);
    EXPECT_EQ(story.sent(Type::nak), 0u);
    EXPECT_EQ(story.sent(Type::rdata), 0u);
    EXPECT_GE(story.sent(Type::spm), 6u);
}

TEST(Story, ALostOdataIsAskedForAndRepaired) {
    Story story(2);
    story.drop(Type::odata, 5);
    ASSERT_EQ(story.run_until_idle(), "");
    expect_delivered(story);
    EXPECT_GE(story.sent(Type::nak), 1u);
    EXPECT_GE(story.sent(Type::ncf), 1u);
    EXPECT_GE(story.sent(Type::rdata), 1u);
}

TEST(Story, OneRepairServesAllListeners) {
    Story story(5);
    story.drop(Type::odata, 20);
    ASSERT_EQ(story.run_until_idle(), "");
    expect_delivered(story);
    EXPECT_EQ(story.sent(Type::rdata), 1u);
    EXPECT_LE(story.sent(Type::nak), 5u);
}

TEST(Story, TheFirstThreeOdataMayBeLost) {
    Story story(2);
    story.drop_first(Type::odata, 3);
    ASSERT_EQ(story.run_until_idle(), "");
    expect_delivered(story);
}

TEST(Story, AllSpmsBeforeTheFirstDataMayBeLost) {
    Story story(2);
    story.drop_first(Type::spm, 3);
    ASSERT_EQ(story.run_until_idle(), "");
    expect_delivered(story);
}

TEST(Story, TheLastPacketOfASessionIsRepaired) {
    Story story(1);
    story.sender.content = {
        .seed = 3, .messages = 10, .longest = 100, .long_share = 0, .short_most = 100};
    story.sender.gap_ns = kMillisecond;
    story.drop(Type::odata, 9);
    ASSERT_EQ(story.run_until_idle(), "");
    expect_delivered(story);
    EXPECT_GE(story.sent(Type::rdata), 1u);
}

TEST(Story, ALostNakIsRepeated) {
    Story story(1);
    story.drop(Type::odata, 5);
    story.drop_first(Type::nak, 3);
    ASSERT_EQ(story.run_until_idle(), "");
    expect_delivered(story);
    EXPECT_GE(story.sent(Type::nak), 4u);
}

TEST(Story, ALostNcfAndALostRdataAreNoEnd) {
    Story story(1);
    story.drop(Type::odata, 5);
    story.drop_first(Type::ncf, 2);
    story.drop_first(Type::rdata, 2);
    ASSERT_EQ(story.run_until_idle(), "");
    expect_delivered(story);
    EXPECT_GE(story.sent(Type::rdata), 3u);
}

TEST(Story, ABurstOfTwentyLostPacketsIsRepaired) {
    Story story(2);
    story.sender.content = {
        .seed = 4, .messages = 200, .longest = 1400, .long_share = 0, .short_most = 1400};
    for (std::uint64_t i = 30; i < 50; ++i) story.drop(Type::odata, i);
    ASSERT_EQ(story.run_until_idle(), "");
    expect_delivered(story);
    EXPECT_LT(story.sent(Type::nak), 20u) << "a burst's losses go into lists";
}

TEST(Story, TheThreeFinSpmsMayBeLost) {
    Story story(1);
    int fins = 0;
    story.drop_if = [&](Type type, std::span<const std::byte> tpdu, std::uint64_t) {
        wire::Packet packet;
        return type == Type::spm && wire::decode(tpdu, packet) == wire::DecodeError::none &&
               packet.options.has(wire::OptionBit::fin) && fins++ < 3;
    };
    ASSERT_EQ(story.run_until_idle(), "");
    expect_delivered(story);
    EXPECT_GT(fins, 3);
}

TEST(Story, NumbersWrapInTheMiddleOfASession) {
    Story story(2);
    story.sender.first_sqn = 0xFFFFFFF0u;
    story.drop(Type::odata, 15);
    story.drop(Type::odata, 16);
    story.drop(Type::odata, 17);
    ASSERT_EQ(story.run_until_idle(), "");
    expect_delivered(story);
}

TEST(Story, LongMessagesArriveWholeInFragments) {
    Story story(2);
    story.sender.content = {
        .seed = 5, .messages = 30, .longest = 60'000, .long_share = 1, .short_most = 20'000};
    for (std::uint64_t i = 0; i < 100; i += 7) story.drop(Type::odata, i);
    ASSERT_EQ(story.run_until_idle(), "");
    expect_delivered(story);
}

TEST(Story, AStreamHasNoSeams) {
    Story story(2);
    story.sender.format = ipc::SendFormat::stream;
    for (std::uint64_t i = 1; i < 20; i += 3) story.drop(Type::odata, i);
    ASSERT_EQ(story.run_until_idle(), "");
    expect_delivered(story);
}

TEST(Story, PackedMessagesComeOutOneByOne) {
    Story story(2);
    story.sender.format = ipc::SendFormat::packed;
    story.sender.parameters.packed = true;
    story.sender.content = {
        .seed = 6, .messages = 500, .longest = 90, .long_share = 0, .short_most = 90};
    story.drop(Type::odata, 2);
    ASSERT_EQ(story.run_until_idle(), "");
    expect_delivered(story);
    EXPECT_LT(story.sent(Type::odata), 400u);
}

TEST(Story, AnUdpSessionIsRepairedToo) {
    Story story(2);
    story.sender.udp_port = 7600;
    for (std::uint64_t i = 0; i < 50; i += 5) story.drop(Type::odata, i);
    ASSERT_EQ(story.run_until_idle(), "");
    expect_delivered(story);
}

TEST(Story, ReadersOnTheSendingHostNeedNoNetwork) {
    Story story(1);
    story.listen_at_home = true;
    story.set_up().network().cut(0, 1, true);
    story.run_for(5 * kSecond);
    EXPECT_EQ(story.reader(0).state(), Reader::State::finished);
    EXPECT_TRUE(story.reader(0).check().complete());
    EXPECT_FALSE(story.has_reader(1));
}

TEST(Story, ADeadProgramsReadersGetWhatItPublishedAndThenAReset) {
    Story story(2);
    story.sender.ending = Ending::vanish;
    story.sender.give = 60;
    ASSERT_EQ(story.run_until_idle(), "");
    expect_delivered(story);
    for (std::size_t i = 1; i <= 2; ++i) {
        EXPECT_EQ(story.reader(i).state(), Reader::State::reset);
        EXPECT_EQ(story.reader(i).cause(), ResetCause::sender_reset);
        EXPECT_EQ(story.reader(i).check().next_index(), 60u);
    }
}

TEST(Story, APartitionLongerThanTheWindowIsALossAndSaysSo) {
    Story story(2);
    story.sender.content.messages = 2000;
    story.sender.gap_ns = kMillisecond / 2;
    story.sender.parameters.window_ns = 50 * kMillisecond;
    story.run_for(100 * kMillisecond);
    story.simulation().network().cut(0, 1, true);
    story.run_for(300 * kMillisecond);
    story.simulation().network().cut(0, 1, false);
    ASSERT_EQ(story.run_until_idle(), "");
    EXPECT_EQ(story.reader(1).state(), Reader::State::reset);
    EXPECT_EQ(story.reader(1).cause(), ResetCause::unrecoverable_loss);
    EXPECT_EQ(story.reader(2).state(), Reader::State::finished) << "the other host noticed nothing";
    expect_delivered(story, {.loss = true, .overtaken = false, .silence = false});
}

TEST(Story, APartitionShorterThanTheWindowIsRepaired) {
    Story story(2);
    story.sender.content.messages = 1000;
    story.sender.gap_ns = kMillisecond / 2;
    story.run_for(100 * kMillisecond);
    story.simulation().network().cut(0, 1, true);
    story.run_for(300 * kMillisecond);
    story.simulation().network().cut(0, 1, false);
    ASSERT_EQ(story.run_until_idle(), "");
    expect_delivered(story);
}

TEST(Story, ASenderThatIsNeverHeardAgainIsFoundSilent) {
    Story story(1);
    story.sender.content.messages = 100'000;
    story.sender.gap_ns = kMillisecond;
    story.run_for(100 * kMillisecond);
    story.simulation().network().cut(0, 1, true);
    story.run_for(40 * kSecond);
    EXPECT_EQ(story.reader(1).state(), Reader::State::reset);
    EXPECT_EQ(story.reader(1).cause(), ResetCause::sender_silent);
}

TEST(Story, AReaderThatSleepsIsOvertakenAndAlone) {
    Story story(1);
    story.host.receive_log_bytes = 1 << 16;
    story.sender.content = {
        .seed = 7, .messages = 600, .longest = 1000, .long_share = 0, .short_most = 1000};
    ReaderPlan sleepy;
    sleepy.asleep_from = 5 * kMillisecond;
    sleepy.asleep_until = 500 * kMillisecond;
    story.listen[0].readers = {ReaderPlan{}, sleepy};
    ASSERT_EQ(story.run_until_idle(), "");
    expect_delivered(story, {.loss = false, .overtaken = true, .silence = false});
    EXPECT_EQ(story.reader(1, 0).state(), Reader::State::finished);
    EXPECT_EQ(story.reader(1, 1).state(), Reader::State::reset);
    EXPECT_EQ(story.reader(1, 1).cause(), ResetCause::reader_overtaken);
}

TEST(Story, RepairsAloneCarryASession) {
    Story story(2);
    story.drop(Type::odata, kEvery);
    ASSERT_EQ(story.run_until_idle(), "");
    expect_delivered(story);
}

TEST(Story, DamagedPacketsAreNeverDelivered) {
    Story story(2);
    story.set_up().network().faults().corrupt = 0.3;
    ASSERT_EQ(story.run_until_idle(), "");
    expect_delivered(story);
    EXPECT_GT(story.simulation().network().totals().corrupted, 0u);
}

TEST(Story, TwoWorkersOnOnePortDeliverAsOne) {
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {  // source ports, and so owners, differ
        Story story(2, seed);
        story.host.workers = 2;
        story.listen_at_home = true;
        for (std::uint64_t i = 0; i < 60; i += 6) story.drop(Type::odata, i);
        ASSERT_EQ(story.run_until_idle(), "") << "seed " << seed;
        expect_delivered(story);
    }
}

// Whether an ODATA is data, and which number of its group it has.
bool data_of_group(Type type, std::span<const std::byte> tpdu, std::uint32_t k, std::uint32_t n) {
    wire::Packet packet;
    return type == Type::odata && wire::decode(tpdu, packet) == wire::DecodeError::none &&
           (packet.flags & wire::kOptParity) == 0 && packet.sqn % k == n;
}

TEST(Story, ParityBringsBackWhatIsLostAndNobodyAsks) {
    Story story(3);
    story.sender.parameters.parity = {8, 255, 2, false};
    story.drop_if = [](Type type, std::span<const std::byte> tpdu, std::uint64_t) {
        return data_of_group(type, tpdu, 8, 1) || data_of_group(type, tpdu, 8, 6);
    };
    ASSERT_EQ(story.run_until_idle(), "");
    expect_delivered(story);
    EXPECT_EQ(story.sent(Type::nak), 0u);
    EXPECT_EQ(story.sent(Type::rdata), 0u);
}

TEST(Story, ParityOnDemandIsAskedForByGroup) {
    Story story(3);
    story.sender.parameters.parity = {16, 255, 0, true};
    std::uint64_t parity_naks = 0, naks = 0;
    story.drop_if = [&](Type type, std::span<const std::byte> tpdu, std::uint64_t) {
        if (type == Type::nak) {
            const bool parity = (std::to_integer<unsigned>(tpdu[5]) & wire::kOptParity) != 0;
            ++(parity ? parity_naks : naks);
        }
        return data_of_group(type, tpdu, 16, 3) || data_of_group(type, tpdu, 16, 15);
    };
    ASSERT_EQ(story.run_until_idle(), "");
    expect_delivered(story);
    EXPECT_GT(parity_naks, 0u);
    EXPECT_EQ(naks, 0u);
    EXPECT_GT(story.sent(Type::rdata), 0u);
}

TEST(Story, ParityCarriesPackedMessagesFragmentsAndStreams) {
    for (const auto format :
         {ipc::SendFormat::packed, ipc::SendFormat::message, ipc::SendFormat::stream}) {
        Story story(2);
        story.sender.format = format;
        story.sender.parameters.packed = format == ipc::SendFormat::packed;
        story.sender.parameters.parity = {8, 255, 1, true};
        story.sender.content = {
            .seed = 7, .messages = 400, .longest = 12'000, .long_share = 0.1, .short_most = 90};
        story.drop_if = [](Type type, std::span<const std::byte> tpdu, std::uint64_t) {
            return data_of_group(type, tpdu, 8, 2) || data_of_group(type, tpdu, 8, 5);
        };
        ASSERT_EQ(story.run_until_idle(), "");
        expect_delivered(story);
    }
}

TEST(Story, ASlowFeedWithParityUsesShortGroups) {
    Story story(2);
    story.sender.parameters.parity = {8, 255, 1, false};
    story.sender.gap_ns = 5 * kMillisecond;
    story.drop_if = [](Type type, std::span<const std::byte> tpdu, std::uint64_t n) {
        return data_of_group(type, tpdu, 8, 0) && n % 3 == 0;
    };
    ASSERT_EQ(story.run_until_idle(), "");
    expect_delivered(story);
    EXPECT_EQ(story.sent(Type::nak), 0u);
}

TEST(Story, EverythingLentComesBack) {
    Story story(2);
    story.drop(Type::odata, 3);
    ASSERT_EQ(story.run_until_idle(), "");
    EXPECT_TRUE(story.simulation().stop(kSecond));
    for (const auto& host : story.simulation().hosts()) EXPECT_EQ(host->leaks(), "");
}

// The judge and the sweep must notice a broken mechanism: these break one and see it.

TEST(Judge, NoticesWhenNaksNeverArrive) {
    Story story(1);
    story.drop(Type::odata, 5);
    story.drop(Type::nak, kEvery);
    story.run_until_idle();
    EXPECT_FALSE(story.judged().empty());
}

TEST(Judge, NoticesWhenNothingIsEverHeard) {
    Story story(1);
    story.drop(Type::odata, kEvery);
    story.drop(Type::rdata, kEvery);
    story.run_until_idle();
    EXPECT_FALSE(story.judged().empty());
}

TEST(Judge, TheSweepFailsOnSomeSeedWithoutRepairs) {
    const auto no_rdata = [](void*, std::size_t, std::span<const std::byte> frame) {
        // Untagged IPv4 without UDP: the type of the PGM packet behind a header of any length.
        if (frame.size() < 60 || frame[23] != std::byte{wire::kIpProtocolPgm}) return true;
        const std::size_t header =
            14 + std::to_integer<std::size_t>(frame[14] & std::byte{0x0F}) * 4;
        return frame[header + 4] != static_cast<std::byte>(Type::rdata);
    };
    std::size_t failed = 0;
    for (std::uint64_t seed = 1; seed <= 10; ++seed)
        failed += run_scenario(seed, no_rdata).broken.empty() ? 0 : 1;
    EXPECT_GT(failed, 0u);
}

TEST(Content, ADoubledAMissingAndADamagedMessageAreNoticed) {
    const ContentShape shape{.seed = 9,
                             .messages = 10,
                             .longest = 100,
                             .long_share = 0,
                             .short_most = 100,
                             .empty_share = 0};
    std::vector<std::vector<std::byte>> messages;
    for (std::uint32_t i = 0; i < shape.messages; ++i) {
        messages.emplace_back(message_length(shape, i));
        fill_message(shape, i, messages.back());
    }
    ContentCheck good(shape, true);
    for (const auto& message : messages) EXPECT_TRUE(good.take(message)) << good.reason();
    EXPECT_TRUE(good.complete());
    EXPECT_FALSE(good.take(messages.back())) << "one too many";
    ContentCheck doubled(shape, true);
    EXPECT_TRUE(doubled.take(messages[0]));
    EXPECT_FALSE(doubled.take(messages[0]));
    ContentCheck missing(shape, true);
    EXPECT_TRUE(missing.take(messages[0]));
    EXPECT_FALSE(missing.take(messages[2]));
    ContentCheck damaged(shape, true);
    messages[0].back() ^= std::byte{1};
    EXPECT_FALSE(damaged.take(messages[0]));
    ContentCheck late(shape, false);
    EXPECT_TRUE(late.take(messages[4]));
    EXPECT_TRUE(late.take(messages[5]));
    EXPECT_FALSE(late.take(messages[7]));
}

}  // namespace
}  // namespace fanfare::sim
