// Set and get functions of the option table: each takes a value of the row's size, checks its range
// and changes the socket, or changes nothing (wsrm.md O-12).
#pragma once

#include "control/options.hpp"

namespace fanfare::control::option_functions {

#define FANFARE_SETTER(name) OptionResult set_##name(OptionCall& call, const std::uint8_t* value)
#define FANFARE_GETTER(name) OptionResult get_##name(OptionCall& call, std::uint8_t* value)

FANFARE_SETTER(rate_window);
FANFARE_GETTER(rate_window);
FANFARE_SETTER(message_boundary);
FANFARE_SETTER(advance_method);
FANFARE_GETTER(advance_method);
FANFARE_GETTER(sender_statistics);
FANFARE_SETTER(late_join);
FANFARE_GETTER(late_join);
FANFARE_SETTER(send_if);
FANFARE_GETTER(send_if);
FANFARE_SETTER(add_receive_if);
FANFARE_SETTER(del_receive_if);
FANFARE_SETTER(advance_rate);
FANFARE_GETTER(advance_rate);
FANFARE_SETTER(use_fec);
FANFARE_GETTER(use_fec);
FANFARE_SETTER(mcast_ttl);
FANFARE_GETTER(receiver_statistics);
FANFARE_SETTER(high_speed);
FANFARE_GETTER(high_speed);
FANFARE_SETTER(udp_port);
FANFARE_GETTER(udp_port);
FANFARE_SETTER(profile);
FANFARE_GETTER(profile);
FANFARE_SETTER(rate_bits);
FANFARE_GETTER(rate_bits);
FANFARE_SETTER(window_bytes);
FANFARE_GETTER(window_bytes);
FANFARE_SETTER(window_nanos);
FANFARE_GETTER(window_nanos);
FANFARE_SETTER(packed);
FANFARE_GETTER(packed);
FANFARE_SETTER(source_filter);
FANFARE_GETTER(source_filter);
FANFARE_SETTER(loopback);
FANFARE_GETTER(loopback);
FANFARE_SETTER(receive_window);
FANFARE_GETTER(receive_window);
FANFARE_SETTER(congestion_control);
FANFARE_GETTER(congestion_control);

#undef FANFARE_SETTER
#undef FANFARE_GETTER

}  // namespace fanfare::control::option_functions
