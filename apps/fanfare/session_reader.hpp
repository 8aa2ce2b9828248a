// Moves one session's octets from its receive window to a queue: views in place, one copy, and only
// what was still whole afterwards counts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "apps/fanfare/byte_queue.hpp"
#include "apps/fanfare/progress.hpp"
#include "apps/fanfare/zmtp.hpp"
#include "fanfare/fanfare.hpp"

namespace fanfare::tool {

struct ReadRules {
    std::string separator;    // behind every message
    std::uint64_t count = 0;  // end after so many messages; 0: all
    bool zmq = false;
};

class SessionReader {
  public:
    enum class Pump : std::uint8_t {
        moved,    // octets went to the queue
        nothing,  // the window is empty
        full,     // the queue is
        ended,    // see failure()
    };

    // `queue`, `rules`, `progress` outlive the reader.
    SessionReader(Receiver receiver, const ReadRules& rules, ByteQueue& queue, Progress& progress);

    // Moves what is there. `wait`: waits in the window's own way (spinning first) for something to
    // come, as long as the receiver's timeout says.
    Pump pump(bool wait);

    bool ended() const { return ended_; }
    // Why it ended in bad order; nothing when it ended well.
    const std::optional<std::string>& failure() const { return failure_; }
    const Receiver& receiver() const { return receiver_; }
    const std::string& name() const { return name_; }
    std::uint64_t messages() const { return messages_; }
    std::uint64_t bytes() const { return bytes_; }

  private:
    Pump end(std::optional<std::string> failure);
    Pump move_plain(std::size_t views);
    Pump move_zmq(std::size_t views);
    bool drain_held();
    void hold_message(std::span<const std::byte> message);

    Receiver receiver_;
    const ReadRules& rules_;
    ByteQueue& queue_;
    Progress& progress_;
    std::string name_;
    std::vector<View> views_;
    bool ended_ = false;
    std::optional<std::string> failure_;
    std::uint64_t messages_ = 0, bytes_ = 0;
    // Decoded or cut octets that the queue had no room for yet.
    std::vector<std::byte> held_;
    std::size_t held_taken_ = 0;
    ZmtpDecoder decoder_;
    std::vector<std::byte> copy_;  // payloads of a batch, until they are known to be whole
};

}  // namespace fanfare::tool
