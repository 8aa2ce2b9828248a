// Sockets that several descriptors and processes hold, and descriptors that are true for poll,
// against a daemon that is played in this process.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <string>

#include "client/socket/descriptor_calls.hpp"
#include "client/socket/descriptor_map.hpp"
#include "client/socket/hidden_descriptor.hpp"
#include "client/socket/library.hpp"
#include "client/socket/program_memory.hpp"
#include "client/socket/socket_table.hpp"
#include "fanfare/fanfare.hpp"
#include "tests/client/fake_daemon.hpp"

namespace fanfare::client {
namespace {

class SharingTest : public testing::Test {
  protected:
    void SetUp() override { ASSERT_EQ(fanfare_set_control(daemon.path().c_str()), 0); }
    void TearDown() override { readiness_always_true = false; }

    fanfare::Receiver receiver(Mode mode = Mode::message) {
        Listener listener("239.1.1.1", 7500, mode);
        daemon.offer(daemon.newest(), session);
        fanfare::Receiver out = listener.accept();
        EXPECT_TRUE(out);
        return out;
    }
    void publish(const std::string& text) {
        session.window.add(text);
        daemon.wake_reader(daemon.newest());
    }
    static std::string read(int fd, int flags = MSG_DONTWAIT) {
        char room[256];
        const ssize_t n = fanfare_recv(fd, room, sizeof room, flags);
        return n < 0 ? "errno " + std::to_string(errno) : std::string(room, n);
    }
    static short events_of(int fd, short wanted = POLLIN) {
        pollfd wait{fd, wanted, 0};
        ::poll(&wait, 1, 0);
        return wait.revents;
    }
    // As exec does it: the descriptor is there, and nothing is known of it.
    static void lose_memory_of(int fd) { release_descriptor(fd, false); }

    FakeDaemon daemon;
    FakeDaemon::Session session{64 * 1024, 256};
};

TEST_F(SharingTest, AReaderThatFindsItsDescriptorReadsOnWhereItStood) {
    fanfare::Receiver in = receiver();
    publish("one");
    publish("two");
    EXPECT_EQ(read(in.fd()), "one");
    const timeval limit{0, 5000};
    in.set(SOL_SOCKET, SO_RCVTIMEO, limit);
    lose_memory_of(in.fd());
    EXPECT_EQ(read(in.fd()), "two");
    EXPECT_EQ(daemon.attached, 1);
    EXPECT_EQ(in.get<timeval>(SOL_SOCKET, SO_RCVTIMEO).tv_usec, 5000);
    EXPECT_EQ(in.get<int>(SOL_SOCKET, SO_TYPE), SOCK_RDM);
    sockaddr_in peer{};
    socklen_t length = sizeof peer;
    EXPECT_EQ(fanfare_getpeername(in.fd(), reinterpret_cast<sockaddr*>(&peer), &length), 0);
    EXPECT_EQ(ntohs(peer.sin_port), 4660);
    EXPECT_EQ(read(in.fd()), "errno " + std::to_string(EAGAIN));
}

TEST_F(SharingTest, ASenderThatFindsItsDescriptorSendsOn) {
    fanfare::Sender out("239.1.1.1", 7500, Mode::message);
    FakeDaemon::Socket& sending = daemon.newest();
    EXPECT_TRUE(out.send(octets("before")));
    lose_memory_of(out.fd());
    EXPECT_TRUE(out.send(octets("after")));
    bool good = false;
    EXPECT_EQ(sending.sending->take_messages(good).size(), 2u);
    EXPECT_TRUE(good);
    EXPECT_FALSE(sending.close_said);
    out.close();
    EXPECT_TRUE(sending.close_said);
}

TEST_F(SharingTest, AnUnknownDaemonIsAResetAndOtherDescriptorsAreNoSockets) {
    fanfare::Receiver in = receiver();
    lose_memory_of(in.fd());
    FakeDaemon other;
    fanfare_set_control(other.path().c_str());
    EXPECT_EQ(read(in.fd()), "errno " + std::to_string(ECONNRESET));
    int pair[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    EXPECT_EQ(read(pair[0]), "errno " + std::to_string(EBADF));
    ::close(pair[0]);
    ::close(pair[1]);
    fanfare_set_control(daemon.path().c_str());
    publish("again");
    EXPECT_EQ(read(in.fd()), "again");
}

TEST_F(SharingTest, DuplicatesAreOneSocketUntilTheLastIsClosed) {
    fanfare::Receiver in = receiver();
    FakeDaemon::Socket& socket = daemon.newest();
    const int unseen = ::dup(in.fd());  // the library finds out
    const int told = ::dup(in.fd());
    ASSERT_TRUE(enter_duplicate(in.fd(), told));
    publish("a");
    publish("b");
    publish("c");
    EXPECT_EQ(read(unseen), "a");
    EXPECT_EQ(read(told), "b");
    EXPECT_EQ(daemon.attached, 0);
    in.close();
    EXPECT_EQ(read(unseen), "c");
    EXPECT_EQ(fanfare_close(told), 0);
    EXPECT_FALSE(socket.close_said);
    EXPECT_EQ(read(told), "errno " + std::to_string(EBADF));
    EXPECT_EQ(fanfare_close(unseen), 0);
    EXPECT_TRUE(socket.close_said);
    // Nobody holds it any more, the library's own descriptor included.
    pollfd gone{socket.endpoint.get(), 0, 0};
    EXPECT_EQ(::poll(&gone, 1, 0), 1);
    EXPECT_NE(gone.revents & POLLHUP, 0);
}

TEST_F(SharingTest, ASessionMadeByAChildIsTheParentsToo) {
    fanfare::Socket socket(Mode::message);
    FakeDaemon::Socket& sending = daemon.newest();
    const pid_t child = ::fork();
    if (child == 0) {
        const sockaddr_in to = address("239.1.1.1", 7500);
        ::_exit(fanfare_connect(socket.fd(), reinterpret_cast<const sockaddr*>(&to), sizeof to));
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    ASSERT_EQ(status, 0);
    EXPECT_EQ(fanfare_send(socket.fd(), "x", 1, 0), 1);
    bool good = false;
    EXPECT_EQ(sending.sending->take_messages(good).size(), 1u);
}

TEST_F(SharingTest, ReadableIsTrueAfterEveryReceive) {
    readiness_always_true = true;
    fanfare::Receiver in = receiver();
    publish("one");
    publish("two");
    EXPECT_EQ(events_of(in.fd()), POLLIN);
    EXPECT_EQ(read(in.fd()), "one");
    EXPECT_EQ(events_of(in.fd()), POLLIN);
    EXPECT_EQ(read(in.fd()), "two");
    EXPECT_EQ(events_of(in.fd()), 0);
    publish("three");
    EXPECT_EQ(events_of(in.fd()), POLLIN);
    EXPECT_EQ(read(in.fd(), MSG_PEEK | MSG_DONTWAIT), "three");
    EXPECT_EQ(events_of(in.fd()), POLLIN);
    const int asked = daemon.woken;  // for the listener
    // Data that nobody announced, because its octet was taken too early: the daemon is asked.
    session.window.add("four");
    char octet;
    EXPECT_EQ(::recv(in.fd(), &octet, 1, 0), 1);
    daemon.newest().page->receive_sleeping = 1;
    EXPECT_EQ(read(in.fd()), "three");
    EXPECT_EQ(daemon.woken, asked + 1);
    EXPECT_EQ(events_of(in.fd()), POLLIN);
    EXPECT_EQ(read(in.fd()), "four");
    EXPECT_EQ(events_of(in.fd()), 0);
}

TEST_F(SharingTest, WritableIsTrueAfterEverySend) {
    readiness_always_true = true;
    fanfare::Sender out("239.1.1.1", 7500, Mode::message);
    const auto message = pattern_message(1, 20'000);
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(out.send(message));
    while (events_of(out.fd(), POLLOUT) == POLLOUT) ASSERT_TRUE(out.send(pattern_message(2, 1000)));
    bool good = false;
    daemon.newest().sending->take_messages(good);
    daemon.newest().sending->release();
    daemon.wake_writer(daemon.newest());
    EXPECT_EQ(events_of(out.fd(), POLLOUT), POLLOUT);
    EXPECT_TRUE(out.send(message));
}

TEST_F(SharingTest, WhatCanBeReadIsCounted) {
    fanfare::Receiver in = receiver();
    EXPECT_EQ(readable_octets(in.fd()), 0);
    publish("12345");
    publish("678");
    EXPECT_EQ(readable_octets(in.fd()), 5);
    char some[2];
    EXPECT_EQ(fanfare_recv(in.fd(), some, 2, MSG_DONTWAIT), -1);
    EXPECT_EQ(readable_octets(in.fd()), 3);
    EXPECT_EQ(readable_octets(::fileno(stderr)), -1);
}

TEST(EndpointName, NamesTheSocketAndNothingElseReadsAsOne) {
    for (const std::uint64_t id : {std::uint64_t{1}, std::uint64_t{0xFFFF'FFFF'FFFF'FFFF}}) {
        const auto name = ipc::endpoint_name(id);
        EXPECT_EQ(ipc::socket_id_in(name.address, name.length), id);
        for (socklen_t cut = 0; cut < name.length; ++cut)
            EXPECT_NE(ipc::socket_id_in(name.address, cut), id);
        auto other = name;
        other.address.sun_path[0] = '/';
        EXPECT_EQ(ipc::socket_id_in(other.address, other.length), 0u);
        other = name;
        other.address.sun_path[name.length - offsetof(sockaddr_un, sun_path) - 1] = 'x';
        EXPECT_EQ(ipc::socket_id_in(other.address, other.length), 0u);
    }
}

TEST(HiddenDescriptor, StaysOutOfTheWayAndIsMarked) {
    const int low = ::open("/dev/null", O_RDONLY);
    HiddenDescriptor hidden{ipc::Descriptor(low)};
    EXPECT_GE(hidden.get(), 256);
    EXPECT_EQ(kind_of(hidden.get()), DescriptorKind::hidden);
    EXPECT_NE(::fcntl(hidden.get(), F_GETFD) & FD_CLOEXEC, 0);
    EXPECT_EQ(::fcntl(low, F_GETFD), -1);
    const int number = hidden.get();
    hidden.reset();
    EXPECT_EQ(kind_of(number), DescriptorKind::foreign);
    EXPECT_EQ(::fcntl(number, F_GETFD), -1);
    EXPECT_EQ(kind_of(-1), DescriptorKind::foreign);
    EXPECT_EQ(kind_of(1 << 30), DescriptorKind::foreign);
}

TEST(ProgramMemory, BadPointersAreFoundWithoutBeingFollowed) {
    void* const page = ::mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int value = 7, copy = 0;
    EXPECT_TRUE(copy_in(&copy, &value, sizeof copy));
    EXPECT_EQ(copy, 7);
    EXPECT_TRUE(copy_out(&value, &copy, 0));
    for (void* bad : {page, static_cast<void*>(nullptr), reinterpret_cast<void*>(8),
                      reinterpret_cast<void*>(~std::uintptr_t{4095})}) {
        EXPECT_FALSE(copy_in(&copy, bad, sizeof copy));
        EXPECT_FALSE(copy_out(bad, &copy, sizeof copy));
    }
    ::mprotect(page, 4096, PROT_READ);
    EXPECT_TRUE(copy_in(&copy, page, sizeof copy));
    EXPECT_FALSE(copy_out(page, &copy, sizeof copy));
    EXPECT_FALSE(may_be_memory(&copy, ~std::size_t{0}));
    ::munmap(page, 4096);
}

}  // namespace
}  // namespace fanfare::client
