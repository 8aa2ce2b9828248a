// The packets that nearly all packets are: data without options, or with the mark of a container
// alone. Decoded in line, to what decode() would yield of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "engine/wire/octets.hpp"
#include "engine/wire/packet.hpp"

namespace fanfare::wire {

// OPT_LENGTH (8 octets in all) and OptionType::packed with the end bit, as encode() writes them.
inline constexpr std::size_t kPackedMarkSize = 8;
inline constexpr std::uint8_t kPackedMark[kPackedMarkSize] = {
    0x00, 0x04, 0x00, 0x08, 0x80 | static_cast<std::uint8_t>(OptionType::packed), 0x04, 0x00, 0x00};

// Tsi::key() of a packet from its source, straight from the octets: of a header that is there.
inline std::uint64_t source_key(const std::byte* packet) {
    std::uint64_t gsi_first;  // and the TSDU length, which makes way for the port
    std::memcpy(&gsi_first, packet + 8, sizeof gsi_first);
    return (__builtin_bswap64(gsi_first) & ~std::uint64_t{0xFFFF}) | get16(packet);
}

// False, with `out` unspecified, when the packet is of another shape or wrong: decode() then says
// which.
inline bool decode_plain_data(std::span<const std::byte> tpdu, Packet& out) {
    if (tpdu.size() < kDataHeaderSize) return false;
    const std::byte* p = tpdu.data();
    const std::uint8_t type = get8(p + 4), flags = get8(p + 5);
    if ((type & 0xFE) != static_cast<std::uint8_t>(Type::odata)) return false;
    std::size_t header = kDataHeaderSize;
    out.options.present = 0;
    out.options.encoded = 0;
    if (flags != 0) {
        if (flags != kOptPresent || tpdu.size() - header < kPackedMarkSize ||
            std::memcmp(p + header, kPackedMark, kPackedMarkSize) != 0) {
            return false;
        }
        header += kPackedMarkSize;
        out.options.present = bit(OptionBit::packed);
        out.options.packed.fourth = 0;
    }
    out.tsdu_length = get16(p + 14);
    if (tpdu.size() - header != out.tsdu_length) return false;
    out.checksum = get16(p + kChecksumAt);
    if (out.checksum == 0) return false;
    out.type = static_cast<Type>(type);
    out.flags = flags;
    out.source_port = get16(p);
    out.destination_port = get16(p + 2);
    std::memcpy(out.gsi.octets.data(), p + 8, out.gsi.octets.size());
    out.sqn = get32(p + kHeaderSize);
    out.trail = get32(p + kHeaderSize + 4);
    out.payload = tpdu.subspan(header);
    return true;
}

}  // namespace fanfare::wire
