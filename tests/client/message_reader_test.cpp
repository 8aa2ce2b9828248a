#include "client/core/message_reader.hpp"

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <thread>

#include "tests/client/fake_worker.hpp"

namespace fanfare::client {
namespace {

class ReaderTest : public testing::Test {
  protected:
    static constexpr std::uint64_t kLog = 64 * 1024;
    static constexpr std::uint32_t kEntries = 256;

    void SetUp() override { open(ReadMode::message); }
    void open(ReadMode mode, std::uint32_t first_sqn = 100) {
        window.emplace(memory.span(), kLog, kEntries, first_sqn);
        page = ipc::init_socket_page(page_memory.span(), 1, 0);
        reader.emplace(*ipc::ReceiveView::open(memory.span()), *page, mode);
    }
    // One read with `room` octets of room.
    std::string read(std::size_t room = 4096, unsigned flags = 0) {
        std::vector<std::byte> buffer(room);
        result = reader->try_recv(buffer, flags);
        return text_of(std::span(buffer).first(result.bytes));
    }

    HeapMemory memory{ipc::ReceiveLayout::for_log(kLog, kEntries).total_bytes};
    HeapMemory page_memory{ipc::kPageSize};
    std::optional<FakeReceiveWindow> window;
    ipc::SocketPage* page = nullptr;
    std::optional<MessageReader> reader;
    ReadResult result;
};

TEST_F(ReaderTest, ReadsMessagesOneByOneAndThenFindsNothing) {
    window->add("one");
    window->add("two");
    EXPECT_EQ(read(), "one");
    EXPECT_TRUE(result.message_end());
    EXPECT_EQ(read(), "two");
    read();
    EXPECT_EQ(result.status, ReadStatus::empty);
    EXPECT_EQ(page->messages_read.load(), 2u);
    EXPECT_EQ(page->bytes_read.load(), 6u);
}

TEST_F(ReaderTest, SeesNothingBeforeTheSessionHasItsStart) {
    window->header().lead.store(0);
    read();
    EXPECT_EQ(result.status, ReadStatus::empty);
    window->header().lead.store(window->next());
    window->add("x");
    EXPECT_EQ(read(), "x");
}

TEST_F(ReaderTest, AnEmptyMessageIsAMessage) {
    window->add("");
    window->add("after");
    read();
    EXPECT_EQ(result.status, ReadStatus::data);
    EXPECT_EQ(result.bytes, 0u);
    EXPECT_EQ(read(), "after");
}

// wsrm.md 5.3
TEST_F(ReaderTest, AMessageLargerThanTheRoomIsReadInParts) {
    window->add("abcdefgh");
    EXPECT_EQ(read(3), "abc");
    EXPECT_EQ(result.status, ReadStatus::message_continues);
    EXPECT_EQ(read(3), "def");
    EXPECT_EQ(result.status, ReadStatus::message_continues);
    EXPECT_EQ(read(3), "gh");
    EXPECT_EQ(result.status, ReadStatus::data);
    EXPECT_EQ(page->messages_read.load(), 1u);
}

TEST_F(ReaderTest, ARoomThatFitsExactlyEndsTheMessage) {
    window->add("abc");
    EXPECT_EQ(read(3), "abc");
    EXPECT_EQ(result.status, ReadStatus::data);
}

TEST_F(ReaderTest, AReadWithoutRoomTakesNothingAndHarmsNothing) {
    window->add("abc");
    window->add_message(pattern_message(1, 1000), 300);
    window->add_packed({"one", "", "three"});
    for (const char* const text : {"abc", "", "one"}) {
        for (const unsigned flags : {0u, unsigned{kReadPeek}, unsigned{kReadPart}}) {
            read(0, flags);
            EXPECT_EQ(result.status, ReadStatus::message_continues);
            EXPECT_EQ(result.bytes, 0u);
        }
        const std::string got = read(2000);
        EXPECT_EQ(result.status, ReadStatus::data);
        EXPECT_TRUE(*text == 0 ? got.size() == 1000 : got == text) << got;
    }
    read(0);
    EXPECT_EQ(result.status, ReadStatus::data) << "an empty message has room enough";
    EXPECT_EQ(read(2), "th");
    read(0);
    EXPECT_EQ(result.status, ReadStatus::message_continues);
    EXPECT_EQ(read(9), "ree");
    read(0);
    EXPECT_EQ(result.status, ReadStatus::empty);
    EXPECT_EQ(page->messages_read.load(), 5u);
}

TEST_F(ReaderTest, WaitsForTheWholeOfAFragmentedMessage) {
    window->add("abc", kEntryMessageBegin, 9);
    window->add("def", 0, 9);
    read();
    EXPECT_EQ(result.status, ReadStatus::empty);
    EXPECT_FALSE(result.must_take_parts);
    window->add("ghi", kEntryMessageEnd, 9);
    EXPECT_EQ(read(), "abcdefghi");
    EXPECT_EQ(result.status, ReadStatus::data);
}

TEST_F(ReaderTest, AFullRoomIsEnoughOfAMessageStillArriving) {
    window->add("abc", kEntryMessageBegin, 9);
    window->add("def", 0, 9);
    EXPECT_EQ(read(5), "abcde");
    EXPECT_EQ(result.status, ReadStatus::message_continues);
    read(5);
    EXPECT_EQ(result.status, ReadStatus::empty);
    EXPECT_EQ(read(5, kReadPart), "f");
    EXPECT_EQ(result.status, ReadStatus::message_continues);
    window->add("ghi", kEntryMessageEnd, 9);
    EXPECT_EQ(read(5), "ghi");
    EXPECT_EQ(result.status, ReadStatus::data);
}

TEST_F(ReaderTest, PeekingTakesNothing) {
    window->add("abc");
    EXPECT_EQ(read(2, kReadPeek), "ab");
    EXPECT_EQ(result.status, ReadStatus::message_continues);
    EXPECT_EQ(read(9, kReadPeek), "abc");
    EXPECT_EQ(read(9), "abc");
}

TEST_F(ReaderTest, AViewSaysWhetherItsOctetsCameByARepair) {
    window->add("first sent");
    window->add("sent again", kEntryMessageBegin | kEntryMessageEnd | kEntryRepaired);
    std::array<ReceivedView, 4> views;
    std::size_t count = 0;
    reader->peek(views, count);
    ASSERT_EQ(count, 2u);
    EXPECT_FALSE(views[0].repaired);
    EXPECT_TRUE(views[1].repaired);
}

TEST_F(ReaderTest, ScattersOverSeveralParts) {
    const auto message = pattern_message(1, 1000);
    window->add_message(message, 300);
    std::vector<std::byte> a(1), b(0), c(450), d(700);
    const std::array<RoomPart, 4> parts{
        {{a.data(), 1}, {b.data(), 0}, {c.data(), 450}, {d.data(), 700}}};
    EXPECT_EQ(reader->try_recv(parts).bytes, 1000u);
    std::vector<std::byte> joined = a;
    joined.insert(joined.end(), c.begin(), c.end());
    joined.insert(joined.end(), d.begin(), d.begin() + 549);
    EXPECT_EQ(joined, message);
}

TEST_F(ReaderTest, StepsOverVoidEntriesAlsoInsideAMessage) {
    window->add_void();
    window->add("ab", kEntryMessageBegin, 4);
    window->add_void();
    window->add("cd", kEntryMessageEnd, 4);
    window->add_void();
    EXPECT_EQ(read(), "abcd");
    read();
    EXPECT_EQ(result.status, ReadStatus::empty);
    EXPECT_EQ(page->cursor_ordinal.load(), window->next());
}

TEST_F(ReaderTest, StartsAtTheFirstWholeMessage) {
    window->add("tail of an old one", 0, 40);
    window->add("its end", kEntryMessageEnd, 40);
    window->add("first");
    EXPECT_EQ(read(), "first");
}

TEST_F(ReaderTest, ReadsOverTheWrapOfTheSequenceNumber) {
    open(ReadMode::message, 0xFFFFFFFE);
    for (int i = 0; i < 5; ++i) window->add("m" + std::to_string(i));
    for (int i = 0; i < 5; ++i) EXPECT_EQ(read(), "m" + std::to_string(i));
}

TEST_F(ReaderTest, ReadsWhatWasPlacedOutOfOrder) {
    const std::uint64_t first = window->next();
    window->reserve(100, 3);
    window->place(first + 2, octets("ccc"), kWhole);
    window->place(first, octets("aaa"), kWhole);
    window->place(first + 1, octets("bbb"), kWhole);
    read();
    EXPECT_EQ(result.status, ReadStatus::empty);
    window->publish(first + 3);
    EXPECT_EQ(read(), "aaa");
    EXPECT_EQ(read(), "bbb");
    EXPECT_EQ(read(), "ccc");
}

// wsrm.md 5.6
TEST_F(ReaderTest, TheEndIsToldAfterTheLastMessageAndForEver) {
    window->add("last");
    window->end(SessionState::finished);
    EXPECT_EQ(read(), "last");
    read();
    EXPECT_EQ(result.status, ReadStatus::finished);
    read();
    EXPECT_EQ(result.status, ReadStatus::finished);
}

TEST_F(ReaderTest, AResetIsToldAfterWhatWasWholeAndDropsTheRest) {
    window->add("whole");
    window->add("part", kEntryMessageBegin, 100);
    window->end(SessionState::reset, ResetCause::sender_reset);
    EXPECT_EQ(read(), "whole");
    read();
    EXPECT_EQ(result.status, ReadStatus::reset);
    EXPECT_EQ(result.cause, ResetCause::sender_reset);
}

TEST_F(ReaderTest, AnOrderlyEndInsideAMessageIsInconsistent) {
    window->add("part", kEntryMessageBegin, 100);
    window->end(SessionState::finished);
    read();
    EXPECT_EQ(result.status, ReadStatus::reset);
    EXPECT_EQ(result.cause, ResetCause::inconsistent_data);
    EXPECT_EQ(read(2), "pa");
    read(2);
    read(2);
    EXPECT_EQ(result.status, ReadStatus::reset);
}

TEST_F(ReaderTest, AMessageThatLacksItsEndOrBeginningIsInconsistent) {
    window->add("ab", kEntryMessageBegin, 4);
    window->add("other");
    read();
    EXPECT_EQ(result.status, ReadStatus::reset);
    EXPECT_EQ(result.cause, ResetCause::inconsistent_data);
    open(ReadMode::message);
    window->add("fine");
    window->add("no beginning", kEntryMessageEnd);
    EXPECT_EQ(read(), "fine");
    read();
    EXPECT_EQ(result.cause, ResetCause::inconsistent_data);
}

TEST_F(ReaderTest, AReaderWhoseEntriesWereReusedIsOvertakenForEver) {
    for (std::uint32_t i = 0; i <= kEntries; ++i) window->add("x");
    read();
    EXPECT_EQ(result.status, ReadStatus::reset);
    EXPECT_EQ(result.cause, ResetCause::reader_overtaken);
    EXPECT_EQ(page->overtaken.load(), 1u);
    reader->place(window->next());
    window->add("y");
    read();
    EXPECT_EQ(result.cause, ResetCause::reader_overtaken);
}

TEST_F(ReaderTest, AReaderJustInsideTheIndexIsNotOvertaken) {
    for (std::uint32_t i = 0; i < kEntries; ++i) window->add(std::to_string(i));
    EXPECT_EQ(read(), "0");
}

TEST_F(ReaderTest, AReaderWhoseOctetsWereOverwrittenIsOvertaken) {
    const std::vector<std::byte> kilobyte(1024);
    for (int i = 0; i < 63; ++i) window->add(kilobyte);
    EXPECT_EQ(window->header().reserved_log.load(), kLog);
    EXPECT_EQ(read(1), std::string(1, '\0'));
    window->reserve(513, 0);  // the first two octets are no longer safe
    read();
    EXPECT_EQ(result.cause, ResetCause::reader_overtaken);
}

// 4 GiB later the low 32 bits of a position look fresh again.
TEST_F(ReaderTest, AReaderManyLapsBehindIsNotFooledByAWrappedPosition) {
    window->add("stale");
    read(1, kReadPeek);
    window->advance_log((std::uint64_t{1} << 32) - 16);
    read();
    EXPECT_EQ(result.cause, ResetCause::reader_overtaken);
}

TEST_F(ReaderTest, PositionsBeyondFourGibibytesReadWell) {
    window->advance_log((std::uint64_t{1} << 32) - 100);
    reader->place(window->next());
    for (int i = 0; i < 60; ++i) {
        window->add(pattern_message(static_cast<std::uint64_t>(i), 1000));
        EXPECT_EQ(read(), text_of(pattern_message(static_cast<std::uint64_t>(i), 1000)));
    }
}

TEST_F(ReaderTest, EntriesFullOfRubbishNeverLeadOutside) {
    std::mt19937 random(20240607);
    std::uniform_int_distribution<std::uint64_t> any;
    std::vector<std::byte> room(70'000);
    for (int round = 0; round < 20'000; ++round) {
        open(round % 2 != 0 ? ReadMode::stream : ReadMode::message);
        const std::uint64_t first = window->next();
        for (std::uint32_t i = 0; i < 4; ++i) {
            IndexEntry& entry = window->index()[(first + i) % kEntries];
            const std::uint64_t a = any(random), b = any(random);
            std::memcpy(&entry, &a, 8);
            std::memcpy(reinterpret_cast<char*>(&entry) + 8, &b, 8);
            if (a % 8 != 0) entry.sqn = static_cast<std::uint32_t>(first + i);
            if (b % 4 != 0) entry.flags &= 31;
            entry.flags |= kEntryData;
        }
        std::memset(window->log().data(), static_cast<int>(any(random)), 4096);
        window->header().reserved_log.store(any(random));
        window->header().lead.store(first + 4);
        page->cursor_offset.store(static_cast<std::uint32_t>(any(random) % 70'000));
        page->message_taken.store(static_cast<std::uint32_t>(any(random) % 70'000));
        page->cursor_phase.store(static_cast<std::uint32_t>(any(random) % 3));
        page->cursor_ordinal.store(first + any(random) % 6);
        for (int i = 0; i < 5; ++i)
            reader->try_recv(std::span(room).first(any(random) % room.size()), any(random) % 4);
        std::array<ReceivedView, 4> views;
        std::size_t count = 0;
        reader->peek(views, count);
        for (std::size_t i = 0; i < count; ++i) {
            const std::byte* begin = views[i].octets.data();
            ASSERT_GE(begin, window->log().data());
            ASSERT_LE(begin + views[i].octets.size(), window->log().data() + window->log().size());
        }
    }
}

TEST_F(ReaderTest, AMessageTooLongForTheWindowMustBeTakenInParts) {
    const auto message = pattern_message(3, 200'000);
    std::vector<std::byte> got, buffer(300'000);
    bool asked_for_parts = false;
    for (std::size_t at = 0; at < message.size(); at += 1000) {
        std::uint16_t flags = at == 0                       ? kEntryMessageBegin
                              : at + 1000 == message.size() ? kEntryMessageEnd
                                                            : 0;
        window->add(std::span(message).subspan(at, 1000), flags, 200'000);
        ReadResult r = reader->try_recv(buffer);
        if (r.status == ReadStatus::empty) {
            asked_for_parts |= r.must_take_parts;
            if (r.must_take_parts) r = reader->try_recv(buffer, kReadPart);
        }
        got.insert(got.end(), buffer.begin(),
                   buffer.begin() + static_cast<std::ptrdiff_t>(r.bytes));
        EXPECT_EQ(r.message_end(), got.size() == message.size());
    }
    EXPECT_TRUE(asked_for_parts);
    EXPECT_EQ(got, message);
}

TEST_F(ReaderTest, AMessageOfManySmallFragmentsIsTakenInPartsBeforeItsEntriesAreAnnounced) {
    // As a worker does: half an index ahead of the lead may be placed, a 64th more is announced.
    constexpr std::uint64_t kAhead = kEntries / 2 + kEntries / 64;
    std::string got;
    for (std::uint32_t i = 0; i < 4 * kEntries; ++i) {
        window->add("x", i == 0 ? kEntryMessageBegin : 0, 5 * kEntries);
        window->reserve(1, kAhead);
        // One that looks only now and then.
        if (i % (kEntries / 8) != 0) continue;
        std::string part = read();
        if (result.must_take_parts) part = read(4096, kReadPart);
        ASSERT_TRUE(result.status == ReadStatus::empty ||
                    result.status == ReadStatus::message_continues)
            << i;
        got += part;
    }
    EXPECT_GT(got.size(), 3 * kEntries);
}

TEST_F(ReaderTest, AQuarterOfTheIndexAlsoAsksForParts) {
    for (std::uint32_t i = 0; i < kEntries / 4; ++i)
        window->add("x", i == 0 ? kEntryMessageBegin : 0, 1000);
    read();
    EXPECT_FALSE(result.must_take_parts);
    window->add("x", 0, 1000);
    read();
    EXPECT_TRUE(result.must_take_parts);
}

TEST_F(ReaderTest, AContainerYieldsItsMessages) {
    window->add_packed({"alpha", "", "gamma"});
    window->add("plain");
    EXPECT_EQ(read(), "alpha");
    read();
    EXPECT_EQ(result.status, ReadStatus::data);
    EXPECT_EQ(result.bytes, 0u);
    EXPECT_EQ(read(), "gamma");
    EXPECT_EQ(read(), "plain");
    EXPECT_EQ(page->messages_read.load(), 4u);
}

TEST_F(ReaderTest, AMessageInAContainerIsReadInParts) {
    window->add_packed({"abcdef", "xyz"});
    EXPECT_EQ(read(4), "abcd");
    EXPECT_EQ(result.status, ReadStatus::message_continues);
    EXPECT_EQ(read(4), "ef");
    EXPECT_EQ(result.status, ReadStatus::data);
    EXPECT_EQ(read(4), "xyz");
}

TEST_F(ReaderTest, AContainerWhoseLengthsLieIsInconsistent) {
    for (const auto& bad : {std::vector<std::byte>{std::byte{0}},
                            std::vector<std::byte>{std::byte{0}, std::byte{2}, std::byte{1}},
                            std::vector<std::byte>{std::byte{0xFF}, std::byte{0xFF}}}) {
        open(ReadMode::message);
        window->add(bad, kWhole | kEntryPacked);
        read();
        EXPECT_EQ(result.cause, ResetCause::inconsistent_data);
    }
}

TEST_F(ReaderTest, AnEmptyContainerIsSteppedOver) {
    window->add_packed({});
    window->add("next");
    EXPECT_EQ(read(), "next");
}

TEST_F(ReaderTest, AStreamIgnoresPacketsAndBoundaries) {
    open(ReadMode::stream);
    window->add("abc");
    window->add("");
    window->add("def", kEntryMessageBegin, 100);
    window->add_void();
    window->add_packed({"gh", "i", ""});
    window->add("j");
    EXPECT_EQ(read(4), "abcd");
    EXPECT_EQ(read(3), "efg");
    EXPECT_EQ(read(), "hij");
    read();
    EXPECT_EQ(result.status, ReadStatus::empty);
    window->end(SessionState::finished);
    read();
    EXPECT_EQ(result.status, ReadStatus::finished);
}

TEST_F(ReaderTest, ViewsShowSeveralMessagesAndAreTakenTogether) {
    window->add("one");
    window->add_packed({"two", "three"});
    window->add("fo", kEntryMessageBegin, 4);
    window->add("ur", kEntryMessageEnd, 4);
    std::array<ReceivedView, 8> views;
    std::size_t count = 0;
    EXPECT_EQ(reader->peek(views, count).status, ReadStatus::data);
    ASSERT_EQ(count, 5u);
    EXPECT_EQ(text_of(views[1].octets), "two");
    EXPECT_TRUE(views[1].begins && views[1].ends);
    EXPECT_TRUE(views[3].begins && !views[3].ends);
    EXPECT_TRUE(reader->consume(std::span(views).first(2)));
    EXPECT_EQ(read(), "three");
    EXPECT_EQ(read(), "four");
    EXPECT_EQ(reader->peek(views, count).status, ReadStatus::empty);
    EXPECT_EQ(count, 0u);
}

TEST_F(ReaderTest, ARowIsOneViewOfAllThatIsLeftOfItsMessages) {
    window->add("one");
    window->add_packed({"two", "", "three"});
    window->add_packed({"four", "five"});
    std::array<ReceivedView, 8> views;
    std::size_t count = 0;
    const ReadResult seen = reader->peek(views, count, true);
    EXPECT_EQ(seen.status, ReadStatus::data);
    EXPECT_EQ(seen.bytes, 19u);
    ASSERT_EQ(count, 3u);
    EXPECT_FALSE(views[0].row);
    EXPECT_TRUE(views[1].row && views[1].begins && views[1].ends);
    EXPECT_EQ(views[1].messages, 3u);
    EXPECT_EQ(text_of(views[1].octets), text_of(container({"two", "", "three"})));
    EXPECT_TRUE(reader->consume(std::span(views).first(2)));
    EXPECT_EQ(page->messages_read.load(), 4u);
    EXPECT_EQ(page->bytes_read.load(), 11u);
    EXPECT_EQ(read(), "four");
    reader->peek(views, count, true);
    ASSERT_EQ(count, 1u);
    EXPECT_EQ(text_of(views[0].octets), text_of(container({"five"})));
    EXPECT_TRUE(reader->consume(std::span(views).first(1)));
    EXPECT_EQ(reader->peek(views, count, true).status, ReadStatus::empty);
}

TEST_F(ReaderTest, AMessageTakenInPartIsAViewOfItsOwnInFrontOfItsRow) {
    window->add_packed({"abcdef", "xyz", "w"});
    EXPECT_EQ(read(4), "abcd");
    std::array<ReceivedView, 8> views;
    std::size_t count = 0;
    reader->peek(views, count, true);
    ASSERT_EQ(count, 3u);  // what goes on can't be part of a row; nor are those behind it this time
    EXPECT_EQ(text_of(views[0].octets), "ef");
    EXPECT_EQ(text_of(views[1].octets), "xyz");
    EXPECT_TRUE(reader->consume(std::span(views).first(2)));
    EXPECT_EQ(read(), "w");
}

TEST_F(ReaderTest, ARowThatLiesIsInconsistentHoweverItIsLookedAt) {
    for (const bool rows : {false, true}) {
        for (const std::uint8_t last : {1, 3}) {
            open(ReadMode::message);
            auto bad = container({"ab", "cd"});
            bad[5] = std::byte{last};
            window->add(bad, kWhole | kEntryPacked);
            std::array<ReceivedView, 8> views;
            std::size_t count = 0;
            EXPECT_EQ(reader->peek(views, count, rows).cause, ResetCause::inconsistent_data);
            EXPECT_EQ(count, 0u);
        }
    }
}

TEST_F(ReaderTest, AViewIsIntactUntilItsOctetsMayBeOverwritten) {
    window->add(std::vector<std::byte>(1000));
    std::array<ReceivedView, 1> views;
    std::size_t count = 0;
    reader->peek(views, count);
    ASSERT_EQ(count, 1u);
    for (int i = 0; i < 63; ++i) window->add(std::vector<std::byte>(1000));
    EXPECT_TRUE(reader->intact(views[0]));
    for (int i = 0; i < 3; ++i) window->add(std::vector<std::byte>(1000));
    EXPECT_FALSE(reader->intact(views[0]));
    EXPECT_FALSE(reader->consume(views));
    read();
    EXPECT_EQ(result.cause, ResetCause::reader_overtaken);
}

TEST_F(ReaderTest, OneOverwrittenViewAmongThoseTakenIsNoticedWhateverTheirOrder) {
    for (const std::size_t overwritten : {0u, 1u}) {
        open(ReadMode::message);
        window->add(std::vector<std::byte>(1000));
        window->add(std::vector<std::byte>(1000));
        std::array<ReceivedView, 2> views;
        std::size_t count = 0;
        reader->peek(views, count);
        ASSERT_EQ(count, 2u);
        if (overwritten == 1) std::swap(views[0], views[1]);
        while (reader->intact(views[overwritten])) window->add(std::vector<std::byte>(100));
        ASSERT_TRUE(reader->intact(views[1 - overwritten]));
        EXPECT_FALSE(reader->consume(views));
    }
}

TEST_F(ReaderTest, TheSecondLookSeesDataAndEnds) {
    read();
    EXPECT_FALSE(reader->changed());
    window->add("x");
    EXPECT_TRUE(reader->changed());
    read();
    read();
    EXPECT_FALSE(reader->changed());
    window->end(SessionState::finished);
    EXPECT_TRUE(reader->changed());
}

TEST_F(ReaderTest, AnOpenMessageDoesNotKeepASleeperAwake) {
    window->add("ab", kEntryMessageBegin, 4);
    read();
    EXPECT_FALSE(reader->changed());
}

TEST_F(ReaderTest, ReadersThatShareThePageShareThePosition) {
    MessageReader other(*ipc::ReceiveView::open(memory.span()), *page, ReadMode::message);
    window->add("abcd");
    window->add("two");
    EXPECT_EQ(read(2), "ab");
    std::vector<std::byte> buffer(10);
    EXPECT_EQ(other.try_recv(buffer).bytes, 2u);
    EXPECT_EQ(read(), "two");
    EXPECT_EQ(other.try_recv(buffer).status, ReadStatus::empty);
}

// A writer that never waits against readers of all kinds: what is believed is whole, in order and
// complete; what was overwritten is never believed. The small log makes overtaking certain.
TEST_F(ReaderTest, AgainstAWriterAtFullSpeedNothingTornIsEverBelieved) {
    constexpr std::uint64_t kMessages = 60'000;
    std::atomic<bool> done{false};
    std::atomic<std::uint64_t> torn{0}, overtaken{0}, good{0};
    const std::uint64_t first = window->next();
    const auto length_of = [](std::uint64_t m) { return static_cast<std::size_t>(m * 37 % 600); };

    std::thread writer([&] {
        std::uint64_t next = first;
        // Goes on until readers have had their share, however the machine schedules them.
        for (std::uint64_t m = first;
             m < first + kMessages || (good < 1000 && m < first + 100 * kMessages);) {
            const std::uint64_t burst = 1 + m % 8;
            window->reserve(burst * 600, burst);
            for (std::uint64_t i = 0; i < burst; ++i, ++m)
                window->place(m, pattern_message(m, length_of(m)), kWhole);
            next += burst;
            window->publish(next);
            if (m % 8 == 0) std::this_thread::yield();
        }
        done = true;
    });
    const auto check = [&](std::uint64_t message, std::span<const std::byte> data) {
        if (data.size() != length_of(message)) return false;
        for (std::size_t i = 0; i < data.size(); ++i)
            if (data[i] != pattern(message, i)) return false;
        return true;
    };
    // Up to as far back as the log reaches (some 218 messages of 300 octets): where the writer is
    // about to be.
    std::atomic<std::uint64_t> restarts{0};
    const auto at_the_edge = [&] {
        const std::uint64_t back = 90 + restarts++ * 37 % 120;
        const std::uint64_t lead = window->header().lead.load();
        return std::max(first, lead - std::min(lead, back));
    };
    const auto copying = [&] {
        std::vector<std::byte> buffer(4096);
        HeapMemory own(ipc::kPageSize);
        const auto restart = [&] {
            MessageReader r(*ipc::ReceiveView::open(memory.span()),
                            *ipc::init_socket_page(own.span(), 1, 0), ReadMode::message);
            r.place(at_the_edge());
            return r;
        };
        for (MessageReader r = restart(); !done;) {
            // Before the read the cursor stands on the message that the read will give.
            const std::uint64_t message = r.position().ordinal;
            const ReadResult got = r.try_recv(buffer);
            if (got.status == ReadStatus::data) {
                if (check(message, std::span(buffer).first(got.bytes)))
                    ++good;
                else
                    ++torn;
            } else if (got.status == ReadStatus::reset) {
                if (got.cause != ResetCause::reader_overtaken) ++torn;
                ++overtaken;
                r = restart();
            } else {
                std::this_thread::yield();
            }
        }
    };
    const auto viewing = [&] {
        HeapMemory own(ipc::kPageSize);
        std::array<ReceivedView, 8> views;
        const auto restart = [&] {
            MessageReader r(*ipc::ReceiveView::open(memory.span()),
                            *ipc::init_socket_page(own.span(), 1, 0), ReadMode::message);
            r.place(at_the_edge());
            return r;
        };
        for (MessageReader r = restart(); !done;) {
            std::size_t count = 0;
            const ReadResult got = r.peek(views, count);
            if (got.status == ReadStatus::reset) {
                if (got.cause != ResetCause::reader_overtaken) ++torn;
                ++overtaken;
                r = restart();
                continue;
            }
            std::vector<std::byte> copy(4096);
            for (std::size_t i = 0; i < count; ++i) {
                racy_copy(copy.data(), views[i].octets.data(), views[i].octets.size());
                if (!r.intact(views[i])) break;
                if (check(views[i].ordinal, std::span(copy).first(views[i].octets.size())))
                    ++good;
                else
                    ++torn;
            }
            r.consume(std::span(views).first(count));
            if (count == 0) std::this_thread::yield();
        }
    };
    std::thread a(copying), b(viewing);
    writer.join();
    a.join();
    b.join();
    EXPECT_EQ(torn.load(), 0u);
    EXPECT_GT(good.load(), 0u);
    RecordProperty("overtaken", static_cast<int>(overtaken.load()));
    RecordProperty("good", static_cast<int>(good.load()));
}

}  // namespace
}  // namespace fanfare::client
