// How a worker is set up: its interfaces, its place among the others, and what it may call outside.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dataplane/commands.hpp"
#include "dataplane/port.hpp"
#include "engine/checksum/checksum.hpp"
#include "engine/types.hpp"

namespace fanfare::dataplane {

struct InterfaceSpec {
    std::string name;
    Address address;
    std::uint8_t prefix = 24;
    Address gateway;         // none: next hop learnt from the session's last SPM
    std::uint16_t mtu = 0;   // 0: the port's
    std::uint16_t vlan = 0;  // 0: untagged
    std::uint8_t dscp = 0;
    std::uint32_t owner = 0;  // the worker that runs ARP, IGMP and echo here and owns queue 0
    // There is nothing behind its port at the start: as if it had gone (Command::interface_state).
    bool missing = false;
};

// Deterministic loss of received frames below the engine (--rx-loss PERCENT[,seed]).
struct ReceiveLoss {
    double percent = 0;  // 0..100
    std::uint64_t seed = 1;
};

// The only two ways out of a worker: a system call each in the daemon, a note in the simulator.
struct WakeFunctions {
    void* context = nullptr;
    // Readable: write one octet to the endpoint. Writable: drain the endpoint. Hang up: end it with
    // an error.
    void (*readable)(void* context, int endpoint) = nullptr;
    void (*writable)(void* context, int endpoint) = nullptr;
    void (*hang_up)(void* context, int endpoint) = nullptr;
    void (*control)(void* context, int control_bell) = nullptr;
};

struct WorkerConfig {
    std::uint32_t index = 0;
    std::uint32_t workers = 1;
    std::vector<InterfaceSpec> interfaces;  // the same list, in the same order, for every worker
    ReceiveLoss receive_loss;
    std::uint64_t seed = 0;
    std::uint32_t receive_sessions_max = 1024;
    std::uint32_t source_sessions_max = 1024;
    const checksum::Kernels* kernels = nullptr;
    WakeFunctions wake;
};

}  // namespace fanfare::dataplane
