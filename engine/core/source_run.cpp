// A run of whole messages, containers or pieces of a stream with nothing else to do between them:
// what a source sends nearly always. Each packet costs its header, its copy and its entry;
// counters, timers and rates move once at the end.
#include "engine/core/source_parts.hpp"

namespace fanfare::engine {

std::size_t Source::Parts::send_run(std::span<const Publish> items, Output& out) {
    // The first packet bears OPT_SYN, and OPT_JOIN stands on what may still be joined.
    if (parity || congestion || window.next() == window.first() || join(1) ||
        !service.pending().empty())
        return 0;
    const bool by_time = advance.by_time();
    const std::uint32_t overhead = packets.datagram_size(FrameKind::odata, 0);
    Sqn trail_sent = trail();
    std::uint64_t data_bytes = 0, packet_bytes = 0, datagram_bytes = 0;
    std::size_t count = 0;
    for (; count < items.size(); ++count) {
        const Publish& item = items[count];
        if (item.fragment || item.length > tsdu ||
            (by_time &&
             (window.full() || window.bytes() + item.length > parameters.window_bytes))) {
            break;
        }
        TxFrame* const frame = out.next();
        const std::uint32_t packet = SourcePackets::plain_header(item.packed) + item.length;
        if (frame == nullptr || !limiter.allows(packet + overhead, now)) break;
        if (window.full()) drop_oldest();
        const auto sqn = static_cast<Sqn>(window.next());
        trail_sent = trail();
        SendEntry& entry = window.open();
        if (!packets.write_plain(sqn, trail_sent, item.data, item.length, item.packed, *frame,
                                 entry.sum)) {
            break;
        }
        entry.data = item.data;
        entry.release_position = item.release_position;
        entry.sent_at = now;
        entry.ncf_at = entry.rdata_at = SendWindow::kLongAgo;
        entry.message_first = sqn;
        entry.message_offset = 0;
        entry.message_length = item.message_length;
        entry.length = item.length;
        entry.fragment = false;
        entry.packed = item.packed;
        entry.group_size = 0;
        entry.requester = 0;
        entry.repairs = 0;
        entry.unused = false;
        window.commit();
        out.commit();
        limiter.charge(packet + overhead, now);
        data_bytes += item.length;
        packet_bytes += packet;
        datagram_bytes += packet + overhead;
        while (advance.over(window)) drop_oldest();
    }
    if (count == 0) return 0;
    message_first = lead();
    advance.data_sent(now);
    last_data_at = now;
    share.data_sent(datagram_bytes);
    schedule.data_sent(now);
    meter.add(packet_bytes, now);
    announced = trail() == trail_sent;
    statistics.total_bytes_sent += packet_bytes;
    statistics.data_bytes_sent += data_bytes;
    statistics.odata_packets_sent += count;
    return count;
}

}  // namespace fanfare::engine
