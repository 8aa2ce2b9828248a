// The tool: a command line in, one of its commands run, one line when that fails.
#include <fmt/core.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "apps/fanfare/arguments.hpp"
#include "apps/fanfare/daemon_link.hpp"
#include "apps/fanfare/failure.hpp"
#include "apps/fanfare/inquiries.hpp"
#include "apps/fanfare/publish.hpp"
#include "apps/fanfare/subscribe.hpp"
#include "ipc/standard_streams.hpp"

namespace {

using namespace fanfare::tool;

int version(const Arguments& arguments) {
    std::string daemon;
    try {
        daemon = DaemonLink(arguments.control).daemon_version();
    } catch (const Failure&) {
        // The tool's own version is no matter of a daemon.
    }
    return show_version(daemon);
}

int run(int argc, const char* const* argv) {
    std::string help;
    const auto arguments = parse_command_line(argc, argv, help);
    if (!arguments) {
        fmt::print("{}", help);
        return 0;
    }
    switch (arguments->command) {
        case Command::options:
            if (arguments->options_socket != 0) {
                const DaemonLink link(arguments->control);
                return show_options(arguments->options_socket);
            }
            return show_options(0);
        case Command::version:
            return version(*arguments);
        case Command::run:
            return run_program(arguments->program, arguments->control, arguments->run_datagrams);
        default:
            break;
    }
    const DaemonLink link(arguments->control);
    switch (arguments->command) {
        case Command::publish:
            return publish(arguments->publish);
        case Command::subscribe:
            return subscribe(arguments->subscribe);
        default:
            return show_status(arguments->status_json);
    }
}

}  // namespace

int main(int argc, char** argv) {
    fanfare::ipc::occupy_standard_streams();
    try {
        const int status = run(argc, argv);
        // What was printed to a full disk was not printed.
        if (std::fflush(stdout) != 0)
            throw Failure(fmt::format("standard output: {}", std::strerror(errno)));
        return status;
    } catch (const Failure& failure) {
        fmt::print(stderr, "fanfare: {}\n", failure.what());
        return failure.status();
    } catch (const std::exception& e) {
        fmt::print(stderr, "fanfare: {}\n", e.what());
        return kStatusFailed;
    }
}
