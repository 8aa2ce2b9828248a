#include "dataplane/net/ipv4.hpp"

namespace fanfare::dataplane::net {

namespace {

constexpr std::uint8_t kOptionEnd = 0;
constexpr std::uint8_t kOptionNothing = 1;
constexpr std::uint8_t kOptionRouterAlert = 0x94;
}  // namespace

void look_at_ipv4_options(std::span<const std::byte> options, Ipv4Header& out) {
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

std::size_t write_ipv4(std::byte* p, const Ipv4Header& header, std::size_t payload_bytes) {
    const std::size_t size = ipv4_size(header.router_alert);
    p[0] = static_cast<std::byte>(0x40 | (size / 4));
    p[1] = static_cast<std::byte>(header.tos);
    store16(p + 2, static_cast<std::uint16_t>(size + payload_bytes));
    store16(p + 4, 0);
    store16(p + 6, header.dont_fragment ? kIpv4DontFragment : 0);
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
