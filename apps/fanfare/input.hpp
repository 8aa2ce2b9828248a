// Standard input as a publisher reads it: pieces of a stream, or messages, while the session is
// being watched.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

namespace fanfare::tool {

class Input {
  public:
    // `socket`: a descriptor whose hang-up ends the waiting, -1 for none. Neither is owned.
    Input(int descriptor, int socket);

    // Octets of whatever is there, at least one; 0 at the end. Waits. Throws Failure when reading
    // fails; returns kHungUp when the socket hung up meanwhile.
    static constexpr std::ptrdiff_t kHungUp = -1;
    std::ptrdiff_t read(std::span<std::byte> room);
    // Whether a read would give something at once.
    bool ready() const;

  private:
    int descriptor_, socket_;
    bool always_ready_;  // a file: no need to ask
};

// Cuts octets into messages: lines with their newline, or pieces of one size.
class MessageCutter {
  public:
    // `fixed_bytes` 0: lines.
    explicit MessageCutter(std::size_t fixed_bytes);

    // Room for the next octets, never empty; throws Failure when a line is longer than 1 GiB.
    std::span<std::byte> room();
    // So many octets were put there: every whole message goes to `take`.
    void put(std::size_t bytes, const std::function<void(std::span<const std::byte>)>& take);
    // What is left at the end: a last line without newline, a last piece that is short.
    void finish(const std::function<void(std::span<const std::byte>)>& take);

  private:
    std::size_t fixed_bytes_;
    std::vector<std::byte> buffer_;
    std::size_t end_ = 0;      // octets in the buffer
    std::size_t scanned_ = 0;  // of them without a newline, looked through already
};

}  // namespace fanfare::tool
