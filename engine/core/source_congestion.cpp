// What congestion control has to do with the rest of a source: whom it believes, and that a publish
// which it held back is called again.
#include "engine/core/source_parts.hpp"

namespace fanfare::engine {

void Source::Parts::hear_feedback(const wire::Packet& packet, Address ip_source, bool ack) {
    if (!packet.options.has(wire::OptionBit::cc_feedback)) {
        if (ack) ++statistics.rejected;
        return;
    }
    const auto& said = packet.options.cc_feedback;
    // Only a receiver itself speaks for it (draft section 5); a NAK that somebody else passed on
    // keeps its meaning as a NAK.
    if (said.acker != ip_source) {
        if (ack) ++statistics.rejected;
        return;
    }
    const PgmccSource::Feedback feedback{said.acker, said.timestamp_ms, said.loss};
    if (ack) ++statistics.acks_received;
    const bool opened = ack ? congestion->on_ack(feedback, packet.sqn, packet.ack_bitmap, now)
                            : congestion->on_nak(feedback, now);
    room_came = room_came || opened;
    congestion_changed();
}

void Source::Parts::tick_congestion() {
    if (congestion->next_deadline() > now) return;
    if (congestion->on_tick(now)) room_came = true;
    congestion_changed();
}

void Source::Parts::congestion_changed() {
    CongestionStatistics& c = statistics.congestion;
    c.window_millis = static_cast<std::uint64_t>(congestion->window() * 1000);
    c.tokens_millis = static_cast<std::int64_t>(congestion->tokens() * 1000);
    c.acker = congestion->acker();
    c.acker_loss = congestion->acker_loss();
    c.acker_round_trip_ns = congestion->acker_round_trip();
    c.acker_changes = congestion->acker_changes();
    c.halvings = congestion->halvings();
    c.timeouts = congestion->timeouts();
}

}  // namespace fanfare::engine
