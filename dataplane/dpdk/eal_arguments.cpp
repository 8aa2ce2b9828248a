#include "dataplane/dpdk/eal_arguments.hpp"

#include <algorithm>
#include <charconv>

#include "dataplane/commands.hpp"
#include "dataplane/dpdk/device_text.hpp"

namespace fanfare::dataplane::dpdk {

namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
// What the daemon has without any device: EAL tables, the drivers' own memory.
constexpr std::uint64_t kBaseBytes = 64 * kMiB;
constexpr std::uint64_t kDefaultBytes = 256 * kMiB;
// 16384 buffers of a queue pair: descriptors, frames under way and 16 ms of a busy port.
constexpr std::uint64_t kBuffersPerQueue = 16384;
// mbuf, its headroom and the mempool's own header and padding.
constexpr std::uint64_t kBufferOverhead = 128 + 128 + 128;

bool names_option(const std::vector<std::string>& arguments,
                  std::initializer_list<std::string_view> options) {
    for (const auto& argument : arguments)
        for (const auto option : options) {
            if (argument == option) return true;
            // --option=value, or -oVALUE
            if (argument.rfind(option, 0) != 0) continue;
            if (option.rfind("--", 0) == 0 ? argument[option.size()] == '=' : option.size() == 2)
                return true;
        }
    return false;
}

std::string cpu_list(const std::vector<unsigned>& cpus) {
    std::string out;
    for (std::size_t i = 0; i < cpus.size();) {
        std::size_t last = i;
        while (last + 1 < cpus.size() && cpus[last + 1] == cpus[last] + 1) ++last;
        out += (out.empty() ? "" : ",") + std::to_string(cpus[i]);
        if (last > i) out += '-' + std::to_string(cpus[last]);
        i = last + 1;
    }
    return out;
}

std::optional<unsigned> number(std::string_view s) {
    unsigned value = 0;
    const auto [end, problem] = std::from_chars(s.data(), s.data() + s.size(), value);
    if (problem != std::errc{} || end != s.data() + s.size()) return std::nullopt;
    return value;
}

}  // namespace

std::optional<std::vector<unsigned>> parse_cpus(std::string_view text,
                                                const std::vector<unsigned>& allowed,
                                                std::string& error) {
    std::vector<unsigned> cpus;
    for (std::string_view rest = text; !rest.empty();) {
        const auto comma = rest.find(',');
        const std::string_view item = rest.substr(0, comma);
        rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
        const auto dash = item.find('-');
        const auto first = number(item.substr(0, dash));
        const auto last = dash == std::string_view::npos ? first : number(item.substr(dash + 1));
        if (!first || !last || *last < *first ||
            (comma != std::string_view::npos && rest.empty())) {
            error = "--lcores \"" + std::string(text) + "\" is no list of CPUs such as 0 or 2-3,6";
            return std::nullopt;
        }
        for (unsigned cpu = *first; cpu <= *last; ++cpu) {
            if (std::find(allowed.begin(), allowed.end(), cpu) == allowed.end()) {
                error = "--lcores " + std::string(text) + ": CPU " + std::to_string(cpu) +
                        " is not there for this process; it may use " + cpu_list(allowed);
                return std::nullopt;
            }
            if (cpus.size() == kMaxWorkers) {
                error = "--lcores " + std::string(text) + ": at most " +
                        std::to_string(kMaxWorkers) + " workers";
                return std::nullopt;
            }
            cpus.push_back(cpu);
        }
    }
    return cpus;
}

std::optional<EalPlan> plan_eal(const EalRequest& request, const MemoryFacts& memory,
                                const std::vector<unsigned>& allowed, int process,
                                std::string& error, const std::vector<unsigned>& isolated) {
    if (names_option(request.arguments, {"-l", "-c", "--lcores", "--main-lcore", "-s", "-S"})) {
        error =
            "the EAL arguments behind \"--\" name cores: name them with fanfared's own --lcores";
        return std::nullopt;
    }
    if (names_option(request.arguments, {"--vdev"})) {
        error = "the EAL arguments behind \"--\" name a --vdev: name devices with --interface";
        return std::nullopt;
    }
    EalPlan plan;
    std::vector<unsigned> for_workers = allowed;
    for_workers.insert(for_workers.end(), isolated.begin(), isolated.end());
    std::sort(for_workers.begin(), for_workers.end());
    for_workers.erase(std::unique(for_workers.begin(), for_workers.end()), for_workers.end());
    auto cpus = parse_cpus(request.lcores, for_workers, error);
    if (!cpus) return std::nullopt;
    plan.worker_cpus = std::move(*cpus);

    // Worker i is lcore i on its CPU. The main lcore, which starts the others and then runs the
    // control thread, may go wherever the process may.
    std::string lcores;
    for (std::size_t i = 0; i < plan.worker_cpus.size(); ++i)
        lcores += std::to_string(i) + '@' + std::to_string(plan.worker_cpus[i]) + ',';
    lcores += std::to_string(plan.worker_cpus.size()) + "@(" + cpu_list(allowed) + ')';
    plan.arguments = {"--lcores", lcores, "--main-lcore", std::to_string(plan.worker_cpus.size())};

    bool pci = false;
    for (const auto& text : request.devices) {
        const auto device = parse_device(text, error);
        if (!device) return std::nullopt;
        if (device->kind != DeviceKind::pci) continue;
        pci = true;
        plan.arguments.insert(plan.arguments.end(), {"-a", device->text()});
    }
    if (!pci && !names_option(request.arguments, {"--no-pci", "-a", "--allow", "-b", "--block"}))
        plan.arguments.emplace_back("--no-pci");
    if (!names_option(request.arguments, {"--telemetry", "--no-telemetry"}))
        plan.arguments.emplace_back("--no-telemetry");
    if (!names_option(request.arguments, {"--file-prefix"})) {
        plan.file_prefix = "fanfare-" + std::to_string(process);
        plan.arguments.insert(plan.arguments.end(), {"--file-prefix", plan.file_prefix});
    }
    if (!names_option(request.arguments,
                      {"-m", "--socket-mem", "--no-huge", "--in-memory", "--legacy-mem",
                       "--huge-dir", "--socket-limit", "--no-shconf"})) {
        const std::uint64_t queues = std::max<std::size_t>(1, request.devices.size()) *
                                     std::max<std::size_t>(1, plan.worker_cpus.size());
        const std::uint64_t buffer = std::max<std::uint64_t>(2048, request.mtu) + kBufferOverhead;
        std::uint64_t wanted = request.memory_bytes;
        if (wanted == 0)
            wanted = std::max(kDefaultBytes, kBaseBytes + queues * kBuffersPerQueue * buffer);
        wanted = (wanted + kMiB - 1) / kMiB * kMiB;
        const MemoryChoice choice = choose_memory(memory, wanted);
        plan.huge_pages = choice.huge;
        plan.memory_bytes = choice.bytes;
        // Either way nothing of it is left in the file system, however the process ends.
        if (choice.huge)
            plan.arguments.emplace_back("--in-memory");
        else
            plan.arguments.insert(plan.arguments.end(), {"--no-huge", "--no-shconf"});
        plan.arguments.insert(plan.arguments.end(), {"-m", std::to_string(choice.bytes / kMiB)});
    }
    plan.arguments.insert(plan.arguments.end(), request.arguments.begin(), request.arguments.end());
    return plan;
}

}  // namespace fanfare::dataplane::dpdk
