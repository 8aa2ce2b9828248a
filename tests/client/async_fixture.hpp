// Asynchronous calls against a daemon that is played in this process (fake_daemon.hpp).
#pragma once

#include <gtest/gtest.h>
#include <poll.h>

#include <chrono>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "fanfare/async.hpp"
#include "tests/client/fake_daemon.hpp"

namespace fanfare::client {

using namespace std::chrono_literals;

class AsyncTest : public testing::Test {
  protected:
    void SetUp() override { ASSERT_EQ(fanfare_set_control(daemon.path().c_str()), 0); }

    fanfare::Receiver receiver(Mode mode = Mode::message) {
        Listener listener("239.1.1.1", 7500, mode);
        daemon.offer(daemon.newest(), session);
        fanfare::Receiver out = listener.accept();
        EXPECT_TRUE(out);
        reading = &daemon.newest();
        return out;
    }
    fanfare::Sender sender(Mode mode = Mode::message) {
        fanfare::Sender out("239.1.1.1", 7500, mode);
        sending = &daemon.newest();
        return out;
    }
    // What a worker does: packets that came, and the wake rule.
    void arrive(const std::string& text, std::uint16_t flags = kWhole, std::uint32_t whole = 0) {
        session.window.add(text, flags, whole);
        daemon.wake_reader(*reading);
    }
    void end(SessionState state, ResetCause cause = ResetCause::none) {
        session.window.end(state, cause);
        daemon.wake_reader(*reading);
        if (state == SessionState::reset) FakeDaemon::hang_up(*reading);
    }
    // Whole messages that the worker takes; what it took makes room.
    std::vector<std::string> taken() {
        bool good = false;
        std::vector<std::string> texts;
        for (const auto& message : sending->sending->take_messages(good))
            texts.push_back(text_of(message));
        EXPECT_TRUE(good);
        return texts;
    }
    void release() {
        sending->sending->release();
        daemon.wake_writer(*sending);
    }
    // Until a completion stands in the ring, whoever makes the progress; then takes them all.
    std::vector<Completion> completions(Ring& ring, std::size_t count) {
        std::vector<Completion> all;
        for (int i = 0; i < 200 && all.size() < count; ++i) {
            EXPECT_GE(ring.wait(static_cast<unsigned>(count - all.size()), 100ms), 0);
            ring.for_each([&](const Completion& done) { all.push_back(done); });
        }
        EXPECT_EQ(all.size(), count);
        return all;
    }
    // The same for one: its user_data and result.
    std::pair<std::uint64_t, std::int64_t> one(Ring& ring) {
        const auto all = completions(ring, 1);
        return all.empty() ? std::pair<std::uint64_t, std::int64_t>{~0ull, 0}
                           : std::pair{all[0].user_data, all[0].result};
    }
    static bool readable(int fd, int milliseconds = 0) {
        pollfd wait{fd, POLLIN, 0};
        return ::poll(&wait, 1, milliseconds) == 1;
    }

    FakeDaemon daemon;
    FakeDaemon::Session session{64 * 1024, 256};
    FakeDaemon::Socket* reading = nullptr;
    FakeDaemon::Socket* sending = nullptr;
};

using Pair = std::pair<std::uint64_t, std::int64_t>;
using Texts = std::vector<std::string>;

}  // namespace fanfare::client
