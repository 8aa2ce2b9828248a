// What a command line says, checked and with defaults put in.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "apps/fanfare/values.hpp"

namespace CLI {
class App;
class ParseError;
}  // namespace CLI

namespace fanfare::tool {

// Flags that both directions have.
struct SessionArguments {
    GroupPort group;
    std::optional<std::uint32_t> interface;  // host byte order
    std::optional<std::string> profile;      // lan, windows, openpgm
    std::uint16_t udp_port = 0;              // 0: raw IP protocol 113
    bool zmq = false;
    bool progress = false;
    std::string report_file;  // empty: none
};

enum class PublishMode { stream, lines, message };

struct FeedArguments {
    std::uint64_t messages_per_s = 0;  // 0: as fast as they go
    std::uint64_t count = 0;
    std::uint64_t seed = 1;
};

// Parity: h packets unasked with every k of data, more on demand.
struct ParityArguments {
    std::uint8_t group = 0, proactive = 0;
    bool on_demand = false;
};

struct PublishArguments {
    SessionArguments session;
    PublishMode mode = PublishMode::stream;
    std::size_t message_bytes = 0;  // PublishMode::message
    bool pack = false, congestion_control = false;
    std::optional<FeedArguments> feed;
    std::optional<ParityArguments> parity;
    std::optional<std::uint64_t> rate_bits, window_ms, window_bytes;
    std::optional<std::uint32_t> ttl, late_join_percent;
};

struct SubscribeArguments {
    SessionArguments session;
    std::optional<std::uint32_t> source;  // host byte order
    std::uint64_t count = 0;              // 0: all
    std::uint64_t sessions = 1;
    std::string output;  // a folder; empty: standard output
    std::size_t buffer_bytes = std::size_t{256} << 20;
    std::string separator;
    std::optional<std::uint64_t> window_bytes;
    bool feed_check = false;
    std::int64_t delayed_above_ns = 0;  // 0: chosen from the delays themselves
};

enum class Command { publish, subscribe, status, options, version, run };

struct Arguments {
    Command command = Command::version;
    std::string control;  // empty: the library's choice
    PublishArguments publish;
    SubscribeArguments subscribe;
    bool status_json = false;
    std::uint64_t options_socket = 0;  // 0: the table alone
    std::vector<std::string> program;  // run
    bool run_datagrams = false;
};

// k,h or k,h,on-demand. Throws UsageFailure.
ParityArguments parity_from(const std::string& text);
// One line of what CLI11 did not like, and where to read what it would.
std::string refusal_of(const CLI::App& app, const CLI::ParseError& error);

// Throws UsageFailure. Nothing is returned when help was asked for: it stands in `help`.
std::optional<Arguments> parse_command_line(int argc, const char* const* argv, std::string& help);

}  // namespace fanfare::tool
