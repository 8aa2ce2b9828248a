// A send window: one memfd, written by the application, read by the daemon's worker (DESIGN section
// 4). The log is the transmit window: first transmission and repair read the same octets.
//
//   offset 0            SendHeader
//   log_offset          octets[log_bytes], log_bytes a power of two
//
// Log positions are 64-bit octet counts from 0; the octet at position p stands at (p & (log_bytes -
// 1)).
//
// Stream sessions: the log holds the stream's octets and nothing else; the worker cuts packets
// where it likes, never across the log's end. Message and packed sessions: the log holds records,
// each at a 16-aligned position, never across the log's end:
//   RecordHeader (16 octets) + payload + padding to 16.
// So a header always fits before the log's end. A message of at most largest_tsdu octets is one
// record. A longer one is one or several records of at most record_max_bytes; all but its last hold
// a whole multiple of largest_fragment octets (fewer than record_max_bytes where the lap ends). A
// record with kRecordSkip carries no data: its `length` fills the rest of the lap. The worker
// copies a header out once, checks it against what is published, and uses only the copy.
//
// A message that is open when its sender shuts down stands in the log without its last record: then
// the last record may be short of a multiple of largest_fragment, and the worker resets
// (ResetCause::message_incomplete).
//
// Memory: made, populated, locked and sealed (SHRINK|GROW|SEAL) by the daemon and charged to the
// client's uid until the window has passed; the client maps it read-write, may vanish at any time,
// and can harm only its own session whatever it writes here.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "ipc/receive_region.hpp"

namespace fanfare::ipc {

enum class SendFormat : std::uint32_t { message = 0, stream = 1, packed = 2 };

struct RecordHeader {
    std::uint32_t length;          // payload octets of this record; 0 is an empty message
    std::uint32_t flags;           // RecordFlag
    std::uint32_t message_length;  // octets of the whole message
    std::uint32_t message_offset;  // of this record's first octet in the message
};
static_assert(sizeof(RecordHeader) == 16);
enum RecordFlag : std::uint32_t { kRecordSkip = 1, kRecordRow = 2 };
// Octets in front of each message of a row.
inline constexpr std::uint32_t kRowLengthBytes = 2;
inline constexpr std::uint64_t kRecordAlignment =
    16;  // that of the header, so no lap ends with less than one

// Octets a record with `length` octets of payload takes in the log.
constexpr std::uint64_t record_bytes(std::uint64_t length) {
    return sizeof(RecordHeader) + ((length + kRecordAlignment - 1) & ~(kRecordAlignment - 1));
}

struct SendHeader {
    std::uint64_t magic;
    std::uint32_t version;
    std::uint32_t header_bytes;
    std::uint64_t log_offset, log_bytes;
    std::uint64_t session_id;
    SendFormat format;
    std::uint32_t largest_tsdu;  // octets of a packet that is a whole message
    std::uint32_t
        largest_fragment;  // octets of a fragment; a record holds at most a multiple of it
    std::uint32_t
        record_max_bytes;  // most payload octets of one record (a multiple of largest_fragment, or
                           // largest_tsdu for a message that fits one packet)

    // Written by the client: everything before `tail` is published. Store release; partner: the
    // worker's load acquire. The worker also treats a tail that moves back, or beyond limit, as an
    // error of that client.
    alignas(kCacheLine) std::atomic<std::uint64_t> tail;

    // Written by the daemon: the client may write log positions below `limit`. Store release;
    // partner: the writer's load acquire. Only grows.
    alignas(kCacheLine) std::atomic<std::uint64_t> limit;
    std::atomic<std::uint32_t> state;  // SessionState, after cause
    std::atomic<std::uint32_t> cause;  // ResetCause
    std::atomic<std::uint64_t>
        sent;  // log position up to which packets have left (for drain and linger)
};
static_assert(sizeof(SendHeader) <= kPageSize);

}  // namespace fanfare::ipc
