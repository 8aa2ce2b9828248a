// The control loop over a real Unix socket and real descriptors, with workers that are only rings.
#include "control/loop.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "control/control_socket.hpp"
#include "ipc/layout.hpp"
#include "ipc/memory.hpp"
#include "tests/forked_holder.hpp"

namespace fanfare::control {
namespace {

// A client as a process would be one.
class Client {
  public:
    explicit Client(const std::string& path)
        : socket_(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::snprintf(address.sun_path, sizeof(address.sun_path), "%s", path.c_str());
        connected =
            ::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
        timeval patience{20, 0};  // for a machine under load; nothing is timed
        ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    }
    // The reply's length, 0 at the end of the connection. Descriptors of the reply are in `passed`.
    ssize_t exchange(const void* request, std::size_t bytes) {
        if (::send(socket_.get(), request, bytes, MSG_NOSIGNAL) < 0) return 0;
        iovec part{reply, sizeof(reply)};
        alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * ipc::kMaxDescriptors)];
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control;
        message.msg_controllen = sizeof(control);
        ssize_t got = 0;
        do {
            got = ::recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC);
        } while (got < 0 && errno == EINTR);  // a receive with a time limit is not restarted
        passed.clear();
        for (cmsghdr* c = CMSG_FIRSTHDR(&message); got > 0 && c != nullptr;
             c = CMSG_NXTHDR(&message, c)) {
            for (std::size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); ++i) {
                int fd;
                std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
                passed.emplace_back(fd);
            }
        }
        return std::max<ssize_t>(got, 0);
    }
    template <typename Request>
    int call(Request request, ipc::RequestType type, std::uint64_t socket_id = 0) {
        request.header.type = type;
        request.header.socket_id = socket_id;
        if (exchange(&request, sizeof(request)) < static_cast<ssize_t>(sizeof(ipc::ReplyHeader)))
            return -1;
        ipc::ReplyHeader header;
        std::memcpy(&header, reply, sizeof(header));
        return header.error;
    }
    std::uint64_t socket() {
        EXPECT_EQ(call(ipc::SocketRequest{}, ipc::RequestType::socket), 0);
        ipc::SocketReply answer;
        std::memcpy(&answer, reply, sizeof(answer));
        EXPECT_EQ(passed.size(), 4u);
        return answer.socket_id;
    }
    int connect_to_group(std::uint64_t id) {
        ipc::AddressRequest request{};
        request.address = Address{0xEF010101};
        request.port = 7500;
        return call(request, ipc::RequestType::connect, id);
    }
    // Whether the daemon still knows the socket.
    bool stands(std::uint64_t id) {
        const int error = call(ipc::NameRequest{}, ipc::RequestType::name, id);
        EXPECT_TRUE(error == 0 || error == EBADF) << error;
        return error == 0;
    }
    bool goes(std::uint64_t id) {
        for (int i = 0; i < 2000 && stands(id); ++i)
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        return !stands(id);
    }

    bool connected = false;
    std::byte reply[ipc::kMaxMessage];
    std::vector<ipc::Descriptor> passed;

  private:
    ipc::Descriptor socket_;
};

class LoopTest : public ::testing::Test {
  protected:
    void SetUp() override {
        char directory[] = "/tmp/fanfare-loop-XXXXXX";
        ASSERT_NE(::mkdtemp(directory), nullptr);
        directory_ = directory;
        path = directory_ + "/control.sock";
        std::string error;
        auto opened = ControlSocket::open(path, std::nullopt, error);
        ASSERT_TRUE(opened) << error;
        socket.emplace(std::move(*opened));
        ipc::MemoryFailure failure;
        page = ipc::Region::create({"test", ipc::kPageSize, false, false}, failure);
        ASSERT_TRUE(page);
        doorbell.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        bell.reset(::eventfd(0, EFD_CLOEXEC));
        stop.reset(::eventfd(0, EFD_CLOEXEC));
        ASSERT_TRUE(page->seal(ipc::SealKind::receive, failure));
        link.page = ipc::init_worker_page(page->memory(), 0);
        link.doorbell = doorbell.get();
        link.control_bell = bell.get();
        services = std::make_unique<SystemServices>(
            checksum::best_kernels(),
            std::vector<WorkerDescriptors>{{page->descriptor(), doorbell.get()}}, false);
        ControlSettings settings;
        settings.defaults = engine::profile(engine::ProfileName::lan);
        settings.defaults.source.window_bytes = 256 * 1024;
        settings.receive_log_bytes = 64 * 1024;
        settings.spares_per_worker = 1;
        std::vector<Interface> interfaces(1);
        interfaces[0].spec.name = "feed";
        interfaces[0].spec.address = Address{0x0A000001};
        workers = {&link};
        controller = std::make_unique<Controller>(settings, interfaces, workers, *services);
        LoopSettings loop_settings;
        loop_settings.listener = socket->descriptor();
        loop_settings.stop = stop.get();
        loop_settings.stop_patience_ns = 10 * kMillisecond;
        loop_settings.malformed_max = 3;
        loop = Loop::open(loop_settings, *controller, *services, workers, nullptr, error);
        if (!loop) GTEST_SKIP() << error;
        thread = std::thread([this] { loop->run(); });
    }
    void TearDown() override {
        if (thread.joinable()) {
            ::eventfd_write(stop.get(), 1);
            thread.join();
        }
        loop.reset();
        controller.reset();
        socket.reset();
        std::filesystem::remove_all(directory_);
    }

    std::string directory_, path;
    std::optional<ControlSocket> socket;
    std::optional<ipc::Region> page;
    ipc::Descriptor doorbell, bell, stop;
    dataplane::WorkerLink link{0};
    std::vector<dataplane::WorkerLink*> workers;
    std::unique_ptr<SystemServices> services;
    std::unique_ptr<Controller> controller;
    std::unique_ptr<Loop> loop;
    std::thread thread;
};

TEST_F(LoopTest, a_socket_ends_when_its_last_descriptor_is_closed) {
    Client client(path);
    const auto id = client.socket();
    EXPECT_TRUE(client.stands(id));
    auto held = std::move(client.passed);
    (void)held;
    const auto other = client.socket();
    client.passed.clear();
    EXPECT_TRUE(client.goes(other));
}

TEST_F(LoopTest, a_duplicate_in_another_process_keeps_a_socket_alive) {
    Client client(path);
    const auto id = client.socket();
    fanfare::test::ForkedHolder child;
    ASSERT_TRUE(child.holds());
    client.passed.clear();
    std::this_thread::sleep_for(
        std::chrono::milliseconds(300));  // three sweeps that must not end it
    EXPECT_TRUE(client.stands(id));
    EXPECT_TRUE(child.end());
    EXPECT_TRUE(client.goes(id));
}

TEST_F(LoopTest, a_killed_client_is_noticed) {
    Client watcher(path);
    int told[2];
    ASSERT_EQ(::pipe(told), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        Client client(path);
        const auto id = client.socket();
        (void)!::write(told[1], &id, sizeof(id));
        ::pause();
        ::_exit(0);
    }
    std::uint64_t id = 0;
    ASSERT_EQ(::read(told[0], &id, sizeof(id)), static_cast<ssize_t>(sizeof(id)));
    EXPECT_TRUE(watcher.stands(id));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    ::close(told[0]);
    ::close(told[1]);
    EXPECT_TRUE(watcher.goes(id));
}

// The error is there at the first look: whoever waits in poll() is woken once. After the daemon's
// own hang-up nothing of the endpoint tells of the client any more.
TEST_F(LoopTest, a_socket_that_was_hung_up_stays_until_its_holder_closes_it) {
    Client client(path);
    const auto id = client.socket();
    auto held = std::move(client.passed);
    ASSERT_EQ(client.connect_to_group(id), 0);
    dataplane::Command command;
    while (!link.commands.take(command)) std::this_thread::yield();
    system_wake_functions().hang_up(nullptr, command.endpoint);
    pollfd end{held[0].get(), POLLIN, 0};
    ASSERT_EQ(::poll(&end, 1, 20'000), 1);
    EXPECT_EQ(end.revents & (POLLERR | POLLHUP), POLLERR | POLLHUP);
    int error = 0;
    socklen_t length = sizeof(error);
    EXPECT_EQ(::getsockopt(held[0].get(), SOL_SOCKET, SO_ERROR, &error, &length), 0);
    EXPECT_EQ(error, ECONNRESET);
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    EXPECT_TRUE(client.stands(id));
    held.clear();
    EXPECT_TRUE(client.goes(id));
    // The worker lets go of it; then its descriptors are closed.
    dataplane::WorkerEvent event;
    event.kind = dataplane::WorkerEvent::Kind::sender_detached;
    event.socket_id = id;
    link.events.push(event);
    ::eventfd_write(bell.get(), 1);
}

TEST_F(LoopTest, rubbish_is_EPROTO_and_then_the_end_for_that_client_alone) {
    Client good(path), bad(path);
    const auto id = good.socket();
    auto held = std::move(good.passed);
    for (std::size_t length : {1, 200, 600}) {
        std::vector<std::byte> rubbish(length, std::byte{0xA5});
        ASSERT_GE(bad.exchange(rubbish.data(), rubbish.size()),
                  static_cast<ssize_t>(sizeof(ipc::ReplyHeader)));
        ipc::ReplyHeader header;
        std::memcpy(&header, bad.reply, sizeof(header));
        EXPECT_EQ(header.error, EPROTO);
    }
    EXPECT_EQ(bad.exchange("x", 1), 0) << "dropped after the third";
    EXPECT_TRUE(good.stands(id));
}

TEST_F(LoopTest, a_client_that_never_reads_holds_up_nobody) {
    Client lazy(path);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::snprintf(address.sun_path, sizeof(address.sun_path), "%s", path.c_str());
    ipc::Descriptor mute(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::connect(mute.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    ipc::HelloRequest hello{};
    hello.header.type = ipc::RequestType::hello;
    for (int i = 0; i < 10'000; ++i)
        if (::send(mute.get(), &hello, sizeof(hello), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) break;
    Client client(path);
    EXPECT_EQ(client.call(hello, ipc::RequestType::hello), 0);
}

TEST_F(LoopTest, regions_are_sealed_against_what_their_holder_must_not_do) {
    Client client(path);
    const auto id = client.socket();
    auto held = std::move(client.passed);
    ASSERT_EQ(client.connect_to_group(id), 0);
    ASSERT_EQ(client.passed.size(), 3u);
    EXPECT_NE(::ftruncate(client.passed[0].get(), 0), 0) << "a send region keeps its size";
    EXPECT_EQ(::mmap(nullptr, ipc::kPageSize, PROT_READ | PROT_WRITE, MAP_SHARED,
                     client.passed[1].get(), 0),
              MAP_FAILED)
        << "a worker's page is for reading";
}

TEST_F(LoopTest, another_user_is_refused_in_words) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root to become somebody else";
    ::chmod(directory_.c_str(), 0755);
    ::chmod(path.c_str(), 0666);
    const pid_t child = ::fork();
    if (child == 0) {
        if (::setgid(65534) != 0 || ::setuid(65534) != 0) ::_exit(3);
        Client client(path);
        const int error = client.call(ipc::HelloRequest{}, ipc::RequestType::hello);
        ipc::ReplyHeader header;
        std::memcpy(&header, client.reply, sizeof(header));
        ::_exit(error == EACCES && std::strstr(header.detail, "daemon.group") != nullptr ? 0 : 1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
}

TEST(ControlSocketTest, one_daemon_a_path_and_leftovers_of_a_dead_one_are_no_obstacle) {
    char directory[] = "/tmp/fanfare-socket-XXXXXX";
    ASSERT_NE(::mkdtemp(directory), nullptr);
    const std::string path = std::string(directory) + "/run/control.sock";
    std::string error;
    {
        auto first = ControlSocket::open(path, std::nullopt, error);
        ASSERT_TRUE(first) << error;
        auto second = ControlSocket::open(path, std::nullopt, error);
        EXPECT_FALSE(second);
        EXPECT_NE(error.find("another fanfared serves " + path), std::string::npos) << error;
        struct stat there {};
        ASSERT_EQ(::stat(path.c_str(), &there), 0);
        EXPECT_EQ(there.st_mode & 0777, 0660u);
    }
    EXPECT_FALSE(std::filesystem::exists(path));
    EXPECT_FALSE(std::filesystem::exists(path + ".lock"));

    const pid_t child = ::fork();
    if (child == 0) {
        auto dead = ControlSocket::open(path, std::nullopt, error);
        ::_exit(dead ? 0 : 1);  // without destructors, as if killed
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_EQ(status, 0);
    EXPECT_TRUE(std::filesystem::exists(path));
    EXPECT_TRUE(ControlSocket::open(path, std::nullopt, error)) << error;

    std::ofstream(path) << "a file";
    EXPECT_FALSE(ControlSocket::open(path, std::nullopt, error));
    EXPECT_NE(error.find("is no socket"), std::string::npos) << error;
    EXPECT_TRUE(std::filesystem::exists(path)) << "what is not ours stays";
    EXPECT_FALSE(ControlSocket::open(std::string(200, 'x'), std::nullopt, error));
    EXPECT_FALSE(ControlSocket::open("/nowhere/at/all/sock", std::nullopt, error));
    EXPECT_NE(error.find("/nowhere/at"), std::string::npos) << error;
    std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace fanfare::control
