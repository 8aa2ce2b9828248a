#include "engine/core/pgmcc_receiver.hpp"

#include <cmath>

#include "engine/core/nak_builder.hpp"
#include "engine/core/packet_writer.hpp"

namespace fanfare::engine {

namespace {

// Weight of a packet in the loss filter (draft 2.6): some 130 packets are remembered.
constexpr double kLossWeight = 500.0 / 65536;

}  // namespace

void PgmccReceiver::start(Address nla, Nanos election_backoff_ns) {
    *this = {};
    nla_ = nla;
    election_backoff_ns_ = election_backoff_ns;
}

void PgmccReceiver::on_data(Sqn sqn, std::uint32_t timestamp_ms, Address acker, Nanos now,
                            Random& random) {
    if (nla_.is_none()) return;
    const std::int32_t ahead = active_ ? sqn_distance(highest_, sqn) : 1;
    active_ = true;
    if (ahead <= 0) {
        // Late, so not lost: the report says so. The filter keeps what it counted; reordering is
        // rare, and the draft compares receivers by it, no more.
        if (ahead > -32) bitmap_ |= 1u << -ahead;
        if (acker == nla_) ack_at_ = now;
        return;
    }
    // p after k losses is 1 - (1 - p)(1 - w)^k; then one packet that came.
    loss_ = 1 - (1 - loss_) * std::pow(1 - kLossWeight, ahead - 1);
    loss_ -= loss_ * kLossWeight;
    bitmap_ = (ahead >= 32 ? 0 : bitmap_ << ahead) | 1;
    highest_ = sqn;
    timestamp_ms_ = timestamp_ms;
    heard_at_ = now;
    if (acker == nla_) {
        electing_ = false;
        ack_at_ = now;
    } else if (acker.is_none()) {
        // One answer an election: every packet until it is decided asks again.
        if (!electing_ || ack_at_ == kNever) {
            electing_ = true;
            ack_at_ = now + random.between(0, election_backoff_ns_);
        }
    } else if (electing_) {
        electing_ = false;
        ack_at_ = kNever;
    }
}

void PgmccReceiver::describe(Nanos now, wire::Options& options) const {
    options.set(wire::OptionBit::cc_feedback);
    const Nanos waited = std::max<Nanos>(now - heard_at_, 0);
    options.cc_feedback.timestamp_ms =
        timestamp_ms_ + static_cast<std::uint32_t>((waited + kMillisecond / 2) / kMillisecond);
    options.cc_feedback.loss = static_cast<std::uint16_t>(std::min(loss_ * 65536, 65535.0));
    options.cc_feedback.acker = nla_;
}

bool write_ack(const ReceiverIdentity& identity, const ReceiverParameters& parameters, Address path,
               const PgmccReceiver& state, Nanos now, const checksum::Kernels& kernels,
               TxFrame& frame) {
    wire::Packet packet = towards_source(identity, wire::Type::ack);
    packet.sqn = state.highest();
    packet.ack_bitmap = state.bitmap();
    state.describe(now, packet.options);
    packet.flags = wire::option_flags(packet.type, packet.options.present);
    return write_control_packet(packet, FrameKind::ack, path, parameters.ttl, false, kernels,
                                frame);
}

}  // namespace fanfare::engine
