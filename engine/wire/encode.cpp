#include <bit>

#include "engine/wire/octets.hpp"
#include "engine/wire/options.hpp"
#include "engine/wire/packet.hpp"

namespace fanfare::wire {
namespace {

std::size_t body_size(Type type) {
    switch (type) {
        case Type::spm:
        case Type::nak:
        case Type::nnak:
        case Type::ncf:
            return 20;
        case Type::poll:
            return 28;
        case Type::polr:
        case Type::odata:
        case Type::rdata:
        case Type::ack:
            return 8;
        case Type::spmr:
            return 0;
    }
    return 0;
}

constexpr std::uint32_t kKnownOptions = bit(OptionBit::unknown) - 1;

std::size_t option_size(const Options& options, std::size_t kind) {
    std::size_t size = kOptionShapes[kind].size;
    if (static_cast<OptionBit>(kind) == OptionBit::nak_list) size += 4u * options.nak_list.count;
    return size;
}

// All options with OPT_LENGTH; 0 when there are none to write.
std::size_t options_size(const Options& options) {
    std::size_t size = 0;
    for (std::uint32_t left = options.present & kKnownOptions; left != 0; left &= left - 1) {
        size += option_size(options, static_cast<std::size_t>(std::countr_zero(left)));
    }
    return size == 0 ? 0 : size + kOptionHeaderSize;
}

// What decode could yield: anything else is not written.
bool options_valid(const Packet& packet) {
    const Options& o = packet.options;
    if (static_cast<std::size_t>(std::popcount(o.present & kKnownOptions)) > kMaxOptions)
        return false;
    if (o.encoded != 0) {
        if ((packet.flags & kOptParity) == 0) return false;
        if (o.encoded & ~(o.present & kPayloadOptions)) return false;
    }
    if (o.has(OptionBit::nak_list) && (o.nak_list.count == 0 || o.nak_list.count > kNakListMax)) {
        return false;
    }
    if (o.has(OptionBit::fragment) && !o.is_encoded(OptionBit::fragment) &&
        o.fragment.offset > o.fragment.apdu_length) {
        return false;
    }
    return !(o.has(OptionBit::rst) && o.rst.error > 0x3F) &&
           !(o.has(OptionBit::cr) && o.cr.what > 0x07) &&
           !(o.has(OptionBit::crqst) && o.crqst.what > 0x07);
}

void put_address(std::byte* p, Address address) {
    put16(p, kAfiIpv4);
    put16(p + 2, 0);
    put32(p + 4, address.v4);
}

void put_option(const Options& o, OptionType type, std::byte* p) {
    switch (type) {
        case OptionType::fragment:
            if (o.is_encoded(OptionBit::fragment)) put8(p + 3, o.fragment.fourth);
            put32(p + 4, o.fragment.first_sqn);
            put32(p + 8, o.fragment.offset);
            put32(p + 12, o.fragment.apdu_length);
            break;
        case OptionType::nak_list:
            std::memcpy(p + 4, o.nak_list.sqns, 4u * o.nak_list.count);
            break;
        case OptionType::join:
            put32(p + 4, o.join.min_sqn);
            break;
        case OptionType::nak_bo_ivl:
            put32(p + 4, o.nak_bo_ivl.interval_us);
            put32(p + 8, o.nak_bo_ivl.sqn);
            break;
        case OptionType::nak_bo_rng:
            put32(p + 4, o.nak_bo_rng.max_us);
            put32(p + 8, o.nak_bo_rng.min_us);
            break;
        case OptionType::path_nla:
            put32(p + 4, o.path_nla.path.v4);
            break;
        case OptionType::redirect:
            put_address(p + 4, o.redirect.dlr);
            break;
        case OptionType::parity_prm:
            put8(p + 3, static_cast<std::uint8_t>((o.parity_prm.proactive ? 2 : 0) |
                                                  (o.parity_prm.ondemand ? 1 : 0)));
            put32(p + 4, o.parity_prm.group_size);
            break;
        case OptionType::parity_grp:
            put32(p + 4, o.parity_grp.group);
            break;
        case OptionType::curr_tgsize:
            put32(p + 4, o.curr_tgsize.actual_size);
            break;
        case OptionType::rst:
            put8(p + 3, static_cast<std::uint8_t>((o.rst.nak_unanswered ? 0x40 : 0) | o.rst.error));
            break;
        case OptionType::cr:
            put8(p + 3, o.cr.what);
            put32(p + 4, o.cr.sqn);
            put16(p + 8, o.cr.worst_link);
            put16(p + 10, o.cr.worst_path);
            put16(p + 12, o.cr.receiver_path);
            put16(p + 14, 0);
            put_address(p + 16, o.cr.receiver);
            break;
        case OptionType::crqst:
            put8(p + 3, o.crqst.what);
            break;
        case OptionType::cc_data:
            put32(p + 4, o.cc_data.timestamp_ms);
            put_address(p + 8, o.cc_data.acker);
            break;
        case OptionType::cc_feedback:
            put32(p + 4, o.cc_feedback.timestamp_ms);
            put16(p + 8, kAfiIpv4);
            put16(p + 10, o.cc_feedback.loss);
            put32(p + 12, o.cc_feedback.acker.v4);
            break;
        case OptionType::packed:
            if (o.is_encoded(OptionBit::packed)) put8(p + 3, o.packed.fourth);
            break;
        case OptionType::length:
        case OptionType::nbr_unreach:
        case OptionType::syn:
        case OptionType::fin:
        case OptionType::invalid:
            break;
    }
}

std::byte* put_options(const Options& options, std::size_t total, std::byte* p) {
    put8(p, static_cast<std::uint8_t>(OptionType::length));
    put8(p + 1, kOptionHeaderSize);
    put16(p + 2, static_cast<std::uint16_t>(total));
    p += kOptionHeaderSize;
    std::byte* last = p;
    const std::uint32_t known = options.present & kKnownOptions;
    for (std::uint32_t left :
         {known & kNetworkSignificantOptions, known & ~kNetworkSignificantOptions}) {
        for (; left != 0; left &= left - 1) {
            const auto kind = static_cast<std::size_t>(std::countr_zero(left));
            const std::size_t size = option_size(options, kind);
            put8(p, static_cast<std::uint8_t>(kOptionShapes[kind].type));
            put8(p + 1, static_cast<std::uint8_t>(size));
            put8(p + 2, options.is_encoded(static_cast<OptionBit>(kind)) ? kOptionEncoded : 0);
            put8(p + 3, 0);
            put_option(options, kOptionShapes[kind].type, p);
            last = p;
            p += size;
        }
    }
    put8(last, get8(last) | kOptionEnd);
    return p;
}

}  // namespace

std::size_t encoded_size(const Packet& packet) {
    return kHeaderSize + body_size(packet.type) + options_size(packet.options) +
           packet.payload.size();
}

std::size_t encode(const Packet& packet, std::span<std::byte> room, bool with_payload) {
    const std::size_t options = options_size(packet.options);
    const std::size_t head = kHeaderSize + body_size(packet.type) + options;
    const std::size_t needed = head + (with_payload ? packet.payload.size() : 0);
    if (room.size() < needed || packet.payload.size() > 0xFFFF) return 0;
    if (packet.options.present != 0 && !options_valid(packet)) return 0;
    std::byte* p = room.data();
    put16(p, packet.source_port);
    put16(p + 2, packet.destination_port);
    put8(p + 4, static_cast<std::uint8_t>(packet.type));
    const auto present = static_cast<std::uint8_t>(options == 0 ? 0 : kOptPresent);
    put8(p + 5, static_cast<std::uint8_t>((packet.flags & ~kOptPresent) | present));
    put16(p + kChecksumAt, 0);
    std::memcpy(p + 8, packet.gsi.octets.data(), 6);
    put16(p + 14, static_cast<std::uint16_t>(packet.payload.size()));
    std::byte* b = p + kHeaderSize;
    switch (packet.type) {
        case Type::odata:
        case Type::rdata:
            put32(b, packet.sqn);
            put32(b + 4, packet.trail);
            break;
        case Type::spm:
            put32(b, packet.sqn);
            put32(b + 4, packet.trail);
            put32(b + 8, packet.lead);
            put_address(b + 12, packet.path);
            break;
        case Type::nak:
        case Type::nnak:
        case Type::ncf:
            put32(b, packet.sqn);
            put_address(b + 4, packet.source);
            put_address(b + 12, packet.group);
            break;
        case Type::poll:
            put32(b, packet.sqn);
            put16(b + 4, packet.poll.round);
            put16(b + 6, packet.poll.subtype);
            put_address(b + 8, packet.path);
            put32(b + 16, packet.poll.backoff_us);
            put32(b + 20, packet.poll.random);
            put32(b + 24, packet.poll.mask);
            break;
        case Type::polr:
            put32(b, packet.sqn);
            put16(b + 4, packet.poll.round);
            put16(b + 6, 0);
            break;
        case Type::ack:
            put32(b, packet.sqn);
            put32(b + 4, packet.ack_bitmap);
            break;
        case Type::spmr:
            break;
    }
    b += body_size(packet.type);
    if (options != 0) b = put_options(packet.options, options, b);
    if (with_payload && !packet.payload.empty())
        std::memcpy(b, packet.payload.data(), packet.payload.size());
    return needed;
}

}  // namespace fanfare::wire
