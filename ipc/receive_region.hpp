// A receive window as local readers see it: one memfd, written by the daemon's worker, read by any
// number of processes at no cost to the writer (DESIGN section 4).
//
//   offset 0            ReceiveHeader: what it is, the writer's two counters, the session's state
//   index_offset        IndexEntry[index_entries]
//   log_offset          octets[log_bytes]
//
// Memory: made, populated and sealed (SHRINK|GROW|FUTURE_WRITE|SEAL) by the daemon, which holds it
// until the last reader has gone; a reader maps it read-only and keeps it mapped until it closes.
// All sizes are powers of two. A reader copies header constants once, checks them against the
// file's size, and uses only the copy.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "engine/core/window_layout.hpp"
#include "engine/types.hpp"

namespace fanfare::ipc {

inline constexpr std::size_t kCacheLine = 64;
inline constexpr std::size_t kPageSize = 4096;
inline constexpr std::uint64_t kReceiveRegionMagic = 0x3152'5846'4E41'4646ull;  // "FFANFXR1"
inline constexpr std::uint64_t kSendRegionMagic = 0x3153'5846'4E41'4646ull;     // "FFANFXS1"
inline constexpr std::uint64_t kSocketPageMagic = 0x3150'5846'4E41'4646ull;     // "FFANFXP1"
inline constexpr std::uint64_t kWorkerPageMagic = 0x3157'5846'4E41'4646ull;     // "FFANFXW1"
inline constexpr std::uint32_t kLayoutVersion = 1;

struct ReceiveHeader {
    // Constant after creation, except the identity, which is written before the session is handed
    // to a reader.
    std::uint64_t magic;
    std::uint32_t version;
    std::uint32_t header_bytes;
    std::uint64_t index_offset, log_offset;
    std::uint32_t index_entries;
    std::uint32_t reserved_zero;
    std::uint64_t log_bytes;
    std::uint64_t session_id;
    std::uint64_t tsi_key;  // Tsi::key()
    std::uint32_t group_v4, source_v4;
    std::uint16_t destination_port;
    std::uint16_t pad0[3];

    // Written by the worker. `reserved_*`: how far room may be overwritten (only grows), stored
    // relaxed before a burst's first payload write with a release fence after both. Partner: the
    // reader's acquire fence between copying and loading them again (MessageReader).
    alignas(kCacheLine) std::atomic<std::uint64_t> reserved_log;
    std::atomic<std::uint64_t> reserved_ordinal;

    // First ordinal not contiguous; store release after the burst. Partner: the reader's load
    // acquire. 0 until the session has its start.
    alignas(kCacheLine) std::atomic<std::uint64_t> lead;
    // SessionState, stored release after `cause`; partner: the reader's load acquire, made before
    // its last look at `lead`, so that an end is believed only when all data before it has been
    // seen.
    std::atomic<std::uint32_t> state;
    std::atomic<std::uint32_t> cause;          // ResetCause
    std::atomic<std::uint64_t> start_ordinal;  // first ordinal of the session
    std::atomic<std::uint32_t> joined_late;    // 1: data existed before start_ordinal
};
static_assert(sizeof(ReceiveHeader) <= kPageSize);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

}  // namespace fanfare::ipc
