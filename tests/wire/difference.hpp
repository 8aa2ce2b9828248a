// Names the first field in which two packets differ, "" when they are the same. Only fields that
// the type and the present options have are compared; the checksum is not, since encode leaves it
// open.
#pragma once

#include <algorithm>
#include <string_view>

#include "engine/wire/packet.hpp"

namespace fanfare::test {

inline std::string_view option_difference(const wire::Packet& a, const wire::Packet& b) {
    using wire::OptionBit;
    const auto& x = a.options;
    const auto& y = b.options;
    if (x.present != y.present) return "options present";
    if (x.encoded != y.encoded) return "options encoded";
    const auto same = [&](OptionBit option, auto equal) { return !x.has(option) || equal(); };
    if (!same(OptionBit::fragment, [&] {
            return x.fragment.first_sqn == y.fragment.first_sqn &&
                   x.fragment.offset == y.fragment.offset &&
                   x.fragment.apdu_length == y.fragment.apdu_length &&
                   (!x.is_encoded(OptionBit::fragment) || x.fragment.fourth == y.fragment.fourth);
        })) {
        return "fragment";
    }
    if (!same(OptionBit::nak_list, [&] {
            if (x.nak_list.count != y.nak_list.count) return false;
            for (std::size_t i = 0; i < x.nak_list.count; ++i) {
                if (wire::nak_list_at(x, i) != wire::nak_list_at(y, i)) return false;
            }
            return true;
        })) {
        return "nak_list";
    }
    if (!same(OptionBit::join, [&] { return x.join.min_sqn == y.join.min_sqn; })) return "join";
    if (!same(OptionBit::nak_bo_ivl, [&] {
            return x.nak_bo_ivl.interval_us == y.nak_bo_ivl.interval_us &&
                   x.nak_bo_ivl.sqn == y.nak_bo_ivl.sqn;
        })) {
        return "nak_bo_ivl";
    }
    if (!same(OptionBit::nak_bo_rng, [&] {
            return x.nak_bo_rng.max_us == y.nak_bo_rng.max_us &&
                   x.nak_bo_rng.min_us == y.nak_bo_rng.min_us;
        })) {
        return "nak_bo_rng";
    }
    if (!same(OptionBit::path_nla, [&] { return x.path_nla.path == y.path_nla.path; }))
        return "path_nla";
    if (!same(OptionBit::redirect, [&] { return x.redirect.dlr == y.redirect.dlr; }))
        return "redirect";
    if (!same(OptionBit::parity_prm, [&] {
            return x.parity_prm.proactive == y.parity_prm.proactive &&
                   x.parity_prm.ondemand == y.parity_prm.ondemand &&
                   x.parity_prm.group_size == y.parity_prm.group_size;
        })) {
        return "parity_prm";
    }
    if (!same(OptionBit::parity_grp, [&] { return x.parity_grp.group == y.parity_grp.group; }))
        return "parity_grp";
    if (!same(OptionBit::curr_tgsize,
              [&] { return x.curr_tgsize.actual_size == y.curr_tgsize.actual_size; })) {
        return "curr_tgsize";
    }
    if (!same(OptionBit::rst, [&] {
            return x.rst.nak_unanswered == y.rst.nak_unanswered && x.rst.error == y.rst.error;
        })) {
        return "rst";
    }
    if (!same(OptionBit::cr, [&] {
            return x.cr.what == y.cr.what && x.cr.sqn == y.cr.sqn &&
                   x.cr.worst_link == y.cr.worst_link && x.cr.worst_path == y.cr.worst_path &&
                   x.cr.receiver_path == y.cr.receiver_path && x.cr.receiver == y.cr.receiver;
        })) {
        return "cr";
    }
    if (!same(OptionBit::crqst, [&] { return x.crqst.what == y.crqst.what; })) return "crqst";
    if (!same(OptionBit::cc_data, [&] {
            return x.cc_data.timestamp_ms == y.cc_data.timestamp_ms &&
                   x.cc_data.acker == y.cc_data.acker;
        })) {
        return "cc_data";
    }
    if (!same(OptionBit::cc_feedback, [&] {
            return x.cc_feedback.timestamp_ms == y.cc_feedback.timestamp_ms &&
                   x.cc_feedback.loss == y.cc_feedback.loss &&
                   x.cc_feedback.acker == y.cc_feedback.acker;
        })) {
        return "cc_feedback";
    }
    if (!same(OptionBit::packed, [&] {
            return !x.is_encoded(OptionBit::packed) || x.packed.fourth == y.packed.fourth;
        })) {
        return "packed";
    }
    return "";
}

inline std::string_view difference(const wire::Packet& a, const wire::Packet& b) {
    using wire::Type;
    if (a.type != b.type) return "type";
    if (a.flags != b.flags) return "flags";
    if (a.source_port != b.source_port) return "source_port";
    if (a.destination_port != b.destination_port) return "destination_port";
    if (a.gsi != b.gsi) return "gsi";
    if (a.tsdu_length != b.tsdu_length) return "tsdu_length";
    if (a.type != Type::spmr && a.sqn != b.sqn) return "sqn";
    switch (a.type) {
        case Type::spm:
            if (a.lead != b.lead) return "lead";
            if (a.path != b.path) return "path";
            [[fallthrough]];
        case Type::odata:
        case Type::rdata:
            if (a.trail != b.trail) return "trail";
            break;
        case Type::nak:
        case Type::nnak:
        case Type::ncf:
            if (a.source != b.source) return "source";
            if (a.group != b.group) return "group";
            break;
        case Type::poll:
            if (a.path != b.path) return "path";
            if (a.poll.subtype != b.poll.subtype) return "poll.subtype";
            if (a.poll.backoff_us != b.poll.backoff_us) return "poll.backoff_us";
            if (a.poll.random != b.poll.random) return "poll.random";
            if (a.poll.mask != b.poll.mask) return "poll.mask";
            [[fallthrough]];
        case Type::polr:
            if (a.poll.round != b.poll.round) return "poll.round";
            break;
        case Type::ack:
            if (a.ack_bitmap != b.ack_bitmap) return "ack_bitmap";
            break;
        case Type::spmr:
            break;
    }
    if (const auto option = option_difference(a, b); !option.empty()) return option;
    if (!std::equal(a.payload.begin(), a.payload.end(), b.payload.begin(), b.payload.end()))
        return "payload";
    return "";
}

}  // namespace fanfare::test
