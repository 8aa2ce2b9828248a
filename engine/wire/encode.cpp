#include "engine/wire/octets.hpp"
#include "engine/wire/packet.hpp"

namespace fanfare::wire {
namespace {

constexpr std::uint16_t kAfiIpv4 = 1;
constexpr std::uint8_t kEnd = 0x80;

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

// Type and size of the option behind each OptionBit, in that order; size 0: not written.
struct OptionShape {
    OptionType type;
    std::uint8_t size;
};
constexpr OptionShape kShapes[] = {
    {OptionType::fragment, 16},   {OptionType::nak_list, 4},    {OptionType::join, 8},
    {OptionType::nak_bo_ivl, 12}, {OptionType::nak_bo_rng, 12}, {OptionType::nbr_unreach, 4},
    {OptionType::path_nla, 8},    {OptionType::redirect, 12},   {OptionType::parity_prm, 8},
    {OptionType::parity_grp, 8},  {OptionType::curr_tgsize, 8}, {OptionType::syn, 4},
    {OptionType::fin, 4},         {OptionType::rst, 4},         {OptionType::cr, 24},
    {OptionType::crqst, 4},       {OptionType::cc_data, 16},    {OptionType::cc_feedback, 16},
    {OptionType::invalid, 4},     {OptionType::packed, 4},
};
constexpr std::size_t kKinds = sizeof(kShapes) / sizeof(kShapes[0]);
static_assert(kKinds == static_cast<std::size_t>(OptionBit::unknown));

std::size_t option_size(const Options& options, std::size_t kind) {
    std::size_t size = kShapes[kind].size;
    if (kShapes[kind].type == OptionType::nak_list) size += 4u * options.nak_list.count;
    return size;
}

// All options with OPT_LENGTH; 0 when there are none to write.
std::size_t options_size(const Options& options) {
    std::size_t size = 0;
    for (std::size_t kind = 0; kind < kKinds; ++kind) {
        if (options.present & (1u << kind)) size += option_size(options, kind);
    }
    return size == 0 ? 0 : size + 4;
}

void put_address(std::byte* p, Address address) {
    put16(p, kAfiIpv4);
    put16(p + 2, 0);
    put32(p + 4, address.v4);
}

void put_option(const Options& o, OptionType type, std::byte* p) {
    switch (type) {
        case OptionType::fragment:
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
            put8(p + 3, static_cast<std::uint8_t>((o.rst.nak_unanswered ? 0x40 : 0) |
                                                  (o.rst.error & 0x3F)));
            break;
        case OptionType::cr:
            put8(p + 3, o.cr.what & 0x07);
            put32(p + 4, o.cr.sqn);
            put16(p + 8, o.cr.worst_link);
            put16(p + 10, o.cr.worst_path);
            put16(p + 12, o.cr.receiver_path);
            put16(p + 14, 0);
            put_address(p + 16, o.cr.receiver);
            break;
        case OptionType::crqst:
            put8(p + 3, o.crqst.what & 0x07);
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
        case OptionType::length:
        case OptionType::nbr_unreach:
        case OptionType::syn:
        case OptionType::fin:
        case OptionType::invalid:
        case OptionType::packed:
            break;
    }
}

std::byte* put_options(const Options& options, std::size_t total, std::byte* p) {
    put8(p, static_cast<std::uint8_t>(OptionType::length));
    put8(p + 1, 4);
    put16(p + 2, static_cast<std::uint16_t>(total));
    p += 4;
    std::byte* last = p;
    for (std::size_t kind = 0; kind < kKinds; ++kind) {
        if ((options.present & (1u << kind)) == 0) continue;
        const std::size_t size = option_size(options, kind);
        put8(p, static_cast<std::uint8_t>(kShapes[kind].type));
        put8(p + 1, static_cast<std::uint8_t>(size));
        put16(p + 2, 0);
        put_option(options, kShapes[kind].type, p);
        last = p;
        p += size;
    }
    put8(last, get8(last) | kEnd);
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
    if (packet.options.has(OptionBit::nak_list) &&
        (packet.options.nak_list.count == 0 || packet.options.nak_list.count > kNakListMax)) {
        return 0;
    }
    std::byte* p = room.data();
    put16(p, packet.source_port);
    put16(p + 2, packet.destination_port);
    put8(p + 4, static_cast<std::uint8_t>(packet.type));
    const auto present = static_cast<std::uint8_t>(options == 0 ? 0 : kOptPresent);
    put8(p + 5, static_cast<std::uint8_t>((packet.flags & ~kOptPresent) | present));
    put16(p + 6, 0);
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
