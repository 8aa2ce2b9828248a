// The one table of socket options: RM_* (wsrm.md section 3) and Fanfare's own (ipc/messages.hpp). A
// new option is a row here with a set and a get function.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "control/registry.hpp"

namespace fanfare::control {

inline constexpr std::int32_t kLevelRm = 113;    // IPPROTO_RM
inline constexpr std::int32_t kLevelSocket = 1;  // SOL_SOCKET, for SO_REUSEADDR

enum RmOption : std::int32_t {
    kRmRateWindowSize = 1001,
    kRmSetMessageBoundary = 1002,
    kRmFlushCache = 1003,
    kRmSenderWindowAdvanceMethod = 1004,
    kRmSenderStatistics = 1005,
    kRmLateJoin = 1006,
    kRmSetSendIf = 1007,
    kRmAddReceiveIf = 1008,
    kRmDelReceiveIf = 1009,
    kRmSendWindowAdvRate = 1010,
    kRmUseFec = 1011,
    kRmSetMcastTtl = 1012,
    kRmReceiverStatistics = 1013,
    kRmHighSpeedIntranetOpt = 1014,
};

// The states of wsrm.md 3.1.
enum OptionState : std::uint8_t {
    kUnbound = 1,
    kBound = 2,
    kSender = 4,
    kListener = 8,
    kReceiver = 16
};

enum class OptionRole : std::uint8_t { any, sender, receiver };

// An errno (0 = done) and, for an errno, one line for a human.
struct OptionResult {
    int error = 0;
    std::string detail;
};

struct OptionCall {
    Registry& registry;
    Services& services;
    Socket& socket;
};

struct OptionRow {
    std::int32_t number;
    const char* name;
    const char* type;  // as a reader of the manual sees it
    OptionRole role;
    const char* default_value;  // in words where it comes from the profile
    const char* range;
    std::uint32_t size;       // octets of the value
    bool message_only;        // only on SOCK_RDM
    std::uint8_t set_states;  // OptionState bits: where it may be set
    std::uint8_t get_states;  // where it may be read
    OptionResult (*set)(OptionCall&,
                        const std::uint8_t* value);  // nullptr: get-only; `size` octets are there
    OptionResult (*get)(OptionCall&,
                        std::uint8_t* value);  // nullptr: set-only; writes `size` octets
};

std::span<const OptionRow> option_table();
const OptionRow* find_option(std::int32_t number);

// setsockopt and getsockopt; checks in the order of O-14 (the pointer is judged by the client
// library).
OptionResult set_option(OptionCall& call, std::int32_t level, std::int32_t number,
                        std::span<const std::uint8_t> value);
// `room` is what the caller can take; `length` becomes the value's true length.
OptionResult get_option(OptionCall& call, std::int32_t level, std::int32_t number, std::size_t room,
                        std::span<std::uint8_t> value, std::uint32_t& length);

// Starts or stops listening on one interface: posts add_listen/remove_listen to every worker.
void start_listening(Registry& registry, Socket& socket, std::uint32_t interface);
// Whether the interface carries the form that the socket speaks, raw IP or UDP; EPROTONOSUPPORT if
// not.
OptionResult check_form(const Registry& registry, const Socket& socket, std::uint32_t interface);
void stop_listening(Registry& registry, Socket& socket, std::uint32_t interface);

}  // namespace fanfare::control
