// Workers in threads of their own, programs in another: the rings, regions and flags between them
// under a sanitizer that watches threads. Time is real here, and bounded.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "tests/dataplane/hosts.hpp"

namespace fanfare::dataplane::test {
namespace {

Nanos clock_now() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

TEST(Threads, TwoWorkersAProgramAndTheControlThreadShareASession) {
    sim::SimWire wire;
    HostPlan plan;
    Host one(wire, plan);
    plan.address = Address::from_octets(10, 0, 0, 2);
    plan.workers = 2;
    Host two(wire, plan);
    // Room for all of it: on a machine with few cores the reader may not run for a while.
    two.receive_log_bytes = 8 << 20;
    two.listen(kGroup, kPort, 0, 3);
    // A session that worker 1 owns, which has no queue: everything goes through the rings.
    std::uint16_t port = 6000;
    while (owner_of(Tsi{Gsi{{9, 8, 7, 6, 5, 1}}, port}, 2) != 1) ++port;
    auto parameters = Host::quick();
    Sending& sending = one.send(ipc::SendFormat::message, parameters, 0, port);

    std::atomic<bool> stop{false};
    // Ports share a wire, so the workers with queues share a thread; the other one has its own.
    std::thread queues([&] {
        while (!stop.load(std::memory_order_relaxed)) {
            const Nanos now = clock_now();
            const std::size_t work = one.workers[0]->poll(now) + two.workers[0]->poll(now);
            if (work == 0) std::this_thread::yield();
        }
    });
    std::thread inner([&] {
        while (!stop.load(std::memory_order_relaxed)) {
            if (two.workers[1]->poll(clock_now()) == 0) std::this_thread::yield();
        }
    });

    std::vector<std::string> sent;
    for (std::uint32_t i = 0; i < 600; ++i) sent.push_back(message_of(i % 1400, i));
    std::size_t next = 0;
    Window* window = nullptr;
    Reading* reading = nullptr;
    // No promise about speed: only so that a session that never ends fails here and not by being
    // killed.
    const Nanos end = clock_now() + 90 * kSecond;
    while (clock_now() < end) {
        if (next < sent.size() && (next == 0 || reading != nullptr) &&
            sending.writer->try_send(octets_of(sent[next])).status == client::WriteStatus::done) {
            if (++next == sent.size()) one.finish(sending);
        }
        WorkerEvent event;
        for (auto* host : {&one, &two}) {
            for (auto& link : host->links) {
                while (link->events.take(event)) {
                    if (event.kind == WorkerEvent::Kind::session_opened) {
                        for (auto& w : two.windows) {
                            if (w->id == event.id) window = w.get();
                        }
                        window->open_event = event;
                        reading = &two.read(*window);
                    }
                }
            }
        }
        std::this_thread::yield();
        if (reading == nullptr) continue;
        reading->take();
        if (reading->last.status == client::ReadStatus::finished ||
            reading->last.status == client::ReadStatus::reset)
            break;
    }
    stop = true;
    queues.join();
    inner.join();
    ASSERT_NE(reading, nullptr);
    EXPECT_EQ(reading->last.status, client::ReadStatus::finished)
        << "cause " << static_cast<int>(reading->last.cause);
    EXPECT_TRUE(reading->messages == sent);
    EXPECT_EQ(owner_of(window->open_event.tsi, 2), 1u);
}

}  // namespace
}  // namespace fanfare::dataplane::test
