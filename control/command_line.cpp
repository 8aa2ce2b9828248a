// Flags of the daemon into Config.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <iostream>

#include "control/config_keys.hpp"

namespace fanfare::control {

CommandLine read_command_line(int argc, const char* const* argv, std::string_view version,
                              Config& config, std::string& error) {
    // What stands behind `--` is the EAL's.
    std::vector<std::string> eal;
    int own = argc;
    for (int i = 1; i < argc; ++i) {
        if (std::string_view(argv[i]) == "--") {
            own = i;
            eal.assign(argv + i + 1, argv + argc);
            break;
        }
    }

    std::string file, control, group, lcores, idle, role, loss;
    std::vector<std::string> interfaces, gateways, follow;
    bool take_over = false;
    CLI::App app(
        "Fanfare's daemon: reliable multicast (PGM, RFC 3208) for the programs of this host",
        "fanfared");
    app.set_version_flag("--version", "fanfared " + std::string(version));
    app.footer(
        "Arguments behind -- go to DPDK's EAL. conf/fanfare.toml explains every key of the "
        "configuration.");
    app.add_option("--config", file, "TOML file; flags win over it")->option_text("FILE");
    app.add_option("--control", control, "the daemon's Unix socket (daemon.control)")
        ->option_text("SOCK");
    app.add_option("--group", group, "whose members may use the daemon (daemon.group)")
        ->option_text("NAME");
    app.add_option("--lcores", lcores, "cores of the workers, e.g. 0 or 2,3 or 2-5 (daemon.lcores)")
        ->option_text("LIST");
    app.add_option("--interface", interfaces,
                   "a port and its address; more than one is fine ([[interface]])")
        ->option_text("NAME,ADDRESS/PREFIX,DEVICE")
        ->expected(1)
        ->allow_extra_args(false)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    app.add_option("--gateway", gateways,
                   "next hop for addresses outside the prefix (interface.gateway)")
        ->option_text("NAME=ADDRESS")
        ->expected(1)
        ->allow_extra_args(false)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    app.add_option("--idle", idle,
                   "what a worker without work does: busy, yield, sleep (daemon.idle)")
        ->option_text("busy|yield|sleep");
    app.add_option("--role", role, "host, or a designated local repairer, dlr (daemon.role)")
        ->option_text("host|dlr");
    app.add_option("--follow", follow,
                   "role dlr: sessions to repair; more than one is fine (repairer.follow)")
        ->option_text("GROUP[:PORT][,udp=PORT]")
        ->expected(1)
        ->allow_extra_args(false)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    app.add_option("--rx-loss", loss, "drop received packets on purpose (daemon.rx_loss)")
        ->option_text("PERCENT[,SEED]");
    app.add_flag("--take-over", take_over,
                 "AF_XDP may take the interface of the default route (daemon.take_over)");
    try {
        // CLI11 takes arguments from the back.
        std::vector<std::string> arguments;
        for (int i = own - 1; i >= 1; --i) arguments.emplace_back(argv[i]);
        app.parse(arguments);
    } catch (const CLI::CallForHelp&) {
        std::cout << app.help();
        return CommandLine::done;
    } catch (const CLI::CallForVersion&) {
        std::cout << "fanfared " << version << '\n';
        return CommandLine::done;
    } catch (const CLI::ParseError& wrong) {
        error = fmt::format("{}; see fanfared --help", wrong.what());
        return CommandLine::wrong;
    }

    if (!file.empty() && !read_config_file(file, config, error)) return CommandLine::wrong;
    struct Text {
        const char* flag;
        const char* key;
        const std::string& value;
    };
    for (const Text& text : {Text{"--control", "daemon.control", control},
                             {"--group", "daemon.group", group},
                             {"--lcores", "daemon.lcores", lcores},
                             {"--idle", "daemon.idle", idle},
                             {"--role", "daemon.role", role},
                             {"--rx-loss", "daemon.rx_loss", loss}}) {
        if (text.value.empty()) continue;
        const ConfigKey& key = *find_config_key(text.key);
        if (!is_choice(key, text.value)) {
            error = fmt::format("{} '{}' is none of {}", text.flag, text.value, key.choices);
            return CommandLine::wrong;
        }
        config.*std::get<std::string Config::*>(key.member) = text.value;
    }
    if (take_over) config.take_over = true;
    if (!follow.empty()) config.repairer_follow = std::move(follow);
    if (!interfaces.empty()) config.interfaces.clear();  // a flag's list stands for the file's
    for (const auto& text : interfaces)
        if (!add_interface_flag(text, config, error)) return CommandLine::wrong;
    for (const auto& text : gateways)
        if (!add_gateway_flag(text, config, error)) return CommandLine::wrong;
    if (!eal.empty()) config.eal = std::move(eal);
    return complete(config, error) ? CommandLine::run : CommandLine::wrong;
}

}  // namespace fanfare::control
