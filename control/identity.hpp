// Who this host is on the wire: a GSI fixed for host and address, source ports drawn at random and
// not given again while any receiver may still remember the session (RFC 3208 section 8;
// wsrm.md 4.3).
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

#include "engine/types.hpp"

namespace fanfare::control {

// Six octets from the machine's id and the first interface's address: the same after every start,
// and not the same for several daemons on one machine, which share the id.
Gsi derive_gsi(std::string_view machine_id, Address first_interface);

// "a1b2c3d4e5f6": twelve hexadecimal digits.
std::optional<Gsi> parse_gsi(std::string_view text);
std::string to_string(const Gsi& gsi);

class SourcePorts {
  public:
    // How long a port rests after its session at the least: receivers remember a finished session
    // for a while even if its window was short.
    static constexpr Nanos kLeastRestNanos = 60 * kSecond;

    // A port that is neither in use nor at rest, chosen by `random`; nothing when none is left. 0
    // is never one.
    std::optional<std::uint16_t> take(std::uint64_t random, Nanos now);
    // The session is over; the port rests for the longest window seen so far.
    void give_back(std::uint16_t port, Nanos now);
    void note_window(Nanos window_ns) {
        if (window_ns > longest_window_ns_) longest_window_ns_ = window_ns;
    }

  private:
    struct Resting {
        std::uint16_t port;
        Nanos until;
    };
    std::unordered_set<std::uint16_t> taken_;  // in use or at rest
    std::deque<Resting> resting_;
    Nanos longest_window_ns_ = 0;
};

}  // namespace fanfare::control
