#include "dataplane/worker_core.hpp"

#include <algorithm>

#include "dataplane/net/multicast_mac.hpp"

namespace fanfare::dataplane {

namespace {

// Next hops of NAKs: sources and gateways of one prefix. More than that at a time makes the oldest
// ask again.
constexpr std::size_t kNeighbours = 256;
constexpr std::size_t kGroups = 1024;
constexpr std::size_t kListens = 4096;
// Readers that can be woken at once without the control thread's sweep.
constexpr std::uint32_t kReaders = 8192;
// Frames from the ARP table join those that were lent.
constexpr std::size_t kQueuePlaces = WorkerCore::kLent + 64;

std::vector<std::uint32_t> free_slots(std::uint32_t count) {
    std::vector<std::uint32_t> slots(count);
    for (std::uint32_t i = 0; i < count; ++i) slots[i] = count - 1 - i;
    return slots;
}

}  // namespace

WorkerCore::Interface::Interface(const InterfaceSpec& s, std::uint64_t seed)
    : spec(s), arp(kNeighbours), igmp(seed, kGroups) {
    link.address = s.address;
    link.vlan = s.vlan;
    link.dscp = s.dscp;
}

WorkerCore::WorkerCore(const WorkerConfig& config, WorkerLink& link,
                       std::span<const std::optional<PortFacts>> facts, HandoverMesh* mesh)
    : config_(config),
      link_(link),
      mesh_(config.workers > 1 ? mesh : nullptr),
      kernels_(config.kernels != nullptr ? *config.kernels : checksum::best_kernels()),
      random_(config.seed),
      // Opened, ended, closed; ended, done, detached: what one session says with nobody listening.
      events_(link.events, 4 * (config.receive_sessions_max + config.source_sessions_max) + 64),
      loss_(config.receive_loss, config.index),
      receivers_(config.receive_sessions_max),
      sources_(config.source_sessions_max),
      receiver_slots_(config.receive_sessions_max),
      source_slots_(config.source_sessions_max),
      free_receiver_slots_(free_slots(config.receive_sessions_max)),
      free_source_slots_(free_slots(config.source_sessions_max)),
      listens_(kListens),
      readers_(kReaders),
      wheel_(config.receive_sessions_max + config.source_sessions_max) {
    spares_.reserve(config.receive_sessions_max);
    turn_.reserve(config.source_sessions_max);
    burst_.reserve(kBurst);
    repairing_.reserve(config.receive_sessions_max);
    touched_receivers_.reserve(config.receive_sessions_max);
    wake_receivers_.reserve(config.receive_sessions_max);
    touched_sources_.reserve(config.source_sessions_max);
    wake_sources_.reserve(config.source_sessions_max);
    memberships_owed_.reserve(
        2 * (std::size_t{config.receive_sessions_max} + config.source_sessions_max));

    std::array<Outlet*, kMaxWorkers> rings{};
    for (std::uint32_t i = 0; i < config.interfaces.size(); ++i) {
        interfaces_.push_back(std::make_unique<Interface>(config.interfaces[i], random_.next()));
        Interface& on = *interfaces_.back();
        const std::uint32_t owner = on.spec.owner;
        on.owned = owner == config.index;
        on.gone = on.spec.missing;
        on.up = !on.gone;
        if (i < facts.size() && facts[i]) {
            on.has_port = true;
            set_facts(i, *facts[i]);
            outlets_.push_back(std::make_unique<Outlet>(kQueuePlaces));
            on.outlet = outlets_.back().get();
            on.outlet->interface = i;
        } else {
            on.mtu = on.spec.mtu != 0 ? on.spec.mtu : on.mtu;
            if (mesh_ == nullptr || on.owned || owner >= mesh_->workers()) continue;
            if (rings[owner] == nullptr) {
                outlets_.push_back(std::make_unique<Outlet>(kQueuePlaces));
                rings[owner] = outlets_.back().get();
                rings[owner]->ring = &mesh_->outbound(config.index, owner);
                rings[owner]->peer = owner;
            }
            on.outlet = rings[owner];
        }
        on.filter_changed = on.owned && on.has_port;
    }
    if (mesh_ != nullptr) mesh_->attach(config.index, &link);
}

void WorkerCore::set_facts(std::uint32_t interface, const PortFacts& facts) {
    Interface& on = *interfaces_[interface];
    on.facts_wanted = false;
    on.link.mac = facts.mac;
    ++on.link_version;
    on.kernel_answers = facts.kernel_answers;
    on.datagrams = facts.datagrams;
    on.mtu = on.spec.mtu != 0 ? std::min(on.spec.mtu, facts.mtu) : facts.mtu;
}

bool WorkerCore::take_filter(std::uint32_t interface, std::vector<MacAddress>& macs) {
    Interface& on = *interfaces_[interface];
    if (!on.filter_changed) return false;
    on.filter_changed = false;
    macs.clear();
    // Queries come to all systems, whatever was joined.
    macs.push_back(net::multicast_mac(net::kAllSystems));
    on.igmp.for_each([&](Address group) {
        const MacAddress mac = net::multicast_mac(group);
        if (std::find(macs.begin(), macs.end(), mac) == macs.end()) macs.push_back(mac);
    });
    return true;
}

bool WorkerCore::take_memberships(std::uint32_t interface, Memberships& wanted) {
    Interface& on = *interfaces_[interface];
    if (!on.filter_changed) return false;
    on.filter_changed = false;
    wanted.groups.clear();
    wanted.udp_ports.clear();
    on.igmp.for_each([&](Address group) { wanted.groups.push_back(group); });
    on.udp_ports.for_each([&](std::uint16_t port) { wanted.udp_ports.push_back(port); });
    return true;
}

void WorkerCore::begin(Nanos now) {
    if (begun_) return;
    begun_ = true;
    wheel_.clear(now);
    snapshot_at_ = now;
}

std::size_t WorkerCore::publish(Nanos now) {
    std::size_t work = 0;
    const std::size_t count = turn_.size();
    // Each turn begins with another source, and none gets more than its share of the frames at
    // hand.
    for (std::size_t i = 0; i < count; ++i) {
        SourceSession& session = *turn_[(turn_first_ + i) % count];
        if (session.quiet()) continue;
        const auto frames = room(session.spec.interface);
        const bool datagrams = interfaces_[session.spec.interface]->datagrams;
        const std::size_t share = std::min(frames.size(), datagrams ? kDatagramShare : kBurst);
        engine::Output out(frames.first(share));
        if (session.publish(now, out)) {
            ++work;
            touch(session);
        } else if (session.pending()) {
            touch(session);
        }
        session.check_memory(now);
        commit_source(session, out);
    }
    if (count > 0) turn_first_ = (turn_first_ + 1) % count;
    // While a change waits its commands come first.
    if (datagrams_ != nullptr && config_.index == 0 && drain_until_ == 0)
        work += send_datagrams(true, now);
    return work;
}

std::size_t WorkerCore::tick(Nanos now) {
    std::size_t work = 0;
    // Timers in one turn: enough that timers never lag behind packets, few enough that packets
    // never wait long.
    std::uint32_t budget = 256;
    std::uint32_t slot = 0;
    while ((slot = wheel_.pop_expired(now, budget)) != engine::TimingWheel::kNone) {
        ++work;
        if (slot < receiver_slots_.size()) {
            ReceiveSession& session = *receiver_slots_[slot];
            // Data in order moved the deadline on and left the timer.
            if (const Nanos deadline = session.next_deadline(); deadline > now) {
                if (deadline != kNever) wheel_.set(slot, deadline);
                continue;
            }
            engine::Output out(room(session.interface));
            session.receiver.on_tick(now, out);
            if (session.repairs) session.repairer->on_tick(session.repair_window(), now, out);
            commit_receiver(session, out, now);
        } else {
            SourceSession& session = *source_slots_[slot - receiver_slots_.size()];
            engine::Output out(room(session.spec.interface));
            session.source.on_tick(now, out);
            session.check_memory(now);
            touch(session);  // its timer went off and must be set again
            commit_source(session, out);
        }
    }
    for (auto& on : interfaces_) {
        if (!on->owned || !on->has_port || on->gone) continue;
        if (on->arp.due(now)) serve_arp(*on, now);
        if (on->igmp.next_deadline() <= now) serve_igmp(*on, now);
    }
    work += tick_repairs(now);
    snapshots(now);
    return work;
}

Nanos WorkerCore::next_deadline(Nanos now) const {
    if (!begun_) return now;
    if (stopped_) return kNever;
    if (drain_until_ != 0) return now;
    Nanos at = std::min(wheel_.next_deadline(), wake_at_);
    for (const auto& outlet : outlets_) {
        if (outlet->queue.ready() > 0) return now;
    }
    for (const auto& on : interfaces_) {
        if (!on->owned || !on->has_port || on->gone) continue;
        at = std::min({at, on->arp.next_deadline(), on->igmp.next_deadline()});
    }
    // Somebody else's ring was full: try again in a while that is short for both.
    if (events_.waiting() || !memberships_owed_.empty()) at = std::min(at, now + kMillisecond);
    if (receivers_.size() + sources_.size() > 0) at = std::min(at, snapshot_at_);
    return std::max(at, now);
}

}  // namespace fanfare::dataplane
