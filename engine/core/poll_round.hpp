// Counting receivers and finding repairers by POLLs (RFC 3208 14.3, 14.4). A count begins with a
// low probability of answering and opens the door wider, round by round, until enough have
// answered; only who heard round 0 takes part, so that a crowd that arrives meanwhile can't flood
// it. Sends nothing itself.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <optional>
#include <span>

#include "engine/core/poll_types.hpp"
#include "engine/core/profile.hpp"
#include "engine/core/random.hpp"
#include "engine/types.hpp"

namespace fanfare::engine {

class PollRound {
  public:
    struct Poll {
        Sqn sqn;
        std::uint16_t round, subtype;
        std::uint32_t backoff_us, random, mask;
    };

    PollRound(const SourceParameters& parameters, std::uint64_t seed)
        : interval_(parameters.poll_interval_ns),
          backoff_(std::max<Nanos>(parameters.poll_backoff_ns, kMicrosecond)),
          random_(seed) {}

    void start(Nanos now) { periodic_at_ = interval_ > 0 ? now + interval_ : kNever; }
    void stop() {
        state_ = State::idle;
        periodic_at_ = kNever;
        wanted_ = 0;
    }
    // Asks for one poll of this kind, after the one that runs.
    void request(std::uint16_t subtype) {
        if (subtype == kPollGeneral || subtype == kPollDlr) wanted_ |= 1u << subtype;
    }

    Nanos next_deadline() const {
        if (state_ == State::owed || (state_ == State::idle && wanted_ != 0)) return -kNever;
        return state_ == State::collecting ? until_ : periodic_at_;
    }
    // Ends what is over and yields the POLL that is to leave now, if any; sent() says that it has.
    std::optional<Poll> due(Nanos now) {
        if (state_ == State::collecting && now >= until_) end_round();
        if (state_ == State::idle && now >= periodic_at_) {
            wanted_ |= 1u << kPollGeneral;
            periodic_at_ = now + interval_;
        }
        if (state_ == State::idle && wanted_ != 0) begin();
        if (state_ != State::owed) return std::nullopt;
        if (!drawn_) {
            drawn_ = true;
            string_ = static_cast<std::uint32_t>(random_.next());
        }
        return Poll{sqn_,    round_, subtype_, static_cast<std::uint32_t>(backoff_ / kMicrosecond),
                    string_, mask()};
    }
    void sent(Nanos now) {
        state_ = State::collecting;
        drawn_ = false;
        replies_ = 0;
        responders_.fill(Address{});
        // Answers leave within the back-off interval; as much again for the way.
        until_ = now + 2 * backoff_;
    }

    // A POLR. False when it answers nothing that is being asked, or comes twice. `dlr`: the
    // repairer that it names (OPT_REDIRECT), or none.
    bool answered(Sqn sqn, std::uint16_t round, Address responder, Address dlr) {
        if (state_ != State::collecting || sqn != sqn_ || round != round_) return false;
        if (!remember(responder)) return false;
        ++replies_;
        if (subtype_ == kPollDlr) {
            const Address who = dlr.is_none() ? responder : dlr;
            const auto known = repairers_.begin() + static_cast<std::ptrdiff_t>(repairer_count_);
            if (repairer_count_ < repairers_.size() &&
                std::find(repairers_.begin(), known, who) == known) {
                repairers_[repairer_count_++] = who;
            }
        }
        if (replies_ > kTooMany) abort();
        return true;
    }

    // Mean of the last counts; 0 before the first.
    std::uint64_t population() const {
        if (count_ == 0) return 0;
        std::uint64_t sum = 0;
        const std::size_t held = std::min<std::size_t>(count_, counts_.size());
        for (std::size_t i = 0; i < held; ++i) sum += counts_[i];
        return (sum + held / 2) / held;
    }
    std::uint64_t counts() const { return count_; }  // counts that came to their end
    std::uint64_t aborted() const { return aborted_; }
    // Repairers that the last poll for them found, at most kRepairers.
    std::span<const Address> repairers() const { return {repairers_.data(), repairer_count_}; }

    static constexpr std::size_t kRepairers = 8;

  private:
    enum class State : std::uint8_t { idle, owed, collecting };
    // Answers that make a count: its relative error is about 1 / sqrt(16), a quarter.
    static constexpr std::uint32_t kEnough = 16;
    // More than these at once and the poll is aborted (14.3.1).
    static constexpr std::uint32_t kTooMany = 256;
    // The first poll of a session expects one answer of a thousand receivers.
    static constexpr std::uint32_t kUnknownBits = 10;
    static constexpr std::uint32_t kMostBits = 24;

    std::uint32_t mask() const { return bits_ == 0 ? 0 : (~0u >> (32 - bits_)); }

    void begin() {
        // The repairers are asked for first: it takes one round.
        subtype_ = (wanted_ & (1u << kPollDlr)) != 0 ? kPollDlr : kPollGeneral;
        wanted_ &= ~(1u << subtype_);
        bits_ = 0;
        if (subtype_ == kPollDlr) {
            repairer_count_ = 0;
        } else if (count_ == 0) {
            bits_ = kUnknownBits;
        } else {
            // Eight times as many as last time may have come.
            const auto log = static_cast<std::uint32_t>(std::bit_width(population() / kEnough));
            bits_ = std::min(log + 3, kMostBits);
        }
        next_poll();
    }
    void next_poll() {
        if (++sqn_ == 0) ++sqn_;  // 0 is reserved (15.4.1)
        round_ = 0;
        state_ = State::owed;
        drawn_ = false;
    }
    void end_round() {
        if (subtype_ == kPollGeneral && replies_ < kEnough && bits_ > 0) {
            // Wide enough for twice the answers that are needed, by what this round has shown.
            const std::uint32_t factor = 2 * kEnough / std::max(replies_, 1u);
            const std::uint32_t wider =
                replies_ == 0 ? 3 : static_cast<std::uint32_t>(std::bit_width(factor)) - 1;
            bits_ -= std::min(std::max(wider, 1u), bits_);
            ++round_;
            state_ = State::owed;
            return;
        }
        if (subtype_ == kPollGeneral) {
            counts_[count_ % counts_.size()] = std::uint64_t{replies_} << bits_;
            ++count_;
        }
        state_ = State::idle;
    }
    // A POLL with another number cancels the answers that have not left yet.
    void abort() {
        ++aborted_;
        if (subtype_ == kPollDlr) {
            state_ = State::idle;
            return;
        }
        bits_ = std::min(bits_ + 4, kMostBits);
        next_poll();
    }
    bool remember(Address responder) {
        std::uint32_t place = (responder.v4 * 0x9E3779B1u) >> 23;
        for (std::size_t i = 0; i < responders_.size(); ++i, ++place) {
            Address& seen = responders_[place & (responders_.size() - 1)];
            if (seen == responder) return false;
            if (!seen.is_none()) continue;
            seen = responder;
            return true;
        }
        return false;
    }

    Nanos interval_, backoff_;
    Random random_;
    State state_ = State::idle;
    std::uint32_t wanted_ = 0;  // sub-types asked for, a bit each
    Nanos periodic_at_ = kNever, until_ = kNever;
    Sqn sqn_ = 0;
    std::uint16_t round_ = 0, subtype_ = kPollGeneral;
    std::uint32_t bits_ = 0;  // an answer comes with probability 2^-bits
    std::uint32_t string_ = 0;
    bool drawn_ = false;
    std::uint32_t replies_ = 0;
    std::array<Address, 512> responders_{};  // of this round; twice what aborts it
    std::array<std::uint64_t, 4> counts_{};
    std::uint64_t count_ = 0, aborted_ = 0;
    std::array<Address, kRepairers> repairers_{};
    std::size_t repairer_count_ = 0;
};

}  // namespace fanfare::engine
