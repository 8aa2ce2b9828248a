#include "control/archive_block.hpp"

#include <cstring>

namespace fanfare::control {
namespace {

constexpr std::uint64_t kMagic = 0x314B'4C42'4E46'4146ull;  // "FAFNBLK1"

struct Header {
    std::uint64_t magic, nonce, first, end;
    std::uint32_t count, used;
    std::uint64_t sum;
    std::uint64_t unused[2];
};
static_assert(sizeof(Header) == BlockWriter::kHeader);

struct Record {
    std::uint64_t ordinal;
    std::uint32_t apdu_length, first_sqn, offset;
    std::uint16_t length, flags;
    std::uint64_t unused;
};
static_assert(sizeof(Record) == BlockWriter::kRecord);

constexpr std::size_t filled_up(std::size_t octets) {
    return (octets + 7) & ~std::size_t{7};
}

// Any change of one octet changes it, and a block of another place or age has another one: it is
// there against disks, not against people.
std::uint64_t sum_of(const std::byte* octets, std::size_t count) {
    constexpr std::uint64_t kOdd = 0x9E37'79B9'7F4A'7C15ull;
    std::uint64_t sum = count;
    for (std::size_t i = 0; i + 8 <= count; i += 8) {
        std::uint64_t word;
        std::memcpy(&word, octets + i, 8);
        sum = (sum ^ word) * kOdd;
        sum ^= sum >> 29;
    }
    return sum;
}

}  // namespace

std::byte* BlockWriter::room(std::size_t length) {
    if (used_ + kRecord + filled_up(length) > kBlockBytes) return nullptr;
    return block_ + used_ + kRecord;
}

void BlockWriter::add(const ArchivedPacket& packet) {
    const Record record{packet.ordinal,
                        packet.apdu_length,
                        packet.first_sqn,
                        packet.offset,
                        static_cast<std::uint16_t>(packet.payload.size()),
                        packet.flags,
                        0};
    std::memcpy(block_ + used_, &record, sizeof(record));
    const std::size_t full = filled_up(packet.payload.size());
    std::memset(block_ + used_ + kRecord + packet.payload.size(), 0, full - packet.payload.size());
    used_ += kRecord + full;
    ++count_;
    skip(packet.ordinal);
}

void BlockWriter::skip(std::uint64_t ordinal) {
    if (first_ == 0) first_ = ordinal;
    end_ = ordinal + 1;
}

void BlockWriter::close(std::uint64_t nonce) {
    Header header{};
    header.magic = kMagic;
    header.nonce = nonce;
    header.first = first_;
    header.end = end_;
    header.count = count_;
    header.used = static_cast<std::uint32_t>(used_);
    header.sum = sum_of(block_ + kHeader, used_ - kHeader);
    std::memcpy(block_, &header, sizeof(header));
    // What an older block left there goes to the disk as well: nothing else ever stood here.
    block_ = nullptr;
}

bool is_block(std::span<const std::byte> block, std::uint64_t nonce, std::uint64_t first,
              std::uint64_t end) {
    Header header;
    if (block.size() < kBlockBytes) return false;
    std::memcpy(&header, block.data(), sizeof(header));
    return header.magic == kMagic && header.nonce == nonce && header.first == first &&
           header.end == end && header.used >= BlockWriter::kHeader && header.used <= kBlockBytes &&
           header.sum ==
               sum_of(block.data() + BlockWriter::kHeader, header.used - BlockWriter::kHeader);
}

bool find_packet(std::span<const std::byte> block, std::uint64_t ordinal, ArchivedPacket& packet) {
    Header header;
    std::memcpy(&header, block.data(), sizeof(header));
    std::size_t at = BlockWriter::kHeader;
    while (header.used - at >= BlockWriter::kRecord) {
        Record record;
        std::memcpy(&record, block.data() + at, sizeof(record));
        at += BlockWriter::kRecord;
        if (header.used - at < filled_up(record.length)) return false;
        if (record.ordinal == ordinal) {
            packet = {ordinal,       block.subspan(at, record.length),
                      record.flags,  record.first_sqn,
                      record.offset, record.apdu_length};
            return true;
        }
        at += filled_up(record.length);
    }
    return false;
}

}  // namespace fanfare::control
