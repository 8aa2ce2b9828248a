// Memory that crosses a process border: memfd regions made by the daemon, mapped by clients (DESIGN
// section 4).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "ipc/descriptor.hpp"
#include "ipc/layout.hpp"

namespace fanfare::ipc {

struct MemoryFailure {
    int error = 0;     // errno
    std::string text;  // one line for a human: what, and how to mend it
};

// A mapping that unmaps itself.
class Mapping {
  public:
    Mapping() = default;
    Mapping(Mapping&& other) noexcept;
    Mapping& operator=(Mapping&& other) noexcept;
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping();

    // Maps the whole file behind `descriptor` (which stays the caller's and may be closed
    // afterwards). nullopt, with `failure` filled, if it is no regular file, is smaller than
    // `bytes_min` or can't be mapped that way.
    static std::optional<Mapping> read_only(int descriptor, std::uint64_t bytes_min,
                                            MemoryFailure& failure);
    static std::optional<Mapping> read_write(int descriptor, std::uint64_t bytes_min,
                                             MemoryFailure& failure);

    std::span<std::byte> memory() const {
        return {base_, bytes_};
    }  // writing to a read-only one faults
    explicit operator bool() const { return base_ != nullptr; }

  private:
    friend class Region;
    static std::optional<Mapping> map(int descriptor, std::uint64_t bytes_min, int protection,
                                      int flags, MemoryFailure& failure);
    std::byte* base_ = nullptr;
    std::size_t bytes_ = 0;
};

enum class SealKind {
    receive,  // SHRINK|GROW|FUTURE_WRITE|SEAL: only mappings that stand already can write
    send,     // SHRINK|GROW|SEAL: the client writes too, but can't change the size
};

struct RegionRequest {
    const char* name = "fanfare";  // shown in /proc/PID/maps
    std::uint64_t bytes = 0;
    bool huge_pages = false;  // a wish: ordinary pages when there are none free
    bool lock = true;         // a wish: see locked()
};

// A region as its maker holds it: the file, mapped read-write, with every page present.
class Region {
  public:
    // nullopt, with `failure` filled, when the memory can't be had. Ordinary pages: at most half of
    // what the machine has available at the time, because a memfd that is filled beyond that gets
    // processes killed, not an error.
    static std::optional<Region> create(const RegionRequest& request, MemoryFailure& failure);

    // Seals the file for good. Call it after the owner mapped (create does) and before the
    // descriptor is passed on.
    bool seal(SealKind kind, MemoryFailure& failure);

    int descriptor() const { return descriptor_.get(); }
    std::span<std::byte> memory() const {
        return mapping_.memory();
    }  // bytes rounded up to whole pages
    std::size_t page_bytes() const { return page_bytes_; }
    bool huge_pages() const { return page_bytes_ > kPageSize; }
    bool locked() const { return locked_; }

  private:
    Descriptor descriptor_;
    Mapping mapping_;
    std::size_t page_bytes_ = kPageSize;
    bool locked_ = false;
};

}  // namespace fanfare::ipc
