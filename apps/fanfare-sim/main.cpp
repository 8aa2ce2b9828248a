// The simulator for users: scenarios in, a table of figures out.
#include <fmt/core.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "apps/fanfare-sim/arguments.hpp"
#include "apps/fanfare-sim/report.hpp"
#include "apps/fanfare/failure.hpp"
#include "sim/capture.hpp"
#include "sim/loss_pattern.hpp"
#include "sim/scale.hpp"

namespace {

using namespace fanfare;
using namespace fanfare::simulate;

int list() {
    for (const sim::ScalePlan& plan : sim::named_plans())
        fmt::print("{:<23}{}\n", plan.name, plan.about);
    return 0;
}

std::vector<std::byte> octets_of(const std::string& path) {
    constexpr std::size_t kPart = 1 << 20;
    std::ifstream file(path, std::ios::binary);
    if (!file) throw tool::Failure(fmt::format("{}: {}", path, std::strerror(errno)));
    std::vector<std::byte> octets;
    while (file) {
        const std::size_t begin = octets.size();
        octets.resize(begin + kPart);
        file.read(reinterpret_cast<char*>(octets.data() + begin), kPart);
        octets.resize(begin + static_cast<std::size_t>(file.gcount()));
    }
    if (file.bad()) throw tool::Failure(fmt::format("{}: it could not be read", path));
    return octets;
}

// Puts the losses of a capture into the plan: as many packets as the capture shows.
void load_capture(const Arguments& arguments, sim::ScalePlan& plan) {
    std::optional<Tsi> tsi;
    if (arguments.tsi) {
        tsi = sim::tsi_from(*arguments.tsi);
        if (!tsi)
            throw tool::UsageFailure(fmt::format(
                "--tsi: '{}' is not GSI:PORT, for example 0102030405a6:1234", *arguments.tsi));
    }
    const std::string& path = arguments.capture;
    const sim::Capture capture = sim::read_capture(octets_of(path));
    if (!capture.fault.empty()) throw tool::Failure(fmt::format("{}: {}", path, capture.fault));
    if (capture.cut > 0)
        throw tool::Failure(fmt::format(
            "{}: {} of {} frames are cut off, and what was cut can't be told from what was lost; "
            "capture whole packets (tcpdump -s 0)",
            path, capture.cut, capture.frames));
    sim::LossPattern pattern = sim::loss_pattern(capture.data, tsi);
    if (!pattern.fault.empty()) throw tool::Failure(fmt::format("{}: {}", path, pattern.fault));
    fmt::print(stderr, "{}: session {}, {} of {} data packets are missing\n", path,
               sim::to_string(pattern.tsi), pattern.missing, pattern.lost.size());
    plan.messages = static_cast<std::uint32_t>(std::max<std::size_t>(2, pattern.lost.size()));
    plan.loss_list = std::move(pattern.lost);
    const std::string fault = sim::fault_of(plan);
    if (!fault.empty())
        throw tool::Failure(fmt::format("{}: {}; try --message-bytes 100", path, fault));
}

Row run_row(const Arguments& arguments, const sim::ScalePlan& plan) {
    Row row;
    row.scenario = plan.name;
    row.receivers = plan.receivers;
    row.seed = arguments.seed;
    row.seeds = arguments.seeds;
    for (std::uint64_t i = 0; i < arguments.seeds; ++i) {
        const std::uint64_t seed = arguments.seed + i;
        const sim::ScaleResult result = sim::run_scale(plan, seed);
        row.figures.add(result.figures);
        for (const std::string& line : result.broken) {
            row.broken.push_back(fmt::format("seed {}: {}", seed, line));
            fmt::print(stderr, "fanfare-sim: {} with {} receivers, seed {}: {}\n", plan.name,
                       plan.receivers, seed, line);
        }
    }
    return row;
}

int run(int argc, const char* const* argv) {
    std::string help;
    auto arguments = parse_command_line(argc, argv, help);
    if (!arguments) {
        fmt::print("{}", help);
        return 0;
    }
    if (arguments->command == Command::list) return list();
    if (arguments->command == Command::replay) load_capture(*arguments, arguments->plans.front());
    std::vector<Row> rows;
    bool broken = false;
    if (!arguments->json) fmt::print("{}", table_head());
    for (sim::ScalePlan& plan : arguments->plans) {
        for (const std::uint32_t receivers : arguments->receivers) {
            plan.receivers = receivers;
            Row row = run_row(*arguments, plan);
            broken = broken || !row.broken.empty();
            if (!arguments->json) fmt::print("{}", table_line(row));
            std::fflush(stdout);
            rows.push_back(std::move(row));
        }
    }
    if (arguments->json) fmt::print("{}", json_text(rows));
    return broken ? tool::kStatusFailed : 0;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        const int status = run(argc, argv);
        if (std::ferror(stdout) != 0 || std::fflush(stdout) != 0)
            throw fanfare::tool::Failure("standard output can't be written");
        return status;
    } catch (const fanfare::tool::Failure& failure) {
        fmt::print(stderr, "fanfare-sim: {}\n", failure.what());
        return failure.status();
    } catch (const std::exception& e) {
        fmt::print(stderr, "fanfare-sim: {}\n", e.what());
        return fanfare::tool::kStatusFailed;
    }
}
