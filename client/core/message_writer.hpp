// Writes a send window: appends records (or a stream's octets) to the log and publishes one tail
// (DESIGN section 4, ipc/send_region.hpp, wsrm.md 5.1, 5.2, 5.4). No system call, no wait, no
// allocation.
//
// A message may be given in several calls: because RM_SET_MESSAGE_BOUNDARY said so (arm()), or
// because it is larger than the window and goes out piece by piece (kWritePart). What is given of
// such a message is published a record at a time. Its state stands in the socket's page, shared by
// all processes with the descriptor; the caller holds the page's lock (or is alone) around every
// call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "client/core/parts.hpp"
#include "ipc/layout.hpp"
#include "ipc/wakeup.hpp"

namespace fanfare::client {

enum class WriteStatus : std::uint8_t {
    done,     // `bytes` octets were taken: all; with kWritePart and in stream mode at least one of
              // them
    no_room,  // nothing was taken; wait for the window to advance
    too_large,  // nothing was taken: it can never be taken whole (EMSGSIZE), or overshoots the open
                // message
    reset,      // the session is over, `cause` says why
};

struct WriteResult {
    WriteStatus status = WriteStatus::done;
    std::size_t bytes = 0;
    ResetCause cause = ResetCause::none;
};

enum WriteFlag : unsigned {
    // Message mode: take as much as there is room for; the message stays open for the next calls.
    kWritePart = 1,
};

class MessageWriter {
  public:
    // `page` and the region behind `view` outlive the writer.
    MessageWriter(const ipc::SendView& view, ipc::SocketPage& page) : view_(view), page_(&page) {}

    // One send. Message formats: one message, all or nothing (or a part of the open one). Stream:
    // what fits.
    WriteResult try_send(std::span<const DataPart> parts, unsigned flags = 0);
    WriteResult try_send(std::span<const std::byte> data, unsigned flags = 0) {
        const DataPart part{data.data(), data.size()};
        return try_send(std::span<const DataPart>(&part, 1), flags);
    }

    // Whether a message was begun and lacks octets, and how many.
    bool message_open() const;
    std::uint64_t message_left() const;

    // Publishes what is held back of an open message, so that the worker sees that it will never be
    // whole. Before a shutdown.
    void publish_incomplete();

    // Zero copy. In packed sessions messages that fit one packet stand in the log as the packet
    // will carry them: what is committed between two publishes is built into rows here, and the
    // worker sends a row as it stands. claim() lends room for one message of `bytes` octets
    // (stream: a run of up to `bytes`, possibly shorter), contiguous in the log; commit() ends it
    // with the octets really used (at most the claimed ones). Several messages may be built so;
    // publish() makes them visible. Memory: the room is the caller's from claim to commit. One
    // thread does this at a time, and nobody else sends on the socket between claim and publish.
    // no_room: nothing lent. too_large: more than one record holds (try_send takes it). Stream and
    // messages alike.
    WriteStatus claim(std::size_t bytes, std::span<std::byte>& room);
    void commit(std::size_t bytes);
    void publish();
    // Several at once: for each of `rooms` claims its `bytes`, sets `data`, and commits them all;
    // they are to be written in full before the next claim or
    // publish(). Stops where room or the status ends;
    // `count` is how many were lent (then the status is done). A stream may lend less for the last.
    WriteStatus claim_run(std::span<RoomPart> rooms, std::size_t& count);

    // At least one packet of the largest size would be taken now: what poll calls writable.
    bool has_room() const;
    // What the last call that found no room saw, and whether limit or state moved since: the second
    // look of the sleep rule. changed() may be asked without the lock.
    struct Seen {
        std::uint64_t limit = ~std::uint64_t{0};
        SessionState state = SessionState::open;
    };
    Seen seen() const { return seen_; }
    bool changed(const Seen& seen) const;
    bool changed() const { return changed(seen_); }

    // Log positions: published, and left the host.
    std::uint64_t published() const { return view_.header().tail.load(std::memory_order_relaxed); }
    std::uint64_t sent() const { return view_.header().sent.load(std::memory_order_acquire); }
    SessionState state() const;
    ResetCause cause() const;
    const ipc::SendView& view() const { return view_; }

  private:
    // Where the record that starts at a position goes: behind `skip` octets, holding `capacity`.
    struct Plan {
        std::uint64_t skip = 0;
        std::uint64_t capacity = 0;
    };
    Plan plan(std::uint64_t position, std::uint64_t message_length,
              std::uint64_t message_offset) const;
    bool fits(std::uint64_t message_length, std::uint64_t taken, std::uint64_t filled,
              std::uint64_t bytes, std::uint64_t limit) const;
    void write_header(std::uint64_t position, const ipc::RecordHeader& header);
    void skip(std::uint64_t position, std::uint64_t bytes);
    std::uint64_t load_limit();
    bool open_for_writing(WriteResult& result);
    void open_row(std::uint64_t record, std::uint32_t bytes);
    void close_row();
    WriteStatus claim_record(std::size_t bytes, std::span<std::byte>& room);
    WriteResult send_stream(Gather& data);
    WriteResult send_message(Gather& data, unsigned flags);

    ipc::SendView view_;
    ipc::SocketPage* page_;
    Seen seen_;
    // Claims since the last publish: octets of the log behind the published tail that are built,
    // and the room lent now.
    std::uint64_t built_ = 0;
    std::uint64_t claimed_ = 0;
    bool claim_open_ = false;
    // Lower bound of the region's limit, which only grows: a look at the worker's line is needed
    // only where this one ends.
    std::uint64_t limit_ = 0;
    // The row at the end of what is built, of packed sessions: where its record begins, how many
    // messages it has (0: none is open), where the next one's length goes, and how many octets the
    // next one may have.
    std::uint64_t row_record_ = 0;
    std::uint32_t row_messages_ = 0;
    std::byte* row_end_ = nullptr;
    std::int64_t row_left_ = -1;
};

// RM_SET_MESSAGE_BOUNDARY (wsrm.md 5.2), which may come before there is a window: `length` octets,
// over as many sends as needed, will be one message; 0 disarms. False when a message is partly
// given already. The caller holds the lock.
bool arm_message(ipc::SocketPage& page, std::uint32_t length);

}  // namespace fanfare::client
