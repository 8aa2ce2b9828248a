// A block of the file tier: packets of consecutive numbers, written and read as one. What comes
// back from a disk is believed only if its sum and its place say so.
//
//   offset 0   header, 64 octets: magic, nonce of the archive, first ordinal, first ordinal behind
//              it, packets, octets used, sum over all that follows
//   then       for each packet 32 octets that say what it is, and its payload, filled up to 8
//
// Host order: a block is read by nobody but the process that wrote it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace fanfare::control {

// Holds the largest packet, and some ninety of an Ethernet frame's size: one read serves a burst of
// losses, and an index of 24 octets a block is enough.
inline constexpr std::size_t kBlockBytes = std::size_t{128} << 10;
// What O_DIRECT asks of memory and file offsets, on any device that there is.
inline constexpr std::size_t kBlockAlignment = 4096;

struct ArchivedPacket {
    std::uint64_t ordinal = 0;
    std::span<const std::byte> payload;  // at most 65,535 octets
    std::uint16_t flags = 0;             // EntryFlag
    std::uint32_t first_sqn = 0, offset = 0, apdu_length = 0;
};

// Fills a block of kBlockBytes, lent by the caller until it is closed and written.
class BlockWriter {
  public:
    // Drops what was written and begins anew.
    void open(std::byte* block) {
        block_ = block;
        used_ = kHeader;
        count_ = 0;
        first_ = end_ = 0;
    }
    bool is_open() const { return block_ != nullptr; }
    std::uint64_t first() const { return first_; }  // 0: empty
    std::uint64_t end() const { return end_; }
    std::uint32_t count() const { return count_; }
    std::size_t used() const { return used_; }

    // Where the next packet's payload of `length` octets may be written before it is known whether
    // it counts; nullptr when the block is too full.
    std::byte* room(std::size_t length);
    // It counts: its payload stands in room().
    void add(const ArchivedPacket& packet);
    // A number without a packet, which the block spans.
    void skip(std::uint64_t ordinal);
    // Writes the header. The block is the caller's again.
    void close(std::uint64_t nonce);

    static constexpr std::size_t kHeader = 64, kRecord = 32;

  private:
    std::byte* block_ = nullptr;
    std::size_t used_ = kHeader;
    std::uint32_t count_ = 0;
    std::uint64_t first_ = 0, end_ = 0;
};

// Whether these kBlockBytes are the block of `nonce` with these numbers, unharmed.
bool is_block(std::span<const std::byte> block, std::uint64_t nonce, std::uint64_t first,
              std::uint64_t end);
// A packet of a block that is_block() vouched for; false when the number is not among them. The
// payload stands in the block.
bool find_packet(std::span<const std::byte> block, std::uint64_t ordinal, ArchivedPacket& packet);

}  // namespace fanfare::control
