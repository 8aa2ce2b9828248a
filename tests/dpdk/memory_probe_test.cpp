#include "dataplane/dpdk/memory_probe.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

using namespace fanfare::dataplane::dpdk;

namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

class MemoryProbeTest : public testing::Test {
  protected:
    MemoryProbeTest()
        : root_(std::filesystem::temp_directory_path() / ("probe" + std::to_string(getpid()))) {}
    ~MemoryProbeTest() override { std::filesystem::remove_all(root_); }
    void file(const std::string& path, const std::string& text) {
        std::filesystem::create_directories((root_ / path).parent_path());
        std::ofstream(root_ / path) << text;
    }
    MemoryFacts probe() const { return probe_memory(root_.string()); }

  private:
    std::filesystem::path root_;
};

}  // namespace

TEST_F(MemoryProbeTest, AddsUpFreePagesOfAllSizesThatNobodyWasPromised) {
    file("sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "100\n");
    file("sys/kernel/mm/hugepages/hugepages-2048kB/resv_hugepages", "30\n");
    file("sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages", "1\n");
    EXPECT_EQ(probe().huge_free_bytes, 70 * 2 * kMiB + 1024 * kMiB);
}

TEST_F(MemoryProbeTest, ReadsWhatIsAvailableWithoutSwapping) {
    file("proc/meminfo", "MemTotal:  9999 kB\nMemAvailable:    2048 kB\nSwapFree: 7 kB\n");
    EXPECT_EQ(probe().available_bytes, 2 * kMiB);
    file("sys/fs/cgroup/memory.max", "max\n");
    EXPECT_EQ(probe().available_bytes, 2 * kMiB);
}

TEST_F(MemoryProbeTest, StaysInsideTheLimitOfItsControlGroup) {
    file("proc/meminfo", "MemAvailable:    204800 kB\n");
    file("sys/fs/cgroup/memory.max", "104857600\n");
    file("sys/fs/cgroup/memory.current", "94371840\n");
    EXPECT_EQ(probe().available_bytes, 10 * kMiB);
    file("sys/fs/cgroup/memory.current", "204857600\n");
    EXPECT_EQ(probe().available_bytes, 0u);
}

TEST_F(MemoryProbeTest, FindsNothingWhereThereIsNothing) {
    EXPECT_EQ(probe().huge_free_bytes, 0u);
    EXPECT_EQ(probe().available_bytes, 0u);
    EXPECT_EQ(choose_memory(probe(), 256 * kMiB).bytes, kLeastBytes);
}

TEST_F(MemoryProbeTest, SeesThisMachine) {
    EXPECT_GT(probe_memory().available_bytes, 16 * kMiB);
}
