// The path of a memif server's socket, between one server and the next.
#pragma once

#include <string>

namespace fanfare::dataplane::dpdk {

// Takes `path` away if it is a socket that nobody serves: what a killed server left. DPDK's driver
// binds to a path and never takes it away, so the leftover would keep the next server out.
void unlink_if_dead(const std::string& path);

}  // namespace fanfare::dataplane::dpdk
