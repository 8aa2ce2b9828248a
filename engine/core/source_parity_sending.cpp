// How parity leaves: pro-active packets ahead of new data, parity NCFs, parity on demand in place
// of repairs, and the numbers that a short group leaves out.
#include "engine/core/source_parts.hpp"

namespace fanfare::engine {

bool Source::Parts::send_parity(Output& out) {
    parity_at = kNever;
    while (parity->owed()) {
        TxFrame* const frame = out.next();
        if (frame == nullptr) {
            stalled = true;
            return false;
        }
        SourcePackets::ParityContents contents = parity->proactive();
        contents.trail = trail();
        const std::uint64_t group = parity->group_of(window.next() - 1);
        contents.syn = syn_on_first && group == window.first();
        contents.fin = !closing.open();
        const std::uint32_t datagram =
            packets.datagram_size(FrameKind::odata, packets.parity_size(contents));
        if (!limiter.allows(datagram, now)) {
            parity_at = limiter.allowed_at(datagram, now);
            return false;
        }
        if (!packets.write_parity(contents, *frame)) {
            stalled = true;
            return false;
        }
        parity->proactive_sent();
        charge(*frame, FrameKind::odata);
        share.data_sent(datagram);
        count_data(*frame);
        ++statistics.odata_packets_sent;
        ++statistics.parity_sent;
        out.commit();
    }
    return true;
}

bool Source::Parts::send_parity_confirms(Output& out) {
    ParityRepairs& repairs = parity->repairs();
    while (repairs.must_confirm() && may_confirm()) {
        TxFrame* const frame = out.next();
        if (frame == nullptr) {
            stalled = true;
            return false;
        }
        ParityRepairs::Confirmation sqns;
        const std::size_t count = repairs.confirm(window, now, sqns);
        if (count == 0) break;
        if (!packets.write_ncf({sqns.data(), count}, *frame, true, service.tuning().advertised())) {
            stalled = true;
            return false;
        }
        charge_confirm(*frame);
        ++statistics.ncf_sent;
        out.commit();
    }
    return true;
}

bool Source::Parts::send_parity_repair(std::uint64_t group, TxFrame& frame, Output& out,
                                       bool data_behind) {
    // Computing costs a pass over the group: tokens are asked for first, for the largest packet.
    const std::uint32_t most = packets.largest_datagram();
    if (!limiter.allows(most, now)) {
        repair_at = limiter.allowed_at(most, now);
        return false;
    }
    auto contents = parity->compute(group, window);
    if (!contents) {
        start_abort(0, ResetCause::sender_changed_sent_data);
        return false;
    }
    contents->trail = trail();
    contents->syn = syn_on_first && group == window.first();
    contents->fin = !closing.open() && group == parity->group_of(window.next() - 1);
    if (!packets.write_parity(*contents, frame)) {
        stalled = true;
        return false;
    }
    if (!parity->repairs().sent(group, now)) service.parity_served(group);
    statistics.naks_outstanding = service.pending().count();
    charge(frame, FrameKind::rdata);
    if (data_behind) share.repair_sent(packets.datagram_size(FrameKind::rdata, frame.length));
    count_data(frame);
    ++statistics.rdata_packets_sent;
    ++statistics.parity_repairs_sent;
    out.commit();
    settle_trail();
    return true;
}

Source::Parts::Sent Source::Parts::skip_unused(const Output& out) {
    if (out.room() == 0) return Sent::no_frame;
    const std::uint32_t most = packets.largest_datagram();
    if (!limiter.allows(most, now)) {
        publish_at = limiter.allowed_at(most, now);
        return Sent::no_tokens;
    }
    const std::uint32_t unused = parity->unused(window.next());
    const auto room = [&] { return window.capacity() - window.size() > unused; };
    if (advance.by_time() && !room()) return Sent::no_window;
    while (!room()) drop_oldest();
    const std::uint64_t last = window.next() - 1;
    for (std::uint32_t i = 1; i <= unused; ++i) {
        SendEntry& entry = window.open();
        entry = SendEntry{};
        entry.release_position = window.at(last).release_position;
        entry.sent_at = now;
        entry.ncf_at = entry.rdata_at = SendWindow::kLongAgo;
        entry.message_offset = i;
        entry.unused = true;
        window.commit();
    }
    return Sent::yes;
}

void Source::Parts::shorten_group() {
    parity->shorten(window, service);
    ++statistics.groups_shortened;
}

bool Source::Parts::end_group(Output& out) {
    shorten_group();
    if (!parity->owed()) return true;
    schedule.data_sent(now);
    send_parity(out);
    return false;
}

}  // namespace fanfare::engine
