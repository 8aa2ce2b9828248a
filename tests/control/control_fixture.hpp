// A controller with fake services and fake workers: requests as short calls, commands and events by
// hand.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/controller.hpp"
#include "control/options.hpp"
#include "tests/control/fake_services.hpp"

namespace fanfare::control {

inline constexpr Address kFeed{0x0A000001}, kBackup{0x0A010001}, kGroup{0xEF010101};
inline constexpr std::uint16_t kPort = 7500;

class ControlTest : public ::testing::Test {
  protected:
    using Command = dataplane::Command;
    using Event = dataplane::WorkerEvent;

    explicit ControlTest(std::uint32_t workers = 1) {
        settings.gsi = Gsi{{1, 2, 3, 4, 5, 6}};
        settings.defaults = engine::profile(engine::ProfileName::lan);
        settings.receive_log_bytes = 64 * 1024;
        settings.memory_total_bytes = 512ull << 20;
        settings.memory_per_user_bytes = 256ull << 20;
        settings.spares_per_worker = 2;
        settings.version = "test";
        for (std::uint32_t w = 0; w < workers; ++w)
            links.push_back(std::make_unique<dataplane::WorkerLink>(w));
        interfaces.resize(2);
        interfaces[0].spec = {"feed", kFeed};
        interfaces[1].spec = {"backup", kBackup};
    }
    void SetUp() override { start(); }
    void start() {
        std::vector<dataplane::WorkerLink*> pointers;
        for (auto& link : links) pointers.push_back(link.get());
        controller = std::make_unique<Controller>(settings, interfaces, pointers, services);
    }
    Registry& registry() { return controller->registry(); }

    // --- requests
    struct Answer {
        int error = 0;
        std::string detail;
        std::vector<std::byte> octets;
        std::vector<PassedDescriptor> descriptors;
        bool malformed = false;
        template <typename Reply>
        Reply as() const {
            EXPECT_EQ(octets.size(), sizeof(Reply));
            Reply reply{};
            std::memcpy(&reply, octets.data(), std::min(sizeof(reply), octets.size()));
            return reply;
        }
    };
    Answer send(std::span<const std::byte> octets) {
        Outcome outcome = controller->request(octets, peer, now);
        Answer answer;
        ipc::ReplyHeader header;
        std::memcpy(&header, outcome.reply.data(), sizeof(header));
        answer.error = header.error;
        answer.detail = header.detail;
        answer.octets = outcome.reply;
        answer.descriptors = outcome.descriptors;
        answer.malformed = outcome.malformed;
        EXPECT_EQ(header.descriptors, outcome.descriptors.size());
        // A refusal says why in words.
        if (header.error != 0) {
            EXPECT_NE(answer.detail, "");
        }
        // What the loop does after it passed them.
        for (const auto& d : outcome.descriptors)
            if (d.close_after) services.close_descriptor(d.descriptor);
        return answer;
    }
    template <typename Request>
    Answer call(Request request, ipc::RequestType type, std::uint64_t socket_id = 0) {
        request.header.version = ipc::kProtocolVersion;
        request.header.type = type;
        request.header.correlation = ++correlation;
        request.header.socket_id = socket_id;
        Answer answer = send(std::as_bytes(std::span(&request, 1)));
        ipc::ReplyHeader header;
        std::memcpy(&header, answer.octets.data(), sizeof(header));
        EXPECT_EQ(header.correlation, correlation);
        EXPECT_EQ(header.type, type);
        return answer;
    }
    std::uint64_t socket(ipc::SocketType type = ipc::SocketType::message) {
        ipc::SocketRequest request{};
        request.type = type;
        const Answer answer = call(request, ipc::RequestType::socket);
        EXPECT_EQ(answer.error, 0) << answer.detail;
        return answer.error == 0 ? answer.as<ipc::SocketReply>().socket_id : 0;
    }
    Answer address_call(ipc::RequestType type, std::uint64_t id, Address address,
                        std::uint16_t port) {
        ipc::AddressRequest request{};
        request.address = address;
        request.port = port;
        return call(request, type, id);
    }
    int bind(std::uint64_t id, Address address, std::uint16_t port = kPort) {
        return address_call(ipc::RequestType::bind, id, address, port).error;
    }
    int connect(std::uint64_t id, Address address = kGroup, std::uint16_t port = kPort) {
        return address_call(ipc::RequestType::connect, id, address, port).error;
    }
    int listen(std::uint64_t id, std::uint32_t backlog = 8) {
        ipc::ListenRequest request{};
        request.backlog = backlog;
        return call(request, ipc::RequestType::listen, id).error;
    }
    Answer accept(std::uint64_t id) { return call(ipc::IdRequest{}, ipc::RequestType::accept, id); }
    int shutdown(std::uint64_t id, std::uint32_t how) {
        ipc::ShutdownRequest request{};
        request.how = how;
        return call(request, ipc::RequestType::shutdown, id).error;
    }
    int close(std::uint64_t id, bool linger = false, std::uint32_t seconds = 0) {
        ipc::CloseRequest request{};
        request.linger_on = linger;
        request.linger_seconds = seconds;
        return call(request, ipc::RequestType::close, id).error;
    }
    int set(std::uint64_t id, std::int32_t option, std::span<const std::byte> value,
            std::int32_t level = kLevelRm) {
        ipc::OptionRequest request{};
        request.level = level;
        request.name = option;
        request.length = static_cast<std::uint32_t>(value.size());
        std::memcpy(request.value, value.data(), std::min(value.size(), sizeof(request.value)));
        return call(request, ipc::RequestType::set_option, id).error;
    }
    template <typename T>
    int set(std::uint64_t id, std::int32_t option, const T& value, std::int32_t level = kLevelRm) {
        return set(id, option, std::as_bytes(std::span(&value, 1)), level);
    }
    Answer get(std::uint64_t id, std::int32_t option, std::uint32_t room = ipc::kOptionValueMax) {
        ipc::OptionRequest request{};
        request.level = kLevelRm;
        request.name = option;
        request.length = room;
        return call(request, ipc::RequestType::get_option, id);
    }
    template <typename T>
    T value(std::uint64_t id, std::int32_t option) {
        const Answer answer = get(id, option);
        EXPECT_EQ(answer.error, 0) << answer.detail;
        T out{};
        if (answer.error != 0) return out;
        const auto reply = answer.as<ipc::OptionReply>();
        EXPECT_EQ(reply.length, sizeof(T));
        std::memcpy(&out, reply.value, sizeof(out));
        return out;
    }

    // --- the worker's side
    std::vector<Command> commands(std::uint32_t worker = 0) {
        std::vector<Command> out;
        Command command;
        while (links[worker]->commands.take(command)) out.push_back(command);
        return out;
    }
    // The one command of this kind that was posted since commands() was read last.
    std::optional<Command> command(Command::Kind kind, std::uint32_t worker = 0) {
        std::optional<Command> found;
        for (const auto& c : commands(worker)) {
            if (c.kind != kind) continue;
            EXPECT_FALSE(found.has_value()) << "posted twice";
            found = c;
        }
        return found;
    }
    void say(const Event& event, std::uint32_t worker = 0) {
        EXPECT_TRUE(links[worker]->events.push(event));
        controller->poll(now);
    }
    void pass_time(Nanos duration) {
        now += duration;
        controller->poll(now);
    }

    // --- whole steps
    std::uint64_t listener(std::uint32_t backlog = 8, bool reuse = false) {
        const auto id = socket();
        if (reuse) {
            EXPECT_EQ(set(id, 2, std::uint32_t{1}, kLevelSocket), 0);
        }
        EXPECT_EQ(bind(id, kGroup), 0);
        EXPECT_EQ(listen(id, backlog), 0);
        controller->poll(now);
        return id;
    }
    std::uint64_t sender() {
        const auto id = socket();
        EXPECT_EQ(connect(id), 0);
        return id;
    }
    SendSession& send_session(std::uint64_t socket_id) {
        return *registry().send_session(registry().socket(socket_id)->session_id);
    }
    // A spare with the worker turns into a session; returns its id.
    std::uint64_t open_session(std::uint16_t source_port, std::uint64_t start = (1ull << 32) | 100,
                               std::uint32_t interface = 0, Address source = Address{0x0A000002}) {
        for (auto& [id, session] : registry().receptions) {
            if (session.state != Reception::State::spare) continue;
            if (start != 0) {
                session.memory.header->start_ordinal.store(start);
                session.memory.header->lead.store(start);
            }
            Event event;
            event.kind = Event::Kind::session_opened;
            event.id = id;
            event.receive = session.object;
            event.tsi = Tsi{Gsi{{9, 9, 9, 9, 9, 9}}, source_port};
            event.source_address = source;
            event.group = kGroup;
            event.destination_port = kPort;
            event.interface = interface;
            say(event);
            return id;
        }
        ADD_FAILURE() << "no spare window";
        return 0;
    }
    Event event(Event::Kind kind, std::uint64_t id, std::uint64_t socket_id = 0) {
        Event e;
        e.kind = kind;
        e.id = id;
        e.socket_id = socket_id;
        if (auto* r = registry().reception(id)) e.receive = r->object;
        if (auto* s = registry().send_session(id)) e.source = s->object;
        return e;
    }

    ControlSettings settings;
    std::vector<Interface> interfaces;
    std::vector<std::unique_ptr<dataplane::WorkerLink>> links;
    FakeServices services;
    std::unique_ptr<Controller> controller;
    Peer peer{1000, 4242};
    Nanos now = 1000 * kSecond;
    std::uint64_t correlation = 0;
};

}  // namespace fanfare::control
