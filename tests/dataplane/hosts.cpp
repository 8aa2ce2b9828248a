#include "tests/dataplane/hosts.hpp"

#include <gtest/gtest.h>

namespace fanfare::dataplane::test {

Sending::Sending(std::uint64_t session_id, std::uint64_t log_bytes, ipc::SendFormat as,
                 const engine::SourceParameters& parameters, std::uint16_t mtu, bool udp)
    : id(session_id),
      format(as),
      region(ipc::SendLayout::for_log(log_bytes).total_bytes),
      page_memory(sizeof(ipc::SocketPage)) {
    parts = ipc::SendLayout::for_log(log_bytes).init(
        region.span(), id, format, engine::largest_tsdu(parameters, mtu, udp, false),
        engine::largest_tsdu(parameters, mtu, udp, true));
    page = ipc::init_socket_page(page_memory.span(), id, format == ipc::SendFormat::stream ? 1 : 0);
    const auto view = ipc::SendView::open(region.span());
    EXPECT_TRUE(view.has_value());
    writer = std::make_unique<client::MessageWriter>(*view, *page);
}
Sending::~Sending() {
    if (session != nullptr) free_source_session(session);
}

Window::Window(std::uint64_t session_id, std::uint64_t log_bytes, std::uint32_t index_entries)
    : id(session_id), region(ipc::ReceiveLayout::for_log(log_bytes, index_entries).total_bytes) {
    parts = ipc::ReceiveLayout::for_log(log_bytes, index_entries).init(region.span(), id);
}
Window::~Window() {
    if (session != nullptr) free_receive_session(session);
}

Reading::Reading(Window& window, std::uint64_t socket, client::ReadMode as)
    : socket_id(socket), page_memory(sizeof(ipc::SocketPage)) {
    page =
        ipc::init_socket_page(page_memory.span(), socket, as == client::ReadMode::stream ? 1 : 0);
    const auto view = ipc::ReceiveView::open(window.region.span());
    EXPECT_TRUE(view.has_value());
    reader = std::make_unique<client::MessageReader>(*view, *page, as);
}

void Reading::take() {
    // Polls are many and messages few: look before anything else.
    if (!reader->changed()) return;
    const auto span = std::as_writable_bytes(std::span(room));
    while (true) {
        last = reader->try_recv(span);
        if (last.status != client::ReadStatus::data) return;
        if (reader->mode() == client::ReadMode::message) {
            messages.emplace_back(room.data(), last.bytes);
        } else {
            if (messages.empty()) messages.emplace_back();
            messages[0].append(room.data(), last.bytes);
        }
    }
}

engine::SourceParameters Host::quick() {
    engine::SourceParameters parameters = engine::profile(engine::ProfileName::lan).source;
    parameters.window_packets = 1u << 12;
    return parameters;
}

Host::Host(sim::SimWire& wire, const HostPlan& p)
    : plan(p), receiver(engine::profile(engine::ProfileName::lan).receiver) {
    config.workers = plan.workers;
    InterfaceSpec interface;
    interface.name = "feed";
    interface.address = plan.address;
    interface.gateway = plan.gateway;
    interface.vlan = plan.vlan;
    interface.dscp = plan.dscp;
    interface.missing = plan.missing;
    interface.owner = plan.queues.empty() ? 0 : plan.queues.front();
    config.interfaces.push_back(interface);
    config.receive_loss = plan.receive_loss;
    config.receive_sessions_max = config.source_sessions_max = plan.sessions_max;
    config.wake.context = this;
    config.wake.readable = [](void* host, int fd) {
        static_cast<Host*>(host)->wakes.push_back({'r', fd});
    };
    config.wake.writable = [](void* host, int fd) {
        static_cast<Host*>(host)->wakes.push_back({'w', fd});
    };
    config.wake.hang_up = [](void* host, int fd) {
        static_cast<Host*>(host)->wakes.push_back({'h', fd});
    };
    config.wake.control = [](void* host, int fd) {
        static_cast<Host*>(host)->wakes.push_back({'c', fd});
    };
    wakes.reserve(1 << 20);
    mesh = std::make_unique<HandoverMesh>(plan.workers, plan.mtu, plan.mesh_slots);
    for (std::uint32_t i = 0; i < plan.workers; ++i) {
        const bool queue =
            std::find(plan.queues.begin(), plan.queues.end(), i) != plan.queues.end();
        const MacAddress mac{{2, 0, 0, 0, 0, static_cast<std::uint8_t>(plan.address.v4)}};
        ports.push_back(queue ? std::make_unique<sim::SimPort>(wire, mac, plan.mtu) : nullptr);
        if (queue) ports.back()->datagrams = plan.datagrams;
        links.push_back(std::make_unique<WorkerLink>(i));
        config.index = i;
        config.seed = 1000 + plan.address.v4 + i;
        workers.push_back(std::make_unique<Worker<sim::SimPort>>(
            config, *links.back(), std::vector<sim::SimPort*>{ports.back().get()}, mesh.get()));
    }
}

Host::~Host() {
    workers.clear();
    for (auto& port : ports) {
        if (port) {
            EXPECT_EQ(port->lent(), 0u) << "frames leaked";
        }
    }
}

void Host::post(std::uint32_t worker, const Command& command) {
    ASSERT_TRUE(links[worker]->commands.push(command));
}

void Host::add_spare(std::uint32_t worker) {
    windows.push_back(std::make_unique<Window>(next_id_++, receive_log_bytes, 1 << 12));
    Window& window = *windows.back();
    ReceiveSpec spec;
    spec.session_id = window.id;
    spec.parameters = receiver;
    spec.region = window.parts.header;
    spec.index = window.parts.index.data();
    spec.index_entries = static_cast<std::uint32_t>(window.parts.index.size());
    spec.log = window.parts.log.data();
    spec.log_bytes = window.parts.log.size();
    window.session = make_receive_session(spec, checksum::best_kernels());
    Command command;
    command.kind = Command::Kind::add_spare;
    command.id = window.id;
    command.receive = window.session;
    post(worker, command);
}

void Host::listen(Address group, std::uint16_t port, std::uint16_t udp, std::uint32_t spares,
                  Address source) {
    for (std::uint32_t w = 0; w < plan.workers; ++w) {
        Command command;
        command.kind = Command::Kind::add_listen;
        command.listen = {77, group, port, udp, 0, source};
        post(w, command);
        for (std::uint32_t i = 0; i < spares; ++i) add_spare(w);
    }
}
void Host::unlisten() {
    for (std::uint32_t w = 0; w < plan.workers; ++w) {
        Command command;
        command.kind = Command::Kind::remove_listen;
        command.id = 77;
        post(w, command);
    }
}

Sending& Host::send(ipc::SendFormat format, engine::SourceParameters parameters, std::uint16_t udp,
                    std::uint16_t source_port, std::uint64_t log_bytes) {
    parameters.packed = format == ipc::SendFormat::packed;
    sendings.push_back(
        std::make_unique<Sending>(next_id_++, log_bytes, format, parameters, plan.mtu, udp != 0));
    Sending& sending = *sendings.back();
    SourceSpec& spec = sending.spec;
    spec.session_id = sending.id;
    spec.parameters = parameters;
    spec.identity.tsi = {Gsi{{9, 8, 7, 6, 5, static_cast<std::uint8_t>(plan.address.v4)}},
                         source_port};
    spec.identity.destination_port = kPort;
    spec.identity.group = kGroup;
    spec.identity.nla = plan.address;
    spec.identity.seed = 5;
    spec.mtu = plan.mtu;
    spec.udp_port = udp;
    spec.region = sending.parts.header;
    spec.log = sending.parts.log.data();
    spec.log_bytes = sending.parts.log.size();
    spec.format = format;
    spec.page = sending.page;
    spec.endpoint = static_cast<int>(1000 + sending.id);
    sending.session = make_source_session(spec, checksum::best_kernels());
    Command command;
    command.kind = Command::Kind::open_source;
    command.id = sending.id;
    command.source = sending.session;
    post(owner_of(spec.identity.tsi, plan.workers), command);
    return sending;
}

void Host::finish(Sending& sending) {
    Command command;
    command.kind = Command::Kind::finish_source;
    command.id = sending.id;
    post(owner_of(sending.spec.identity.tsi, plan.workers), command);
}

Reading& Host::read(Window& window, client::ReadMode mode) {
    readings.push_back(std::make_unique<Reading>(window, next_id_++, mode));
    Reading& reading = *readings.back();
    Command command;
    command.kind = Command::Kind::attach_reader;
    command.id = window.id;
    command.socket_id = reading.socket_id;
    command.page = reading.page;
    command.endpoint = static_cast<int>(2000 + reading.socket_id);
    post(owner_of(window.open_event.tsi, plan.workers), command);
    return reading;
}

void Host::close(Window& window) {
    Command command;
    command.kind = Command::Kind::close_receive;
    command.id = window.id;
    command.receive = window.session;
    post(owner_of(window.open_event.tsi, plan.workers), command);
}

Window* Host::window_of(std::uint64_t id) {
    for (auto& window : windows) {
        if (window->id == id) return window.get();
    }
    return nullptr;
}

void Host::on_event(const WorkerEvent& event) {
    events.push_back(event);
    using Kind = WorkerEvent::Kind;
    Window* const window = window_of(event.id);
    switch (event.kind) {
        case Kind::session_opened:
            ASSERT_NE(window, nullptr);
            window->opened = true;
            window->open_event = event;
            return;
        case Kind::session_ended:
            window->ended = true;
            window->state = event.state;
            window->cause = event.cause;
            return;
        case Kind::receive_closed:
            window->closed = true;
            return;
        case Kind::spare_returned:
            window->returned = true;
            return;
        case Kind::source_ended:
        case Kind::source_done:
            for (auto& sending : sendings) {
                if (sending->id != event.id) continue;
                if (event.kind == Kind::source_done) {
                    sending->done = true;
                } else {
                    sending->ended = true;
                    sending->end_state = event.state;
                    sending->cause = event.cause;
                }
            }
            return;
        default:
            return;
    }
}

std::size_t Host::poll(Nanos now) {
    std::size_t work = 0;
    for (auto& worker : workers) work += worker->poll(now);
    for (auto& link : links) {
        WorkerEvent event;
        while (link->events.take(event)) {
            on_event(event);
            ++work;
        }
    }
    for (auto& reading : readings) reading->take();
    return work;
}

Nanos Host::next_deadline(Nanos now) const {
    Nanos at = kNever;
    for (const auto& worker : workers) at = std::min(at, worker->next_deadline(now));
    return at;
}

std::vector<Window*> Host::opened() {
    std::vector<Window*> list;
    for (auto& window : windows) {
        if (window->opened) list.push_back(window.get());
    }
    return list;
}

Host& Network::add(const HostPlan& plan) {
    hosts.push_back(std::make_unique<Host>(wire, plan));
    return *hosts.back();
}

void Network::settle() {
    for (int turn = 0; turn < 10000; ++turn) {
        std::size_t work = 0;
        for (auto& host : hosts) work += host->poll(now);
        if (work == 0) return;
    }
    ADD_FAILURE() << "hosts never come to rest at one time";
}

void Network::run(Nanos duration) {
    const Nanos end = now + duration;
    settle();
    while (now < end) {
        Nanos next = end;
        for (auto& host : hosts) next = std::min(next, host->next_deadline(now));
        now = std::min(end, std::max(next, now + kMicrosecond));
        settle();
    }
}

std::string message_of(std::size_t length, std::uint32_t seed) {
    std::string text(length, '\0');
    std::uint32_t x = seed * 2654435761u + 1;
    for (auto& c : text) {
        x = x * 1664525u + 1013904223u;
        c = static_cast<char>(x >> 24);
    }
    return text;
}
std::span<const std::byte> octets_of(const std::string& text) {
    return std::as_bytes(std::span(text));
}
std::string hex(std::span<const std::byte> octets) {
    static const char digits[] = "0123456789abcdef";
    std::string text;
    for (auto o : octets) {
        text += digits[std::to_integer<unsigned>(o) >> 4];
        text += digits[std::to_integer<unsigned>(o) & 15];
    }
    return text;
}
std::vector<std::byte> from_hex(const std::string& text) {
    std::vector<std::byte> octets;
    std::string digits;
    for (char c : text) {
        if (c != ' ') digits += c;
    }
    for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
        octets.push_back(static_cast<std::byte>(std::stoi(digits.substr(i, 2), nullptr, 16)));
    }
    return octets;
}

}  // namespace fanfare::dataplane::test
