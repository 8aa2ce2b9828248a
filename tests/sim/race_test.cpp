// Workers in one thread, every program in a thread of its own, in real time: windows, cursors and
// flags between them as they are between a daemon and its clients. Worth most under a sanitizer
// that watches threads; bounded in time everywhere.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "sim/simulation.hpp"

namespace fanfare::sim {
namespace {

constexpr Nanos kMostNanos = 60 * kSecond;

Nanos clock_now() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

// Two hosts: the first sends, the second listens; all programs have threads.
class Race {
  public:
    explicit Race(std::uint64_t receive_log_bytes)
        : simulation_(1, LinkShape{.jitter_ns = 20 * kMicrosecond}) {
        HostPlan plan;
        plan.receive_log_bytes = receive_log_bytes;
        plan.receive_index_entries = 1 << 12;
        plan.on_sender = [this](Sender& sender) { run(sender); };
        plan.on_reader = [this](Reader& reader) { run(reader); };
        for (std::uint8_t i = 1; i <= 2; ++i) {
            plan.address = Address::from_octets(10, 77, 0, i);
            plan.seed = i;
            simulation_.add_host(plan);
        }
        simulation_.network().faults().loss = 0.01;
    }
    ~Race() {
        over_ = true;
        for (auto& thread : threads_) thread.join();
    }

    void session(std::uint8_t group, ipc::SendFormat format, const std::vector<Nanos>& pauses_ns) {
        SenderPlan plan;
        plan.group = Address::from_octets(239, 77, 0, group);
        plan.format = format;
        plan.content = {.seed = group,
                        .messages = 4000,
                        .longest = 3000,
                        .long_share = 0.05,
                        .short_most = 300};
        plan.parameters.packed = format == ipc::SendFormat::packed;
        plan.parameters.rate_bits_per_s = 40'000'000;
        plan.parameters.window_ns = 20 * kSecond;  // threads may wait long for their turn
        plan.log_bytes = 1 << 21;
        plan.start_ns = clock_now() + 20 * kMillisecond;
        simulation_.host(0).publish(plan);
        ListenPlan listener;
        listener.group = plan.group;
        listener.readers.clear();
        for (const Nanos pause : pauses_ns) {
            listener.readers.emplace_back();
            listener.readers.back().pause_ns = pause;
        }
        simulation_.host(1).listen(listener);
    }

    // Lets everything run until all readers know their session's end.
    std::string run_to_the_end() {
        const Nanos end = clock_now() + kMostNanos;
        while (clock_now() < end) {
            const Nanos now = clock_now();
            simulation_.network().advance_to(now);
            for (const auto& host : simulation_.hosts()) host->turn(now);
            if (readers_over()) return "";
        }
        return simulation_.unsettled();
    }
    const Simulation& simulation() const { return simulation_; }

  private:
    bool readers_over() const {
        std::size_t sessions = 0;
        for (const auto& reception : simulation_.hosts()[1]->receptions()) {
            ++sessions;
            for (const auto& reader : reception->readers)
                if (reader->state() == Reader::State::reading) return false;
        }
        return sessions == simulation_.hosts()[0]->senders().size();
    }

    template <typename Program>
    void run(Program& program) {
        threads_.emplace_back([this, &program] {
            while (!over_.load(std::memory_order_relaxed))
                if (!program.act(clock_now())) std::this_thread::yield();
        });
    }

    Simulation simulation_;
    std::atomic<bool> over_{false};
    std::vector<std::thread> threads_;
};

TEST(Race, EveryReaderOfALargeWindowGetsEverything) {
    Race race(1 << 22);
    race.session(1, ipc::SendFormat::message, {0, 0, 0});
    race.session(2, ipc::SendFormat::packed, {0, 0});
    race.session(3, ipc::SendFormat::stream, {0, 0});
    ASSERT_EQ(race.run_to_the_end(), "");
    std::size_t readers = 0;
    for (const auto& reception : race.simulation().hosts()[1]->receptions()) {
        for (const auto& reader : reception->readers) {
            ++readers;
            EXPECT_EQ(reader->wrong(), "");
            EXPECT_EQ(reader->state(), Reader::State::finished)
                << "cause " << static_cast<int>(reader->cause());
            EXPECT_TRUE(reader->check().complete());
        }
    }
    EXPECT_EQ(readers, 7u);
}

// The log is lapped all the time: a reader either gets what was sent or learns that it was
// overtaken, never octets of two laps.
TEST(Race, AReaderOfASmallWindowIsRightOrOvertaken) {
    Race race(1 << 16);
    // One that keeps up, one near the edge, one that is lapped at whatever speed this machine has.
    const std::vector<Nanos> pauses{0, 5 * kMillisecond, 300 * kMillisecond};
    race.session(1, ipc::SendFormat::message, pauses);
    race.session(2, ipc::SendFormat::stream, pauses);
    ASSERT_EQ(race.run_to_the_end(), "");
    std::size_t overtaken = 0;
    for (const auto& reception : race.simulation().hosts()[1]->receptions()) {
        for (const auto& reader : reception->readers) {
            EXPECT_EQ(reader->wrong(), "");
            if (reader->state() == Reader::State::finished) {
                EXPECT_TRUE(reader->check().complete());
            } else {
                EXPECT_EQ(reader->cause(), ResetCause::reader_overtaken);
                ++overtaken;
            }
        }
    }
    EXPECT_GE(overtaken, 1u) << "the slow readers were meant to be lapped";
}

}  // namespace
}  // namespace fanfare::sim
