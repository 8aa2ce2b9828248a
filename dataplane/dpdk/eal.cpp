#include "dataplane/dpdk/eal.hpp"

#include <fcntl.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "dataplane/dpdk/log.hpp"

namespace fanfare::dataplane::dpdk {

namespace {

bool left_standing = false;
bool has_started = false;

// Of the calling thread.
std::vector<unsigned> allowed_cpus() {
    std::vector<unsigned> cpus;
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu)
            if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
    return cpus;
}

// Those of isolcpus that this process can be put on.
std::vector<unsigned> isolated_cpus() {
    cpu_set_t set;
    CPU_ZERO(&set);
    std::ifstream file("/sys/devices/system/cpu/isolated");
    for (std::string item; std::getline(file, item, ',');) {
        unsigned first = 0, last = 0;
        const int numbers = std::sscanf(item.c_str(), "%u-%u", &first, &last);
        if (numbers == 1) last = first;
        for (unsigned cpu = first; numbers > 0 && cpu <= last && cpu < CPU_SETSIZE; ++cpu)
            CPU_SET(cpu, &set);
    }
    if (CPU_COUNT(&set) == 0) return {};
    // What a container may use shows when a thread tries.
    std::vector<unsigned> cpus;
    std::thread([&] {
        if (sched_setaffinity(0, sizeof set, &set) == 0) cpus = allowed_cpus();
    }).join();
    return cpus;
}

// Where the EAL makes a folder for each prefix, whether it puts anything there or not.
std::filesystem::path runtime_root() {
    if (geteuid() == 0) return "/var/run/dpdk";
    const char* folder = std::getenv("XDG_RUNTIME_DIR");
    return std::filesystem::path(folder != nullptr ? folder : "/tmp") / "dpdk";
}

// Empty folders of daemons that were killed. One that holds anything is not ours to judge.
void sweep_runtime_folders() {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(runtime_root(), ignored)) {
        const std::string name = entry.path().filename();
        constexpr std::string_view kPrefix = "fanfare-";
        if (name.rfind(kPrefix, 0) != 0) continue;
        int process = 0;
        const char* end = name.data() + name.size();
        if (std::from_chars(name.data() + kPrefix.size(), end, process).ptr != end) continue;
        if (!std::filesystem::exists("/proc/" + std::to_string(process), ignored))
            ::rmdir(entry.path().c_str());
    }
}

// The EAL prints usage and alerts to the standard streams when it does not start. This keeps them,
// so that the user gets one line instead.
class StandardStreams {
  public:
    StandardStreams() : kept_(memfd_create("eal-output", MFD_CLOEXEC)) {
        std::fflush(nullptr);
        if (kept_ < 0) return;
        for (int i : {0, 1}) {
            saved_[i] = fcntl(i + 1, F_DUPFD_CLOEXEC, 3);
            if (saved_[i] >= 0) dup2(kept_, i + 1);
        }
    }
    ~StandardStreams() { restore(); }
    // What was printed meanwhile.
    std::string restore() {
        if (kept_ < 0) return {};
        std::fflush(nullptr);
        for (int i : {0, 1}) {
            if (saved_[i] < 0) continue;
            dup2(saved_[i], i + 1);
            close(saved_[i]);
        }
        std::string text(static_cast<std::size_t>(std::max<off_t>(0, lseek(kept_, 0, SEEK_END))),
                         '\0');
        const ssize_t got = pread(kept_, text.data(), text.size(), 0);
        text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
        close(kept_);
        kept_ = -1;
        return text;
    }

  private:
    int kept_;
    int saved_[2] = {-1, -1};
};

// The EAL's folder under our own prefix, with what it left there: nobody else's is named so.
void remove_runtime_folder(const std::string& prefix) {
    std::error_code ignored;
    if (!prefix.empty()) std::filesystem::remove_all(runtime_root() / prefix, ignored);
}

// getopt's own complaint about an argument it does not know ("fanfared: unrecognized option
// '--bogus'").
std::string getopt_complaint(const std::string& printed) {
    for (const char* words :
         {"unrecognized option", "invalid option", "requires an argument", "doesn't allow"}) {
        const auto at = printed.find(words);
        if (at == std::string::npos) continue;
        const auto begin = printed.rfind('\n', at) + 1;  // npos + 1 is the start
        const auto colon = printed.find(": ", begin);
        const auto from = colon < at ? colon + 2 : begin;
        return printed.substr(from, printed.find('\n', at) - from);
    }
    return {};
}

}  // namespace

std::unique_ptr<Eal> Eal::start(const EalSettings& settings, std::string& error) {
    // DPDK refuses as well, but the one that runs would have lost its log and its folder by then.
    if (has_started) {
        error = "a process can hold one engine, and one only as long as it lives: DPDK starts once";
        return nullptr;
    }
    const TickMeter meter;
    const std::vector<unsigned> cpus = allowed_cpus();
    auto plan = plan_eal(settings.request, probe_memory(), cpus, getpid(), error, isolated_cpus());
    if (!plan) return nullptr;
    sweep_runtime_folders();

    // rte_eal_init keeps and permutes the pointers.
    static std::vector<std::string> texts;
    static std::vector<char*> argv;
    texts = {"fanfared"};
    texts.insert(texts.end(), plan->arguments.begin(), plan->arguments.end());
    argv.clear();
    for (auto& text : texts) argv.push_back(text.data());
    argv.push_back(nullptr);

    capture_log(settings.log, settings.log_level);
    int result = 0;
    int reason = 0;
    std::string printed, complaint;
    {
        const QuietLog quiet;
        StandardStreams streams;
        result = rte_eal_init(static_cast<int>(argv.size()) - 1, argv.data());
        reason = rte_errno;
        printed = streams.restore();
        complaint = take_complaint();
    }
    if (result < 0) {
        std::string why = getopt_complaint(printed);
        if (why.empty()) why = complaint.empty() ? rte_strerror(reason) : complaint;
        error = "DPDK does not start: " + why;
        if (why.find("hugepage") != std::string::npos)
            error +=
                " (there are no free huge pages: leave memory arguments behind \"--\" out, or "
                "give -- --no-huge --no-shconf -m MEGABYTES)";
        else if (plan->memory_bytes != 0 &&
                 (reason == ENOMEM || why.find("emory") != std::string::npos))
            error += " (" + std::to_string(plan->memory_bytes >> 20) +
                     " MiB asked for; give less with: -- --no-huge --no-shconf -m MEGABYTES)";
        else if (!settings.request.arguments.empty())
            error += " (check the EAL arguments behind \"--\")";
        release_log();
        // Unless it is of a process with the same number, in another container say.
        if (why.find("another primary") == std::string::npos)
            remove_runtime_folder(plan->file_prefix);
        return nullptr;
    }
    has_started = true;
    capture_xdp_log();
    std::unique_ptr<Eal> eal(new Eal);
    eal->plan_ = std::move(*plan);
    eal->clock_ = Clock(meter.scale());
    return eal;
}

void Eal::leave_standing() {
    left_standing = true;
}

Eal::~Eal() {
    if (!left_standing) {
        const QuietLog quiet;
        rte_eal_cleanup();
    }
    release_log();
    remove_runtime_folder(plan_.file_prefix);
}

std::uint64_t Eal::free_bytes() const {
    std::uint64_t free = 0;
    for (unsigned i = 0; i < rte_socket_count(); ++i) {
        rte_malloc_socket_stats stats{};
        if (rte_malloc_get_socket_stats(rte_socket_id_by_idx(i), &stats) == 0)
            free += stats.heap_freesz_bytes;
    }
    return free;
}

std::string Eal::take_complaint_line() {
    return take_complaint();
}

}  // namespace fanfare::dataplane::dpdk
