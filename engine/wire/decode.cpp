#include "engine/wire/octets.hpp"
#include "engine/wire/options.hpp"
#include "engine/wire/packet.hpp"

namespace fanfare::wire {
namespace {

// An NLA: AFI, reserved, address.
DecodeError get_address(const std::byte* p, Address& out) {
    if (get16(p) != kAfiIpv4) return DecodeError::address_family;
    out.v4 = get32(p + 4);
    return DecodeError::none;
}

// The fields of one option, whose least length has been checked.
DecodeError decode_fields(OptionBit option, const std::byte* p, std::size_t length, Options& out) {
    switch (option) {
        case OptionBit::fragment:
            out.fragment = {get32(p + 4), get32(p + 8), get32(p + 12), get8(p + 3)};
            // Sums of offsets and lengths obey no order.
            if (out.is_encoded(option)) return DecodeError::none;
            return out.fragment.offset > out.fragment.apdu_length ? DecodeError::fragment_invalid
                                                                  : DecodeError::none;
        case OptionBit::nak_list: {
            // What follows the length octet up to the numbers is not read: OpenPGM leaves
            // uninitialised memory there (interop.md 5.1).
            const std::size_t count = (length - kOptionHeaderSize) / 4;
            if (length % 4 != 0 || count == 0 || count > kNakListMax)
                return DecodeError::nak_list_invalid;
            out.nak_list = {p + 4, static_cast<std::uint8_t>(count)};
            return DecodeError::none;
        }
        case OptionBit::join:
            out.join = {get32(p + 4)};
            return DecodeError::none;
        case OptionBit::nak_bo_ivl:
            out.nak_bo_ivl = {get32(p + 4), get32(p + 8)};
            return DecodeError::none;
        case OptionBit::nak_bo_rng:
            out.nak_bo_rng = {get32(p + 4), get32(p + 8)};
            return DecodeError::none;
        case OptionBit::path_nla:
            out.path_nla.path.v4 = get32(p + 4);
            return DecodeError::none;
        case OptionBit::redirect:
            return get_address(p + 4, out.redirect.dlr);
        case OptionBit::parity_prm:
            out.parity_prm = {(get8(p + 3) & 0x02) != 0, (get8(p + 3) & 0x01) != 0, get32(p + 4)};
            return DecodeError::none;
        case OptionBit::parity_grp:
            out.parity_grp = {get32(p + 4)};
            return DecodeError::none;
        case OptionBit::curr_tgsize:
            out.curr_tgsize = {get32(p + 4)};
            return DecodeError::none;
        case OptionBit::rst:
            out.rst = {(get8(p + 3) & 0x40) != 0, static_cast<std::uint8_t>(get8(p + 3) & 0x3F)};
            return DecodeError::none;
        case OptionBit::cr:
            out.cr.what = get8(p + 3) & 0x07;
            out.cr.sqn = get32(p + 4);
            out.cr.worst_link = get16(p + 8);
            out.cr.worst_path = get16(p + 10);
            out.cr.receiver_path = get16(p + 12);
            return get_address(p + 16, out.cr.receiver);
        case OptionBit::crqst:
            out.crqst.what = get8(p + 3) & 0x07;
            return DecodeError::none;
        case OptionBit::cc_data:
            out.cc_data.timestamp_ms = get32(p + 4);
            return get_address(p + 8, out.cc_data.acker);
        case OptionBit::cc_feedback:
            if (get16(p + 8) != kAfiIpv4) return DecodeError::address_family;
            out.cc_feedback = {get32(p + 4), get16(p + 10), Address{get32(p + 12)}};
            return DecodeError::none;
        case OptionBit::packed:
            out.packed.fourth = get8(p + 3);
            return DecodeError::none;
        case OptionBit::nbr_unreach:
        case OptionBit::syn:
        case OptionBit::fin:
        case OptionBit::invalid:
        case OptionBit::unknown:
            return DecodeError::none;
    }
    return DecodeError::none;
}

// One option of `length` octets, at least kOptionHeaderSize, all of them there.
DecodeError decode_option(const std::byte* p, std::size_t length, bool parity, Options& out) {
    const std::size_t type = get8(p) & ~kOptionEnd;
    const OptionBit option = kOptionBitOfType[type];
    if (option == OptionBit::unknown) {
        // OPT_LENGTH stands first and nowhere else.
        if (type == static_cast<std::size_t>(OptionType::length))
            return DecodeError::option_length_invalid;
        // OPX tells network elements what to do with what they do not know; a host ignores it
        // (RFC 9).
        out.set(OptionBit::unknown);
        return DecodeError::none;
    }
    if (length < kOptionShapes[static_cast<std::size_t>(option)].size)
        return DecodeError::option_length_invalid;
    if (out.has(option)) return DecodeError::none;  // the first occurrence counts (RFC 11.2)
    out.set(option);
    if (parity && (bit(option) & kPayloadOptions) && (get8(p + 2) & kOptionEncoded))
        out.encoded |= bit(option);
    return decode_fields(option, p, length, out);
}

// The option area at the start of `rest`; on success `used` is its size.
DecodeError decode_options(std::span<const std::byte> rest, bool parity, Options& out,
                           std::size_t& used) {
    if (rest.size() < kOptionHeaderSize) return DecodeError::options_truncated;
    if (get8(rest.data()) != static_cast<std::uint8_t>(OptionType::length) ||
        get8(rest.data() + 1) != kOptionHeaderSize) {
        return DecodeError::options_length_missing;
    }
    const std::size_t total = get16(rest.data() + 2);
    if (total > rest.size()) return DecodeError::options_truncated;
    // OPT_LENGTH and at least one option.
    if (total < 2 * kOptionHeaderSize) return DecodeError::options_length_wrong;
    std::size_t at = kOptionHeaderSize;
    for (std::size_t count = 0;; ++count) {
        if (count == kMaxOptions) return DecodeError::too_many_options;
        const std::size_t left = total - at;
        if (left == 0) return DecodeError::options_unterminated;
        if (left < kOptionHeaderSize) return DecodeError::option_overrun;
        const std::byte* p = rest.data() + at;
        const std::size_t length = get8(p + 1);
        if (length < kOptionHeaderSize) return DecodeError::option_too_short;
        if (length > left) return DecodeError::option_overrun;
        const auto error = decode_option(p, length, parity, out);
        if (error != DecodeError::none) return error;
        at += length;
        if (get8(p) & kOptionEnd) break;
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
        error = decode_options(rest, (out.flags & kOptParity) != 0, out.options, used);
        if (error != DecodeError::none) return error;
        rest = rest.subspan(used);
    }
    if (rest.size() != out.tsdu_length) return DecodeError::tsdu_length_mismatch;
    out.payload = rest;
    return DecodeError::none;
}

}  // namespace fanfare::wire
