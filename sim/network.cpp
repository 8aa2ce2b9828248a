#include "sim/network.hpp"

#include <algorithm>
#include <stdexcept>

#include "dataplane/net/datagram.hpp"

namespace fanfare::sim {
namespace {
constexpr std::size_t kMostPorts = 65536;
constexpr std::size_t kEthernetHeader = 14;
constexpr std::size_t kTtlAt = kEthernetHeader + 8;
constexpr std::size_t kPreambleAndGap =
    24;  // preamble 8 + FCS 4 + gap 12: what a frame costs on the line besides
// ARP carries no sum of its own: what a real card's FCS lets through of it can't be told from the
// truth.
bool is_ipv4(const std::vector<std::byte>& frame) {
    return frame.size() > kEthernetHeader && frame[12] == std::byte{0x08} &&
           frame[13] == std::byte{0};
}

// ODATA with data of the application: what a recorded pattern of losses counts.
bool is_original_data(std::span<const std::byte> frame) {
    constexpr std::size_t kTypeAt = 4, kFlagsAt = 5;
    dataplane::net::Datagram datagram;
    if (dataplane::net::parse_frame(frame, 0, datagram) != dataplane::net::FrameClass::pgm ||
        datagram.payload.size() < wire::kHeaderSize)
        return false;
    return datagram.payload[kTypeAt] == static_cast<std::byte>(wire::Type::odata) &&
           (datagram.payload[kFlagsAt] & static_cast<std::byte>(wire::kOptParity)) == std::byte{0};
}

}  // namespace

Port::Port(Network& network, std::size_t number, std::uint16_t mtu, std::size_t pool_frames)
    : network_(network), number_(number), mtu_(mtu) {
    for (std::size_t i = 0; i < pool_frames; ++i) {
        auto buffer = std::make_unique<Buffer>();
        buffer->octets.resize(engine::kFrameHeadroom + mtu_);
        free_.push_back(std::move(buffer));
    }
}

std::size_t Port::receive(std::span<dataplane::RxFrame> rx) {
    std::size_t n = 0;
    while (n < rx.size() && !arrived_.empty()) {
        auto* buffer = new Buffer{*arrived_.front()};
        arrived_.pop();
        rx[n++] = dataplane::RxFrame{buffer->octets.data(),
                                     static_cast<std::uint32_t>(buffer->octets.size()), buffer};
    }
    return n;
}

std::shared_ptr<const std::vector<std::byte>> Port::take() {
    if (arrived_.empty()) return nullptr;
    auto frame = std::move(arrived_.front());
    arrived_.pop();
    return frame;
}

void Port::release(std::span<dataplane::RxFrame> rx) {
    for (auto& frame : rx) delete static_cast<Buffer*>(frame.handle);
}

std::size_t Port::allocate(std::span<engine::TxFrame> tx) {
    std::size_t n = 0;
    for (auto& frame : tx) {
        if (free_.empty()) break;
        Buffer* buffer = free_.back().release();
        free_.pop_back();
        frame = engine::TxFrame{};
        frame.data = buffer->octets.data() + engine::kFrameHeadroom;
        frame.capacity = mtu_;
        frame.handle = buffer;
        ++outstanding_;
        ++n;
    }
    return n;
}

std::size_t Port::transmit(std::span<engine::TxFrame> tx) {
    for (auto& frame : tx) {
        const std::byte* begin = frame.data - frame.prepended;
        std::vector<std::byte> octets(begin, begin + frame.prepended + frame.length);
        if (link_up_) network_.send(number_, std::move(octets), line_free_);
    }
    give_back(tx);
    return tx.size();
}

void Port::give_back(std::span<engine::TxFrame> tx) {
    for (auto& frame : tx) {
        free_.emplace_back(static_cast<Buffer*>(frame.handle));
        --outstanding_;
    }
}

bool Port::set_multicast_filter(std::span<const dataplane::MacAddress> groups) {
    groups_.assign(groups.begin(), groups.end());
    return true;
}

dataplane::PortFacts Port::facts() const {
    dataplane::PortFacts facts;
    facts.mac = Network::mac_of(number_);
    facts.mtu = mtu_;
    facts.link_up = link_up_;
    return facts;
}

bool Port::wants(const std::vector<std::byte>& frame) const {
    if (!link_up_ || frame.size() < kEthernetHeader) return false;
    dataplane::MacAddress to;
    std::memcpy(to.octets.data(), frame.data(), 6);
    if (to == facts().mac) return true;
    const bool broadcast =
        std::all_of(to.octets.begin(), to.octets.end(), [](auto o) { return o == 0xFF; });
    return broadcast || std::find(groups_.begin(), groups_.end(), to) != groups_.end();
}

dataplane::MacAddress Network::mac_of(std::size_t port) {
    return {
        {0x02, 0, 0, 0, static_cast<std::uint8_t>(port >> 8), static_cast<std::uint8_t>(port + 1)}};
}

Port& Network::add_port(std::uint16_t mtu, std::size_t pool_frames) {
    if (ports_.size() == kMostPorts)
        throw std::length_error("a network has at most 65536 ports: their addresses end there");
    ports_.push_back(std::make_unique<Port>(*this, ports_.size(), mtu, pool_frames));
    // Pairs are cut on a medium; a tree cuts its links and may have too many ports for all pairs.
    if (tree_ == nullptr) {
        for (auto& row : cut_) row.push_back(false);
        cut_.emplace_back(ports_.size(), false);
    }
    return *ports_.back();
}

void Network::cut(std::size_t a, std::size_t b, bool is_cut) {
    cut_[a][b] = is_cut;
    cut_[b][a] = is_cut;
}

void Network::send(std::size_t from, std::vector<std::byte> frame, Nanos& line_free) {
    ++totals_.sent;
    if (filter_ != nullptr && !filter_(filter_context_, from, frame)) {
        ++totals_.lost;
        return;
    }
    const auto bits = static_cast<Nanos>((frame.size() + kPreambleAndGap) * 8);
    const Nanos line_time =
        shape_.bits_per_s == 0 ? 0 : bits * kSecond / static_cast<Nanos>(shape_.bits_per_s);
    const Nanos start = std::max(now_, line_free);
    if (line_time > 0 && (start - now_) / line_time > static_cast<Nanos>(shape_.queue_frames)) {
        ++totals_.queue_drops;
        return;
    }
    line_free = start + line_time;
    if (random_.chance(faults_.shared_loss)) {
        ++totals_.lost;
        return;
    }
    const auto octets = std::make_shared<const std::vector<std::byte>>(std::move(frame));
    find_ways(from, *octets);
    for (const auto& [to, delay, lost] : ways_) {
        if (!ports_[to]->wants(*octets)) continue;
        Nanos at = line_free + delay;
        if (lost && loss_watch_ != nullptr) loss_watch_(loss_watch_context_, to, *octets, at);
        if (lost || random_.chance(faults_.loss)) {
            ++totals_.lost;
            continue;
        }
        if (shape_.jitter_ns > 0) at += random_.between(0, shape_.jitter_ns);
        if (random_.chance(faults_.reorder)) {
            at += random_.between(1, faults_.reorder_ns);
            ++totals_.reordered;
        }
        auto copy = octets;
        if (random_.chance(faults_.corrupt) && is_ipv4(*octets)) {
            auto damaged = std::make_shared<std::vector<std::byte>>(*octets);
            const std::size_t place =
                kEthernetHeader + random_.below(damaged->size() - kEthernetHeader);
            (*damaged)[place] ^= static_cast<std::byte>(1 + random_.below(255));
            copy = std::move(damaged);
            ++totals_.corrupted;
        }
        launch(to, copy, at);
        if (random_.chance(faults_.duplicate)) {
            launch(to, copy, at + random_.between(0, shape_.delay_ns));
            ++totals_.duplicated;
        }
    }
}

void Network::find_ways(std::size_t from, const std::vector<std::byte>& frame) {
    if (tree_ == nullptr) {
        ways_.clear();
        for (std::size_t to = 0; to < ports_.size(); ++to)
            if (to != from && !cut_[from][to]) ways_.push_back({to, shape_.delay_ns, false});
        return;
    }
    const bool ip = is_ipv4(frame) && frame.size() > kTtlAt;
    // What is no IP is never routed; that it crosses one link is all a tree knows of it.
    const auto ttl = ip ? std::to_integer<std::uint32_t>(frame[kTtlAt]) : 1;
    if (frame.empty() || (frame[0] & std::byte{1}) != std::byte{0})
        return tree_->flood(from, ttl, is_original_data(frame), random_, ways_);
    dataplane::MacAddress to;
    std::memcpy(to.octets.data(), frame.data(), std::min<std::size_t>(frame.size(), 6));
    const std::size_t port =
        std::size_t{to.octets[4]} << 8 | static_cast<std::uint8_t>(to.octets[5] - 1);
    if (port < ports_.size() && to == mac_of(port))
        tree_->route(from, port, ttl, random_, ways_);
    else
        ways_.clear();
}

void Network::launch(std::size_t to, std::shared_ptr<const std::vector<std::byte>> octets,
                     Nanos at) {
    under_way_.push(Flight{at, order_++, to, std::move(octets)});
}

void Network::advance_to(Nanos now) {
    now_ = now;
    reached_.clear();
    while (!under_way_.empty() && under_way_.top().at <= now_) {
        const Flight& flight = under_way_.top();
        ports_[flight.to]->arrived_.push(flight.octets);
        reached_.push_back(flight.to);
        ++totals_.delivered;
        under_way_.pop();
    }
}

}  // namespace fanfare::sim
