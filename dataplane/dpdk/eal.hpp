// DPDK's environment, started once in a process: cores, memory, log. Devices are opened on it
// (device.hpp), workers run on it (lcore_runner.hpp).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "dataplane/dpdk/clock.hpp"
#include "dataplane/dpdk/eal_arguments.hpp"

namespace fanfare::dataplane::dpdk {

struct EalSettings {
    EalRequest request;
    // One line of DPDK's log, without newline; may be called from any thread. Empty: standard
    // error.
    std::function<void(const std::string&)> log;
    // Lines up to this severity are logged: 1 emergency .. 4 error, 5 warning, 6 notice, 7
    // information, 8 debug.
    unsigned log_level = 5;
};

class Eal {
  public:
    // The calling thread becomes the main lcore and may run wherever the process might before.
    // nullptr, with one line in `error`, if DPDK does not start; the process can't try again then,
    // so end it.
    static std::unique_ptr<Eal> start(const EalSettings& settings, std::string& error);
    // After every Device is closed and every worker has returned.
    ~Eal();
    Eal(const Eal&) = delete;
    Eal& operator=(const Eal&) = delete;

    // From now on the environment is left to the end of the process, which takes all of it: there
    // is something that its own cleaning up would trip over.
    static void leave_standing();

    unsigned workers() const { return static_cast<unsigned>(plan_.worker_cpus.size()); }
    unsigned cpu_of(unsigned worker) const { return plan_.worker_cpus[worker]; }
    bool huge_pages() const { return plan_.huge_pages; }
    const Clock& clock() const { return clock_; }

    // Bytes of packet memory that are free now.
    std::uint64_t free_bytes() const;
    // The last line DPDK logged as a warning or worse since the last call: the reason behind an
    // error number.
    std::string take_complaint_line();

  private:
    Eal() = default;
    EalPlan plan_;
    Clock clock_;
};

}  // namespace fanfare::dataplane::dpdk
