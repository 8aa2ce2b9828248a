#include "apps/fanfare/byte_queue.hpp"

#include <algorithm>

namespace fanfare::tool {

namespace {
// Large enough that a write call costs little beside its octets, small enough to stay in the cache.
constexpr std::size_t kChunkBytes = 256 << 10;
constexpr std::size_t kSmallestLimit = 64 << 10;
}  // namespace

ByteQueue::ByteQueue(Bell& bell, std::size_t limit)
    : bell_(bell),
      chunk_bytes_(std::clamp(limit / 4, kSmallestLimit, kChunkBytes)),
      chunk_limit_(std::max<std::size_t>(1, limit / chunk_bytes_)) {}

std::span<std::byte> ByteQueue::room(std::size_t at_least) {
    const std::scoped_lock lock(bell_.mutex);
    if (!chunks_.empty()) {
        Chunk& open = chunks_.back();
        if (open.read == open.written) open.read = open.written = 0;
        if (chunk_bytes_ - open.written >= at_least)
            return {open.octets.get() + open.written, chunk_bytes_ - open.written};
        if (chunks_.size() >= chunk_limit_) return {};
    }
    Chunk next;
    if (free_.empty()) {
        // Not zeroed: pages that a queue never needs are never touched.
        next.octets.reset(new std::byte[chunk_bytes_]);
    } else {
        next.octets = std::move(free_.back());
        free_.pop_back();
    }
    chunks_.push_back(std::move(next));
    return {chunks_.back().octets.get(), chunk_bytes_};
}

void ByteQueue::commit(std::size_t bytes) {
    {
        const std::scoped_lock lock(bell_.mutex);
        chunks_.back().written += bytes;
    }
    bell_.rung.notify_one();
}

void ByteQueue::finish() {
    {
        const std::scoped_lock lock(bell_.mutex);
        finished_ = true;
    }
    bell_.rung.notify_one();
}

std::span<const std::byte> ByteQueue::front() {
    while (chunks_.size() > 1 && chunks_.front().read == chunks_.front().written) {
        free_.push_back(std::move(chunks_.front().octets));
        chunks_.pop_front();
    }
    if (chunks_.empty()) return {};
    const Chunk& first = chunks_.front();
    return {first.octets.get() + first.read, first.written - first.read};
}

void ByteQueue::take(std::size_t bytes) {
    chunks_.front().read += bytes;
    (void)front();  // gives a chunk back as soon as it is empty
}

bool ByteQueue::drained() const {
    if (!finished_) return false;
    for (const Chunk& chunk : chunks_)
        if (chunk.read != chunk.written) return false;
    return true;
}

}  // namespace fanfare::tool
