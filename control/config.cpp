#include "control/config.hpp"

#include <fmt/format.h>
#include <net/if.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <set>

#include "control/link_monitor.hpp"
#include "control/repairing.hpp"
#include "control/send_window_rule.hpp"
#include "control/text.hpp"

namespace fanfare::control {
namespace {

bool fail(std::string& error, std::string what) {
    error = std::move(what);
    return false;
}

// PERCENT[,seed]
bool read_loss(const std::string& text, dataplane::ReceiveLoss& out) {
    if (text.empty()) return true;
    const char* at = text.data();
    const char* const end = at + text.size();
    auto [next, error] = std::from_chars(at, end, out.percent);
    if (error != std::errc{} || !(out.percent >= 0) || !(out.percent <= 100)) return false;
    if (next == end) return true;
    if (*next != ',') return false;
    auto [last, seed_error] = std::from_chars(next + 1, end, out.seed);
    return seed_error == std::errc{} && last == end;
}

bool in_prefix(Address a, Address b, std::uint8_t prefix) {
    const std::uint32_t mask = prefix == 0 ? 0 : ~std::uint32_t{0} << (32 - prefix);
    return ((a.v4 ^ b.v4) & mask) == 0;
}

bool check_interface(const InterfaceConfig& i, std::string& error) {
    const std::string who = fmt::format("{}: interface {}", i.where, i.name);
    const std::uint32_t first = i.address.v4 >> 24;
    if (i.name.empty() || i.name.size() > 15)
        return fail(error, fmt::format("{}: a name has 1 to 15 characters", who));
    // Loopback is for daemons of one machine that have nothing else.
    const bool loopback = first == 127 && kernel_interface_of(i.device) == "lo";
    if (i.address.is_none() || i.address.is_multicast() || first == 0 ||
        (first == 127 && !loopback) || first >= 240)
        return fail(error,
                    fmt::format("{}: {} is no address of a host", who, to_string(i.address)));
    if (i.prefix < 31) {
        const std::uint32_t host = i.address.v4 & ~(~std::uint32_t{0} << (32 - i.prefix));
        const std::uint32_t last = ~(~std::uint32_t{0} << (32 - i.prefix));
        if (host == 0 || host == last)
            return fail(error, fmt::format("{}: {} is the {} of /{}, no host's address", who,
                                           to_string(i.address),
                                           host == 0 ? "network" : "broadcast address", i.prefix));
    }
    if (i.device.empty())
        return fail(error, fmt::format("{}: no device; write NAME,ADDRESS/PREFIX,DEVICE such as "
                                       "feed,10.0.0.1/24,net_af_packet0,iface=eth1",
                                       who));
    if (!i.gateway.is_none() &&
        (!in_prefix(i.gateway, i.address, i.prefix) || i.gateway == i.address))
        return fail(error, fmt::format("{}: the gateway {} is not another host of {}/{}", who,
                                       to_string(i.gateway), to_string(i.address), i.prefix));
    return true;
}

bool check_repairer(Config& c, std::string& error) {
    c.followed.clear();
    if (!c.repairs()) {
        if (c.repairer_follow.empty()) return true;
        return fail(error,
                    "repairer.follow (--follow) names sessions to repair, but the role is host; "
                    "add --role dlr (daemon.role)");
    }
    if (c.repairer_follow.empty())
        return fail(error,
                    "role dlr repairs what it follows, and nothing is named; add --follow "
                    "GROUP[:PORT][,udp=PORT] (repairer.follow)");
    for (const std::string& text : c.repairer_follow) {
        const auto followed = parse_followed(text);
        if (!followed)
            return fail(error, fmt::format("repairer.follow (--follow) '{}' is no "
                                           "GROUP[:PORT][,udp=PORT] such as 239.1.2.3:7500 or "
                                           "239.1.2.3:7500,udp=7600",
                                           text));
        c.followed.push_back(*followed);
    }
    for (const auto& i : c.interfaces)
        if (i.device.rfind("kernel,", 0) == 0)
            return fail(error,
                        fmt::format("{}: interface {}: a kernel port sends from its own address "
                                    "alone, and a repairer (role dlr) speaks as the source; take "
                                    "net_af_packet or net_af_xdp",
                                    i.where, i.name));
    if (!std::has_single_bit(c.repairer_window_mib))
        return fail(error,
                    fmt::format("repairer.window_mib = {} must be a power of two (1, 2, 4, ... "
                                "1024)",
                                c.repairer_window_mib));
    if (c.repairer_window_mib > c.memory_total_mib)
        return fail(error,
                    fmt::format("repairer.window_mib = {} is more than memory.total_mib = {}",
                                c.repairer_window_mib, c.memory_total_mib));
    return true;
}

}  // namespace

bool add_interface_flag(std::string_view text, Config& config, std::string& error) {
    const std::string shape = fmt::format(
        "--interface {}: write NAME,ADDRESS/PREFIX,DEVICE such as "
        "feed,10.0.0.1/24,net_af_packet0,iface=eth1",
        text);
    const auto first = text.find(',');
    if (first == std::string_view::npos) return fail(error, shape);
    const auto second = text.find(',', first + 1);
    if (second == std::string_view::npos) return fail(error, shape);
    InterfaceConfig out;
    out.where = "--interface";
    out.name = text.substr(0, first);
    const auto address_text = text.substr(first + 1, second - first - 1);
    const auto address = parse_prefix(address_text);
    if (!address)
        return fail(error,
                    fmt::format("--interface {}: '{}' is no ADDRESS/PREFIX such as 10.0.0.1/24",
                                text, address_text));
    out.address = address->address;
    out.prefix = address->prefix;
    out.device = text.substr(second + 1);
    config.interfaces.push_back(std::move(out));
    return true;
}

bool add_gateway_flag(std::string_view text, Config& config, std::string& error) {
    const auto equals = text.find('=');
    const auto address =
        equals == std::string_view::npos ? std::nullopt : parse_address(text.substr(equals + 1));
    if (!address)
        return fail(error,
                    fmt::format("--gateway {}: write NAME=ADDRESS such as feed=10.0.0.254", text));
    for (auto& i : config.interfaces) {
        if (i.name == text.substr(0, equals)) {
            i.gateway = *address;
            return true;
        }
    }
    return fail(error, fmt::format("--gateway {}: no interface is named '{}'", text,
                                   text.substr(0, equals)));
}

bool complete(Config& c, std::string& error) {
    if (!check_repairer(c, error)) return false;
    if (!read_loss(c.rx_loss, c.loss))
        return fail(
            error,
            fmt::format("daemon.rx_loss (--rx-loss) '{}' is no PERCENT[,SEED] such as 1 or 0.5,42",
                        c.rx_loss));
    if (c.gsi != "auto" && !parse_gsi(c.gsi))
        return fail(
            error,
            fmt::format("identity.gsi '{}' is neither auto nor 12 hexadecimal digits", c.gsi));
    if (c.interfaces.empty())
        return fail(
            error,
            "no interface; give --interface NAME,ADDRESS/PREFIX,DEVICE or an [[interface]] block");
    if (c.interfaces.size() > dataplane::kMaxInterfaces)
        return fail(error, fmt::format("{} interfaces; at most {} are possible",
                                       c.interfaces.size(), dataplane::kMaxInterfaces));
    std::set<std::string> names, devices;
    std::set<std::uint32_t> addresses;
    for (const auto& i : c.interfaces) {
        if (!check_interface(i, error)) return false;
        if (!names.insert(i.name).second)
            return fail(error, fmt::format("{}: two interfaces are named {}", i.where, i.name));
        if (!addresses.insert(i.address.v4).second)
            return fail(error, fmt::format("{}: two interfaces have the address {}", i.where,
                                           to_string(i.address)));
        const std::string kernel = kernel_interface_of(i.device);
        if (i.vlan == 0 && !devices.insert(kernel.empty() ? i.device : kernel).second)
            return fail(error,
                        fmt::format("{}: interface {}: the device {} is used by another interface",
                                    i.where, i.name, kernel.empty() ? i.device : kernel));
    }
    if (!std::has_single_bit(c.handover_slots))
        return fail(error, fmt::format("daemon.handover_slots = {} must be a power of two (64, "
                                       "128, ... 65536)",
                                       c.handover_slots));
    if (c.memory_per_user_mib > c.memory_total_mib)
        return fail(error,
                    fmt::format("memory.per_user_mib = {} is more than memory.total_mib = {}",
                                c.memory_per_user_mib, c.memory_total_mib));
    if (c.memory_receive_window_mib > c.memory_per_user_mib)
        return fail(
            error,
            fmt::format("memory.receive_window_mib = {} is more than memory.per_user_mib = {}",
                        c.memory_receive_window_mib, c.memory_per_user_mib));
    if (!std::has_single_bit(c.memory_receive_window_mib))
        return fail(
            error,
            fmt::format("memory.receive_window_mib = {} must be a power of two (1, 2, 4, ... 1024)",
                        c.memory_receive_window_mib));
    if (c.sender_rate_mbit && c.sender_window_ms && c.sender_window_kib && *c.sender_rate_mbit != 0)
        return fail(error,
                    "sender.rate_mbit, sender.window_ms and sender.window_kib: give two of them, "
                    "the third follows");
    const ControlSettings settings = control_settings(c, {});
    const auto& receiver = settings.defaults.receiver;
    if (receiver.nak_backoff_min_ns > receiver.nak_backoff_max_ns)
        return fail(
            error,
            fmt::format(
                "receiver.nak_backoff_min_us = {} is more than receiver.nak_backoff_max_us = {}",
                receiver.nak_backoff_min_ns / kMicrosecond,
                receiver.nak_backoff_max_ns / kMicrosecond));
    if (settings.defaults.source.window_bytes > settings.memory_per_user_bytes)
        return fail(
            error,
            fmt::format("the default send window of {} octets (sender.rate_mbit, sender.window_ms, "
                        "sender.window_kib) is more than memory.per_user_mib = {}",
                        settings.defaults.source.window_bytes, c.memory_per_user_mib));
    return true;
}

ControlSettings control_settings(const Config& c, std::string_view machine_id) {
    constexpr std::uint64_t kMib = 1u << 20, kKib = 1u << 10, kMega = 1'000'000, kBitsPerByte = 8;
    ControlSettings s;
    s.default_profile = engine::profile_named(c.sender_profile).value_or(engine::ProfileName::lan);
    s.defaults.source = engine::profile(s.default_profile).source;
    s.receiver_profile =
        engine::profile_named(c.receiver_profile).value_or(engine::ProfileName::lan);
    s.defaults.receiver = engine::profile(s.receiver_profile).receiver;
    s.memory_total_bytes = c.memory_total_mib * kMib;
    s.memory_per_user_bytes = c.memory_per_user_mib * kMib;
    s.receive_log_bytes = c.memory_receive_window_mib * kMib;
    s.octets_per_index_entry = static_cast<std::uint32_t>(c.memory_octets_per_index_entry);
    if (c.repairs()) {
        s.receive_log_bytes = std::max(s.receive_log_bytes, c.repairer_window_mib * kMib);
        s.repairs.follow = c.followed;
        s.repairs.sessions_max = static_cast<std::uint32_t>(c.repairer_sessions);
        s.repairs.keep_ns = static_cast<Nanos>(c.repairer_keep_s) * kSecond;
        s.repairs.parameters.rate_bits_per_s = c.repairer_rate_mbit * kMega;
        s.repairs.parameters.announce_interval_ns =
            static_cast<Nanos>(c.repairer_announce_ms) * kMillisecond;
    }
    s.spares_per_worker = static_cast<std::uint32_t>(c.memory_spares_per_worker);
    s.sockets_per_user = static_cast<std::uint32_t>(c.limits_sockets_per_user);
    s.memberships_per_user = static_cast<std::uint32_t>(c.limits_memberships_per_user);
    s.backlog_max = static_cast<std::uint32_t>(c.limits_backlog);

    auto& source = s.defaults.source;
    if (c.sender_rate_mbit) source.rate_bits_per_s = *c.sender_rate_mbit * kMega;
    if (c.sender_window_ms)
        source.window_ns = static_cast<Nanos>(*c.sender_window_ms) * kMillisecond;
    if (c.sender_window_kib) source.window_bytes = *c.sender_window_kib * kKib;
    // The third figure follows from two: octets from rate and time, or time from rate and octets.
    const std::uint64_t bytes_per_ms = source.rate_bits_per_s / kBitsPerByte / 1000;
    if (bytes_per_ms != 0 && c.sender_window_kib) {
        if (!c.sender_window_ms)
            source.window_ns =
                static_cast<Nanos>(source.window_bytes / bytes_per_ms) * kMillisecond;
        else if (!c.sender_rate_mbit)
            source.rate_bits_per_s =
                source.window_bytes * kBitsPerByte * 1000 / *c.sender_window_ms;
    } else if (bytes_per_ms != 0 && (c.sender_rate_mbit || c.sender_window_ms)) {
        source.window_bytes =
            bytes_per_ms * static_cast<std::uint64_t>(source.window_ns / kMillisecond);
    }
    source.window_packets = window_packets_for(source.window_bytes);
    const auto set32 = [](const std::optional<std::uint64_t>& from, auto& to) {
        if (from) to = static_cast<std::remove_reference_t<decltype(to)>>(*from);
    };
    const auto set_time = [](const std::optional<std::uint64_t>& from, Nanos unit, Nanos& to) {
        if (from) to = static_cast<Nanos>(*from) * unit;
    };
    set32(c.sender_advance_percent, source.advance_percent);
    set32(c.sender_late_join_percent, source.late_join_percent);
    set32(c.sender_ttl, source.ttl);
    set32(c.sender_repair_share_percent, source.repair_share_percent);
    set_time(c.sender_ambient_spm_ms, kMillisecond, source.ambient_spm_ns);
    set_time(c.sender_close_linger_ms, kMillisecond, s.close_linger_ns);
    auto& receiver = s.defaults.receiver;
    set_time(c.receiver_nak_backoff_min_us, kMicrosecond, receiver.nak_backoff_min_ns);
    set_time(c.receiver_nak_backoff_max_us, kMicrosecond, receiver.nak_backoff_max_ns);
    set_time(c.receiver_nak_repeat_us, kMicrosecond, receiver.nak_repeat_ns);
    set_time(c.receiver_nak_rdata_us, kMicrosecond, receiver.nak_rdata_ns);
    set_time(c.receiver_silence_s, kSecond, receiver.silence_ns);
    set32(c.receiver_ncf_retries, receiver.ncf_retries);
    set32(c.receiver_data_retries, receiver.data_retries);
    set32(c.receiver_ttl, receiver.ttl);
    if (c.receiver_adapt_to_round_trip)
        receiver.adapt_to_round_trip = *c.receiver_adapt_to_round_trip;

    const Address first = c.interfaces.empty() ? Address{} : c.interfaces.front().address;
    s.gsi = parse_gsi(c.gsi).value_or(derive_gsi(machine_id, first));
    return s;
}

std::vector<Interface> interface_list(const Config& config) {
    std::vector<Interface> out;
    for (const auto& i : config.interfaces) {
        Interface& interface = out.emplace_back();
        interface.spec.name = i.name;
        interface.spec.address = i.address;
        interface.spec.prefix = i.prefix;
        interface.spec.gateway = i.gateway;
        interface.spec.mtu = static_cast<std::uint16_t>(i.mtu);
        interface.spec.vlan = static_cast<std::uint16_t>(i.vlan);
        interface.spec.dscp = static_cast<std::uint8_t>(i.dscp);
        interface.device = i.device;
        interface.kernel_name = kernel_interface_of(i.device);
        interface.udp_only = i.device.rfind("kernel,", 0) == 0;
        if (!interface.kernel_name.empty())
            interface.kernel_index = ::if_nametoindex(interface.kernel_name.c_str());
        if (i.mtu != 0) interface.mtu = static_cast<std::uint16_t>(i.mtu);
    }
    return out;
}

}  // namespace fanfare::control
