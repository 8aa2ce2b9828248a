// The values of a socket's options, as a reader wants to see them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "control/options.hpp"

namespace fanfare::tool {

// Asks the daemon. "-" where the option can't be read: of the other role, or without a session.
// Throws Failure when there is no such socket.
std::string option_value(const control::OptionRow& row, std::uint64_t socket);

// What `octets` say, which are a value of that option.
std::string option_text(const control::OptionRow& row, std::span<const std::byte> octets);

}  // namespace fanfare::tool
