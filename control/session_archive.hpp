// The file tier of one followed session: it reads the session's receive region as any local reader
// does, at no cost to the worker, and keeps what it read in the blocks of one file, the newest
// overwriting the oldest. Numbers that the worker asks for are looked up there and given back.
//
// It never waits and never guesses. What the disk can't take in time is missing from the tier; a
// failed write, a failed read or a block that is not what was written drops the whole tier, with a
// reason, and it begins anew some time later.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "control/archive_block.hpp"
#include "control/archive_io.hpp"
#include "dataplane/repair_store.hpp"
#include "engine/types.hpp"
#include "ipc/layout.hpp"

namespace fanfare::control {

struct SessionArchivePlan {
    std::string name;              // for the log
    std::uint64_t file_bytes = 0;  // rounded down to blocks, at least a megabyte
    std::uint64_t nonce = 0;       // tells this archive's blocks from any other's
    Nanos retry_ns = 30 * kSecond;
    std::function<void(const std::string&)> log;  // one line; may be empty
};

class SessionArchive {
  public:
    // `region`: the session's, mapped for reading; `store` and `io` outlive this as well.
    SessionArchive(const SessionArchivePlan& plan, const ipc::ReceiveView& region,
                   dataplane::RepairStore& store, ArchiveIo& io);
    SessionArchive(const SessionArchive&) = delete;
    SessionArchive& operator=(const SessionArchive&) = delete;
    // Nothing may be under way: is_idle().
    ~SessionArchive();

    // Reads on, writes what is full, answers requests. Returns how much it did; `replied` becomes
    // true where the worker has something to fetch.
    std::size_t turn(Nanos now, bool& replied);
    // An operation of this archive came to its end.
    void on_done(void* token, int error, Nanos now);
    // Takes no more in and gives no more out; what is under way comes to its end.
    void stop();
    bool is_idle() const { return under_way_ == 0; }
    bool stopped() const { return stopped_; }

    // Whose a token is.
    static SessionArchive* owner(void* token);

  private:
    // A buffer that the kernel writes to the file or fills from it.
    struct Buffer {
        SessionArchive* owner = nullptr;
        std::byte* octets = nullptr;
        enum class Use : std::uint8_t { free, filling, writing, reading, cached } use = Use::free;
        std::uint64_t first = 0, end = 0, slot = 0;
        std::uint64_t used_at = 0;  // turn of its last use, for the cache
        std::uint32_t life = 0;     // of the tier that it was used in
    };
    struct Block {
        std::uint64_t first, end, slot;
        bool written;
    };
    struct Free {
        void operator()(std::byte* octets) const;
    };

    std::size_t follow(Nanos now);
    // What became of one number.
    enum class Copied : std::uint8_t { taken, left_out, full, overtaken };
    Copied copy(std::uint64_t ordinal);
    bool flush();
    bool make_room();
    void publish_range();
    std::size_t answer(bool& replied);
    bool reply(std::uint64_t ordinal, const ArchivedPacket* packet);
    Buffer* free_buffer(bool for_reading);
    const Block* block_of(std::uint64_t ordinal) const;
    void drop(const std::string& what, int error, Nanos now);
    void begin(Nanos now);

    // Blocks being written while the next one fills, and blocks kept for the requests of a burst.
    static constexpr std::size_t kWriteBuffers = 6, kReadBuffers = 4;

    SessionArchivePlan plan_;
    const ipc::ReceiveView region_;
    dataplane::RepairStore& store_;
    ArchiveIo& io_;
    std::uint64_t slots_;
    std::unique_ptr<std::byte[], Free> memory_;
    std::array<Buffer, kWriteBuffers + kReadBuffers> buffers_;
    Buffer* filling_ = nullptr;
    BlockWriter writer_;
    std::deque<Block> blocks_;  // in order; at most slots_
    std::uint64_t next_slot_ = 0;
    std::uint64_t cursor_ = 0;          // next ordinal to read; 0: none yet
    std::uint64_t message_first_ = 0;   // ordinal; 0: the message's begin was not seen
    std::uint64_t message_offset_ = 0;  // octets of the message before the cursor
    std::deque<std::uint64_t> wanted_;  // requests, at most as many as the ring holds
    int file_ = -1;
    std::uint32_t life_ = 0;
    std::size_t under_way_ = 0;
    std::uint64_t turns_ = 0;
    Nanos retry_at_ = 0;
    bool dropped_ = true, stopped_ = false;
};

}  // namespace fanfare::control
