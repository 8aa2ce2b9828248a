// What can be set on a socket before it connects or listens; an accepted session inherits its
// listener's (wsrm.md O-13).
#pragma once

#include <cstdint>
#include <vector>

#include "control/rm_structs.hpp"
#include "engine/core/profile.hpp"
#include "engine/types.hpp"

namespace fanfare::control {

struct SocketOptions {
    engine::ProfileName profile = engine::ProfileName::lan;
    engine::SourceParameters source;
    RmSendWindow send_window;  // the triple in force, as RM_RATE_WINDOW_SIZE shows it
    RmFecInfo fec;
    bool fec_on = false;
    Address send_interface;  // none: first available at connect
    bool high_speed = false;
    // Interfaces a receiver added one by one; until the first was, the default one counts (MH-15,
    // MH-23).
    std::vector<std::uint32_t> receive_interfaces;
    bool receive_interfaces_chosen = false;
    std::uint16_t udp_port = 0;
    bool loopback = true;
    Address source_filter;
    std::uint64_t receive_window_bytes = 0;  // 0: the daemon's
    bool reuse_address = false;              // SO_REUSEADDR
};

}  // namespace fanfare::control
