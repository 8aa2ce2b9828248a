// The file tier of a followed session over a file that fails on demand.
#include "control/session_archive.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <random>
#include <vector>

#include "ipc/layout.hpp"

namespace fanfare::control {
namespace {

using dataplane::RepairStore;

// Files in memory. What was begun is done when the test says so, in the order that it says.
class FakeIo : public ArchiveIo {
  public:
    int fail_open = 0, fail_writes_after = -1, write_error = ENOSPC, read_error = 0;
    bool flip_octet = false, direct = true, refuse = false;
    std::size_t opened = 0, closed = 0, reads = 0, writes = 0;

    int open(int& file, bool& is_direct) override {
        if (fail_open != 0) return fail_open;
        file = static_cast<int>(opened++);
        is_direct = direct;
        return 0;
    }
    void close(int file) override {
        ++closed;
        files.erase(file);
    }
    bool write(int file, std::uint64_t slot, const std::byte* block, void* token) override {
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % kBlockAlignment, 0u);
        if (refuse) return false;
        ++writes;
        begun.push_back({file, slot, const_cast<std::byte*>(block), token, true});
        return true;
    }
    bool read(int file, std::uint64_t slot, std::byte* block, void* token) override {
        if (refuse) return false;
        ++reads;
        begun.push_back({file, slot, block, token, false});
        return true;
    }
    std::size_t take_done(std::span<Done> done) override {
        std::size_t count = 0;
        while (count < done.size() && !begun.empty()) {
            const Operation o = begun.front();
            begun.pop_front();
            done[count++] = {o.token, run(o)};
        }
        return count;
    }
    std::map<int, std::map<std::uint64_t, std::vector<std::byte>>> files;
    struct Operation {
        int file;
        std::uint64_t slot;
        std::byte* block;
        void* token;
        bool is_write;
    };
    std::deque<Operation> begun;

  private:
    int run(const Operation& o) {
        auto& stored = files[o.file][o.slot];
        if (o.is_write) {
            if (fail_writes_after == 0) return write_error;
            if (fail_writes_after > 0) --fail_writes_after;
            stored.assign(o.block, o.block + kBlockBytes);
            return 0;
        }
        if (read_error != 0) return read_error;
        if (stored.empty()) return EIO;
        std::memcpy(o.block, stored.data(), kBlockBytes);
        if (flip_octet) o.block[700] ^= std::byte{1};
        return 0;
    }
};

constexpr std::uint64_t kFirst = (std::uint64_t{1} << 32) | 0xFFFFFF00u;  // numbers wrap soon
constexpr std::uint32_t kEntries = 1024;
constexpr std::uint64_t kLog = 1 << 20;

std::vector<std::byte> payload_of(std::uint64_t ordinal, std::size_t length) {
    std::vector<std::byte> octets(length);
    std::mt19937_64 random(ordinal);
    for (auto& octet : octets) octet = static_cast<std::byte>(random());
    return octets;
}
std::size_t length_of(std::uint64_t ordinal) {
    return 1 + ordinal * 7919 % 1400;
}

// A session's region, written as a worker writes it, and its tier.
struct Tier {
    explicit Tier(std::uint64_t file_bytes = 8 << 20) {
        const auto layout = ipc::ReceiveLayout::for_log(kLog, kEntries);
        memory = {static_cast<std::byte*>(
                      std::aligned_alloc(4096, (layout.total_bytes + 4095) & ~std::uint64_t{4095})),
                  &std::free};
        std::memset(memory.get(), 0, layout.total_bytes);
        parts = layout.init({memory.get(), layout.total_bytes}, 1);
        parts.header->start_ordinal = kFirst;
        SessionArchivePlan plan;
        plan.name = "session";
        plan.file_bytes = file_bytes;
        plan.nonce = 77;
        plan.log = [this](const std::string& line) { log.push_back(line); };
        archive = std::make_unique<SessionArchive>(
            plan, *ipc::ReceiveView::open({memory.get(), layout.total_bytes}), store, io);
    }
    ~Tier() {
        archive->stop();
        complete();
    }

    void write(std::uint64_t count,
               std::uint16_t flags = kEntryData | kEntryMessageBegin | kEntryMessageEnd) {
        for (std::uint64_t i = 0; i < count; ++i, ++next) {
            const auto octets = payload_of(next, length_of(next));
            write_one(octets, flags, static_cast<std::uint32_t>(octets.size()));
        }
    }
    void write_one(const std::vector<std::byte>& octets, std::uint16_t flags,
                   std::uint32_t apdu_length) {
        if (kLog - head % kLog < octets.size()) head += kLog - head % kLog;
        parts.header->reserved_log = head + octets.size();
        parts.header->reserved_ordinal = next + 1;
        std::memcpy(parts.log.data() + head % kLog, octets.data(), octets.size());
        parts.index[next & (kEntries - 1)] = {
            static_cast<std::uint32_t>(next), static_cast<std::uint32_t>(head),
            static_cast<std::uint16_t>(octets.size()), flags, apdu_length};
        head += octets.size();
        parts.header->lead = next + 1;
    }
    void complete() {
        ArchiveIo::Done done[64];
        for (std::size_t n = io.take_done(done); n > 0; n = io.take_done(done))
            for (std::size_t i = 0; i < n; ++i)
                SessionArchive::owner(done[i].token)->on_done(done[i].token, done[i].error, now);
    }
    void turns(int count = 4) {
        for (int i = 0; i < count; ++i) {
            archive->turn(now, replied);
            complete();
        }
    }
    // A long session in steps that memory can hold.
    void run(std::uint64_t count) {
        for (std::uint64_t i = 0; i < count; i += 100) {
            write(100);
            turns();
        }
    }
    // What the tier says about a number; nullptr when it says nothing.
    const RepairStore::Reply* ask(std::uint64_t ordinal) {
        EXPECT_TRUE(store.requests.push(ordinal));
        turns();
        const RepairStore::Reply* const reply = store.replies.front();
        if (reply == nullptr) return nullptr;
        answer = *reply;
        store.replies.pop();
        return &answer;
    }
    void expect_right(std::uint64_t ordinal) {
        const RepairStore::Reply* const reply = ask(ordinal);
        ASSERT_NE(reply, nullptr) << ordinal;
        ASSERT_TRUE(reply->found) << ordinal;
        const auto octets = payload_of(ordinal, length_of(ordinal));
        ASSERT_EQ(reply->ordinal, ordinal);
        ASSERT_EQ(reply->length, octets.size());
        EXPECT_EQ(std::memcmp(reply->payload, octets.data(), octets.size()), 0) << ordinal;
    }
    std::uint64_t first() const { return store.first.load(); }
    std::uint64_t end() const { return store.end.load(); }

    std::unique_ptr<std::byte, void (*)(void*)> memory{nullptr, nullptr};
    ipc::ReceiveParts parts;
    RepairStore store;
    FakeIo io;
    std::vector<std::string> log;
    std::unique_ptr<SessionArchive> archive;
    std::uint64_t next = kFirst, head = 0;
    Nanos now = kSecond;
    bool replied = false;
    RepairStore::Reply answer;
};

TEST(SessionArchive, GivesBackWhatMemoryNoLongerHolds) {
    Tier tier;
    tier.run(5000);
    EXPECT_EQ(tier.first(), kFirst);
    EXPECT_GT(tier.end(), tier.next - 300);
    for (std::uint64_t i = kFirst; i < tier.end(); i += 37) tier.expect_right(i);
    EXPECT_TRUE(tier.replied);
    EXPECT_GT(tier.store.packets_written.get(), 4700u);
    EXPECT_EQ(tier.store.overtaken.get(), 0u);
}

TEST(SessionArchive, TheOldestGoesWhenTheFileIsFull) {
    Tier tier(2 << 20);
    tier.run(20'000);
    EXPECT_GT(tier.first(), kFirst);
    EXPECT_LE(tier.io.files.begin()->second.size(), 16u) << "never more than the file's size";
    const auto gone = tier.ask(kFirst);
    ASSERT_NE(gone, nullptr);
    EXPECT_FALSE(gone->found);
    for (std::uint64_t i = tier.first(); i < tier.end(); i += 11) tier.expect_right(i);
}

TEST(SessionArchive, FragmentsKeepTheirPlaceInTheMessage) {
    Tier tier;
    tier.turns();
    tier.write_one(payload_of(1, 1000), kEntryData | kEntryMessageBegin, 2500);
    ++tier.next;
    tier.write_one(payload_of(2, 1000), kEntryData, 2500);
    ++tier.next;
    tier.write_one(payload_of(3, 500), kEntryData | kEntryMessageEnd, 2500);
    ++tier.next;
    tier.run(600);
    const auto* reply = tier.ask(kFirst + 2);
    ASSERT_NE(reply, nullptr);
    ASSERT_TRUE(reply->found);
    EXPECT_EQ(reply->first_sqn, static_cast<std::uint32_t>(kFirst));
    EXPECT_EQ(reply->offset, 2000u);
    EXPECT_EQ(reply->apdu_length, 2500u);
}

TEST(SessionArchive, ADiskThatIsFullDropsTheTierWithAReasonAndItBeginsAnewLater) {
    Tier tier;
    tier.io.fail_writes_after = 5;
    tier.run(3000);
    EXPECT_EQ(tier.store.failures.get(), 1u);
    EXPECT_EQ(tier.first(), 0u);
    EXPECT_EQ(tier.end(), 0u);
    ASSERT_EQ(tier.log.size(), 2u);
    EXPECT_NE(tier.log[1].find("No space left on device"), std::string::npos) << tier.log[1];
    const auto* reply = tier.ask(kFirst);
    ASSERT_NE(reply, nullptr) << "the worker never waits in vain";
    EXPECT_FALSE(reply->found);
    EXPECT_EQ(tier.io.closed, 0u);
    tier.io.fail_writes_after = -1;
    tier.now += 31 * kSecond;
    tier.turns();
    EXPECT_EQ(tier.io.closed, 1u) << "its blocks are given back to the disk";
    tier.run(3000);
    EXPECT_GT(tier.end(), tier.first());
    tier.expect_right(tier.first() + 500);
}

TEST(SessionArchive, AReadThatFailsDropsTheTier) {
    Tier tier;
    tier.run(3000);
    tier.io.read_error = EIO;
    const auto* reply = tier.ask(kFirst + 5);
    ASSERT_NE(reply, nullptr);
    EXPECT_FALSE(reply->found);
    EXPECT_EQ(tier.store.failures.get(), 1u);
    EXPECT_EQ(tier.end(), 0u);
    EXPECT_NE(tier.log.back().find("Input/output error"), std::string::npos);
}

TEST(SessionArchive, NeverGivesWrongOctetsOut) {
    Tier tier;
    tier.run(3000);
    tier.io.flip_octet = true;
    const auto* reply = tier.ask(kFirst + 5);
    ASSERT_NE(reply, nullptr);
    EXPECT_FALSE(reply->found);
    EXPECT_EQ(tier.end(), 0u);
    EXPECT_NE(tier.log.back().find("not what was written"), std::string::npos);
}

TEST(SessionArchive, ABlockOfAnotherAgeIsNotBelieved) {
    Tier tier;
    tier.run(3000);
    // The disk gives one block's octets for another's.
    auto& blocks = tier.io.files.begin()->second;
    blocks[0] = blocks[1];
    const auto* reply = tier.ask(kFirst + 5);
    ASSERT_NE(reply, nullptr);
    EXPECT_FALSE(reply->found);
    EXPECT_EQ(tier.store.failures.get(), 1u);
}

TEST(SessionArchive, AFileThatCannotBeMadeIsSaidAndTriedAgain) {
    Tier tier;
    tier.io.fail_open = EACCES;
    tier.run(200);
    EXPECT_EQ(tier.log.size(), 1u) << "once, not every turn";
    tier.io.fail_open = 0;
    tier.now += 31 * kSecond;
    tier.run(1000);
    EXPECT_GT(tier.end(), 0u);
}

TEST(SessionArchive, WithoutODirectTheLogSaysSo) {
    Tier tier;
    tier.io.direct = false;
    tier.turns();
    ASSERT_EQ(tier.log.size(), 1u);
    EXPECT_NE(tier.log[0].find("no O_DIRECT"), std::string::npos);
    EXPECT_EQ(tier.store.direct.load(), 0u);
}

TEST(SessionArchive, ADiskThatIsTooSlowLosesNumbersAndNothingElse) {
    Tier tier;
    // Nothing comes to its end for longer than memory holds.
    for (int i = 0; i < 100; ++i) {
        tier.write(100);
        tier.archive->turn(tier.now, tier.replied);
    }
    tier.complete();
    tier.turns(1);
    EXPECT_GT(tier.store.overtaken.get(), 0u);
    tier.complete();
    tier.run(2000);
    EXPECT_EQ(tier.store.failures.get(), 0u);
    std::uint64_t right = 0, missing = 0;
    for (std::uint64_t i = kFirst; i < tier.end(); i += 13) {
        const auto* reply = tier.ask(i);
        ASSERT_NE(reply, nullptr);
        if (!reply->found) {
            ++missing;
            continue;
        }
        const auto octets = payload_of(i, length_of(i));
        ASSERT_EQ(reply->length, octets.size());
        ASSERT_EQ(std::memcmp(reply->payload, octets.data(), octets.size()), 0);
        ++right;
    }
    EXPECT_GT(right, 100u);
    EXPECT_GT(missing, 10u);
}

TEST(SessionArchive, RequestsOfOneBlockAreReadOnce) {
    Tier tier;
    tier.run(3000);
    for (std::uint64_t i = 0; i < 20; ++i) ASSERT_TRUE(tier.store.requests.push(kFirst + i));
    tier.turns();
    std::size_t count = 0;
    while (tier.store.replies.front() != nullptr) {
        EXPECT_TRUE(tier.store.replies.front()->found);
        tier.store.replies.pop();
        ++count;
    }
    EXPECT_EQ(count, 20u);
    EXPECT_EQ(tier.io.reads, 1u);
}

TEST(SessionArchive, AFewSmallPacketsAreWrittenBeforeTheyLeaveMemory) {
    Tier tier;
    tier.turns();
    for (int i = 0; i < 2000; ++i) {
        tier.write_one(payload_of(tier.next, 8), kEntryData | kEntryMessageBegin | kEntryMessageEnd,
                       8);
        ++tier.next;
        if (i % 50 == 49) tier.turns(2);
    }
    EXPECT_GT(tier.end(), tier.next - kEntries);
    EXPECT_EQ(tier.store.overtaken.get(), 0u);
}

TEST(SessionArchive, WhatIsUnderWayAtTheEndIsWaitedFor) {
    Tier tier;
    tier.write(800);
    tier.archive->turn(tier.now, tier.replied);
    ASSERT_FALSE(tier.io.begun.empty());
    tier.archive->stop();
    EXPECT_FALSE(tier.archive->is_idle());
    tier.complete();
    EXPECT_TRUE(tier.archive->is_idle());
    EXPECT_EQ(tier.end(), 0u);
}

}  // namespace
}  // namespace fanfare::control
