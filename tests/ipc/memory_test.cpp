#include "ipc/memory.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "ipc/sigbus.hpp"

namespace fanfare::ipc {
namespace {

std::string again(int fd) {
    return "/proc/self/fd/" + std::to_string(fd);
}

Region make_region(std::uint64_t bytes, bool huge = false) {
    MemoryFailure failure;
    auto region =
        Region::create({.name = "fanfare-test", .bytes = bytes, .huge_pages = huge}, failure);
    EXPECT_TRUE(region) << failure.text;
    return std::move(*region);
}

TEST(Region, IsPresentZeroedAndSharedWithAMappingOfItsDescriptor) {
    const Region region = make_region(100'000);
    ASSERT_GE(region.memory().size(), 100'000u);
    region.memory()[99'999] = std::byte{7};
    MemoryFailure failure;
    const auto reader = Mapping::read_only(region.descriptor(), 100'000, failure);
    ASSERT_TRUE(reader) << failure.text;
    EXPECT_EQ(reader->memory()[99'999], std::byte{7});
    EXPECT_EQ(reader->memory()[0], std::byte{0});
}

TEST(Region, AWishForHugePagesIsGrantedOrFallsBack) {
    const Region region = make_region(100'000, true);
    EXPECT_EQ(region.memory().size() % region.page_bytes(), 0u);
    region.memory()[0] = std::byte{1};
}

TEST(Region, ImpossibleSizesAreRefusedWithAReason) {
    MemoryFailure failure;
    EXPECT_FALSE(Region::create({.bytes = 0}, failure));
    EXPECT_EQ(failure.error, EINVAL);
    failure = {};
    // Beyond the bound that is checked before any memory is asked for.
    EXPECT_FALSE(Region::create({.bytes = (std::uint64_t{1} << 40) + 1}, failure));
    EXPECT_EQ(failure.error, EINVAL);
}

TEST(Mapping, RefusesAFileThatIsTooSmallOrNoFile) {
    const Region region = make_region(4096);
    MemoryFailure failure;
    EXPECT_FALSE(Mapping::read_only(region.descriptor(), 4097, failure));
    EXPECT_EQ(failure.error, EPROTO);
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    EXPECT_FALSE(Mapping::read_only(ends[0], 1, failure));
    ::close(ends[0]);
    ::close(ends[1]);
    EXPECT_FALSE(Mapping::read_only(-1, 1, failure));
    EXPECT_EQ(failure.error, EBADF);
}

// An O_RDONLY descriptor alone would not help: /proc gives a new, writable one.
TEST(ReceiveSeal, ReopeningThroughProcGivesNoWayToWrite) {
    Region region = make_region(8192);
    MemoryFailure failure;
    ASSERT_TRUE(region.seal(SealKind::receive, failure)) << failure.text;
    const Descriptor reopened(::open(again(region.descriptor()).c_str(), O_RDWR));
    ASSERT_TRUE(reopened);
    EXPECT_FALSE(Mapping::read_write(reopened.get(), 8192, failure));
    EXPECT_EQ(failure.error, EPERM);
    EXPECT_EQ(::pwrite(reopened.get(), "x", 1, 0), -1);
    EXPECT_EQ(errno, EPERM);
    EXPECT_EQ(::ftruncate(reopened.get(), 0), -1);
    EXPECT_EQ(::fallocate(reopened.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), -1);
    EXPECT_EQ(::fcntl(reopened.get(), F_ADD_SEALS, F_SEAL_WRITE), -1);

    const auto reader = Mapping::read_only(reopened.get(), 8192, failure);
    ASSERT_TRUE(reader);
    EXPECT_EQ(::mprotect(reader->memory().data(), 4096, PROT_READ | PROT_WRITE), -1);
    EXPECT_EQ(errno, EACCES);
    region.memory()[5] = std::byte{9};  // the owner's mapping stood before the seal
    EXPECT_EQ(reader->memory()[5], std::byte{9});
}

TEST(SendSeal, AClientWritesButCannotChangeTheSize) {
    Region region = make_region(8192);
    MemoryFailure failure;
    ASSERT_TRUE(region.seal(SealKind::send, failure)) << failure.text;
    const auto client = Mapping::read_write(region.descriptor(), 8192, failure);
    ASSERT_TRUE(client);
    client->memory()[1] = std::byte{3};
    EXPECT_EQ(region.memory()[1], std::byte{3});
    EXPECT_EQ(::ftruncate(region.descriptor(), 0), -1);
    EXPECT_EQ(::ftruncate(region.descriptor(), 1 << 20), -1);
}

// The child's exit status says what happened; a crash shows as a signal.
template <typename Body>
int in_child(Body&& body) {
    const pid_t child = ::fork();
    if (child == 0) {
        ::alarm(20);
        ::_exit(body());
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return status;
}

TEST(Sigbus, AHolePunchedIntoASendRegionHarmsNobody) {
    const int status = in_child([] {
        if (!install_sigbus_handler()) return 10;
        MemoryFailure failure;
        auto region = Region::create({.name = "victim", .bytes = 1 << 20}, failure);
        auto other = Region::create({.name = "other", .bytes = 1 << 20}, failure);
        if (!region || !other || !region->seal(SealKind::send, failure)) return 11;
        const SigbusGuard guard(region->memory().data(), region->memory().size(),
                                region->page_bytes());
        std::memset(region->memory().data(), 1, region->memory().size());
        std::memset(other->memory().data(), 2, other->memory().size());
        if (::fallocate(region->descriptor(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                        1 << 20) != 0)
            return 12;
        for (const std::byte b : region->memory())
            if (b != std::byte{0}) return 13;
        for (const std::byte b : other->memory())
            if (b != std::byte{2}) return 14;
        return 0;
    });
    EXPECT_TRUE(WIFEXITED(status)) << "killed by signal " << WTERMSIG(status);
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

// A file that shrinks under its mapping is the plain way to a SIGBUS; the seals forbid it for
// regions, and a punched huge page with no other one free raises the same.
int touch_missing_pages(bool guarded, int pages) {
    const Descriptor file(::memfd_create("shrinking", MFD_CLOEXEC));
    constexpr std::size_t kBytes = 8 * 4096;
    if (!file || ::ftruncate(file.get(), kBytes) != 0) return 20;
    void* base = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
    if (base == MAP_FAILED || !install_sigbus_handler()) return 21;
    std::memset(base, 1, kBytes);
    int bystander = 0;
    const SigbusGuard first(&bystander, sizeof bystander, 4096);
    const SigbusGuard guard = guarded ? SigbusGuard(base, kBytes, 4096) : SigbusGuard();
    if (::ftruncate(file.get(), 4096) != 0) return 22;
    const auto* octets = static_cast<const volatile unsigned char*>(base);
    unsigned sum = 0;
    for (int page = 1; page <= pages; ++page) sum += octets[page * 4096 + 17];
    if (sum != 0 || octets[0] != 1) return 23;
    static_cast<volatile unsigned char*>(base)[4096] = 5;
    if (guarded && guard.faults()->load() != static_cast<unsigned>(pages)) return 24;
    return first.faults()->load() == 0 ? 0 : 25;
}

TEST(Sigbus, MissingPagesOfAGuardedRangeBecomeZeroAndAreCounted) {
    const int status = in_child([] { return touch_missing_pages(true, 3); });
    ASSERT_TRUE(WIFEXITED(status)) << "killed by signal " << WTERMSIG(status);
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(Sigbus, AFaultOutsideGuardedRangesStillKillsTheProcess) {
    const int status = in_child([] {
        ::signal(SIGBUS, SIG_DFL);  // a sanitizer's own handler would turn the signal into an exit
        return touch_missing_pages(false, 1);
    });
    ASSERT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(WTERMSIG(status), SIGBUS);
}

TEST(Sigbus, AGuardThatWentLeavesItsPlaceToAnother) {
    char octets[64];
    const std::atomic<std::uint32_t>* place = nullptr;
    {
        SigbusGuard guard(octets, sizeof octets, 4096);
        ASSERT_TRUE(guard.valid());
        place = guard.faults();
        SigbusGuard moved = std::move(guard);
        EXPECT_EQ(moved.faults(), place);
    }
    const SigbusGuard next(octets, sizeof octets, 4096);
    EXPECT_EQ(next.faults(), place);
}

}  // namespace
}  // namespace fanfare::ipc
