#include "tests/sim/network.hpp"

#include <algorithm>

namespace fanfare::sim {
namespace {
// Pool of a port: more than a burst of every queue, few enough that a leak is soon felt.
constexpr std::size_t kPoolFrames = 512;
constexpr std::size_t kEthernetHeader = 14;
constexpr std::size_t kPreambleAndGap =
    24;  // preamble 8 + FCS 4 + gap 12: what a frame costs on the line besides
// ARP carries no sum of its own: what a real card's FCS lets through of it can't be told from the
// truth.
bool is_ipv4(const std::vector<std::byte>& frame) {
    return frame.size() > kEthernetHeader && frame[12] == std::byte{0x08} &&
           frame[13] == std::byte{0};
}

}  // namespace

Port::Port(Network& network, std::size_t number, std::uint16_t mtu)
    : network_(network), number_(number), mtu_(mtu) {
    for (std::size_t i = 0; i < kPoolFrames; ++i) {
        auto buffer = std::make_unique<Buffer>();
        buffer->octets.resize(engine::kFrameHeadroom + mtu_);
        free_.push_back(std::move(buffer));
    }
}

std::size_t Port::receive(std::span<dataplane::RxFrame> rx) {
    std::size_t n = 0;
    while (n < rx.size() && !arrived_.empty()) {
        Buffer* buffer = arrived_.front().release();
        arrived_.pop();
        rx[n++] = dataplane::RxFrame{buffer->octets.data(),
                                     static_cast<std::uint32_t>(buffer->octets.size()), buffer};
    }
    return n;
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
    facts.mac.octets = {0x02,
                        0,
                        0,
                        0,
                        static_cast<std::uint8_t>(number_ >> 8),
                        static_cast<std::uint8_t>(number_ + 1)};
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

Port& Network::add_port(std::uint16_t mtu) {
    ports_.push_back(std::make_unique<Port>(*this, ports_.size(), mtu));
    for (auto& row : cut_) row.push_back(false);
    cut_.emplace_back(ports_.size(), false);
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
    auto octets = std::make_shared<std::vector<std::byte>>(std::move(frame));
    for (std::size_t to = 0; to < ports_.size(); ++to) {
        if (to == from || cut_[from][to] || !ports_[to]->wants(*octets)) continue;
        if (random_.chance(faults_.loss)) {
            ++totals_.lost;
            continue;
        }
        Nanos at = line_free + shape_.delay_ns;
        if (shape_.jitter_ns > 0) at += random_.between(0, shape_.jitter_ns);
        if (random_.chance(faults_.reorder)) {
            at += random_.between(1, faults_.reorder_ns);
            ++totals_.reordered;
        }
        auto copy = octets;
        if (random_.chance(faults_.corrupt) && is_ipv4(*octets)) {
            copy = std::make_shared<std::vector<std::byte>>(*octets);
            const std::size_t place =
                kEthernetHeader + random_.below(copy->size() - kEthernetHeader);
            (*copy)[place] ^= static_cast<std::byte>(1 + random_.below(255));
            ++totals_.corrupted;
        }
        launch(to, copy, at);
        if (random_.chance(faults_.duplicate)) {
            launch(to, copy, at + random_.between(0, shape_.delay_ns));
            ++totals_.duplicated;
        }
    }
}

void Network::launch(std::size_t to, std::shared_ptr<std::vector<std::byte>> octets, Nanos at) {
    under_way_.push(Flight{at, order_++, to, std::move(octets)});
}

void Network::advance_to(Nanos now) {
    now_ = now;
    while (!under_way_.empty() && under_way_.top().at <= now_) {
        const Flight& flight = under_way_.top();
        auto buffer = std::make_unique<Port::Buffer>();
        buffer->octets = *flight.octets;
        ports_[flight.to]->arrived_.push(std::move(buffer));
        ++totals_.delivered;
        under_way_.pop();
    }
}

}  // namespace fanfare::sim
