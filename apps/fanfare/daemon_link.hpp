// The tool's way to its daemon: named by --control, asked once whether it is there, and listened to
// for what the socket calls do not tell: whether an accepted session had data before, and how much
// a packet holds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace fanfare::tool {

class DaemonLink {
  public:
    // `control`: the daemon's socket; empty: $FANFARE_CONTROL, else the library's default. All
    // sockets of this process go there from now on. Throws Failure when no daemon answers.
    explicit DaemonLink(const std::string& control);

    const std::string& path() const { return path_; }
    const std::string& daemon_version() const { return version_; }

    // Of the session that this thread accepted last: the sequence number it starts at, if data had
    // passed before.
    static std::optional<std::uint32_t> joined_late();
    // Of the session that this thread connected last: the largest payload of one packet.
    static std::size_t largest_payload();

  private:
    std::string path_, version_;
};

}  // namespace fanfare::tool
