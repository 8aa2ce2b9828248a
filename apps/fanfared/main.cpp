// fanfared: reads what it is told, puts dataplane and control together, serves until SIGTERM or
// SIGINT, or until its terminal goes away.
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/access.hpp"
#include "control/address_claim.hpp"
#include "control/archive.hpp"
#include "control/config.hpp"
#include "control/control_socket.hpp"
#include "control/loop.hpp"
#include "control/text.hpp"
#include "embed/devices.hpp"
#include "embed/link_watch.hpp"
#include "embed/workers.hpp"
#include "engine/checksum/checksum.hpp"
#include "ipc/sigbus.hpp"
#include "ipc/standard_streams.hpp"

namespace {

using namespace fanfare;

constexpr int kFailed = 1, kWrongUse = 2;

void say(const std::string& line) {
    std::fprintf(stderr, "fanfared: %s\n", line.c_str());
}

int fail(const std::string& line, int status = kFailed) {
    say(line);
    return status;
}

std::string machine_id() {
    std::string id;
    std::ifstream("/etc/machine-id") >> id;
    if (!id.empty()) return id;
    char name[256] = {};
    ::gethostname(name, sizeof(name) - 1);
    return name;
}

// Best kernels of this CPU, or a lower level where the environment asks for one.
const checksum::Kernels* choose_kernels(std::string& error) {
    const char* wish = std::getenv("FANFARE_SIMD_LEVEL");
    if (wish == nullptr || *wish == 0) return &checksum::best_kernels();
    const std::string level = wish;
    if (level == "scalar") return &checksum::kernels(checksum::Level::scalar);
    if (level == "avx2") return &checksum::kernels(checksum::Level::avx2);
    if (level == "avx512") return &checksum::kernels(checksum::Level::avx512);
    error = "FANFARE_SIMD_LEVEL=" + level + " is none of scalar, avx2, avx512";
    return nullptr;
}

// Two descriptors a socket and one a client: as many as the system gives.
void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

std::string describe(const std::vector<control::Interface>& interfaces) {
    std::string text;
    for (const auto& i : interfaces) {
        if (!text.empty()) text += ", ";
        text += i.spec.name + " " + control::to_string(i.spec.address) + "/" +
                std::to_string(i.spec.prefix) + " (" + i.device + ", MTU " + std::to_string(i.mtu) +
                (i.gone ? ", missing"
                 : i.up ? ""
                        : ", link down") +
                ")";
    }
    return text;
}

int run(const control::Config& config) {
    std::string error;
    const checksum::Kernels* kernels = choose_kernels(error);
    if (kernels == nullptr) return fail(error, kWrongUse);

    // Before any thread is made: all inherit the mask, and the loop alone hears of these signals.
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    // A terminal that goes away ends it in good order too, unless nohup says otherwise.
    struct sigaction hangup {};
    if (::sigaction(SIGHUP, nullptr, &hangup) == 0 && hangup.sa_handler != SIG_IGN)
        sigaddset(&signals, SIGHUP);
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    const ipc::Descriptor stop(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
    raise_descriptor_limit();

    std::optional<gid_t> group;
    if (!config.group.empty()) {
        group = control::find_group(config.group);
        if (!group)
            return fail("there is no group '" + config.group +
                        "' (daemon.group, --group); create it with groupadd or name another one");
    }
    if (!embed::check_devices(config, error)) return fail(error);
    auto socket = control::ControlSocket::open(config.control, group, error);
    if (!socket) return fail(error);
    control::AddressClaims claims;
    if (!claims.take(config.interfaces, error)) return fail(error);

    std::vector<control::Interface> interfaces = control::interface_list(config);
    control::ControlSettings settings = control::control_settings(config, machine_id());
    settings.version = FANFARE_VERSION;
    std::uint64_t seed = 0;
    if (::getentropy(&seed, sizeof(seed)) != 0)
        return fail("the kernel gives no random numbers (getentropy)");
    settings.first_id = seed >> 10;
    const auto workers = embed::Workers::open(config, interfaces, *kernels, seed, say, error);
    if (!workers) return fail(error);
    if (!ipc::install_sigbus_handler()) return fail("the kernel refuses a SIGBUS handler");

    auto monitor = embed::watch_links(interfaces, error);
    if (!monitor) return fail(error);

    control::SystemServices services(*kernels, workers->descriptors(), config.memory_huge_pages);
    services.set_steering(workers.get());
    const auto links = workers->links();
    std::unique_ptr<control::Archive> archive;
    if (config.repairs() && !config.repairer_directory.empty()) {
        control::ArchiveSettings files;
        files.directory = config.repairer_directory;
        files.file_bytes = config.repairer_file_mib << 20;
        files.ring_worker = [&](std::uint32_t worker) { services.ring_worker(*links[worker]); };
        files.log = say;
        archive = control::Archive::open(files, error);
        if (!archive) return fail(error);
        services.set_archive(archive.get());
    }
    int status = 0;
    {
        control::Controller controller(settings, interfaces, links, services);
        control::LoopSettings loop_settings;
        loop_settings.listener = socket->descriptor();
        loop_settings.group = group;
        loop_settings.connections_max = static_cast<std::uint32_t>(config.limits_connections);
        loop_settings.malformed_max = static_cast<std::uint32_t>(config.limits_malformed_requests);
        loop_settings.stop = stop.get();
        loop_settings.log = say;
        loop_settings.serves = [&](std::uint32_t i) { return workers->follow_interface(i); };
        embed::LinkWatch watch(*workers, controller, say);
        loop_settings.each_tick = [&] {
            workers->steering_turn();
            watch.tick();
            claims.turn_away();
        };
        const auto loop =
            control::Loop::open(loop_settings, controller, services, links, &*monitor, error);
        if (!loop) return fail(error);
        if (workers->launch(error)) {
            say("ready, control socket " + config.control + ", interfaces " + describe(interfaces));
            loop->run();
        } else {
            status = fail(error);
        }
        workers->stop();
    }
    return status;
}

}  // namespace

int main(int argc, char** argv) {
    ipc::occupy_standard_streams();
    control::Config config;
    std::string error;
    switch (control::read_command_line(argc, argv, FANFARE_VERSION, config, error)) {
        case control::CommandLine::done:
            return 0;
        case control::CommandLine::wrong:
            return fail(error, kWrongUse);
        case control::CommandLine::run:
            break;
    }
    return run(config);
}
