// What `fanfare status` shows, as the records of ipc/messages.hpp.
#pragma once

#include <cstddef>
#include <vector>

#include "control/registry.hpp"
#include "control/services.hpp"

namespace fanfare::control {

// StatusHeader, then StatusRecord array.
std::vector<std::byte> build_status(const Registry& registry, Services& services);

// Words for numbers, as status and log lines show them.
const char* to_string(ResetCause cause);
const char* to_string(SessionState state);

}  // namespace fanfare::control
