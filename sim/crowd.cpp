#include "sim/crowd.hpp"

#include <algorithm>

namespace fanfare::sim {

void Crowd::add(Station& station) {
    stations_.push_back(&station);
    deadlines_.push_back(kNever);
    turn(stations_.size() - 1, network_.now());
}

void Crowd::turn(std::size_t number, Nanos now) {
    Station& station = *stations_[number];
    station.turn(now);
    ++turns_;
    for (const std::uint64_t word :
         {static_cast<std::uint64_t>(now), std::uint64_t{number}, station.octets_sent()}) {
        fingerprint_ = (fingerprint_ ^ word) * 0x100000001B3ull;
    }
    // A deadline that is due although the turn is over is looked at again a little later.
    const Nanos deadline = std::max(station.next_deadline(), now + kMicrosecond);
    if (deadline == deadlines_[number]) return;
    deadlines_[number] = deadline;
    if (deadline != kNever) due_.push({deadline, number});
}

Nanos Crowd::next_due() {
    while (!due_.empty() && deadlines_[due_.top().number] != due_.top().at) due_.pop();
    return due_.empty() ? kNever : due_.top().at;
}

bool Crowd::run_until(Nanos end, const std::function<bool()>& done) {
    Nanos looked = network_.now();
    while (network_.now() < end) {
        Nanos next = std::min({end, next_due(), network_.next_arrival()});
        if (!happenings_.empty()) next = std::min(next, happenings_.begin()->first);
        const Nanos now = std::max(next, network_.now());
        network_.advance_to(now);
        while (!happenings_.empty() && happenings_.begin()->first <= now) {
            happenings_.begin()->second();
            happenings_.erase(happenings_.begin());
        }
        moving_.assign(network_.reached().begin(), network_.reached().end());
        while (next_due() <= now) {
            moving_.push_back(due_.top().number);
            deadlines_[due_.top().number] = kNever;
            due_.pop();
        }
        std::sort(moving_.begin(), moving_.end());
        moving_.erase(std::unique(moving_.begin(), moving_.end()), moving_.end());
        for (const std::size_t number : moving_) turn(number, now);
        if (now - looked >= kMillisecond) {
            looked = now;
            if (done()) return true;
        }
    }
    return done();
}

}  // namespace fanfare::sim
