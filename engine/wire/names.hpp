// Names of packet types, options and decode errors, as status and tools print them.
#pragma once

#include <string_view>

#include "engine/wire/packet.hpp"

namespace fanfare::wire {

std::string_view to_string(Type type);          // "ODATA"
std::string_view to_string(OptionBit option);   // "OPT_FRAGMENT"
std::string_view to_string(DecodeError error);  // "truncated_header": the counter's name

}  // namespace fanfare::wire
