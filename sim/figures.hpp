// What a run on a tree costs: losses, NAKs that reach the source, repairs, delays, octets. Counted
// at the hosts and on the links, never inside the engine.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "engine/types.hpp"

namespace fanfare::sim {

// Of one lost packet: a number whose first transmission did not reach every receiver.
struct LossCosts {
    std::uint32_t receivers = 0;  // that did not get it
    std::uint32_t naks = 0;       // that named it, or asked for parity of its group, at the source
    std::uint32_t repairs = 0;    // RDATA that left the source for it
};

// The figures of one run, or of several added up.
struct Figures {
    std::uint64_t runs = 0;
    std::uint64_t payload_octets = 0;    // given to the source
    std::uint64_t delivered_octets = 0;  // payload, summed over receivers
    std::uint64_t source_octets = 0;     // of frames on the source's line, both directions
    std::uint64_t receiver_octets = 0;   // of frames on receivers' lines, both directions
    std::uint64_t data_packets = 0, lost_packets = 0, nak_packets = 0, spmr_packets = 0;
    std::uint64_t lost_repairs = 0;  // RDATA for lost packets, and all parity on demand
    // What concerns packets that nobody lost: late receivers that catch up, numbers asked for too
    // early because packets changed their order.
    std::uint64_t other_naks = 0, other_repairs = 0;
    std::uint64_t local_repairs = 0;                             // RDATA of local repairers
    std::uint64_t finished = 0, resets = 0, left = 0, late = 0;  // receptions
    std::vector<std::uint32_t> naks_of_loss;                     // one a lost packet
    std::vector<Nanos> repair_delays;                            // one a receiver and lost packet
    std::vector<double> source_bits_per_s;    // one a run: payload over the time it was sent in
    std::vector<double> complete_bits_per_s;  // one a run: until the last receiver had all of it

    void add(const Figures& other);
    double naks_per_loss() const;     // mean
    double repairs_per_loss() const;  // of the source's
    double local_repairs_per_loss() const;
    double source_octets_per_octet() const;
    double receiver_octets_per_octet() const;
};

// The value below which a share (0..1) of the values lies: nearest rank; 0 when there are none.
template <typename T>
T percentile(std::vector<T> values, double share);

// Puts together what hosts and links report during one run.
class Meter {
  public:
    // `group_size`: data packets of a parity group; 0: no parity.
    explicit Meter(std::uint8_t group_size) : group_size_(group_size) {}

    void data_sent(Sqn sqn, std::size_t payload, Nanos now);
    // A receiver that was there did not get this number's first transmission.
    void lost(Sqn sqn) { ++of(sqn).receivers; }
    // `sqns`: numbers, or with `parity` groups and counts.
    void nak_reached_source(std::span<const Sqn> sqns, bool parity);
    void repair_sent(Sqn sqn, bool parity);
    void repaired(Nanos delay) { figures.repair_delays.push_back(delay); }
    void complete(Nanos now) { complete_ = std::max(complete_, now); }

    // The figures with everything that follows from the whole run.
    Figures result();
    Figures figures;

  private:
    LossCosts& of(Sqn sqn) { return losses_[sqn]; }

    std::uint8_t group_size_;
    std::map<Sqn, LossCosts> losses_;
    std::map<Sqn, std::uint32_t> parity_naks_;  // by first number of the group
    Nanos first_ = kNever, last_ = 0, complete_ = 0;
    std::uint64_t last_payload_ = 0;
};

}  // namespace fanfare::sim
