// Files of the file tier on a real file system.
#include "control/uring_io.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <vector>

namespace fanfare::control {
namespace {

struct Aligned {
    explicit Aligned(unsigned char fill = 0)
        : octets(static_cast<std::byte*>(std::aligned_alloc(kBlockAlignment, kBlockBytes)),
                 &std::free) {
        std::memset(octets.get(), fill, kBlockBytes);
    }
    std::byte* get() const { return octets.get(); }
    std::unique_ptr<std::byte, void (*)(void*)> octets;
};

class UringIoTest : public ::testing::Test {
  protected:
    void SetUp() override {
        std::string name = (std::filesystem::temp_directory_path() / "fanfare-uring-XXXXXX");
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        directory = name;
        bell = ::eventfd(0, EFD_CLOEXEC);
        std::string error;
        io = UringIo::open(directory, error);
        if (!io) GTEST_SKIP() << error;
    }
    void TearDown() override {
        io.reset();
        if (bell >= 0) ::close(bell);
        std::filesystem::remove_all(directory);
    }
    // What the next operation ends with.
    int done(void* token) {
        ArchiveIo::Done result[4];
        for (int i = 0; i < 1000; ++i) {
            io->wait(bell, 10 * kMillisecond);
            if (io->take_done(result) == 0) continue;
            EXPECT_EQ(result[0].token, token);
            return result[0].error;
        }
        ADD_FAILURE() << "nothing came to its end";
        return -1;
    }
    std::filesystem::path directory;
    std::unique_ptr<UringIo> io;
    int bell = -1;
    int token = 0;
};

TEST_F(UringIoTest, ReadsBackTheBlockOfEachPlaceFromAFileWithoutAName) {
    int file = -1;
    bool direct = false;
    ASSERT_EQ(io->open(file, direct), 0);
    EXPECT_TRUE(std::filesystem::is_empty(directory)) << "gone with the process";
    EXPECT_EQ((::fcntl(file, F_GETFL) & O_DIRECT) != 0, direct);
    const Aligned one(1), two(2), back;
    ASSERT_TRUE(io->write(file, 3, one.get(), &token));
    EXPECT_EQ(done(&token), 0);
    ASSERT_TRUE(io->write(file, 0, two.get(), &token));
    EXPECT_EQ(done(&token), 0);
    ASSERT_TRUE(io->read(file, 3, back.get(), &token));
    EXPECT_EQ(done(&token), 0);
    EXPECT_EQ(std::memcmp(back.get(), one.get(), kBlockBytes), 0);
    ASSERT_TRUE(io->read(file, 0, back.get(), &token));
    EXPECT_EQ(done(&token), 0);
    EXPECT_EQ(std::memcmp(back.get(), two.get(), kBlockBytes), 0);
    io->close(file);
}

TEST_F(UringIoTest, AFileThatBecameShorterIsAnErrorAndNotHalfABlock) {
    int file = -1;
    bool direct = false;
    ASSERT_EQ(io->open(file, direct), 0);
    const Aligned one(1), back;
    ASSERT_TRUE(io->write(file, 0, one.get(), &token));
    EXPECT_EQ(done(&token), 0);
    ASSERT_EQ(::ftruncate(file, kBlockBytes / 2), 0);
    ASSERT_TRUE(io->read(file, 0, back.get(), &token));
    EXPECT_EQ(done(&token), EIO);
    ASSERT_TRUE(io->read(file, 9, back.get(), &token));
    EXPECT_EQ(done(&token), EIO) << "behind its end";
    io->close(file);
}

TEST_F(UringIoTest, AFullDiskSaysSo) {
    const int full = ::open("/dev/full", O_RDWR | O_CLOEXEC);
    if (full < 0) GTEST_SKIP() << "no /dev/full";
    const Aligned one(1);
    ASSERT_TRUE(io->write(full, 0, one.get(), &token));
    EXPECT_EQ(done(&token), ENOSPC);
    io->close(full);
}

TEST_F(UringIoTest, AFileThatMayNotBeWrittenSaysSo) {
    const int reading = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    const Aligned one(1);
    ASSERT_TRUE(io->write(reading, 0, one.get(), &token));
    EXPECT_EQ(done(&token), EBADF);
    io->close(reading);
}

TEST_F(UringIoTest, ABoundedNumberIsUnderWayAndTheRestIsRefusedUntilSomeIsDone) {
    int file = -1;
    bool direct = false;
    ASSERT_EQ(io->open(file, direct), 0);
    const Aligned one(1);
    std::size_t begun = 0;
    while (begun < 1000 && io->write(file, begun, one.get(), &token)) ++begun;
    EXPECT_EQ(begun, 64u);
    std::size_t ended = 0;
    ArchiveIo::Done result[128];
    for (int i = 0; i < 1000 && ended < begun; ++i) {
        io->wait(bell, 10 * kMillisecond);
        const std::size_t count = io->take_done(result);
        for (std::size_t j = 0; j < count; ++j) EXPECT_EQ(result[j].error, 0);
        ended += count;
    }
    EXPECT_EQ(ended, begun);
    ASSERT_TRUE(io->write(file, 0, one.get(), &token));
    EXPECT_EQ(done(&token), 0);
    io->close(file);
}

// procfs knows neither O_TMPFILE nor O_DIRECT, and makes no files at all.
TEST_F(UringIoTest, ADirectoryThatTakesNoFilesIsNamedWithWhatToDo) {
    std::string error;
    EXPECT_EQ(UringIo::open("/proc", error), nullptr);
    EXPECT_NE(error.find("/proc"), std::string::npos) << error;
    EXPECT_NE(error.find("name a directory"), std::string::npos) << error;
    error.clear();
    EXPECT_EQ(UringIo::open(directory / "missing", error), nullptr);
    EXPECT_NE(error.find("missing"), std::string::npos) << error;
}

// tmpfs of many kernels has no O_DIRECT; where it has, this shows that both ways end in a file.
TEST_F(UringIoTest, WithoutODirectTheFileGoesThroughThePageCache) {
    if (::access("/dev/shm", W_OK) != 0) GTEST_SKIP() << "no /dev/shm";
    std::string error;
    auto memory = UringIo::open("/dev/shm", error);
    ASSERT_NE(memory, nullptr) << error;
    int file = -1;
    bool direct = true;
    ASSERT_EQ(memory->open(file, direct), 0);
    EXPECT_EQ((::fcntl(file, F_GETFL) & O_DIRECT) != 0, direct);
    std::swap(io, memory);
    const Aligned one(1), back;
    ASSERT_TRUE(io->write(file, 1, one.get(), &token));
    EXPECT_EQ(done(&token), 0);
    ASSERT_TRUE(io->read(file, 1, back.get(), &token));
    EXPECT_EQ(done(&token), 0);
    EXPECT_EQ(std::memcmp(back.get(), one.get(), kBlockBytes), 0);
    io->close(file);
}

}  // namespace
}  // namespace fanfare::control
