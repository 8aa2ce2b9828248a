#include "bench/hostile/hostile_pair.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <stdexcept>

#include "bench/peers/feed_message.h"
#include "control/send_window_rule.hpp"
#include "dataplane/net/framing.hpp"
#include "engine/core/profile.hpp"
#include "ipc/layout.hpp"

namespace {
// No atomics: only this thread writes, and only while it polls.
thread_local bool t_polling = false;
std::uint64_t g_allocations = 0;
}  // namespace

// Every way to the heap in this program, operator new included, goes through these four.
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void* malloc(std::size_t bytes) {
    if (t_polling) ++g_allocations;
    return __libc_malloc(bytes);
}
void* calloc(std::size_t count, std::size_t bytes) {
    if (t_polling) ++g_allocations;
    return __libc_calloc(count, bytes);
}
void* realloc(void* old, std::size_t bytes) {
    if (t_polling) ++g_allocations;
    return __libc_realloc(old, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
    if (t_polling) ++g_allocations;
    return __libc_memalign(alignment, bytes);
}
}

namespace fanfare::bench {

namespace {

using dataplane::Command;
using dataplane::WorkerEvent;
using Clock = std::chrono::steady_clock;

constexpr Address kSource = Address::from_octets(10, 0, 0, 1);
constexpr Address kReceiver = Address::from_octets(10, 0, 0, 2);
constexpr Address kGroup = Address::from_octets(239, 1, 2, 3);
constexpr std::uint16_t kDataPort = 7500;
constexpr Tsi kTsi{Gsi{{1, 2, 3, 4, 5, 6}}, 4321};
constexpr std::size_t kDescriptors = 1u << 13;
// A tenth of a second of a good stream, and as much again that may wait to be read.
constexpr std::uint64_t kWindowBytes = std::uint64_t{8} << 20;
constexpr std::uint64_t kSendLogBytes = std::uint64_t{32} << 20;
constexpr std::uint64_t kReceiveLogBytes = std::uint64_t{32} << 20;
constexpr std::uint32_t kReceiveEntries = 1u << 19;
constexpr std::uint64_t kStrangerLogBytes = std::uint64_t{256} << 10;
constexpr std::uint32_t kStrangerEntries = 1u << 12;
constexpr std::uint64_t kBatch = 64;
constexpr std::size_t kRecordedMost = 64;  // of each type
constexpr double kPatience = 30;           // seconds without a message, and it is a fault
constexpr std::size_t kTpduAt = dataplane::net::kEthernetSize + dataplane::net::kIpv4Size;

Nanos nanos_now() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch())
        .count();
}

}  // namespace

PollWatch::PollWatch() {
    t_polling = true;
}
PollWatch::~PollWatch() {
    t_polling = false;
}
std::uint64_t PollWatch::allocations() {
    return g_allocations;
}

HostilePair::Side::Side(Address own, std::uint8_t last_mac)
    : address(own), port(dataplane::MacAddress{{2, 0, 0, 0, 0, last_mac}}, kDescriptors), link(0) {}

void HostilePair::Side::post(const Command& command) {
    if (!link.commands.push(command)) throw std::runtime_error("the command ring is full");
}

std::size_t HostilePair::Side::poll(Nanos now) {
    const PollWatch watch;
    return worker->poll(now);
}

HostilePair::HostilePair(const HostilePairPlan& plan)
    : plan_(plan),
      good_{kTsi, kDataPort, kGroup, kSource, kReceiver},
      kernels_(checksum::best_kernels()),
      source_(kSource, 1),
      receiver_(kReceiver, 2),
      send_region_(region_of(ipc::SendLayout::for_log(kSendLogBytes).total_bytes)),
      send_page_(region_of(ipc::kPageSize)),
      read_page_(region_of(ipc::kPageSize)) {
    start(source_, 11);
    start(receiver_, 12);
    source_.port.join(receiver_.port,
                      [this](std::span<const std::byte> frame) { return passes(frame); });
    receiver_.port.join(source_.port, [this](std::span<const std::byte> frame) {
        record(frame);
        return true;
    });
    Command listen;
    listen.kind = Command::Kind::add_listen;
    listen.listen = {1, kGroup, kDataPort, 0, 0, {}};
    receiver_.post(listen);
    // The last one that is given is the first one that is taken.
    for (std::uint32_t i = 0; i <= plan_.spares; ++i) add_spare(i);
    turn();
    open_source();
    write(1);
    for (int i = 0; read_ == 0; ++i) {
        if (i > 10'000'000) throw std::runtime_error("the session never opened");
        turn();
        read();
    }
}

HostilePair::~HostilePair() {
    source_.worker.reset();
    receiver_.worker.reset();
    dataplane::free_source_session(sending_);
}

void HostilePair::start(Side& side, std::uint64_t seed) {
    dataplane::WorkerConfig config;
    dataplane::InterfaceSpec interface;
    interface.name = "feed";
    interface.address = side.address;
    config.interfaces.push_back(interface);
    config.receive_sessions_max = plan_.spares + 8;
    config.source_sessions_max = 8;
    config.seed = seed;
    config.kernels = &kernels_;
    side.worker = std::make_unique<dataplane::Worker<WirePort>>(
        config, side.link, std::vector<WirePort*>{&side.port}, nullptr);
}

void HostilePair::open_source() {
    dataplane::SourceSpec spec;
    spec.session_id = 1;
    spec.parameters = engine::profile(engine::ProfileName::lan).source;
    spec.parameters.rate_bits_per_s = 0;
    spec.parameters.window_bytes = kWindowBytes;
    spec.parameters.window_packets = control::window_packets_for(kWindowBytes);
    if (plan_.parity) spec.parameters.parity = {8, 255, 1, true};
    spec.identity.tsi = kTsi;
    spec.identity.destination_port = kDataPort;
    spec.identity.group = kGroup;
    spec.identity.nla = kSource;
    spec.identity.seed = 5;
    const ipc::SendParts parts =
        ipc::SendLayout::for_log(kSendLogBytes)
            .init(send_region_.memory(), 1, ipc::SendFormat::message,
                  engine::largest_tsdu(spec.parameters, spec.mtu, false, false),
                  engine::largest_tsdu(spec.parameters, spec.mtu, false, true));
    spec.region = parts.header;
    spec.log = parts.log.data();
    spec.log_bytes = parts.log.size();
    spec.page = ipc::init_socket_page(send_page_.memory(), 1, 0);
    writer_ = std::make_unique<client::MessageWriter>(
        ipc::SendView::open(send_region_.memory()).value(), *spec.page);
    sending_ = dataplane::make_source_session(spec, kernels_);
    Command open;
    open.kind = Command::Kind::open_source;
    open.id = 1;
    open.source = sending_;
    source_.post(open);
}

// Window `id`, made or made anew; the highest id is the good session's.
void HostilePair::add_spare(std::uint64_t id) {
    const bool good = id == plan_.spares;
    if (windows_.size() <= id) windows_.resize(id + 1);
    windows_[id].reset();
    windows_[id] =
        std::make_unique<WindowRegion>(id, good ? kReceiveLogBytes : kStrangerLogBytes,
                                       good ? kReceiveEntries : kStrangerEntries, kernels_);
    Command spare;
    spare.kind = Command::Kind::add_spare;
    spare.id = id;
    spare.receive = windows_[id]->session;
    receiver_.post(spare);
}

void HostilePair::tidy() {
    for (const std::uint64_t id : free_again_) add_spare(id);
    free_again_.clear();
}

bool HostilePair::passes(std::span<const std::byte> frame) {
    record(frame);
    const bool data = frame.size() > kTpduAt + 4 && frame[23] == std::byte{wire::kIpProtocolPgm} &&
                      frame[kTpduAt + 4] == static_cast<std::byte>(wire::Type::odata);
    return !data || plan_.lose_each == 0 || ++data_seen_ % plan_.lose_each != 0;
}

// Called while a worker transmits; what this program keeps for itself is not counted as its.
void HostilePair::record(std::span<const std::byte> frame) {
    const std::size_t header =
        frame.size() > kTpduAt ? (std::to_integer<std::size_t>(frame[14]) & 15) * 4 : 0;
    if (header == 0 || frame[23] != std::byte{wire::kIpProtocolPgm}) return;
    const std::span<const std::byte> tpdu = frame.subspan(dataplane::net::kEthernetSize + header);
    if (tpdu.size() < wire::kHeaderSize) return;
    auto& list = recorded_[std::to_integer<unsigned>(tpdu[4]) & 15];
    if (list.size() == kRecordedMost) return;
    t_polling = false;
    list.emplace_back(tpdu.begin(), tpdu.end());
    t_polling = true;
}

std::vector<std::vector<std::byte>> HostilePair::take_recorded() {
    std::vector<std::vector<std::byte>> all;
    for (auto& list : recorded_) {
        for (auto& tpdu : list) all.push_back(tpdu);
    }
    return all;
}

std::size_t HostilePair::turn() {
    const Nanos now = nanos_now();
    const std::size_t work = source_.poll(now) + receiver_.poll(now);
    take_events();
    return work;
}

// Control's half of the conversation.
void HostilePair::take_events() {
    WorkerEvent event;
    while (source_.link.events.take(event)) {
        if (event.kind == WorkerEvent::Kind::source_ended) fault_ = "the good source was ended";
    }
    while (receiver_.link.events.take(event)) {
        switch (event.kind) {
            case WorkerEvent::Kind::session_opened:
                if (event.tsi != kTsi) break;
                good_window_ = event.id;
                reader_ = std::make_unique<client::MessageReader>(
                    ipc::ReceiveView::open(windows_[event.id]->region.memory()).value(),
                    *ipc::init_socket_page(read_page_.memory(), 1, 0), client::ReadMode::message);
                reader_->place(
                    reader_->view().header().start_ordinal.load(std::memory_order_acquire));
                break;
            case WorkerEvent::Kind::session_ended: {
                if (event.id == good_window_) {
                    fault_ = "the good session was ended at its receiver, cause " +
                             std::to_string(static_cast<int>(event.cause));
                    break;
                }
                Command close;
                close.kind = Command::Kind::close_receive;
                close.id = event.id;
                close.receive = windows_[event.id]->session;
                receiver_.post(close);
                break;
            }
            case WorkerEvent::Kind::receive_closed:
            case WorkerEvent::Kind::spare_returned:
                free_again_.push_back(event.id);
                break;
            default:
                break;
        }
    }
}

void HostilePair::write(std::uint64_t most) {
    std::uint64_t count = 0;
    for (; count < most; ++count) {
        std::span<std::byte> room;
        if (writer_->claim(plan_.message, room) != client::WriteStatus::done) break;
        feed_fill(room.data(), room.size(), written_ + count, 0);
        writer_->commit(room.size());
    }
    if (count > 0) writer_->publish();
    written_ += count;
}

void HostilePair::read() {
    if (!reader_) return;
    std::array<client::ReceivedView, kBatch> views;
    std::size_t count = 0;
    const client::ReadResult got = reader_->peek(views, count);
    if (got.status == client::ReadStatus::reset || got.status == client::ReadStatus::finished)
        fault_ = "the reader was reset";
    for (std::size_t i = 0; i < count; ++i) {
        std::uint64_t mark = 0;
        const bool right = views[i].octets.size() == plan_.message &&
                           feed_check(views[i].octets.data(), plan_.message, read_ + i, &mark) != 0;
        if (!right) fault_ = "message " + std::to_string(read_ + i) + " is not what was sent";
    }
    if (count > 0 && !reader_->consume({views.data(), count})) fault_ = "the reader was overtaken";
    read_ += count;
}

HostilePair::Took HostilePair::run(const Slice& slice) {
    Took took;
    const std::uint64_t first = written_, end = first + slice.messages;
    const std::size_t hostile = slice.hostile.size();
    // How far the writer may be ahead: half the receive window.
    const std::uint64_t ahead = kReceiveLogBytes / 2 / plan_.message;
    std::size_t thrown = 0;
    const Clock::time_point began = Clock::now();
    Clock::time_point moved = began, now = began;
    const auto seconds_since = [&](Clock::time_point from) {
        return std::chrono::duration<double>(now - from).count();
    };
    while (fault_.empty()) {
        now = Clock::now();
        const bool over = read_ == end && thrown == hostile;
        if (over && receiver_.port.empty() && source_.port.empty()) break;
        std::uint64_t due = end;
        if (slice.rate > 0) {
            due = std::min<std::uint64_t>(
                end, first + static_cast<std::uint64_t>(seconds_since(began) * slice.rate) + 1);
        }
        due = std::min(due, read_ + ahead);
        if (due > written_) write(std::min(due - written_, kBatch));
        // As many of the hostile frames as of the messages are due.
        const std::uint64_t share = (written_ - first) * hostile / slice.messages;
        while (thrown < share) {
            WirePort& port = thrown % 2 == 0 ? receiver_.port : source_.port;
            // A full ring is the good stream's loss as well: half of it stays free for that.
            if (port.free_descriptors() < kDescriptors / 2 || !port.lend(slice.hostile[thrown]))
                break;
            ++thrown;
        }
        const std::uint64_t before = read_;
        const Clock::time_point turn_began = Clock::now();
        if (turn() > 0)
            took.busy_seconds += std::chrono::duration<double>(Clock::now() - turn_began).count();
        read();
        if (read_ != before) moved = now;
        if (seconds_since(moved) > kPatience) {
            fault_ = "messages stopped at " + std::to_string(read_) + " of " + std::to_string(end);
        }
    }
    took.seconds = seconds_since(began);
    return took;
}

Sqn HostilePair::lead() const {
    engine::SourceStatistics statistics;
    Sqn trail = 0, lead = 0;
    dataplane::read_statistics(sending_, statistics, trail, lead);
    return lead;
}

engine::ReceiverStatistics HostilePair::receiver_statistics() const {
    engine::ReceiverStatistics statistics;
    Sqn trail = 0, lead = 0;
    dataplane::read_statistics(windows_[good_window_]->session, statistics, trail, lead);
    return statistics;
}

engine::SourceStatistics HostilePair::source_statistics() const {
    engine::SourceStatistics statistics;
    Sqn trail = 0, lead = 0;
    dataplane::read_statistics(sending_, statistics, trail, lead);
    return statistics;
}

}  // namespace fanfare::bench
