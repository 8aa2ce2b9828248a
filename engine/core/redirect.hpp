// Where a receiver's NAKs go: to the session's path, or to a designated local repairer that has
// offered itself (RFC 3208 9.5.4). An offer holds until the repairer leaves a NAK unanswered.
#pragma once

#include <cstdint>

#include "engine/types.hpp"

namespace fanfare::engine {

class Redirect {
  public:
    // `nla` and `prefix`: this host's address and the bits of its subnet. With prefix 0 no offer
    // is taken: it could come from anywhere. A repairer itself (`follows` false) takes none either:
    // two that lost the same would confirm each other's NAKs, and nobody would ask the source.
    void start(Address nla, std::uint8_t prefix, bool follows = true) {
        *this = Redirect{};
        nla_ = nla;
        follows_ = follows;
        prefix_ = prefix > 32 ? 32 : prefix;
    }

    // A redirecting POLR whose origin was judged. False when it is not for us: a repairer in our
    // own subnet has lost what we lost.
    bool offered(Address repairer, bool parity, Nanos now) {
        if (!follows_ || prefix_ == 0 || nla_.is_none() || repairer.is_none() ||
            repairer.is_multicast()) {
            return false;
        }
        if (!beyond_subnet(repairer)) return false;
        if (repairer == failed_ && now < failed_until_) return false;
        if (repairer != repairer_) watching_ = false;
        repairer_ = repairer;
        parity_ = parity;
        return true;
    }

    // Whether this address is known to be in another subnet than ours.
    bool beyond_subnet(Address other) const {
        if (prefix_ == 0 || nla_.is_none() || other == nla_) return false;
        return prefix_ == 32 || ((other.v4 ^ nla_.v4) >> (32 - prefix_)) != 0;
    }
    bool active() const { return !repairer_.is_none(); }
    Address repairer() const { return repairer_; }
    // Whether NAKs (for parity where `parity`) go to the repairer.
    bool takes(bool parity) const { return active() && (!parity || parity_); }

    // The numbers from `first` to `last` are about to be named; the one watched before is `held` or
    // not. `source_can_help`: its window has not passed what is missing. Call before each NAK.
    // Returns true when the offer is given up: this NAK goes to the path again.
    bool asking(std::uint64_t first, std::uint64_t last, bool held, bool source_can_help,
                Nanos now) {
        if (!active()) return false;
        if (watching_ && held) watching_ = false;
        if (!watching_) {
            watching_ = true;
            watched_ = first;
            confirmed_ = false;
            failures_ = 0;
            patient_until_ = now + kPatience;
            return false;
        }
        if (watched_ < first || watched_ > last) return false;
        // It is asked for again. Without the NCF, RFC 9.5.4 discards at once; where the source has
        // nothing left to give, and where data does not follow its NCF, some patience costs less.
        const bool at_once = !confirmed_ && source_can_help;
        confirmed_ = false;
        if (repaired_) patient_until_ = now + kPatience;
        repaired_ = false;
        if (!at_once && ++failures_ < kFailures) return false;
        if (!source_can_help && now < patient_until_) return false;
        failed_ = repairer_;
        failed_until_ = at_once ? now : now + kHoldDown;
        repairer_ = {};
        watching_ = false;
        return true;
    }
    std::uint64_t watched() const { return watched_; }
    bool watching() const { return watching_; }
    // A repair came. Where only the repairer can give it, that is patience's worth: a long gap
    // takes its time.
    void repaired() { repaired_ = true; }
    // An NCF named it.
    void confirmed(std::uint64_t ordinal) { confirmed_ |= watching_ && ordinal == watched_; }

  private:
    // Requests for one number that a repairer may leave without data.
    static constexpr std::uint32_t kFailures = 4;
    // Where the source can't help, time without any repair that must have passed as well: requests
    // follow each other within microseconds on a short path, and a repairer that is busy with a
    // long gap, or reads it from a disk, is not dead. Half of what a receiver's requests last.
    static constexpr Nanos kPatience = kSecond / 2;
    // How long a repairer that confirms and does not repair is not listened to: long against the
    // interval of its offers, short against an operator's patience.
    static constexpr Nanos kHoldDown = 5 * kSecond;

    Address nla_, repairer_, failed_;
    std::uint8_t prefix_ = 0;
    bool follows_ = true, parity_ = false, watching_ = false, confirmed_ = false, repaired_ = false;
    std::uint64_t watched_ = 0;
    std::uint32_t failures_ = 0;
    Nanos failed_until_ = 0, patient_until_ = 0;
};

}  // namespace fanfare::engine
