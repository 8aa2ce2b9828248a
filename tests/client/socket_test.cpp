// The socket calls against a daemon that is played in this process over a real Unix socket.
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <array>
#include <chrono>
#include <functional>
#include <thread>

#include "client/socket/last_error.hpp"
#include "client/socket/library.hpp"
#include "fanfare/fanfare.hpp"
#include "tests/client/socket_fixture.hpp"

namespace fanfare::client {
namespace {

using namespace std::chrono_literals;

class SocketTest : public DaemonTest {
  protected:
    std::string read(fanfare::Receiver& from, std::size_t room = 4096, int flags = 0) {
        std::vector<std::byte> buffer(room);
        got = from.receive(buffer, flags);
        return text_of(std::span(buffer).first(got.bytes));
    }
    static short events_of(int fd) {
        pollfd wait{fd, POLLIN | POLLOUT, 0};
        ::poll(&wait, 1, 0);
        return wait.revents;
    }
    fanfare::Received got;
};

using Texts = std::vector<std::string>;

// wsrm.md 4.1
// Checks 7 and 8.
TEST_F(SocketTest, OnlyReliableMulticastSocketsAreMade) {
    EXPECT_EQ(fanfare_socket(AF_INET6, SOCK_RDM, IPPROTO_RM), -1);
    EXPECT_EQ(errno, EAFNOSUPPORT);
    EXPECT_EQ(fanfare_socket(AF_INET, SOCK_DGRAM, IPPROTO_RM), -1);
    EXPECT_EQ(errno, EPROTOTYPE);
    EXPECT_EQ(fanfare_socket(AF_INET, SOCK_STREAM, 0), -1);
    EXPECT_EQ(errno, EPROTONOSUPPORT);
    const int fd = fanfare_socket(AF_INET, SOCK_RDM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ASSERT_GE(fd, 0);
    EXPECT_NE(::fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    EXPECT_EQ(fanfare_close(fd), 0);
    EXPECT_EQ(fanfare_close(fd), -1);
    EXPECT_EQ(errno, EBADF);
}

// Check 6.
TEST_F(SocketTest, WithoutADaemonSocketSaysSoAndHow) {
    fanfare_set_control("/nonexistent/fanfare.sock");
    EXPECT_EQ(fanfare_socket(AF_INET, SOCK_RDM, IPPROTO_RM), -1);
    EXPECT_EQ(errno, ESOCKTNOSUPPORT);
    EXPECT_NE(std::string(fanfare_last_error_text()).find("start fanfared"), std::string::npos);
    EXPECT_EQ(fanfare_winsock_error(), 10044);
}

TEST_F(SocketTest, TheDaemonsReasonReachesTheCaller) {
    fanfare::Sender s(Mode::message);
    const sockaddr_in unicast = address("10.0.0.1", 1);
    EXPECT_EQ(fanfare_connect(s.fd(), reinterpret_cast<const sockaddr*>(&unicast), sizeof unicast),
              -1);
    EXPECT_EQ(errno, EADDRNOTAVAIL);
    EXPECT_STREQ(fanfare_last_error_text(), "no multicast group");
    EXPECT_EQ(fanfare_winsock_error(), 10049);
    EXPECT_EQ(fanfare_connect(s.fd(), nullptr, 16), -1);
    EXPECT_EQ(errno, EFAULT);
    EXPECT_EQ(fanfare_connect(s.fd(), reinterpret_cast<const sockaddr*>(&unicast), 8), -1);
    EXPECT_EQ(errno, EINVAL);
}

TEST_F(SocketTest, ALateAnswerToAnEarlierRequestIsPassedOver) {
    fanfare::Socket first(Mode::message);
    daemon.answer_late_first = true;
    fanfare::Socket second(Mode::message);
    EXPECT_TRUE(second);
}

TEST_F(SocketTest, WithoutADescriptorLeftTheCallSaysSoAndTheConnectionGoesOn) {
    const pid_t child = ::fork();
    if (child == 0) {
        ::alarm(20);
        fanfare::Socket first(Mode::message);
        const int next = ::open("/dev/null", O_RDONLY);
        const rlimit tight{static_cast<rlim_t>(next) + 1, 4096};
        ::close(next);
        ::setrlimit(RLIMIT_NOFILE, &tight);
        if (fanfare_socket(AF_INET, SOCK_RDM, IPPROTO_RM) != -1 || errno != EMFILE) ::_exit(1);
        const rlimit wide{1024, 4096};
        ::setrlimit(RLIMIT_NOFILE, &wide);
        ::_exit(fanfare_socket(AF_INET, SOCK_RDM, IPPROTO_RM) >= 0 ? 0 : 2);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
}

// Check 19.
TEST_F(SocketTest, OptionsArePassedOnAsTheyAre) {
    fanfare::Socket s(Mode::message);
    s.set_rm(RM_LATEJOIN, 20);
    EXPECT_EQ(s.get<std::uint32_t>(IPPROTO_RM, RM_LATEJOIN), 20u);
    s.set(IPPROTO_RM, RM_RATE_WINDOW_SIZE, RM_SEND_WINDOW{1, 2, 3});
    EXPECT_EQ(s.get<RM_SEND_WINDOW>(IPPROTO_RM, RM_RATE_WINDOW_SIZE).WindowSizeInBytes, 3u);
    EXPECT_EQ(fanfare_setsockopt(s.fd(), IPPROTO_RM, 4711, "abcd", 4), -1);
    EXPECT_EQ(errno, ENOPROTOOPT);
    EXPECT_EQ(fanfare_setsockopt(s.fd(), IPPROTO_RM, RM_LATEJOIN, nullptr, 4), -1);
    EXPECT_EQ(errno, EFAULT);
    std::uint8_t one = 0;
    socklen_t length = 1;
    EXPECT_EQ(fanfare_getsockopt(s.fd(), IPPROTO_RM, RM_LATEJOIN, &one, &length), -1);
    EXPECT_EQ(errno, EINVAL);
    EXPECT_EQ(fanfare_getsockopt(s.fd(), IPPROTO_RM, RM_LATEJOIN, &one, nullptr), -1);
    EXPECT_EQ(errno, EFAULT);
    const std::vector<char> long_value(1000, 'x');
    EXPECT_EQ(fanfare_setsockopt(s.fd(), IPPROTO_RM, 1999, long_value.data(), 1000), 0);
}

TEST_F(SocketTest, SocketLevelOptionsAreKeptInTheProcess) {
    fanfare::Socket s(Mode::stream);
    EXPECT_EQ(s.get<int>(SOL_SOCKET, SO_TYPE), SOCK_STREAM);
    EXPECT_EQ(s.get<int>(SOL_SOCKET, SO_PROTOCOL), 113);
    EXPECT_EQ(s.get<int>(SOL_SOCKET, SO_ERROR), 0);
    EXPECT_EQ(s.get<int>(SOL_SOCKET, SO_ACCEPTCONN), 0);
    s.set(SOL_SOCKET, SO_RCVTIMEO, timeval{2, 500'000});
    EXPECT_EQ(s.get<timeval>(SOL_SOCKET, SO_RCVTIMEO).tv_usec, 500'000);
    s.set(SOL_SOCKET, SO_LINGER, linger{1, 7});
    EXPECT_EQ(s.get<linger>(SOL_SOCKET, SO_LINGER).l_linger, 7);
    s.set(SOL_SOCKET, SO_RCVBUF, int{1 << 20});
    EXPECT_EQ(s.get<int>(SOL_SOCKET, SO_RCVBUF), 1 << 20);
    EXPECT_EQ(fanfare_setsockopt(s.fd(), SOL_SOCKET, SO_RCVTIMEO, "x", 1), -1);
    EXPECT_EQ(errno, EINVAL);
    s.set(SOL_SOCKET, SO_LINGER, linger{1, 0});
    daemon.newest();
    s.close();
    EXPECT_EQ(daemon.newest().linger_on, 1u);
    EXPECT_EQ(daemon.newest().linger_seconds, 0u);
}

TEST_F(SocketTest, StatusAndHelloCanBeAsked) {
    std::vector<ipc::StatusRecord> records;
    ASSERT_EQ(read_status(records), 0);
    ASSERT_EQ(records.size(), 1u);
    EXPECT_STREQ(records[0].field, "naks_received");
    EXPECT_EQ(records[0].value, 42u);
    ipc::HelloReply hello;
    ASSERT_EQ(say_hello(hello), 0);
    EXPECT_STREQ(hello.version_text, "fake");
}

// wsrm.md 4.3, 4.4
// Checks 67, 72 and 79.
TEST_F(SocketTest, DataCallsInTheWrongStateOrRoleSaySo) {
    fanfare::Socket s(Mode::message);
    char c = 0;
    EXPECT_EQ(fanfare_send(s.fd(), "x", 1, 0), -1);
    EXPECT_EQ(errno, ENOTCONN);
    EXPECT_EQ(fanfare_recv(s.fd(), &c, 1, 0), -1);
    EXPECT_EQ(errno, ENOTCONN);
    fanfare::Sender out = sender();
    EXPECT_EQ(fanfare_recv(out.fd(), &c, 1, 0), -1);
    EXPECT_EQ(errno, EOPNOTSUPP);
    EXPECT_EQ(fanfare_send(out.fd(), "x", 1, MSG_OOB), -1);
    EXPECT_EQ(errno, EOPNOTSUPP);
    fanfare::Receiver in = receiver(session);
    EXPECT_EQ(fanfare_send(in.fd(), "x", 1, 0), -1);
    EXPECT_EQ(errno, EOPNOTSUPP);
    EXPECT_EQ(fanfare_recv(in.fd(), &c, 1, MSG_WAITALL), -1);
    EXPECT_EQ(errno, EOPNOTSUPP);
    EXPECT_EQ(fanfare_accept(in.fd(), nullptr, nullptr), -1);
    EXPECT_EQ(errno, EINVAL);
    EXPECT_EQ(fanfare_send(::fileno(stderr), "x", 1, 0), -1);
    EXPECT_EQ(errno, EBADF);
    EXPECT_EQ(fanfare_send(out.fd(), nullptr, 1, 0), -1);
    EXPECT_EQ(errno, EFAULT);
}

TEST_F(SocketTest, SendtoGoesToTheGroupAlone) {
    fanfare::Sender out = sender();
    const sockaddr_in group = address("239.1.1.1", 7500), other = address("239.1.1.2", 7500);
    EXPECT_EQ(fanfare_sendto(out.fd(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&group),
                             sizeof group),
              1);
    EXPECT_EQ(fanfare_sendto(out.fd(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&other),
                             sizeof other),
              -1);
    EXPECT_EQ(errno, EISCONN);
}

TEST_F(SocketTest, MessagesAreSentWholeAndTheDoorbellRingsForASleepingWorker) {
    fanfare::Sender out = sender();
    EXPECT_TRUE(out.send(octets("one")));
    std::uint64_t rings = 0;
    EXPECT_EQ(::read(daemon.doorbell.get(), &rings, sizeof rings), -1);
    daemon.worker_page().sleeping = 1;
    const auto a = octets("tw"), b = octets("o");
    const std::array<iovec, 2> parts{
        {{const_cast<std::byte*>(a.data()), 2}, {const_cast<std::byte*>(b.data()), 1}}};
    EXPECT_EQ(out.send(parts).bytes, 3u);
    EXPECT_EQ(::read(daemon.doorbell.get(), &rings, sizeof rings), 8);
    EXPECT_EQ(taken(), (Texts{"one", "two"}));
    EXPECT_GT(out.unsent(), 0);
    sending->sending->release();
    EXPECT_EQ(out.unsent(), 0);
}

// Checks 94 and 98.
TEST_F(SocketTest, ANonBlockingSendThatFindsNoRoomSaysSoAndPollTellsWhenThereIs) {
    fanfare::Sender out = sender();
    out.set_non_blocking(true);
    EXPECT_NE(events_of(out.fd()) & POLLOUT, 0);
    const auto message = pattern_message(1, 20'000);
    Sent sent;
    while ((sent = out.send(message))) {
    }
    EXPECT_EQ(sent.error, EAGAIN);
    EXPECT_EQ(events_of(out.fd()) & POLLOUT, 0);
    EXPECT_EQ(taken().size(), 3u);
    sending->sending->release();
    daemon.wake_writer(*sending);
    EXPECT_NE(events_of(out.fd()) & POLLOUT, 0);
    EXPECT_TRUE(out.send(message));
    EXPECT_EQ(out.send(pattern_message(2, 200'000)).error, EMSGSIZE);
}

// Check 95.
TEST_F(SocketTest, ABlockedSendGoesOnWhenTheWindowMoves) {
    fanfare::Sender out = sender();
    const auto message = pattern_message(1, 30'000);
    std::size_t seen = 0;
    std::thread worker([&] {
        while (seen < 20) {
            seen += taken().size();
            sending->sending->release();
            daemon.wake_writer(*sending);
            std::this_thread::sleep_for(200us);
        }
    });
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(out.send(message));
    worker.join();
    EXPECT_EQ(seen, 20u);
}

// wsrm.md 5.4
// Check 97.
TEST_F(SocketTest, ABlockingSendLargerThanTheWindowGoesPieceByPiece) {
    fanfare::Sender out = sender();
    const auto message = pattern_message(1, 1'000'000);
    std::atomic<bool> stop{false};
    std::vector<std::vector<std::byte>> messages;
    std::thread worker([&] {
        while (!stop) {
            bool good = false;
            for (auto& m : sending->sending->take_messages(good)) messages.push_back(std::move(m));
            sending->sending->release();
            daemon.wake_writer(*sending);
            std::this_thread::yield();
        }
    });
    EXPECT_EQ(out.send(message).bytes, message.size());
    stop = true;
    worker.join();
    bool good = false;
    for (auto& m : sending->sending->take_messages(good)) messages.push_back(std::move(m));
    ASSERT_EQ(messages.size(), 1u);
    EXPECT_EQ(messages[0], message);
}

// Check 99.
TEST_F(SocketTest, ASendTimeoutEndsTheWait) {
    fanfare::Sender out = sender();
    out.set_timeout(20ms);
    const auto message = pattern_message(1, 60'000);
    EXPECT_TRUE(out.send(message));
    EXPECT_EQ(out.send(message).error, EAGAIN);
    // Larger than the window: what was taken is told, and the next send goes on with the same
    // message.
    taken();
    sending->sending->release();
    const auto large = pattern_message(2, 100'000);
    const Sent part = out.send(large);
    EXPECT_TRUE(part);
    ASSERT_LT(part.bytes, large.size());
    taken();
    sending->sending->release();
    EXPECT_EQ(out.send(std::span(large).subspan(part.bytes)).bytes, large.size() - part.bytes);
    EXPECT_EQ(taken(), Texts{text_of(large)});
}

TEST_F(SocketTest, AStreamTakesAllWhenBlockingAndWhatFitsWhenNot) {
    fanfare::Sender out = sender(Mode::stream);
    const auto data = pattern_message(1, 100'000);
    EXPECT_EQ(out.send(data, MSG_DONTWAIT).bytes, 64u * 1024);
    EXPECT_EQ(events_of(out.fd()) & POLLOUT, 0) << "a short count says that there is no room";
    EXPECT_EQ(out.send(data, MSG_DONTWAIT).error, EAGAIN);
    std::vector<std::byte> got = sending->sending->take_stream();
    sending->sending->release();
    std::atomic<bool> stop{false};
    std::thread worker([&] {
        while (!stop) {
            const auto more = sending->sending->take_stream();
            got.insert(got.end(), more.begin(), more.end());
            sending->sending->release();
            daemon.wake_writer(*sending);
            std::this_thread::yield();
        }
    });
    EXPECT_EQ(out.send(data).bytes, data.size());
    stop = true;
    worker.join();
    const auto more = sending->sending->take_stream();
    got.insert(got.end(), more.begin(), more.end());
    ASSERT_EQ(got.size(), 64 * 1024 + data.size());
    EXPECT_TRUE(std::equal(data.begin(), data.end(), got.begin() + 64 * 1024));
}

// wsrm.md 5.2
// Checks 102, 104, 105 and 106.
TEST_F(SocketTest, AMessageBoundaryMayBeSetBeforeConnectAndInSession) {
    fanfare::Sender out(Mode::message);
    out.begin_message(6);
    out.connect("239.1.1.1", 7500);
    sending = &daemon.newest();
    EXPECT_TRUE(out.send(octets("abc")));
    std::uint32_t other = 9;
    EXPECT_EQ(fanfare_setsockopt(out.fd(), IPPROTO_RM, RM_SET_MESSAGE_BOUNDARY, &other, 4), -1);
    EXPECT_EQ(errno, EINVAL);
    EXPECT_EQ(out.send(octets("toolong")).error, EMSGSIZE);
    EXPECT_TRUE(out.send(octets("def")));
    EXPECT_EQ(taken(), Texts{"abcdef"});
    EXPECT_EQ(fanfare_setsockopt(out.fd(), IPPROTO_RM, RM_SET_MESSAGE_BOUNDARY, &other, 2), -1);
    EXPECT_EQ(errno, EINVAL);
    socklen_t length = 4;
    EXPECT_EQ(fanfare_getsockopt(out.fd(), IPPROTO_RM, RM_SET_MESSAGE_BOUNDARY, &other, &length),
              -1);
    EXPECT_EQ(errno, ENOPROTOOPT);
    fanfare::Sender stream = sender(Mode::stream);
    EXPECT_EQ(fanfare_setsockopt(stream.fd(), IPPROTO_RM, RM_SET_MESSAGE_BOUNDARY, &other, 4), -1);
    EXPECT_EQ(errno, ENOPROTOOPT);
    fanfare::Receiver in = receiver(session);
    EXPECT_EQ(fanfare_setsockopt(in.fd(), IPPROTO_RM, RM_SET_MESSAGE_BOUNDARY, &other, 4), -1);
    EXPECT_EQ(errno, ENOPROTOOPT);
}

// Check 132.
TEST_F(SocketTest, AfterShutdownSendIsEpipeAndAnOpenMessageIsShownAsIncomplete) {
    fanfare::Sender out = sender();
    out.begin_message(1000);
    EXPECT_TRUE(out.send(octets("begun")));
    out.finish();
    EXPECT_TRUE(sending->finished);
    EXPECT_TRUE(taken().empty());
    EXPECT_EQ(text_of(sending->sending->open_message()), "begun");
    EXPECT_EQ(out.send(octets("x")).error, EPIPE);
}

TEST_F(SocketTest, ASendersResetIsToldOnSendAndBySoError) {
    fanfare::Sender out = sender();
    sending->sending->end(ResetCause::interface_gone);
    FakeDaemon::hang_up(*sending);
    constexpr short kBroken = POLLERR | POLLHUP;
    EXPECT_EQ(events_of(out.fd()) & kBroken, kBroken);
    EXPECT_EQ(out.send(octets("x")).error, ECONNRESET);
    EXPECT_NE(std::string(fanfare_last_error_text()).find("interface"), std::string::npos);
    EXPECT_EQ(out.get<int>(SOL_SOCKET, SO_ERROR), ECONNRESET);
    EXPECT_EQ(events_of(out.fd()) & kBroken, kBroken) << "it stays, as every later call fails";
}

TEST_F(SocketTest, ClaimedMessagesAreSentWithoutACopy) {
    fanfare::Sender out = sender();
    for (const char* text : {"first", "second"}) {
        const auto room = out.claim(100);
        ASSERT_EQ(room.size(), 100u);
        std::memcpy(room.data(), text, std::strlen(text));
        out.commit(std::strlen(text));
    }
    EXPECT_TRUE(taken().empty());
    EXPECT_EQ(out.publish(), 0);
    EXPECT_EQ(taken(), (Texts{"first", "second"}));
}

TEST_F(SocketTest, ManyMessagesAreClaimedAtOnce) {
    fanfare::Sender out = sender();
    std::array<iovec, 2> rooms{{{nullptr, 5}, {nullptr, 6}}};
    ASSERT_EQ(out.claim_run(rooms), 2u);
    std::memcpy(rooms[0].iov_base, "first", 5);
    std::memcpy(rooms[1].iov_base, "second", 6);
    EXPECT_TRUE(taken().empty());
    EXPECT_EQ(out.publish(), 0);
    EXPECT_EQ(taken(), (Texts{"first", "second"}));
    rooms[0].iov_len = std::size_t{1} << 40;
    EXPECT_EQ(out.claim_run(rooms), 0u);
    EXPECT_EQ(errno, EMSGSIZE);
    EXPECT_EQ(out.claim_run(std::span(rooms).first(0)), 0u);
    EXPECT_EQ(errno, EINVAL);
}

TEST_F(SocketTest, CloseWithLingerWaitsForTheQueueOrSaysThatItCannot) {
    fanfare::Sender out = sender();
    EXPECT_TRUE(out.send(octets("queued")));
    out.set(SOL_SOCKET, SO_LINGER, linger{1, 5});
    out.set_non_blocking(true);
    EXPECT_EQ(out.close(), EAGAIN);
    EXPECT_FALSE(sending->close_said);
    taken();
    sending->sending->release();
    EXPECT_EQ(out.close(), 0);
    EXPECT_TRUE(sending->close_said);
}

TEST_F(SocketTest, AcceptGivesThePeerAndTheListenersTypeAndWaits) {
    Listener listener("239.1.1.1", 7500, Mode::message);
    FakeDaemon::Socket& listening = daemon.newest();
    listener.set_non_blocking(true);
    EXPECT_FALSE(listener.accept());
    EXPECT_EQ(errno, EAGAIN);
    EXPECT_EQ(events_of(listener.fd()) & POLLIN, 0);
    daemon.offer(listening, session);
    EXPECT_NE(events_of(listener.fd()) & POLLIN, 0);
    sockaddr_in peer{};
    socklen_t length = sizeof peer;
    const int fd = fanfare_accept(listener.fd(), reinterpret_cast<sockaddr*>(&peer), &length);
    ASSERT_GE(fd, 0);
    EXPECT_EQ(ntohl(peer.sin_addr.s_addr), 0x0A000007u);
    EXPECT_EQ(ntohs(peer.sin_port), 4660);
    fanfare::Receiver in(fd, Mode::message);
    EXPECT_EQ(ntohs(in.name().sin_port), 7500);

    listener.set_non_blocking(false);
    listener.set_timeout(20ms);
    EXPECT_FALSE(listener.accept());
    EXPECT_EQ(errno, EAGAIN);
    listener.set_timeout(0ms);
    FakeDaemon::Session second{64 * 1024, 256};
    std::thread later([&] {
        std::this_thread::sleep_for(20ms);
        daemon.offer(listening, second);
    });
    EXPECT_TRUE(listener.accept());
    later.join();
    {
        const std::scoped_lock lock(daemon.mutex);
        listening.pending.push_back(nullptr);
    }
    EXPECT_EQ(fanfare_accept(listener.fd(), nullptr, nullptr), -1);
    EXPECT_EQ(errno, ECONNABORTED);
}

// wsrm.md 5.3
// Checks 112 and 113.
TEST_F(SocketTest, APartOfAMessageIsEmsgsizeForRecvAndLacksEorForRecvmsg) {
    fanfare::Receiver in = receiver(session);
    session.window.add("abcdef");
    session.window.add("xy");
    char room[4];
    EXPECT_EQ(fanfare_recv(in.fd(), room, 4, 0), -1);
    EXPECT_EQ(errno, EMSGSIZE);
    EXPECT_EQ(std::string(room, 4), "abcd");
    sockaddr_in from{};
    socklen_t length = sizeof from;
    EXPECT_EQ(fanfare_recvfrom(in.fd(), room, 4, 0, reinterpret_cast<sockaddr*>(&from), &length),
              2);
    EXPECT_EQ(ntohs(from.sin_port), 4660);
    iovec part{room, 1};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    EXPECT_EQ(fanfare_recvmsg(in.fd(), &message, 0), 1);
    EXPECT_EQ(message.msg_flags & MSG_EOR, 0);
    EXPECT_EQ(fanfare_recvmsg(in.fd(), &message, 0), 1);
    EXPECT_EQ(message.msg_flags & (MSG_EOR | MSG_TRUNC), MSG_EOR);
}

TEST_F(SocketTest, PollIsReadableWhileThereIsDataAndNotAfterwards) {
    session.window.add("already there");
    fanfare::Receiver in = receiver(session);
    in.set_non_blocking(true);
    EXPECT_NE(events_of(in.fd()) & POLLIN, 0);
    EXPECT_EQ(read(in), "already there");
    read(in);
    EXPECT_EQ(got.error, EAGAIN);
    EXPECT_EQ(events_of(in.fd()) & POLLIN, 0);
    session.window.add("a");
    session.window.add("b");
    daemon.wake_reader(*reading);
    EXPECT_NE(events_of(in.fd()) & POLLIN, 0);
    EXPECT_EQ(read(in), "a");
    EXPECT_NE(events_of(in.fd()) & POLLIN, 0);
    EXPECT_EQ(read(in), "b");
    read(in);
    EXPECT_EQ(got.error, EAGAIN);
    EXPECT_EQ(events_of(in.fd()) & POLLIN, 0);
}

// Check 115.
TEST_F(SocketTest, ABlockedReceiveWakesForDataForTheEndAndAfterATimeout) {
    fanfare::Receiver in = receiver(session);
    std::thread worker([&] {
        for (int i = 0; i < 50; ++i) {
            if (i % 10 == 0) std::this_thread::sleep_for(5ms);
            session.window.add(std::to_string(i));
            daemon.wake_reader(*reading);
        }
    });
    for (int i = 0; i < 50; ++i) EXPECT_EQ(read(in), std::to_string(i));
    worker.join();
    in.set_timeout(20ms);
    read(in);
    EXPECT_EQ(got.error, EAGAIN);
    in.set_timeout(0ms);
    std::thread end([&] {
        std::this_thread::sleep_for(20ms);
        session.window.end(SessionState::finished);
        daemon.wake_reader(*reading);
    });
    read(in);
    EXPECT_TRUE(got.finished);
    end.join();
    char c = 0;
    EXPECT_EQ(fanfare_recv(in.fd(), &c, 1, 0), -1);
    EXPECT_EQ(errno, ESHUTDOWN);
    EXPECT_EQ(fanfare_winsock_error(), 10101);  // WSAEDISCON
}

// Checks 116 and 117.
TEST_F(SocketTest, AStreamEndsWithZeroForEver) {
    fanfare::Receiver in = receiver(session, Mode::stream);
    session.window.add("abc");
    session.window.add("def");
    session.window.end(SessionState::finished);
    char room[16];
    EXPECT_EQ(fanfare_recv(in.fd(), room, 16, 0), 6);
    EXPECT_EQ(fanfare_recv(in.fd(), room, 16, 0), 0);
    EXPECT_EQ(fanfare_recv(in.fd(), room, 16, 0), 0);
}

TEST_F(SocketTest, WaitallFillsTheBufferFromAStream) {
    fanfare::Receiver in = receiver(session, Mode::stream);
    session.window.add("abc");
    std::thread worker([&] {
        std::this_thread::sleep_for(10ms);
        session.window.add("def");
        daemon.wake_reader(*reading);
    });
    char room[5];
    EXPECT_EQ(fanfare_recv(in.fd(), room, 5, MSG_WAITALL), 5);
    EXPECT_EQ(std::string(room, 5), "abcde");
    worker.join();
    EXPECT_EQ(fanfare_recv(in.fd(), room, 5, MSG_PEEK), 1);
    EXPECT_EQ(fanfare_recv(in.fd(), room, 5, 0), 1);
}

// Check 114.
TEST_F(SocketTest, AMessageLongerThanTheWindowIsCollectedAsItComes) {
    fanfare::Receiver in = receiver(session);
    const auto message = pattern_message(4, 400'000);
    std::atomic<std::uint64_t> cursor{0};
    std::thread worker([&] {
        for (std::size_t at = 0; at < message.size(); at += 1000) {
            // Never more than half a window ahead of the reader.
            while (session.window.next() - reading->page->cursor_ordinal.load() > 30)
                std::this_thread::yield();
            const std::uint16_t flags = at == 0                       ? kEntryMessageBegin
                                        : at + 1000 == message.size() ? kEntryMessageEnd
                                                                      : 0;
            session.window.add(std::span(message).subspan(at, 1000), flags, 400'000);
            daemon.wake_reader(*reading);
        }
    });
    std::vector<std::byte> room(500'000);
    EXPECT_EQ(fanfare_recv(in.fd(), room.data(), room.size(), 0), 400'000);
    EXPECT_TRUE(std::equal(message.begin(), message.end(), room.begin()));
    worker.join();
}

TEST_F(SocketTest, AResetComesAfterWhatWasWholeWithItsCause) {
    fanfare::Receiver in = receiver(session);
    session.window.add("whole");
    session.window.end(SessionState::reset, ResetCause::unrecoverable_loss);
    FakeDaemon::hang_up(*reading);
    constexpr short kBroken = POLLERR | POLLHUP | POLLIN;
    EXPECT_EQ(events_of(in.fd()) & kBroken, kBroken);
    EXPECT_EQ(read(in), "whole");
    EXPECT_EQ(events_of(in.fd()) & kBroken, kBroken);
    read(in);
    EXPECT_EQ(got.error, ECONNRESET);
    read(in);
    EXPECT_EQ(got.error, ECONNRESET);
    EXPECT_EQ(events_of(in.fd()) & kBroken, kBroken) << "it stays, as every later call fails";
    EXPECT_NE(std::string(fanfare_last_error_text()).find("could not be repaired"),
              std::string::npos);
    EXPECT_EQ(in.get<int>(SOL_SOCKET, SO_ERROR), ECONNRESET);
}

TEST_F(SocketTest, ShutdownForReadingWakesAndEndsReceiving) {
    fanfare::Receiver in = receiver(session);
    std::thread other([&] {
        std::this_thread::sleep_for(10ms);
        EXPECT_EQ(fanfare_shutdown(in.fd(), SHUT_RD), 0);
    });
    char c = 0;
    EXPECT_EQ(fanfare_recv(in.fd(), &c, 1, 0), -1);
    EXPECT_EQ(errno, ESHUTDOWN);
    EXPECT_EQ(fanfare_winsock_error(), 10058);
    other.join();
    EXPECT_EQ(in.get<int>(SOL_SOCKET, SO_ERROR), 0) << "nothing is wrong with it";
    EXPECT_EQ(fanfare_shutdown(in.fd(), 3), -1);
    EXPECT_EQ(errno, EINVAL);
}

TEST_F(SocketTest, AFinishedSessionIsNoErrorWhenTheDaemonGoesThereafter) {
    fanfare::Receiver in = receiver(session);
    session.window.add("last");
    session.window.end(SessionState::finished);
    daemon.die();
    for (int i = 0; i < 1000 && (events_of(in.fd()) & POLLHUP) == 0; ++i)
        std::this_thread::sleep_for(1ms);
    ASSERT_NE(events_of(in.fd()) & POLLHUP, 0);
    EXPECT_EQ(in.get<int>(SOL_SOCKET, SO_ERROR), 0);
    EXPECT_EQ(read(in), "last");
    read(in);
    EXPECT_TRUE(got.finished);
}

TEST_F(SocketTest, ViewsShowTheWindowAndTellWhenTheyWereOverwritten) {
    fanfare::Receiver in = receiver(session);
    session.window.add("one");
    session.window.add("two");
    std::array<View, 8> views;
    std::size_t count = 0;
    EXPECT_TRUE(in.peek(views, count));
    ASSERT_EQ(count, 2u);
    EXPECT_EQ(text_of(octets_of(views[1])), "two");
    EXPECT_TRUE(in.intact(views[1]));
    EXPECT_TRUE(in.consume(std::span(views).first(1)));
    EXPECT_EQ(read(in), "two");
    session.window.add("three");
    EXPECT_TRUE(in.peek(views, count));
    for (int i = 0; i < 100; ++i) session.window.add(std::vector<std::byte>(1000));
    EXPECT_FALSE(in.intact(views[0]));
    EXPECT_FALSE(in.consume(std::span(views).first(1)));
    read(in);
    EXPECT_EQ(got.error, ECONNRESET);
}

TEST_F(SocketTest, ARowIsOneViewWhoseMessagesAreWalked) {
    fanfare::Receiver in = receiver(session);
    session.window.add("one");
    session.window.add_packed({"two", "", "three"});
    std::array<View, 8> views;
    std::size_t count = 0;
    EXPECT_TRUE(in.peek(views, count, FANFARE_MSG_ROWS));
    ASSERT_EQ(count, 2u);
    Texts texts;
    for (const View& view : std::span(views).first(count))
        for_each_message(
            view, [&](std::span<const std::byte> octets) { texts.push_back(text_of(octets)); });
    EXPECT_EQ(texts, (Texts{"one", "two", "", "three"}));
    // Whatever stands there later, the walk stays inside.
    const std::array<std::byte, 4> rubbish{std::byte{0}, std::byte{3}, std::byte{1}, std::byte{2}};
    View view = views[1];
    view.data = rubbish.data();
    for (view.bytes = 0; view.bytes <= rubbish.size(); ++view.bytes)
        for_each_message(view, [&](std::span<const std::byte>) { ADD_FAILURE(); });
    EXPECT_TRUE(in.consume(std::span(views).first(count)));
    EXPECT_EQ(reading->page->messages_read.load(), 4u);
    EXPECT_EQ(reading->page->bytes_read.load(), 11u) << "of the messages, without their lengths";
    EXPECT_FALSE(in.peek(views, count, FANFARE_MSG_ROWS | MSG_DONTWAIT));
}

TEST_F(SocketTest, ABusyLookThatFindsNothingAsksForNoWord) {
    fanfare::Receiver in = receiver(session);
    read(in, 100, MSG_DONTWAIT);
    reading->page->receive_sleeping.store(0);  // as a waker does
    std::array<fanfare::View, 2> views;
    std::size_t count = 0;
    EXPECT_EQ(in.peek(views, count, FANFARE_MSG_BUSY).error, EAGAIN);
    read(in, 100, FANFARE_MSG_BUSY);
    EXPECT_EQ(got.error, EAGAIN);
    EXPECT_EQ(reading->page->receive_sleeping.load(), 0u);
    session.window.add("data");
    EXPECT_TRUE(in.peek(views, count, FANFARE_MSG_BUSY));
    EXPECT_EQ(count, 1u);
    EXPECT_EQ(read(in, 100, FANFARE_MSG_BUSY), "data");
    read(in, 100, MSG_DONTWAIT);
    EXPECT_EQ(reading->page->receive_sleeping.load(), 1u) << "poll() is true again";
}

TEST_F(SocketTest, ABusyReaderLearnsOfADaemonThatDied) {
    fanfare::Receiver in = receiver(session);
    std::array<fanfare::View, 2> views;
    std::size_t count = 0;
    daemon.die();
    int error = EAGAIN;
    for (int looks = 0; looks < 1000 && error == EAGAIN; ++looks)
        error = in.peek(views, count, FANFARE_MSG_BUSY).error;
    EXPECT_EQ(error, ECONNRESET);
    EXPECT_NE(std::string(fanfare_last_error_text()).find("daemon has gone"), std::string::npos);
}

TEST_F(SocketTest, AReceiveFromTheQueueOfErrorsTakesNoDataAndDoesNotWait) {
    fanfare::Receiver in = receiver(session);
    read(in, 100, MSG_ERRQUEUE);
    EXPECT_EQ(got.error, EAGAIN);
    session.window.add("data");
    read(in, 100, MSG_ERRQUEUE);
    EXPECT_EQ(got.error, EAGAIN);
    EXPECT_EQ(read(in), "data");
}

TEST_F(SocketTest, ASignalInterruptsAWait) {
    struct sigaction action {};
    action.sa_handler = [](int) {};
    struct sigaction before {};
    ::sigaction(SIGUSR1, &action, &before);
    fanfare::Receiver in = receiver(session);
    std::atomic<bool> done{false};
    const pthread_t self = ::pthread_self();
    std::thread other([&] {
        while (!done) {
            std::this_thread::sleep_for(5ms);
            ::pthread_kill(self, SIGUSR1);
        }
    });
    char c = 0;
    EXPECT_EQ(fanfare_recv(in.fd(), &c, 1, 0), -1);
    EXPECT_EQ(errno, EINTR);
    done = true;
    other.join();
    ::sigaction(SIGUSR1, &before, nullptr);
}

// One clear error for everybody who waits, and for everybody who comes later.
TEST_F(SocketTest, WhenTheDaemonDiesEveryBlockedCallEnds) {
    FakeDaemon::Session buffered{64 * 1024, 256};
    fanfare::Receiver in = receiver(session);
    fanfare::Receiver with_data = receiver(buffered);
    buffered.window.add("still there");
    fanfare::Sender out = sender();
    Listener listener("239.1.1.1", 7500);
    while (out.send(pattern_message(1, 20'000), MSG_DONTWAIT)) {
    }
    int errors[3] = {};
    std::thread a([&] {
        char c = 0;
        errors[0] = fanfare_recv(in.fd(), &c, 1, 0) < 0 ? errno : 0;
    });
    std::thread b([&] { errors[1] = out.send(pattern_message(1, 20'000)).error; });
    std::thread c(
        [&] { errors[2] = fanfare_accept(listener.fd(), nullptr, nullptr) < 0 ? errno : 0; });
    std::this_thread::sleep_for(20ms);
    daemon.die();
    a.join();
    b.join();
    c.join();
    EXPECT_EQ(errors[0], ECONNRESET);
    EXPECT_EQ(errors[1], ECONNRESET);
    EXPECT_EQ(errors[2], ECONNRESET);
    EXPECT_EQ(read(with_data), "still there");
    read(with_data);
    EXPECT_EQ(got.error, ECONNRESET);
    EXPECT_NE(std::string(fanfare_last_error_text()).find("daemon has gone"), std::string::npos);
    EXPECT_EQ(fanfare_socket(AF_INET, SOCK_RDM, IPPROTO_RM), -1);
    EXPECT_EQ(errno, ESOCKTNOSUPPORT);
    EXPECT_NE(events_of(in.fd()) & POLLHUP, 0);
}

TEST_F(SocketTest, ACallThatNeverWaitsNoticesTheDaemonsDeathToo) {
    fanfare::Receiver in = receiver(session);
    fanfare::Sender out = sender();
    in.set_non_blocking(true);
    out.set_non_blocking(true);
    while (out.send(pattern_message(1, 20'000))) {
    }
    read(in);
    EXPECT_EQ(got.error, EAGAIN);
    daemon.die();
    for (int looks = 0; looks < 1000 && got.error == EAGAIN; ++looks) read(in);
    EXPECT_EQ(got.error, ECONNRESET);
    EXPECT_EQ(out.send(pattern_message(1, 20'000)).error, ECONNRESET);
    for (const int fd : {in.fd(), out.fd()}) {
        constexpr short kBroken = POLLERR | POLLHUP;
        EXPECT_EQ(events_of(fd) & kBroken, kBroken);
        int error = 0;
        socklen_t length = sizeof error;
        EXPECT_EQ(fanfare_getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length), 0);
        EXPECT_EQ(error, ECONNRESET);
    }
}

TEST_F(SocketTest, ANewDaemonServesNewSocketsAndNeverTheOldOnes) {
    fanfare::Socket old(Mode::message);
    daemon.die();
    FakeDaemon next(daemon.path());
    fanfare::Socket fresh(Mode::message);  // its id is that of the old one
    EXPECT_EQ(fanfare_listen(old.fd(), 1), -1);
    EXPECT_EQ(errno, ECONNRESET);
    EXPECT_EQ(fanfare_listen(fresh.fd(), 1), 0);
}

TEST_F(SocketTest, AForkedChildSharesThePositionAndHasAConnectionOfItsOwn) {
    fanfare::Receiver in = receiver(session);
    session.window.add("for the parent");
    session.window.add("for the child");
    EXPECT_EQ(read(in), "for the parent");
    const pid_t child = ::fork();
    if (child == 0) {
        ::alarm(20);
        char room[64];
        const ssize_t n = fanfare_recv(in.fd(), room, sizeof room, 0);
        if (n != 13 || std::memcmp(room, "for the child", 13) != 0) ::_exit(1);
        const int fd = fanfare_socket(AF_INET, SOCK_RDM, IPPROTO_RM);
        ::_exit(fd >= 0 && fanfare_close(fd) == 0 ? 0 : 2);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
    session.window.add("next");
    EXPECT_EQ(read(in), "next");
}

TEST_F(SocketTest, AHolderKilledInsideTheLockDoesNotStopTheOthers) {
    fanfare::Receiver in = receiver(session);
    const pid_t child = ::fork();
    if (child == 0) {
        // What a holder leaves behind when it dies between lock and unlock.
        reading->page->lock.store(static_cast<std::uint32_t>(::getpid()));
        ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_NE(reading->page->lock.load(), 0u);
    session.window.add("goes on");
    EXPECT_EQ(read(in), "goes on");
    EXPECT_EQ(reading->page->lock.load(), 0u);
}

TEST_F(SocketTest, ThreadsThatShareASocketGetEveryMessageOnce) {
    fanfare::Receiver in = receiver(session);
    constexpr int kMessages = 5000, kThreads = 3;
    std::atomic<int> seen{0};
    std::vector<std::atomic<int>> times(kMessages);
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t)
        threads.emplace_back([&] {
            char room[16];
            for (;;) {
                const ssize_t n = fanfare_recv(in.fd(), room, sizeof room, 0);
                if (n < 0) return;
                ++times[static_cast<std::size_t>(
                    std::stoi(std::string(room, static_cast<std::size_t>(n))))];
                ++seen;
            }
        });
    for (int i = 0; i < kMessages; ++i) {
        while (i - seen > 200) std::this_thread::yield();
        session.window.add(std::to_string(i));
        daemon.wake_reader(*reading);
    }
    session.window.end(SessionState::finished);
    daemon.wake_reader(*reading);
    for (auto& thread : threads) thread.join();
    for (const auto& count : times) EXPECT_EQ(count.load(), 1);
}

// A window of one message, a reader that always has to sleep and a writer that waits for it: every
// message is one sleep and one wake on each side, thousands of times.
TEST_F(SocketTest, PingPongThroughSleepLosesNoWakeup) {
    fanfare::Receiver in = receiver(session);
    constexpr int kRounds = 3000;
    std::thread worker([&] {
        for (int i = 0; i < kRounds; ++i) {
            while (session.window.next() != reading->page->cursor_ordinal.load())
                std::this_thread::yield();
            if (i % 16 == 0) std::this_thread::sleep_for(50us);
            session.window.add(std::to_string(i));
            daemon.wake_reader(*reading);
        }
    });
    for (int i = 0; i < kRounds; ++i) ASSERT_EQ(read(in), std::to_string(i));
    worker.join();
}

TEST(WinsockNumbers, FollowTheErrorMap) {
    EXPECT_EQ(winsock_number(0), 0);
    EXPECT_EQ(winsock_number(EAGAIN), 10035);
    EXPECT_EQ(winsock_number(ECONNRESET), 10054);
    EXPECT_EQ(winsock_number(EMSGSIZE), 10040);
    EXPECT_EQ(winsock_number(ESHUTDOWN), 10058);
    EXPECT_EQ(winsock_number(EPIPE), 10058);
    EXPECT_EQ(winsock_number(ENOPROTOOPT), 10042);
    EXPECT_EQ(winsock_number(EINPROGRESS), 997);
    EXPECT_EQ(winsock_number(ECANCELED), 995);
}

}  // namespace
}  // namespace fanfare::client
