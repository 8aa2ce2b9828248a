// What parity is computed over beside the payload (RFC 3208 11.2): of each packet the options that
// belong to the payload, from their fourth octet on, and the TSDU length. Sixteen octets a packet,
// so that one pass of the kernels takes them all.
//
//   0..12   OPT_FRAGMENT: fourth octet, first sqn, offset, APDU length
//   13      packed data (0x70): fourth octet
//   14..15  TSDU length
// A packet without an option has 0x80 (OP_ENCODED_NULL) in the fourth octet and zeros behind it.
// All fields are in network order; the RFC leaves that open for the length (interop.md 6.2).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "engine/types.hpp"
#include "engine/wire/packet.hpp"

namespace fanfare::engine {

class ParitySymbol {
  public:
    static constexpr std::size_t kSize = 16;
    static constexpr std::uint8_t kNull = 0x80;  // OP_ENCODED_NULL

    struct Fragment {
        Sqn first_sqn;
        std::uint32_t offset, apdu_length;
    };

    // All zero: what a number that a short group leaves out counts as.
    ParitySymbol() = default;
    // Of a data packet.
    ParitySymbol(const Fragment* fragment, bool packed, std::uint16_t length) {
        if (fragment == nullptr) {
            octets_[0] = kNull;
        } else {
            put32(1, fragment->first_sqn);
            put32(5, fragment->offset);
            put32(9, fragment->apdu_length);
        }
        octets_[kPackedAt] = packed ? 0 : kNull;
        octets_[kLengthAt] = static_cast<std::uint8_t>(length >> 8);
        octets_[kLengthAt + 1] = static_cast<std::uint8_t>(length);
    }
    // Of a parity packet: its encoded options as they came, and the two octets at its payload's end
    // (0 where there are none).
    ParitySymbol(const wire::Options& options, std::uint16_t length) {
        if (options.is_encoded(wire::OptionBit::fragment)) {
            octets_[0] = options.fragment.fourth;
            put32(1, options.fragment.first_sqn);
            put32(5, options.fragment.offset);
            put32(9, options.fragment.apdu_length);
        }
        if (options.is_encoded(wire::OptionBit::packed)) {
            octets_[kPackedAt] = options.packed.fourth;
        }
        octets_[kLengthAt] = static_cast<std::uint8_t>(length >> 8);
        octets_[kLengthAt + 1] = static_cast<std::uint8_t>(length);
    }

    std::uint8_t* octets() { return octets_.data(); }
    const std::uint8_t* octets() const { return octets_.data(); }

    decltype(wire::Options::fragment) fragment_option() const {
        return {get32(1), get32(5), get32(9), octets_[0]};
    }
    std::uint8_t packed_octet() const { return octets_[kPackedAt]; }
    std::uint16_t length() const {
        return static_cast<std::uint16_t>(octets_[kLengthAt] << 8 | octets_[kLengthAt + 1]);
    }

    // What a decoded symbol says of its packet; nothing when it makes no sense. `fragments` and
    // `packed`: whether the group's parity carries the option at all.
    struct Meaning {
        std::optional<Fragment> fragment;
        bool packed = false;
    };
    std::optional<Meaning> meaning(bool fragments, bool packed) const {
        Meaning out;
        if (fragments) {
            const Fragment fragment{get32(1), get32(5), get32(9)};
            if (octets_[0] == 0) {
                if (fragment.offset > fragment.apdu_length) return std::nullopt;
                out.fragment = fragment;
            } else if (octets_[0] != kNull ||
                       (fragment.first_sqn | fragment.offset | fragment.apdu_length) != 0) {
                return std::nullopt;
            }
        }
        if (packed) {
            if (octets_[kPackedAt] != 0 && octets_[kPackedAt] != kNull) return std::nullopt;
            out.packed = octets_[kPackedAt] == 0;
        }
        return out;
    }

  private:
    static constexpr std::size_t kPackedAt = 13, kLengthAt = 14;

    void put32(std::size_t at, std::uint32_t value) {
        for (std::size_t i = 0; i < 4; ++i) {
            octets_[at + i] = static_cast<std::uint8_t>(value >> (24 - 8 * i));
        }
    }
    std::uint32_t get32(std::size_t at) const {
        std::uint32_t value = 0;
        for (std::size_t i = 0; i < 4; ++i) value = value << 8 | octets_[at + i];
        return value;
    }

    std::array<std::uint8_t, kSize> octets_{};
};

}  // namespace fanfare::engine
