#include "sim/simulation.hpp"

#include <algorithm>
#include <stdexcept>

namespace fanfare::sim {
namespace {

constexpr int kRoundsAtOneTime = 100'000;

bool listens(const ListenPlan& listener, const SenderPlan& sender) {
    return listener.group == sender.group && listener.port == sender.port &&
           listener.udp_port == sender.udp_port && listener.start_ns <= sender.start_ns;
}

class Judge {
  public:
    Judge(const Host& host, const Sender& sender, const Allowance& allowance,
          std::vector<std::string>& broken)
        : host_(host), sender_(sender), allowance_(allowance), broken_(broken) {}

    // A host may hear a session more than once: it joins again after a reset, and then it is late.
    void receptions() {
        bool heard = false, was_reset = false;
        for (const auto& reception : host_.receptions()) {
            if (reception->sender != &sender_ || reception->readers.empty()) continue;
            heard = true;
            for (const auto& reader : reception->readers)
                judge_reader(*reader, allowance_.loss || was_reset);
            was_reset = was_reset || reception->state == SessionState::reset;
        }
        if (!heard && !allowance_.loss && sender_.plan().ending == Ending::finish &&
            sender_.to_write() > 0)
            say("the session was never heard");
    }

  private:
    void say(const std::string& text) {
        broken_.push_back("host " + std::to_string(host_.number()) + ", session " +
                          std::to_string(sender_.id()) + " of " +
                          std::to_string(sender_.plan().group.v4 & 0xFF) + ": " + text);
    }

    void judge_reader(const Reader& reader, bool may_be_late) {
        Outcome outcome;
        switch (reader.state()) {
            case Reader::State::reading:
                outcome.state = SessionState::open;
                break;
            case Reader::State::finished:
                outcome.state = SessionState::finished;
                break;
            case Reader::State::reset:
                outcome.state = SessionState::reset;
                break;
        }
        outcome.cause = reader.cause();
        outcome.joined_late = reader.joined_late();
        outcome.may_be_late = may_be_late;
        outcome.next = reader.check().next_index();
        outcome.written = sender_.written();
        outcome.to_write = sender_.to_write();
        outcome.messages = sender_.plan().content.messages;
        // A late reader that read nothing came after the beginning of the last message.
        outcome.whole = reader.joined_late() ? reader.check().at_end() : reader.check().complete();
        outcome.ending = sender_.plan().ending;
        outcome.wrong = reader.wrong();
        const std::string broken = broken_promise(outcome, allowance_);
        if (!broken.empty()) say(broken);
    }

    const Host& host_;
    const Sender& sender_;
    const Allowance& allowance_;
    std::vector<std::string>& broken_;
};

}  // namespace

Host& Simulation::add_host(const HostPlan& plan) {
    hosts_.push_back(std::make_unique<Host>(network_, plan, directory_));
    return *hosts_.back();
}

bool Simulation::run_until(Nanos end, const std::function<bool()>& done) {
    while (now() < end) {
        int rounds = 0;
        for (bool moved = true; moved; ++rounds) {
            if (rounds == kRoundsAtOneTime)
                throw std::runtime_error("hosts keep moving at " + std::to_string(now()) + " ns");
            moved = false;
            for (auto& host : hosts_) moved |= host->turn(now());
            ++steps_;
        }
        if (done && done()) return true;
        Nanos next = std::min(end, network_.next_arrival());
        for (const auto& host : hosts_) next = std::min(next, host->next_deadline(now()));
        // A deadline that is due although nothing moved is looked at again a little later.
        network_.advance_to(std::min(end, std::max(next, now() + kMicrosecond)));
    }
    return false;
}

std::string Simulation::unsettled() const {
    std::string text;
    for (const auto& host : hosts_) {
        for (const auto& sender : host->senders())
            if (!sender->released)
                text += "host " + std::to_string(host->number()) + " sent " +
                        std::to_string(sender->written()) + " of " +
                        std::to_string(sender->to_write()) + " messages" +
                        (sender->ended ? ", ended" : "") + (sender->asleep() ? ", sleeps" : "") +
                        "; ";
        for (const auto& reception : host->receptions())
            for (const auto& reader : reception->readers)
                if (reader->state() == Reader::State::reading)
                    text += "host " + std::to_string(host->number()) + " read " +
                            std::to_string(reader->check().next_index()) +
                            (reader->asleep() ? ", sleeps" : "") +
                            (reception->ended ? ", session over" : "") + "; ";
    }
    return text;
}

bool Simulation::stop(Nanos time) {
    for (auto& host : hosts_) host->begin_stop();
    return run_for(time, [&] {
        return std::all_of(hosts_.begin(), hosts_.end(),
                           [](const auto& host) { return host->leaks().empty(); });
    });
}

std::vector<std::string> judge(const Simulation& simulation, const Allowance& allowance) {
    std::vector<std::string> broken;
    for (const auto& sending : simulation.hosts()) {
        for (const auto& sender : sending->senders()) {
            if (!sender->released) broken.push_back("a source was never let go");
            if (sender->was_reset() && sender->plan().ending == Ending::finish)
                broken.push_back("a sender was reset, cause " +
                                 std::to_string(static_cast<int>(sender->cause())));
            for (const auto& host : simulation.hosts())
                for (const auto& listener : host->listeners())
                    if (listens(listener, sender->plan()))
                        Judge(*host, *sender, allowance, broken).receptions();
        }
    }
    return broken;
}

}  // namespace fanfare::sim
