// Asynchronous calls against a daemon that is played in this process (fake_daemon.hpp).
#pragma once

#include <poll.h>

#include <chrono>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "fanfare/async.hpp"
#include "tests/client/socket_fixture.hpp"

namespace fanfare::client {

using namespace std::chrono_literals;

class AsyncTest : public DaemonTest {
  protected:
    fanfare::Receiver receiver(Mode mode = Mode::message) {
        return DaemonTest::receiver(session, mode);
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
};

using Pair = std::pair<std::uint64_t, std::int64_t>;
using Texts = std::vector<std::string>;

}  // namespace fanfare::client
