// What sessions carry in the simulator: every octet follows from the session's seed and its place,
// so that a receiver can be judged without keeping what was sent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace fanfare::sim {

// How long the messages of a session are, and how many there are.
struct ContentShape {
    std::uint64_t seed = 1;
    std::uint32_t messages = 0;
    std::uint32_t longest = 1000;  // octets
    double long_share = 0.1;       // of messages that are longer than short_most
    std::uint32_t short_most = 200;
    double empty_share = 0.02;
};

// Length of message `index`, and its octets: its index in the first eight, then a pattern of seed
// and place.
std::uint32_t message_length(const ContentShape& shape, std::uint32_t index);
void fill_message(const ContentShape& shape, std::uint32_t index, std::span<std::byte> room);

// Judges what a reader of one session got, message by message, in the order in which it got them. A
// reader that was there from the start expects message 0 first; one that came later is told where
// it is by the first message that is not empty.
class ContentCheck {
  public:
    ContentCheck(const ContentShape& shape, bool from_start) : shape_(shape), known_(from_start) {}

    // False with a reason when this can't be the next message.
    bool take(std::span<const std::byte> message);
    // For streams: the next octets of all messages written one after the other. A late reader's
    // place is found by its first octets.
    bool take_stream(std::span<const std::byte> octets);

    std::uint32_t next_index() const { return next_; }
    std::uint32_t taken() const { return taken_; }
    bool complete() const { return known_ && next_ == shape_.messages && stream_.empty(); }
    // For one that came late: what was taken, if anything, ends with the last message. Empty ones
    // alone name no message: then the last so many must be empty.
    bool at_end() const;
    const std::string& reason() const { return reason_; }

  private:
    ContentShape shape_;
    bool known_;
    std::uint32_t next_ = 0;  // index of the message that must come next, once known
    std::uint32_t taken_ = 0;
    std::uint32_t empties_before_ = 0;  // empty messages met while the place was not known
    bool find_place();

    std::vector<std::byte> expected_,
        stream_;  // stream_: what of message next_ - 1 must still come
    std::size_t stream_at_ = 0;
    std::vector<std::byte> unplaced_;  // a late reader's first octets
    std::string reason_;
};

}  // namespace fanfare::sim
