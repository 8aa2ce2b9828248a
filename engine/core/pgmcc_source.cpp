#include "engine/core/pgmcc_source.hpp"

#include <bit>

namespace fanfare::engine {

namespace {

// SSTHRESH, the draft's own example (2.2): an estimate would need the state of many receivers.
constexpr double kSlowStartEnd = 4;
// C of the draft (2.3): how much slower than the acker another receiver must be to take its place.
constexpr double kHysteresis = 0.75;
// Acknowledged packets behind one that is not, until it counts as lost (2.2).
constexpr int kPacketsBehindLoss = 3;
// Timeouts in a row until another acker is sought (2.7).
constexpr std::uint32_t kTimeoutsPerAcker = 2;
// The wire's clock ticks once a millisecond and feedback rounds twice: below this round trips of
// different receivers can't be told apart, and loss alone decides.
constexpr double kLeastRoundTripMs = 2;
// Times of packets that were sent: more than any window in flight has use for; an older packet
// gives no round trip.
constexpr std::uint32_t kTimesKept = 4096;
// What lies further back is taken to lie there: of two numbers further apart than half of all, the
// earlier one would look like the later. Far more than any window.
constexpr Sqn kPast = 1u << 30;
// Stall timers never run faster: a receiver's worker may sleep a few milliseconds.
constexpr Nanos kLeastTimeout = 10 * kMillisecond;

}  // namespace

double congestion_cost(double round_trip, double loss) {
    const double shape = 1 + 9 * loss * (1 + 32 * loss * loss);
    return round_trip * round_trip * loss * shape * shape;
}

PgmccSource::PgmccSource(const CongestionParameters& parameters, std::uint32_t window_packets)
    : parameters_(parameters),
      most_(std::max(window_packets, 1u)),
      sent_at_(std::min(std::bit_ceil(std::max(window_packets, 1u)), kTimesKept)),
      round_trip_({parameters.ack_timeout_ns, std::min(kLeastTimeout, parameters.ack_timeout_ns),
                   parameters.ack_timeout_ns, true}) {}

void PgmccSource::arm(Nanos now) {
    stalled_at_ = in_flight_ > 0 ? now + round_trip_.timeout(retries_) : kNever;
}

void PgmccSource::data_sent(Sqn sqn, Nanos now) {
    if (!sent_any_) {
        sent_any_ = true;
        first_ = sqn;
        reported_ = filled_to_ = sqn - 1;
        settled_ = ~0u;
    }
    last_ = sqn;
    for (Sqn* const past : {&first_, &filled_to_, &acker_since_}) {
        if (last_ - *past > kPast) *past = last_ - kPast;
    }
    sent_at_[sqn & (sent_at_.size() - 1)] = now;
    in_flight_ += 1;
    if (!allows()) filled_to_ = sqn;
    if (stalled_at_ == kNever) arm(now);
}

void PgmccSource::elect(const Feedback& feedback, double cost) {
    if (!acker_.is_none()) former_acker_ = acker_;
    acker_ = feedback.receiver;
    acker_since_ = last_ + 1;
    acker_cost_ = cost;
    acker_loss_ = feedback.loss;
    ++acker_changes_;
    // Another path, another round trip.
    const Nanos timeout = parameters_.ack_timeout_ns;
    round_trip_ = RoundTrip({timeout, std::min(kLeastTimeout, timeout), timeout, true});
}

// Draft section 3, "on ACK/NAK reception": the choice of the acker.
void PgmccSource::judge(const Feedback& feedback, double round_trip_ms, Nanos now) {
    const double cost =
        congestion_cost(std::max(round_trip_ms, kLeastRoundTripMs), feedback.loss / 65536.0);
    if (acker_.is_none()) {
        elect(feedback, cost);
        // The token that the draft gives with it: the next packet tells the acker that it is one.
        if (!allows()) in_flight_ = std::max(in_flight_ - 1, 0.0);
        retries_ = 0;
        arm(now);
    } else if (feedback.receiver == acker_) {
        acker_cost_ = cost;
        acker_loss_ = feedback.loss;
    } else if (cost * kHysteresis * kHysteresis > acker_cost_) {
        elect(feedback, cost);
    }
}

bool PgmccSource::on_nak(const Feedback& feedback, Nanos now) {
    if (!sent_any_ || feedback.receiver.is_none()) return false;
    const bool before = allows();
    const auto elapsed = static_cast<std::int32_t>(timestamp_ms(now) - feedback.timestamp_ms);
    judge(feedback, elapsed, now);
    return allows() && !before;
}

// Enters a report; returns how many packets it acknowledges that none before did.
std::uint32_t PgmccSource::settle(Sqn highest, std::uint32_t bitmap) {
    const std::int32_t ahead = sqn_distance(reported_, highest);
    if (ahead > 0) {
        const auto steps = static_cast<std::uint32_t>(ahead);
        const std::uint32_t leaving =
            steps >= kBitmapBits ? ~settled_ : ~settled_ & ~(~0u >> steps);
        // What no report can name any more is not in flight either.
        std::uint32_t gone = static_cast<std::uint32_t>(std::popcount(leaving));
        if (steps > kBitmapBits) gone += steps - kBitmapBits;
        in_flight_ -= gone;
        settled_ = steps >= kBitmapBits ? 0 : settled_ << steps;
        received_ = steps >= kBitmapBits ? 0 : received_ << steps;
        reported_ = highest;
        // Numbers before the first packet, if the session is so young.
        const auto sent = static_cast<std::uint32_t>(highest - first_) + 1;
        if (sent < kBitmapBits) settled_ |= ~0u << sent;
    } else if (-ahead < static_cast<std::int32_t>(kBitmapBits)) {
        bitmap <<= -ahead;
    } else {
        return 0;
    }
    received_ |= bitmap;
    const std::uint32_t fresh = bitmap & ~settled_;
    settled_ |= fresh;
    const auto count = static_cast<std::uint32_t>(std::popcount(fresh));
    in_flight_ = std::max(in_flight_ - count, 0.0);
    return count;
}

// Packets that three received ones stand behind are lost; each is found once.
std::uint32_t PgmccSource::lost_now() {
    std::uint32_t lost = 0;
    int behind = 0;
    for (unsigned i = 0; i < kBitmapBits; ++i) {
        const std::uint32_t bit = 1u << i;
        if (received_ & bit) ++behind;
        if (behind >= kPacketsBehindLoss && !(settled_ & bit)) {
            settled_ |= bit;
            ++lost;
        }
    }
    in_flight_ = std::max(in_flight_ - lost, 0.0);
    return lost;
}

// Draft 2.2: exponentially up to SSTHRESH, then by one packet a round trip. A window that the
// sender does not fill proves nothing and stays.
void PgmccSource::open(std::uint32_t acknowledged, bool used) {
    if (!used) return;
    double left = acknowledged;
    if (window_ < kSlowStartEnd) {
        const double early = std::min(left, kSlowStartEnd - window_);
        window_ += early;
        left -= early;
    }
    window_ = std::min(window_ + left / window_, most_);
}

bool PgmccSource::on_ack(const Feedback& feedback, Sqn highest, std::uint32_t bitmap, Nanos now) {
    if (!sent_any_ || feedback.receiver.is_none() || sqn_before(last_, highest) ||
        sqn_before(highest, first_) || (bitmap & 1) == 0) {
        return false;
    }
    const bool before = allows();
    const bool newest = sqn_before(reported_, highest);
    const bool timed = last_ - highest < sent_at_.size();
    // The packet's own time is finer than the wire's clock, and nobody can lie about it.
    const auto elapsed = static_cast<std::int32_t>(timestamp_ms(now) - feedback.timestamp_ms);
    const Nanos round_trip = timed ? now - sent_at(highest) : elapsed * kMillisecond;
    const bool named = feedback.receiver == acker_ ||
                       (feedback.receiver == former_acker_ && sqn_before(highest, acker_since_));
    judge(feedback, static_cast<double>(round_trip) / kMillisecond, now);
    // The answer to an election reports like any other; reports of others count only for the
    // choice of the acker.
    if (!named && feedback.receiver != acker_) return false;
    retries_ = 0;
    if (feedback.receiver == acker_ && newest && timed) round_trip_.sample(round_trip);
    const bool used = sqn_before_or_equal(highest, filled_to_);
    const std::uint32_t acknowledged = settle(highest, bitmap);
    const std::uint32_t lost = lost_now();
    if (recovering_ && !sqn_before(highest, recovered_from_)) recovering_ = false;
    if (!recovering_) {
        if (lost > 0) {
            window_ = std::max(window_ / 2, 1.0);
            ++halvings_;
            recovering_ = true;
            recovered_from_ = last_ + 1;
        } else {
            open(acknowledged, used);
        }
    }
    if (acknowledged > 0 || newest) arm(now);
    return allows() && !before;
}

bool PgmccSource::on_tick(Nanos now) {
    if (stalled_at_ > now) return false;
    ++timeouts_;
    window_ = 1;
    // Whatever was out is given up: reports of it move nothing any more.
    in_flight_ = 0;
    reported_ = last_;
    settled_ = ~0u;
    received_ = 0;
    recovering_ = false;
    stalled_at_ = kNever;
    if (++retries_ >= kTimeoutsPerAcker) acker_ = former_acker_ = {};
    return true;
}

}  // namespace fanfare::engine
