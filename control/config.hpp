// The daemon's configuration: one struct, filled from a TOML file and then from flags (which win).
// Every key is one line of the table in config_keys.cpp; conf/fanfare.toml is the manual of them
// all.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/registry.hpp"
#include "dataplane/worker_config.hpp"

namespace fanfare::control {

struct InterfaceConfig {
    std::string name;
    Address address;
    std::uint8_t prefix = 24;
    std::string device;
    Address gateway;
    std::uint64_t mtu = 0;
    std::uint64_t vlan = 0;
    std::uint64_t dscp = 0;
    std::string where;  // file:line or flag, for messages
};

// Units are in the names. An empty optional leaves the profile's value.
struct Config {
    using Count = std::uint64_t;
    using MaybeCount = std::optional<std::uint64_t>;

    std::string control = "/run/fanfare/control.sock", group, lcores = "0", idle = "yield",
                role = "host";
    bool take_over = false, steering = true;
    Count handover_slots = 256, idle_spin_us = 20, idle_sleep_us = 100, receive_ring = 8192,
          transmit_ring = 2048;
    std::string rx_loss;
    std::vector<std::string> eal;

    std::vector<InterfaceConfig> interfaces;

    std::string gsi = "auto";

    Count memory_total_mib = 2048, memory_per_user_mib = 1024, memory_receive_window_mib = 16,
          memory_spares_per_worker = 4, memory_octets_per_index_entry = 256;
    bool memory_huge_pages = true;

    Count limits_connections = 1024, limits_sockets_per_user = 1024,
          limits_memberships_per_user = 512, limits_backlog = 1024, limits_malformed_requests = 8,
          limits_receive_sessions = 1024, limits_send_sessions = 1024;

    std::string sender_profile = "lan", receiver_profile = "lan";
    MaybeCount sender_rate_mbit, sender_window_ms, sender_window_kib, sender_advance_percent,
        sender_late_join_percent, sender_ttl, sender_ambient_spm_ms, sender_repair_share_percent,
        sender_close_linger_ms;
    MaybeCount receiver_nak_backoff_min_us, receiver_nak_backoff_max_us, receiver_nak_repeat_us,
        receiver_nak_rdata_us, receiver_ncf_retries, receiver_data_retries, receiver_silence_s,
        receiver_ttl;
    std::optional<bool> receiver_adapt_to_round_trip;

    std::vector<std::string> repairer_follow;
    std::string repairer_directory;
    Count repairer_sessions = 16, repairer_window_mib = 64, repairer_file_mib = 1024,
          repairer_rate_mbit = 1000, repairer_keep_s = 30, repairer_announce_ms = 5000;

    // What `complete` makes of the texts above.
    dataplane::ReceiveLoss loss;
    std::vector<Followed> followed;
    bool repairs() const { return role == "dlr"; }
};

// Errors are one line: "file:line: key: what is wrong and what is allowed". False, with the line in
// `error`.
bool read_config_file(const std::string& path, Config& config, std::string& error);
bool read_config_text(std::string_view text, const std::string& path, Config& config,
                      std::string& error);

// NAME,ADDRESS/PREFIX,DEVICE (the device is the rest of the text) and NAME=ADDRESS.
bool add_interface_flag(std::string_view text, Config& config, std::string& error);
bool add_gateway_flag(std::string_view text, Config& config, std::string& error);

// Checks what lies between keys and turns texts into values; after all sources were read.
bool complete(Config& config, std::string& error);

enum class CommandLine { run, done, wrong };
// `done`: --help or --version was answered on standard output. `wrong`: one line in `error`.
CommandLine read_command_line(int argc, const char* const* argv, std::string_view version,
                              Config& config, std::string& error);

// The parts of a complete configuration, as the rest of the daemon takes them.
ControlSettings control_settings(const Config& config, std::string_view machine_id);
std::vector<Interface> interface_list(const Config& config);

}  // namespace fanfare::control
