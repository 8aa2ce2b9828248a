#include "client/core/message_reader.hpp"

#include <algorithm>
#include <atomic>

namespace fanfare::client {

namespace {

using ipc::ReaderPhase;

constexpr auto kRelaxed = std::memory_order_relaxed;
using ipc::kRowLengthBytes;

// The page's counters have one writer at a time: whoever holds the lock.
void add(std::atomic<std::uint64_t>& counter, std::uint64_t n) {
    counter.store(counter.load(kRelaxed) + n, kRelaxed);
}

}  // namespace

void MessageReader::place(std::uint64_t ordinal) {
    page_->cursor_reserved.store(view_.header().reserved_log.load(kRelaxed) + 1, kRelaxed);
    commit(ReadPosition{.ordinal = ordinal}, 0, 0);
}

ReadPosition MessageReader::position() const {
    return {page_->cursor_ordinal.load(kRelaxed), page_->cursor_offset.load(kRelaxed),
            page_->message_taken.load(kRelaxed),
            static_cast<ReaderPhase>(page_->cursor_phase.load(kRelaxed))};
}

void MessageReader::commit(const ReadPosition& at, std::uint64_t messages, std::uint64_t bytes) {
    page_->cursor_offset.store(at.offset, kRelaxed);
    page_->message_taken.store(at.taken, kRelaxed);
    page_->cursor_phase.store(static_cast<std::uint32_t>(at.phase), kRelaxed);
    page_->cursor_ordinal.store(at.ordinal, kRelaxed);
    if (messages != 0) add(page_->messages_read, messages);
    if (bytes != 0) add(page_->bytes_read, bytes);
}

bool MessageReader::changed(const Seen& seen) const {
    const ipc::ReceiveHeader& header = view_.header();
    return header.lead.load(std::memory_order_acquire) != seen.lead ||
           static_cast<SessionState>(header.state.load(std::memory_order_acquire)) != seen.state ||
           page_->overtaken.load(kRelaxed) != 0;
}

ReadResult MessageReader::overtaken() {
    page_->overtaken.store(1, kRelaxed);
    return {.status = ReadStatus::reset, .cause = ResetCause::reader_overtaken};
}

// Loads what a call works with. False: `result` is the answer.
bool MessageReader::open_look(Look& look, ReadPosition& at, ReadResult& result) {
    const ipc::ReceiveHeader& header = view_.header();
    if (page_->overtaken.load(kRelaxed) != 0) {
        result = overtaken();
        return false;
    }
    // State before lead: partner is the worker's release of state, after its last lead. An end is
    // believed only when all data before it has been seen.
    look.state = static_cast<SessionState>(header.state.load(std::memory_order_acquire));
    look.lead =
        header.lead.load(std::memory_order_acquire);  // partner: the worker's release after a burst
    look.reserved =
        header.reserved_log.load(kRelaxed);  // at least what stood when that lead was published
    at = position();
    if (at.ordinal == 0 && look.lead != 0) at.ordinal = header.start_ordinal.load(kRelaxed);
    if (at.ordinal == 0 || at.ordinal > look.lead) {
        result = at_end(look);
        return false;
    }
    look.first_ordinal = at.ordinal;
    look.oldest_distance = 0;

    // An entry names the low 32 bits of its position. What was not contiguous at the last look was
    // placed within one lap of then (the worker never overwrites what is not contiguous), so three
    // laps later it is gone for sure, and within three laps 32 bits are unambiguous.
    const std::uint64_t looked = page_->cursor_reserved.load(kRelaxed);
    const bool laps_behind = looked != 0 && look.reserved - (looked - 1) > 3 * view_.log_bytes();
    if (at.ordinal != look.lead &&
        (look.lead - at.ordinal > view_.index_entries() || laps_behind)) {
        result = overtaken();
        return false;
    }
    page_->cursor_reserved.store(look.reserved + 1, kRelaxed);
    return true;
}

// Whether all that this call read stood unharmed until now.
bool MessageReader::whole(const Look& look) const {
    // Partner: the worker's release fence between its store of reserved_* and its writes to payload
    // and index. If we read an octet it wrote, we see its reservation here.
    std::atomic_thread_fence(std::memory_order_acquire);
    const std::uint64_t log_now = view_.header().reserved_log.load(kRelaxed);
    const std::uint64_t ordinal_now = view_.header().reserved_ordinal.load(kRelaxed);
    if (ordinal_now > look.first_ordinal &&
        ordinal_now - look.first_ordinal > view_.index_entries())
        return false;
    return log_now - look.reserved + look.oldest_distance <= view_.log_bytes();
}

// Nothing more to read: what that means.
ReadResult MessageReader::at_end(const Look& look) {
    seen_ = {look.lead, look.state};
    switch (look.state) {
        case SessionState::open:
            return {};
        case SessionState::finished:
            return {.status = ReadStatus::finished};
        case SessionState::reset:
            break;
    }
    return {.status = ReadStatus::reset,
            .cause = static_cast<ResetCause>(view_.header().cause.load(kRelaxed))};
}

// An entry made no sense: because it was overwritten meanwhile, or else the window contradicts
// itself.
ReadResult MessageReader::refuse(const Look& look) {
    if (!whole(look)) return overtaken();
    return {.status = ReadStatus::reset, .cause = ResetCause::inconsistent_data};
}

// The next piece at `at`: the rest of a packet, or of one message in a container. Steps over void
// entries, empty containers and, while seeking, over what does not begin a message; `at` is left at
// the piece. Everything here may be garbage until whole() was asked; only the checks on lengths
// keep the walk inside the region.
MessageReader::Step MessageReader::step(Look& look, ReadPosition& at, Piece& piece) const {
    const std::uint64_t log_mask = view_.log_bytes() - 1;
    for (;; ++at.ordinal, at.offset = 0) {
        if (at.ordinal == look.lead) return Step::none;
        const IndexEntry entry =
            racy_load(&view_.index()[at.ordinal & (view_.index_entries() - 1)]);
        if (entry.sqn != static_cast<std::uint32_t>(at.ordinal)) return Step::bad;
        if ((entry.flags & kEntryVoid) != 0) continue;
        if ((entry.flags & kEntryData) == 0) return Step::bad;

        const std::uint64_t place = entry.place & log_mask;
        const std::uint64_t distance =
            static_cast<std::uint32_t>(static_cast<std::uint32_t>(look.reserved) - entry.place);
        look.oldest_distance = std::max(look.oldest_distance, distance);
        if (distance < entry.length || distance > view_.log_bytes() ||
            entry.length > view_.log_bytes() - place || at.offset > entry.length)
            return Step::bad;
        const std::byte* payload = view_.log() + place;
        piece = Piece{};
        piece.ordinal = at.ordinal;
        piece.log_position = look.reserved - distance;
        piece.repaired = (entry.flags & kEntryRepaired) != 0;

        if ((entry.flags & kEntryPacked) != 0) {
            if (at.phase == ReaderPhase::inside && at.taken > at.offset) return Step::bad;
            if (at.phase != ReaderPhase::inside && at.offset == entry.length) continue;
            return step_packed(entry, payload, at, piece);
        }
        if (mode_ == ReadMode::stream) {
            if (at.offset == entry.length) continue;
            piece.ends = true;
        } else {
            const bool begins = (entry.flags & kEntryMessageBegin) != 0;
            if (at.phase == ReaderPhase::seeking && !begins) continue;
            // Between messages a packet must begin one, inside a message it must not.
            if (at.offset == 0 && begins == (at.phase == ReaderPhase::inside)) return Step::bad;
            piece.begins = begins && at.offset == 0;
            piece.ends = (entry.flags & kEntryMessageEnd) != 0;
        }
        piece.data = payload + at.offset;
        piece.length = entry.length - at.offset;
        piece.message_length = entry.apdu_length;
        piece.after.ordinal = at.ordinal + 1;
        piece.after.phase = piece.ends ? ReaderPhase::boundary : ReaderPhase::inside;
        piece.after.taken = piece.ends ? 0 : at.taken + piece.length;
        return Step::piece;
    }
}

// A container is a row of [length: 16 bits, big-endian][octets]. Inside a message the cursor knows
// how much of it was taken, hence where its length stands.
MessageReader::Step MessageReader::step_packed(const IndexEntry& entry, const std::byte* payload,
                                               ReadPosition& at, Piece& piece) const {
    const bool inside = at.phase == ReaderPhase::inside;
    const std::uint32_t taken = inside ? at.taken : 0;
    if (inside && at.offset - taken < kRowLengthBytes) return Step::bad;
    const std::uint32_t start = inside ? at.offset - taken : at.offset + kRowLengthBytes;
    if (start > entry.length) return Step::bad;
    const std::uint32_t length = racy_load_u16(payload + start - kRowLengthBytes);
    if (length > entry.length - start || taken > length) return Step::bad;
    piece.packed = true;
    piece.begins = !inside;
    piece.ends = true;
    piece.data = payload + start + taken;
    piece.length = length - taken;
    piece.message_length = length;
    at.offset = start + taken;
    piece.after.phase = ReaderPhase::boundary;
    piece.row_left = entry.length - start - length;
    const bool last = piece.row_left == 0;
    piece.after.ordinal = last ? at.ordinal + 1 : at.ordinal;
    piece.after.offset = last ? 0 : start + length;
    return Step::piece;
}

// The cursor after `taken` octets of `piece`, which stands at `at`.
ReadPosition MessageReader::behind(const ReadPosition& at, const Piece& piece,
                                   std::uint32_t taken) const {
    if (taken == piece.length) return piece.after;
    ReadPosition next = at;
    next.offset = at.offset + taken;
    const bool keeps_count = mode_ == ReadMode::message || piece.packed;
    const std::uint32_t before = at.phase == ReaderPhase::inside ? at.taken : 0;
    next.taken = keeps_count ? before + taken : 0;
    next.phase = keeps_count ? ReaderPhase::inside : ReaderPhase::boundary;
    return next;
}

ReadResult MessageReader::try_recv(std::span<const RoomPart> room_parts, unsigned flags) {
    Look look{};
    ReadPosition at{};
    ReadResult result;
    if (!open_look(look, at, result)) return result;
    Scatter room(room_parts);
    return mode_ == ReadMode::stream ? recv_stream(look, at, room, flags)
                                     : recv_message(look, at, room, flags);
}

ReadResult MessageReader::recv_stream(Look& look, ReadPosition at, Scatter& room, unsigned flags) {
    if (room.room() == 0) return {.status = ReadStatus::data};
    std::uint64_t bytes = 0;
    Piece piece;
    Step found = Step::none;
    while (room.room() > 0 && (found = step(look, at, piece)) == Step::piece) {
        const auto n = static_cast<std::uint32_t>(std::min<std::size_t>(room.room(), piece.length));
        room.put(piece.data, n);
        bytes += n;
        at = behind(at, piece, n);
    }
    if (found == Step::bad) return refuse(look);
    if (bytes != 0 && !whole(look)) return overtaken();
    if ((flags & kReadPeek) == 0) commit(at, 0, bytes);
    if (bytes == 0) return at_end(look);
    return {.status = ReadStatus::data, .bytes = bytes};
}

ReadResult MessageReader::recv_message(Look& look, ReadPosition at, Scatter& room, unsigned flags) {
    Piece piece;
    Step found = step(look, at, piece);
    if (found == Step::bad) return refuse(look);
    if (found == Step::none) {
        // Stepping over void entries is progress worth keeping: the control side judges slow
        // readers by it. Inside a message, or after an end that comes too early, there is nothing
        // more to hand out.
        if ((flags & kReadPeek) == 0) commit(at, 0, 0);
        ReadResult result = at_end(look);
        if (result.status == ReadStatus::finished && at.phase == ReaderPhase::inside)
            return {.status = ReadStatus::reset, .cause = ResetCause::inconsistent_data};
        return result;
    }
    // Without room nothing is taken, and the place stays: a cursor may not stand inside a message
    // of which no octet was given out.
    if (room.room() == 0 && piece.length > 0) {
        if (!whole(look)) return overtaken();
        return {.status = ReadStatus::message_continues};
    }
    if (!piece.ends && (flags & kReadPart) == 0 && piece.length < room.room()) {
        if (!enough_there(look, at, room.room())) {
            if (!whole(look)) return overtaken();
            ReadResult result = at_end(look);
            // A session that ended in good order has no message without an end.
            if (result.status == ReadStatus::finished)
                return {.status = ReadStatus::reset, .cause = ResetCause::inconsistent_data};
            // Half a log is the most that is safe to leave unread while more comes in. Of the
            // index the writer may place a half ahead of the lead, and announces some more ahead
            // of that: half of what is left.
            const std::uint64_t rest =
                piece.message_length > at.taken ? piece.message_length - at.taken : 0;
            result.must_take_parts = rest > view_.log_bytes() / 2 ||
                                     look.reserved - piece.log_position > view_.log_bytes() / 2 ||
                                     look.lead - at.ordinal > view_.index_entries() / 4;
            return result;
        }
    }
    std::uint64_t bytes = 0;
    bool ended = false;
    for (;;) {
        const auto n = static_cast<std::uint32_t>(std::min<std::size_t>(room.room(), piece.length));
        room.put(piece.data, n);
        bytes += n;
        ended = piece.ends && n == piece.length;
        at = behind(at, piece, n);
        if (ended || n < piece.length || room.room() == 0) break;
        found = step(look, at, piece);
        if (found != Step::piece) break;
    }
    if (found == Step::bad) return refuse(look);
    if (!whole(look)) return overtaken();
    if ((flags & kReadPeek) == 0) commit(at, ended ? 1 : 0, bytes);
    return {.status = ended ? ReadStatus::data : ReadStatus::message_continues, .bytes = bytes};
}

// Whether the rest of the message at `at`, or `room` octets of it, has arrived.
bool MessageReader::enough_there(Look& look, const ReadPosition& at, std::size_t room) {
    if (scan_from_.ordinal != at.ordinal || scan_from_.offset != at.offset ||
        scan_to_.ordinal < at.ordinal) {
        scan_from_ = scan_to_ = at;
        scan_bytes_ = 0;
    }
    Piece piece;
    while (scan_bytes_ < room) {
        const Step found = step(look, scan_to_, piece);
        if (found == Step::none) return false;
        if (found == Step::bad || piece.ends) {
            // About to be taken, or refused in the pass that takes.
            scan_from_ = {};
            return true;
        }
        scan_bytes_ += piece.length;
        scan_to_ = piece.after;
    }
    return true;
}

// Steps over the message whose length stands at `at`, `left` octets before the row's end. False:
// the row contradicts itself.
static bool row_step(const std::byte*& at, std::uint32_t& left, std::uint32_t& length) {
    if (left < kRowLengthBytes) return false;
    length = racy_load_u16(at);
    if (length > left - kRowLengthBytes) return false;
    left -= kRowLengthBytes + length;
    at += kRowLengthBytes + length;
    return true;
}

// Views of the messages behind `piece` in its row, one each. False: the row contradicts itself.
bool MessageReader::peek_row(Piece& piece, std::span<ReceivedView> views, std::size_t& count,
                             std::size_t& bytes) const {
    const std::byte* at = piece.data + piece.length;
    std::uint32_t left = piece.row_left;
    ReadPosition& after = piece.after;
    while (left > 0 && count < views.size()) {
        std::uint32_t length = 0;
        if (!row_step(at, left, length)) return false;
        after.ordinal = left == 0 ? piece.ordinal + 1 : piece.ordinal;
        after.offset = left == 0 ? 0 : after.offset + kRowLengthBytes + length;
        views[count++] = {.octets = {at - length, length},
                          .begins = true,
                          .ends = true,
                          .repaired = piece.repaired,
                          .messages = 1,
                          .after = after,
                          .ordinal = piece.ordinal,
                          .log_position = piece.log_position};
        bytes += length;
    }
    return true;
}

// Makes one view of a row from `piece`, its first message, on. False as above.
bool MessageReader::join_row(Piece& piece, ReceivedView& view) {
    const std::byte* const first = piece.data - kRowLengthBytes;
    const std::byte* at = piece.data + piece.length;
    std::uint32_t left = piece.row_left;
    for (std::uint32_t length = 0; left > 0; ++view.messages)
        if (!row_step(at, left, length)) return false;
    piece.after.ordinal = piece.ordinal + 1;
    piece.after.offset = 0;
    view.row = true;
    view.octets = {first, static_cast<std::size_t>(at - first)};
    view.after = piece.after;
    return true;
}

ReadResult MessageReader::peek(std::span<ReceivedView> views, std::size_t& count, bool rows) {
    count = 0;
    Look look{};
    ReadPosition at{};
    ReadResult result;
    if (!open_look(look, at, result)) return result;
    std::size_t bytes = 0;
    Piece piece;
    Step found = Step::none;
    while (count < views.size() && (found = step(look, at, piece)) == Step::piece) {
        ReceivedView& view = views[count++];
        view = {.octets = {piece.data, piece.length},
                .begins = piece.begins,
                .ends = piece.ends,
                .repaired = piece.repaired,
                .messages = piece.ends ? 1u : 0u,
                .after = piece.after,
                .ordinal = piece.ordinal,
                .log_position = piece.log_position};
        // A message that was taken in part has no length in front of what is left of it.
        const bool row = rows && mode_ == ReadMode::message && piece.packed && piece.begins;
        if (row ? !join_row(piece, view)
                : piece.row_left > 0 && !peek_row(piece, views, count, bytes)) {
            found = Step::bad;
            break;
        }
        bytes += row ? view.bytes() : piece.length;
        at = piece.after;
    }
    // Lengths and places are handed out, so they at least must be true now.
    if (found == Step::bad || (count != 0 && !whole(look))) {
        count = 0;
        return refuse(look);
    }
    if (count == 0) return at_end(look);
    return {.status = ReadStatus::data, .bytes = bytes};
}

std::uint64_t MessageReader::available() {
    Look look{};
    ReadPosition at{};
    ReadResult result;
    if (!open_look(look, at, result)) return 0;
    std::uint64_t bytes = 0;
    Piece piece;
    while (step(look, at, piece) == Step::piece) {
        bytes += piece.length;
        at = piece.after;
        if (mode_ == ReadMode::message && piece.ends) break;
    }
    return whole(look) ? bytes : 0;
}

bool MessageReader::intact_from(std::uint64_t log_position) const {
    // Partner: as in whole().
    std::atomic_thread_fence(std::memory_order_acquire);
    const std::uint64_t log_now = view_.header().reserved_log.load(kRelaxed);
    return log_now - log_position <= view_.log_bytes();
}

bool MessageReader::consume(std::span<const ReceivedView> views) {
    if (views.empty()) return true;
    TakenViews taken;
    for (const ReceivedView& view : views)
        taken.add(view.log_position, view.messages, view.bytes());
    taken.after = views.back().after;
    return consume(taken);
}

bool MessageReader::consume(const TakenViews& taken) {
    if (!intact_from(taken.oldest_log_position)) {
        overtaken();
        return false;
    }
    commit(taken.after, mode_ == ReadMode::message ? taken.messages : 0, taken.bytes);
    return true;
}

}  // namespace fanfare::client
