// Ethernet, IPv4 and UDP headers of packets to one destination that differ in nothing but their
// length: made once, then copied and patched. Without Router Alert, which only packets have that
// are few.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dataplane/net/framing.hpp"
#include "dataplane/net/internet_checksum.hpp"
#include "dataplane/net/multicast_mac.hpp"

namespace fanfare::dataplane::net {

class HeaderTemplate {
  public:
    // To a multicast group; `udp_port` 0 is raw IP.
    void make(const LinkIdentity& link, Address group, std::uint8_t ttl, std::uint16_t udp_port) {
        std::array<std::byte, engine::kFrameHeadroom> scratch{};
        engine::TxFrame frame;
        frame.data = scratch.data() + scratch.size();
        frame.destination = group;
        frame.ttl = ttl;
        prepend_datagram(frame, link, udp_port);
        prepend_ethernet(frame, link, multicast_mac(group));
        size_ = frame.prepended;
        udp_ = udp_port != 0;
        std::memcpy(octets_.data(), frame.data - kRoom, kRoom);
        std::byte* const ip = octets_.data() + kRoom - ip_from_end();
        store16(ip + kTotalLengthAt, 0);
        store16(ip + kChecksumAt, 0);
        sum_ = internet_sum({ip, kIpv4Size});
    }

    // As prepend_datagram and prepend_ethernet would. Writes kRoom octets before frame.data, of
    // which the frame has more.
    void prepend(engine::TxFrame& frame) const {
        std::memcpy(frame.data - kRoom, octets_.data(), kRoom);
        std::byte* const ip = frame.data - ip_from_end();
        const auto total = static_cast<std::uint16_t>(ip_from_end() + frame.length);
        store16(ip + kTotalLengthAt, total);
        store16(ip + kChecksumAt, static_cast<std::uint16_t>(~internet_fold(sum_ + total)));
        if (udp_) {
            store16(frame.data - kUdpSize + kUdpLengthAt,
                    static_cast<std::uint16_t>(kUdpSize + frame.length));
        }
        frame.prepended = size_;
    }

  private:
    // All headers, tag included, in whole vectors.
    static constexpr std::size_t kRoom = 48;
    static_assert(kEthernetSize + kVlanTagSize + kIpv4Size + kUdpSize <= kRoom);
    static_assert(kRoom <= engine::kFrameHeadroom);
    static constexpr std::size_t kTotalLengthAt = 2, kChecksumAt = 10;  // of the IPv4 header
    static constexpr std::size_t kUdpLengthAt = 4;
    std::size_t ip_from_end() const { return kIpv4Size + (udp_ ? kUdpSize : 0); }

    std::array<std::byte, kRoom> octets_{};
    std::uint32_t sum_ = 0;  // of the IPv4 header without length and checksum
    std::uint16_t size_ = 0;
    bool udp_ = false;
};

}  // namespace fanfare::dataplane::net
