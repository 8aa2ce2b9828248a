// Random but valid packets of every type, with any set of options.
#pragma once

#include <memory>
#include <random>
#include <vector>

#include "engine/wire/packet.hpp"

namespace fanfare::test {

inline constexpr wire::Type kTypes[] = {
    wire::Type::spm, wire::Type::poll, wire::Type::polr, wire::Type::odata, wire::Type::rdata,
    wire::Type::nak, wire::Type::nnak, wire::Type::ncf,  wire::Type::spmr,  wire::Type::ack};

struct BuiltPacket {
    wire::Packet packet;
    std::shared_ptr<std::vector<std::byte>> payload, list;
};

inline BuiltPacket random_packet(wire::Type type, std::uint32_t present, std::mt19937_64& random) {
    using wire::Type;
    const auto r32 = [&] { return static_cast<std::uint32_t>(random()); };
    const auto r16 = [&] { return static_cast<std::uint16_t>(random()); };
    BuiltPacket built;
    wire::Packet& p = built.packet;
    p.type = type;
    // The two low bits follow from the options; half of the data packets are parity.
    p.flags = wire::option_flags(type, present);
    const bool data = type == Type::odata || type == Type::rdata;
    const bool parity = data && (random() & 1) != 0;
    if (parity) p.flags |= wire::kOptParity | (random() & 1 ? wire::kOptVarPktLen : 0);
    p.source_port = r16();
    p.destination_port = r16();
    for (auto& octet : p.gsi.octets) octet = static_cast<std::uint8_t>(random());
    if (type != Type::spmr) p.sqn = r32();
    if (type == Type::spm || type == Type::odata || type == Type::rdata) p.trail = r32();
    if (type == Type::spm) p.lead = r32();
    if (type == Type::spm || type == Type::poll) p.path.v4 = r32();
    if (type == Type::nak || type == Type::nnak || type == Type::ncf) {
        p.source.v4 = r32();
        p.group.v4 = r32();
    }
    if (type == Type::poll) p.poll = {r16(), r16(), r32(), r32(), r32()};
    if (type == Type::polr) p.poll = {r16(), 0, 0, 0, 0};
    if (type == Type::ack) p.ack_bitmap = r32();
    auto& o = p.options;
    o.present = present;
    const std::uint32_t apdu = r32();
    if (parity) o.encoded = present & wire::kPayloadOptions & r32();
    o.fragment = {r32(), apdu == 0 ? 0 : r32() % apdu, apdu, 0};
    o.fragment.fourth = static_cast<std::uint8_t>(random());
    o.packed.fourth = static_cast<std::uint8_t>(random());
    if (o.is_encoded(wire::OptionBit::fragment)) o.fragment.offset = r32();
    built.list = std::make_shared<std::vector<std::byte>>(4 * (1 + random() % wire::kNakListMax));
    for (auto& octet : *built.list) octet = static_cast<std::byte>(random());
    o.nak_list = {built.list->data(), static_cast<std::uint8_t>(built.list->size() / 4)};
    o.join = {r32()};
    o.nak_bo_ivl = {r32(), r32()};
    o.nak_bo_rng = {r32(), r32()};
    o.path_nla = {Address{r32()}};
    o.redirect = {Address{r32()}};
    o.parity_prm = {(random() & 1) != 0, (random() & 1) != 0, r32()};
    o.parity_grp = {r32()};
    o.curr_tgsize = {r32()};
    o.rst = {(random() & 1) != 0, static_cast<std::uint8_t>(random() & 0x3F)};
    o.cr = {static_cast<std::uint8_t>(random() & 7), r32(), r16(), r16(), r16(), Address{r32()}};
    o.crqst = {static_cast<std::uint8_t>(random() & 7)};
    o.cc_data = {r32(), Address{r32()}};
    o.cc_feedback = {r32(), r16(), Address{r32()}};
    built.payload = std::make_shared<std::vector<std::byte>>();
    if (data) built.payload->resize(random() % 1400);
    for (auto& octet : *built.payload) octet = static_cast<std::byte>(random());
    p.payload = *built.payload;
    p.tsdu_length = static_cast<std::uint16_t>(built.payload->size());
    return built;
}

}  // namespace fanfare::test
