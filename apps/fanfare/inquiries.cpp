#include "apps/fanfare/inquiries.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "apps/fanfare/failure.hpp"
#include "apps/fanfare/option_values.hpp"
#include "apps/fanfare/status_tree.hpp"
#include "client/socket/last_error.hpp"
#include "client/socket/library.hpp"
#include "control/options.hpp"

namespace fanfare::tool {

int show_status(bool json) {
    std::vector<ipc::StatusRecord> records;
    if (client::read_status(records) != 0)
        throw Failure(fmt::format("status: {}", client::last_error_text()));
    const auto tree = status_json(records);
    fmt::print("{}\n", json ? tree.dump(2) : status_text(tree));
    return 0;
}

int show_options(std::uint64_t socket) {
    const auto role = [](control::OptionRole r) {
        return r == control::OptionRole::any      ? "any"
               : r == control::OptionRole::sender ? "sender"
                                                  : "receiver";
    };
    const std::size_t widest = 72;  // the longest range
    fmt::print("{:<32} {:>6}  {:<20} {:<9} {:<17} {:<{}}{}\n", "NAME", "NUMBER", "TYPE", "ROLE",
               "DEFAULT", "RANGE", socket != 0 ? widest : 0, socket != 0 ? "VALUE" : "");
    for (const control::OptionRow& row : control::option_table())
        fmt::print("{:<32} {:>6}  {:<20} {:<9} {:<17} {:<{}}{}\n", row.name, row.number, row.type,
                   role(row.role), row.default_value, row.range, socket != 0 ? widest : 0,
                   socket != 0 ? option_value(row, socket) : "");
    fmt::print(
        "\nLevel IPPROTO_RM ({}); to be set before connect or listen unless a row says more.\n",
        control::kLevelRm);
    return 0;
}

int show_version(const std::string& daemon) {
    fmt::print("fanfare {}\n", FANFARE_VERSION);
    if (!daemon.empty()) fmt::print("fanfared {}\n", daemon);
    return 0;
}

int run_program(const std::vector<std::string>& program, const std::string& control,
                bool datagrams) {
    constexpr const char* kLibrary = "libfanfare-preload.so";
    if (program.empty()) throw UsageFailure("run needs a PROGRAM, for example `fanfare run ./app`");
    std::error_code ignored;
    const auto self = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
    std::string found;
    // Beside the tool, where the build makes it, where installation puts it.
    for (const auto& place :
         {self, self / "../client", self / ".." / FANFARE_LIBRARY_FOLDER, self / "../lib"})
        if (found.empty() && ::access((place / kLibrary).c_str(), R_OK) == 0)
            found = std::filesystem::canonical(place / kLibrary, ignored).string();
    if (found.empty())
        throw Failure(fmt::format(
            "run: {} is neither beside the tool in {} nor in its ../{}; build or install it there",
            kLibrary, self.string(), FANFARE_LIBRARY_FOLDER));
    const char* before = std::getenv("LD_PRELOAD");
    const std::string preload =
        before != nullptr && *before != 0 ? std::string(before) + ":" + found : found;
    ::setenv("LD_PRELOAD", preload.c_str(), 1);
    if (datagrams) ::setenv("FANFARE_DATAGRAM", "1", 1);
    // The program may go to another directory.
    if (!control.empty())
        ::setenv("FANFARE_CONTROL", std::filesystem::absolute(control).c_str(), 1);
    std::vector<char*> argv;
    for (const std::string& word : program) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    ::execvp(argv[0], argv.data());
    throw Failure(
        fmt::format("run: the program {} can't be started: {}", program[0], std::strerror(errno)));
}

}  // namespace fanfare::tool
