// What the file tier asks of files: whole blocks written and read at their places, without waiting.
// The daemon's is io_uring (uring_io.hpp); tests bring one that fails on demand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "control/archive_block.hpp"

namespace fanfare::control {

class ArchiveIo {
  public:
    virtual ~ArchiveIo() = default;

    // A new empty file that nobody else sees and that is gone when it is closed. 0 or an errno;
    // `direct`: it goes past the page cache.
    virtual int open(int& file, bool& direct) = 0;
    // Not while anything of this file is under way.
    virtual void close(int file) = 0;

    // Begins to write or read block `slot` of a file. `block`: kBlockBytes at a multiple of
    // kBlockAlignment, which are the kernel's until done. False: too much is under way, try again.
    virtual bool write(int file, std::uint64_t slot, const std::byte* block, void* token) = 0;
    virtual bool read(int file, std::uint64_t slot, std::byte* block, void* token) = 0;
    struct Done {
        void* token = nullptr;
        int error = 0;  // 0, or an errno; a short one is EIO
    };
    // What has come to its end.
    virtual std::size_t take_done(std::span<Done> done) = 0;
};

}  // namespace fanfare::control
