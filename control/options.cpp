#include "control/options.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <cerrno>
#include <cstring>

#include "control/option_functions.hpp"

namespace fanfare::control {
namespace {

using namespace option_functions;
constexpr std::uint32_t kU32 = 4, kU64 = 8;
constexpr std::uint8_t kNone = 0, kUB = kUnbound | kBound, kUBS = kUB | kSender,
                       kUBLR = kUB | kListener | kReceiver, kAll = kUBLR | kSender;

constexpr OptionRow kTable[] = {
    // number, name, type, role, default, range, size, message only, set states, get states, set,
    // get
    {kRmRateWindowSize, "RM_RATE_WINDOW_SIZE", "RM_SEND_WINDOW", OptionRole::sender, "profile's",
     "rate = bytes / time; 1..2^32-1 each", sizeof(RmSendWindow), false, kUB, kUBS, set_rate_window,
     get_rate_window},
    {kRmSetMessageBoundary, "RM_SET_MESSAGE_BOUNDARY", "u32 octets", OptionRole::sender,
     "none pending", "0..2^32-1", kU32, true, kUBS, kNone, set_message_boundary, nullptr},
    {kRmFlushCache, "RM_FLUSHCACHE", "-", OptionRole::any, "-", "never", 0, false, kNone, kNone,
     nullptr, nullptr},
    {kRmSenderWindowAdvanceMethod, "RM_SENDER_WINDOW_ADVANCE_METHOD", "u32", OptionRole::sender,
     "1", "1", kU32, false, kUB, kUBS, set_advance_method, get_advance_method},
    {kRmSenderStatistics, "RM_SENDER_STATISTICS", "RM_SENDER_STATS", OptionRole::sender, "-", "-",
     sizeof(RmSenderStatistics), false, kNone, kSender, nullptr, get_sender_statistics},
    {kRmLateJoin, "RM_LATEJOIN", "u32 percent", OptionRole::sender, "0", "0..75", kU32, false, kUB,
     kUBS, set_late_join, get_late_join},
    {kRmSetSendIf, "RM_SET_SEND_IF", "IPv4, network order", OptionRole::sender, "first available",
     "an interface's address, 0.0.0.0 = first available", kU32, false, kUB, kUBS, set_send_if,
     get_send_if},
    {kRmAddReceiveIf, "RM_ADD_RECEIVE_IF", "IPv4, network order", OptionRole::receiver,
     "first interface", "an interface's address", kU32, false, kUB | kListener | kReceiver, kNone,
     set_add_receive_if, nullptr},
    {kRmDelReceiveIf, "RM_DEL_RECEIVE_IF", "IPv4, network order", OptionRole::receiver, "-",
     "one added before", kU32, false, kUB | kListener, kNone, set_del_receive_if, nullptr},
    {kRmSendWindowAdvRate, "RM_SEND_WINDOW_ADV_RATE", "u32 percent", OptionRole::sender, "15",
     "1..50", kU32, false, kUB, kUBS, set_advance_rate, get_advance_rate},
    {kRmUseFec, "RM_USE_FEC", "RM_FEC_INFO", OptionRole::sender, "off",
     "group 2..128 (power of two) < block <= 255; pro-active <= block - group", sizeof(RmFecInfo),
     false, kUB, kUBS, set_use_fec, get_use_fec},
    {kRmSetMcastTtl, "RM_SET_MCAST_TTL", "u32", OptionRole::sender, "profile's", "1..255", kU32,
     false, kUB, kNone, set_mcast_ttl, nullptr},
    {kRmReceiverStatistics, "RM_RECEIVER_STATISTICS", "RM_RECEIVER_STATS", OptionRole::receiver,
     "-", "-", sizeof(RmReceiverStatistics), false, kNone, kReceiver, nullptr,
     get_receiver_statistics},
    {kRmHighSpeedIntranetOpt, "RM_HIGH_SPEED_INTRANET_OPT", "u32 boolean", OptionRole::receiver,
     "0", "0, 1", kU32, false, kUB | kReceiver, kUBLR, set_high_speed, get_high_speed},
    {ipc::kOptionUdpPort, "FANFARE_UDP_PORT", "u32", OptionRole::any, "0",
     "0 = raw IP 113, 1..65535 = UDP encapsulation", kU32, false, kUB, kAll, set_udp_port,
     get_udp_port},
    {ipc::kOptionProfile, "FANFARE_PROFILE", "u32", OptionRole::any, "0 (lan)",
     "0 lan, 1 windows, 2 openpgm; sets all figures anew", kU32, false, kUB, kAll, set_profile,
     get_profile},
    {ipc::kOptionRateBits, "FANFARE_RATE_BITS", "u64 bit/s", OptionRole::sender, "profile's",
     "0 = as fast as the port takes", kU64, false, kUB, kUBS, set_rate_bits, get_rate_bits},
    {ipc::kOptionWindowBytes, "FANFARE_WINDOW_BYTES", "u64 octets", OptionRole::sender, "profile's",
     "from one packet up to the user's memory", kU64, false, kUB, kUBS, set_window_bytes,
     get_window_bytes},
    {ipc::kOptionWindowNanos, "FANFARE_WINDOW_NANOS", "u64 ns", OptionRole::sender, "profile's",
     "from 1 ms", kU64, false, kUB, kUBS, set_window_nanos, get_window_nanos},
    {ipc::kOptionPacked, "FANFARE_PACKED", "u32 boolean", OptionRole::sender, "0", "0, 1", kU32,
     true, kUB, kUBS, set_packed, get_packed},
    {ipc::kOptionSource, "FANFARE_SOURCE", "IPv4, host order", OptionRole::receiver, "0 (any)",
     "a unicast address", kU32, false, kUB, kUBLR, set_source_filter, get_source_filter},
    {ipc::kOptionLoopback, "FANFARE_LOOPBACK", "u32 boolean", OptionRole::sender, "1", "0, 1", kU32,
     false, kUB, kUBS, set_loopback, get_loopback},
    {ipc::kOptionReceiveWindow, "FANFARE_RECEIVE_WINDOW", "u64 octets", OptionRole::receiver,
     "the daemon's", "65536.. up to the user's memory", kU64, false, kUB, kUBLR, set_receive_window,
     get_receive_window},
    {ipc::kOptionCongestionControl, "FANFARE_CONGESTION_CONTROL", "u32 boolean", OptionRole::sender,
     "0", "0, 1", kU32, false, kUB, kUBS, set_congestion_control, get_congestion_control},
};

OptionResult fail(int error, std::string detail) {
    return {error, std::move(detail)};
}

OptionResult set_socket_level(OptionCall& call, std::int32_t number,
                              std::span<const std::uint8_t> value) {
    if (number != SO_REUSEADDR)
        return fail(ENOPROTOOPT, "of SOL_SOCKET the daemon knows SO_REUSEADDR alone");
    if (value.size() < kU32) return fail(EINVAL, "SO_REUSEADDR takes an int");
    std::uint32_t on;
    std::memcpy(&on, value.data(), sizeof(on));
    call.socket.options.reuse_address = on != 0;
    return {};
}

std::uint8_t state_bit(const Socket& socket) {
    switch (socket.state) {
        case SocketState::unbound:
            return kUnbound;
        case SocketState::bound:
            return kBound;
        case SocketState::sender:
            return kSender;
        case SocketState::listener:
            return kListener;
        case SocketState::receiver:
            return kReceiver;
        case SocketState::datagram:
            break;  // has options of its own (datagrams.hpp)
    }
    return kUnbound;
}

// O-8: options of the other role, once the role is known.
bool wrong_role(const OptionRow& row, const Socket& socket) {
    if ((state_bit(socket) & kUB) != 0 || row.role == OptionRole::any) return false;
    const bool sends = socket.state == SocketState::sender;
    return sends != (row.role == OptionRole::sender);
}

}  // namespace

std::span<const OptionRow> option_table() {
    return kTable;
}

const OptionRow* find_option(std::int32_t number) {
    for (const auto& row : kTable)
        if (row.number == number) return &row;
    return nullptr;
}

OptionResult set_option(OptionCall& call, std::int32_t level, std::int32_t number,
                        std::span<const std::uint8_t> value) {
    if (level == kLevelSocket) return set_socket_level(call, number, value);
    const OptionRow* row = level == kLevelRm ? find_option(number) : nullptr;
    if (row == nullptr)
        return fail(ENOPROTOOPT, "no option " + std::to_string(number) + " at level " +
                                     std::to_string(level) + "; `fanfare options` lists them");
    const std::string name = row->name;
    if (row->set == nullptr) return fail(ENOPROTOOPT, name + " cannot be set");
    if (row->message_only && call.socket.type != ipc::SocketType::message)
        return fail(ENOPROTOOPT, name + " is for SOCK_RDM sockets only");
    if (wrong_role(*row, call.socket))
        return fail(ENOPROTOOPT, name + (row->role == OptionRole::sender ? " is for senders"
                                                                         : " is for receivers"));
    if ((row->set_states & state_bit(call.socket)) == 0) {
        if (call.socket.state == SocketState::listener)
            return fail(EINVAL, name + " has to be set before listen");
        return fail(EISCONN, name + " has to be set before connect");
    }
    if (value.size() < row->size)
        return fail(EINVAL, name + " takes " + std::to_string(row->size) + " octets, got " +
                                std::to_string(value.size()));
    return row->set(call, value.data());
}

OptionResult get_option(OptionCall& call, std::int32_t level, std::int32_t number, std::size_t room,
                        std::span<std::uint8_t> value, std::uint32_t& length) {
    length = 0;
    if (level == kLevelSocket && number == SO_REUSEADDR) {
        if (room < kU32 || value.size() < kU32)
            return fail(EINVAL, "SO_REUSEADDR needs room for an int");
        const std::uint32_t on = call.socket.options.reuse_address;
        std::memcpy(value.data(), &on, sizeof(on));
        length = kU32;
        return {};
    }
    const OptionRow* row = level == kLevelRm ? find_option(number) : nullptr;
    if (row == nullptr)
        return fail(ENOPROTOOPT, "no option " + std::to_string(number) + " at level " +
                                     std::to_string(level) + "; `fanfare options` lists them");
    const std::string name = row->name;
    if (row->get == nullptr) return fail(ENOPROTOOPT, name + " cannot be read");
    if (row->message_only && call.socket.type != ipc::SocketType::message)
        return fail(ENOPROTOOPT, name + " is for SOCK_RDM sockets only");
    if (wrong_role(*row, call.socket))
        return fail(ENOPROTOOPT, name + (row->role == OptionRole::sender ? " is for senders"
                                                                         : " is for receivers"));
    if ((row->get_states & state_bit(call.socket)) == 0)
        return fail(ENOTCONN, name + " needs a session");
    if (room < row->size || value.size() < row->size)
        return fail(EINVAL, name + " needs room for " + std::to_string(row->size) + " octets");
    OptionResult result = row->get(call, value.data());
    if (result.error == 0) length = row->size;
    return result;
}

OptionResult check_form(const Registry& registry, const Socket& socket, std::uint32_t interface) {
    const Interface& on = registry.interfaces[interface];
    if (!on.udp_only || socket.options.udp_port != 0) return {};
    return {EPROTONOSUPPORT, "interface " + on.spec.name +
                                 " is a kernel port, which carries PGM in UDP only: add --udp PORT "
                                 "(FANFARE_UDP_PORT)"};
}

void start_listening(Registry& registry, Socket& socket, std::uint32_t interface) {
    if (socket.listens.count(interface) != 0) return;
    dataplane::Command command;
    command.kind = dataplane::Command::Kind::add_listen;
    command.id = registry.new_id();
    command.listen.listen_id = command.id;
    command.listen.group = socket.group;
    command.listen.destination_port = socket.port;
    command.listen.udp_port = socket.options.udp_port;
    command.listen.interface = interface;
    command.listen.source = socket.options.source_filter;
    command.interface = interface;
    socket.listens[interface] = command.id;
    registry.post_all(command);
}

void stop_listening(Registry& registry, Socket& socket, std::uint32_t interface) {
    auto listen = socket.listens.find(interface);
    if (listen == socket.listens.end()) return;
    dataplane::Command command;
    command.kind = dataplane::Command::Kind::remove_listen;
    command.id = listen->second;
    command.interface = interface;
    socket.listens.erase(listen);
    registry.post_all(command);
}

}  // namespace fanfare::control
