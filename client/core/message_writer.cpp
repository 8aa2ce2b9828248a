#include "client/core/message_writer.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <limits>

namespace fanfare::client {

namespace {

using ipc::record_bytes;
using ipc::RecordHeader;

constexpr auto kRelaxed = std::memory_order_relaxed;
// OPT_FRAGMENT carries a message's length in 32 bits (wsrm.md 5.4).
constexpr std::uint64_t kMessageMax = std::numeric_limits<std::uint32_t>::max();

// Big-endian, in front of a message of a row.
void store_length(std::byte* to, std::uint32_t length) {
    to[0] = static_cast<std::byte>(length >> 8);
    to[1] = static_cast<std::byte>(length);
}

}  // namespace

bool arm_message(ipc::SocketPage& page, std::uint32_t length) {
    if (page.message_taken.load(kRelaxed) != 0) return false;
    page.message_length.store(length, kRelaxed);
    return true;
}

SessionState MessageWriter::state() const {
    // Partner: the worker's release of state after cause.
    return static_cast<SessionState>(view_.header().state.load(std::memory_order_acquire));
}

ResetCause MessageWriter::cause() const {
    return static_cast<ResetCause>(view_.header().cause.load(kRelaxed));
}

bool MessageWriter::message_open() const {
    return page_->message_taken.load(kRelaxed) != 0;
}

std::uint64_t MessageWriter::message_left() const {
    const std::uint64_t length = page_->message_length.load(kRelaxed);
    const std::uint64_t taken = page_->message_taken.load(kRelaxed);
    return length > taken ? length - taken : 0;
}

bool MessageWriter::changed(const Seen& seen) const {
    return view_.header().limit.load(std::memory_order_acquire) != seen.limit ||
           state() != seen.state;
}

std::uint64_t MessageWriter::load_limit() {
    // Partner: the worker's release of limit: it has done with the octets below (limit -
    // log_bytes).
    seen_.limit = view_.header().limit.load(std::memory_order_acquire);
    return seen_.limit;
}

bool MessageWriter::has_room() const {
    const std::uint64_t limit = view_.header().limit.load(std::memory_order_acquire);
    const std::uint64_t tail = published();
    if (limit < tail) return false;
    const std::uint64_t room = limit - tail;
    if (view_.format() == ipc::SendFormat::stream) return room >= view_.largest_tsdu();
    const Plan next = plan(tail, view_.largest_tsdu(), 0);
    return room >= next.skip + record_bytes(next.capacity);
}

bool MessageWriter::open_for_writing(WriteResult& result) {
    seen_.state = state();
    if (seen_.state == SessionState::open) return true;
    result = {WriteStatus::reset, 0, cause()};
    return false;
}

// A record never crosses the log's end. One packet's message that does not fit before it goes to
// the next lap; a longer message fills the lap with whole fragments.
MessageWriter::Plan MessageWriter::plan(std::uint64_t position, std::uint64_t message_length,
                                        std::uint64_t message_offset) const {
    const std::uint64_t to_end = view_.log_bytes() - (position & (view_.log_bytes() - 1));
    const bool one_packet = message_length <= view_.largest_tsdu();
    const std::uint64_t rest = message_length - message_offset;
    const std::uint64_t capacity =
        one_packet ? rest : std::min<std::uint64_t>(rest, view_.record_max_bytes());
    if (record_bytes(capacity) <= to_end) return {0, capacity};
    if (!one_packet) {
        const std::uint64_t fragment = view_.largest_fragment();
        const std::uint64_t fragments = (to_end - sizeof(RecordHeader)) / fragment;
        if (fragments > 0) return {0, fragments * fragment};
    }
    return {to_end, capacity};
}

// Whether `bytes` more octets of a message, of which `taken` are given and `filled` stand in the
// record at the tail, find room below `limit`.
bool MessageWriter::fits(std::uint64_t message_length, std::uint64_t taken, std::uint64_t filled,
                         std::uint64_t bytes, std::uint64_t limit) const {
    std::uint64_t position = published();
    std::uint64_t offset = taken - filled;
    bytes += filled;
    do {
        const Plan next = plan(position, message_length, offset);
        position += next.skip + record_bytes(next.capacity);
        if (position > limit) return false;
        const std::uint64_t n = std::min(bytes, next.capacity);
        offset += n;
        bytes -= n;
    } while (bytes > 0);
    return true;
}

void MessageWriter::write_header(std::uint64_t position, const RecordHeader& header) {
    std::memcpy(view_.log() + (position & (view_.log_bytes() - 1)), &header, sizeof header);
}

void MessageWriter::skip(std::uint64_t position, std::uint64_t bytes) {
    write_header(position, {static_cast<std::uint32_t>(bytes - sizeof(RecordHeader)),
                            ipc::kRecordSkip, 0, 0});
}

WriteResult MessageWriter::try_send(std::span<const DataPart> parts, unsigned flags) {
    WriteResult result;
    if (!open_for_writing(result)) return result;
    Gather data(parts);
    return view_.format() == ipc::SendFormat::stream ? send_stream(data)
                                                     : send_message(data, flags);
}

WriteResult MessageWriter::send_stream(Gather& data) {
    if (data.left() == 0) return {};
    const std::uint64_t tail = published();
    const std::uint64_t limit = load_limit();
    if (limit <= tail) return {WriteStatus::no_room};
    const std::uint64_t mask = view_.log_bytes() - 1;
    const std::uint64_t room = std::min(limit - tail, view_.log_bytes());
    const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(room, data.left()));
    const auto first =
        static_cast<std::size_t>(std::min<std::uint64_t>(n, view_.log_bytes() - (tail & mask)));
    data.take(view_.log() + (tail & mask), first);
    data.take(view_.log(), n - first);
    // Partner: the worker's acquire of tail: the octets were written before.
    view_.header().tail.store(tail + n, std::memory_order_release);
    return {WriteStatus::done, n};
}

WriteResult MessageWriter::send_message(Gather& data, unsigned flags) {
    const std::size_t bytes = data.left();
    std::uint64_t length = page_->message_length.load(kRelaxed);
    std::uint64_t taken = page_->message_taken.load(kRelaxed);
    std::uint64_t filled = std::min<std::uint64_t>(page_->record_filled.load(kRelaxed), taken);
    const bool given_length = length != 0;
    if (given_length) {
        if (taken > length || bytes > length - taken) return {WriteStatus::too_large};
        if (bytes == 0) return {};
    } else {
        if (bytes > kMessageMax) return {WriteStatus::too_large};
        length = bytes;
        taken = filled = 0;
    }

    const std::uint64_t limit = load_limit();
    std::uint64_t tail = published();
    if ((flags & kWritePart) == 0) {
        if (!fits(length, taken, filled, bytes, tail + view_.log_bytes()))
            return {WriteStatus::too_large};
        if (!fits(length, taken, filled, bytes, limit)) return {WriteStatus::no_room};
    }

    const std::uint64_t mask = view_.log_bytes() - 1;
    std::size_t given = 0;
    bool fitted = false;
    do {
        const Plan next = plan(tail, length, taken - filled);
        const std::uint64_t record = tail + next.skip;
        if (record + record_bytes(next.capacity) > limit) break;
        fitted = true;
        if (next.skip != 0) skip(tail, next.skip);
        tail = record;
        const std::uint64_t n = std::min<std::uint64_t>(bytes - given, next.capacity - filled);
        data.take(view_.log() + (record & mask) + sizeof(RecordHeader) + filled, n);
        given += n;
        taken += n;
        filled += n;
        if (filled == next.capacity) {
            write_header(record,
                         {static_cast<std::uint32_t>(filled), 0, static_cast<std::uint32_t>(length),
                          static_cast<std::uint32_t>(taken - filled)});
            tail = record + record_bytes(filled);
            filled = 0;
        }
    } while (given < bytes);
    if (!fitted) return {WriteStatus::no_room};

    const bool complete = taken == length;
    page_->record_filled.store(static_cast<std::uint32_t>(filled), kRelaxed);
    page_->message_taken.store(complete ? 0 : static_cast<std::uint32_t>(taken), kRelaxed);
    page_->message_length.store(complete ? 0 : static_cast<std::uint32_t>(length), kRelaxed);
    // Partner: the worker's acquire of tail: records were written before.
    view_.header().tail.store(tail, std::memory_order_release);
    return {WriteStatus::done, given};
}

void MessageWriter::publish_incomplete() {
    const std::uint64_t filled = page_->record_filled.load(kRelaxed);
    if (view_.format() == ipc::SendFormat::stream || filled == 0) return;
    const std::uint64_t tail = published();
    const std::uint32_t taken = page_->message_taken.load(kRelaxed);
    write_header(tail, {static_cast<std::uint32_t>(filled), 0, page_->message_length.load(kRelaxed),
                        static_cast<std::uint32_t>(taken - filled)});
    page_->record_filled.store(0, kRelaxed);
    view_.header().tail.store(tail + record_bytes(filled), std::memory_order_release);
}

// A row was begun by the first message of the record at `record`.
void MessageWriter::open_row(std::uint64_t record, std::uint32_t bytes) {
    const std::uint64_t mask = view_.log_bytes() - 1;
    // Padding included, a record ends before the lap and the limit do; the limit may stand
    // anywhere.
    const std::uint64_t space = std::min(view_.log_bytes() - (record & mask), limit_ - record) &
                                ~(ipc::kRecordAlignment - 1);
    const std::uint64_t most =
        std::min<std::uint64_t>(view_.largest_tsdu(), space - sizeof(RecordHeader));
    row_record_ = record;
    row_messages_ = 1;
    row_end_ = view_.log() + (record & mask) + sizeof(RecordHeader) + bytes;
    row_left_ = static_cast<std::int64_t>(most) - bytes - 2 * ipc::kRowLengthBytes;
}

void MessageWriter::close_row() {
    if (row_messages_ == 0) return;
    std::byte* const record = view_.log() + (row_record_ & (view_.log_bytes() - 1));
    const auto bytes = static_cast<std::uint32_t>(row_end_ - record - sizeof(RecordHeader));
    if (row_messages_ == 1) {
        write_header(row_record_, {bytes, 0, bytes, 0});
    } else {
        // The last two octets are the first message's length.
        const RecordHeader header{bytes, ipc::kRecordRow, bytes, 0};
        std::memcpy(record, &header, sizeof header - ipc::kRowLengthBytes);
    }
    built_ += record_bytes(bytes);
    row_messages_ = 0;
    row_left_ = -1;
}

WriteStatus MessageWriter::claim(std::size_t bytes, std::span<std::byte>& room) {
    room = {};
    WriteResult result;
    if (!open_for_writing(result)) return result.status;
    if (static_cast<std::int64_t>(bytes) <= row_left_) {
        claimed_ = bytes;
        claim_open_ = true;
        room = {row_end_ + ipc::kRowLengthBytes, bytes};
        return WriteStatus::done;
    }
    close_row();
    return claim_record(bytes, room);
}

WriteStatus MessageWriter::claim_record(std::size_t bytes, std::span<std::byte>& room) {
    const std::uint64_t mask = view_.log_bytes() - 1;
    std::uint64_t position = published() + built_;
    if (view_.format() == ipc::SendFormat::stream) {
        const std::uint64_t limit = load_limit();
        if (limit <= position) return WriteStatus::no_room;
        const std::uint64_t run = std::min(limit - position, view_.log_bytes() - (position & mask));
        claimed_ = std::min<std::uint64_t>(bytes, run);
        room = {view_.log() + (position & mask), static_cast<std::size_t>(claimed_)};
        claim_open_ = true;
        return WriteStatus::done;
    }
    if (bytes > view_.record_max_bytes() || page_->message_length.load(kRelaxed) != 0)
        return WriteStatus::too_large;
    const std::uint64_t to_end = view_.log_bytes() - (position & mask);
    const std::uint64_t skipped = record_bytes(bytes) <= to_end ? 0 : to_end;
    const std::uint64_t end = position + skipped + record_bytes(bytes);
    if (end > limit_) limit_ = load_limit();
    if (end > limit_) return WriteStatus::no_room;
    if (skipped != 0) {
        skip(position, skipped);
        built_ += skipped;
        position += skipped;
    }
    claimed_ = bytes;
    claim_open_ = true;
    room = {view_.log() + (position & mask) + sizeof(RecordHeader), bytes};
    return WriteStatus::done;
}

void MessageWriter::commit(std::size_t bytes) {
    if (!claim_open_) return;
    claim_open_ = false;
    const std::uint64_t used = std::min<std::uint64_t>(bytes, claimed_);
    const auto length = static_cast<std::uint32_t>(used);
    if (view_.format() == ipc::SendFormat::stream) {
        built_ += used;
        return;
    }
    if (row_messages_ != 0) {
        store_length(row_end_, length);
        row_end_ += ipc::kRowLengthBytes + length;
        row_left_ -= ipc::kRowLengthBytes + length;
        ++row_messages_;
        return;
    }
    const std::uint64_t record = published() + built_;
    if (view_.format() == ipc::SendFormat::packed && length <= view_.largest_tsdu()) {
        store_length(view_.log() + (record & (view_.log_bytes() - 1)) + sizeof(RecordHeader) -
                         ipc::kRowLengthBytes,
                     length);
        open_row(record, length);
        return;
    }
    write_header(record, {length, 0, length, 0});
    built_ += record_bytes(used);
}

WriteStatus MessageWriter::claim_run(std::span<RoomPart> rooms, std::size_t& count) {
    count = 0;
    for (RoomPart& part : rooms) {
        std::span<std::byte> room;
        const WriteStatus status = claim(part.bytes, room);
        if (status != WriteStatus::done) return count > 0 ? WriteStatus::done : status;
        commit(room.size());
        part.data = room.data();
        ++count;
        if (room.size() < part.bytes) {
            part.bytes = room.size();
            break;
        }
    }
    return WriteStatus::done;
}

void MessageWriter::publish() {
    close_row();
    if (built_ == 0) return;
    const std::uint64_t tail = published() + built_;
    built_ = 0;
    // Partner: the worker's acquire of tail.
    view_.header().tail.store(tail, std::memory_order_release);
}

}  // namespace fanfare::client
