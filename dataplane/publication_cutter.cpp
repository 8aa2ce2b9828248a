#include "dataplane/publication_cutter.hpp"

#include <algorithm>
#include <cstring>

#include "dataplane/net/octets.hpp"

namespace fanfare::dataplane {

namespace {

// Octets in front of each message of a container.
constexpr std::uint32_t kContainerLength = 2;

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
    if ((record.header.flags & ~std::uint32_t{ipc::kRecordSkip}) != 0) return Found::invalid;
    if (record.header.length > room - sizeof(ipc::RecordHeader)) return Found::invalid;
    const std::uint64_t bytes = ipc::record_bytes(record.header.length);
    if (bytes > room) return Found::invalid;
    record.end = position + bytes;
    if ((record.header.flags & ipc::kRecordSkip) != 0) {
        return bytes == to_end(position) ? Found::skip : Found::invalid;
    }
    return Found::record;
}

// The record at position_ when it is a whole message of one packet and nothing is open: look() for
// what nearly every record is. False: it may be anything.
inline bool PublicationCutter::usual_record(std::uint64_t tail, Record& record) const {
    const std::uint64_t room = std::min(to_end(position_), tail - position_);
    if (open_left_ != 0 || room < sizeof(ipc::RecordHeader)) return false;
    // Each word is loaded exactly once: what was checked is what is used.
    const auto* const words = reinterpret_cast<const std::uint64_t*>(at(position_));
    const std::uint64_t first = __atomic_load_n(words, __ATOMIC_RELAXED);
    const std::uint64_t second = __atomic_load_n(words + 1, __ATOMIC_RELAXED);
    // No flags, offset 0, and the message is as long as the record.
    const auto length = static_cast<std::uint32_t>(first);
    if (first != second || first != length || length > tsdu_) return false;
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
    if (message_length_ <= tsdu_) {
        // One packet's message is one record.
        if (open_left_ > 0) return false;
    } else if (open_left_ > 0 && (fragment_ == 0 || header.length % fragment_ != 0)) {
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

bool PublicationCutter::next_record(std::uint64_t tail) {
    Record record;
    // At most one skip a lap; the next one leads to the lap's start.
    while (true) {
        switch (look(position_, tail, record)) {
            case Found::none:
                return false;
            case Found::skip:
                position_ = record.end;
                continue;
            case Found::record:
                if (begin(record, tail)) return true;
                [[fallthrough]];
            case Found::invalid:
                failed_ = true;
                return false;
        }
    }
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

// The message that was begun, and in packed sessions as many more as fit behind it.
engine::Publish PublicationCutter::next_whole(std::uint64_t tail) {
    std::byte* const payload = at(position_);
    std::uint32_t size = record_left_;
    std::byte* const container = payload - kContainerLength;  // the end of a header that was copied
    std::uint32_t messages = 1;
    in_record_ = false;
    record_left_ = 0;
    position_ = record_end_;
    while (format_ == ipc::SendFormat::packed && to_end(position_) != log_bytes_) {
        Record record;
        if (!usual_record(tail, record)) break;
        const std::uint32_t length = record.header.length;
        const std::uint32_t used = messages == 1 ? kContainerLength + size : size;
        if (used + kContainerLength + length > tsdu_) break;
        if (messages++ == 1) net::store16(container, static_cast<std::uint16_t>(size));
        const std::byte* from = at(record.position) + sizeof(ipc::RecordHeader);
        move_down(container + used + kContainerLength, from, length);
        net::store16(container + used, static_cast<std::uint16_t>(length));
        size = used + kContainerLength + length;
        position_ = record.end;
    }
    engine::Publish item;
    item.data = messages > 1 ? container : payload;
    item.length = static_cast<std::uint16_t>(size);
    item.packed = messages > 1;
    item.message_length = size;
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
        if (format_ == ipc::SendFormat::message && !in_record_ && usual_record(tail, record)) {
            items[count++] = next_message(record);
            continue;
        }
        if (!in_record_ && !next_record(tail)) break;
        items[count++] = message_length_ <= tsdu_ ? next_whole(tail) : next_fragment();
    }
    return count;
}

}  // namespace fanfare::dataplane
