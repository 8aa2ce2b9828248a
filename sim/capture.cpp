#include "sim/capture.hpp"

#include <cstring>

#include "dataplane/net/datagram.hpp"
#include "engine/checksum/checksum.hpp"

namespace fanfare::sim {
namespace {

namespace net = dataplane::net;

constexpr std::size_t kFileHeader = 24, kRecordHeader = 16;
constexpr std::uint32_t kMagicMicro = 0xA1B2C3D4, kMagicNano = 0xA1B23C4D, kMagicNext = 0x0A0D0D0A;
constexpr std::uint32_t kLinkEthernet = 1, kLinkRaw = 101, kLinkRawOld = 12, kLinkIpv4 = 228;
// No datagram is longer than 65,535 octets; a link's headers stand before it. Longer records show
// that the file is none.
constexpr std::uint32_t kLongestRecord = 1 << 18;

class Fields {
  public:
    Fields(std::span<const std::byte> octets, bool swapped) : octets_(octets), swapped_(swapped) {}
    // Requires that four octets stand there.
    std::uint32_t at(std::size_t place) const {
        std::uint32_t value;
        std::memcpy(&value, octets_.data() + place, sizeof value);
        return swapped_ ? __builtin_bswap32(value) : value;
    }

  private:
    std::span<const std::byte> octets_;
    bool swapped_;
};

// The PGM packet in one record, empty when there is none.
std::span<const std::byte> packet_in(std::span<const std::byte> record, bool ethernet) {
    net::Datagram datagram;
    if (ethernet) {
        std::span<const std::byte> rest;
        net::EthernetHeader header;
        if (!net::parse_ethernet(record, header, rest)) return {};
        const auto what = net::parse_frame(record, header.vlan, datagram);
        return what == net::FrameClass::pgm ? datagram.payload : std::span<const std::byte>{};
    }
    std::span<const std::byte> payload;
    if (net::parse_ipv4(record, datagram.ip, payload) != net::Ipv4Error::none ||
        datagram.ip.fragment)
        return {};
    if (datagram.ip.protocol == wire::kIpProtocolPgm) return payload;
    net::UdpHeader udp;
    std::span<const std::byte> inner;
    if (datagram.ip.protocol != net::kProtocolUdp || !net::parse_udp(payload, udp, inner))
        return {};
    return inner;
}

// True for ODATA whose checksum is right; UDP datagrams of other protocols are none of that.
bool original_data(std::span<const std::byte> tpdu, wire::Packet& packet) {
    if (wire::decode(tpdu, packet) != wire::DecodeError::none) return false;
    if (packet.type != wire::Type::odata || (packet.flags & wire::kOptParity) != 0) return false;
    return checksum::intact(checksum::best_kernels().sum(tpdu.data(), tpdu.size()));
}

}  // namespace

Capture read_capture(std::span<const std::byte> file) {
    Capture capture;
    if (file.size() < kFileHeader) {
        capture.fault = "it is shorter than a pcap header";
        return capture;
    }
    std::uint32_t magic = Fields(file, false).at(0);
    const bool swapped =
        magic == __builtin_bswap32(kMagicMicro) || magic == __builtin_bswap32(kMagicNano);
    if (swapped) magic = __builtin_bswap32(magic);
    if (magic == kMagicNext) {
        capture.fault = "it is pcapng; convert it: editcap -F pcap IN OUT";
        return capture;
    }
    if (magic != kMagicMicro && magic != kMagicNano) {
        capture.fault = "it is no pcap file";
        return capture;
    }
    const std::uint32_t link = Fields(file, swapped).at(20) & 0x0FFFFFFF;  // above: FCS bits
    if (link != kLinkEthernet && link != kLinkRaw && link != kLinkRawOld && link != kLinkIpv4) {
        capture.fault = "its link type is " + std::to_string(link) +
                        "; Ethernet (1) and raw IP (101) can be read";
        return capture;
    }
    std::span<const std::byte> rest = file.subspan(kFileHeader);
    while (!rest.empty()) {
        if (rest.size() < kRecordHeader) {
            capture.fault = "it ends inside a record's header";
            return capture;
        }
        const Fields header(rest, swapped);
        const std::uint32_t held = header.at(8), original = header.at(12);
        rest = rest.subspan(kRecordHeader);
        if (held > kLongestRecord) {
            capture.fault = "a record claims " + std::to_string(held) + " octets";
            return capture;
        }
        if (held > rest.size()) {
            capture.fault = "it ends inside a record";
            return capture;
        }
        const auto record = rest.first(held);
        rest = rest.subspan(held);
        ++capture.frames;
        if (original > held) {
            ++capture.cut;
            continue;
        }
        wire::Packet packet;
        if (original_data(packet_in(record, link == kLinkEthernet), packet))
            capture.data.push_back({packet.tsi(), packet.sqn});
        else
            ++capture.other;
    }
    return capture;
}

}  // namespace fanfare::sim
