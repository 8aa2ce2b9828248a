// A bounded queue of octets between the thread that empties a receive window and the one that
// writes: what a stalled output leaves waits here, not in the window, so that the session goes on.
//
// One producer, one consumer. Octets are written once, into chunks; a chunk that was read is used
// again first, so that a consumer that keeps up works in a few warm chunks whatever the limit is.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace fanfare::tool {

// What wakes the consumer of any number of queues.
struct Bell {
    std::mutex mutex;
    std::condition_variable rung;
};

class ByteQueue {
  public:
    // At most `limit` octets are kept, at least 64 KiB. `bell` outlives the queue.
    ByteQueue(Bell& bell, std::size_t limit);

    // Producer: room for at least `at_least` octets (at most chunk_bytes()) in one piece; empty
    // when the queue is full. Belongs to the producer until commit.
    std::span<std::byte> room(std::size_t at_least);
    // The first `bytes` octets of the room are there to read.
    void commit(std::size_t bytes);
    // No more will come.
    void finish();

    // Consumer: what is next, in one piece; empty when nothing is there. Belongs to the consumer
    // until take. The caller holds bell.mutex, and may let it go before reading.
    std::span<const std::byte> front();
    // Drops the first `bytes` of it; the caller holds bell.mutex.
    void take(std::size_t bytes);
    // Finished and all taken; the caller holds bell.mutex.
    bool drained() const;

    std::size_t chunk_bytes() const { return chunk_bytes_; }

  private:
    struct Chunk {
        std::unique_ptr<std::byte[]> octets;
        std::size_t written = 0, read = 0;
    };

    Bell& bell_;
    const std::size_t chunk_bytes_;
    const std::size_t chunk_limit_;
    // Under bell_.mutex:
    std::deque<Chunk> chunks_;  // the last is the producer's open one
    std::vector<std::unique_ptr<std::byte[]>> free_;
    bool finished_ = false;
};

}  // namespace fanfare::tool
