// Requests of the control protocol (ipc/messages.hpp) as a function: octets and credentials in,
// reply, commands and descriptors out. No socket and no clock in here; what has to be done outside
// goes through Services.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "control/registry.hpp"
#include "control/services.hpp"

namespace fanfare::control {

struct Peer {
    std::uint32_t uid = 0;
    std::int32_t pid = 0;
};

struct PassedDescriptor {
    int descriptor = -1;
    bool close_after = false;  // the daemon keeps no use for it once it was passed
};

struct Outcome {
    std::vector<std::byte> reply;
    std::vector<PassedDescriptor> descriptors;
    bool malformed = false;  // no request of this protocol: counted against the client
};

// Commands for the workers are in registry.commands afterwards, in order.
Outcome handle_request(std::span<const std::byte> request, const Peer& peer, Registry& registry,
                       Services& services, Nanos now);

// The answer to any request from somebody who may not ask.
Outcome refuse_request(std::span<const std::byte> request, int error, std::string_view why);

}  // namespace fanfare::control
