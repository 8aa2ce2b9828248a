#include "embed/workers.hpp"

#include <net/if.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "dataplane/dpdk/eal.hpp"
#include "dataplane/dpdk/flow_steering.hpp"
#include "dataplane/dpdk/lcore_runner.hpp"
#include "dataplane/handover.hpp"
#include "dataplane/worker.hpp"
#include "embed/devices.hpp"
#include "ipc/layout.hpp"
#include "ipc/memory.hpp"

namespace fanfare::embed {
namespace {

namespace dpdk = dataplane::dpdk;
using AnyWorker = dataplane::Worker<AnyPort>;

dpdk::Idle idle_of(const std::string& word) {
    if (word == "busy") return dpdk::Idle::busy;
    return word == "sleep" ? dpdk::Idle::sleep : dpdk::Idle::yield;
}

// What one worker shares with control and clients.
struct Shared {
    explicit Shared(std::uint32_t index) : link(index) {}
    dataplane::WorkerLink link;
    ipc::Region page;
    ipc::Descriptor doorbell, control_bell;

    bool open(std::string& error) {
        ipc::MemoryFailure failure;
        auto region = ipc::Region::create({"fanfare-worker", ipc::kPageSize, false, true}, failure);
        if (!region || !region->seal(ipc::SealKind::receive, failure)) {
            error = "no memory for a worker's page: " + failure.text;
            return false;
        }
        page = std::move(*region);
        link.page = ipc::init_worker_page(page.memory(), link.worker);
        doorbell.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        control_bell.reset(::eventfd(0, EFD_CLOEXEC));
        if (!doorbell || !control_bell) {
            error = std::string("no descriptor for a worker's bells: ") + std::strerror(errno);
            return false;
        }
        link.doorbell = doorbell.get();
        link.control_bell = control_bell.get();
        return true;
    }
};

}  // namespace

// In the order in which they are made; they go in the reverse one.
struct Workers::Parts {
    dpdk::Idle idle = dpdk::Idle::yield;
    std::uint64_t idle_spin_us = 0, idle_sleep_us = 0;
    std::unique_ptr<dpdk::Eal> eal;
    std::unique_ptr<Devices> devices;
    // One for each device of DPDK, null for others; empty for one worker alone, and where rules are
    // not wanted.
    std::vector<std::unique_ptr<dpdk::FlowSteering>> steering;
    std::vector<std::unique_ptr<Shared>> shared;
    std::unique_ptr<dataplane::HandoverMesh> mesh;
    std::vector<std::unique_ptr<AnyWorker>> workers;
    std::unique_ptr<dpdk::LcoreRunner> runner;
};

Workers::Workers(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Workers::~Workers() {
    stop();
}

std::unique_ptr<Workers> Workers::open(const control::Config& config,
                                       std::vector<control::Interface>& interfaces,
                                       const checksum::Kernels& kernels, std::uint64_t seed,
                                       const std::function<void(const std::string&)>& log,
                                       std::string& error) {
    auto parts = std::make_unique<Parts>();
    dpdk::EalSettings eal;
    eal.request = eal_request(config);
    eal.log = log;
    parts->idle = idle_of(config.idle);
    parts->idle_spin_us = config.idle_spin_us;
    parts->idle_sleep_us = config.idle_sleep_us;
    parts->eal = dpdk::Eal::start(eal, error);
    if (!parts->eal) return nullptr;
    const unsigned count = parts->eal->workers();
    if (count == 0 || count > dataplane::kMaxWorkers) {
        error = "daemon.lcores (--lcores) names " + std::to_string(count) + " cores; 1 to " +
                std::to_string(dataplane::kMaxWorkers) + " are possible";
        return nullptr;
    }
    parts->devices = Devices::open(*parts->eal, config, static_cast<std::uint16_t>(count), error);
    if (!parts->devices) return nullptr;

    std::uint16_t mtu_max = 0;
    dataplane::WorkerConfig worker;
    for (std::size_t i = 0; i < parts->devices->count(); ++i) {
        for (const auto& note : parts->devices->notes(i))
            if (log) log(note);
        parts->devices->describe(i, interfaces[i]);
        if (!interfaces[i].kernel_name.empty())
            interfaces[i].kernel_index = ::if_nametoindex(interfaces[i].kernel_name.c_str());
        if (interfaces[i].gone && log)
            log("interface " + interfaces[i].spec.name + ": there is no kernel interface \"" +
                interfaces[i].kernel_name +
                "\" here (\"ip link\" lists them). It counts as removed until there is one, and is "
                "taken into use then; if the name is wrong, mend it in the configuration and start "
                "fanfared anew");
        worker.interfaces.push_back(interfaces[i].spec);
        mtu_max = std::max(mtu_max, parts->devices->mtu(i));
    }
    for (std::size_t i = 0; count > 1 && config.steering && i < parts->devices->count(); ++i) {
        const dpdk::Device* const device = parts->devices->dpdk_device(i);
        parts->steering.push_back(
            device == nullptr || device->missing()
                ? nullptr
                : std::make_unique<dpdk::FlowSteering>(device->port_id(), device->ports(),
                                                       interfaces[i].spec.vlan));
        if (!parts->steering.back()) continue;
        const auto& found = parts->steering.back()->abilities();
        if (log && device->ports() > 1 && found.raw == dataplane::SteeringMethod::hand_over &&
            found.udp == dataplane::SteeringMethod::hand_over)
            log("interface " + device->interface() + ": " + device->name() +
                " takes no rules for sessions: what arrives at a worker that does not own it is "
                "handed over");
    }
    parts->mesh = std::make_unique<dataplane::HandoverMesh>(count, mtu_max, config.handover_slots);
    worker.workers = count;
    worker.receive_loss = config.loss;
    worker.receive_sessions_max = static_cast<std::uint32_t>(config.limits_receive_sessions);
    worker.source_sessions_max = static_cast<std::uint32_t>(config.limits_send_sessions);
    worker.kernels = &kernels;
    worker.wake = control::system_wake_functions();
    for (unsigned w = 0; w < count; ++w) {
        parts->shared.push_back(std::make_unique<Shared>(w));
        if (!parts->shared.back()->open(error)) return nullptr;
        worker.index = w;
        worker.seed = seed + w;
        std::vector<AnyPort*> ports;
        for (std::size_t i = 0; i < parts->devices->count(); ++i)
            ports.push_back(parts->devices->port(i, static_cast<std::uint16_t>(w)));
        parts->workers.push_back(
            std::make_unique<AnyWorker>(worker, parts->shared.back()->link, std::move(ports),
                                        count > 1 ? parts->mesh.get() : nullptr));
    }
    parts->runner = std::make_unique<dpdk::LcoreRunner>(*parts->eal);
    return std::unique_ptr<Workers>(new Workers(std::move(parts)));
}

bool Workers::launch(std::string& error) {
    for (unsigned w = 0; w < parts_->workers.size(); ++w) {
        dpdk::IdleSettings idle;
        idle.idle = parts_->idle;
        idle.page = parts_->shared[w]->link.page;
        idle.spin_ns = static_cast<Nanos>(parts_->idle_spin_us) * kMicrosecond;
        idle.sleep_ns = static_cast<Nanos>(parts_->idle_sleep_us) * kMicrosecond;
        idle.doorbell = parts_->shared[w]->link.doorbell;
        if (!parts_->runner->launch(w, dpdk::pollable(*parts_->workers[w]), idle, error))
            return false;
    }
    return true;
}

void Workers::stop() {
    if (!parts_->runner) return;
    parts_->runner->request_stop();
    parts_->runner->wait();
    parts_->runner.reset();
}

std::size_t Workers::poll(unsigned index, Nanos now) {
    return parts_->workers[index]->poll(now);
}

Nanos Workers::now() const {
    return parts_->eal->clock().now();
}

unsigned Workers::count() const {
    return static_cast<unsigned>(parts_->workers.size());
}

std::vector<dataplane::WorkerLink*> Workers::links() const {
    std::vector<dataplane::WorkerLink*> out;
    for (const auto& shared : parts_->shared) out.push_back(&shared->link);
    return out;
}

std::vector<control::WorkerDescriptors> Workers::descriptors() const {
    std::vector<control::WorkerDescriptors> out;
    for (const auto& shared : parts_->shared)
        out.push_back({shared->page.descriptor(), shared->doorbell.get()});
    return out;
}

bool Workers::steers(std::uint32_t interface) const {
    return interface < parts_->steering.size() && parts_->steering[interface];
}

void Workers::steer(const dataplane::SteeredSession& session) {
    if (steers(session.interface)) parts_->steering[session.interface]->open(session);
}

void Workers::unsteer(std::uint32_t interface, std::uint64_t session_id) {
    if (steers(interface)) parts_->steering[interface]->close(session_id);
}

void Workers::steering_turn() {
    for (const auto& steering : parts_->steering)
        if (steering) steering->turn();
}

control::SteeringFigures Workers::steering(std::uint32_t interface) const {
    if (!steers(interface)) return {};
    const dpdk::FlowSteering& steering = *parts_->steering[interface];
    return {dataplane::to_string(steering.abilities().raw),
            dataplane::to_string(steering.abilities().udp), steering.rules(), steering.refused(),
            steering.handed_over()};
}

bool Workers::follow_interface(std::uint32_t interface) {
    return parts_->devices->follow_interface(interface);
}

std::string Workers::trouble(std::uint32_t interface) const {
    return parts_->devices->trouble(interface);
}

bool Workers::link_up(std::uint32_t interface, bool& gone) const {
    const dpdk::DeviceLink link = parts_->devices->link(interface);
    gone = link.gone;
    return link.up;
}

}  // namespace fanfare::embed
