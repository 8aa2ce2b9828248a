// What the control plane keeps of datagram sockets.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "control/membership.hpp"
#include "control/services.hpp"
#include "dataplane/datagram_table.hpp"

namespace fanfare::control {

struct DatagramState {
    // Interface index in configured order, group.
    std::map<std::pair<std::uint32_t, Address>, Membership> memberships;
    ReceiveMemory receive;
    SendMemory send;
    std::uint64_t charged_bytes = 0;
    std::uint32_t largest_payload = 0;                  // octets of a datagram
    std::shared_ptr<dataplane::DatagramSocket> object;  // shared with the tables that name it

    // IP_MULTICAST_IF: none = the first available interface.
    Address multicast_interface;
    std::uint8_t multicast_ttl = 1;
    std::uint8_t ttl = 64;
    bool multicast_loop = true;
    Address peer;  // of connect: where send goes and whom alone recv hears
    std::uint16_t peer_port = 0;
    std::uint64_t gone_with = 0;  // once closing: the first table that does not name it any more
};

// The tables that workers have (dataplane/datagram_table.hpp): each worker has its own, in the
// order in which they were posted, and gives the former back when it has taken the next.
struct DatagramTables {
    std::uint64_t version = 0;  // of the last one posted
    struct Posted {
        std::unique_ptr<dataplane::DatagramTable> table;
        std::uint32_t workers_left = 0;  // that have not given it back
    };
    std::vector<Posted> posted;
};

}  // namespace fanfare::control
