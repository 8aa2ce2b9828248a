#include "dataplane/publication_cutter.hpp"

#include <algorithm>
#include <cstring>

#include "dataplane/net/octets.hpp"

namespace fanfare::dataplane {

namespace {

using ipc::kRowLengthBytes;

// Each word is loaded exactly once: what was checked is what is used.
ipc::RecordHeader copy_header(const std::byte* from) {
    std::uint32_t words[4];
    for (int i = 0; i < 4; ++i) {
        words[i] =
            __atomic_load_n(reinterpret_cast<const std::uint32_t*>(from) + i, __ATOMIC_RELAXED);
    }
    ipc::RecordHeader header;
    static_assert(sizeof header == sizeof words);
    std::memcpy(&header, words, sizeof header);
    return header;
}

// The length in front of a message of a row: the program's, so loaded once.
std::uint32_t row_length(const std::byte* at) {
    const auto* octets = reinterpret_cast<const volatile unsigned char*>(at);
    const std::uint32_t high = octets[0];
    return high << 8 | octets[1];
}

// Moves a payload to a lower place in the log, where the two may overlap: whole vectors upwards,
// each read before it is overwritten. Up to 15 octets behind the payload are read (its record's
// padding) and written (below the padding's end, where everything was moved already).
void move_down(std::byte* to, const std::byte* from, std::size_t length) {
    for (std::size_t i = 0; i < length; i += ipc::kRecordAlignment) {
        std::byte block[ipc::kRecordAlignment];
        std::memcpy(block, from + i, sizeof block);
        std::memcpy(to + i, block, sizeof block);
    }
}

}  // namespace

// The record at `position`, judged by its lengths alone.
PublicationCutter::Found PublicationCutter::look(std::uint64_t position, std::uint64_t tail,
                                                 Record& record) const {
    const std::uint64_t published = tail - position;
    if (published == 0) return Found::none;
    // Positions are multiples of 16, so a header always fits before the log's end.
    if (published < sizeof(ipc::RecordHeader)) return Found::invalid;
    const std::uint64_t room = std::min(to_end(position), published);
    record.header = copy_header(at(position));
    record.position = position;
    const std::uint32_t flags = record.header.flags;
    if (flags != 0 && flags != ipc::kRecordSkip) return Found::invalid;
    if (record.header.length > room - sizeof(ipc::RecordHeader)) return Found::invalid;
    const std::uint64_t bytes = ipc::record_bytes(record.header.length);
    if (bytes > room) return Found::invalid;
    record.end = position + bytes;
    if (flags == ipc::kRecordSkip) {
        return bytes == to_end(position) ? Found::skip : Found::invalid;
    }
    return Found::record;
}

// The record at position_ when it is a whole message of one packet, or a row of whole messages, and
// nothing is open: look() for what nearly every record is. False: it may be anything but a row.
inline bool PublicationCutter::usual_record(std::uint64_t tail, Record& record) const {
    const std::uint64_t room = std::min(to_end(position_), tail - position_);
    if (open_left_ != 0 || room < sizeof(ipc::RecordHeader)) return false;
    // Each word is loaded exactly once: what was checked is what is used.
    const auto* const words = reinterpret_cast<const std::uint64_t*>(at(position_));
    const std::uint64_t first = __atomic_load_n(words, __ATOMIC_RELAXED);
    const std::uint64_t second = __atomic_load_n(words + 1, __ATOMIC_RELAXED);
    // No flags, offset 0, and the message is as long as the record; or a row, whose first message's
    // length stands where the offset would.
    const auto length = static_cast<std::uint32_t>(first);
    record.row = (first >> 32) == ipc::kRecordRow && format_ == ipc::SendFormat::packed;
    if (record.row) {
        if (length != static_cast<std::uint32_t>(second) || length < kRowLengthBytes ||
            length + kRowLengthBytes > tsdu_)
            return false;
    } else if (first != second || first != length || length > tsdu_) {
        return false;
    }
    const std::uint64_t bytes = ipc::record_bytes(length);
    if (bytes > room) return false;
    record.header.length = length;
    record.position = position_;
    record.end = position_ + bytes;
    return true;
}

inline engine::Publish PublicationCutter::next_message(const Record& record) {
    engine::Publish item;
    item.data = at(record.position) + sizeof(ipc::RecordHeader);
    item.length = static_cast<std::uint16_t>(record.header.length);
    item.message_length = record.header.length;
    item.release_position = position_ = record.end;
    return item;
}

// Takes the record as the next part of a message; false when it is not.
bool PublicationCutter::begin(const Record& record, std::uint64_t tail) {
    const ipc::RecordHeader& header = record.header;
    if (open_left_ == 0) {
        if (header.message_offset != 0) return false;
        message_length_ = header.message_length;
        message_offset_ = 0;
        open_left_ = header.message_length;
        cut_short_ = false;
    } else if (cut_short_ || header.message_offset != message_length_ - open_left_ ||
               header.message_length != message_length_) {
        return false;
    }
    if (header.length > open_left_ || (header.length == 0 && open_left_ > 0)) return false;
    open_left_ -= header.length;
    // A message of one packet is one record, which usual_record() took.
    if (message_length_ <= tsdu_) return false;
    if (open_left_ > 0 && (fragment_ == 0 || header.length % fragment_ != 0)) {
        // Only a sender that was shut down inside a message leaves such a record, and none behind
        // it.
        if (record.end != tail || fragment_ == 0) return false;
        cut_short_ = true;
    }
    in_record_ = true;
    record_left_ = header.length;
    record_end_ = record.end;
    position_ = record.position + sizeof(ipc::RecordHeader);
    return true;
}

// Opens the record at position_, or steps over a skip. False: there is nothing to cut.
bool PublicationCutter::next_record(std::uint64_t tail) {
    Record record;
    switch (look(position_, tail, record)) {
        case Found::none:
            return false;
        case Found::skip:
            position_ = record.end;
            return true;
        case Found::record:
            if (begin(record, tail)) return true;
            [[fallthrough]];
        case Found::invalid:
            failed_ = true;
            return false;
    }
    return false;
}

engine::Publish PublicationCutter::next_stream(std::uint64_t tail) {
    const std::uint64_t length =
        std::min({tail - position_, to_end(position_), std::uint64_t{tsdu_}});
    engine::Publish item;
    item.data = at(position_);
    item.length = static_cast<std::uint16_t>(length);
    item.message_length = item.length;
    position_ += length;
    item.release_position = position_;
    return item;
}

engine::Publish PublicationCutter::next_fragment() {
    const std::uint32_t length = std::min(record_left_, std::uint32_t{fragment_});
    engine::Publish item;
    item.data = at(position_);
    item.length = static_cast<std::uint16_t>(length);
    item.fragment = true;
    item.message_offset = message_offset_;
    item.message_length = message_length_;
    message_offset_ += length;
    record_left_ -= length;
    position_ += length;
    if (record_left_ == 0) {
        in_record_ = false;
        position_ = record_end_;
    }
    item.release_position = position_;
    return item;
}

// As many of the row's first messages as fit behind `to`; the rest of it is cut next. False: none.
bool PublicationCutter::append_part(Container& to, const Record& row) {
    const std::byte* const from = at(row.position) + sizeof(ipc::RecordHeader) - kRowLengthBytes;
    const std::uint32_t bytes = row.header.length + kRowLengthBytes;
    const std::uint32_t used = to.row ? to.size : to.size + kRowLengthBytes;
    std::uint32_t part = 0;
    // The whole row does not fit, so the walk ends inside it, or it is none.
    while (true) {
        if (bytes - part < kRowLengthBytes) {
            failed_ = true;
            break;
        }
        const std::uint32_t message = kRowLengthBytes + row_length(from + part);
        if (message > bytes - part) {
            failed_ = true;
            break;
        }
        if (used + part + message > tsdu_) break;
        part += message;
    }
    if (part == 0 || failed_) return false;
    std::memmove(to.start + used, from, part);
    to.size = used + part;
    row_left_ = bytes - part;
    record_end_ = row.end;
    position_ = row.position + sizeof(ipc::RecordHeader) - kRowLengthBytes + part;
    return true;
}

// Pushes the record's messages to the container's end, if they fit.
bool PublicationCutter::append(Container& to, const Record& record) {
    const std::uint32_t used = to.row ? to.size : to.size + kRowLengthBytes;
    const std::uint32_t bytes = record.header.length + kRowLengthBytes;
    if (used + bytes > tsdu_) return false;
    const std::byte* const payload = at(record.position) + sizeof(ipc::RecordHeader);
    if (record.row) {
        std::memmove(to.start + used, payload - kRowLengthBytes, bytes);
    } else {
        move_down(to.start + used + kRowLengthBytes, payload, record.header.length);
        net::store16(to.start + used, static_cast<std::uint16_t>(record.header.length));
    }
    to.size = used + bytes;
    position_ = record.end;
    return true;
}

// One packet of a packed session: it begins with the record `first`, or, where that is nullptr,
// with what was left of a row, and takes as much as fits of what is published behind it.
engine::Publish PublicationCutter::next_container(const Record* first, std::uint64_t tail) {
    Container made{};
    if (first != nullptr) {
        made = {at(first->position) + sizeof(ipc::RecordHeader) - kRowLengthBytes,
                first->header.length + (first->row ? kRowLengthBytes : 0), first->row};
        position_ = first->end;
    } else {
        made = {at(position_), row_left_, true};
        // The last message of a row goes out as itself.
        if (row_left_ == kRowLengthBytes + row_length(made.start)) {
            made.row = false;
            made.size -= kRowLengthBytes;
        }
        row_left_ = 0;
        position_ = record_end_;
    }
    while (to_end(position_) != log_bytes_) {
        Record record;
        if (!usual_record(tail, record)) break;
        const bool was_row = made.row;
        const std::uint32_t size = made.size;
        if (!append(made, record) && (!record.row || !append_part(made, record))) break;
        if (!was_row) net::store16(made.start, static_cast<std::uint16_t>(size));
        made.row = true;
        if (row_left_ != 0) break;
    }
    engine::Publish item;
    item.data = made.row ? made.start : made.start + kRowLengthBytes;
    item.length = static_cast<std::uint16_t>(made.size);
    item.packed = made.row;
    item.message_length = made.size;
    item.release_position = position_;
    return item;
}

std::size_t PublicationCutter::cut(std::uint64_t tail, std::span<engine::Publish> items) {
    std::size_t count = 0;
    while (count < items.size() && !failed_) {
        if (format_ == ipc::SendFormat::stream) {
            if (position_ == tail) break;
            items[count++] = next_stream(tail);
            continue;
        }
        Record record;
        if (row_left_ != 0) {
            items[count++] = next_container(nullptr, tail);
        } else if (in_record_) {
            items[count++] = next_fragment();
        } else if (usual_record(tail, record)) {
            items[count++] = format_ == ipc::SendFormat::packed ? next_container(&record, tail)
                                                                : next_message(record);
        } else if (!next_record(tail)) {
            break;
        }
    }
    return count;
}

}  // namespace fanfare::dataplane
