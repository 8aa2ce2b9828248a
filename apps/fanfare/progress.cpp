#include "apps/fanfare/progress.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>

#include "apps/fanfare/clock.hpp"

namespace fanfare::tool {

std::string octets_text(double octets) {
    const char* units[] = {"B", "kB", "MB", "GB", "TB"};
    std::size_t unit = 0;
    while (octets >= 1000 && unit + 1 < std::size(units)) {
        octets /= 1000;
        ++unit;
    }
    return fmt::format("{:.{}f} {}", octets, unit == 0 ? 0 : 1, units[unit]);
}

Progress::Progress(std::string verb, bool asked)
    : verb_(std::move(verb)), terminal_(::isatty(STDERR_FILENO) != 0), shown_(terminal_ || asked) {
    if (shown_) thread_ = std::thread([this] { run(); });
}

void Progress::run() {
    const auto pause = std::chrono::milliseconds(terminal_ ? 250 : 1000);
    const std::int64_t start = monotonic_ns();
    std::int64_t before = start;
    std::uint64_t bytes_before = 0;
    std::unique_lock lock(mutex_);
    for (;;) {
        const bool last = stopped_.wait_for(lock, pause, [this] { return stop_; });
        const std::int64_t now = monotonic_ns();
        const std::int64_t since = last ? start : before;
        const std::uint64_t from = last ? 0 : bytes_before;
        draw(static_cast<double>(now - start) / 1e9,
             static_cast<double>(bytes() - from) * 1e9 / static_cast<double>(now - since + 1));
        if (last) break;
        before = now;
        bytes_before = bytes();
    }
    if (terminal_) std::fputc('\n', stderr);
}

void Progress::draw(double seconds, double bytes_per_s) {
    fmt::print(stderr, "{}{} {} in {} messages, {:.1f} s, {}/s{}", terminal_ ? "\r" : "", verb_,
               octets_text(static_cast<double>(bytes())), messages(), seconds,
               octets_text(bytes_per_s), terminal_ ? "\033[K" : "\n");
    std::fflush(stderr);
    drawn_ = true;
}

void Progress::say(const std::string& line) {
    const std::scoped_lock lock(mutex_);
    fmt::print(stderr, "{}{}\n", terminal_ && drawn_ ? "\r\033[K" : "", line);
    std::fflush(stderr);
}

void Progress::stop() {
    {
        const std::scoped_lock lock(mutex_);
        if (stop_) return;
        stop_ = true;
    }
    stopped_.notify_one();
    if (thread_.joinable()) thread_.join();
}

}  // namespace fanfare::tool
