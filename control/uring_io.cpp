#include "control/uring_io.hpp"

#include <fcntl.h>
#include <liburing.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace fanfare::control {
namespace {

// Blocks under way at a time, over all sessions: what a fast disk takes in parallel.
constexpr unsigned kUnderWayMost = 64;
constexpr unsigned kEntries = 2 * kUnderWayMost;

// A file without a name in `directory`; -errno.
int nameless_file(const std::string& directory, int flags) {
    const int made = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC | flags, 0600);
    if (made >= 0) return made;
    if (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT) return -errno;
    // A file system without O_TMPFILE: with a name for a moment.
    std::string name = directory + "/fanfare-XXXXXX";
    const int named = ::mkostemp(name.data(), O_CLOEXEC | flags);
    if (named < 0) return -errno;
    ::unlink(name.c_str());
    return named;
}

}  // namespace

struct UringIo::Parts {
    std::string directory;
    io_uring ring{};
    unsigned under_way = 0;
    bool bell_watched = false;
    std::uint64_t bell_value = 0;

    io_uring_sqe* entry() {
        if (under_way == kUnderWayMost) return nullptr;
        io_uring_sqe* const sqe = io_uring_get_sqe(&ring);
        if (sqe != nullptr) ++under_way;
        return sqe;
    }
};

UringIo::UringIo(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

std::unique_ptr<UringIo> UringIo::open(const std::string& directory, std::string& error) {
    auto parts = std::make_unique<Parts>();
    parts->directory = directory;
    const int probe = nameless_file(directory, 0);
    if (probe < 0) {
        error = "repairer.directory " + directory +
                ": no file can be made there: " + std::strerror(-probe) +
                "; name a directory that the daemon may write to";
        return nullptr;
    }
    ::close(probe);
    if (const int made = io_uring_queue_init(kEntries, &parts->ring, 0); made != 0) {
        error = std::string("the kernel gives no io_uring for repairer.directory: ") +
                std::strerror(-made) +
                (made == -EPERM ? "; allow it with `sysctl kernel.io_uring_disabled=0`" : "");
        return nullptr;
    }
    return std::unique_ptr<UringIo>(new UringIo(std::move(parts)));
}

UringIo::~UringIo() {
    // Cancels what is under way; then nothing uses the buffers any more.
    io_uring_queue_exit(&parts_->ring);
}

int UringIo::open(int& file, bool& direct) {
    int made = nameless_file(parts_->directory, O_DIRECT);
    direct = made >= 0;
    if (made == -EINVAL || made == -EOPNOTSUPP) made = nameless_file(parts_->directory, 0);
    if (made < 0) return -made;
    file = made;
    return 0;
}

void UringIo::close(int file) {
    ::close(file);
}

bool UringIo::write(int file, std::uint64_t slot, const std::byte* block, void* token) {
    io_uring_sqe* const sqe = parts_->entry();
    if (sqe == nullptr) return false;
    io_uring_prep_write(sqe, file, block, kBlockBytes, slot * kBlockBytes);
    io_uring_sqe_set_data(sqe, token);
    return true;
}

bool UringIo::read(int file, std::uint64_t slot, std::byte* block, void* token) {
    io_uring_sqe* const sqe = parts_->entry();
    if (sqe == nullptr) return false;
    io_uring_prep_read(sqe, file, block, kBlockBytes, slot * kBlockBytes);
    io_uring_sqe_set_data(sqe, token);
    return true;
}

std::size_t UringIo::take_done(std::span<Done> done) {
    std::size_t count = 0;
    io_uring_cqe* cqe = nullptr;
    while (count < done.size() && io_uring_peek_cqe(&parts_->ring, &cqe) == 0) {
        void* const token = io_uring_cqe_get_data(cqe);
        const int result = cqe->res;
        io_uring_cqe_seen(&parts_->ring, cqe);
        if (token == nullptr) {
            parts_->bell_watched = false;
            continue;
        }
        --parts_->under_way;
        const bool whole = result == static_cast<int>(kBlockBytes);
        done[count++] = {token, whole ? 0 : result < 0 ? -result : EIO};
    }
    return count;
}

void UringIo::wait(int bell, Nanos time) {
    if (!parts_->bell_watched) {
        if (io_uring_sqe* const sqe = io_uring_get_sqe(&parts_->ring)) {
            io_uring_prep_read(sqe, bell, &parts_->bell_value, sizeof(parts_->bell_value), 0);
            io_uring_sqe_set_data(sqe, nullptr);
            parts_->bell_watched = true;
        }
    }
    __kernel_timespec timeout{};
    timeout.tv_sec = time / kSecond;
    timeout.tv_nsec = time % kSecond;
    io_uring_cqe* cqe = nullptr;
    io_uring_submit_and_wait_timeout(&parts_->ring, &cqe, 1, &timeout, nullptr);
}

}  // namespace fanfare::control
