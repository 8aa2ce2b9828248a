#include "apps/fanfare/input.hpp"

#include <fmt/core.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "apps/fanfare/failure.hpp"

namespace fanfare::tool {

namespace {
constexpr std::size_t kBufferBytes = 256 << 10;  // a pipe's 64 KiB four times over
constexpr std::size_t kLongestMessage = std::size_t{1} << 30;
}  // namespace

Input::Input(int descriptor, int socket) : descriptor_(descriptor), socket_(socket) {
    struct stat about {};
    always_ready_ = ::fstat(descriptor, &about) == 0 && S_ISREG(about.st_mode);
}

bool Input::ready() const {
    if (always_ready_) return true;
    pollfd wait{descriptor_, POLLIN, 0};
    return ::poll(&wait, 1, 0) > 0;
}

std::ptrdiff_t Input::read(std::span<std::byte> room) {
    for (;;) {
        if (!always_ready_) {
            pollfd waits[2] = {{descriptor_, POLLIN, 0}, {socket_, POLLRDHUP, 0}};
            const int ready = ::poll(waits, 2, -1);
            if (ready < 0 && errno == EINTR) continue;
            if (ready < 0) throw Failure(fmt::format("standard input: {}", std::strerror(errno)));
            if (waits[0].revents == 0) return kHungUp;
        }
        const ssize_t n = ::read(descriptor_, room.data(), room.size());
        if (n >= 0) return n;
        if (errno == EINTR || errno == EAGAIN) continue;
        throw Failure(fmt::format("standard input: {}", std::strerror(errno)));
    }
}

MessageCutter::MessageCutter(std::size_t fixed_bytes)
    : fixed_bytes_(fixed_bytes), buffer_(std::max(kBufferBytes, fixed_bytes)) {}

std::span<std::byte> MessageCutter::room() {
    if (end_ == buffer_.size()) {
        if (buffer_.size() >= kLongestMessage)
            throw Failure("standard input: a line is longer than 1 GiB; use --message BYTES");
        buffer_.resize(buffer_.size() * 2);
    }
    return std::span(buffer_).subspan(end_);
}

void MessageCutter::put(std::size_t bytes,
                        const std::function<void(std::span<const std::byte>)>& take) {
    end_ += bytes;
    std::size_t begin = 0;
    for (;;) {
        std::size_t length = fixed_bytes_;
        if (fixed_bytes_ == 0) {
            const auto from = std::max(begin, scanned_);
            const void* found = std::memchr(buffer_.data() + from, '\n', end_ - from);
            if (found == nullptr) break;
            length = static_cast<std::size_t>(static_cast<const std::byte*>(found) -
                                              (buffer_.data() + begin)) +
                     1;
        } else if (end_ - begin < length) {
            break;
        }
        take(std::span<const std::byte>(buffer_).subspan(begin, length));
        begin += length;
    }
    if (begin != 0) {
        std::memmove(buffer_.data(), buffer_.data() + begin, end_ - begin);
        end_ -= begin;
    }
    scanned_ = end_;
}

void MessageCutter::finish(const std::function<void(std::span<const std::byte>)>& take) {
    if (end_ != 0) take(std::span<const std::byte>(buffer_).first(end_));
    end_ = scanned_ = 0;
}

}  // namespace fanfare::tool
