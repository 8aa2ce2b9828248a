// Reads a receive window: a cursor over index entries, never in the writer's way (DESIGN section 4,
// wsrm.md 5.1, 5.3, 5.6). No system call, no wait, no allocation.
//
// Nothing read from the region is believed before the writer's `reserved` was looked at once more:
// the reader loads lead (acquire), copies, acquire fence, loads reserved; if the writer may have
// been there, the reader was overtaken and says so for ever.
//
// The cursor stands in the socket's page, so that all processes with the descriptor share it; the
// caller holds the page's lock (or is alone) around every call that moves it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "client/core/parts.hpp"
#include "ipc/layout.hpp"

namespace fanfare::client {

enum class ReadMode : std::uint8_t { message, stream };

enum class ReadStatus : std::uint8_t {
    data,               // octets taken; message mode: they end the message (also an empty one)
    message_continues,  // message mode: octets taken, the message goes on
    empty,              // nothing (enough) here yet
    finished,           // all data of a session that ended in good order was read
    reset,              // session over, `cause` says why
};

enum ReadFlag : unsigned {
    kReadPart =
        1,  // message mode: take what has arrived, do not wait for the whole message or full room
    kReadPeek = 2,  // look, do not take
};

struct ReadResult {
    ReadStatus status = ReadStatus::empty;
    std::size_t bytes = 0;
    ResetCause cause = ResetCause::none;
    // With `empty`: the message at hand is so long that waiting for the whole of it would let the
    // writer overtake this reader. Take it in parts.
    bool must_take_parts = false;

    bool message_end() const { return status == ReadStatus::data; }
};

// Where a reader stands, as the page holds it.
struct ReadPosition {
    std::uint64_t ordinal;
    std::uint32_t offset;  // octets of that entry already taken
    std::uint32_t taken;   // octets of the open message already taken
    ipc::ReaderPhase phase;
};

// Received octets where they stand, in the window. Memory: the daemon's; they may be overwritten at
// any time, and what was computed from them counts only if MessageReader::intact() holds after the
// last use.
// No field has a default: rooms for many views are cheap until peek() fills them.
struct ReceivedView {
    std::span<const std::byte> octets;
    bool begins, ends;  // of a message
    bool repaired;      // came by a repair
    bool row;  // whole messages, [length: 16 bits, big-endian][octets] each, `messages` many
    std::uint32_t messages;  // that end in it
    ReadPosition after;      // the cursor behind this view
    std::uint64_t ordinal;
    std::uint64_t log_position;

    // Of the messages alone.
    std::uint64_t bytes() const {
        return octets.size() - (row ? std::uint64_t{ipc::kRowLengthBytes} * messages : 0);
    }
};

// Views that a caller is done with, summed up.
struct TakenViews {
    std::uint64_t oldest_log_position = 0;  // of any of them: what is overwritten first
    std::uint64_t messages = 0, bytes = 0;
    ReadPosition after{};  // behind the last

    // Views come in order, so the first is the oldest; but a caller may hand in any.
    void add(std::uint64_t log_position, std::uint64_t view_messages, std::uint64_t view_bytes) {
        if (empty_ || static_cast<std::int64_t>(log_position - oldest_log_position) < 0)
            oldest_log_position = log_position;
        empty_ = false;
        messages += view_messages;
        bytes += view_bytes;
    }

  private:
    bool empty_ = true;
};

class MessageReader {
  public:
    // `page` and the region behind `view` outlive the reader.
    MessageReader(const ipc::ReceiveView& view, ipc::SocketPage& page, ReadMode mode)
        : view_(view), page_(&page), mode_(mode) {}

    // Puts the cursor on `ordinal`; reading starts with the first message that begins there or
    // later.
    void place(std::uint64_t ordinal);

    // Copies what is next into the room and moves the cursor.
    //   message mode: at most one message, or as much of it as the room holds (message_continues;
    //   the next call
    //                 goes on). Without kReadPart nothing is taken until the rest of the message or
    //                 a full room is there.
    //   stream mode:  as many octets as are there and fit; boundaries count for nothing.
    ReadResult try_recv(std::span<const RoomPart> room, unsigned flags = 0);
    ReadResult try_recv(std::span<std::byte> room, unsigned flags = 0) {
        const RoomPart part{room.data(), room.size()};
        return try_recv(std::span<const RoomPart>(&part, 1), flags);
    }

    // Zero copy: fills a prefix of `views` with what is next, in order, and sets `count`. A message
    // of several packets is several views. Moves nothing. Status `data` when count > 0, else as
    // try_recv. With `rows` the messages of one packed packet are one view: each of their lengths
    // was right when this looked, and is to be checked once more by whoever walks them.
    ReadResult peek(std::span<ReceivedView> views, std::size_t& count, bool rows = false);
    // Octets that are there to be taken now: of the message at hand, or of the stream. Takes
    // nothing; looks at each entry of them.
    std::uint64_t available();
    // Whether what `view` showed was whole until now.
    bool intact(const ReceivedView& view) const { return intact_from(view.log_position); }
    // The same of all that stands at `log_position` and behind it.
    bool intact_from(std::uint64_t log_position) const;
    // Moves the cursor behind the last of `views`, which peek() gave and nobody took since; false
    // if any of them was not intact any more: then this reader is overtaken.
    bool consume(std::span<const ReceivedView> views);
    bool consume(const TakenViews& taken);

    // What the last call that found nothing saw, and whether anything moved since: the second look
    // of the sleep rule (ipc/wakeup.hpp). changed() may be asked without the lock.
    struct Seen {
        std::uint64_t lead = ~std::uint64_t{0};
        SessionState state = SessionState::open;
    };
    Seen seen() const { return seen_; }
    bool changed(const Seen& seen) const;
    bool changed() const { return changed(seen_); }

    // Octets of the message being read that were taken already.
    ReadPosition position() const;
    ReadMode mode() const { return mode_; }
    const ipc::ReceiveView& view() const { return view_; }

  private:
    enum class Step : std::uint8_t { piece, none, bad };
    // What one call knows: loaded once, in this order.
    struct Look {
        SessionState state;
        std::uint64_t lead, reserved;
        std::uint64_t first_ordinal;  // lowest that this call read
        std::uint64_t
            oldest_distance;  // octets from `reserved` back to the oldest payload that it read
    };
    struct Piece {
        const std::byte* data = nullptr;
        std::uint32_t length = 0;
        std::uint32_t message_length = 0;  // as the entry says; of the whole message
        std::uint64_t log_position = 0;
        bool begins = false, ends = false, packed = false, repaired = false;
        // Packed: octets of the row behind this message.
        std::uint32_t row_left = 0;
        std::uint64_t ordinal = 0;
        ReadPosition after{};
    };

    bool open_look(Look& look, ReadPosition& at, ReadResult& result);
    Step step(Look& look, ReadPosition& at, Piece& piece) const;
    Step step_packed(const IndexEntry& entry, const std::byte* payload, ReadPosition& at,
                     Piece& piece) const;
    bool peek_row(Piece& piece, std::span<ReceivedView> views, std::size_t& count,
                  std::size_t& bytes) const;
    static bool join_row(Piece& piece, ReceivedView& view);
    bool whole(const Look& look) const;
    ReadResult at_end(const Look& look);
    ReadResult refuse(const Look& look);
    ReadResult overtaken();
    ReadPosition behind(const ReadPosition& at, const Piece& piece, std::uint32_t taken) const;
    bool enough_there(Look& look, const ReadPosition& at, std::size_t room);
    ReadResult recv_message(Look& look, ReadPosition at, Scatter& room, unsigned flags);
    ReadResult recv_stream(Look& look, ReadPosition at, Scatter& room, unsigned flags);
    void commit(const ReadPosition& at, std::uint64_t messages, std::uint64_t bytes);

    ipc::ReceiveView view_;
    ipc::SocketPage* page_;
    ReadMode mode_;
    Seen seen_;
    // How far the message at the cursor was looked through already, so that waiting for a long one
    // costs no second look at each entry.
    ReadPosition scan_from_{}, scan_to_{};
    std::uint64_t scan_bytes_ = 0;
};

}  // namespace fanfare::client
