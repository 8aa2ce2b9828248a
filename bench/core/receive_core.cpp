#include "bench/core/receive_core.hpp"

#include <cstdio>
#include <cstdlib>
#include <stdexcept>

#include "dataplane/net/framing.hpp"
#include "dataplane/net/multicast_mac.hpp"
#include "dataplane/net/octets.hpp"
#include "engine/core/profile.hpp"
#include "ipc/layout.hpp"

namespace fanfare::bench {

namespace {

using dataplane::Command;
using dataplane::WorkerEvent;

constexpr Address kSource = Address::from_octets(10, 0, 0, 1);
constexpr Address kOwn = Address::from_octets(10, 0, 0, 2);
constexpr Address kStranger = Address::from_octets(10, 0, 0, 3);
constexpr Address kGroup = Address::from_octets(239, 1, 2, 3);
constexpr Address kOtherGroup = Address::from_octets(239, 9, 9, 9);
constexpr dataplane::MacAddress kSourceMac{{2, 0, 0, 0, 0, 1}};
constexpr std::uint16_t kDataPort = 7500;
constexpr std::uint16_t kFirstSourcePort = 1024;
constexpr Sqn kFirstSqn = 1u << 20;
constexpr std::uint8_t kTcp = 6;
// Two bursts a turn at some 14 M packets/s.
constexpr Nanos kTurn = 5 * kMicrosecond;

// The whole frame of `packet`, checksum included; tpdu_at says where the TPDU starts.
std::vector<std::byte> frame_of(const wire::Packet& packet, std::size_t& tpdu_at,
                                Address source = kSource, Address group = kGroup) {
    std::vector<std::byte> room(engine::kFrameHeadroom + wire::encoded_size(packet));
    engine::TxFrame frame;
    frame.data = room.data() + engine::kFrameHeadroom;
    frame.length = static_cast<std::uint16_t>(
        wire::encode(packet, std::span(room).subspan(engine::kFrameHeadroom)));
    frame.ttl = 16;
    frame.destination = group;
    const auto& scalar = checksum::kernels(checksum::Level::scalar);
    const std::uint16_t sum = checksum::finish(scalar.sum(frame.data, frame.length));
    std::memcpy(frame.data + wire::kChecksumAt, &sum, sizeof sum);
    dataplane::net::LinkIdentity link;
    link.mac = kSourceMac;
    link.address = source;
    dataplane::net::prepend_datagram(frame, link, 0);
    dataplane::net::prepend_ethernet(frame, link, dataplane::net::multicast_mac(group));
    tpdu_at = frame.prepended;
    return {frame.data - frame.prepended, frame.data + frame.length};
}

}  // namespace

const char* name_of(Hostile kind) {
    static constexpr const char* kNames[] = {
        "none",      "truncated",      "wrong_checksum", "unknown_session",
        "far_ahead", "foreign_source", "duplicate",      "unknown_protocol"};
    return kNames[static_cast<std::size_t>(kind)];
}

ReceiveCore::ReceiveCore(const ReceiveCorePlan& plan)
    : plan_(plan),
      kernels_(plan.kernels != nullptr ? *plan.kernels : checksum::best_kernels()),
      link_(0) {
    dataplane::WorkerConfig config;
    dataplane::InterfaceSpec interface;
    interface.name = "feed";
    interface.address = kOwn;
    config.interfaces.push_back(interface);
    config.receive_sessions_max = plan_.sessions + 8;
    config.source_sessions_max = 8;
    config.kernels = &kernels_;
    worker_ = std::make_unique<dataplane::Worker<ReplayPort>>(
        config, link_, std::vector<ReplayPort*>{&port_}, nullptr);
    Command listen;
    listen.kind = Command::Kind::add_listen;
    listen.listen = {1, kGroup, kDataPort, 0, 0, {}};
    post(listen);
    for (std::uint32_t i = 0; i < plan_.sessions; ++i) {
        windows_.push_back(
            std::make_unique<WindowRegion>(i, plan_.log_bytes, plan_.index_entries, kernels_));
        Command spare;
        spare.kind = Command::Kind::add_spare;
        spare.id = i;
        spare.receive = windows_.back()->session;
        post(spare);
        turn();
    }
    add_frames();
    begun_with_ = accepted();
    run(port_.frames());
    begun_with_ = accepted();
    good_asked_ = 0;
}

ReceiveCore::~ReceiveCore() {
    worker_.reset();
}

// A data packet of session i, or with messages in a container where the plan has them.
wire::Packet ReceiveCore::data_packet(std::uint32_t session, Sqn sqn) const {
    wire::Packet packet{};
    packet.type = wire::Type::odata;
    packet.gsi = Gsi{{1, 2, 3, 4, 5, 6}};
    packet.source_port = static_cast<std::uint16_t>(kFirstSourcePort + session);
    packet.destination_port = kDataPort;
    packet.sqn = sqn;
    packet.trail = ReplayPort::trail_of(sqn);
    packet.payload = payload_;
    if (plan_.message != 0) packet.options.set(wire::OptionBit::packed);
    return packet;
}

void ReceiveCore::add_frames() {
    const std::size_t length = plan_.message != 0 ? plan_.message : plan_.tsdu;
    const std::size_t taken = plan_.message != 0 ? length + 2 : length;
    messages_per_packet_ = plan_.message != 0 ? plan_.tsdu / taken : 1;
    for (std::size_t i = 0; i < messages_per_packet_; ++i) {
        if (plan_.message != 0) {
            payload_.push_back(static_cast<std::byte>(length >> 8));
            payload_.push_back(static_cast<std::byte>(length));
        }
        for (std::size_t k = 0; k < length; ++k) payload_.push_back(static_cast<std::byte>(k * 7));
    }
    for (std::uint32_t session = 0; session < plan_.sessions; ++session) {
        wire::Packet spm = data_packet(session, 1);
        spm.type = wire::Type::spm;
        spm.trail = kFirstSqn;
        spm.lead = kFirstSqn - 1;
        spm.path = kSource;
        spm.payload = {};
        spm.options.present = 0;
        std::size_t at = 0;
        port_.add_first(frame_of(spm, at));
    }
    const std::size_t cycle = std::size_t{plan_.sessions} * plan_.run;
    const std::size_t good =
        (std::max(plan_.frames, 2 * ReplayPort::kAhead) + cycle - 1) / cycle * cycle;
    const auto step = static_cast<Sqn>(good / plan_.sessions);
    for (std::size_t i = 0; i < good; ++i) {
        const auto session = static_cast<std::uint32_t>(i / plan_.run % plan_.sessions);
        const Sqn sqn = kFirstSqn + static_cast<Sqn>(i / cycle * plan_.run + i % plan_.run);
        const Frame frame = frame_of(data_packet(session, sqn), tpdu_at_);
        port_.add(frame, tpdu_at_, sqn, step);
        if (plan_.hostile != Hostile::none) add_hostile(session, sqn, step);
    }
    port_.seal();
}

void ReceiveCore::add_hostile(std::uint32_t session, Sqn sqn, Sqn step) {
    std::size_t at = 0;
    wire::Packet packet = data_packet(session, sqn + 1);
    switch (plan_.hostile) {
        case Hostile::none:
            return;
        case Hostile::truncated: {
            Frame frame = frame_of(packet, at);
            // The TSDU length, at the end of the common header: one more than there is.
            std::byte* const length = frame.data() + at + wire::kHeaderSize - 2;
            dataplane::net::store16(length, static_cast<std::uint16_t>(payload_.size() + 1));
            return port_.add(frame, at, sqn + 1, step);
        }
        case Hostile::wrong_checksum:
            return port_.add(frame_of(packet, at), tpdu_at_, sqn + 1, step, 1);
        case Hostile::unknown_session:
            packet.source_port = static_cast<std::uint16_t>(packet.source_port + 5000 + sqn % 4096);
            return port_.add(frame_of(packet, at, kSource, kOtherGroup), tpdu_at_, sqn, step);
        case Hostile::far_ahead:
            packet.sqn += 1u << 30;
            return port_.add(frame_of(packet, at), tpdu_at_, 0, 0);
        case Hostile::foreign_source:
            return port_.add(frame_of(packet, at, kStranger), tpdu_at_, sqn + 1, step);
        case Hostile::duplicate:
            return port_.add(frame_of(packet, at), tpdu_at_, sqn, step);
        case Hostile::unknown_protocol: {
            Frame frame = frame_of(packet, at);
            std::byte* const ip = frame.data() + dataplane::net::kEthernetSize;
            dataplane::net::Ipv4Header header;
            header.source = kSource;
            header.destination = kGroup;
            header.protocol = kTcp;
            dataplane::net::write_ipv4(ip, header, frame.size() - at);
            return port_.add(frame, at, 0, 0);
        }
    }
}

void ReceiveCore::post(const Command& command) {
    while (!link_.commands.push(command)) turn();
}

void ReceiveCore::turn() {
    now_ += kTurn;
    worker_->poll(now_);
    WorkerEvent event;
    while (link_.events.take(event)) {
        if (event.kind == WorkerEvent::Kind::session_opened &&
            event.tsi.source_port == kFirstSourcePort) {
            first_opened_ = windows_[event.id].get();
        }
    }
}

void ReceiveCore::run(std::uint64_t packets) {
    good_asked_ += plan_.hostile == Hostile::none ? packets : packets / 2;
    port_.allow(packets);
    const std::uint64_t until = port_.handed_out() + packets;
    while (port_.handed_out() < until) turn();
}

void ReceiveCore::run_port_alone(std::uint64_t packets) {
    std::array<dataplane::RxFrame, dataplane::WorkerCore::kBurst> frames;
    port_.allow(packets);
    for (const std::uint64_t until = port_.handed_out() + packets; port_.handed_out() < until;) {
        const std::size_t count = port_.receive(frames);
        // What the caller of a port does with a burst must not be guessed away.
        asm volatile("" : : "r"(frames.data()), "r"(count) : "memory");
        port_.release({frames.data(), count});
    }
}

std::unique_ptr<client::MessageReader> ReceiveCore::reader() {
    if (first_opened_ == nullptr) throw std::runtime_error("no session to read");
    page_memory_ = region_of(ipc::kPageSize);
    const auto view = ipc::ReceiveView::open(first_opened_->region.memory());
    auto reader = std::make_unique<client::MessageReader>(
        view.value(), *ipc::init_socket_page(page_memory_.memory(), 1, 0),
        client::ReadMode::message);
    reader->place(view->header().lead.load(std::memory_order_acquire));
    return reader;
}

std::uint64_t ReceiveCore::accepted() const {
    return link_.counters.verdicts[static_cast<std::size_t>(engine::Verdict::accepted)].get();
}

std::string ReceiveCore::faults() const {
    const std::uint64_t count = accepted() - begun_with_;
    if (count == good_asked_) return {};
    return "accepted " + std::to_string(count) + " packets of " + std::to_string(good_asked_);
}

}  // namespace fanfare::bench
