// Cuts what an application published into packets (DESIGN section 4, ipc/send_region.hpp). The log
// is shared memory and hostile: a record's header is copied out once, checked against what is
// published, and only the copy is used.
//
// Message sessions: a message of one packet, or its fragments. Stream sessions: as many octets as
// fit. Packed sessions: as many whole messages as fit become one container, a row of [length: 16
// bits, big-endian][octets]. Rows come ready from a program that builds several messages at once,
// and a full one is a packet as it stands. What is short, single messages and the last row of a
// publication, is pushed together in place: the records' headers leave more room than a container
// needs, and the log stays the transmit window. What is inside a row its program answers for: it is
// looked at only where the row is parted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/core/source.hpp"
#include "ipc/send_region.hpp"

namespace fanfare::dataplane {

class PublicationCutter {
  public:
    // `log` (a power of two of octets) outlives the cutter; `largest_fragment` and `largest_tsdu`
    // are the session's, not what the shared header says.
    PublicationCutter(std::byte* log, std::uint64_t log_bytes, ipc::SendFormat format,
                      std::uint16_t largest_tsdu, std::uint16_t largest_fragment)
        : log_(log),
          log_bytes_(log_bytes),
          format_(format),
          tsdu_(largest_tsdu),
          fragment_(largest_fragment) {}

    // Cuts what is published before `tail` and not yet cut into at most items.size() packets;
    // returns how many. Their octets stand in the log. `tail` never moves back and is at most one
    // log ahead of what was released.
    std::size_t cut(std::uint64_t tail, std::span<engine::Publish> items);

    // A record made no sense: nothing more will be cut.
    bool failed() const { return failed_; }
    // Everything before it has been cut.
    std::uint64_t position() const { return position_; }
    // A message was begun and its last record has not come.
    bool message_open() const { return open_left_ > 0; }

  private:
    enum class Found : std::uint8_t { none, record, skip, invalid };
    struct Record {
        ipc::RecordHeader header;
        std::uint64_t position;  // of the header
        std::uint64_t end;       // of the record, padding included
        bool row = false;
    };
    // A packed packet that is being made, in the log.
    struct Container {
        std::byte* start;    // of its row, or of the length that its only message would have in one
        std::uint32_t size;  // octets of the row; of the message, while there is no row
        bool row;
    };
    Found look(std::uint64_t position, std::uint64_t tail, Record& record) const;
    bool begin(const Record& record, std::uint64_t tail);
    bool usual_record(std::uint64_t tail, Record& record) const;
    engine::Publish next_message(const Record& record);
    bool next_record(std::uint64_t tail);
    engine::Publish next_fragment();
    engine::Publish next_stream(std::uint64_t tail);
    engine::Publish next_container(const Record* first, std::uint64_t tail);
    bool append(Container& to, const Record& record);
    bool append_part(Container& to, const Record& row);
    std::byte* at(std::uint64_t position) const { return log_ + (position & (log_bytes_ - 1)); }
    std::uint64_t to_end(std::uint64_t position) const {
        return log_bytes_ - (position & (log_bytes_ - 1));
    }

    std::byte* log_;
    std::uint64_t log_bytes_;
    ipc::SendFormat format_;
    std::uint16_t tsdu_, fragment_;

    std::uint64_t position_ = 0;  // next octet to cut; inside a record: its payload
    std::uint64_t record_end_ = 0;
    std::uint32_t record_left_ = 0;  // payload of the current record not yet cut
    bool in_record_ = false;
    std::uint32_t message_length_ = 0,
                  message_offset_ = 0;  // of the open message; offset of what comes next
    std::uint32_t open_left_ = 0;       // octets of the open message that no record brought yet
    std::uint32_t row_left_ = 0;  // octets left of a row that was parted; they begin at position_
    bool cut_short_ = false;      // its last record was no multiple of a fragment: none may follow
    bool failed_ = false;
};

}  // namespace fanfare::dataplane
