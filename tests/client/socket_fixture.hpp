// Sockets against a daemon that is played in this process over a real Unix socket
// (fake_daemon.hpp).
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "fanfare/fanfare.hpp"
#include "tests/client/fake_daemon.hpp"

namespace fanfare::client {

class DaemonTest : public testing::Test {
  protected:
    void SetUp() override { ASSERT_EQ(fanfare_set_control(daemon.path().c_str()), 0); }

    // A listener that has accepted `session`.
    fanfare::Receiver receiver(FakeDaemon::Session& from, Mode mode = Mode::message) {
        Listener listener("239.1.1.1", 7500, mode);
        daemon.offer(daemon.newest(), from);
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
    // Whole messages that the worker takes; what it took makes room.
    std::vector<std::string> taken() {
        bool good = false;
        std::vector<std::string> texts;
        for (const auto& message : sending->sending->take_messages(good))
            texts.push_back(text_of(message));
        EXPECT_TRUE(good);
        return texts;
    }

    FakeDaemon daemon;
    FakeDaemon::Session session{64 * 1024, 256};
    FakeDaemon::Socket* reading = nullptr;
    FakeDaemon::Socket* sending = nullptr;
};

}  // namespace fanfare::client
