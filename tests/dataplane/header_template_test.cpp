#include "dataplane/net/header_template.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace fanfare::dataplane::net {
namespace {

TEST(HeaderTemplate, WritesWhatTheLongWayWritesForEveryLengthFormAndTag) {
    constexpr Address kGroup = Address::from_octets(239, 7, 8, 9);
    for (const std::uint16_t vlan : {0, 42}) {
        for (const std::uint16_t udp_port : {0, 7600}) {
            LinkIdentity link{{{2, 0, 0, 1, 2, 3}}, Address::from_octets(10, 0, 0, 7), vlan, 46};
            HeaderTemplate headers;
            headers.make(link, kGroup, 16, udp_port);
            for (std::uint16_t length = 0; length < 9000; ++length) {
                std::vector<std::byte> room(2 * engine::kFrameHeadroom);
                engine::TxFrame shortcut, whole;
                shortcut.data = room.data() + engine::kFrameHeadroom;
                whole.data = room.data() + 2 * engine::kFrameHeadroom;
                for (engine::TxFrame* frame : {&shortcut, &whole}) {
                    frame->length = length;
                    frame->ttl = 16;
                    frame->destination = kGroup;
                }
                headers.prepend(shortcut);
                prepend_datagram(whole, link, udp_port);
                prepend_ethernet(whole, link, multicast_mac(kGroup));
                ASSERT_EQ(shortcut.prepended, whole.prepended);
                ASSERT_TRUE(std::equal(shortcut.data - shortcut.prepended, shortcut.data,
                                       whole.data - whole.prepended))
                    << "length " << length << " udp " << udp_port << " vlan " << vlan;
            }
        }
    }
}

}  // namespace
}  // namespace fanfare::dataplane::net
