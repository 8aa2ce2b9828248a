// The AF_XDP sockets that a device's driver made: it frees all it has of them but the descriptors.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace fanfare::dataplane::dpdk {

class XdpSockets {
  public:
    // Descriptors with the sockets' own numbers: descriptors are used again, these are not.
    using List = std::vector<std::pair<int, std::uint64_t>>;

    // Those that this process has open.
    static List open();
    // Keeps those that are open now and were not among `others`.
    void take(const List& others);
    // Closes what it kept, as far as the descriptors are still these sockets.
    void close();

  private:
    List kept_;
};

}  // namespace fanfare::dataplane::dpdk
