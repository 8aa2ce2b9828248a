// A small stage for tests that read as stories: one sender's host, some listeners' hosts, packets
// dropped by name.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/wire/packet.hpp"
#include "sim/simulation.hpp"

namespace fanfare::sim {

inline constexpr std::uint64_t kEvery = ~std::uint64_t{0};

class Story {
  public:
    // Host 0 sends, hosts 1.. listen with one reader each (change `listen` for others).
    explicit Story(std::size_t listeners = 1, std::uint64_t seed = 1,
                   const LinkShape& shape = LinkShape{});

    // Before play(): what is sent, and who listens how.
    SenderPlan sender;
    HostPlan host;
    std::vector<ListenPlan> listen;
    bool listen_at_home = false;  // host 0 listens too

    // The n-th packet of a type (0-based, in the order of sending; kEvery: all) never leaves its
    // host.
    void drop(wire::Type type, std::uint64_t n) { drops_[type].push_back(n); }
    // ... the first `count` of them.
    void drop_first(wire::Type type, std::uint64_t count) {
        for (std::uint64_t i = 0; i < count; ++i) drop(type, i);
    }
    // ... whatever the function says, given type, packet and how many of the type were before.
    std::function<bool(wire::Type, std::span<const std::byte> tpdu, std::uint64_t n)> drop_if;

    // Builds hosts and programs.
    Simulation& set_up();
    // Runs (sets up first if need be) until everything is settled; says what is not after `limit`.
    std::string run_until_idle(Nanos limit = 120 * kSecond);
    // Runs for a while.
    void run_for(Nanos time) { set_up().run_for(time); }

    // How many of a type were sent, those dropped included.
    std::uint64_t sent(wire::Type type) const;
    Simulation& simulation() { return *simulation_; }
    // The only reader of a listener's host (1..), or one of several.
    const Reader& reader(std::size_t listener, std::size_t number = 0) const;
    bool has_reader(std::size_t listener) const;
    // Every promise of judge() was kept; the lines say which was not.
    std::vector<std::string> judged(const Allowance& allowance = Allowance{}) const {
        return judge(*simulation_, allowance);
    }

  private:
    static bool filter(void* context, std::size_t from, std::span<const std::byte> frame);

    std::uint64_t seed_;
    LinkShape shape_;
    std::map<wire::Type, std::vector<std::uint64_t>> drops_;
    std::map<wire::Type, std::uint64_t> sent_;
    std::unique_ptr<Simulation> simulation_;
};

}  // namespace fanfare::sim
