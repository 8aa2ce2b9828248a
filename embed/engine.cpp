#include "embed/engine.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <mutex>
#include <optional>
#include <utility>

#include "client/socket/library.hpp"
#include "control/controller.hpp"
#include "control/system_services.hpp"
#include "embed/devices.hpp"
#include "embed/link_watch.hpp"
#include "embed/workers.hpp"
#include "engine/checksum/checksum.hpp"
#include "ipc/sigbus.hpp"

namespace fanfare::embed {
namespace {

std::string host_name() {
    std::string id;
    std::ifstream("/etc/machine-id") >> id;
    if (!id.empty()) return id;
    char name[256] = {};
    ::gethostname(name, sizeof(name) - 1);
    return name;
}

// The client closes what comes with a reply: it gets duplicates of what stays ours.
int passed(const control::PassedDescriptor& descriptor) {
    return descriptor.close_after ? descriptor.descriptor : ::dup(descriptor.descriptor);
}

}  // namespace

namespace {

// What sockets reach the engine by: they keep it, and a forgotten one may be closed when the engine
// has gone.
struct Gate {
    std::mutex mutex;  // requests may come from any thread, turns of control from the polling one
    bool open = true;
};

}  // namespace

struct Engine::Parts {
    std::unique_ptr<Workers> workers;
    std::unique_ptr<control::SystemServices> services;
    std::unique_ptr<control::Controller> controller;
    dataplane::WorkerLink* link = nullptr;
    std::optional<control::LinkMonitor> monitor;
    std::optional<LinkWatch> links;
    const std::shared_ptr<Gate> gate = std::make_shared<Gate>();

    // With the gate's mutex held.
    void answer(std::span<const std::byte> request, client::Reply& reply) {
        const control::Peer peer{static_cast<std::uint32_t>(::geteuid()), ::getpid()};
        const control::Outcome outcome = controller->request(request, peer, workers->now());
        reply = {};
        if (outcome.reply.size() > reply.octets.size()) {
            reply.error = EMSGSIZE;
            return;
        }
        std::memcpy(reply.octets.data(), outcome.reply.data(), outcome.reply.size());
        reply.bytes = outcome.reply.size();
        for (const auto& descriptor : outcome.descriptors) {
            if (reply.descriptor_count == reply.descriptors.size()) break;
            const int fd = passed(descriptor);
            if (fd < 0) {
                reply.error = errno;
                return;
            }
            reply.descriptors[reply.descriptor_count++] = fd;
        }
    }
};

Engine::Engine(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

std::unique_ptr<Engine> Engine::open(control::Config config, std::string& error,
                                     std::function<void(const std::string&)> log) {
    if (config.interfaces.empty()) {
        error = "an engine needs an interface: add_interface_flag(\"NAME,ADDRESS/PREFIX,DEVICE\")";
        return nullptr;
    }
    if (!control::complete(config, error)) return nullptr;
    // One worker: the caller's thread. The first core named is where DPDK's own threads stand.
    config.lcores = config.lcores.substr(0, config.lcores.find_first_of(",-"));
    const checksum::Kernels& kernels = checksum::best_kernels();
    std::vector<control::Interface> interfaces = control::interface_list(config);
    control::ControlSettings settings = control::control_settings(config, host_name());
    settings.version = FANFARE_VERSION;
    std::uint64_t seed = 0;
    if (::getentropy(&seed, sizeof(seed)) != 0) {
        error = "the kernel gives no random numbers (getentropy)";
        return nullptr;
    }
    auto parts = std::make_unique<Parts>();
    if (!check_devices(config, error)) return nullptr;
    parts->workers = Workers::open(config, interfaces, kernels, seed, log, error);
    if (!parts->workers) return nullptr;
    parts->monitor = watch_links(interfaces, error);
    if (!parts->monitor) return nullptr;
    if (!ipc::install_sigbus_handler()) {
        error = "the kernel refuses a SIGBUS handler";
        return nullptr;
    }
    parts->services = std::make_unique<control::SystemServices>(
        kernels, parts->workers->descriptors(), config.memory_huge_pages);
    parts->services->share_process();
    const auto links = parts->workers->links();
    parts->link = links.front();
    parts->controller =
        std::make_unique<control::Controller>(settings, interfaces, links, *parts->services);
    parts->links.emplace(*parts->workers, *parts->controller, std::move(log));
    Parts* const p = parts.get();
    std::unique_ptr<Engine> engine(new Engine(std::move(parts)));
    // The pool of windows is filled before the first packet wants one.
    while (p->controller->poll(p->workers->now())) p->workers->poll(0, p->workers->now());
    client::set_request_function(
        [p, gate = p->gate](std::span<const std::byte> request, client::Reply& reply) {
            const std::lock_guard lock(gate->mutex);
            if (gate->open) return p->answer(request, reply);
            reply = {};
            reply.error = ECONNRESET;
        });
    return engine;
}

Engine::~Engine() {
    client::set_request_function({});
    Parts& p = *parts_;
    {
        const std::lock_guard lock(p.gate->mutex);
        p.controller->stop(p.workers->now());
    }
    // Sessions that are open say so on the wire; the worker answers within the grace that control
    // gives them.
    const Nanos until = p.workers->now() + kSecond;
    while (!p.controller->stopped() && p.workers->now() < until) poll();
    const std::lock_guard lock(p.gate->mutex);
    p.gate->open = false;
    p.links.reset();
    p.controller.reset();
    p.services.reset();
}

std::size_t Engine::poll() {
    Parts& p = *parts_;
    const Nanos now = p.workers->now();
    std::size_t work = p.workers->poll(0, now);
    if (p.link->events.front() != nullptr || now >= p.controller->next_deadline()) {
        const std::lock_guard lock(p.gate->mutex);
        // Ten times a second, and never for a packet.
        if (now >= p.controller->next_deadline()) {
            p.links->read(*p.monitor);
            p.links->tick();
        }
        p.controller->poll(now);
        ++work;
    }
    return work;
}

bool Engine::drained() const {
    const std::lock_guard lock(parts_->gate->mutex);
    const auto& sessions = parts_->controller->registry().send_sessions;
    return std::all_of(sessions.begin(), sessions.end(),
                       [](const auto& entry) { return entry.second.done; });
}

Nanos Engine::now() const {
    return parts_->workers->now();
}

}  // namespace fanfare::embed
