// The worker's small parts: tables, queues, rings.
#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "dataplane/event_queue.hpp"
#include "dataplane/finished_sessions.hpp"
#include "dataplane/frame_queue.hpp"
#include "dataplane/frame_ring.hpp"
#include "dataplane/listen_table.hpp"
#include "dataplane/reader_list.hpp"
#include "dataplane/receive_loss.hpp"
#include "dataplane/session_table.hpp"
#include "dataplane/snapshot.hpp"
#include "engine/core/random.hpp"

namespace fanfare::dataplane {
namespace {

Tsi tsi(std::uint32_t n) {
    return {Gsi{{1, 2, static_cast<std::uint8_t>(n >> 24), static_cast<std::uint8_t>(n >> 16),
                 static_cast<std::uint8_t>(n >> 8), static_cast<std::uint8_t>(n)}},
            77};
}

TEST(SessionTable, HoldsWhatAMapHoldsThroughAnyOrderOfInsertAndErase) {
    SessionTable<int> table(300);
    std::map<std::uint32_t, int*> model;
    std::vector<int> values(1000);
    std::uint32_t x = 7;
    for (int step = 0; step < 200000; ++step) {
        x = x * 1664525u + 1013904223u;
        const std::uint32_t key = (x >> 8) % 500;
        if ((x & 1) != 0) {
            const bool expected = model.size() < 300 && model.count(key) == 0;
            ASSERT_EQ(table.insert(tsi(key), &values[key]), expected);
            if (expected) model[key] = &values[key];
        } else {
            table.erase(tsi(key));
            model.erase(key);
        }
        ASSERT_EQ(table.size(), model.size());
        const std::uint32_t probe = (x >> 16) % 500;
        ASSERT_EQ(table.find(tsi(probe)), model.count(probe) ? model[probe] : nullptr);
    }
    for (std::uint32_t key = 0; key < 500; ++key) {
        ASSERT_EQ(table.find(tsi(key)), model.count(key) ? model[key] : nullptr);
    }
}

TEST(SessionTable, ATsiOfZeroesIsOneLikeAnyOther) {
    SessionTable<int> table(4);
    int value = 0;
    EXPECT_EQ(table.find(Tsi{}), nullptr);
    EXPECT_TRUE(table.insert(Tsi{}, &value));
    EXPECT_EQ(table.find(Tsi{}), &value);
}

TEST(Snapshot, IsNeverTornWhileItsWriterGoesOn) {
    struct Wide {
        std::uint64_t words[20];
    };
    Snapshot<Wide> snapshot;
    Wide out;
    EXPECT_FALSE(snapshot.read(out));
    std::atomic<bool> stop{false};
    std::thread writer([&] {
        for (std::uint64_t n = 1; !stop.load(); ++n) {
            Wide value;
            for (auto& w : value.words) w = n;
            snapshot.write(value);
        }
    });
    int read = 0;
    bool torn = false;
    while (read < 20000 && !torn) {
        if (!snapshot.read(out)) {
            std::this_thread::yield();
            continue;
        }
        ++read;
        for (auto w : out.words) torn = torn || w != out.words[0];
    }
    stop = true;
    writer.join();
    EXPECT_FALSE(torn);
}

class FrameQueueTest : public ::testing::Test {
  protected:
    void lend(int count) {
        for (int i = 0; i < count; ++i) {
            queue.places()[0] = engine::TxFrame{};
            queue.places()[0].handle =
                reinterpret_cast<void*>(static_cast<std::uintptr_t>(++number));
            queue.added(1);
        }
    }
    std::vector<int> numbers(std::size_t from, std::size_t to) {
        std::vector<int> list;
        for (std::size_t i = from; i < to; ++i) list.push_back(number_of(queue.frame(i)));
        return list;
    }
    static int number_of(const engine::TxFrame& f) {
        return static_cast<int>(reinterpret_cast<std::uintptr_t>(f.handle));
    }
    FrameQueue queue{16};
    int number = 0;
};

TEST_F(FrameQueueTest, FramesLeaveInTheOrderTheyWereWritten) {
    lend(6);
    for (int i = 0; i < 4; ++i) queue.commit();
    queue.set_looped(3);
    EXPECT_EQ(queue.sift(), 3u);
    EXPECT_EQ(numbers(0, 3), (std::vector<int>{1, 2, 3}));
    queue.left(2);
    EXPECT_EQ(numbers(0, queue.have()), (std::vector<int>{3, 4, 5, 6}));
    EXPECT_EQ(queue.ready(), 2u);
    EXPECT_EQ(queue.looped(), 1u);
    EXPECT_EQ(queue.room_count(), 2u);
}

TEST_F(FrameQueueTest, AdjoiningPacketsFollowEachOtherAcrossItsUsers) {
    std::array<std::byte, 4096> memory;
    lend(4);
    for (std::size_t i = 0; i < 4; ++i) {
        queue.frame(i).data = memory.data() + i * 1024;
        queue.frame(i).adjoins = i > 0;
        queue.frame(i).handle = &memory;
    }
    for (const std::uint16_t length : {100, 7}) {
        engine::Output out(queue.room());
        out.next()->length = length;
        out.commit();
        queue.commit();
    }
    EXPECT_EQ(queue.room()[0].data, memory.data() + 107);
    // One that comes between has no neighbours.
    engine::TxFrame foreign;
    foreign.length = 50;
    ASSERT_TRUE(queue.insert(foreign));
    EXPECT_EQ(queue.room()[0].data, memory.data() + 3 * 1024);
    queue.set_looped(3);
    queue.left(3);
    EXPECT_EQ(queue.room()[0].data, memory.data() + 3 * 1024);
}

TEST_F(FrameQueueTest, APacketStaysInItsOwnBlockWhenTheOneBeforeItIsForNobody) {
    std::array<std::byte, 4096> memory;
    lend(3);
    for (std::size_t i = 0; i < 3; ++i) {
        queue.frame(i).data = memory.data() + i * 1024;
        queue.frame(i).adjoins = i == 2;
        // The second block begins with the second frame.
        queue.frame(i).handle = i == 0 ? &memory[0] : &memory[1];
        queue.frame(i).length = 10;
    }
    queue.commit();
    queue.commit();
    queue.note(1).send = false;
    queue.set_looped(2);
    EXPECT_EQ(queue.sift(), 1u);
    EXPECT_EQ(queue.room()[0].data, memory.data() + 2 * 1024);
}

TEST_F(FrameQueueTest, FramesForNobodyGoBackAndHeldOnesStayAway) {
    lend(5);
    for (int i = 0; i < 5; ++i) queue.commit();
    queue.note(1).send = false;
    queue.note(3).held = true;
    queue.set_looped(5);
    EXPECT_EQ(queue.sift(), 3u);
    EXPECT_EQ(numbers(0, 3), (std::vector<int>{1, 3, 5}));
    ASSERT_EQ(queue.returns().size(), 1u);
    EXPECT_EQ(number_of(queue.returns()[0]), 2);
    EXPECT_EQ(queue.have(), 3u);
}

TEST_F(FrameQueueTest, AFrameFromElsewhereLinesUpBehindTheWrittenOnes) {
    lend(3);
    queue.commit();
    engine::TxFrame foreign;
    foreign.handle = reinterpret_cast<void*>(std::uintptr_t{99});
    ASSERT_TRUE(queue.insert(foreign));
    EXPECT_EQ(number_of(queue.frame(1)), 99);
    EXPECT_EQ(queue.room_count(), 2u);
    lend(12);
    EXPECT_FALSE(queue.insert(foreign));
    queue.note(0).held = true;
    queue.return_all();
    EXPECT_EQ(queue.returns().size(), 15u);
}

TEST_F(FrameQueueTest, AFrameFromElsewhereTakesTheLastPlaceOfTheLapAndTouchesNothingBehindIt) {
    const std::size_t capacity = queue.capacity();
    lend(static_cast<int>(capacity));
    for (std::size_t i = 0; i < capacity; ++i) queue.commit();
    queue.set_looped(capacity);
    queue.left(capacity);
    lend(static_cast<int>(capacity) - 1);
    for (std::size_t i = 0; i + 1 < capacity; ++i) queue.commit();
    engine::TxFrame foreign;
    foreign.handle = reinterpret_cast<void*>(std::uintptr_t{99});
    ASSERT_TRUE(queue.insert(foreign));
    EXPECT_EQ(queue.room_count(), 0u);
    EXPECT_EQ(number_of(queue.frame(capacity - 1)), 99);
    EXPECT_FALSE(queue.insert(foreign));
}

TEST_F(FrameQueueTest, OrderAndRoomLastThroughAnyNumberOfLaps) {
    engine::Random random(21);
    std::printf("seed 21\n");
    int next = 1;
    for (int turn = 0; turn < 2000; ++turn) {
        lend(static_cast<int>(random.next() % (queue.capacity() - queue.have() + 1)));
        for (auto n = random.next() % (queue.room_count() + 1); n > 0; --n) queue.commit();
        queue.set_looped(queue.ready());
        const std::size_t may_leave = queue.sift();
        ASSERT_EQ(may_leave, queue.ready());
        const std::size_t leaves = random.next() % (may_leave + 1);
        for (std::size_t i = 0; i < leaves; ++i) ASSERT_EQ(number_of(queue.frame(i)), next++);
        queue.left(leaves);
        ASSERT_EQ(queue.places().size(), queue.capacity() - queue.have());
    }
    EXPECT_GT(next, 5000);
}

TEST(FrameRing, CarriesFramesInOrderBetweenTwoThreads) {
    FrameRing ring(8, 100);
    constexpr std::uint32_t kCount = 100000;
    std::thread producer([&] {
        for (std::uint32_t n = 0; n < kCount;) {
            std::size_t burst = 0;
            while (burst < 3 && n + burst < kCount) {
                FrameRing::Slot* slot = ring.claim(burst);
                if (slot == nullptr) break;
                slot->data = slot->room;
                slot->length = 4;
                std::memcpy(slot->room, &n, 4);
                slot->interface = n + static_cast<std::uint32_t>(burst);
                ++burst;
            }
            if (burst > 0)
                ring.publish(burst);
            else
                std::this_thread::yield();
            n += static_cast<std::uint32_t>(burst);
        }
    });
    for (std::uint32_t n = 0; n < kCount;) {
        const FrameRing::Slot* slot = ring.front();
        if (slot == nullptr) {
            std::this_thread::yield();
            continue;
        }
        ASSERT_EQ(slot->interface, n);
        ASSERT_EQ(slot->length, 4u);
        ring.pop(1);
        ++n;
    }
    producer.join();
    EXPECT_EQ(ring.front(), nullptr);
}

TEST(FrameRing, IsFullWhenEverySlotIsClaimedOrUnread) {
    FrameRing ring(4, 100);
    for (std::size_t i = 0; i < 4; ++i) EXPECT_NE(ring.claim(i), nullptr);
    EXPECT_EQ(ring.claim(4), nullptr);
    ring.publish(4);
    EXPECT_EQ(ring.claim(0), nullptr);
    EXPECT_NE(ring.front(3), nullptr);
    EXPECT_EQ(ring.front(4), nullptr);
    ring.pop(1);
    EXPECT_NE(ring.claim(0), nullptr);
    EXPECT_EQ(ring.claim(1), nullptr);
}

TEST(EventQueue, KeepsEventsInOrderWhileTheRingIsFull) {
    ipc::SpscRing<WorkerEvent> ring(4);
    EventQueue queue(ring, 3);
    for (std::uint64_t i = 0; i < 20; ++i) {
        WorkerEvent event;
        event.id = i;
        queue.push(event);
    }
    EXPECT_TRUE(queue.waiting());
    EXPECT_TRUE(queue.take_pushed());
    for (std::uint64_t i = 0; i < 20; ++i) {
        WorkerEvent event;
        ASSERT_TRUE(ring.take(event));
        EXPECT_EQ(event.id, i);
        queue.flush();
    }
    EXPECT_FALSE(queue.waiting());
}

TEST(FinishedSessions, AreRememberedWhileTheyAreHeardOf) {
    FinishedSessions finished;
    Nanos now = kSecond;
    EXPECT_FALSE(finished.heard(tsi(1), now));
    finished.remember(tsi(1), now);
    for (int i = 0; i < 10; ++i) {
        now += FinishedSessions::kForgetAfter - 1;
        EXPECT_TRUE(finished.heard(tsi(1), now));
    }
    now += FinishedSessions::kForgetAfter;
    EXPECT_FALSE(finished.heard(tsi(1), now));
    for (std::uint32_t i = 0; i < 129; ++i) finished.remember(tsi(i), now + i);
    EXPECT_FALSE(finished.heard(tsi(0), now + 200));
    EXPECT_TRUE(finished.heard(tsi(128), now + 200));
}

TEST(ListenTable, WantsExactlyWhatWasAskedFor) {
    ListenTable table(2);
    const Address group = Address::from_octets(239, 1, 1, 1),
                  source = Address::from_octets(10, 0, 0, 7);
    EXPECT_TRUE(table.add({5, group, 7500, 7600, 1, source}));
    EXPECT_TRUE(table.wants(1, group, 7500, 7600, source));
    EXPECT_FALSE(table.wants(0, group, 7500, 7600, source));
    EXPECT_FALSE(table.wants(1, Address{group.v4 + 1}, 7500, 7600, source));
    EXPECT_FALSE(table.wants(1, group, 7501, 7600, source));
    EXPECT_FALSE(table.wants(1, group, 7500, 0, source));
    EXPECT_FALSE(table.wants(1, group, 7500, 7600, Address{1}));
    EXPECT_TRUE(table.add({6, group, 7500, 7600, 1, {}}));
    EXPECT_TRUE(table.wants(1, group, 7500, 7600, Address{1}));
    EXPECT_FALSE(table.add({7, group, 7500, 7600, 1, {}}));
    ListenSpec removed;
    EXPECT_TRUE(table.remove(6, removed));
    EXPECT_FALSE(table.remove(6, removed));
    EXPECT_FALSE(table.wants(1, group, 7500, 7600, Address{1}));
}

TEST(UdpPorts, AreInUseUntilTheLastUserHasGone) {
    UdpPorts ports;
    EXPECT_TRUE(ports.add(7600));
    EXPECT_TRUE(ports.add(7600));
    ports.remove(7600);
    EXPECT_TRUE(ports.contains(7600));
    ports.remove(7600);
    EXPECT_FALSE(ports.contains(7600));
    for (std::uint16_t i = 1; i <= UdpPorts::kPortsMax; ++i) EXPECT_TRUE(ports.add(i));
    EXPECT_FALSE(ports.add(9999));
}

TEST(ReaderPool, ListsOfSeveralSessionsShareOnePool) {
    ReaderPool pool(3);
    std::uint32_t a = ReaderPool::kNone, b = ReaderPool::kNone;
    EXPECT_TRUE(pool.attach(a, 1, nullptr, 11));
    EXPECT_TRUE(pool.attach(b, 2, nullptr, 12));
    EXPECT_TRUE(pool.attach(a, 3, nullptr, 13));
    EXPECT_FALSE(pool.attach(b, 4, nullptr, 14));
    const auto ids = [&](std::uint32_t head) {
        std::vector<std::uint64_t> list;
        pool.for_each(head, [&](ReaderPool::Reader& r) { list.push_back(r.socket_id); });
        return list;
    };
    EXPECT_EQ(ids(a), (std::vector<std::uint64_t>{3, 1}));
    pool.detach(a, 1);
    pool.detach(a, 99);
    EXPECT_EQ(ids(a), (std::vector<std::uint64_t>{3}));
    EXPECT_TRUE(pool.attach(b, 4, nullptr, 14));
    pool.detach_all(b);
    EXPECT_TRUE(ids(b).empty());
}

TEST(ReceiveLoss, IsAsOftenAsAskedAndTheSameForTheSameSeed) {
    ReceiveLossGate one({10, 5}, 0), same({10, 5}, 0), queue({10, 5}, 1), none({0, 5}, 0),
        all({100, 5}, 0);
    int lost = 0, different = 0;
    for (int i = 0; i < 100000; ++i) {
        const bool fate = one.lose();
        lost += fate;
        EXPECT_EQ(same.lose(), fate);
        different += queue.lose() != fate;
        EXPECT_FALSE(none.lose());
        EXPECT_TRUE(all.lose());
    }
    EXPECT_NEAR(lost, 10000, 400);
    EXPECT_GT(different, 10000);
}

}  // namespace
}  // namespace fanfare::dataplane
