#include "dataplane/dpdk/log.hpp"

#include <dlfcn.h>
#include <rte_log.h>

#include <cstdarg>
#include <cstdio>
#include <mutex>

namespace fanfare::dataplane::dpdk {

namespace {

struct LogState {
    std::mutex lock;  // any thread of DPDK's may log; the poll loop does not
    std::function<void(const std::string&)> sink;
    unsigned level = RTE_LOG_WARNING;
    unsigned quiet = 0;
    std::string line;  // what came since the last newline
    unsigned line_level = RTE_LOG_DEBUG;
    std::string complaint;
    FILE* stream = nullptr;
};

LogState& state() {
    static LogState s;
    return s;
}

// "AFXDP: xsk_configure(): Failed to create xsk socket." -> "Failed to create xsk socket."
std::string without_origin(const std::string& line) {
    const auto function = line.find("(): ");
    if (function != std::string::npos) return line.substr(function + 4);
    const auto facility = line.find(": ");
    return facility != std::string::npos && facility < 16 ? line.substr(facility + 2) : line;
}

void end_line(LogState& s) {
    if (!s.line.empty()) {
        // Drivers say this of the secondary processes that we do without; it is no reason for
        // anything.
        const bool about_secondaries = s.line.find("mp action callback") != std::string::npos;
        if (s.line_level <= RTE_LOG_WARNING && s.complaint.empty() && !about_secondaries)
            s.complaint = without_origin(s.line);
        if (s.line_level <= s.level && s.quiet == 0) {
            if (s.sink)
                s.sink(s.line);
            else
                std::fprintf(stderr, "%s\n", s.line.c_str());
        }
    }
    s.line.clear();
    s.line_level = RTE_LOG_DEBUG;
}

ssize_t write_log(void*, const char* octets, std::size_t count) {
    LogState& s = state();
    const std::lock_guard hold(s.lock);
    const int level = rte_log_cur_msg_loglevel();
    if (level > 0 && static_cast<unsigned>(level) < s.line_level)
        s.line_level = static_cast<unsigned>(level);
    for (std::size_t i = 0; i < count; ++i) {
        if (octets[i] == '\n')
            end_line(s);
        else
            s.line += octets[i];
    }
    return static_cast<ssize_t>(count);
}

// Both libraries number their levels 0 warning, 1 information, 2 debug.
int print_xdp(int level, const char* format, va_list arguments) {
    char text[512];
    const int length = std::vsnprintf(text, sizeof text, format, arguments);
    if (length <= 0 || level != 0) return length;
    std::string line(text);
    while (!line.empty() && line.back() == '\n') line.pop_back();
    LogState& s = state();
    const std::lock_guard hold(s.lock);
    if (!line.empty() && s.complaint.empty()) s.complaint = without_origin(line);
    return length;
}

}  // namespace

void capture_xdp_log() {
    // Only if they are there already: nothing is linked for one driver.
    const std::pair<const char*, const char*> libraries[] = {{"libxdp.so.1", "libxdp_set_print"},
                                                             {"libbpf.so.1", "libbpf_set_print"}};
    for (const auto& [library, function] : libraries) {
        void* handle = dlopen(library, RTLD_LAZY | RTLD_NOLOAD);
        if (handle == nullptr) continue;
        using Print = int (*)(int, const char*, va_list);
        if (void* set = dlsym(handle, function)) reinterpret_cast<Print (*)(Print)>(set)(print_xdp);
        dlclose(handle);
    }
}

void capture_log(std::function<void(const std::string&)> sink, unsigned level) {
    LogState& s = state();
    {
        const std::lock_guard hold(s.lock);
        s.sink = std::move(sink);
        s.level = level;
    }
    if (s.stream == nullptr) {
        cookie_io_functions_t functions{};
        functions.write = write_log;
        s.stream = fopencookie(nullptr, "w", functions);
        if (s.stream != nullptr) setvbuf(s.stream, nullptr, _IOLBF, 0);
    }
    if (s.stream != nullptr) rte_openlog_stream(s.stream);
    rte_log_set_global_level(level < RTE_LOG_WARNING ? RTE_LOG_WARNING : level);
}

void release_log() {
    LogState& s = state();
    rte_openlog_stream(nullptr);
    const std::lock_guard hold(s.lock);
    s.sink = nullptr;
}

QuietLog::QuietLog() {
    LogState& s = state();
    const std::lock_guard hold(s.lock);
    ++s.quiet;
    s.complaint.clear();
}

QuietLog::~QuietLog() {
    LogState& s = state();
    const std::lock_guard hold(s.lock);
    --s.quiet;
}

std::string take_complaint() {
    LogState& s = state();
    const std::lock_guard hold(s.lock);
    std::string out;
    out.swap(s.complaint);
    return out;
}

}  // namespace fanfare::dataplane::dpdk
