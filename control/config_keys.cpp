#include "control/config_keys.hpp"

#include <string_view>

namespace fanfare::control {
namespace {

constexpr std::uint64_t kMib = 1u << 20;  // as a count of MiB: one TiB
constexpr std::uint64_t kDayMs = 86'400'000, kDayUs = 86'400'000'000, kDayS = 86'400;

const ConfigKey kKeys[] = {
    {"daemon.control", &Config::control},
    {"daemon.group", &Config::group},
    {"daemon.lcores", &Config::lcores},
    {"daemon.idle", &Config::idle, 0, 0, "busy|yield|sleep"},
    {"daemon.role", &Config::role, 0, 0, "host|dlr"},
    {"daemon.take_over", &Config::take_over},
    {"daemon.idle_spin_us", &Config::idle_spin_us, 0, 1'000'000},
    {"daemon.idle_sleep_us", &Config::idle_sleep_us, 1, 1'000'000},
    {"daemon.receive_ring", &Config::receive_ring, 64, 8192},
    {"daemon.transmit_ring", &Config::transmit_ring, 64, 8192},
    {"daemon.handover_slots", &Config::handover_slots, 64, 65536},
    {"daemon.steering", &Config::steering},
    {"daemon.rx_loss", &Config::rx_loss},
    {"daemon.eal", &Config::eal},
    {"identity.gsi", &Config::gsi},
    {"memory.total_mib", &Config::memory_total_mib, 1, kMib},
    {"memory.per_user_mib", &Config::memory_per_user_mib, 1, kMib},
    {"memory.receive_window_mib", &Config::memory_receive_window_mib, 1, 1024},
    {"memory.spares_per_worker", &Config::memory_spares_per_worker, 1, 1024},
    {"memory.octets_per_index_entry", &Config::memory_octets_per_index_entry, 16, 16384},
    {"memory.huge_pages", &Config::memory_huge_pages},
    {"limits.connections", &Config::limits_connections, 1, 65536},
    {"limits.sockets_per_user", &Config::limits_sockets_per_user, 1, 65536},
    {"limits.memberships_per_user", &Config::limits_memberships_per_user, 1, 65536},
    {"limits.backlog", &Config::limits_backlog, 1, 65536},
    {"limits.malformed_requests", &Config::limits_malformed_requests, 1, 1000},
    {"limits.receive_sessions", &Config::limits_receive_sessions, 1, 65536},
    {"limits.send_sessions", &Config::limits_send_sessions, 1, 65536},
    {"sender.profile", &Config::sender_profile, 0, 0, "lan|windows|openpgm"},
    {"sender.rate_mbit", &Config::sender_rate_mbit, 0, 400'000},
    {"sender.window_ms", &Config::sender_window_ms, 1, kDayMs},
    {"sender.window_kib", &Config::sender_window_kib, 2, 1u << 20},
    {"sender.advance_percent", &Config::sender_advance_percent, 1, 50},
    {"sender.late_join_percent", &Config::sender_late_join_percent, 0, 75},
    {"sender.ttl", &Config::sender_ttl, 1, 255},
    {"sender.ambient_spm_ms", &Config::sender_ambient_spm_ms, 1, kDayMs},
    {"sender.repair_share_percent", &Config::sender_repair_share_percent, 1, 100},
    {"sender.close_linger_ms", &Config::sender_close_linger_ms, 0, kDayMs},
    {"receiver.profile", &Config::receiver_profile, 0, 0, "lan|windows|openpgm"},
    {"receiver.nak_backoff_min_us", &Config::receiver_nak_backoff_min_us, 0, kDayUs},
    {"receiver.nak_backoff_max_us", &Config::receiver_nak_backoff_max_us, 0, kDayUs},
    {"receiver.nak_repeat_us", &Config::receiver_nak_repeat_us, 1, kDayUs},
    {"receiver.nak_rdata_us", &Config::receiver_nak_rdata_us, 1, kDayUs},
    {"receiver.ncf_retries", &Config::receiver_ncf_retries, 1, 10000},
    {"receiver.data_retries", &Config::receiver_data_retries, 1, 10000},
    {"receiver.silence_s", &Config::receiver_silence_s, 1, kDayS},
    {"receiver.ttl", &Config::receiver_ttl, 1, 255},
    {"receiver.adapt_to_round_trip", &Config::receiver_adapt_to_round_trip},
    {"repairer.follow", &Config::repairer_follow},
    {"repairer.sessions", &Config::repairer_sessions, 1, 65536},
    {"repairer.window_mib", &Config::repairer_window_mib, 1, 1024},
    {"repairer.directory", &Config::repairer_directory},
    {"repairer.file_mib", &Config::repairer_file_mib, 1, kMib},
    {"repairer.rate_mbit", &Config::repairer_rate_mbit, 0, 400'000},
    {"repairer.keep_s", &Config::repairer_keep_s, 0, kDayS},
    {"repairer.announce_ms", &Config::repairer_announce_ms, 0, kDayMs},
};

}  // namespace

std::span<const ConfigKey> config_keys() {
    return kKeys;
}

const ConfigKey* find_config_key(std::string_view name) {
    for (const auto& key : kKeys)
        if (name == key.name) return &key;
    return nullptr;
}

bool is_choice(const ConfigKey& key, std::string_view value) {
    if (key.choices == nullptr) return true;
    std::string_view choices = key.choices;
    for (;;) {
        const auto bar = choices.find('|');
        if (choices.substr(0, bar) == value) return true;
        if (bar == std::string_view::npos) return false;
        choices.remove_prefix(bar + 1);
    }
}

}  // namespace fanfare::control
