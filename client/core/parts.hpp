// Scatter and gather lists of a receive or a send, and walks along them. Memory: the caller's, for
// one call.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>

#include "client/core/racy_memory.hpp"

namespace fanfare::client {

struct RoomPart {
    std::byte* data = nullptr;
    std::size_t bytes = 0;
};

struct DataPart {
    const std::byte* data = nullptr;
    std::size_t bytes = 0;
};

template <typename Part>
std::size_t total_bytes(std::span<const Part> parts) {
    std::size_t sum = 0;
    for (const Part& part : parts) sum += part.bytes;
    return sum;
}

// Fills parts front to back from memory that may be changing.
class Scatter {
  public:
    explicit Scatter(std::span<const RoomPart> parts) : parts_(parts), room_(total_bytes(parts)) {}
    std::size_t room() const { return room_; }

    // Requires bytes <= room().
    void put(const std::byte* from, std::size_t bytes) {
        room_ -= bytes;
        while (bytes > 0) {
            const RoomPart& part = parts_[at_];
            const std::size_t piece = std::min(bytes, part.bytes - within_);
            racy_copy(part.data + within_, from, piece);
            from += piece;
            bytes -= piece;
            within_ += piece;
            if (within_ == part.bytes) {
                ++at_;
                within_ = 0;
            }
        }
    }

  private:
    std::span<const RoomPart> parts_;
    std::size_t room_, at_ = 0, within_ = 0;
};

// Empties parts front to back.
class Gather {
  public:
    explicit Gather(std::span<const DataPart> parts) : parts_(parts), left_(total_bytes(parts)) {}
    std::size_t left() const { return left_; }

    // Requires bytes <= left().
    void take(std::byte* to, std::size_t bytes) {
        left_ -= bytes;
        while (bytes > 0) {
            const DataPart& part = parts_[at_];
            const std::size_t piece = std::min(bytes, part.bytes - within_);
            if (piece != 0) std::memcpy(to, part.data + within_, piece);
            to += piece;
            bytes -= piece;
            within_ += piece;
            if (within_ == part.bytes) {
                ++at_;
                within_ = 0;
            }
        }
    }

  private:
    std::span<const DataPart> parts_;
    std::size_t left_, at_ = 0, within_ = 0;
};

}  // namespace fanfare::client
