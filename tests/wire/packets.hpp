// Random but valid packets, and field-by-field comparison.
#pragma once

#include <gtest/gtest.h>

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
    p.flags = static_cast<std::uint8_t>(present ? wire::kOptPresent : 0);
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
    o.fragment = {r32(), apdu == 0 ? 0 : r32() % apdu, apdu};
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
    if (type == Type::odata || type == Type::rdata) built.payload->resize(random() % 1400);
    for (auto& octet : *built.payload) octet = static_cast<std::byte>(random());
    p.payload = *built.payload;
    p.tsdu_length = static_cast<std::uint16_t>(built.payload->size());
    return built;
}

inline void expect_equal(const wire::Packet& a, const wire::Packet& b) {
    using wire::OptionBit;
    EXPECT_EQ(a.type, b.type);
    EXPECT_EQ(a.flags, b.flags);
    EXPECT_EQ(a.source_port, b.source_port);
    EXPECT_EQ(a.destination_port, b.destination_port);
    EXPECT_EQ(a.gsi, b.gsi);
    EXPECT_EQ(a.tsdu_length, b.tsdu_length);
    EXPECT_EQ(a.sqn, b.sqn);
    EXPECT_EQ(a.trail, b.trail);
    EXPECT_EQ(a.lead, b.lead);
    EXPECT_EQ(a.path, b.path);
    EXPECT_EQ(a.source, b.source);
    EXPECT_EQ(a.group, b.group);
    EXPECT_EQ(a.poll.round, b.poll.round);
    EXPECT_EQ(a.poll.subtype, b.poll.subtype);
    EXPECT_EQ(a.poll.backoff_us, b.poll.backoff_us);
    EXPECT_EQ(a.poll.random, b.poll.random);
    EXPECT_EQ(a.poll.mask, b.poll.mask);
    EXPECT_EQ(a.ack_bitmap, b.ack_bitmap);
    const auto& x = a.options;
    const auto& y = b.options;
    ASSERT_EQ(x.present, y.present);
    if (x.has(OptionBit::fragment)) {
        EXPECT_EQ(x.fragment.first_sqn, y.fragment.first_sqn);
        EXPECT_EQ(x.fragment.offset, y.fragment.offset);
        EXPECT_EQ(x.fragment.apdu_length, y.fragment.apdu_length);
    }
    if (x.has(OptionBit::nak_list)) {
        ASSERT_EQ(x.nak_list.count, y.nak_list.count);
        for (std::size_t i = 0; i < x.nak_list.count; ++i)
            EXPECT_EQ(nak_list_at(x, i), nak_list_at(y, i));
    }
    if (x.has(OptionBit::join)) EXPECT_EQ(x.join.min_sqn, y.join.min_sqn);
    if (x.has(OptionBit::nak_bo_ivl)) {
        EXPECT_EQ(x.nak_bo_ivl.interval_us, y.nak_bo_ivl.interval_us);
        EXPECT_EQ(x.nak_bo_ivl.sqn, y.nak_bo_ivl.sqn);
    }
    if (x.has(OptionBit::nak_bo_rng)) {
        EXPECT_EQ(x.nak_bo_rng.max_us, y.nak_bo_rng.max_us);
        EXPECT_EQ(x.nak_bo_rng.min_us, y.nak_bo_rng.min_us);
    }
    if (x.has(OptionBit::path_nla)) EXPECT_EQ(x.path_nla.path, y.path_nla.path);
    if (x.has(OptionBit::redirect)) EXPECT_EQ(x.redirect.dlr, y.redirect.dlr);
    if (x.has(OptionBit::parity_prm)) {
        EXPECT_EQ(x.parity_prm.proactive, y.parity_prm.proactive);
        EXPECT_EQ(x.parity_prm.ondemand, y.parity_prm.ondemand);
        EXPECT_EQ(x.parity_prm.group_size, y.parity_prm.group_size);
    }
    if (x.has(OptionBit::parity_grp)) EXPECT_EQ(x.parity_grp.group, y.parity_grp.group);
    if (x.has(OptionBit::curr_tgsize))
        EXPECT_EQ(x.curr_tgsize.actual_size, y.curr_tgsize.actual_size);
    if (x.has(OptionBit::rst)) {
        EXPECT_EQ(x.rst.nak_unanswered, y.rst.nak_unanswered);
        EXPECT_EQ(x.rst.error, y.rst.error);
    }
    if (x.has(OptionBit::cr)) {
        EXPECT_EQ(x.cr.what, y.cr.what);
        EXPECT_EQ(x.cr.sqn, y.cr.sqn);
        EXPECT_EQ(x.cr.worst_link, y.cr.worst_link);
        EXPECT_EQ(x.cr.worst_path, y.cr.worst_path);
        EXPECT_EQ(x.cr.receiver_path, y.cr.receiver_path);
        EXPECT_EQ(x.cr.receiver, y.cr.receiver);
    }
    if (x.has(OptionBit::crqst)) EXPECT_EQ(x.crqst.what, y.crqst.what);
    if (x.has(OptionBit::cc_data)) {
        EXPECT_EQ(x.cc_data.timestamp_ms, y.cc_data.timestamp_ms);
        EXPECT_EQ(x.cc_data.acker, y.cc_data.acker);
    }
    if (x.has(OptionBit::cc_feedback)) {
        EXPECT_EQ(x.cc_feedback.timestamp_ms, y.cc_feedback.timestamp_ms);
        EXPECT_EQ(x.cc_feedback.loss, y.cc_feedback.loss);
        EXPECT_EQ(x.cc_feedback.acker, y.cc_feedback.acker);
    }
    ASSERT_EQ(a.payload.size(), b.payload.size());
    EXPECT_TRUE(std::equal(a.payload.begin(), a.payload.end(), b.payload.begin()));
}

}  // namespace fanfare::test
