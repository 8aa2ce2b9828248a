// How far a transfer is, on standard error: one line that is drawn anew on a terminal, a line a
// second where it goes elsewhere and was asked for.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

namespace fanfare::tool {

class Progress {
  public:
    // `verb`: "sent", "received". `asked`: also when standard error is no terminal.
    Progress(std::string verb, bool asked);
    ~Progress() { stop(); }
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    // Any thread; counters for showing only, no order needed.
    void add(std::uint64_t bytes, std::uint64_t messages) {
        bytes_.fetch_add(bytes, std::memory_order_relaxed);
        messages_.fetch_add(messages, std::memory_order_relaxed);
    }
    std::uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
    std::uint64_t messages() const { return messages_.load(std::memory_order_relaxed); }

    // A line for the user, above the progress line.
    void say(const std::string& line);
    // Draws the last state and ends; safe to call twice.
    void stop();

  private:
    void run();
    void draw(double seconds, double bytes_per_s);

    const std::string verb_;
    const bool terminal_, shown_;
    std::atomic<std::uint64_t> bytes_{0}, messages_{0};
    std::mutex mutex_;
    std::condition_variable stopped_;
    bool stop_ = false, drawn_ = false;
    std::thread thread_;
};

// "12.3 MB" and the like.
std::string octets_text(double octets);

}  // namespace fanfare::tool
