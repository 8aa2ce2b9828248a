// No cache line is written by two threads, and none that one writes all the time is shared with
// what another reads all the time. What is shared is listed here, member by member.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "dataplane/frame_ring.hpp"
#include "dataplane/handover.hpp"
#include "dataplane/receive_session.hpp"
#include "dataplane/source_session.hpp"
#include "dataplane/worker.hpp"
#include "ipc/receive_region.hpp"
#include "ipc/send_region.hpp"
#include "ipc/socket_page.hpp"
#include "tests/sim/sim_port.hpp"

namespace fanfare::ipc {
struct RingLayout {
    template <typename T>
    static const void* constants(const SpscRing<T>& r) {
        return &r.slots_;
    }
    template <typename T>
    static const void* slots(const SpscRing<T>& r) {
        return r.slots_.data();
    }
    template <typename T>
    static std::array<const void*, 4> indices(const SpscRing<T>& r) {
        return {&r.tail_, &r.tail_own_, &r.head_, &r.head_own_};
    }
    template <typename T>
    static bool sides_are_together(const SpscRing<T>& r) {
        return line(&r.tail_own_) == line(&r.head_seen_) &&
               line(&r.head_own_) == line(&r.tail_seen_);
    }
    static std::uintptr_t line(const void* p) {
        return reinterpret_cast<std::uintptr_t>(p) / kCacheLine;
    }
};
}  // namespace fanfare::ipc

namespace fanfare::dataplane {
struct FrameRingLayout {
    static const void* constants(const FrameRing& r) { return &r.mask_; }
    static const void* slots(const FrameRing& r) { return r.slots_.data(); }
    static const void* memory(const FrameRing& r) { return r.memory_.data(); }
    static std::size_t memory_bytes(const FrameRing& r) { return (r.mask_ + 1) * r.stride_; }
    static std::size_t stride(const FrameRing& r) { return r.stride_; }
    static std::array<const void*, 4> indices(const FrameRing& r) {
        return {&r.tail_, &r.tail_own_, &r.head_, &r.head_own_};
    }
};

namespace {

using ipc::kCacheLine;

std::uintptr_t line_of(const void* p) {
    return ipc::RingLayout::line(p);
}
bool begins_line(const void* p) {
    return reinterpret_cast<std::uintptr_t>(p) % kCacheLine == 0;
}

// Lines and who writes them; a second writer is a fault.
class Writers {
  public:
    void add(const std::string& who, const void* begin, std::size_t bytes) {
        const auto first = line_of(begin);
        const auto last = line_of(static_cast<const char*>(begin) + (bytes == 0 ? 0 : bytes - 1));
        for (auto l = first; l <= last; ++l) {
            const auto [at, fresh] = lines_.emplace(l, who);
            EXPECT_TRUE(fresh || at->second == who)
                << "a line of " << at->second << " is also written by " << who;
        }
    }

  private:
    std::map<std::uintptr_t, std::string> lines_;
};

// In shared memory: offsets are part of the format.
template <typename T>
constexpr bool apart(std::size_t a, std::size_t b) {
    return a / kCacheLine != b / kCacheLine && alignof(T) >= kCacheLine;
}
using ipc::ReceiveHeader, ipc::SendHeader, ipc::SocketPage, ipc::WorkerPage;
// Identity: at the start of a session alone. Reserved and lead: the worker, each read at another
// time.
static_assert(apart<ReceiveHeader>(offsetof(ReceiveHeader, pad0),
                                   offsetof(ReceiveHeader, reserved_log)));
static_assert(apart<ReceiveHeader>(offsetof(ReceiveHeader, reserved_ordinal),
                                   offsetof(ReceiveHeader, lead)));
// The client writes `tail`, the daemon what follows, nobody the constants.
static_assert(apart<SendHeader>(offsetof(SendHeader, record_max_bytes),
                                offsetof(SendHeader, tail)));
static_assert(apart<SendHeader>(offsetof(SendHeader, tail), offsetof(SendHeader, limit)));
// Lock and cursor are the client's; the flags are taken by whoever wakes.
static_assert(apart<SocketPage>(offsetof(SocketPage, socket_id), offsetof(SocketPage, lock)));
static_assert(apart<SocketPage>(offsetof(SocketPage, lock), offsetof(SocketPage, cursor_ordinal)));
static_assert(apart<SocketPage>(offsetof(SocketPage, record_filled),
                                offsetof(SocketPage, receive_sleeping)));
static_assert(apart<SocketPage>(offsetof(SocketPage, receive_sleeping),
                                offsetof(SocketPage, send_sleeping)));
static_assert(apart<WorkerPage>(offsetof(WorkerPage, worker), offsetof(WorkerPage, sleeping)));

// What control makes for one worker and then for another.
static_assert(alignof(ReceiveSession) >= kCacheLine && alignof(SourceSession) >= kCacheLine);
static_assert(alignof(WorkerLink) >= kCacheLine && alignof(HandoverMesh) >= kCacheLine);
static_assert(alignof(Worker<sim::SimPort>) >= kCacheLine);

TEST(Layout, a_worker_and_control_share_no_line_of_their_link) {
    std::vector<std::unique_ptr<WorkerLink>> links;
    for (std::uint32_t i = 0; i < 3; ++i) links.push_back(std::make_unique<WorkerLink>(i));
    Writers writers;
    for (const auto& link : links) {
        const std::string worker = "worker " + std::to_string(link->worker);
        const auto commands = ipc::RingLayout::indices(link->commands);
        const auto events = ipc::RingLayout::indices(link->events);
        EXPECT_TRUE(ipc::RingLayout::sides_are_together(link->commands));
        writers.add("nobody", &link->worker, sizeof link->worker);
        writers.add("nobody", &link->page, sizeof link->page);
        writers.add("nobody", &link->control_bell, sizeof link->control_bell);
        writers.add("nobody", ipc::RingLayout::constants(link->commands), 1);
        writers.add("nobody", ipc::RingLayout::constants(link->events), 1);
        for (const std::size_t producer : {0, 1}) {
            writers.add("control", commands[producer], 8);
            writers.add(worker, events[producer], 8);
            writers.add(worker, commands[2 + producer], 8);
            writers.add("control", events[2 + producer], 8);
        }
        // An index that is polled by the other side shares no line with its owner's own notes.
        for (const auto& indices : {commands, events})
            EXPECT_EQ((std::set<std::uintptr_t>{line_of(indices[0]), line_of(indices[1]),
                                                line_of(indices[2]), line_of(indices[3])}
                           .size()),
                      4u);
        writers.add("control", ipc::RingLayout::slots(link->commands),
                    link->commands.capacity() * sizeof(Command));
        writers.add(worker, ipc::RingLayout::slots(link->events),
                    link->events.capacity() * sizeof(WorkerEvent));
        writers.add(worker, &link->counters, sizeof link->counters);
    }
}

TEST(Layout, workers_share_no_line_of_the_hand_over_rings) {
    constexpr std::uint32_t kWorkers = 3;
    HandoverMesh mesh(kWorkers, 1500, 64);
    Writers writers;
    writers.add("nobody", &mesh, sizeof mesh);
    for (std::uint32_t from = 0; from < kWorkers; ++from) {
        for (std::uint32_t to = 0; to < kWorkers; ++to) {
            if (from == to) continue;
            const std::string producer = "worker " + std::to_string(from);
            const std::string consumer = "worker " + std::to_string(to);
            for (const FrameRing* ring : {&mesh.inbound(from, to), &mesh.outbound(from, to)}) {
                const auto indices = FrameRingLayout::indices(*ring);
                writers.add("nobody", FrameRingLayout::constants(*ring), 1);
                writers.add(producer, indices[0], 8);
                writers.add(producer, indices[1], 16);
                writers.add(consumer, indices[2], 8);
                writers.add(consumer, indices[3], 16);
                writers.add(producer, FrameRingLayout::slots(*ring), 64 * sizeof(FrameRing::Slot));
                writers.add(producer, FrameRingLayout::memory(*ring),
                            FrameRingLayout::memory_bytes(*ring));
                // Frames are copied line by line.
                EXPECT_TRUE(begins_line(FrameRingLayout::memory(*ring)));
                EXPECT_EQ(FrameRingLayout::stride(*ring) % kCacheLine, 0u);
            }
        }
    }
}

#if FANFARE_OWN_OPERATOR_NEW
// dataplane/line_allocation.cpp, which the daemon is linked with as this test is.
TEST(Layout, nothing_on_the_heap_shares_a_line) {
    Writers writers;
    std::vector<std::unique_ptr<std::vector<char>>> held;
    for (std::size_t i = 0; i < 300; ++i) {
        held.push_back(std::make_unique<std::vector<char>>(1 + i));
        const std::string who = "owner " + std::to_string(i);
        EXPECT_TRUE(begins_line(held.back().get()));
        EXPECT_TRUE(begins_line(held.back()->data()));
        writers.add(who, held.back().get(), sizeof(std::vector<char>));
        writers.add(who, held.back()->data(), held.back()->size());
    }
}
#endif

}  // namespace
}  // namespace fanfare::dataplane
