// The small shared page of one socket: cursor, sleep flags and lock, shared by every process that
// holds the descriptor (dup, fork, exec) and by the daemon (DESIGN section 5).
//
// Wake-ups. A socket is one end of a Unix socket pair; the daemon holds the other.
//   Readable: the daemon writes one octet to its end. The client drains octets before it looks at
//   the window. Writable: a client whose send found no room fills its end with octets until the
//   kernel refuses (POLLOUT goes
//     away), sets `send_sleeping`; the daemon drains its end when there is room.
//   Hang-up: on a reset the daemon closes its end, in which the octet always lies unread that it
//   put there from the start, so that POLLERR|POLLHUP show (unix(7): a Unix socket that goes with
//   octets unread leaves ECONNRESET to its other end). The client reads nothing from an end that
//   shows it: the error would be taken out.
// Sleep: set flag, seq_cst fence, look again, then sleep. Wake: store the counter (lead or limit),
// seq_cst fence (once a burst), read the flag, exchange it with 0, then make the system call. A
// flag that lies costs at most one wake-up per kWakeIntervalNanos.
//
// poll() on the descriptor is level-triggered, which needs two more rules of the daemon:
//   - it writes one octet into the endpoint that it hands out by accept, as data may stand in the
//   window already;
//   - its sweep of the cursors, some ten times a second, wakes a socket whose flag stands although
//   unread entries
//     (cursor_ordinal < lead), an end of the session or room (tail < limit) wait: a client that
//     drained an octet and then found something can't put it back.
//
// Memory: one memfd page a socket, made by the daemon, mapped read-write by both; the daemon
// believes nothing in it beyond its own harm: a wrong cursor can only hurt that socket.
#pragma once

#include <atomic>
#include <cstdint>

#include "ipc/receive_region.hpp"

namespace fanfare::ipc {

inline constexpr std::int64_t kWakeIntervalNanos = 50'000;

// Where a reader stands in its messages.
enum class ReaderPhase : std::uint32_t {
    seeking = 0,   // not yet at the first whole message
    boundary = 1,  // between two messages
    inside = 2,    // part of a message was taken: message_taken octets of it
};

struct SocketPage {
    std::uint64_t magic;
    std::uint32_t version;
    std::uint32_t kind;  // SocketType, for processes that attach later
    std::uint64_t socket_id;

    // Process-shared lock of the client side: 0 free, else holder's thread id with bit 31 for
    // waiters (futex).
    alignas(kCacheLine) std::atomic<std::uint32_t> lock;

    // Reader's position, written under the lock; the control thread reads it some ten times a
    // second.
    alignas(kCacheLine)
        std::atomic<std::uint64_t> cursor_ordinal;  // next entry to read; 0 = not yet placed
    std::atomic<std::uint32_t> cursor_offset;       // octets of that entry already taken
    std::atomic<std::uint32_t> overtaken;           // 1: a reset of this reader was reported
    std::atomic<std::uint64_t> messages_read, bytes_read;
    std::atomic<std::uint64_t>
        cursor_reserved;  // 1 + reserved_log when the reader looked last; 0 = never
    std::atomic<std::uint32_t> cursor_phase;  // ReaderPhase

    // The message that is open, written under the lock. Reader: octets taken of it. Writer: octets
    // given of it, its whole length (0: none open), and how much of the record at `tail` is filled
    // but not published.
    std::atomic<std::uint32_t> message_taken;
    std::atomic<std::uint32_t> message_length;
    std::atomic<std::uint32_t> record_filled;

    // What the program set and every holder shares, as a kernel's socket would have it. Nobody but
    // the client side reads it; each is a word by itself: no order needed.
    alignas(kCacheLine) std::atomic<std::int64_t> receive_timeout_ns;  // 0: none
    std::atomic<std::int64_t> send_timeout_ns;
    std::atomic<std::uint32_t> linger;  // 0: off, else 1 + seconds
    std::atomic<std::uint32_t> receive_buffer, send_buffer;
    std::atomic<std::uint32_t> shut_read, shut_write;  // shutdown() was called
    // Datagram sockets: address and port of connect, what recvmsg adds, whether there is a port.
    std::atomic<std::uint64_t> datagram_peer;   // (IPv4 << 16) | port; 0: none
    std::atomic<std::uint32_t> datagram_notes;  // client::DatagramNote
    std::atomic<std::uint32_t> datagram_bound;
    std::atomic<std::uint32_t> hints;  // options that are only told back

    // Sleep flags. Partners: the wake rule above. The daemon side is the worker (lead, limit) or
    // the control thread (a session waits to be accepted).
    alignas(kCacheLine) std::atomic<std::uint32_t> receive_sleeping;
    alignas(kCacheLine) std::atomic<std::uint32_t> send_sleeping;
};
static_assert(sizeof(SocketPage) <= kPageSize);

// One page a worker, mapped read-only by clients: whether ringing its doorbell (an eventfd) is
// needed.
struct WorkerPage {
    std::uint64_t magic;
    std::uint32_t version;
    std::uint32_t worker;
    // 1 while the worker sleeps. Partner: a publishing client stores tail, seq_cst fence, loads
    // this.
    alignas(kCacheLine) std::atomic<std::uint32_t> sleeping;
};

}  // namespace fanfare::ipc
