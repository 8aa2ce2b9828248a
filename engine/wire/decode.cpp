#include "engine/wire/octets.hpp"
#include "engine/wire/packet.hpp"

namespace fanfare::wire {
namespace {

constexpr std::uint16_t kAfiIpv4 = 1;
constexpr std::uint8_t kEnd = 0x80;
constexpr std::uint8_t kEncoded = 0x04;  // F bit, in the third octet

// An NLA: AFI, reserved, address.
DecodeError get_address(const std::byte* p, Address& out) {
    if (get16(p) != kAfiIpv4) return DecodeError::address_family;
    out.v4 = get32(p + 4);
    return DecodeError::none;
}

// One option's body. `length` is at least 4 and the octets are there.
DecodeError decode_option(std::uint8_t type, const std::byte* p, std::size_t length, Options& out) {
    const auto needs = [length](std::size_t n) { return length >= n; };
    switch (static_cast<OptionType>(type)) {
        case OptionType::fragment:
            if (!needs(16)) return DecodeError::option_length_invalid;
            out.fragment = {get32(p + 4), get32(p + 8), get32(p + 12)};
            if (out.fragment.offset > out.fragment.apdu_length)
                return DecodeError::fragment_invalid;
            out.set(OptionBit::fragment);
            return DecodeError::none;
        case OptionType::nak_list:
            if (length % 4 != 0 || length < 8 || (length - 4) / 4 > kNakListMax)
                return DecodeError::nak_list_invalid;
            out.nak_list = {p + 4, static_cast<std::uint8_t>((length - 4) / 4)};
            out.set(OptionBit::nak_list);
            return DecodeError::none;
        case OptionType::join:
            if (!needs(8)) return DecodeError::option_length_invalid;
            out.join = {get32(p + 4)};
            out.set(OptionBit::join);
            return DecodeError::none;
        case OptionType::nak_bo_ivl:
            if (!needs(12)) return DecodeError::option_length_invalid;
            out.nak_bo_ivl = {get32(p + 4), get32(p + 8)};
            out.set(OptionBit::nak_bo_ivl);
            return DecodeError::none;
        case OptionType::nak_bo_rng:
            if (!needs(12)) return DecodeError::option_length_invalid;
            out.nak_bo_rng = {get32(p + 4), get32(p + 8)};
            out.set(OptionBit::nak_bo_rng);
            return DecodeError::none;
        case OptionType::nbr_unreach:
            out.set(OptionBit::nbr_unreach);
            return DecodeError::none;
        case OptionType::path_nla:
            if (!needs(8)) return DecodeError::option_length_invalid;
            out.path_nla.path.v4 = get32(p + 4);
            out.set(OptionBit::path_nla);
            return DecodeError::none;
        case OptionType::redirect:
            if (!needs(12)) return DecodeError::option_length_invalid;
            out.set(OptionBit::redirect);
            return get_address(p + 4, out.redirect.dlr);
        case OptionType::parity_prm:
            if (!needs(8)) return DecodeError::option_length_invalid;
            out.parity_prm = {(get8(p + 3) & 0x02) != 0, (get8(p + 3) & 0x01) != 0, get32(p + 4)};
            out.set(OptionBit::parity_prm);
            return DecodeError::none;
        case OptionType::parity_grp:
            if (!needs(8)) return DecodeError::option_length_invalid;
            out.parity_grp = {get32(p + 4)};
            out.set(OptionBit::parity_grp);
            return DecodeError::none;
        case OptionType::curr_tgsize:
            if (!needs(8)) return DecodeError::option_length_invalid;
            out.curr_tgsize = {get32(p + 4)};
            out.set(OptionBit::curr_tgsize);
            return DecodeError::none;
        case OptionType::syn:
            out.set(OptionBit::syn);
            return DecodeError::none;
        case OptionType::fin:
            out.set(OptionBit::fin);
            return DecodeError::none;
        case OptionType::rst:
            out.rst = {(get8(p + 3) & 0x40) != 0, static_cast<std::uint8_t>(get8(p + 3) & 0x3F)};
            out.set(OptionBit::rst);
            return DecodeError::none;
        case OptionType::cr:
            if (!needs(24)) return DecodeError::option_length_invalid;
            out.cr = {static_cast<std::uint8_t>(get8(p + 3) & 0x07),
                      get32(p + 4),
                      get16(p + 8),
                      get16(p + 10),
                      get16(p + 12),
                      {}};
            out.set(OptionBit::cr);
            return get_address(p + 16, out.cr.receiver);
        case OptionType::crqst:
            out.crqst = {static_cast<std::uint8_t>(get8(p + 3) & 0x07)};
            out.set(OptionBit::crqst);
            return DecodeError::none;
        case OptionType::cc_data:
            if (!needs(16)) return DecodeError::option_length_invalid;
            out.cc_data.timestamp_ms = get32(p + 4);
            out.set(OptionBit::cc_data);
            return get_address(p + 8, out.cc_data.acker);
        case OptionType::cc_feedback:
            if (!needs(16)) return DecodeError::option_length_invalid;
            if (get16(p + 8) != kAfiIpv4) return DecodeError::address_family;
            out.cc_feedback = {get32(p + 4), get16(p + 10), Address{get32(p + 12)}};
            out.set(OptionBit::cc_feedback);
            return DecodeError::none;
        case OptionType::invalid:
            out.set(OptionBit::invalid);
            return DecodeError::none;
        case OptionType::packed:
            out.set(OptionBit::packed);
            return DecodeError::none;
        case OptionType::length:
            return DecodeError::option_length_invalid;  // only as the first
    }
    // RFC 9: OPX tells network elements what to do with what they do not know; a host ignores it.
    out.set(OptionBit::unknown);
    return DecodeError::none;
}

// The option area at the start of `rest`; on success `used` is its size.
DecodeError decode_options(std::span<const std::byte> rest, Options& out, std::size_t& used) {
    if (rest.size() < 4) return DecodeError::options_truncated;
    if ((get8(rest.data()) & ~kEnd) != static_cast<std::uint8_t>(OptionType::length) ||
        get8(rest.data() + 1) != 4) {
        return DecodeError::options_length_missing;
    }
    const std::size_t total = get16(rest.data() + 2);
    if (total > rest.size()) return DecodeError::options_truncated;
    if (total < 8) return DecodeError::options_length_wrong;  // OPT_LENGTH and at least one option
    std::size_t at = 4;
    for (std::size_t count = 0;; ++count) {
        if (count == kMaxOptions) return DecodeError::too_many_options;
        const std::size_t left = total - at;
        if (left == 0) return DecodeError::options_unterminated;
        if (left < 4) return DecodeError::option_overrun;
        const std::byte* p = rest.data() + at;
        const std::size_t length = get8(p + 1);
        if (length < 4) return DecodeError::option_too_short;
        if (length > left) return DecodeError::option_overrun;
        if (get8(p + 2) & kEncoded) ++out.encoded;
        const auto error =
            decode_option(get8(p) & static_cast<std::uint8_t>(~kEnd), p, length, out);
        if (error != DecodeError::none) return error;
        at += length;
        if (get8(p) & kEnd) break;
    }
    if (at != total) return DecodeError::options_length_wrong;
    used = total;
    return DecodeError::none;
}

// Octets of the fixed part behind the common header; 0xFF: no such type.
constexpr std::uint8_t kNoType = 0xFF;
std::uint8_t body_size(std::uint8_t type) {
    switch (type) {
        case 0x00:
            return 20;  // SPM
        case 0x01:
            return 28;  // POLL
        case 0x02:
            return 8;  // POLR
        case 0x04:
        case 0x05:
            return 8;  // ODATA, RDATA
        case 0x08:
        case 0x09:
        case 0x0A:
            return 20;  // NAK, NNAK, NCF
        case 0x0B:
        case 0x0D:
            return 8;  // ACK
        case 0x0C:
            return 0;  // SPMR
        default:
            return kNoType;
    }
}

}  // namespace

DecodeError decode(std::span<const std::byte> tpdu, Packet& out) {
    if (tpdu.size() < kHeaderSize) return DecodeError::truncated_header;
    const std::byte* p = tpdu.data();
    const std::uint8_t type = get8(p + 4);
    const std::size_t body = body_size(type);
    if (body == kNoType) return DecodeError::unknown_type;
    if (tpdu.size() - kHeaderSize < body) return DecodeError::truncated_body;

    out.source_port = get16(p);
    out.destination_port = get16(p + 2);
    out.type = type == 0x0B ? Type::ack : static_cast<Type>(type);
    out.flags = get8(p + 5);
    out.checksum = get16(p + 6);
    std::memcpy(out.gsi.octets.data(), p + 8, 6);
    out.tsdu_length = get16(p + 14);
    out.options.present = 0;
    out.options.encoded = 0;
    const bool data = out.type == Type::odata || out.type == Type::rdata;
    if (data && out.checksum == 0) return DecodeError::checksum_missing;

    const std::byte* b = p + kHeaderSize;
    DecodeError error = DecodeError::none;
    switch (out.type) {
        case Type::odata:
        case Type::rdata:
            out.sqn = get32(b);
            out.trail = get32(b + 4);
            break;
        case Type::spm:
            out.sqn = get32(b);
            out.trail = get32(b + 4);
            out.lead = get32(b + 8);
            error = get_address(b + 12, out.path);
            break;
        case Type::nak:
        case Type::nnak:
        case Type::ncf:
            out.sqn = get32(b);
            error = get_address(b + 4, out.source);
            if (error == DecodeError::none) error = get_address(b + 12, out.group);
            break;
        case Type::poll:
            out.sqn = get32(b);
            error = get_address(b + 8, out.path);
            out.poll = {get16(b + 4), get16(b + 6), get32(b + 16), get32(b + 20), get32(b + 24)};
            break;
        case Type::polr:
            out.sqn = get32(b);
            out.poll = {get16(b + 4), 0, 0, 0, 0};
            break;
        case Type::ack:
            out.sqn = get32(b);
            out.ack_bitmap = get32(b + 4);
            break;
        case Type::spmr:
            break;
    }
    if (error != DecodeError::none) return error;

    auto rest = tpdu.subspan(kHeaderSize + body);
    if (out.flags & kOptPresent) {
        std::size_t used = 0;
        error = decode_options(rest, out.options, used);
        if (error != DecodeError::none) return error;
        rest = rest.subspan(used);
    }
    if (rest.size() != out.tsdu_length) return DecodeError::tsdu_length_mismatch;
    out.payload = rest;
    return DecodeError::none;
}

}  // namespace fanfare::wire
