#include "tests/hostile/hostile_packets.hpp"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <stdexcept>

#include <nlohmann/json.hpp>

#include "dataplane/net/framing.hpp"
#include "dataplane/net/multicast_mac.hpp"
#include "engine/checksum/checksum.hpp"
#include "tests/wire/packets.hpp"

namespace fanfare::test {

namespace {

namespace net = dataplane::net;

constexpr std::size_t kIpAt = net::kEthernetSize;
constexpr std::size_t kTpduAt = kIpAt + net::kIpv4Size;
constexpr std::size_t kTpduMost = HostilePackets::kFrameMost - kTpduAt;
constexpr std::size_t kGsiAt = 8;
constexpr dataplane::MacAddress kStrangerMac{{2, 0, 0, 0, 0, 0x99}};
// Strangers' own sessions: few enough that each is met many times.
constexpr std::uint64_t kStrangers = 16;
constexpr std::uint8_t kKinds = 32;  // of types and options; more than there are

std::uint16_t right_sum(std::span<std::byte> tpdu) {
    std::memset(tpdu.data() + wire::kChecksumAt, 0, 2);
    const auto& scalar = checksum::kernels(checksum::Level::scalar);
    return checksum::finish(scalar.sum(tpdu.data(), tpdu.size()));
}

}  // namespace

HostilePackets::HostilePackets(const GoodSession& good, std::uint64_t seed)
    : good_(good), random_(seed) {}

void HostilePackets::add_sample(std::span<const std::byte> tpdu) {
    if (tpdu.size() >= wire::kHeaderSize && tpdu.size() <= kTpduMost)
        samples_.emplace_back(tpdu.begin(), tpdu.end());
}

void HostilePackets::fill(std::span<std::byte> room) {
    for (std::byte& octet : room) octet = static_cast<std::byte>(random_());
}

Tsi HostilePackets::any_tsi() {
    switch (below(4)) {
        case 0:
        case 1:
            return good_.tsi;
        case 2:
            return {Gsi{{9, 9, 9, 9, 9, static_cast<std::uint8_t>(below(kStrangers))}}, 4000};
        default: {
            Tsi tsi;
            for (auto& octet : tsi.gsi.octets) octet = static_cast<std::uint8_t>(random_());
            tsi.source_port = static_cast<std::uint16_t>(random_());
            return tsi;
        }
    }
}

Address HostilePackets::any_source() {
    switch (below(8)) {
        case 0:
        case 1:
            return good_.source;
        case 2:
            return good_.receiver;
        case 3:
            return Address{static_cast<std::uint32_t>(random_())};
        default:
            return Address::from_octets(10, 0, 0, static_cast<std::uint8_t>(100 + below(16)));
    }
}

// A header that makes sense and rubbish behind it.
std::size_t HostilePackets::random_tpdu(std::span<std::byte> room) {
    const std::size_t length =
        wire::kHeaderSize + below(below(8) == 0 ? kTpduMost - wire::kHeaderSize : 120);
    const std::span<std::byte> tpdu = room.first(length);
    fill(tpdu);
    const wire::Type type = kTypes[below(std::size(kTypes))];
    const Tsi tsi = any_tsi();
    const bool up = wire::Packet{type}.towards_source();
    net::store16(tpdu.data(), up ? good_.data_port : tsi.source_port);
    net::store16(tpdu.data() + 2, up ? tsi.source_port : good_.data_port);
    tpdu[4] = static_cast<std::byte>(type);
    std::memcpy(tpdu.data() + kGsiAt, tsi.gsi.octets.data(), tsi.gsi.octets.size());
    if (below(2) == 0) {
        net::store16(tpdu.data() + wire::kHeaderSize - 2,
                     static_cast<std::uint16_t>(below(length - wire::kHeaderSize + 1)));
    }
    return length;
}

std::size_t HostilePackets::valid_tpdu(std::span<std::byte> room) {
    if (!samples_.empty() && below(2) == 0) {
        const auto& sample = samples_[below(samples_.size())];
        std::copy(sample.begin(), sample.end(), room.begin());
        ++origins_[std::to_integer<unsigned>(sample[4]) & 15];
        return sample.size();
    }
    while (true) {
        const wire::Type type = kTypes[below(std::size(kTypes))];
        std::uint32_t present = 0;
        for (auto options = below(4); options > 0; --options) {
            const auto option = 1u << below(kKinds);
            if (option < wire::bit(wire::OptionBit::unknown)) present |= option;
        }
        BuiltPacket built = random_packet(type, present, random_);
        wire::Packet& packet = built.packet;
        const Tsi tsi = any_tsi();
        const bool up = packet.towards_source();
        packet.gsi = tsi.gsi;
        packet.source_port = up ? good_.data_port : tsi.source_port;
        packet.destination_port = up ? tsi.source_port : good_.data_port;
        if (below(4) != 0) {
            packet.sqn = lead_ + static_cast<Sqn>(below(128)) - 96;
            packet.trail = lead_ - static_cast<Sqn>(below(4096));
            packet.lead = lead_ + static_cast<Sqn>(below(64));
            packet.source = good_.source;
            packet.group = good_.group;
            packet.path = good_.source;
        }
        const std::size_t length = wire::encode(packet, room.first(kTpduMost));
        if (length == 0) continue;
        ++origins_[static_cast<std::size_t>(type)];
        return length;
    }
}

// One change mostly, so that what is behind the first check is reached as well.
std::size_t HostilePackets::damage(std::span<std::byte> room, std::size_t length) {
    static constexpr std::uint8_t kOdd[] = {0, 1, 3, 4, 0x7F, 0x80, 0xFF};
    for (auto changes = below(2) == 0 ? 1 : 1 + below(4); changes > 0; --changes) {
        switch (below(8)) {
            case 0:
                length = below(length + 1);
                break;
            case 1:
                length -= std::min<std::size_t>(length, 1 + below(8));
                break;
            case 2: {
                const std::size_t more = std::min<std::size_t>(1 + below(40), kTpduMost - length);
                fill(room.subspan(length, more));
                length += more;
                break;
            }
            case 3:
            case 4:
                if (length > wire::kHeaderSize) {
                    room[14 + below(length - 14)] =
                        static_cast<std::byte>(kOdd[below(std::size(kOdd))]);
                }
                break;
            default: {
                // Half of them in the fixed part and the options, however long the payload is.
                const std::size_t end = below(2) == 0 ? std::min<std::size_t>(length, 64) : length;
                if (end > 0) room[below(end)] = static_cast<std::byte>(random_());
            }
        }
    }
    return length;
}

void HostilePackets::judge_sum(std::span<std::byte> tpdu, bool right, Address from) {
    if (tpdu.size() < wire::kHeaderSize) return;
    const bool in_the_good_name =
        from == good_.source &&
        std::memcmp(tpdu.data() + kGsiAt, good_.tsi.gsi.octets.data(), sizeof(Gsi)) == 0;
    if (!right && !in_the_good_name) return;
    std::uint16_t sum = right_sum(tpdu);
    if (in_the_good_name) {
        // Neither the right one nor 0, which says that there is none.
        const std::uint16_t intact = sum;
        while (sum == intact || sum == 0) sum = static_cast<std::uint16_t>(random_());
    }
    std::memcpy(tpdu.data() + wire::kChecksumAt, &sum, sizeof sum);
}

// Headers in front of the `tpdu` octets at kTpduAt.
std::size_t HostilePackets::wrap(std::span<std::byte> room, std::size_t tpdu, Aim aim,
                                 std::uint8_t protocol, Address from) {
    const bool to_group = below(4) != 0 ? aim == Aim::receiver : aim == Aim::source;
    net::Ipv4Header ip;
    ip.source = from;
    ip.destination = to_group ? good_.group : aim == Aim::receiver ? good_.receiver : good_.source;
    ip.protocol = protocol;
    ip.ttl = 16;
    net::write_ipv4(room.data() + kIpAt, ip, tpdu);
    // Ports are promiscuous here: the frame's address decides nothing.
    net::write_ethernet(room.data(),
                        {net::multicast_mac(good_.group), kStrangerMac, 0, net::kTypeIpv4});
    return kTpduAt + tpdu;
}

std::size_t HostilePackets::random_frame(Aim aim, std::span<std::byte> room) {
    static constexpr std::uint16_t kEtherTypes[] = {0x0800, 0x0806, 0x8100, 0x86DD};
    static constexpr std::uint8_t kProtocols[] = {wire::kIpProtocolPgm, net::kProtocolUdp,
                                                  net::kProtocolIgmp, net::kProtocolIcmp, 6};
    switch (below(4)) {
        case 0: {  // no header is right
            const std::size_t length = 1 + below(kFrameMost);
            fill(room.first(length));
            return length;
        }
        case 1: {
            const std::size_t length = net::kEthernetSize + below(200);
            fill(room.first(length));
            net::write_ethernet(room.data(), {net::kBroadcastMac, kStrangerMac, 0,
                                              kEtherTypes[below(std::size(kEtherTypes))]});
            return length;
        }
        case 2: {
            const std::size_t length = below(200);
            fill(room.subspan(kTpduAt, length));
            return wrap(room, length, aim, kProtocols[below(std::size(kProtocols))], any_source());
        }
        default: {
            const std::span<std::byte> at = room.subspan(kTpduAt);
            const std::size_t length = random_tpdu(at);
            const Address from = any_source();
            judge_sum(at.first(length), below(4) != 0, from);
            return wrap(room, length, aim, wire::kIpProtocolPgm, from);
        }
    }
}

std::size_t HostilePackets::make(HostileKind kind, Aim aim, std::span<std::byte> room) {
    if (kind == HostileKind::random) return random_frame(aim, room);
    const std::span<std::byte> at = room.subspan(kTpduAt);
    const std::size_t length = damage(at, valid_tpdu(at));
    const Address from = any_source();
    judge_sum(at.first(length), below(2) == 0, from);
    const std::size_t frame = wrap(room, length, aim, wire::kIpProtocolPgm, from);
    // Now and then it is the IP header that was hurt.
    if (below(16) == 0) room[kIpAt + below(net::kIpv4Size)] ^= std::byte{1} << below(8);
    return frame;
}

std::vector<std::vector<std::byte>> golden_packets(const std::string& file) {
    std::ifstream in(file);
    if (!in) throw std::runtime_error("no packets to read in " + file);
    std::vector<std::vector<std::byte>> found;
    const auto file_of_packets = nlohmann::json::parse(in);
    for (const auto& entry : file_of_packets["packets"]) {
        const std::string hex = entry["pgm_hex"];
        std::vector<std::byte> octets;
        for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
            octets.push_back(static_cast<std::byte>(std::stoi(hex.substr(i, 2), nullptr, 16)));
        found.push_back(std::move(octets));
    }
    return found;
}

}  // namespace fanfare::test
