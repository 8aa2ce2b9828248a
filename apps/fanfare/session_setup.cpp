#include "apps/fanfare/session_setup.hpp"

#include <fmt/core.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "apps/fanfare/failure.hpp"

namespace fanfare::tool {

namespace {

template <typename T>
void set(Socket& socket, const std::string& flag, int name, const T& value) {
    if (fanfare_setsockopt(socket.fd(), IPPROTO_RM, name, &value, sizeof value) != 0)
        throw Failure(fmt::format("{}: {}", flag, fanfare_last_error_text()));
}

std::uint32_t number_of_profile(const std::string& name) {
    return name == "windows" ? 1 : name == "openpgm" ? 2 : 0;
}

const char* last_words = "";
void end_at_once(int) {
    // Only what a signal handler may do. The progress line, if any, is left standing.
    std::size_t length = 0;
    while (last_words[length] != 0) ++length;
    (void)!::write(STDERR_FILENO, last_words, length);
    ::_exit(kStatusFailed);
}

}  // namespace

void set_option(Socket& socket, const std::string& flag, int name, std::uint32_t value) {
    set(socket, flag, name, value);
}
void set_option64(Socket& socket, const std::string& flag, int name, std::uint64_t value) {
    set(socket, flag, name, value);
}

void set_parity(Socket& socket, const ParityArguments& parity) {
    RM_FEC_INFO info{};
    info.FECBlockSize = 255;
    info.FECProActivePackets = parity.proactive;
    info.FECGroupSize = parity.group;
    info.fFECOnDemandParityEnabled = parity.on_demand ? 1 : 0;
    set(socket, "--fec", RM_USE_FEC, info);
}

void set_session_options(Socket& socket, const SessionArguments& arguments) {
    if (arguments.profile)
        set_option(socket, "--profile " + *arguments.profile, FANFARE_PROFILE,
                   number_of_profile(*arguments.profile));
    if (arguments.udp_port != 0)
        set_option(socket, fmt::format("--udp {}", arguments.udp_port), FANFARE_UDP_PORT,
                   arguments.udp_port);
}

std::string text_of(const sockaddr_in& address) {
    return fmt::format("{}:{}", address_text(ntohl(address.sin_addr.s_addr)),
                       ntohs(address.sin_port));
}

void expect_report(const std::string& file) {
    if (file.empty() || file == "-") return;
    // A file that is there, or the folder where it will be; nothing is made or cut short yet.
    struct stat about {};
    std::string place = file;
    int right = W_OK;
    if (::stat(file.c_str(), &about) != 0 && errno == ENOENT) {
        const auto folder = std::filesystem::path(file).parent_path().string();
        place = folder.empty() ? "." : folder;
        right = W_OK | X_OK;
    } else if (S_ISDIR(about.st_mode)) {
        throw Failure(fmt::format("--report {}: it is a folder; name a file", file));
    }
    if (::access(place.c_str(), right) != 0)
        throw Failure(fmt::format("--report {}: {}", file, std::strerror(errno)));
}

void write_report(const std::string& file, const std::string& line) {
    std::FILE* out = file == "-" ? stdout : std::fopen(file.c_str(), "we");
    if (out == nullptr) throw Failure(fmt::format("--report {}: {}", file, std::strerror(errno)));
    fmt::print(out, "{}\n", line);
    const bool good = std::fflush(out) == 0;
    if (out != stdout) std::fclose(out);
    if (!good) throw Failure(fmt::format("--report {}: {}", file, std::strerror(errno)));
}

void end_on_signals(const char* line) {
    last_words = line;
    struct sigaction action {};
    action.sa_handler = end_at_once;
    for (const int number : {SIGINT, SIGTERM}) ::sigaction(number, &action, nullptr);
    // Whoever was started by nohup outlives its terminal.
    struct sigaction hangup {};
    if (::sigaction(SIGHUP, nullptr, &hangup) != 0 || hangup.sa_handler != SIG_IGN)
        ::sigaction(SIGHUP, &action, nullptr);
    // A reader of our output that went away is an error of write, with a line of its own.
    ::signal(SIGPIPE, SIG_IGN);
}

}  // namespace fanfare::tool
