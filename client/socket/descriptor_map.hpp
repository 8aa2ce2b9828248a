// What each descriptor number of this process is to Fanfare, in one atomic look: read by the
// preload library before every call that a program makes, kept by whoever makes and closes
// descriptors.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace fanfare::client {

enum class DescriptorKind : std::uint8_t {
    foreign = 0,
    socket,  // a program's Fanfare socket
    hidden,  // the library's own: the program knows nothing of it
};

// Numbers from here on are always foreign: a socket that got one is refused (EMFILE). The kernel
// itself allows that many unless fs.nr_open was raised.
inline constexpr std::size_t kDescriptorsMax = std::size_t{1} << 20;

// In zeroed memory, of which only the pages that are used exist. Relaxed: a number is passed
// between threads by the program, which orders it.
extern std::atomic<std::uint8_t> descriptor_kinds[kDescriptorsMax];

inline DescriptorKind kind_of(int descriptor) {
    // A negative number becomes one beyond the end.
    const auto place = static_cast<std::size_t>(static_cast<unsigned>(descriptor));
    if (place >= kDescriptorsMax) return DescriptorKind::foreign;
    return static_cast<DescriptorKind>(descriptor_kinds[place].load(std::memory_order_relaxed));
}

void set_kind(int descriptor, DescriptorKind kind);

// No descriptor above it is anything but foreign.
int highest_known_descriptor();

}  // namespace fanfare::client
