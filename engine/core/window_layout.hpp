// What the receive window writes and local readers read: the index entry, the states of a session
// and the causes of a reset. Fixed layout, shared between processes; see ipc/receive_region.hpp for
// who may read when.
#pragma once

#include <cstdint>

namespace fanfare {

// One sequence number of a receive window: 16 octets in the index ring at slot (ordinal & (capacity
// - 1)).
//
// Ordinals are 64-bit unwrapped sequence numbers: the low 32 bits are the sqn on the wire and a
// session starts at (1 << 32) | first sqn, so that ordinals only grow and 0 is never one. Log
// positions are 64-bit octet counts from 0; the octet at position p stands at (p & (log_bytes -
// 1)).
struct IndexEntry {
    std::uint32_t sqn;     // low half of the ordinal this slot holds now
    std::uint32_t place;   // low half of the log position of the payload's first octet
    std::uint16_t length;  // payload octets, contiguous in the log (never across its end)
    std::uint16_t flags;   // EntryFlag
    std::uint32_t
        apdu_length;  // message length in octets where the entry is a fragment, else `length`
};
static_assert(sizeof(IndexEntry) == 16);

enum EntryFlag : std::uint16_t {
    kEntryMissing = 0,       // not here yet
    kEntryData = 1,          // payload is in the log
    kEntryVoid = 2,          // number without data (short parity group): readers step over it
    kEntryMessageBegin = 4,  // first octet of a message stands at the payload's start
    kEntryMessageEnd = 8,    // last octet of a message stands at the payload's end
    kEntryPacked = 16,       // payload is a container of whole messages
    kEntryRepaired = 32,     // came as RDATA or was decoded from parity, not as it was first sent
};

enum class SessionState : std::uint32_t { open = 0, finished = 1, reset = 2 };

// Why a session ended with ECONNRESET (wsrm.md 5.6); numbers are part of the control protocol.
enum class ResetCause : std::uint32_t {
    none = 0,
    unrecoverable_loss = 1,  // retries exhausted, or the source's trail passed a missing number
    sender_reset = 2,        // OPT_RST
    sender_silent = 3,       // no packet for the configured time
    inconsistent_data = 4,   // fragments that contradict each other
    buffer_exhausted = 5,    // the window had no room for longer than repair is possible
    interface_gone = 6,
    reader_overtaken = 7,  // this reader only: it fell behind the log
    daemon_gone = 8,
    sender_changed_sent_data = 9,  // source side: kept sum of a sent packet no longer matches
    sender_vanished = 10,          // source side: its program died without shutdown
    memory_fault = 11,             // source side: a hole was punched into the send region
    message_incomplete = 12,       // source side: shut down inside an open message
};

}  // namespace fanfare
