// A receiver's part of congestion control (PGMCC, draft-ietf-rmt-bb-pgmcc-03; formats of interop.md
// 5.6): how much of the session gets lost on the way here, which of the last packets came, and when
// an ACK must go. Only original data counts: a repair must not hide that the path lost a packet.
#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/core/output.hpp"
#include "engine/core/profile.hpp"
#include "engine/core/random.hpp"
#include "engine/core/receiver.hpp"
#include "engine/types.hpp"

namespace fanfare::engine {

class PgmccReceiver {
  public:
    // `nla`: this host's address, by which sources name it; none: it can't be an acker and gives
    // no feedback. An election is answered within [0, `election_backoff_ns`].
    void start(Address nla, Nanos election_backoff_ns);

    // New, intact ODATA that carried OPT_CC_DATA.
    void on_data(Sqn sqn, std::uint32_t timestamp_ms, Address acker, Nanos now, Random& random);
    // The session has congestion control, and this host a name: NAKs carry feedback.
    bool active() const { return active_; }

    // When the next ACK shall go; kNever if none.
    Nanos next_deadline() const { return ack_at_; }
    void acked() { ack_at_ = kNever; }

    // What an ACK or NAK written now tells (OPT_CC_FEEDBACK). Requires active().
    void describe(Nanos now, wire::Options& options) const;
    Sqn highest() const { return highest_; }
    std::uint32_t bitmap() const { return bitmap_; }  // bit 0: highest()
    double loss() const { return loss_; }             // 0 to 1

  private:
    Address nla_;
    Nanos election_backoff_ns_ = 0;
    bool active_ = false;
    Sqn highest_ = 0;
    std::uint32_t bitmap_ = 0;
    double loss_ = 0;
    std::uint32_t timestamp_ms_ = 0;
    Nanos heard_at_ = 0;
    bool electing_ = false;
    Nanos ack_at_ = kNever;
};

// The ACK that `state` owes, to the path address of the session. False when the frame is too small.
bool write_ack(const ReceiverIdentity& identity, const ReceiverParameters& parameters, Address path,
               const PgmccReceiver& state, Nanos now, const checksum::Kernels& kernels,
               TxFrame& frame);

}  // namespace fanfare::engine
