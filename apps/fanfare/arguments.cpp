#include "apps/fanfare/arguments.hpp"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <bit>

#include "apps/fanfare/failure.hpp"

namespace fanfare::tool {

namespace {

// Flags as text: CLI11 sorts them, values.hpp judges them, so that every refusal is one clear line.
struct SessionText {
    std::string group, interface, profile, udp, report;
    bool zmq = false, progress = false;
};
struct PublishText {
    SessionText session;
    bool stream = false, lines = false, pack = false, congestion_control = false;
    std::string message, feed, rate, window_ms, window_bytes, ttl, late_join, fec;
};
struct SubscribeText {
    SessionText session;
    std::string source, count, sessions, output, buffer, separator, window_bytes, delayed_above;
    bool feed_check = false;
};

// A flag with a value, which the help calls `value`.
CLI::Option* add_value(CLI::App& app, const char* flag, std::string& text, const char* value,
                       const char* help) {
    return app.add_option(flag, text, help)->option_text(value);
}

void add_session_flags(CLI::App& app, SessionText& text) {
    app.add_option("GROUP", text.group, "GROUP:PORT, for example 239.1.1.1:7500")->option_text(" ");
    add_value(app, "--interface", text.interface, "ADDRESS",
              "of the daemon's interface to use (default: the first that is up)");
    add_value(app, "--udp", text.udp, "PORT",
              "of UDP encapsulation (default: raw IP protocol 113)");
    add_value(app, "--profile", text.profile, "NAME", "lan (default), windows or openpgm");
    app.add_flag("--zmq", text.zmq, "speak with ZeroMQ's epgm:// (pgm:// with --udp 0)");
    app.add_flag("--progress", text.progress, "show progress also where it is no terminal");
    add_value(app, "--report", text.report, "FILE", "gets figures of the session, as JSON");
}

SessionArguments session_from(const SessionText& text, const char* command) {
    if (text.group.empty())
        throw UsageFailure(fmt::format("{} needs GROUP:PORT, for example 239.1.1.1:7500", command));
    SessionArguments out;
    out.group = group_port(text.group);
    if (!text.interface.empty()) out.interface = unicast_address("--interface", text.interface);
    if (!text.profile.empty()) {
        if (text.profile != "lan" && text.profile != "windows" && text.profile != "openpgm")
            throw UsageFailure(fmt::format(
                "--profile: '{}' is unknown; there are lan, windows and openpgm", text.profile));
        out.profile = text.profile;
    }
    out.zmq = text.zmq;
    if (text.zmq && !out.profile) out.profile = "openpgm";
    // ZeroMQ has one number for both ports.
    if (text.zmq) out.udp_port = out.group.port;
    if (!text.udp.empty())
        out.udp_port = static_cast<std::uint16_t>(whole_number("--udp", text.udp, 0, 65535));
    out.progress = text.progress;
    out.report_file = text.report;
    return out;
}

FeedArguments feed_from(const std::string& text) {
    FeedArguments out;
    std::vector<std::string> parts = CLI::detail::split(text, ',');
    if (parts.size() < 2 || parts.size() > 3)
        throw UsageFailure(fmt::format(
            "--feed: '{}' is not RATE,COUNT or RATE,COUNT,SEED, for example 20000,1000000", text));
    out.messages_per_s = whole_number("--feed RATE", parts[0], 0, 1'000'000'000);
    out.count = whole_number("--feed COUNT", parts[1], 1, 1'000'000'000'000);
    if (parts.size() == 3) out.seed = whole_number("--feed SEED", parts[2], 0, ~std::uint64_t{0});
    return out;
}

PublishArguments publish_from(const PublishText& text) {
    constexpr std::uint64_t kLargest = std::uint64_t{1} << 40;
    PublishArguments out;
    out.session = session_from(text.session, "pub");
    if (!text.fec.empty()) {
        if (out.session.profile == "openpgm")
            throw UsageFailure(
                "--fec excludes --zmq and --profile openpgm: their receivers cannot take parity");
        out.parity = parity_from(text.fec);
    }
    if (text.lines) out.mode = PublishMode::lines;
    if (!text.message.empty()) {
        out.mode = PublishMode::message;
        out.message_bytes = octets("--message", text.message, 1, std::uint64_t{1} << 30);
    }
    if (!text.feed.empty()) {
        if (text.lines || text.stream || !text.message.empty())
            throw UsageFailure(
                "--feed excludes --stream, --lines and --message: it makes its own messages");
        out.feed = feed_from(text.feed);
        out.mode = PublishMode::message;
    }
    out.pack = text.pack;
    out.congestion_control = text.congestion_control;
    if (out.pack && out.mode == PublishMode::stream)
        throw UsageFailure("--pack is for messages: add --lines or --message BYTES");
    if (out.session.zmq && out.mode == PublishMode::stream)
        throw UsageFailure("--zmq sends messages: add --lines or --message BYTES");
    if (out.session.zmq && out.pack)
        throw UsageFailure("--zmq excludes --pack: ZeroMQ puts messages together its own way");
    if (out.congestion_control && (out.session.zmq || out.session.profile == "openpgm"))
        throw UsageFailure(
            "--congestion-control excludes --zmq and --profile openpgm: their receivers send no "
            "acknowledgements");
    if (!text.rate.empty()) out.rate_bits = rate_bits("--rate", text.rate);
    if (!text.window_ms.empty())
        out.window_ms = whole_number("--window-ms", text.window_ms, 1, 86'400'000);
    if (!text.window_bytes.empty())
        out.window_bytes = octets("--window-bytes", text.window_bytes, 1500, kLargest);
    if (!text.ttl.empty())
        out.ttl = static_cast<std::uint32_t>(whole_number("--ttl", text.ttl, 1, 255));
    if (!text.late_join.empty())
        out.late_join_percent =
            static_cast<std::uint32_t>(whole_number("--late-join", text.late_join, 0, 75));
    return out;
}

SubscribeArguments subscribe_from(const SubscribeText& text) {
    constexpr std::uint64_t kLargest = std::uint64_t{1} << 40;
    SubscribeArguments out;
    out.session = session_from(text.session, "sub");
    if (!text.source.empty()) out.source = unicast_address("--source", text.source);
    if (!text.count.empty()) out.count = whole_number("--count", text.count, 1, ~std::uint64_t{0});
    if (!text.sessions.empty()) out.sessions = whole_number("--sessions", text.sessions, 1, 10'000);
    out.output = text.output;
    if (!text.buffer.empty())
        out.buffer_bytes = octets("--buffer", text.buffer, 64 << 10, kLargest);
    out.separator = unescaped("--separator", text.separator);
    if (!text.window_bytes.empty())
        out.window_bytes = octets("--window-bytes", text.window_bytes, 64 << 10, kLargest);
    out.feed_check = text.feed_check;
    if (!text.delayed_above.empty())
        out.delayed_above_ns = 1000 * static_cast<std::int64_t>(whole_number(
                                          "--delayed-above", text.delayed_above, 1, 3'600'000'000));
    if (out.sessions > 1 && out.output.empty() && !out.feed_check)
        throw UsageFailure(
            "--sessions above 1 needs --output DIR: every session gets a file of its own");
    if (out.session.report_file == "-" && !out.feed_check)
        throw UsageFailure("--report: standard output is the data's; name a file");
    if (out.feed_check && (out.sessions > 1 || !out.output.empty() || out.session.zmq))
        throw UsageFailure(
            "--feed-check reads one session and excludes --sessions, --output, --zmq");
    return out;
}

void add_publish(CLI::App& app, PublishText& text) {
    add_session_flags(app, text.session);
    auto* stream = app.add_flag("--stream", text.stream, "a run of octets (default)");
    auto* lines = app.add_flag("--lines", text.lines, "a message is a line with its newline");
    auto* message = add_value(app, "--message", text.message, "BYTES",
                              "a message is so many octets (k, m, g); the last may be less");
    stream->excludes(lines)->excludes(message);
    lines->excludes(stream)->excludes(message);
    message->excludes(stream)->excludes(lines);
    app.add_flag("--pack", text.pack,
                 "many messages share a packet: between Fanfare hosts only, others would take the "
                 "packet for one message");
    add_value(app, "--rate", text.rate, "MBIT/S",
              "of everything sent, repairs included; 0 = as fast as the port takes");
    add_value(app, "--window-ms", text.window_ms, "N", "how long sent data can be repaired");
    add_value(app, "--window-bytes", text.window_bytes, "BYTES", "how much of it (k, m, g)");
    add_value(app, "--ttl", text.ttl, "N", "hops, 1 to 255");
    add_value(app, "--late-join", text.late_join, "PERCENT",
              "of the window that a late subscriber still gets, 0 to 75");
    add_value(app, "--fec", text.fec, "k,h[,on-demand]",
              "h parity packets with every k of data, more when asked for");
    app.add_flag("--congestion-control", text.congestion_control,
                 "slow down to the slowest receiver (PGMCC); --rate stays the most");
    add_value(app, "--feed", text.feed, "RATE,COUNT[,SEED]",
              "instead of standard input, a feed shaped like a market's, for `sub --feed-check`");
}

void add_subscribe(CLI::App& app, SubscribeText& text) {
    add_session_flags(app, text.session);
    add_value(app, "--source", text.source, "ADDRESS", "only sessions of this sender");
    add_value(app, "--count", text.count, "N", "end after so many messages");
    add_value(app, "--sessions", text.sessions, "N",
              "take so many sessions, each into a file of its own");
    add_value(app, "--output", text.output, "DIR", "for these files");
    add_value(app, "--buffer", text.buffer, "BYTES",
              "that wait for a stalled output before the session suffers (k, m, g; default 256m)");
    add_value(app, "--separator", text.separator, "TEXT",
              "behind every message (\\n, \\0, \\xHH...)");
    add_value(app, "--window-bytes", text.window_bytes, "BYTES",
              "of the receive window (k, m, g; default: the daemon's)");
    app.add_flag("--feed-check", text.feed_check,
                 "check a feed of `pub --feed` and print one JSON line: messages, MB/s, delays");
    add_value(app, "--delayed-above", text.delayed_above, "MICROSECONDS",
              "from which --feed-check calls a message delayed");
}

// `run -- PROGRAM`, as other programs that start programs have it, is `run PROGRAM`.
void drop_mark_of_run(std::vector<std::string>& words) {
    for (std::size_t i = 0; i + 1 < words.size(); ++i) {
        if (words[i] == "--control") {
            ++i;
        } else if (words[i] == "run") {
            if (words[i + 1] == "--")
                words.erase(words.begin() + static_cast<std::ptrdiff_t>(i + 1));
            return;
        }
    }
}

// CLI11's own words, made one line.
std::string one_line(std::string text) {
    for (char& c : text)
        if (c == '\n') c = ' ';
    while (!text.empty() && text.back() == ' ') text.pop_back();
    return text;
}

}  // namespace

std::string refusal_of(const CLI::App& app, const CLI::ParseError& error) {
    const auto named = app.get_subcommands();
    const std::string help = named.empty()
                                 ? app.get_name() + " --help"
                                 : app.get_name() + " " + named.front()->get_name() + " --help";
    std::string what = one_line(error.what());
    if (const auto at = what.find(": 1 required TEXT missing"); at != std::string::npos)
        what = what.substr(0, at) + " needs a value";
    // CLI11 lists what is left from behind.
    if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) {
        const auto extras = app.remaining(true);
        if (!extras.empty()) what = fmt::format("'{}' is not known here", extras.front());
    }
    return fmt::format("{}; `{}` lists what there is", what, help);
}

ParityArguments parity_from(const std::string& text) {
    constexpr std::uint64_t kMostOfGroup = 255;  // n, data and parity
    const std::vector<std::string> parts = CLI::detail::split(text, ',');
    if (parts.size() < 2 || parts.size() > 3 || (parts.size() == 3 && parts[2] != "on-demand"))
        throw UsageFailure(
            fmt::format("--fec: '{}' is not k,h or k,h,on-demand, for example 8,2", text));
    ParityArguments out;
    const std::uint64_t group = whole_number("--fec k", parts[0], 2, 128);
    if (!std::has_single_bit(group))
        throw UsageFailure(fmt::format("--fec: k is 2, 4, 8, 16, 32, 64 or 128, not {}", group));
    out.group = static_cast<std::uint8_t>(group);
    out.proactive =
        static_cast<std::uint8_t>(whole_number("--fec h", parts[1], 0, kMostOfGroup - group));
    out.on_demand = parts.size() == 3;
    if (out.proactive == 0 && !out.on_demand)
        throw UsageFailure(
            fmt::format("--fec: {} is no parity at all; add ,on-demand or an h above 0", text));
    return out;
}

std::optional<Arguments> parse_command_line(int argc, const char* const* argv, std::string& help) {
    Arguments out;
    PublishText publish;
    SubscribeText subscribe;
    CLI::App app{"Publishes and subscribes reliable multicast (PGM) through a fanfared.",
                 "fanfare"};
    app.require_subcommand(0, 1);
    app.get_formatter()->column_width(34);
    // What belongs to the tool may stand behind its command as well.
    app.fallthrough();
    bool show_version = false;
    std::string options_socket;
    add_value(app, "--control", out.control, "SOCK",
              "the daemon's socket (default: $FANFARE_CONTROL, /run/fanfare/control.sock)");
    app.add_flag("--version", show_version, "the same as the command version");
    auto* pub =
        app.add_subcommand("pub", "sends standard input to a group, every octet once and in order");
    auto* sub =
        app.add_subcommand("sub", "writes what a sender of a group sends to standard output");
    auto* status = app.add_subcommand("status", "what the daemon is doing");
    auto* options = app.add_subcommand("options", "the table of socket options");
    options
        ->add_option("SOCKET", options_socket,
                     "with the values of this socket, as `fanfare status` numbers it")
        ->option_text(" ");
    auto* version =
        app.add_subcommand("version", "the tool's version, and the daemon's if one answers");
    auto* run = app.add_subcommand(
        "run", "PROGRAM...: runs a program whose IPPROTO_RM sockets become Fanfare's");
    add_publish(*pub, publish);
    add_subscribe(*sub, subscribe);
    status->add_flag("--json", out.status_json, "as JSON");
    run->add_flag("--datagram", out.run_datagrams, "its UDP sockets become Fanfare's too");
    run->prefix_command()->fallthrough(false);

    try {
        // CLI11 takes words from the back.
        std::vector<std::string> words(argv + 1, argv + argc);
        drop_mark_of_run(words);
        app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
    } catch (const CLI::CallForHelp&) {
        help = app.help();  // of the command that was named, if one was
        return std::nullopt;
    } catch (const CLI::CallForAllHelp&) {
        help = app.help("", CLI::AppFormatMode::All);
        return std::nullopt;
    } catch (const CLI::ParseError& e) {
        throw UsageFailure(refusal_of(app, e));
    }
    if (*pub) {
        out.command = Command::publish;
        out.publish = publish_from(publish);
    } else if (*sub) {
        out.command = Command::subscribe;
        out.subscribe = subscribe_from(subscribe);
    } else if (*status) {
        out.command = Command::status;
    } else if (*options) {
        out.command = Command::options;
        if (!options_socket.empty())
            out.options_socket = whole_number("SOCKET", options_socket, 1, ~std::uint64_t{0});
    } else if (*version || (show_version && !*run)) {
        out.command = Command::version;
    } else if (!*run) {
        throw UsageFailure(
            "a command is missing: pub, sub, status, options, version or run; `fanfare --help` "
            "says "
            "more");
    } else {
        out.command = Command::run;
        out.program = run->remaining();
        if (!out.program.empty() && out.program.front().starts_with('-'))
            throw UsageFailure(fmt::format(
                "run: '{}' is not known here; --control stands before run, the program's own flags "
                "behind its name",
                out.program.front()));
    }
    return out;
}

}  // namespace fanfare::tool
