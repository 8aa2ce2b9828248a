// Frames that nobody should believe, from a seed: random octets at every depth, and damaged valid
// packets of every type.
//
// What is summed right never speaks in the name of the good session from its own address: who can
// do that is the session (docs/security.md), and nothing could tell him from it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "engine/types.hpp"
#include "engine/wire/packet.hpp"

namespace fanfare::test {

// Which half of an engine a frame is aimed at.
enum class Aim : std::uint8_t { receiver, source };
enum class HostileKind : std::uint8_t { random, mutated };

// The session beside which they come.
struct GoodSession {
    Tsi tsi;
    std::uint16_t data_port = 0;
    Address group, source, receiver;
};

class HostilePackets {
  public:
    static constexpr std::size_t kFrameMost = 1514;

    HostilePackets(const GoodSession& good, std::uint64_t seed);

    // One more valid TPDU to be damaged: a peer's, or one of the good session as it was on the
    // wire. Copied.
    void add_sample(std::span<const std::byte> tpdu);
    std::size_t samples() const { return samples_.size(); }
    // Numbers near this one are what forged packets of the good session speak of.
    void set_lead(Sqn lead) { lead_ = lead; }

    // Writes a frame and returns its length, at most kFrameMost and 1 at least.
    std::size_t make(HostileKind kind, Aim aim, std::span<std::byte> room);
    // TPDUs that kind `mutated` started from, by wire::Type, those of samples included.
    const std::array<std::uint64_t, 16>& origins() const { return origins_; }

  private:
    std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
    void fill(std::span<std::byte> room);
    Tsi any_tsi();
    Address any_source();
    std::size_t random_tpdu(std::span<std::byte> room);
    std::size_t valid_tpdu(std::span<std::byte> room);
    std::size_t damage(std::span<std::byte> room, std::size_t length);
    void judge_sum(std::span<std::byte> tpdu, bool right, Address from);
    std::size_t wrap(std::span<std::byte> room, std::size_t tpdu, Aim aim, std::uint8_t protocol,
                     Address from);
    std::size_t random_frame(Aim aim, std::span<std::byte> room);

    GoodSession good_;
    std::mt19937_64 random_;
    std::vector<std::vector<std::byte>> samples_;
    Sqn lead_ = 0;
    std::array<std::uint64_t, 16> origins_{};
};

// The valid packets of other implementations that the tests keep (openpgm-golden.json); throws when
// the file can't be read.
std::vector<std::vector<std::byte>> golden_packets(const std::string& file);

}  // namespace fanfare::test
