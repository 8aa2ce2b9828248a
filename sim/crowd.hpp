// Many light hosts in virtual time: at every moment only those are run that a frame has reached or
// whose deadline has come, so that the cost follows what happens and not how many hosts there are.
#pragma once

#include <functional>
#include <map>
#include <queue>
#include <vector>

#include "sim/network.hpp"
#include "sim/station.hpp"

namespace fanfare::sim {

class Crowd {
  public:
    explicit Crowd(Network& network) : network_(network) {}

    // In the order of their ports; they outlive the crowd's runs.
    void add(Station& station);
    // `what` happens at this true time.
    void at(Nanos time, std::function<void()> what) { happenings_.emplace(time, std::move(what)); }

    // Runs to `end` or until `done` holds, which is looked at about once a virtual millisecond.
    // True when it held.
    bool run_until(Nanos end, const std::function<bool()>& done);

    std::uint64_t turns() const { return turns_; }
    // The same for two runs in which the same hosts did the same at the same times.
    std::uint64_t fingerprint() const { return fingerprint_; }

  private:
    struct Due {
        Nanos at;
        std::size_t number;
        bool operator>(const Due& other) const {
            return at != other.at ? at > other.at : number > other.number;
        }
    };
    void turn(std::size_t number, Nanos now);
    Nanos next_due();

    Network& network_;
    std::vector<Station*> stations_;
    std::vector<Nanos> deadlines_;  // what stands in due_ for each; others there are outdated
    std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
    std::multimap<Nanos, std::function<void()>> happenings_;
    std::vector<std::size_t> moving_;
    std::uint64_t turns_ = 0, fingerprint_ = 0xCBF29CE484222325ull;
};

}  // namespace fanfare::sim
