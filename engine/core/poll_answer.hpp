// Whether and when a receiver answers a POLL (RFC 3208 14.5).
#pragma once

#include <cstdint>
#include <optional>

#include "engine/core/poll_types.hpp"
#include "engine/core/random.hpp"
#include "engine/types.hpp"
#include "engine/wire/packet.hpp"

namespace fanfare::engine {

class PollAnswer {
  public:
    // `node`: RAND_NODE_ID. `repairer`: answers polls for designated local repairers too.
    void start(std::uint32_t node, bool repairer = false) {
        *this = PollAnswer{};
        node_ = node;
        repairer_ = repairer;
    }

    // A POLL whose origin was judged. True when an answer is scheduled by it.
    bool heard(const wire::Packet& poll, Nanos now, Random& random) {
        // Whatever it asks of whom, it ends the answers to polls before it.
        if (at_ != kNever && sqn_ != poll.sqn) at_ = kNever;
        // Rounds are for those who heard the first, matched by it or not: were it only the matched,
        // each later round would ask the same few.
        if (poll.poll.round == 0) {
            if (!counted_) first_ = poll.sqn;
            counted_ = true;
            frozen_ = poll.sqn;
        }
        if (((poll.poll.random ^ node_) & poll.poll.mask) != 0) return false;
        if (!counted_ || frozen_ != poll.sqn) return false;
        const bool asked =
            poll.poll.subtype == kPollGeneral || (poll.poll.subtype == kPollDlr && repairer_);
        if (!asked) return false;
        // A copy of the same POLL does not draw anew.
        if (sqn_ == poll.sqn && round_ == poll.poll.round && scheduled_) return false;
        scheduled_ = true;
        sqn_ = poll.sqn;
        round_ = poll.poll.round;
        subtype_ = poll.poll.subtype;
        to_ = poll.path;
        at_ = now + random.between(0, Nanos{poll.poll.backoff_us} * kMicrosecond);
        return true;
    }

    Nanos next_deadline() const { return at_; }
    struct Reply {
        Address to;
        Sqn sqn;
        std::uint16_t round;
        std::uint16_t subtype;
    };
    std::optional<Reply> due(Nanos now) const {
        if (at_ > now) return std::nullopt;
        return Reply{to_, sqn_, round_, subtype_};
    }
    void sent() { at_ = kNever; }

    // Whether a value that follows from the poll `sqn` is for us (NAK_BO_IVL_SQN, 15.4.1): a round
    // 0 at or before it was heard. 0 is for everybody.
    bool counted_by(Sqn sqn) const {
        return sqn == 0 || (counted_ && sqn_before_or_equal(first_, sqn));
    }

  private:
    std::uint32_t node_ = 0;
    bool repairer_ = false;
    bool counted_ = false, scheduled_ = false;
    Sqn first_ = 0, frozen_ = 0;  // POLL_SQN of the first and of the last round 0
    Sqn sqn_ = 0;
    std::uint16_t round_ = 0, subtype_ = kPollGeneral;
    Address to_;
    Nanos at_ = kNever;
};

}  // namespace fanfare::engine
