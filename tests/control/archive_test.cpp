// The thread of the file tier with sessions, real files and a worker's side of the store.
#include "control/archive.hpp"

#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <mutex>
#include <thread>

#include "ipc/layout.hpp"
#include "ipc/memory.hpp"

namespace fanfare::control {
namespace {

constexpr std::uint64_t kFirst = (std::uint64_t{1} << 32) | 0xFFFFFF00u;  // numbers wrap soon
constexpr std::uint32_t kEntries = 1024;
constexpr std::uint64_t kLog = 1 << 20;
constexpr std::size_t kLength = 1000;

std::byte octet_of(std::uint64_t ordinal, std::size_t place) {
    return static_cast<std::byte>(ordinal * 31 + place);
}

// A followed session's region as its worker writes it.
struct Session {
    Session() {
        const auto layout = ipc::ReceiveLayout::for_log(kLog, kEntries);
        ipc::MemoryFailure failure;
        ipc::RegionRequest request;
        request.bytes = layout.total_bytes;
        request.lock = false;
        region = ipc::Region::create(request, failure);
        if (!region) throw std::runtime_error(failure.text);
        parts = layout.init(region->memory(), 1);
        parts.header->start_ordinal = kFirst;
    }
    void write(std::uint64_t count) {
        for (std::uint64_t i = 0; i < count; ++i, ++next) {
            if (kLog - head % kLog < kLength) head += kLog - head % kLog;
            parts.header->reserved_log = head + kLength;
            parts.header->reserved_ordinal = next + 1;
            std::atomic_thread_fence(std::memory_order_release);
            for (std::size_t o = 0; o < kLength; ++o)
                parts.log[head % kLog + o] = octet_of(next, o);
            parts.index[next & (kEntries - 1)] = {
                static_cast<std::uint32_t>(next), static_cast<std::uint32_t>(head), kLength,
                kEntryData | kEntryMessageBegin | kEntryMessageEnd, kLength};
            head += kLength;
            parts.header->lead = next + 1;
        }
    }
    std::optional<ipc::Region> region;
    ipc::ReceiveParts parts;
    std::uint64_t next = kFirst, head = 0;
};

class ArchiveTest : public ::testing::Test {
  protected:
    void SetUp() override {
        std::string name = (std::filesystem::temp_directory_path() / "fanfare-archive-XXXXXX");
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        directory = name;
        ArchiveSettings settings;
        settings.directory = directory;
        settings.file_bytes = 4 << 20;
        settings.ring_worker = [this](std::uint32_t worker) { rung[worker % 4].fetch_add(1); };
        settings.log = [this](const std::string& line) {
            const std::lock_guard lock(mutex);
            log += line + "\n";
        };
        std::string error;
        archive = Archive::open(settings, error);
        if (!archive) GTEST_SKIP() << error;
    }
    void TearDown() override {
        archive.reset();
        std::filesystem::remove_all(directory);
    }
    // Real time, but no test of it: it ends as soon as the thread is there.
    static bool comes(const std::function<bool()>& what) {
        for (int i = 0; i < 20'000; ++i) {
            if (what()) return true;
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        return false;
    }
    // As a worker does: request, then a ring where the tier sleeps.
    std::optional<dataplane::RepairStore::Reply> ask(dataplane::RepairStore& store,
                                                     std::uint64_t ordinal) {
        EXPECT_TRUE(store.requests.push(ordinal));
        ::eventfd_write(store.bell, 1);
        if (!comes([&] { return store.replies.front() != nullptr; })) return std::nullopt;
        const auto reply = *store.replies.front();
        store.replies.pop();
        return reply;
    }
    // A session of `count` packets, written no faster than the tier follows.
    void fill(Session& session, const dataplane::RepairStore& store, std::uint64_t count) {
        for (std::uint64_t i = 0; i < count; i += 100) {
            session.write(100);
            const std::uint64_t enough = session.next - 400;
            if (session.next > kFirst + 500)
                ASSERT_TRUE(comes([&] { return store.end.load() >= enough; })) << log;
        }
    }
    static void expect_right(const std::optional<dataplane::RepairStore::Reply>& reply,
                             std::uint64_t ordinal) {
        ASSERT_TRUE(reply.has_value()) << ordinal;
        ASSERT_TRUE(reply->found) << ordinal;
        ASSERT_EQ(reply->ordinal, ordinal);
        ASSERT_EQ(reply->length, kLength);
        for (std::size_t o = 0; o < kLength; ++o)
            ASSERT_EQ(reply->payload[o], octet_of(ordinal, o)) << ordinal;
    }

    std::filesystem::path directory;
    std::atomic<int> rung[4]{};
    std::mutex mutex;
    std::string log;
    std::unique_ptr<Archive> archive;
};

TEST_F(ArchiveTest, GivesAWorkerWhatItsWindowNoLongerHoldsAcrossTheWrapOfNumbers) {
    Session session;
    const auto store = archive->make_store(2);
    EXPECT_EQ(store->worker, 2u);
    archive->follow(store, session.region->descriptor(), "one", 7);
    fill(session, *store, 3000);
    EXPECT_EQ(store->first.load(), kFirst);
    for (const std::uint64_t back : {0u, 255u, 256u, 257u, 2000u})
        expect_right(ask(*store, kFirst + back), kFirst + back);
    EXPECT_GT(rung[2].load(), 0);
    EXPECT_EQ(rung[1].load(), 0);
}

TEST_F(ArchiveTest, TheOldestLeavesAFullFileFirst) {
    Session session;
    const auto store = archive->make_store(0);
    archive->follow(store, session.region->descriptor(), "one", 7);
    fill(session, *store, 10'000);
    const std::uint64_t first = store->first.load();
    EXPECT_GT(first, kFirst);
    const auto gone = ask(*store, kFirst);
    ASSERT_TRUE(gone.has_value());
    EXPECT_FALSE(gone->found);
    // Some blocks behind the first: that one may go any moment.
    expect_right(ask(*store, first + 500), first + 500);
    EXPECT_EQ(store->failures.get(), 0u);
}

TEST_F(ArchiveTest, SessionsKeepToTheirOwnFiles) {
    Session one, other;
    const auto first = archive->make_store(0), second = archive->make_store(1);
    archive->follow(first, one.region->descriptor(), "one", 7);
    archive->follow(second, other.region->descriptor(), "other", 8);
    fill(one, *first, 1500);
    fill(other, *second, 700);
    expect_right(ask(*second, kFirst + 5), kFirst + 5);
    archive->forget(second);
    EXPECT_TRUE(comes([&] { return second.use_count() == 1; })) << "the tier lets go of it";
    expect_right(ask(*first, kFirst + 1000), kFirst + 1000);
}

TEST_F(ArchiveTest, ARegionThatCannotBeMappedIsSaidAndNotFollowed) {
    const auto store = archive->make_store(0);
    archive->follow(store, -1, "broken", 7);
    EXPECT_NE(log.find("broken: no file tier"), std::string::npos) << log;
    EXPECT_EQ(store.use_count(), 1);
}

TEST_F(ArchiveTest, EndsWithSessionsUnderWay) {
    Session session;
    const auto store = archive->make_store(0);
    archive->follow(store, session.region->descriptor(), "one", 7);
    session.write(900);
    archive.reset();
    EXPECT_EQ(store.use_count(), 1);
}

TEST(Archive, ADirectoryThatCannotBeUsedIsSaid) {
    ArchiveSettings settings;
    settings.directory = "/proc";
    std::string error;
    EXPECT_EQ(Archive::open(settings, error), nullptr);
    EXPECT_NE(error.find("/proc"), std::string::npos);
}

}  // namespace
}  // namespace fanfare::control
