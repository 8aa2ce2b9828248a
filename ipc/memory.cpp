#include "ipc/memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <utility>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif
#ifndef MFD_HUGE_2MB
#define MFD_HUGE_2MB (21U << 26)
#endif

namespace fanfare::ipc {

namespace {

constexpr std::size_t kHugePageBytes = std::size_t{2} << 20;

void fail(MemoryFailure& failure, int error, std::string what) {
    failure.error = error;
    failure.text = std::move(what) + ": " + std::strerror(error);
}

// Octets that the machine could give without killing anybody, or no limit where the kernel doesn't
// say. A memfd has no limit of its own: filling it goes on until the kernel starts to end
// processes, so the size is judged first.
std::uint64_t available_bytes() {
    const Descriptor file(::open("/proc/meminfo", O_RDONLY | O_CLOEXEC));
    char text[4096];
    const ssize_t n = file ? ::read(file.get(), text, sizeof text - 1) : -1;
    if (n <= 0) return std::numeric_limits<std::uint64_t>::max();
    text[n] = 0;
    const char* line = std::strstr(text, "MemAvailable:");
    if (line == nullptr) return std::numeric_limits<std::uint64_t>::max();
    return std::strtoull(line + std::strlen("MemAvailable:"), nullptr, 10) * 1024;
}

// The file with all its pages, or an empty descriptor. fallocate says ENOSPC or ENOMEM where a page
// fault would raise SIGBUS.
Descriptor make_file(const char* name, std::uint64_t bytes, unsigned flags, int& error) {
    Descriptor file(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | flags));
    if (!file || ::ftruncate(file.get(), static_cast<off_t>(bytes)) != 0 ||
        ::fallocate(file.get(), 0, 0, static_cast<off_t>(bytes)) != 0) {
        error = errno;
        return {};
    }
    return file;
}

}  // namespace

Mapping::Mapping(Mapping&& other) noexcept
    : base_(std::exchange(other.base_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
    std::swap(base_, other.base_);
    std::swap(bytes_, other.bytes_);
    return *this;
}

Mapping::~Mapping() {
    if (base_ != nullptr) ::munmap(base_, bytes_);
}

std::optional<Mapping> Mapping::map(int descriptor, std::uint64_t bytes_min, int protection,
                                    int flags, MemoryFailure& failure) {
    struct stat facts {};
    if (::fstat(descriptor, &facts) != 0) {
        fail(failure, errno, "shared memory can't be examined");
        return std::nullopt;
    }
    if (!S_ISREG(facts.st_mode) || facts.st_size <= 0 ||
        static_cast<std::uint64_t>(facts.st_size) < bytes_min ||
        static_cast<std::uint64_t>(facts.st_size) > std::numeric_limits<std::size_t>::max()) {
        fail(failure, EPROTO,
             "shared memory has the wrong size (" + std::to_string(facts.st_size) + " octets, " +
                 std::to_string(bytes_min) + " are needed)");
        return std::nullopt;
    }
    const auto bytes = static_cast<std::size_t>(facts.st_size);
    void* base = ::mmap(nullptr, bytes, protection, flags, descriptor, 0);
    if (base == MAP_FAILED) {
        fail(failure, errno,
             "shared memory of " + std::to_string(bytes) + " octets can't be mapped");
        return std::nullopt;
    }
    Mapping mapping;
    mapping.base_ = static_cast<std::byte*>(base);
    mapping.bytes_ = bytes;
    return mapping;
}

std::optional<Mapping> Mapping::read_only(int descriptor, std::uint64_t bytes_min,
                                          MemoryFailure& failure) {
    return map(descriptor, bytes_min, PROT_READ, MAP_SHARED, failure);
}

std::optional<Mapping> Mapping::read_write(int descriptor, std::uint64_t bytes_min,
                                           MemoryFailure& failure) {
    return map(descriptor, bytes_min, PROT_READ | PROT_WRITE, MAP_SHARED, failure);
}

std::optional<Region> Region::create(const RegionRequest& request, MemoryFailure& failure) {
    if (request.bytes == 0 || request.bytes > (std::uint64_t{1} << 40)) {
        fail(failure, EINVAL,
             "a region of " + std::to_string(request.bytes) + " octets is not possible");
        return std::nullopt;
    }
    const auto attempt = [&](std::size_t page_bytes, unsigned flags) -> std::optional<Region> {
        const std::uint64_t bytes = (request.bytes + page_bytes - 1) / page_bytes * page_bytes;
        int error = ENOMEM;
        Region region;
        // Huge pages come from a pool of their own, which fallocate() asks.
        if (flags != 0 || bytes < available_bytes() / 2)
            region.descriptor_ = make_file(request.name, bytes, flags, error);
        if (!region.descriptor_) {
            fail(failure, error,
                 "no memory for a region of " + std::to_string(bytes) +
                     " octets (ask for a smaller window, or give the machine or its control group "
                     "more)");
            return std::nullopt;
        }
        auto mapping = Mapping::map(region.descriptor_.get(), bytes, PROT_READ | PROT_WRITE,
                                    MAP_SHARED | MAP_POPULATE, failure);
        if (!mapping) return std::nullopt;
        region.mapping_ = std::move(*mapping);
        region.page_bytes_ = page_bytes;
        return region;
    };
    std::optional<Region> region;
    if (request.huge_pages) region = attempt(kHugePageBytes, MFD_HUGETLB | MFD_HUGE_2MB);
    if (!region) region = attempt(kPageSize, 0);
    if (!region) return std::nullopt;
    failure = {};
    if (request.lock) {
        const auto memory = region->memory();
        // Locking keeps pages from being swapped; RLIMIT_MEMLOCK may forbid it, and then they are
        // only present.
        region->locked_ = ::mlock(memory.data(), memory.size()) == 0;
    }
    return region;
}

bool Region::seal(SealKind kind, MemoryFailure& failure) {
    int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    if (kind == SealKind::receive) seals |= F_SEAL_FUTURE_WRITE;
    if (::fcntl(descriptor_.get(), F_ADD_SEALS, seals) != 0) {
        fail(failure, errno, "a region can't be sealed (Linux 5.1 or newer is needed)");
        return false;
    }
    return true;
}

}  // namespace fanfare::ipc
