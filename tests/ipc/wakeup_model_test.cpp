// Walks every interleaving of a sleeper and its waker, with stores that may stay in a store buffer
// for as long as they like and leave it in any order that their release marks allow (weaker than
// x86, which keeps them in order).
//
// A thread's program is run again from its start for each step: the operations it did before are
// answered from its history, the first new one is carried out, and the run ends there. So a program
// is ordinary code, the very templates that run in production, and a state is plain data.
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <set>
#include <vector>

#include "ipc/wakeup.hpp"

namespace fanfare::ipc {
namespace {

using Location = const std::size_t;
Location kCounter = 0, kFlag = 1, kLocations = 2;

struct Store {
    std::size_t location;
    int value;
    bool release;
};

struct Thread {
    std::vector<Store> buffer;  // stores that nobody else sees yet, oldest first
    std::vector<int> history;   // what each operation so far returned
    bool done = false;
    bool waiting = false;  // its next operation is a sleep
};

struct State {
    int memory[kLocations] = {};
    int wakeups = 0;  // system calls that wake, not yet consumed
    std::vector<Thread> threads;

    std::vector<int> key() const {
        std::vector<int> k(memory, memory + kLocations);
        k.push_back(wakeups);
        for (const Thread& t : threads) {
            k.push_back(-1);
            for (const Store& s : t.buffer)
                k.insert(k.end(), {int(s.location), s.value, s.release});
            k.push_back(-2);
            k.insert(k.end(), t.history.begin(), t.history.end());
            k.push_back(t.done);
        }
        return k;
    }
};

struct StepTaken {};
struct CannotStep {};

// The Memory of ipc/wakeup.hpp over a State.
class ModelMemory {
  public:
    ModelMemory(State& state, std::size_t thread, bool fences)
        : state_(state), self_(state.threads[thread]), fences_(fences) {}

    void store_relaxed(std::size_t at, int value) { store(at, value, false); }
    void store_release(std::size_t at, int value) { store(at, value, true); }
    int load_relaxed(std::size_t at) { return load(at); }
    int load(std::size_t at) {
        return operation([&] {
            for (auto s = self_.buffer.rbegin(); s != self_.buffer.rend(); ++s)
                if (s->location == at) return s->value;
            return state_.memory[at];
        });
    }
    int exchange(std::size_t at, int value) {
        return operation([&] {
            require_drained();
            return std::exchange(state_.memory[at], value);
        });
    }
    void fence() {
        if (!fences_) return;
        operation([&] {
            require_drained();
            return 0;
        });
    }
    // System calls are full barriers.
    void wake() {
        operation([&] {
            require_drained();
            ++state_.wakeups;
            return 0;
        });
    }
    void sleep() {
        operation([&] {
            require_drained();
            if (state_.wakeups == 0) {
                self_.waiting = true;
                throw CannotStep{};
            }
            --state_.wakeups;
            self_.waiting = false;
            return 0;
        });
    }

  private:
    void store(std::size_t at, int value, bool release) {
        operation([&] {
            self_.buffer.push_back({at, value, release});
            return 0;
        });
    }
    void require_drained() {
        if (!self_.buffer.empty()) throw CannotStep{};
    }
    template <typename Action>
    int operation(Action&& action) {
        if (at_ < self_.history.size()) return self_.history[at_++];
        self_.history.push_back(action());
        throw StepTaken{};
    }

    State& state_;
    Thread& self_;
    bool fences_;
    std::size_t at_ = 0;
};

using Program = std::function<void(ModelMemory&)>;

struct Outcome {
    std::size_t states = 0;
    std::size_t lost_wakeups = 0;  // ends in which a thread sleeps and nobody is left to wake it
};

// `fences[i]`: whether thread i's fences are there.
Outcome walk(const std::vector<Program>& programs, const std::vector<bool>& fences) {
    Outcome outcome;
    std::set<std::vector<int>> seen;
    State start;
    start.threads.resize(programs.size());
    std::vector<State> todo{start};
    while (!todo.empty()) {
        const State state = std::move(todo.back());
        todo.pop_back();
        if (!seen.insert(state.key()).second) continue;
        ++outcome.states;
        bool moved = false, all_done = true;
        for (std::size_t i = 0; i < programs.size(); ++i) {
            if (!state.threads[i].done) {
                State next = state;
                ModelMemory memory(next, i, fences[i]);
                try {
                    programs[i](memory);
                    next.threads[i].done = true;
                    todo.push_back(next);
                    moved = true;
                } catch (const StepTaken&) {
                    todo.push_back(next);
                    moved = true;
                } catch (const CannotStep&) {
                }
                all_done = false;
            }
            // Any store may leave the buffer next that no older one of the same place precedes; a
            // release only after everything before it.
            const std::vector<Store>& buffer = state.threads[i].buffer;
            for (std::size_t s = 0; s < buffer.size(); ++s) {
                bool may = !(buffer[s].release && s > 0);
                for (std::size_t older = 0; older < s; ++older)
                    may = may && buffer[older].location != buffer[s].location;
                if (!may) continue;
                State next = state;
                next.memory[buffer[s].location] = buffer[s].value;
                next.threads[i].buffer.erase(next.threads[i].buffer.begin() +
                                             static_cast<std::ptrdiff_t>(s));
                todo.push_back(next);
                moved = true;
            }
        }
        if (!moved && !all_done) ++outcome.lost_wakeups;
    }
    return outcome;
}

// Reads until the counter is `last`, sleeping whenever there is nothing new.
Program sleeper(int last) {
    return [last](ModelMemory& memory) {
        int seen = 0;
        while (seen < last) {
            const int now = memory.load(kCounter);
            if (now != seen) {
                seen = now;
                continue;
            }
            if (prepare_sleep(memory, kFlag, [&] { return memory.load(kCounter) != seen; }))
                memory.sleep();
        }
    };
}

Program waker(int last) {
    return [last](ModelMemory& memory) {
        for (int n = 1; n <= last; ++n) {
            memory.store_release(kCounter, n);
            publish_fence(memory);
            if (take_sleeper(memory, kFlag)) memory.wake();
        }
    };
}

TEST(WakeupModel, NoInterleavingOfThreePublicationsLosesAWakeup) {
    const Outcome outcome = walk({sleeper(3), waker(3)}, {true, true});
    EXPECT_EQ(outcome.lost_wakeups, 0u);
    EXPECT_GT(outcome.states, 200u);
    RecordProperty("states", static_cast<int>(outcome.states));
}

TEST(WakeupModel, WithoutTheSleepersFenceAWakeupIsLost) {
    EXPECT_GT(walk({sleeper(1), waker(1)}, {false, true}).lost_wakeups, 0u);
}

TEST(WakeupModel, WithoutTheWakersFenceAWakeupIsLost) {
    EXPECT_GT(walk({sleeper(1), waker(1)}, {true, false}).lost_wakeups, 0u);
}

TEST(WakeupModel, SleepingWithoutTheSecondLookLosesAWakeup) {
    const Program hasty = [](ModelMemory& memory) {
        while (memory.load(kCounter) == 0)
            if (prepare_sleep(memory, kFlag, [] { return false; })) memory.sleep();
    };
    EXPECT_GT(walk({hasty, waker(1)}, {true, true}).lost_wakeups, 0u);
}

TEST(WakeupModel, ReadingTheFlagBeforePublishingLosesAWakeup) {
    const Program early = [](ModelMemory& memory) {
        const bool sleeps = take_sleeper(memory, kFlag);
        memory.store_release(kCounter, 1);
        publish_fence(memory);
        if (sleeps) memory.wake();
    };
    EXPECT_GT(walk({sleeper(1), early}, {true, true}).lost_wakeups, 0u);
}

// Two publishers that ring for one sleeper (two clients of one worker): each stores a counter of
// its own.
TEST(WakeupModel, TwoWakersOfOneSleeperLoseNone) {
    const Program both = [](ModelMemory& memory) {
        while (memory.load(kCounter) == 0)
            if (prepare_sleep(memory, kFlag, [&] { return memory.load(kCounter) != 0; }))
                memory.sleep();
    };
    const Outcome outcome = walk({both, waker(1), waker(1)}, {true, true, true});
    EXPECT_EQ(outcome.lost_wakeups, 0u);
}

TEST(WakeupModel, TheRealMemoryWakesASleeperOnce) {
    AtomicMemory::Flag flag{0};
    EXPECT_FALSE(take_sleeper(AtomicMemory{}, flag));
    EXPECT_TRUE(prepare_sleep(AtomicMemory{}, flag, [] { return false; }));
    publish_fence(AtomicMemory{});
    EXPECT_TRUE(take_sleeper(AtomicMemory{}, flag));
    EXPECT_FALSE(take_sleeper(AtomicMemory{}, flag));
    EXPECT_FALSE(prepare_sleep(AtomicMemory{}, flag, [] { return true; }));
}

}  // namespace
}  // namespace fanfare::ipc
