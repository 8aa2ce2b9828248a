#include "control/option_functions.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <limits>

#include "control/send_window_rule.hpp"
#include "control/text.hpp"
#include "ipc/layout.hpp"

namespace fanfare::control::option_functions {
namespace {

template <typename T>
T read(const std::uint8_t* value) {
    T v;
    std::memcpy(&v, value, sizeof(v));
    return v;
}
template <typename T>
OptionResult write(std::uint8_t* value, const T& v) {
    std::memcpy(value, &v, sizeof(v));
    return {};
}
OptionResult invalid(std::string detail) {
    return {EINVAL, std::move(detail)};
}

constexpr std::uint64_t kBitsPerByte = 8;
constexpr std::uint32_t kLeastMtu = 1500;  // of the path, where the interface is not known yet

// The log must hold at least the window; no room for it is said at once, not at connect
// (wsrm.md 3.3).
OptionResult check_room(OptionCall& call, std::uint64_t window_bytes) {
    if (window_bytes > ipc::kLogBytesMax)
        return {ENOBUFS, "a window holds at most " + std::to_string(ipc::kLogBytesMax) +
                             " octets (a sender's: rate x time); ask for less"};
    if (call.registry.budget.has_room(call.socket.uid, std::bit_ceil(window_bytes))) return {};
    return {ENOBUFS, "no memory for a window of " + std::to_string(window_bytes) +
                         " octets; ask for less or raise memory.total_mib and memory.per_user_mib"};
}

// Through 128 bits: a day at 400 Gbit/s does not fit into 64.
__extension__ using Wide = unsigned __int128;

std::uint64_t bytes_of(std::uint64_t bits_per_s, Nanos window_ns) {
    const auto bits =
        static_cast<Wide>(bits_per_s) * static_cast<std::uint64_t>(window_ns) / kSecond;
    const auto bytes = bits / kBitsPerByte;
    constexpr auto kMost = static_cast<Wide>(std::numeric_limits<std::int64_t>::max());
    return static_cast<std::uint64_t>(std::min(bytes, kMost));
}
Nanos nanos_of(std::uint64_t bits_per_s, std::uint64_t bytes) {
    const auto ns = static_cast<Wide>(bytes) * kBitsPerByte * kSecond / bits_per_s;
    constexpr auto kMost = static_cast<Wide>(std::numeric_limits<Nanos>::max());
    return static_cast<Nanos>(std::min(ns, kMost));
}

OptionResult apply_window(OptionCall& call, std::uint64_t rate, Nanos window_ns,
                          std::uint64_t bytes) {
    if (bytes < kLeastMtu)
        return invalid(
            "the window, rate x time, would hold less than one packet; ask for more of either");
    if (auto room = check_room(call, bytes); room.error != 0) return room;
    auto& options = call.socket.options;
    options.source.rate_bits_per_s = rate;
    options.source.window_ns = window_ns;
    options.source.window_bytes = bytes;
    options.source.window_packets = window_packets_for(bytes);
    options.send_window = send_window_of(options.source);
    return {};
}

}  // namespace

OptionResult set_rate_window(OptionCall& call, const std::uint8_t* value) {
    auto& options = call.socket.options;
    const auto window =
        resolve_send_window(read<RmSendWindow>(value), options.send_window, kLeastMtu);
    if (!window)
        return invalid(
            "rate, time and size of the window do not fit together (rate = bytes / time)");
    if (auto room = check_room(call, window->window_bytes); room.error != 0) return room;
    apply_send_window(*window, options.source);
    options.send_window = *window;
    return {};
}
OptionResult get_rate_window(OptionCall& call, std::uint8_t* value) {
    return write(value, call.socket.options.send_window);
}

OptionResult set_message_boundary(OptionCall&, const std::uint8_t*) {
    return {};  // the client's library keeps it: it is about how records are written, not about the
                // session
}

OptionResult set_advance_method(OptionCall&, const std::uint8_t* value) {
    constexpr std::uint32_t kByTime = 1;
    if (read<std::uint32_t>(value) != kByTime)
        return invalid("only E_WINDOW_ADVANCE_BY_TIME (1) is supported");
    return {};
}
OptionResult get_advance_method(OptionCall&, std::uint8_t* value) {
    return write(value, std::uint32_t{1});
}

OptionResult set_late_join(OptionCall& call, const std::uint8_t* value) {
    const auto percent = read<std::uint32_t>(value);
    if (percent > 75) return invalid("RM_LATEJOIN takes 0 to 75 percent");
    call.socket.options.source.late_join_percent = percent;
    return {};
}
OptionResult get_late_join(OptionCall& call, std::uint8_t* value) {
    return write(value, call.socket.options.source.late_join_percent);
}

OptionResult set_send_if(OptionCall& call, const std::uint8_t* value) {
    const Address address{ntohl(read<std::uint32_t>(value))};
    if (!address.is_none() && call.registry.interface_with(address) < 0)
        return {EADDRNOTAVAIL, "no interface has the address " + to_string(address) +
                                   "; `fanfare status` lists them"};
    call.socket.options.send_interface = address;
    return {};
}
OptionResult get_send_if(OptionCall& call, std::uint8_t* value) {
    return write(value, htonl(call.socket.options.send_interface.v4));
}

OptionResult set_add_receive_if(OptionCall& call, const std::uint8_t* value) {
    const Address address{ntohl(read<std::uint32_t>(value))};
    const int found = address.is_none() ? -1 : call.registry.interface_with(address);
    if (found < 0)
        return {EADDRNOTAVAIL, "no interface has the address " + to_string(address) +
                                   "; `fanfare status` lists them"};
    Socket& socket = call.socket;
    if (socket.state == SocketState::receiver) return {};  // O-6: success, nothing changes
    const auto interface = static_cast<std::uint32_t>(found);
    if (socket.state == SocketState::listener) {
        if (auto form = check_form(call.registry, socket, interface); form.error != 0) return form;
    }
    auto& chosen = socket.options.receive_interfaces;
    // MH-15: the first one replaces the default.
    const bool first = !socket.options.receive_interfaces_chosen;
    socket.options.receive_interfaces_chosen = true;
    if (std::find(chosen.begin(), chosen.end(), interface) == chosen.end())
        chosen.push_back(interface);
    if (socket.state == SocketState::listener) {
        if (first) {
            const auto defaults = socket.listens;
            for (const auto& [other, id] : defaults)
                if (other != interface) stop_listening(call.registry, socket, other);
        }
        start_listening(call.registry, socket, interface);
    }
    return {};
}

OptionResult set_del_receive_if(OptionCall& call, const std::uint8_t* value) {
    const Address address{ntohl(read<std::uint32_t>(value))};
    const int found = address.is_none() ? -1 : call.registry.interface_with(address);
    auto& chosen = call.socket.options.receive_interfaces;
    const auto at = std::find(chosen.begin(), chosen.end(), static_cast<std::uint32_t>(found));
    if (found < 0 || at == chosen.end())
        return {EADDRNOTAVAIL, to_string(address) + " was not added with RM_ADD_RECEIVE_IF"};
    chosen.erase(at);
    if (call.socket.state == SocketState::listener)
        stop_listening(call.registry, call.socket, static_cast<std::uint32_t>(found));
    return {};
}

OptionResult set_advance_rate(OptionCall& call, const std::uint8_t* value) {
    const auto percent = read<std::uint32_t>(value);
    if (percent < 1 || percent > 50)
        return invalid("RM_SEND_WINDOW_ADV_RATE takes 1 to 50 percent");
    call.socket.options.source.advance_percent = percent;
    return {};
}
OptionResult get_advance_rate(OptionCall& call, std::uint8_t* value) {
    return write(value, call.socket.options.source.advance_percent);
}

OptionResult set_use_fec(OptionCall& call, const std::uint8_t* value) {
    auto fec = read<RmFecInfo>(value);
    if (fec.block_size == 0) fec.block_size = 255;
    if (fec.block_size > 255) return invalid("FECBlockSize is at most 255");
    if (fec.group_size < 2 || fec.group_size > 128 ||
        !std::has_single_bit(unsigned{fec.group_size}))
        return invalid("FECGroupSize is a power of two from 2 to 128");
    if (fec.block_size <= fec.group_size)
        return invalid("FECBlockSize must be more than FECGroupSize");
    if (fec.proactive_packets > fec.block_size - fec.group_size)
        return invalid("FECProActivePackets is at most FECBlockSize - FECGroupSize");
    if (fec.proactive_packets == 0 && fec.on_demand == 0)
        return invalid("RM_USE_FEC needs pro-active packets, on-demand parity, or both");
    fec.on_demand = fec.on_demand != 0;
    call.socket.options.fec = fec;
    call.socket.options.fec_on = true;
    return {};
}
OptionResult get_use_fec(OptionCall& call, std::uint8_t* value) {
    return write(value, call.socket.options.fec);
}

OptionResult set_mcast_ttl(OptionCall& call, const std::uint8_t* value) {
    const auto ttl = read<std::uint32_t>(value);
    if (ttl < 1 || ttl > 255) return invalid("RM_SET_MCAST_TTL takes 1 to 255");
    call.socket.options.source.ttl = static_cast<std::uint8_t>(ttl);
    return {};
}

OptionResult set_high_speed(OptionCall& call, const std::uint8_t* value) {
    // O-6: on an accepted session success, and nothing changes.
    if (call.socket.state != SocketState::receiver)
        call.socket.options.high_speed = read<std::uint32_t>(value) != 0;
    return {};
}
OptionResult get_high_speed(OptionCall& call, std::uint8_t* value) {
    return write(value, std::uint32_t{call.socket.options.high_speed});
}

OptionResult set_udp_port(OptionCall& call, const std::uint8_t* value) {
    const auto port = read<std::uint32_t>(value);
    if (port > 0xFFFF) return invalid("a UDP port is 1 to 65535, 0 = raw IP 113");
    call.socket.options.udp_port = static_cast<std::uint16_t>(port);
    return {};
}
OptionResult get_udp_port(OptionCall& call, std::uint8_t* value) {
    return write(value, std::uint32_t{call.socket.options.udp_port});
}

OptionResult set_profile(OptionCall& call, const std::uint8_t* value) {
    const auto number = read<std::uint32_t>(value);
    if (number > static_cast<std::uint32_t>(engine::ProfileName::openpgm))
        return invalid("profiles are 0 lan, 1 windows, 2 openpgm");
    auto& options = call.socket.options;
    options.profile = static_cast<engine::ProfileName>(number);
    // The daemon's own default carries what its configuration changed.
    options.source = options.profile == call.registry.settings.default_profile
                         ? call.registry.settings.defaults.source
                         : engine::profile(options.profile).source;
    options.send_window = send_window_of(options.source);
    return {};
}
OptionResult get_profile(OptionCall& call, std::uint8_t* value) {
    return write(value, static_cast<std::uint32_t>(call.socket.options.profile));
}

// Fanfare's own three: the rate keeps the time and the time keeps the rate, the octets follow; the
// octets keep the rate. Without a rate, time has no meaning and the octets stand for themselves.
OptionResult set_rate_bits(OptionCall& call, const std::uint8_t* value) {
    const auto& source = call.socket.options.source;
    const auto rate = read<std::uint64_t>(value);
    const auto bytes = rate == 0 ? source.window_bytes : bytes_of(rate, source.window_ns);
    return apply_window(call, rate, source.window_ns, bytes);
}
OptionResult get_rate_bits(OptionCall& call, std::uint8_t* value) {
    return write(value, call.socket.options.source.rate_bits_per_s);
}
OptionResult set_window_bytes(OptionCall& call, const std::uint8_t* value) {
    const auto& source = call.socket.options.source;
    const auto bytes = read<std::uint64_t>(value);
    const auto ns =
        source.rate_bits_per_s == 0 ? source.window_ns : nanos_of(source.rate_bits_per_s, bytes);
    return apply_window(call, source.rate_bits_per_s, ns, bytes);
}
OptionResult get_window_bytes(OptionCall& call, std::uint8_t* value) {
    return write(value, call.socket.options.source.window_bytes);
}
OptionResult set_window_nanos(OptionCall& call, const std::uint8_t* value) {
    const auto& source = call.socket.options.source;
    const auto asked = read<std::uint64_t>(value);
    if (asked < static_cast<std::uint64_t>(kMillisecond))
        return invalid("the window's time is at least 1 ms");
    if (asked > static_cast<std::uint64_t>(std::numeric_limits<Nanos>::max() / 2))
        return invalid("the window's time is too long");
    const auto ns = static_cast<Nanos>(asked);
    const auto bytes =
        source.rate_bits_per_s == 0 ? source.window_bytes : bytes_of(source.rate_bits_per_s, ns);
    return apply_window(call, source.rate_bits_per_s, ns, bytes);
}
OptionResult get_window_nanos(OptionCall& call, std::uint8_t* value) {
    return write(value, static_cast<std::uint64_t>(call.socket.options.source.window_ns));
}

OptionResult set_packed(OptionCall& call, const std::uint8_t* value) {
    call.socket.options.source.packed = read<std::uint32_t>(value) != 0;
    return {};
}
OptionResult get_packed(OptionCall& call, std::uint8_t* value) {
    return write(value, std::uint32_t{call.socket.options.source.packed});
}

OptionResult set_source_filter(OptionCall& call, const std::uint8_t* value) {
    const Address address{read<std::uint32_t>(value)};
    if (address.is_multicast()) return invalid(to_string(address) + " is a group, not a source");
    call.socket.options.source_filter = address;
    return {};
}
OptionResult get_source_filter(OptionCall& call, std::uint8_t* value) {
    return write(value, call.socket.options.source_filter.v4);
}

OptionResult set_loopback(OptionCall& call, const std::uint8_t* value) {
    call.socket.options.loopback = read<std::uint32_t>(value) != 0;
    return {};
}
OptionResult get_loopback(OptionCall& call, std::uint8_t* value) {
    return write(value, std::uint32_t{call.socket.options.loopback});
}

OptionResult set_receive_window(OptionCall& call, const std::uint8_t* value) {
    constexpr std::uint64_t kLeast = 64 * 1024;  // engine::ReceiveMemory
    const auto bytes = read<std::uint64_t>(value);
    if (bytes < kLeast) return invalid("a receive window has at least 65536 octets");
    if (auto room = check_room(call, bytes); room.error != 0) return room;
    call.socket.options.receive_window_bytes = bytes;
    return {};
}
OptionResult get_receive_window(OptionCall& call, std::uint8_t* value) {
    const auto own = call.socket.options.receive_window_bytes;
    return write(value, own != 0 ? own : call.registry.settings.receive_log_bytes);
}

OptionResult set_congestion_control(OptionCall& call, const std::uint8_t* value) {
    call.socket.options.source.congestion.on = read<std::uint32_t>(value) != 0;
    return {};
}
OptionResult get_congestion_control(OptionCall& call, std::uint8_t* value) {
    return write(value, std::uint32_t{call.socket.options.source.congestion.on});
}

OptionResult get_sender_statistics(OptionCall& call, std::uint8_t* value) {
    SendSession* session = call.registry.send_session(call.socket.session_id);
    if (session == nullptr) return {ENOTCONN, "no session"};
    if (session->object != nullptr) {
        engine::SourceStatistics now;
        Sqn trail = 0, lead = 0;
        if (call.services.read_statistics(session->object, now, trail, lead)) {
            session->last_statistics = now;
            session->last_trail = trail;
            session->last_lead = lead;
        }
    }
    const auto& s = session->last_statistics;
    RmSenderStatistics out;
    out.data_bytes_sent = s.data_bytes_sent;
    out.total_bytes_sent = s.total_bytes_sent;
    out.naks_received = s.naks_received;
    out.naks_received_too_late = s.naks_too_late;
    out.outstanding_naks = s.naks_outstanding;
    out.naks_after_rdata = s.naks_after_rdata;
    out.repair_packets_sent = s.rdata_packets_sent;
    if (const auto* header = session->memory.header) {
        const auto tail = header->tail.load(std::memory_order_relaxed);
        const auto limit = header->limit.load(std::memory_order_relaxed);
        out.buffer_space_available =
            limit > tail ? limit - tail : 0;  // tail is the client's: it may lie
    }
    out.trailing_edge = session->last_trail;
    out.leading_edge = session->last_lead;
    out.rate_kbits_overall = s.rate_kbits_overall;
    out.rate_kbits_last = s.rate_kbits_last;
    out.odata_packets_sent = s.odata_packets_sent;
    return write(value, out);
}

OptionResult get_receiver_statistics(OptionCall& call, std::uint8_t* value) {
    const Reception* session = call.registry.reception(call.socket.session_id);
    if (session == nullptr || session->object == nullptr) return {ENOTCONN, "no session"};
    engine::ReceiverStatistics s;
    Sqn trail = 0, lead = 0;
    if (!call.services.read_statistics(session->object, s, trail, lead)) s = {};
    RmReceiverStatistics out;
    out.odata_received = s.odata_received;
    out.rdata_received = s.rdata_received;
    out.duplicates = s.duplicates;
    out.data_bytes_received = s.data_bytes;
    out.total_bytes_received = s.total_bytes;
    out.rate_kbits_overall = s.rate_kbits_overall;
    out.rate_kbits_last = s.rate_kbits_last;
    out.trailing_edge = trail;
    out.leading_edge = lead;
    out.average_sequences = s.sequences_samples == 0 ? 0 : s.sequences_sum / s.sequences_samples;
    out.min_sequences = s.sequences_min;
    out.max_sequences = s.sequences_max;
    out.first_nak_sequence = s.pending_naks + s.outstanding_naks == 0 ? 0 : s.first_nak_sqn;
    out.pending_naks = s.pending_naks;
    out.outstanding_naks = s.outstanding_naks;
    out.packets_buffered = s.packets_buffered;
    out.selective_naks_sent = s.naks_sent;
    out.parity_naks_sent = s.parity_naks_sent;
    return write(value, out);
}

}  // namespace fanfare::control::option_functions
