// What every interposed call begins with: is the descriptor ours?
#pragma once

#include <cerrno>

#include "client/preload/real_calls.hpp"
#include "client/socket/descriptor_map.hpp"

// libc's name and type, visible to the program that the library was loaded into.
#define FANFARE_INTERPOSED extern "C" __attribute__((visibility("default")))

namespace fanfare::preload {

// One load, no lock.
inline bool is_ours(int fd) {
    return client::kind_of(fd) == client::DescriptorKind::socket;
}
// A descriptor of the library itself, of which the program knows nothing.
inline bool is_hidden(int fd) {
    return client::kind_of(fd) == client::DescriptorKind::hidden;
}

inline int refuse(int error) {
    errno = error;
    return -1;
}

}  // namespace fanfare::preload
