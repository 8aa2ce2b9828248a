// One send or receive that may take several goes: where it stands between them. An attempt never
// waits (socket_attempts.cpp); asynchronous calls are made of them (pending_calls.hpp).
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "client/core/message_reader.hpp"
#include "client/core/message_writer.hpp"
#include "client/core/parts.hpp"

namespace fanfare::client {

// The parts of a call that outlives its caller's array, and how far they are used up. Few parts, as
// nearly all calls have, need no allocation.
template <typename Part>
class PartList {
  public:
    PartList() = default;
    explicit PartList(std::span<const Part> parts) : count_(parts.size()) {
        if (count_ > kFew) many_.assign(parts.begin(), parts.end());
        if (count_ <= kFew) std::copy(parts.begin(), parts.end(), few_);
        for (const Part& part : parts) octets_ += part.bytes;
    }
    std::span<const Part> left() const {
        return std::span<const Part>(count_ > kFew ? many_.data() : few_, count_).subspan(at_);
    }
    std::size_t octets_left() const { return octets_; }
    // Requires bytes <= octets_left().
    void advance(std::size_t bytes) {
        octets_ -= bytes;
        Part* const parts = count_ > kFew ? many_.data() : few_;
        while (at_ < count_ && parts[at_].bytes <= bytes) bytes -= parts[at_++].bytes;
        if (at_ == count_) return;
        parts[at_].data += bytes;
        parts[at_].bytes -= bytes;
    }

  private:
    static constexpr std::size_t kFew = 4;
    Part few_[kFew];
    std::vector<Part> many_;
    std::size_t count_ = 0, at_ = 0, octets_ = 0;
};

struct SendAttempt {
    PartList<DataPart> data;
    int flags = 0;  // MSG_*
    std::size_t sent = 0;
    unsigned write_flags = 0;
    MessageWriter::Seen seen;
};

struct ReceiveAttempt {
    PartList<RoomPart> room;
    int flags = 0;
    std::size_t received = 0;
    bool message_end = false;
    // The message is too long to be waited for whole: it is collected as it arrives.
    bool collecting = false;
    MessageReader::Seen seen;
};

}  // namespace fanfare::client
