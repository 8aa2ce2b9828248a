// Congestion control of a source (PGMCC, draft-ietf-rmt-bb-pgmcc-03): a window of packets that one
// receiver, the acker, opens and closes as a TCP receiver would, and the choice of the acker, the
// receiver with the least expected throughput. Repairs are not its business.
//
// The draft's token count T follows from what is in flight: T = W - packets in flight. Kept so, a
// packet that is lost, or whose acknowledgements all are, gives its token back as soon as that is
// known; the draft's own sums would leak it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "engine/core/profile.hpp"
#include "engine/core/round_trip.hpp"
#include "engine/types.hpp"

namespace fanfare::engine {

// The square of 1/throughput that a TCP connection with this round trip (in any fixed unit) and
// loss (0 to 1) would have, constants left out (draft 2.4). The larger, the slower.
double congestion_cost(double round_trip, double loss);

class PgmccSource {
  public:
    PgmccSource(const CongestionParameters& parameters, std::uint32_t window_packets);

    bool allows() const { return tokens() >= 1; }
    // The packet `sqn`, the one behind the last, left. It named acker() and timestamp_ms(now).
    void data_sent(Sqn sqn, Nanos now);
    Address acker() const { return acker_; }
    static std::uint32_t timestamp_ms(Nanos now) {
        return static_cast<std::uint32_t>(now / kMillisecond);
    }

    // What an ACK or NAK says in OPT_CC_FEEDBACK. `loss` is of 65,536.
    struct Feedback {
        Address receiver;
        std::uint32_t timestamp_ms = 0;  // echoed, with the feedback's delay added
        std::uint16_t loss = 0;
    };
    // Both return whether allows() came to hold. Feedback for what was never sent changes nothing.
    bool on_nak(const Feedback& feedback, Nanos now);
    bool on_ack(const Feedback& feedback, Sqn highest, std::uint32_t bitmap, Nanos now);

    // The stall timer (draft 2.7). Returns whether allows() came to hold.
    bool on_tick(Nanos now);
    Nanos next_deadline() const { return stalled_at_; }

    double window() const { return window_; }
    double tokens() const { return window_ - in_flight_; }
    std::uint16_t acker_loss() const { return acker_loss_; }
    Nanos acker_round_trip() const { return std::max<Nanos>(round_trip_.mean(), 0); }
    std::uint64_t acker_changes() const { return acker_changes_; }
    std::uint64_t timeouts() const { return timeouts_; }
    std::uint64_t halvings() const { return halvings_; }

  private:
    static constexpr unsigned kBitmapBits = 32;

    void elect(const Feedback& feedback, double cost);
    void judge(const Feedback& feedback, double round_trip_ms, Nanos now);
    std::uint32_t settle(Sqn highest, std::uint32_t bitmap);
    std::uint32_t lost_now();
    void open(std::uint32_t acknowledged, bool used);
    void arm(Nanos now);
    Nanos sent_at(Sqn sqn) const { return sent_at_[sqn & (sent_at_.size() - 1)]; }

    CongestionParameters parameters_;
    double most_;           // packets of the window
    double window_ = 1;     // W
    double in_flight_ = 0;  // whole packets
    std::vector<Nanos> sent_at_;

    bool sent_any_ = false;
    Sqn first_ = 0, last_ = 0;  // sent
    // Which of the 32 packets up to `reported_` need no more acknowledgement: it came, or they
    // count as lost. Bit 0 is `reported_` itself; packets before these are all settled.
    Sqn reported_ = 0;
    std::uint32_t settled_ = 0, received_ = 0;
    Sqn filled_to_ = 0;        // the last packet that filled the window
    bool recovering_ = false;  // the window rests until what was sent after the halving is reported
    Sqn recovered_from_ = 0;

    Address acker_, former_acker_;
    Sqn acker_since_ = 0;  // first packet that names it
    double acker_cost_ = 0;
    std::uint16_t acker_loss_ = 0;
    RoundTrip round_trip_;
    std::uint32_t retries_ = 0;  // timeouts in a row
    Nanos stalled_at_ = kNever;
    std::uint64_t acker_changes_ = 0, timeouts_ = 0, halvings_ = 0;
};

}  // namespace fanfare::engine
