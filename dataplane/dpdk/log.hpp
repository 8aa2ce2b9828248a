// DPDK's log as lines to a function, and the first complaint kept for error messages.
#pragma once

#include <functional>
#include <string>

namespace fanfare::dataplane::dpdk {

// From now on rte_log goes to `sink`, a line at a time, up to severity `level`. Empty sink:
// standard error. Complaints (warnings and worse) are kept whatever the level. Call again to
// change.
void capture_log(std::function<void(const std::string&)> sink, unsigned level);

// The same for libxdp and libbpf, which DPDK's AF_XDP driver brings and which print to standard
// error by themselves: their warnings become complaints. Once the drivers are loaded.
void capture_xdp_log();

// Back to standard error; the sink will not be called again.
void release_log();

// While one lives, lines go to nobody but take_complaint(): the caller makes one message of its own
// of them.
class QuietLog {
  public:
    QuietLog();
    ~QuietLog();
    QuietLog(const QuietLog&) = delete;
    QuietLog& operator=(const QuietLog&) = delete;
};

// The first warning or error since the last call (what follows it is other parts of DPDK passing it
// on), without its prefix of function and driver; empty if none.
std::string take_complaint();

}  // namespace fanfare::dataplane::dpdk
