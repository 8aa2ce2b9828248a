#include "sim/source_station.hpp"

#include <algorithm>
#include <array>

#include "dataplane/net/octets.hpp"

namespace fanfare::sim {
namespace {

// A turn that finds more to do than this goes on a microsecond later: nobody may hold time still.
constexpr int kCallsPerTurn = 64;
// Data packets' place of the number, behind the common header.
constexpr std::size_t kSqnAt = wire::kHeaderSize, kFlagsAt = 5, kTsduLengthAt = 14;

Tsi tsi_of(std::size_t number, std::uint64_t seed) {
    Tsi tsi;
    tsi.gsi.octets = {
        2, 0, 0, 0, static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)};
    tsi.source_port = static_cast<std::uint16_t>(1024 + Random(seed).below(60000));
    return tsi;
}

engine::SourceIdentity identity_of(const SourceStationPlan& plan, const Tsi& tsi, Address own) {
    engine::SourceIdentity identity;
    identity.tsi = tsi;
    identity.destination_port = plan.port;
    identity.group = plan.group;
    identity.nla = own;
    identity.seed = plan.station.seed;
    return identity;
}

}  // namespace

SourceStation::SourceStation(Network& network, const SourceStationPlan& plan, Meter& meter)
    : Station(network, plan.station, Role::source),
      work_(plan),
      tsi_(tsi_of(number(), plan.station.seed)),
      source_(plan.parameters, identity_of(plan, tsi_, address()), plan.station.mtu,
              plan.station.udp_port != 0, checksum::best_kernels()),
      meter_(meter) {
    join(plan.group);
    std::size_t total = 0;
    for (std::uint32_t i = 0; i < plan.content.messages; ++i) {
        lengths_.push_back(message_length(plan.content, i));
        total += lengths_.back();
    }
    octets_.resize(total);
    std::size_t at = 0;
    for (std::uint32_t i = 0; i < plan.content.messages; ++i) {
        fill_message(plan.content, i, std::span(octets_).subspan(at, lengths_[i]));
        at += lengths_[i];
    }
}

void SourceStation::on_packet(const Heard& heard, Nanos now) {
    const wire::Packet& packet = heard.packet;
    if (!packet.towards_source() || packet.tsi() != tsi_) return;
    if (packet.type == wire::Type::nak) {
        std::array<Sqn, wire::kNakListMax + 1> sqns{packet.sqn};
        std::size_t count = 1;
        if (packet.options.has(wire::OptionBit::nak_list))
            for (std::size_t i = 0; i < packet.options.nak_list.count; ++i)
                sqns[count++] = wire::nak_list_at(packet.options, i);
        meter_.nak_reached_source({sqns.data(), count}, (packet.flags & wire::kOptParity) != 0);
    }
    if (packet.type == wire::Type::spmr) ++meter_.figures.spmr_packets;
    engine::Output out = output();
    source_.on_packet(packet, heard.tpdu, heard.from, clock().at(now), out);
    send(out, now);
}

bool SourceStation::publish(Nanos now) {
    std::array<engine::Publish, 16> items;
    std::size_t count = 0, at = next_octet_;
    while (count < items.size() && published_ + count < lengths_.size()) {
        engine::Publish& item = items[count];
        item.data = octets_.data() + at;
        item.length = static_cast<std::uint16_t>(lengths_[published_ + count]);
        at += item.length;
        item.message_length = item.length;
        item.release_position = at;
        ++count;
    }
    if (count == 0) return false;
    engine::Output out = output();
    const std::size_t taken = source_.publish(std::span(items).first(count), clock().at(now), out);
    const bool wrote = !out.frames().empty();
    send(out, now);
    for (std::size_t i = 0; i < taken; ++i) next_octet_ += items[i].length;
    published_ += static_cast<std::uint32_t>(taken);
    return taken > 0 || wrote;
}

void SourceStation::run(Nanos now) {
    if (now < work_.start_ns) return;
    const Nanos shown = clock().at(now);
    bool more = true;
    for (int i = 0; i < kCallsPerTurn && more; ++i) {
        more = publish(now);
        if (published_ == lengths_.size() && !finishing_) {
            finishing_ = true;
            source_.finish(shown);
        }
        if (source_.next_deadline() > shown) continue;
        engine::Output out = output();
        source_.on_tick(shown, out);
        more = more || !out.frames().empty();
        send(out, now);
    }
}

Nanos SourceStation::next_deadline() const {
    if (published_ == 0 && !finishing_ && source_.next_deadline() == kNever) return work_.start_ns;
    return std::max(work_.start_ns, clock().true_time(source_.next_deadline()));
}

void SourceStation::on_sent(const engine::TxFrame& frame, Nanos now) {
    const bool data =
        frame.kind == engine::FrameKind::odata || frame.kind == engine::FrameKind::rdata;
    if (!data || frame.length < wire::kDataHeaderSize) return;
    const Sqn sqn = dataplane::net::load32(frame.data + kSqnAt);
    const bool parity =
        (std::to_integer<std::uint8_t>(frame.data[kFlagsAt]) & wire::kOptParity) != 0;
    if (frame.kind == engine::FrameKind::rdata)
        meter_.repair_sent(sqn, parity);
    else if (!parity)
        meter_.data_sent(sqn, dataplane::net::load16(frame.data + kTsduLengthAt), now);
}

}  // namespace fanfare::sim
