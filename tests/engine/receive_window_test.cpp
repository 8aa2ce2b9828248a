#include "engine/core/receive_window.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <map>

#include "engine/core/random.hpp"

namespace fanfare::engine {
namespace {

struct Window {
    explicit Window(std::size_t entries = 64, std::size_t octets = 65536)
        : index(entries), log(octets), window({index, log}) {}
    // Receives `length` octets of value `fill`; false when there was no room.
    bool put(std::uint64_t ordinal, std::uint32_t length, int fill = 0) {
        window.reserve(length);
        std::uint64_t position = 0;
        if (!window.room_for(ordinal, length, position)) return false;
        std::memset(window.at(position), fill, length);
        window.commit(ordinal, position, length, kEntryData, length, nullptr);
        window.advance([](IndexEntry&, bool, const FragmentNote&, std::uint64_t) { return true; });
        return true;
    }
    std::vector<IndexEntry> index;
    std::vector<std::byte> log;
    ReceiveWindow window;
};

TEST(ReceiveWindow, StartsAtItsFirstNumber) {
    Window w;
    EXPECT_FALSE(w.window.started());
    EXPECT_EQ(w.window.next(), 0u);
    w.window.start(0xFFFFFFFE);
    EXPECT_EQ(w.window.next(), 0x1FFFFFFFEu);
    EXPECT_EQ(w.window.lead(), w.window.next() - 1);
    EXPECT_EQ(w.window.ordinal_of(0), w.window.next() + 2);
    EXPECT_EQ(w.window.ordinal_of(0xFFFFFFF0), w.window.next() - 14);
}

TEST(ReceiveWindow, AGapHoldsBackWhatComesAfterIt) {
    Window w;
    w.window.start(0xFFFFFFFF);
    const std::uint64_t first = w.window.next();
    ASSERT_TRUE(w.put(first, 10));
    ASSERT_TRUE(w.put(first + 2, 10));
    EXPECT_EQ(w.window.next(), first + 1);
    EXPECT_EQ(w.window.buffered(), 1u);
    EXPECT_FALSE(w.window.held(first + 1));
    EXPECT_TRUE(w.window.held(first + 2));
    ASSERT_TRUE(w.put(first + 1, 10));
    EXPECT_EQ(w.window.next(), first + 3);
    EXPECT_EQ(w.window.buffered(), 0u);
}

// They would make all that is placed before them look as if it had to be kept for them.
TEST(ReceiveWindow, NumbersThatWereLeftOutHoldNoRoom) {
    Window w(1024);
    w.window.start(0);
    const std::uint64_t first = w.window.next();
    w.window.extend(first + 300);
    for (std::uint64_t i = 301; i < 330; ++i) w.window.leave_out(first + i);
    EXPECT_EQ(w.window.buffered(), 0u);
    // Four times what the log holds, each number in its turn and one ahead of it.
    for (std::uint64_t i = 0; i < 300; i += 2) {
        ASSERT_TRUE(w.put(first + i + 1, 1000)) << i;
        ASSERT_TRUE(w.put(first + i, 1000)) << i;
    }
    ASSERT_TRUE(w.put(first + 300, 1000));
    EXPECT_EQ(w.window.next(), first + 330);
    EXPECT_EQ(w.window.buffered(), 0u);
}

TEST(ReceiveWindow, ASlotOfAnEarlierLapIsNotMistakenForANewNumber) {
    Window w;
    w.window.start(5);
    for (std::uint64_t i = 0; i < 200; ++i) {
        EXPECT_FALSE(w.window.held(w.window.next()));
        EXPECT_FALSE(w.window.held(w.window.next() + 1));
        ASSERT_TRUE(w.put(w.window.next(), 1));
    }
}

TEST(ReceiveWindow, APayloadNeverStandsAcrossTheLogsEnd) {
    Window w;
    w.window.start(0);
    for (int i = 0; i < 1000; ++i) {
        ASSERT_TRUE(w.put(w.window.next(), 999));
        const IndexEntry& entry = w.index[(w.window.next() - 1) & 63];
        ASSERT_LE((entry.place & 65535) + entry.length, 65536u);
    }
}

TEST(ReceiveWindow, NothingBeyondTheReservationIsWritten) {
    Window w;
    w.window.start(0);
    const Reservation reservation = w.window.reserve(1000);
    EXPECT_EQ(reservation.ordinal, w.window.next() + 32);
    EXPECT_EQ(reservation.log_position, 1000u);
    std::uint64_t position = 0;
    EXPECT_TRUE(w.window.room_for(w.window.next(), 1000, position));
    EXPECT_FALSE(w.window.room_for(w.window.next(), 1001, position));
}

TEST(ReceiveWindow, TheReservationCoversTheSkippedEndOfALap) {
    Window w;
    w.window.start(0);
    while (65536 - (w.window.head() & 65535) > 700) ASSERT_TRUE(w.put(w.window.next(), 500));
    ASSERT_LT(65536 - (w.window.head() & 65535), 1000u);
    const Reservation reservation = w.window.reserve(1000);
    std::uint64_t position = 0;
    ASSERT_TRUE(w.window.room_for(w.window.next(), 1000, position));
    EXPECT_EQ(position % 65536, 0u);
    EXPECT_LE(position + 1000, reservation.log_position);
}

TEST(ReceiveWindow, ReservationsOnlyGrow) {
    Window w;
    w.window.start(0);
    const Reservation large = w.window.reserve(50'000);
    const Reservation small = w.window.reserve(10);
    EXPECT_GE(small.log_position, large.log_position);
    EXPECT_GE(small.ordinal, large.ordinal);
}

TEST(ReceiveWindow, DataThatIsNotContiguousIsNeverOverwritten) {
    Window w;
    w.window.start(0);
    const std::uint64_t first = w.window.next();
    std::uint64_t ordinal = first + 1;
    while (w.put(ordinal, 4000, static_cast<int>(ordinal))) ++ordinal;
    EXPECT_LT((ordinal - first) * 4000, 65536u);
    // The missing one still has its room, and everything is as it was received.
    ASSERT_TRUE(w.put(first, 4000, static_cast<int>(first)));
    EXPECT_EQ(w.window.next(), ordinal);
    for (std::uint64_t o = first; o < ordinal; ++o) {
        const IndexEntry& entry = w.index[o & 63];
        for (std::uint32_t i = 0; i < 4000; ++i) {
            ASSERT_EQ(static_cast<std::uint8_t>(w.log[(entry.place & 65535) + i]),
                      static_cast<std::uint8_t>(o));
        }
    }
}

TEST(ReceiveWindow, EveryMissingNumberKeepsItsRoomSoThatRepairsAlwaysFit) {
    const std::uint64_t seed = 99;
    std::cout << "seed " << seed << "\n";
    Random random(seed);
    for (int round = 0; round < 200; ++round) {
        Window w(256, 65536);
        w.window.start(static_cast<Sqn>(random.next()));
        ASSERT_TRUE(w.put(w.window.next(), 1400));  // the longest length is known
        std::map<std::uint64_t, int> held;
        for (int step = 0; step < 400; ++step) {
            const std::uint64_t ordinal = w.window.next() + random.next() % 100;
            if (w.window.held(ordinal)) continue;
            const auto length = static_cast<std::uint32_t>(random.next() % 1401);
            const int fill = static_cast<int>(random.next() & 255);
            if (w.put(ordinal, length, fill)) held[ordinal] = fill;
        }
        // All that is missing comes now, in any order: it must fit, and nothing may have been
        // damaged.
        while (w.window.buffered() > 0) {
            std::vector<std::uint64_t> missing;
            for (std::uint64_t o = w.window.next(); o <= w.window.lead(); ++o) {
                if (!w.window.held(o)) missing.push_back(o);
            }
            const std::uint64_t ordinal = missing[random.next() % missing.size()];
            ASSERT_TRUE(w.put(ordinal, 1400, 7)) << "round " << round;
            held[ordinal] = 7;
            for (const auto& [o, fill] : held) {
                if (o < w.window.next()) continue;
                const IndexEntry& entry = w.index[o & 255];
                ASSERT_EQ(entry.sqn, static_cast<Sqn>(o));
                for (std::uint32_t i = 0; i < entry.length; ++i) {
                    ASSERT_EQ(static_cast<std::uint8_t>(w.log[(entry.place & 65535) + i]),
                              static_cast<std::uint8_t>(fill));
                }
            }
        }
    }
}

TEST(ReceiveWindow, APacketLongerThanAllBeforeItOverwritesNothingEither) {
    Window w(1u << 12, 65536);
    w.window.start(0);
    const std::uint64_t first = w.window.next();
    std::uint64_t ordinal = first + 1;
    while (w.put(ordinal, 100, 3)) ++ordinal;
    EXPECT_FALSE(w.put(ordinal, 60'000, 4));
    EXPECT_FALSE(w.put(first, 60'000, 4)) << "not even for the first missing number";
    for (std::uint64_t o = first + 1; o < ordinal; ++o) {
        ASSERT_EQ(static_cast<int>(w.log[w.index[o & 4095].place & 65535]), 3);
    }
    EXPECT_TRUE(w.put(first, 100, 3));
}

TEST(ReceiveWindow, WhatALateRepairMakesReadableStandsUntilAQuarterOfTheLogHasCome) {
    Window w(1u << 12, 65536);
    w.window.start(0);
    const std::uint64_t first = w.window.next();
    ASSERT_TRUE(w.put(first, 100));
    std::uint64_t ordinal = first + 2;
    while (w.put(ordinal, 100)) ++ordinal;
    const std::uint64_t oldest = w.index[(first + 2) & 4095].place;
    ASSERT_TRUE(w.put(first + 1, 100));
    ASSERT_EQ(w.window.next(), ordinal);
    EXPECT_GE(oldest + 65536, w.window.reserve(65536 / 4 - 300).log_position);
}

TEST(ReceiveWindow, AGapFarAheadDoesNotUncoverDataHeldBeforeIt) {
    Window w(256, 65536);
    w.window.start(0);
    const std::uint64_t first = w.window.next();
    w.window.extend(first + 10);  // an SPM's lead
    ASSERT_TRUE(w.put(first + 5, 1000, 5));
    ASSERT_TRUE(w.put(first + 20, 1000, 20));
    // In order now, until the log has gone round: number 5 must not be overwritten.
    for (std::uint64_t o = first + 21; w.put(o, 1000, 9); ++o) {
    }
    const IndexEntry& entry = w.index[(first + 5) & 255];
    for (std::uint32_t i = 0; i < 1000; ++i) {
        ASSERT_EQ(static_cast<std::uint8_t>(w.log[entry.place + i]), 5);
    }
}

TEST(ReceiveWindow, ManyGapsAreRememberedOrMergedWithoutHarm) {
    Window w(1u << 13, 1u << 20);
    w.window.start(0);
    const std::uint64_t first = w.window.next();
    for (std::uint64_t i = 1; i < 4000; i += 2)
        ASSERT_TRUE(w.put(first + i, 50, static_cast<int>(i)));
    for (std::uint64_t i = 0; i < 4000; i += 2)
        ASSERT_TRUE(w.put(first + i, 50, static_cast<int>(i)));
    EXPECT_EQ(w.window.next(), first + 4000);
    for (std::uint64_t i = 0; i < 4000; ++i) {
        const IndexEntry& entry = w.index[(first + i) & (w.index.size() - 1)];
        ASSERT_EQ(static_cast<std::uint8_t>(w.log[entry.place & (w.log.size() - 1)]),
                  static_cast<std::uint8_t>(i));
    }
}

TEST(ReceiveWindow, AJudgeThatRefusesStopsBeforeThatEntry) {
    Window w;
    w.window.start(0);
    const std::uint64_t first = w.window.next();
    w.window.reserve(100);
    std::uint64_t position = 0;
    ASSERT_TRUE(w.window.room_for(first, 10, position));
    w.window.commit(first, position, 10, kEntryData, 10, nullptr);
    EXPECT_FALSE(w.window.advance(
        [](IndexEntry&, bool, const FragmentNote&, std::uint64_t) { return false; }));
    EXPECT_EQ(w.window.next(), first);
}

TEST(ReceiveWindow, AClearedWindowKnowsNothingOfTheOldSession) {
    Window w;
    w.window.start(3);
    ASSERT_TRUE(w.put(w.window.next() + 1, 10));
    w.window.clear();
    w.window.start(3);
    EXPECT_FALSE(w.window.held(w.window.next() + 1));
    EXPECT_EQ(w.window.head(), 0u);
}

}  // namespace
}  // namespace fanfare::engine
