#include "bench/core/send_core.hpp"

#include <stdexcept>

#include "control/send_window_rule.hpp"
#include "engine/core/profile.hpp"
#include "ipc/layout.hpp"

namespace fanfare::bench {

namespace {

using dataplane::Command;
using dataplane::WorkerEvent;

constexpr Address kOwn = Address::from_octets(10, 0, 0, 2);
constexpr Address kGroup = Address::from_octets(239, 1, 2, 3);
constexpr std::uint16_t kDataPort = 7500;
constexpr std::uint16_t kFirstSourcePort = 1024;
constexpr Nanos kTurn = 5 * kMicrosecond;
constexpr std::uint64_t kLocalId = 1u << 20;
// Messages between two publish(): a program's own batch.
constexpr std::uint64_t kBatch = 32;

}  // namespace

struct SendCore::Sending {
    Sending(std::uint64_t id, const SendCorePlan& plan, const checksum::Kernels& kernels)
        : region(region_of(ipc::SendLayout::for_log(plan.log_bytes).total_bytes)),
          page_memory(region_of(ipc::kPageSize)) {
        dataplane::SourceSpec spec;
        spec.session_id = id;
        spec.parameters = engine::profile(engine::ProfileName::lan).source;
        spec.parameters.rate_bits_per_s = 0;
        spec.parameters.window_bytes = plan.window_bytes;
        spec.parameters.window_packets = control::window_packets_for(plan.window_bytes);
        spec.parameters.packed = plan.format == ipc::SendFormat::packed;
        spec.identity.tsi = {Gsi{{9, 8, 7, 6, 5, 4}},
                             static_cast<std::uint16_t>(kFirstSourcePort + id)};
        spec.identity.destination_port = kDataPort;
        spec.identity.group = kGroup;
        spec.identity.nla = kOwn;
        spec.identity.seed = 5;
        const ipc::SendParts parts =
            ipc::SendLayout::for_log(plan.log_bytes)
                .init(region.memory(), id, plan.format,
                      engine::largest_tsdu(spec.parameters, spec.mtu, false, false),
                      engine::largest_tsdu(spec.parameters, spec.mtu, false, true));
        spec.region = parts.header;
        spec.log = parts.log.data();
        spec.log_bytes = parts.log.size();
        spec.format = plan.format;
        spec.page = ipc::init_socket_page(page_memory.memory(), id,
                                          plan.format == ipc::SendFormat::stream ? 1 : 0);
        writer = std::make_unique<client::MessageWriter>(
            ipc::SendView::open(region.memory()).value(), *spec.page);
        session = dataplane::make_source_session(spec, kernels);
    }
    ~Sending() { dataplane::free_source_session(session); }
    Sending(const Sending&) = delete;
    Sending& operator=(const Sending&) = delete;
    ipc::Region region, page_memory;
    std::unique_ptr<client::MessageWriter> writer;
    dataplane::SourceSession* session = nullptr;
};

SendCore::SendCore(const SendCorePlan& plan)
    : plan_(plan),
      kernels_(plan.kernels != nullptr ? *plan.kernels : checksum::best_kernels()),
      message_(plan.message, std::byte{0x5A}),
      link_(0) {
    dataplane::WorkerConfig config;
    dataplane::InterfaceSpec interface;
    interface.name = "feed";
    interface.address = kOwn;
    config.interfaces.push_back(interface);
    config.receive_sessions_max = 8;
    config.source_sessions_max = plan_.sessions + 8;
    config.kernels = &kernels_;
    worker_ = std::make_unique<dataplane::Worker<ReplayPort>>(
        config, link_, std::vector<ReplayPort*>{&port_}, nullptr);
    if (plan_.local_log_bytes != 0) {
        Command listen;
        listen.kind = Command::Kind::add_listen;
        listen.listen = {1, kGroup, kDataPort, 0, 0, {}};
        post(listen);
        // An index entry for each 64 octets of log: small messages share packets here.
        local_ = std::make_unique<WindowRegion>(
            kLocalId, plan_.local_log_bytes, static_cast<std::uint32_t>(plan_.local_log_bytes / 64),
            kernels_);
        Command spare;
        spare.kind = Command::Kind::add_spare;
        spare.id = kLocalId;
        spare.receive = local_->session;
        post(spare);
        turn();
    }
    for (std::uint32_t i = 0; i < plan_.sessions; ++i) {
        sendings_.push_back(std::make_unique<Sending>(i, plan_, kernels_));
        Command open;
        open.kind = Command::Kind::open_source;
        open.id = i;
        open.source = sendings_.back()->session;
        post(open);
        turn();
    }
    first_writer_ = sendings_.front()->writer.get();
    // Twice the window's octets: it is full, and its trail moves as it will from here on.
    const std::uint64_t wanted = 2 * plan_.window_bytes / plan_.message * plan_.sessions;
    while (published_ < wanted) {
        if (publish(wanted - published_) == 0) throw std::runtime_error("the window never moved");
        send();
    }
}

SendCore::~SendCore() {
    worker_.reset();
}

std::unique_ptr<client::MessageReader> SendCore::local_reader() {
    pages_.push_back(std::make_unique<ipc::Region>(region_of(ipc::kPageSize)));
    const auto view = ipc::ReceiveView::open(local_->region.memory());
    ipc::SocketPage* const page = ipc::init_socket_page(pages_.back()->memory(), pages_.size(), 0);
    auto reader =
        std::make_unique<client::MessageReader>(view.value(), *page, client::ReadMode::message);
    reader->place(view->header().lead.load(std::memory_order_acquire));
    Command attach;
    attach.kind = Command::Kind::attach_reader;
    attach.id = kLocalId;
    attach.socket_id = pages_.size();
    attach.page = page;
    post(attach);
    turn();
    return reader;
}

void SendCore::post(const Command& command) {
    while (!link_.commands.push(command)) turn();
}

void SendCore::turn() {
    now_ += kTurn;
    worker_->poll(now_);
    WorkerEvent event;
    while (link_.events.take(event)) {
        if (event.kind == WorkerEvent::Kind::source_ended) ended_ = true;
    }
}

std::uint64_t SendCore::publish(std::uint64_t messages) {
    std::uint64_t done = 0;
    for (bool found_room = true; found_room && done < messages;) {
        found_room = false;
        for (auto& sending : sendings_) {
            client::MessageWriter& writer = *sending->writer;
            std::uint64_t count = 0;
            for (; count < kBatch && done + count < messages; ++count) {
                std::span<std::byte> room;
                if (writer.claim(plan_.message, room) != client::WriteStatus::done) break;
                std::memcpy(room.data(), message_.data(), room.size());
                writer.commit(room.size());
            }
            if (count == 0) continue;
            writer.publish();
            done += count;
            found_room = true;
        }
    }
    published_ += done;
    return done;
}

void SendCore::send() {
    for (auto& sending : sendings_) {
        const client::MessageWriter& writer = *sending->writer;
        while (!ended_ && writer.sent() != writer.published()) turn();
    }
}

std::string SendCore::faults() const {
    if (ended_) return "a session was reset";
    if (link_.counters.tail_invalid.get() + link_.counters.records_invalid.get() != 0) {
        return "a session's records were refused";
    }
    // One packet a message, several messages a packet or several packets a message: never none.
    const std::uint64_t bytes = published_ * plan_.message;
    return packets_sent() * 1500 < bytes ? "packets are missing" : "";
}

}  // namespace fanfare::bench
