#include "dataplane/net/ipv4.hpp"

#include "dataplane/net/internet_checksum.hpp"
#include "dataplane/net/octets.hpp"

namespace fanfare::dataplane::net {

namespace {

constexpr std::uint8_t kOptionEnd = 0;
constexpr std::uint8_t kOptionNothing = 1;
constexpr std::uint8_t kOptionRouterAlert = 0x94;
constexpr std::uint16_t kDontFragment = 0x4000;
constexpr std::uint16_t kMoreFragments = 0x2000;
constexpr std::uint16_t kFragmentOffset = 0x1FFF;

// Options are told apart only to count strangers: an endpoint acts on none but Router Alert.
void look_at_options(std::span<const std::byte> options, Ipv4Header& out) {
    while (!options.empty()) {
        const auto type = std::to_integer<std::uint8_t>(options[0]);
        if (type == kOptionEnd) return;
        if (type == kOptionNothing) {
            options = options.subspan(1);
            continue;
        }
        const std::size_t length =
            options.size() > 1 ? std::to_integer<std::size_t>(options[1]) : 0;
        if (length < 2 || length > options.size()) {
            out.other_options = true;
            return;
        }
        if (type == kOptionRouterAlert && length == kRouterAlertSize) {
            out.router_alert = true;
        } else {
            out.other_options = true;
        }
        options = options.subspan(length);
    }
}

}  // namespace

Ipv4Error parse_ipv4(std::span<const std::byte> datagram, Ipv4Header& out,
                     std::span<const std::byte>& payload) {
    if (datagram.size() < kIpv4Size) return Ipv4Error::truncated;
    const std::byte* p = datagram.data();
    const auto first = std::to_integer<unsigned>(p[0]);
    if ((first >> 4) != 4) return Ipv4Error::version;
    const std::size_t header_bytes = std::size_t{first & 0xF} * 4;
    if (header_bytes < kIpv4Size || header_bytes > datagram.size()) return Ipv4Error::header_length;
    const std::size_t total = load16(p + 2);
    if (total < header_bytes || total > datagram.size()) return Ipv4Error::total_length;
    if (!internet_intact(datagram.first(header_bytes))) return Ipv4Error::checksum;

    const std::uint16_t fragment = load16(p + 6);
    out.tos = std::to_integer<std::uint8_t>(p[1]);
    out.dont_fragment = (fragment & kDontFragment) != 0;
    out.fragment = (fragment & (kMoreFragments | kFragmentOffset)) != 0;
    out.ttl = std::to_integer<std::uint8_t>(p[8]);
    out.protocol = std::to_integer<std::uint8_t>(p[9]);
    out.source = load_address(p + 12);
    out.destination = load_address(p + 16);
    out.router_alert = out.other_options = false;
    if (header_bytes > kIpv4Size) {
        look_at_options(datagram.subspan(kIpv4Size, header_bytes - kIpv4Size), out);
    }
    payload = datagram.subspan(header_bytes, total - header_bytes);
    return Ipv4Error::none;
}

std::size_t write_ipv4(std::byte* p, const Ipv4Header& header, std::size_t payload_bytes) {
    const std::size_t size = ipv4_size(header.router_alert);
    p[0] = static_cast<std::byte>(0x40 | (size / 4));
    p[1] = static_cast<std::byte>(header.tos);
    store16(p + 2, static_cast<std::uint16_t>(size + payload_bytes));
    store16(p + 4, 0);
    store16(p + 6, header.dont_fragment ? kDontFragment : 0);
    p[8] = static_cast<std::byte>(header.ttl);
    p[9] = static_cast<std::byte>(header.protocol);
    store16(p + 10, 0);
    store_address(p + 12, header.source);
    store_address(p + 16, header.destination);
    if (header.router_alert) store32(p + kIpv4Size, 0x94040000);
    store16(p + 10, internet_checksum({p, size}));
    return size;
}

}  // namespace fanfare::dataplane::net
