#include "sim/story.hpp"

#include <algorithm>
#include <stdexcept>

namespace fanfare::sim {
namespace {

constexpr std::size_t kEthernetHeader = 14;
constexpr std::uint8_t kUdp = 17;

// The PGM packet inside an untagged IPv4 frame; empty when there is none.
std::span<const std::byte> tpdu_of(std::span<const std::byte> frame) {
    if (frame.size() < kEthernetHeader + 20 || frame[12] != std::byte{0x08} ||
        frame[13] != std::byte{0})
        return {};
    auto packet = frame.subspan(kEthernetHeader);
    const std::size_t total =
        std::to_integer<std::size_t>(packet[2]) << 8 | std::to_integer<std::size_t>(packet[3]);
    const auto protocol = std::to_integer<std::uint8_t>(packet[9]);
    std::size_t header = std::to_integer<std::size_t>(packet[0] & std::byte{0x0F}) * 4;
    if (protocol == kUdp) header += 8;
    if ((protocol != wire::kIpProtocolPgm && protocol != kUdp) || total > packet.size() ||
        total < header + wire::kHeaderSize)
        return {};
    return packet.subspan(header, total - header);
}

}  // namespace

Story::Story(std::size_t listeners, std::uint64_t seed, const LinkShape& shape)
    : seed_(seed), shape_(shape) {
    sender.group = Address::from_octets(239, 77, 0, 1);
    sender.content.seed = seed;
    sender.content.messages = 100;
    sender.parameters.rate_bits_per_s = 100'000'000;
    sender.parameters.window_ns = 2 * kSecond;
    sender.start_ns = kMillisecond;
    listen.resize(listeners);
}

Simulation& Story::set_up() {
    if (simulation_) return *simulation_;
    simulation_ = std::make_unique<Simulation>(seed_, shape_);
    simulation_->network().set_filter(&Story::filter, this);
    for (std::size_t i = 0; i <= listen.size(); ++i) {
        HostPlan plan = host;
        plan.address = Address::from_octets(10, 77, 0, static_cast<std::uint8_t>(i + 1));
        plan.seed = seed_ * 100 + i;
        Host& made = simulation_->add_host(plan);
        ListenPlan listener = i == 0 ? ListenPlan{} : listen[i - 1];
        listener.group = sender.group;
        listener.port = sender.port;
        listener.udp_port = sender.udp_port;
        if (i > 0 || listen_at_home) made.listen(listener);
    }
    simulation_->host(0).publish(sender);
    return *simulation_;
}

std::string Story::run_until_idle(Nanos limit) {
    set_up().run_for(limit, [this] { return simulation_->settled(); });
    return simulation_->unsettled();
}

std::uint64_t Story::sent(wire::Type type) const {
    const auto found = sent_.find(type);
    return found == sent_.end() ? 0 : found->second;
}

bool Story::has_reader(std::size_t listener) const {
    const auto& receptions = simulation_->host(listener).receptions();
    return !receptions.empty() && !receptions.front()->readers.empty();
}

const Reader& Story::reader(std::size_t listener, std::size_t number) const {
    if (!has_reader(listener))
        throw std::runtime_error("listener " + std::to_string(listener) + " heard no session");
    return *simulation_->host(listener).receptions().front()->readers.at(number);
}

bool Story::filter(void* context, std::size_t, std::span<const std::byte> frame) {
    auto& story = *static_cast<Story*>(context);
    const auto tpdu = tpdu_of(frame);
    if (tpdu.empty()) return true;
    const auto type = static_cast<wire::Type>(std::to_integer<std::uint8_t>(tpdu[4]));
    const std::uint64_t n = story.sent_[type]++;
    const auto& drops = story.drops_[type];
    if (std::any_of(drops.begin(), drops.end(),
                    [n](std::uint64_t d) { return d == n || d == kEvery; }))
        return false;
    return !story.drop_if || !story.drop_if(type, tpdu, n);
}

}  // namespace fanfare::sim
