// An engine in this process: a sender and a receiver of the same program, turned by one thread.
#include "embed/engine.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "fanfare/fanfare.hpp"
#include "tests/embed/turn_until.hpp"

namespace fanfare::embed {
namespace {

sockaddr_in endpoint(const char* address, std::uint16_t port) {
    sockaddr_in out{};
    out.sin_family = AF_INET;
    out.sin_port = htons(port);
    inet_pton(AF_INET, address, &out.sin_addr);
    return out;
}

TEST(EmbeddedEngine, CarriesMessagesToAReceiverOfTheSameProgramWithoutADaemon) {
    control::Config config;
    std::string error;
    ASSERT_TRUE(control::add_interface_flag("ring,10.77.0.1/24,net_ring0", config, error)) << error;
    auto engine = Engine::open(config, error);
    ASSERT_NE(engine, nullptr) << error;

    // A second one is refused, and the first one keeps what is the process's.
    const auto folder = [] {
        return std::filesystem::exists("/var/run/dpdk/fanfare-" + std::to_string(::getpid()));
    };
    const bool before = folder();
    EXPECT_EQ(Engine::open(config, error), nullptr);
    EXPECT_NE(error.find("one engine"), std::string::npos) << error;
    EXPECT_EQ(folder(), before);

    Listener listener("239.77.0.1", 7500);
    listener.set_non_blocking(true);
    Sender sender("239.77.0.1", 7500);
    sender.set_non_blocking(true);

    constexpr std::size_t kMessages = 2000;
    const auto message = [](std::size_t i) {
        return std::vector<std::byte>(1 + i * 7 % 3000, static_cast<std::byte>(i));
    };
    std::size_t sent = 0, received = 0;
    int session = -1;
    bool finished = false, finishing = false;
    std::vector<std::byte> room(4096);
    const bool all = turn_until(*engine, [&] {
        if (sent < kMessages) {
            if (sender.send(message(sent))) ++sent;
        } else if (!finishing) {
            finishing = true;
            EXPECT_EQ(fanfare_shutdown(sender.fd(), SHUT_WR), 0);
        }
        if (session < 0) session = fanfare_accept(listener.fd(), nullptr, nullptr);
        if (session >= 0 && !finished) {
            const ssize_t n = fanfare_recv(session, room.data(), room.size(), MSG_DONTWAIT);
            if (n >= 0) {
                const auto expected = message(received++);
                EXPECT_EQ(static_cast<std::size_t>(n), expected.size());
                EXPECT_EQ(std::memcmp(room.data(), expected.data(), expected.size()), 0);
            } else if (errno == ESHUTDOWN) {
                finished = true;
            } else if (errno != EAGAIN) {
                ADD_FAILURE() << fanfare_last_error_text();
                return true;
            }
        }
        return finished;
    });
    EXPECT_TRUE(all) << sent << " sent, " << received << " received";
    EXPECT_EQ(received, kMessages);
    if (session >= 0) fanfare_close(session);
    sender.close();
    listener.close();
    EXPECT_TRUE(turn_until(*engine, [&] { return engine->drained(); }));

    // A socket that was forgotten may be asked and closed when the engine has gone.
    const int forgotten = fanfare_socket(AF_INET, SOCK_RDM, IPPROTO_RM);
    ASSERT_GE(forgotten, 0);
    engine.reset();
    const auto group = endpoint("239.77.0.1", 7500);
    EXPECT_EQ(fanfare_connect(forgotten, reinterpret_cast<const sockaddr*>(&group), sizeof group),
              -1);
    EXPECT_EQ(errno, ECONNRESET) << fanfare_last_error_text();
    fanfare_close(forgotten);
    EXPECT_EQ(Engine::open(config, error), nullptr);
    EXPECT_NE(error.find("one engine"), std::string::npos) << error;
}

TEST(EmbeddedEngine, SaysWhatIsMissingWhenThereIsNoInterface) {
    std::string error;
    EXPECT_EQ(Engine::open(control::Config{}, error), nullptr);
    EXPECT_NE(error.find("interface"), std::string::npos) << error;
}

}  // namespace
}  // namespace fanfare::embed
