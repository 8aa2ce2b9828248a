#include "client/socket/descriptor_map.hpp"

namespace fanfare::client {

constinit std::atomic<std::uint8_t> descriptor_kinds[kDescriptorsMax] = {};

namespace {
constinit std::atomic<int> highest{-1};
}

void set_kind(int descriptor, DescriptorKind kind) {
    const auto place = static_cast<std::size_t>(static_cast<unsigned>(descriptor));
    if (place >= kDescriptorsMax) return;
    descriptor_kinds[place].store(static_cast<std::uint8_t>(kind), std::memory_order_relaxed);
    int known = highest.load(std::memory_order_relaxed);
    while (kind != DescriptorKind::foreign && known < descriptor &&
           !highest.compare_exchange_weak(known, descriptor, std::memory_order_relaxed)) {
    }
}

int highest_known_descriptor() {
    return highest.load(std::memory_order_relaxed);
}

}  // namespace fanfare::client
