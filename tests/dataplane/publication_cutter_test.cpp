#include "dataplane/publication_cutter.hpp"

#include <gtest/gtest.h>

#include "tests/dataplane/hosts.hpp"

namespace fanfare::dataplane::test {
namespace {

using ipc::RecordHeader;
using ipc::SendFormat;

constexpr std::uint64_t kLog = 4096;
constexpr std::uint16_t kTsdu = 100;
constexpr std::uint16_t kFragment = 80;

class CutterTest : public ::testing::Test {
  protected:
    // Appends a record as a program would; what is given need not be what is true.
    void record(std::uint32_t length, std::uint32_t message_length, std::uint32_t offset,
                std::uint32_t flags = 0, std::uint32_t seed = 1) {
        const RecordHeader header{length, flags, message_length, offset};
        std::memcpy(log.data() + (tail & (kLog - 1)), &header, sizeof header);
        const std::string text = message_of(std::min<std::uint32_t>(length, 2000), seed);
        const std::uint64_t to = (tail & (kLog - 1)) + sizeof header;
        std::memcpy(log.data() + to, text.data(), std::min<std::size_t>(text.size(), kLog - to));
        tail += ipc::record_bytes(length);
    }
    void message(std::uint32_t length, std::uint32_t seed = 1) {
        record(length, length, 0, 0, seed);
    }
    // Messages as they stand in a row.
    static std::string row_of(std::initializer_list<std::pair<std::uint32_t, std::uint32_t>> all) {
        std::string row;
        for (const auto& [length, seed] : all) {
            row += {static_cast<char>(length >> 8), static_cast<char>(length)};
            row += message_of(length, seed);
        }
        return row;
    }
    // Appends a record of such a row; what it holds need not be one.
    void row(const std::string& octets) {
        const auto length = static_cast<std::uint32_t>(octets.size() - ipc::kRowLengthBytes);
        record(length, length, 0, ipc::kRecordRow);
        std::memcpy(log.data() + ((tail - ipc::record_bytes(length)) & (kLog - 1)) +
                        sizeof(RecordHeader) - ipc::kRowLengthBytes,
                    octets.data(), octets.size());
    }
    std::vector<engine::Publish> cut(std::size_t most = 64) {
        std::vector<engine::Publish> items(most);
        items.resize(cutter().cut(tail, items));
        return items;
    }
    PublicationCutter& cutter() {
        if (!cutter_) cutter_.emplace(log.data(), kLog, format, kTsdu, kFragment);
        return *cutter_;
    }
    static std::string text(const engine::Publish& item) {
        return {reinterpret_cast<const char*>(item.data), item.length};
    }
    void expect_refused() {
        cut();
        EXPECT_TRUE(cutter().failed());
        EXPECT_TRUE(cut().empty());
    }

    alignas(64) std::array<std::byte, kLog> log{};
    std::uint64_t tail = 0;
    SendFormat format = SendFormat::message;
    std::optional<PublicationCutter> cutter_;
};

TEST_F(CutterTest, AMessageOfOnePacketIsOnePacket) {
    message(40, 1);
    message(0, 2);
    message(kTsdu, 3);
    const auto items = cut();
    ASSERT_EQ(items.size(), 3u);
    EXPECT_EQ(text(items[0]), message_of(40, 1));
    EXPECT_FALSE(items[0].fragment);
    EXPECT_EQ(items[1].length, 0);
    EXPECT_EQ(text(items[2]), message_of(kTsdu, 3));
    EXPECT_EQ(items[0].release_position, 64u);
    EXPECT_EQ(items[2].release_position, tail);
    EXPECT_EQ(cutter().position(), tail);
    EXPECT_FALSE(cutter().failed());
}

TEST_F(CutterTest, ALongMessageIsFragmentsOfFullSizeButTheLast) {
    message(kTsdu + 1, 5);
    const auto items = cut();
    ASSERT_EQ(items.size(), 2u);
    EXPECT_TRUE(items[0].fragment);
    EXPECT_EQ(items[0].length, kFragment);
    EXPECT_EQ(items[1].length, kTsdu + 1 - kFragment);
    EXPECT_EQ(items[1].message_offset, kFragment);
    EXPECT_EQ(items[1].message_length, kTsdu + 1u);
    EXPECT_EQ(text(items[0]) + text(items[1]), message_of(kTsdu + 1, 5));
    EXPECT_LT(items[0].release_position, items[1].release_position);
}

TEST_F(CutterTest, AMessageMayStandInSeveralRecordsAndBeCutAsTheyCome) {
    record(2 * kFragment, 250, 0);
    EXPECT_EQ(cut().size(), 2u);
    EXPECT_TRUE(cutter().message_open());
    record(250 - 2 * kFragment, 250, 2 * kFragment);
    const auto items = cut();
    ASSERT_EQ(items.size(), 2u);
    EXPECT_EQ(items[1].message_offset, 3u * kFragment);
    EXPECT_FALSE(cutter().message_open());
}

TEST_F(CutterTest, CuttingStopsWhenThereIsNoMoreRoomAndGoesOn) {
    message(400);
    EXPECT_EQ(cut(2).size(), 2u);
    EXPECT_EQ(cut(2).size(), 2u);
    EXPECT_EQ(cut(2).size(), 1u);
    EXPECT_EQ(cut(2).size(), 0u);
}

TEST_F(CutterTest, ASkipLeadsToTheNextLap) {
    while (tail + ipc::record_bytes(90) <= kLog - 32) message(90);
    cut();
    const auto rest = static_cast<std::uint32_t>(kLog - tail - sizeof(RecordHeader));
    record(rest, 0, 0, ipc::kRecordSkip);
    ASSERT_EQ(tail, kLog);
    message(33, 9);
    const auto items = cut();
    ASSERT_EQ(items.size(), 1u);
    EXPECT_EQ(items[0].data, log.data() + sizeof(RecordHeader));
    EXPECT_EQ(text(items[0]), message_of(33, 9));
}

TEST_F(CutterTest, LengthsBeyondWhatIsPublishedAreRefused) {
    message(40);
    tail -= 16;
    expect_refused();
}
TEST_F(CutterTest, PaddingBeyondWhatIsPublishedIsRefused) {
    message(40);
    tail -= 4;
    expect_refused();
}
TEST_F(CutterTest, LengthsBeyondTheLogAreRefused) {
    record(0xFFFFFFFF, 0xFFFFFFFF, 0);
    tail = kLog;
    expect_refused();
}
TEST_F(CutterTest, LengthsNearTheTopOfThirtyTwoBitsAreRefused) {
    record(0xFFFFFFF0, 0xFFFFFFF0, 0);
    tail = kLog;
    expect_refused();
}
TEST_F(CutterTest, ASkipThatDoesNotFillTheLapIsRefused) {
    record(100, 0, 0, ipc::kRecordSkip);
    expect_refused();
}
TEST_F(CutterTest, UnknownFlagsAreRefused) {
    record(10, 10, 0, 2);
    expect_refused();
}
TEST_F(CutterTest, APartWithoutItsMessageIsRefused) {
    record(10, 200, 80);
    expect_refused();
}
TEST_F(CutterTest, APartOfAnotherMessageIsRefused) {
    record(kFragment, 250, 0);
    record(kFragment, 251, kFragment);
    expect_refused();
}
TEST_F(CutterTest, AnEmptyPartIsRefused) {
    record(0, 250, 0);
    expect_refused();
}
TEST_F(CutterTest, AShortMessageInTwoRecordsIsRefused) {
    record(10, 50, 0);
    record(40, 50, 10);
    expect_refused();
}
TEST_F(CutterTest, MoreThanTheMessageIsRefused) {
    record(kFragment * 2, 150, 0);
    expect_refused();
}
TEST_F(CutterTest, ATailInsideAHeaderIsRefused) {
    tail = 8;
    expect_refused();
}

TEST_F(CutterTest, ARecordThatEndsInsideAFragmentIsTheLastOfItsSender) {
    record(kFragment + 5, 300, 0);
    EXPECT_EQ(cut().size(), 2u);
    EXPECT_FALSE(cutter().failed());
    EXPECT_TRUE(cutter().message_open());
    record(300 - kFragment - 5, 300, kFragment + 5);
    expect_refused();
}

TEST_F(CutterTest, AStreamIsCutAtTheLargestSizeAndAtTheLogsEnd) {
    format = SendFormat::stream;
    tail = kTsdu * 2 + 7;
    auto items = cut();
    ASSERT_EQ(items.size(), 3u);
    EXPECT_EQ(items[2].length, 7);
    tail = kLog + 30;
    items = cut();
    std::uint64_t total = 0;
    for (const auto& item : items) {
        total += item.length;
        EXPECT_LE(item.data + item.length, log.data() + kLog);
    }
    EXPECT_EQ(total, kLog + 30 - 207);
    EXPECT_EQ(items.back().release_position, tail);
}

TEST_F(CutterTest, PackedMessagesShareAContainer) {
    format = SendFormat::packed;
    message(20, 1);
    message(0, 2);
    message(30, 3);
    message(40, 4);  // 2+20 + 2+0 + 2+30 + 2+40 = 98
    message(1, 5);   // would be 101
    const auto items = cut();
    ASSERT_EQ(items.size(), 2u);
    EXPECT_TRUE(items[0].packed);
    const auto prefixed = [](std::uint32_t length, std::uint32_t seed) {
        return std::string{'\0', static_cast<char>(length)} + message_of(length, seed);
    };
    EXPECT_EQ(text(items[0]), prefixed(20, 1) + prefixed(0, 2) + prefixed(30, 3) + prefixed(40, 4));
    EXPECT_FALSE(items[1].packed);  // alone it needs no container
    EXPECT_EQ(text(items[1]), message_of(1, 5));
    EXPECT_EQ(items[1].release_position, tail);
}

TEST_F(CutterTest, AFullRowIsAPacketAsItStands) {
    format = SendFormat::packed;
    const std::string first = row_of({{40, 1}, {50, 2}}),
                      second = row_of({{30, 3}, {0, 4}, {60, 5}});
    row(first);
    row(second);
    const auto items = cut();
    ASSERT_EQ(items.size(), 2u);
    EXPECT_TRUE(items[0].packed && items[1].packed);
    EXPECT_EQ(text(items[0]), first);
    EXPECT_EQ(text(items[1]), second);
    EXPECT_EQ(items[0].data, log.data() + 14);
    EXPECT_EQ(items[1].release_position, tail);
    EXPECT_EQ(cutter().position(), tail);
}

TEST_F(CutterTest, ShortRowsAndSingleMessagesAreJoinedAndPartedSoThatPacketsAreFull) {
    format = SendFormat::packed;
    row(row_of({{20, 1}, {20, 2}}));           // 44
    message(10, 3);                            // 12 -> 56
    row(row_of({{20, 4}, {15, 5}, {30, 6}}));  // 22 -> 78, 17 -> 95, 32 stays
    row(row_of({{20, 7}, {60, 8}}));           // 32 + 22 -> 54, 62 stays
    const auto items = cut();
    ASSERT_EQ(items.size(), 3u);
    EXPECT_EQ(text(items[0]), row_of({{20, 1}, {20, 2}, {10, 3}, {20, 4}, {15, 5}}));
    EXPECT_EQ(text(items[1]), row_of({{30, 6}, {20, 7}}));
    EXPECT_FALSE(items[2].packed);  // what is left alone needs no row
    EXPECT_EQ(text(items[2]), message_of(60, 8));
    EXPECT_LT(items[0].release_position, items[1].release_position);
    EXPECT_EQ(items[2].release_position, tail);
    EXPECT_FALSE(cutter().failed());
}

TEST_F(CutterTest, OneMessageInFrontOfARowIsJoinedToIt) {
    format = SendFormat::packed;
    message(3, 1);
    row(row_of({{20, 2}, {21, 3}}));
    const auto items = cut();
    ASSERT_EQ(items.size(), 1u);
    EXPECT_EQ(text(items[0]), row_of({{3, 1}, {20, 2}, {21, 3}}));
}

TEST_F(CutterTest, ARowThatIsLongerThanAPacketOrNoneOfThisFormatIsRefused) {
    format = SendFormat::packed;
    row(std::string(kTsdu + 1, '\0'));
    expect_refused();
    format = SendFormat::message;
    cutter_.reset();
    tail = 0;
    row(row_of({{20, 1}, {20, 2}}));
    expect_refused();
}

TEST_F(CutterTest, ARowWhoseLengthsLeaveItIsRefusedWhereItIsParted) {
    format = SendFormat::packed;
    message(50, 1);
    std::string bad = row_of({{10, 2}, {60, 3}});
    bad[1] = 11;  // the second length is read one octet late
    row(bad);
    ASSERT_LE(cut().size(), 1u);
    EXPECT_TRUE(cutter().failed());
}

TEST_F(CutterTest, AContainerTakesNoLongMessageAndNothingAcrossTheLap) {
    format = SendFormat::packed;
    message(10, 1);
    message(150, 2);
    message(10, 3);
    auto items = cut();
    ASSERT_EQ(items.size(), 4u);
    EXPECT_FALSE(items[0].packed);
    EXPECT_TRUE(items[1].fragment && items[2].fragment);
    EXPECT_FALSE(items[3].packed);
    while (tail + ipc::record_bytes(16) < kLog) message(16, 7);
    message(static_cast<std::uint32_t>(kLog - tail - 16), 8);
    ASSERT_EQ(tail, kLog);
    message(16, 9);
    items = cut();
    EXPECT_FALSE(items.back().packed);
    EXPECT_EQ(text(items.back()), message_of(16, 9));
    EXPECT_FALSE(cutter().failed());
}

TEST_F(CutterTest, AnInvalidRecordBehindAContainerEndsItAndIsThenRefused) {
    format = SendFormat::packed;
    message(10, 1);
    message(10, 2);
    record(10, 5, 0);
    const auto items = cut();
    ASSERT_EQ(items.size(), 1u);
    EXPECT_TRUE(cutter().failed());
}

TEST_F(CutterTest, RandomRubbishNeverLeavesTheLog) {
    std::uint32_t x = 12345;
    for (int round = 0; round < 2000; ++round) {
        for (auto& octet : log) {
            x = x * 1664525u + 1013904223u;
            octet = static_cast<std::byte>((x >> 28) != 0 ? 0 : x >> 24);
        }
        for (const auto f : {SendFormat::message, SendFormat::packed}) {
            PublicationCutter rubbish(log.data(), kLog, f, kTsdu, kFragment);
            std::array<engine::Publish, 32> items;
            for (int i = 0; i < 100; ++i) {
                const std::size_t n = rubbish.cut(1 + x % kLog, items);
                for (std::size_t k = 0; k < n; ++k) {
                    ASSERT_GE(items[k].data, log.data());
                    ASSERT_LE(items[k].data + items[k].length, log.data() + kLog);
                    ASSERT_LE(items[k].length, kTsdu);
                }
                if (n == 0) break;
            }
        }
    }
}

}  // namespace
}  // namespace fanfare::dataplane::test
