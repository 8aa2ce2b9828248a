// How a socket asks the control side for something: octets of a request out (ipc/messages.hpp),
// octets and descriptors of a reply back. Over a Unix socket it is Connection; an embedded engine
// answers in the same process.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <span>

#include "ipc/messages.hpp"

namespace fanfare::client {

struct Reply {
    int error = 0;  // errno of the transport: there is nobody to answer. Then the rest is empty
    std::size_t bytes = 0;
    std::size_t descriptor_count = 0;
    std::array<int, ipc::kMaxDescriptors> descriptors{};  // the receiver of the reply closes them
    alignas(8) std::array<std::byte, ipc::kMaxMessage> octets{};
};

// Callable from any thread. `request` is valid during the call.
using RequestFunction = std::function<void(std::span<const std::byte> request, Reply& reply)>;

}  // namespace fanfare::client
