#include "client/core/message_writer.hpp"

#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <random>
#include <thread>

#include "tests/client/fake_worker.hpp"

namespace fanfare::client {
namespace {

class WriterTest : public testing::Test {
  protected:
    static constexpr std::uint64_t kLog = 64 * 1024;
    static constexpr std::uint32_t kTsdu = 1400, kFragment = 1380;

    void SetUp() override { open(ipc::SendFormat::message); }
    void open(ipc::SendFormat format) {
        worker.emplace(memory.span(), kLog, format, kTsdu, kFragment);
        page = ipc::init_socket_page(page_memory.span(), 1, 0);
        writer.emplace(*ipc::SendView::open(memory.span()), *page);
    }
    WriteStatus send(std::span<const std::byte> data, unsigned flags = 0) {
        result = writer->try_send(data, flags);
        return result.status;
    }
    WriteStatus send(const std::string& text, unsigned flags = 0) {
        return send(octets(text), flags);
    }
    std::vector<std::string> taken() {
        bool good = false;
        std::vector<std::string> texts;
        for (const auto& message : worker->take_messages(good)) texts.push_back(text_of(message));
        EXPECT_TRUE(good);
        return texts;
    }

    HeapMemory memory{ipc::SendLayout::for_log(kLog).total_bytes};
    HeapMemory page_memory{ipc::kPageSize};
    std::optional<FakeSendWindow> worker;
    ipc::SocketPage* page = nullptr;
    std::optional<MessageWriter> writer;
    WriteResult result;
};

using Texts = std::vector<std::string>;

// Checks 91 and 100.
TEST_F(WriterTest, EachSendIsOneMessageAlsoAnEmptyOne) {
    EXPECT_EQ(send("one"), WriteStatus::done);
    EXPECT_EQ(send(""), WriteStatus::done);
    EXPECT_EQ(send("three"), WriteStatus::done);
    EXPECT_EQ(taken(), (Texts{"one", "", "three"}));
}

TEST_F(WriterTest, GathersPartsIntoOneMessage) {
    const auto a = octets("ab"), c = octets("cde");
    const std::array<DataPart, 3> parts{{{a.data(), 2}, {nullptr, 0}, {c.data(), 3}}};
    EXPECT_EQ(writer->try_send(parts).bytes, 5u);
    EXPECT_EQ(taken(), Texts{"abcde"});
}

TEST_F(WriterTest, ALongMessageIsRecordsOfWholeFragments) {
    const auto message = pattern_message(1, 30'000);
    ASSERT_EQ(send(message), WriteStatus::done);
    bool good = false;
    const auto records = worker->take_records(good);
    ASSERT_TRUE(good);
    ASSERT_GT(records.size(), 1u);
    std::size_t offset = 0;
    for (const auto& record : records) {
        EXPECT_EQ(record.header.message_length, 30'000u);
        EXPECT_EQ(record.header.message_offset, offset);
        EXPECT_LE(record.header.length, writer->view().record_max_bytes());
        offset += record.header.length;
        if (offset < message.size()) {
            EXPECT_EQ(record.header.length % kFragment, 0u);
        }
    }
    EXPECT_EQ(offset, message.size());
}

// wsrm.md 5.4
TEST_F(WriterTest, AMessageThatDoesNotFitNowIsRefusedWhole) {
    const auto message = pattern_message(1, 20'000);
    for (int i = 0; i < 3; ++i) ASSERT_EQ(send(message), WriteStatus::done);
    const std::uint64_t tail = writer->published();
    EXPECT_EQ(send(message), WriteStatus::no_room);
    EXPECT_EQ(writer->published(), tail);
    EXPECT_FALSE(writer->changed());
    EXPECT_EQ(taken().size(), 3u);
    worker->release();
    EXPECT_TRUE(writer->changed());
    EXPECT_EQ(send(message), WriteStatus::done);
    EXPECT_EQ(taken(), Texts{text_of(message)});
}

TEST_F(WriterTest, AMessageLargerThanTheWindowIsTooLargeAtOnceButGoesPieceByPiece) {
    const auto message = pattern_message(2, 300'000);
    EXPECT_EQ(send(message), WriteStatus::too_large);
    std::size_t given = 0;
    std::vector<std::byte> got;
    Texts all;
    while (given < message.size()) {
        const WriteResult r = writer->try_send(std::span(message).subspan(given), kWritePart);
        if (r.status == WriteStatus::no_room) {
            for (auto& text : taken()) all.push_back(text);
            worker->release();
            continue;
        }
        ASSERT_EQ(r.status, WriteStatus::done);
        given += r.bytes;
    }
    EXPECT_FALSE(writer->message_open());
    for (auto& text : taken()) all.push_back(text);
    EXPECT_EQ(all, Texts{text_of(message)});
}

TEST_F(WriterTest, AFullWindowIsNotWritableAndARoomyOneIs) {
    EXPECT_TRUE(writer->has_room());
    while (send(pattern_message(1, 1400)) == WriteStatus::done) {
    }
    EXPECT_FALSE(writer->has_room());
    taken();
    worker->release();
    EXPECT_TRUE(writer->has_room());
}

TEST_F(WriterTest, RecordsNeverCrossTheEndOfTheLog) {
    std::mt19937 random(77);
    std::uint64_t number = 0;
    for (int round = 0; round < 4000; ++round) {
        const std::size_t bytes = random() % (random() % 8 == 0 ? 20'000 : 3000);
        const auto message = pattern_message(++number, bytes);
        if (send(message) == WriteStatus::no_room) {
            taken();
            worker->release();
            ASSERT_EQ(send(message), WriteStatus::done);
        }
        ASSERT_EQ(result.status, WriteStatus::done);
        const Texts texts = taken();
        ASSERT_EQ(texts, Texts{text_of(message)}) << "message " << number;
        if (random() % 4 == 0) worker->release();
    }
}

TEST_F(WriterTest, AMessageOfOnePacketIsNeverSplitAtTheEndOfTheLog) {
    for (int i = 0; i < 500; ++i) {
        ASSERT_EQ(send(pattern_message(static_cast<std::uint64_t>(i), 1399)), WriteStatus::done);
        bool good = false;
        const auto records = worker->take_records(good);
        ASSERT_TRUE(good);
        ASSERT_EQ(records.size(), 1u);
        worker->release();
    }
}

// wsrm.md 5.2
// Check 101.
TEST_F(WriterTest, ABoundaryMakesOneMessageOfManySends) {
    const auto message = pattern_message(5, 20'000);
    ASSERT_TRUE(arm_message(*page, 20'000));
    for (std::size_t at = 0; at < message.size(); at += 1000) {
        EXPECT_TRUE(taken().empty());
        ASSERT_EQ(send(std::span(message).subspan(at, 1000)), WriteStatus::done);
        EXPECT_EQ(writer->message_open(), at + 1000 < message.size());
    }
    EXPECT_EQ(taken(), Texts{text_of(message)});
    EXPECT_EQ(send("next"), WriteStatus::done);
    EXPECT_EQ(taken(), Texts{"next"});
}

TEST_F(WriterTest, ASendBeyondTheBoundaryTakesNothing) {
    ASSERT_TRUE(arm_message(*page, 10));
    EXPECT_EQ(send("12345678901"), WriteStatus::too_large);
    EXPECT_EQ(send("1234567"), WriteStatus::done);
    EXPECT_EQ(send("8901"), WriteStatus::too_large);
    EXPECT_EQ(send("", 0), WriteStatus::done);
    EXPECT_EQ(send("890"), WriteStatus::done);
    EXPECT_EQ(taken(), Texts{"1234567890"});
}

TEST_F(WriterTest, ABoundaryMayBeReplacedUntilTheFirstOctet) {
    ASSERT_TRUE(arm_message(*page, 10));
    ASSERT_TRUE(arm_message(*page, 4));
    EXPECT_EQ(send("ab"), WriteStatus::done);
    EXPECT_FALSE(arm_message(*page, 0));
    EXPECT_EQ(send("cd"), WriteStatus::done);
    ASSERT_TRUE(arm_message(*page, 9));
    ASSERT_TRUE(arm_message(*page, 0));
    EXPECT_EQ(send("ef"), WriteStatus::done);
    EXPECT_EQ(taken(), (Texts{"abcd", "ef"}));
}

// Check 107.
TEST_F(WriterTest, ABoundaryOfExactlyEachSendChangesNothing) {
    for (int i = 1; i < 100; ++i) {
        const auto message =
            pattern_message(static_cast<std::uint64_t>(i), static_cast<std::size_t>(i) * 50);
        ASSERT_TRUE(arm_message(*page, static_cast<std::uint32_t>(message.size())));
        ASSERT_EQ(send(message), WriteStatus::done);
        EXPECT_EQ(taken(), Texts{text_of(message)});
        worker->release();
    }
}

TEST_F(WriterTest, AnArmedMessageLargerThanTheWindowGoesInSendsThatFit) {
    const auto message = pattern_message(6, 500'000);
    ASSERT_TRUE(arm_message(*page, 500'000));
    Texts all;
    for (std::size_t at = 0; at < message.size();) {
        const auto piece = std::span(message).subspan(at, 10'000);
        if (send(piece) == WriteStatus::no_room) {
            for (auto& text : taken()) all.push_back(text);
            worker->release();
            continue;
        }
        ASSERT_EQ(result.status, WriteStatus::done);
        at += 10'000;
    }
    for (auto& text : taken()) all.push_back(text);
    EXPECT_EQ(all, Texts{text_of(message)});
}

TEST_F(WriterTest, AMessageLeftIncompleteIsShownToTheWorker) {
    ASSERT_TRUE(arm_message(*page, 5000));
    ASSERT_EQ(send(std::string(100, 'x')), WriteStatus::done);
    EXPECT_EQ(writer->published(), 0u);  // held back: less than a record
    writer->publish_incomplete();
    EXPECT_TRUE(taken().empty());
    EXPECT_EQ(worker->open_message().size(), 100u);
}

TEST_F(WriterTest, AStreamTakesWhatFitsAndWraps) {
    open(ipc::SendFormat::stream);
    const auto data = pattern_message(9, 200'000);
    std::vector<std::byte> got;
    std::size_t at = 0;
    while (at < data.size()) {
        const auto piece =
            std::span(data).subspan(at, std::min<std::size_t>(30'000, data.size() - at));
        if (send(piece) == WriteStatus::no_room) {
            const auto more = worker->take_stream();
            got.insert(got.end(), more.begin(), more.end());
            worker->release();
            continue;
        }
        ASSERT_GT(result.bytes, 0u);
        at += result.bytes;
    }
    const auto more = worker->take_stream();
    got.insert(got.end(), more.begin(), more.end());
    EXPECT_EQ(got, data);
    EXPECT_EQ(send(""), WriteStatus::done);
    EXPECT_TRUE(worker->take_stream().empty());
}

TEST_F(WriterTest, AfterAResetNothingIsTaken) {
    worker->end(ResetCause::interface_gone);
    EXPECT_EQ(send("x"), WriteStatus::reset);
    EXPECT_EQ(result.cause, ResetCause::interface_gone);
    std::span<std::byte> room;
    EXPECT_EQ(writer->claim(10, room), WriteStatus::reset);
}

TEST_F(WriterTest, ClaimedMessagesAppearTogetherWhenPublished) {
    std::span<std::byte> room;
    for (const char* text : {"first", "second", ""}) {
        ASSERT_EQ(writer->claim(100, room), WriteStatus::done);
        ASSERT_EQ(room.size(), 100u);
        std::memcpy(room.data(), text, std::strlen(text));
        writer->commit(std::strlen(text));
    }
    EXPECT_TRUE(taken().empty());
    writer->publish();
    EXPECT_EQ(taken(), (Texts{"first", "second", ""}));
}

// The row that a record's header says it begins, or the message that it is, as texts.
Texts messages_of(const FakeSendWindow::Record& record) {
    if (record.header.flags != ipc::kRecordRow) return {text_of(record.payload)};
    // The first length stands in the header.
    std::vector<std::byte> row(2 + record.payload.size());
    std::memcpy(row.data(), reinterpret_cast<const std::byte*>(&record.header) + 14, 2);
    std::copy(record.payload.begin(), record.payload.end(), row.begin() + 2);
    Texts texts;
    for (std::size_t at = 0; at < row.size();) {
        const auto length =
            std::to_integer<std::size_t>(row[at]) << 8 | std::to_integer<std::size_t>(row[at + 1]);
        texts.emplace_back(reinterpret_cast<const char*>(&row.at(at + 1)) + 1, length);
        at += 2 + length;
    }
    return texts;
}

TEST_F(WriterTest, PackedMessagesBetweenTwoPublishesAreRowsOfAPacketEach) {
    open(ipc::SendFormat::packed);
    Texts sent;
    std::span<std::byte> room;
    for (std::size_t i = 0; i < 5; ++i) {
        sent.push_back(text_of(pattern_message(i, 500)));
        ASSERT_EQ(writer->claim(600, room), WriteStatus::done);
        std::memcpy(room.data(), sent.back().data(), 500);
        writer->commit(500);
    }
    writer->publish();
    bool good = false;
    const auto records = worker->take_records(good);
    ASSERT_TRUE(good);
    // 600 octets behind two messages of 500 don't fit one packet of 1400.
    ASSERT_EQ(records.size(), 3u);
    EXPECT_EQ(records[0].header.flags, ipc::kRecordRow);
    EXPECT_EQ(records[0].header.length, 1002u);
    EXPECT_EQ(records[2].header.flags, 0u);  // the last one is alone
    Texts got;
    for (const auto& record : records)
        for (auto& text : messages_of(record)) got.push_back(text);
    EXPECT_EQ(got, sent);
}

TEST_F(WriterTest, RowsOfAnySizesGoAroundTheLogWithEveryMessageOnce) {
    open(ipc::SendFormat::packed);
    std::mt19937 random(7);
    std::uint64_t sent = 0, received = 0, most = 0;
    const auto take = [&] {
        bool good = false;
        for (const auto& record : worker->take_records(good)) {
            EXPECT_LE(record.header.length + 2, kTsdu + 2u);
            const Texts texts = messages_of(record);
            most = std::max<std::uint64_t>(most, texts.size());
            for (const auto& text : texts) {
                EXPECT_EQ(text, text_of(pattern_message(received, text.size())));
                ++received;
            }
        }
        EXPECT_TRUE(good);
        // A packet's end may stand anywhere.
        worker->release(worker->position() - std::min<std::uint64_t>(worker->position(), 5));
    };
    for (int round = 0; round < 4000; ++round) {
        const std::size_t bytes = random() % 8 == 0 ? random() % 1400 : random() % 90;
        std::span<std::byte> room;
        const WriteStatus status = writer->claim(bytes, room);
        if (status == WriteStatus::no_room || random() % 16 == 0) {
            writer->publish();
            take();
            continue;
        }
        ASSERT_EQ(status, WriteStatus::done);
        const std::size_t used = bytes - random() % (bytes + 1) / 4;
        const auto message = pattern_message(sent, used);
        if (used != 0) std::memcpy(room.data(), message.data(), used);
        writer->commit(used);
        ++sent;
    }
    writer->publish();
    take();
    EXPECT_EQ(received, sent);
    EXPECT_GT(most, 4u);
}

TEST_F(WriterTest, ARunClaimsManyMessagesAndStopsWhereTheLogIsFull) {
    for (const auto format : {ipc::SendFormat::message, ipc::SendFormat::packed}) {
        open(format);
        std::array<RoomPart, 100> rooms;
        std::size_t count = 0, all = 0;
        const auto ask = [&] {
            for (auto& part : rooms) part = {nullptr, 300};
            return writer->claim_run(rooms, count);
        };
        while (ask() == WriteStatus::done) {
            for (std::size_t i = 0; i < count; ++i)
                std::memcpy(rooms[i].data, pattern_message(all++, 300).data(), 300);
        }
        EXPECT_GT(all, 150u);
        EXPECT_EQ(count, 0u);
        EXPECT_TRUE(taken().empty());
        writer->publish();
        bool good = false;
        std::size_t got = 0;
        for (const auto& record : worker->take_records(good))
            for (const auto& text : messages_of(record))
                EXPECT_EQ(text, text_of(pattern_message(got++, 300)));
        EXPECT_EQ(got, all);
    }
}

TEST_F(WriterTest, ClaimsStepOverTheEndOfTheLogAndStopWhenItIsFull) {
    std::uint64_t number = 0, received = 0;
    for (int round = 0; round < 300; ++round) {
        std::span<std::byte> room;
        const std::size_t bytes = 1 + static_cast<std::size_t>(round) * 13 % 1400;
        const WriteStatus status = writer->claim(bytes, room);
        if (status == WriteStatus::no_room) {
            writer->publish();
            received += taken().size();
            worker->release();
            continue;
        }
        ASSERT_EQ(status, WriteStatus::done);
        const auto message = pattern_message(++number, bytes);
        std::memcpy(room.data(), message.data(), bytes);
        writer->commit(bytes);
    }
    writer->publish();
    received += taken().size();
    EXPECT_EQ(received, number);
    std::span<std::byte> room;
    EXPECT_EQ(writer->claim(writer->view().record_max_bytes() + 1, room), WriteStatus::too_large);
}

TEST_F(WriterTest, AgainstAWorkerInAnotherThreadEveryMessageArrivesOnce) {
    constexpr std::uint64_t kMessages = 20'000;
    const auto length_of = [](std::uint64_t m) { return static_cast<std::size_t>(m * 61 % 4000); };
    std::uint64_t wrong = 0;
    std::thread consumer([&] {
        for (std::uint64_t m = 0; m < kMessages;) {
            bool good = false;
            for (const auto& message : worker->take_messages(good)) {
                wrong += message != pattern_message(m, length_of(m));
                ++m;
            }
            if (!good) {
                ++wrong;
                return;
            }
            worker->release();
            std::this_thread::yield();
        }
    });
    for (std::uint64_t m = 0; m < kMessages;)
        if (send(pattern_message(m, length_of(m))) == WriteStatus::done)
            ++m;
        else
            std::this_thread::yield();
    consumer.join();
    EXPECT_EQ(wrong, 0u);
}

}  // namespace
}  // namespace fanfare::client
