// The ring of completions as a program sees it: room, waiting, the descriptor, forks.
#include "client/socket/completion_queue.hpp"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "tests/client/async_fixture.hpp"

namespace fanfare::client {
namespace {

bool nop(Ring& ring, std::uint64_t user_data) {
    Submission wish{};
    wish.user_data = user_data;
    return ring.submit(std::span(&wish, 1)) == 1;
}

TEST_F(AsyncTest, AFullRingRefusesWithEbusyAndTakesWhatFits) {
    EXPECT_EQ(fanfare_ring_create(0), nullptr);
    EXPECT_EQ(errno, EINVAL);
    Ring ring(4);
    std::array<Submission, 6> batch{};
    for (std::size_t i = 0; i < batch.size(); ++i) batch[i].user_data = i;
    EXPECT_EQ(ring.submit(batch), 4u);
    EXPECT_EQ(errno, 0);
    EXPECT_EQ(ring.submit(batch), 0u);
    EXPECT_EQ(errno, EBUSY);
    std::array<Completion, 3> some;
    EXPECT_EQ(ring.peek(some).size(), 3u);
    EXPECT_EQ(ring.submit(batch), 0u) << "looking makes no room";
    ring.seen(2);
    EXPECT_EQ(ring.submit(batch), 2u);
    std::vector<std::uint64_t> names;
    ring.for_each([&](const Completion& done) { names.push_back(done.user_data); });
    EXPECT_EQ(names, (std::vector<std::uint64_t>{2, 3, 0, 1}));
}

TEST_F(AsyncTest, TheDescriptorIsReadableExactlyWhileCompletionsStand) {
    Ring ring(8);
    const int fd = ring.fd();
    EXPECT_FALSE(readable(fd));
    for (int round = 0; round < 3; ++round) {
        EXPECT_TRUE(nop(ring, 1));
        EXPECT_TRUE(nop(ring, 2));
        EXPECT_TRUE(readable(fd));
        std::array<Completion, 1> one_only;
        EXPECT_EQ(ring.reap(one_only).size(), 1u);
        EXPECT_TRUE(readable(fd)) << "one is left";
        EXPECT_EQ(ring.wait(1), 1);
        EXPECT_TRUE(readable(fd)) << "waiting takes nothing";
        EXPECT_EQ(ring.reap(one_only).size(), 1u);
        EXPECT_FALSE(readable(fd));
    }
}

TEST_F(AsyncTest, WhatStoodBeforeTheDescriptorWasAskedForShows) {
    Ring ring(8);
    EXPECT_TRUE(nop(ring, 1));
    EXPECT_TRUE(readable(ring.fd()));
}

TEST_F(AsyncTest, WaitingEndsWithEnoughOrWhenNothingIsUnderWayOrInTime) {
    auto r = receiver();
    Ring ring(8);
    EXPECT_EQ(ring.wait(1), 0) << "nothing could ever come";
    EXPECT_TRUE(nop(ring, 1));
    EXPECT_EQ(ring.wait(5), 1);
    std::vector<std::byte> room(10);
    EXPECT_TRUE(ring.receive(r, room, 2));
    EXPECT_EQ(ring.wait(2, 20ms), 1);
    EXPECT_EQ(ring.wait(2, 0ms), 1);
    std::thread later([&] {
        std::this_thread::sleep_for(50ms);
        arrive("x");
    });
    EXPECT_EQ(ring.wait(2), 2);
    later.join();
}

TEST_F(AsyncTest, ANopWakesWhoeverWaits) {
    auto r = receiver();
    Ring ring(8);
    std::vector<std::byte> room(10);
    EXPECT_TRUE(ring.receive(r, room, 2));
    std::thread other([&] {
        std::this_thread::sleep_for(50ms);
        EXPECT_TRUE(nop(ring, 9));
    });
    EXPECT_EQ(ring.wait(1), 1);
    other.join();
    EXPECT_EQ(one(ring).first, 9u);
}

TEST_F(AsyncTest, ASignalInterruptsAWait) {
    struct sigaction action {};
    action.sa_handler = [](int) {};
    struct sigaction before;
    ::sigaction(SIGUSR1, &action, &before);
    auto r = receiver();
    Ring ring(8);
    std::vector<std::byte> room(10);
    EXPECT_TRUE(ring.receive(r, room, 2));
    const pthread_t me = ::pthread_self();
    std::atomic<bool> over{false};
    std::thread other([&] {
        while (!over) {
            std::this_thread::sleep_for(5ms);
            ::pthread_kill(me, SIGUSR1);
        }
    });
    EXPECT_EQ(ring.wait(1), -1);
    EXPECT_EQ(errno, EINTR);
    over = true;
    other.join();
    ::sigaction(SIGUSR1, &before, nullptr);
}

TEST_F(AsyncTest, ARingThatGoesCancelsItsCallsAndLeavesTheSocketAlone) {
    auto r = receiver();
    std::vector<std::byte> room(10);
    {
        Ring ring(8);
        EXPECT_TRUE(ring.receive(r, room, 1));
    }
    Ring next(8);
    EXPECT_TRUE(next.receive(r, room, 2));
    arrive("x");
    EXPECT_EQ(one(next), (Pair{2, 1}));
}

TEST_F(AsyncTest, ManyThreadsSubmitAndOneTakes) {
    auto s = sender();
    Ring ring(32);
    constexpr std::uint64_t kThreads = 4, kEach = 2000;
    std::atomic<bool> over{false};
    std::thread worker([&] {
        while (!over) {
            (void)taken();
            release();
            std::this_thread::yield();
        }
    });
    std::vector<std::thread> threads;
    const auto text = octets("0123456789");
    for (std::uint64_t t = 0; t < kThreads; ++t)
        threads.emplace_back([&, t] {
            for (std::uint64_t i = 0; i < kEach;) {
                if (ring.send(s, text, t * kEach + i))
                    ++i;
                else
                    std::this_thread::yield();
            }
        });
    std::vector<std::uint64_t> next(kThreads, 0);
    std::uint64_t total = 0;
    bool good = true;
    while (total < kThreads * kEach) {
        if (ring.wait(1, 10s) < 0) break;
        total += ring.for_each([&](const Completion& done) {
            const std::uint64_t t = done.user_data / kEach;
            good = good && done.result == 10 && done.user_data % kEach == next[t]++;
        });
    }
    for (std::thread& t : threads) t.join();
    over = true;
    worker.join();
    EXPECT_TRUE(good) << "in the order of each thread's calls";
    EXPECT_EQ(total, kThreads * kEach);
}

TEST_F(AsyncTest, AChildTakesCompletionsAndMakesARingOfItsOwn) {
    auto r = receiver();
    auto ring = std::make_unique<Ring>(8);
    std::vector<std::byte> room(10);
    EXPECT_TRUE(nop(*ring, 5));
    EXPECT_TRUE(ring->receive(r, room, 6));
    const pid_t child = ::fork();
    if (child == 0) {
        ::alarm(20);
        if (nop(*ring, 1) || errno != EBADF) ::_exit(1);
        std::array<Completion, 4> some;
        if (ring->reap(some).size() != 1 || some[0].user_data != 5) ::_exit(2);
        ring.reset();
        Ring own(8);
        std::vector<std::byte> mine(10);
        if (!own.receive(r, mine, 7)) ::_exit(3);
        // The parent's receive stands before nothing: whoever looks first has the message.
        if (!nop(own, 8) || own.wait(1) != 1) ::_exit(4);
        if (own.reap(some).size() != 1 || some[0].user_data != 8) ::_exit(5);
        ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
    arrive("x");
    EXPECT_EQ(one(*ring), (Pair{6, 1})) << "5 was taken by the child";
}

}  // namespace
}  // namespace fanfare::client
