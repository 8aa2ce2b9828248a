#include "apps/fanfare-sim/arguments.hpp"

#include <fmt/core.h>

#include <CLI/CLI.hpp>

#include "apps/fanfare/arguments.hpp"
#include "apps/fanfare/failure.hpp"
#include "apps/fanfare/values.hpp"

namespace fanfare::simulate {

namespace {

using tool::UsageFailure;

// Flags as text: CLI11 sorts them, values.hpp judges them, so that every refusal is one clear line.
struct Text {
    std::vector<std::string> scenarios;
    std::string capture, tsi, seed, seeds, receivers, site, messages, message_bytes, rate, profile,
        fec, udp, loss_shared, loss_site, loss_private, loss_back, loss_run, come_and_go, drift,
        partitions, partition_ms;
    bool json = false;
};

void add_flags(CLI::App& app, Text& text) {
    app.add_option("--seed", text.seed, "N, decides everything (default 1)");
    app.add_option("--seeds", text.seeds, "M: seeds N to N + M - 1 together (default 1)");
    app.add_option("--receivers", text.receivers,
                   "LIST such as 1,10,100,1000 (default: 1,10,100,1000)");
    app.add_option("--site", text.site, "N receivers behind each router (default 25)");
    app.add_option("--messages", text.messages, "N packets of data (default 2000)");
    app.add_option("--message-bytes", text.message_bytes, "BYTES in each (default 1400)");
    app.add_option("--rate", text.rate, "MBIT/S (default 100; windows, openpgm: the profile's)");
    app.add_option("--profile", text.profile, "lan (default), windows or openpgm");
    app.add_option("--fec", text.fec, "k,h or k,h,on-demand: parity");
    app.add_option("--udp", text.udp, "PORT of UDP encapsulation (default: raw IP protocol 113)");
    app.add_option("--loss-shared", text.loss_shared, "PERCENT lost on the source's link, for all");
    app.add_option("--loss-site", text.loss_site, "PERCENT lost on each site's link");
    app.add_option("--loss-private", text.loss_private, "PERCENT lost on each receiver's own link");
    app.add_option("--loss-back", text.loss_back,
                   "PERCENT of NAKs lost on the site's, and again on the source's link");
    app.add_option("--loss-run", text.loss_run, "N frames go in a row when one goes (default 1)");
    app.add_option("--come-and-go", text.come_and_go,
                   "PERCENT of receivers come late, leave or come back");
    app.add_option("--drift", text.drift, "PPM by which clocks drift at most, fast or slow");
    app.add_option("--partitions", text.partitions, "N times a site is cut off");
    app.add_option("--partition-ms", text.partition_ms, "MILLISECONDS for which it is");
    app.add_flag("--json", text.json, "as JSON");
}

std::uint32_t count(const char* flag, const std::string& text, std::uint64_t lowest,
                    std::uint64_t highest) {
    return static_cast<std::uint32_t>(tool::whole_number(flag, text, lowest, highest));
}

void apply(const Text& text, sim::ScalePlan& plan) {
    constexpr std::uint64_t kMostMessages = 1'000'000;
    const auto percent = [](const char* flag, const std::string& given, double& value) {
        if (!given.empty()) value = tool::share(flag, given);
    };
    const auto whole = [](const char* flag, const std::string& given, std::uint64_t lowest,
                          std::uint64_t highest, std::uint32_t& value) {
        if (!given.empty()) value = count(flag, given, lowest, highest);
    };
    whole("--site", text.site, 1, 60'000, plan.receivers_of_site);
    whole("--messages", text.messages, 2, kMostMessages, plan.messages);
    whole("--message-bytes", text.message_bytes, 16, 1456, plan.message_octets);
    whole("--loss-run", text.loss_run, 1, 10'000, plan.loss_run);
    whole("--drift", text.drift, 0, 100'000, plan.drift_ppm);
    whole("--partitions", text.partitions, 0, 1000, plan.partitions);
    percent("--loss-shared", text.loss_shared, plan.loss_shared);
    percent("--loss-site", text.loss_site, plan.loss_site);
    percent("--loss-private", text.loss_private, plan.loss_private);
    percent("--loss-back", text.loss_back, plan.loss_back);
    percent("--come-and-go", text.come_and_go, plan.coming_and_going);
    if (!text.partition_ms.empty())
        plan.partition_ns =
            Nanos{count("--partition-ms", text.partition_ms, 1, 60'000)} * kMillisecond;
    if (plan.partitions > 0 && plan.partition_ns == 0)
        throw UsageFailure("--partitions needs --partition-ms: how long each lasts");
    if (!text.udp.empty())
        plan.udp_port = static_cast<std::uint16_t>(count("--udp", text.udp, 1, 65535));
    if (!text.profile.empty()) {
        const auto profile = engine::profile_named(text.profile);
        if (!profile)
            throw UsageFailure(fmt::format(
                "--profile: '{}' is unknown; there are lan, windows and openpgm", text.profile));
        plan.profile = *profile;
        plan.rate_bits_per_s = engine::profile(*profile).source.rate_bits_per_s;
        if (*profile == engine::ProfileName::lan)
            plan.rate_bits_per_s = sim::ScalePlan{}.rate_bits_per_s;
    }
    if (!text.rate.empty()) {
        plan.rate_bits_per_s = tool::rate_bits("--rate", text.rate);
        if (plan.rate_bits_per_s == 0)
            throw UsageFailure("--rate: a simulated source needs a rate above 0");
    }
    if (!text.fec.empty()) {
        const tool::ParityArguments parity = tool::parity_from(text.fec);
        plan.parity = {};
        plan.parity.group_size = parity.group;
        plan.parity.proactive = parity.proactive;
        plan.parity.on_demand = parity.on_demand;
    }
}

std::vector<std::uint32_t> receivers_from(const std::string& text) {
    if (text.empty()) return {1, 10, 100, 1000};
    std::vector<std::uint32_t> numbers;
    for (const std::string& part : CLI::detail::split(text, ','))
        numbers.push_back(count("--receivers", part, 1, 60'000));
    return numbers;
}

std::vector<sim::ScalePlan> plans_from(const std::vector<std::string>& names) {
    std::vector<sim::ScalePlan> plans;
    for (const std::string& name : names) {
        const sim::ScalePlan* plan = sim::plan_named(name);
        if (plan == nullptr)
            throw UsageFailure(
                fmt::format("there is no scenario '{}'; `fanfare-sim list` names them", name));
        plans.push_back(*plan);
    }
    return plans;
}

}  // namespace

std::optional<Arguments> parse_command_line(int argc, const char* const* argv, std::string& help) {
    Arguments out;
    Text text;
    CLI::App app{"Simulates one source and many receivers on a lossy tree, in virtual time.",
                 "fanfare-sim"};
    app.require_subcommand(0, 1);
    app.get_formatter()->column_width(34);
    auto* list = app.add_subcommand("list", "the named scenarios");
    auto* run = app.add_subcommand("run", "SCENARIO...: runs these, the flags change them");
    auto* sweep = app.add_subcommand("sweep", "runs every named scenario");
    auto* replay =
        app.add_subcommand("replay", "FILE: loses the packets that a capture (pcap) lacks");
    run->add_option("SCENARIO", text.scenarios, "of those that `fanfare-sim list` shows");
    replay->add_option("FILE", text.capture, "a classic pcap with one session's ODATA");
    replay->add_option("--tsi", text.tsi,
                       "GSI:PORT of the session, 0102030405a6:1234 (default: the busiest)");
    for (auto* command : {run, sweep, replay}) add_flags(*command, text);

    try {
        app.parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
        help = app.help();  // of the command that was named, if one was
        return std::nullopt;
    } catch (const CLI::CallForAllHelp&) {
        help = app.help("", CLI::AppFormatMode::All);
        return std::nullopt;
    } catch (const CLI::ParseError& e) {
        throw UsageFailure(tool::refusal_of(app, e));
    }
    if (*list) return out;
    if (*run) {
        out.command = Command::run;
        if (text.scenarios.empty())
            throw UsageFailure("run needs a scenario; `fanfare-sim list` names them");
        out.plans = plans_from(text.scenarios);
    } else if (*sweep) {
        out.command = Command::sweep;
        out.plans.assign(sim::named_plans().begin(), sim::named_plans().end());
    } else if (*replay) {
        out.command = Command::replay;
        if (text.capture.empty()) throw UsageFailure("replay needs a FILE, a capture in pcap form");
        out.capture = text.capture;
        if (!text.tsi.empty()) out.tsi = text.tsi;
        out.plans.emplace_back();
        out.plans.back().name = "replay";
    } else {
        throw UsageFailure(
            "a command is missing: list, run, sweep or replay; `fanfare-sim --help` says more");
    }
    for (sim::ScalePlan& plan : out.plans) apply(text, plan);
    out.receivers = receivers_from(text.receivers);
    for (const sim::ScalePlan& plan : out.plans) {
        const std::string fault = sim::fault_of(plan);
        if (!fault.empty()) throw UsageFailure(fmt::format("{}: {}", plan.name, fault));
    }
    if (!text.seed.empty())
        out.seed = tool::whole_number("--seed", text.seed, 0, ~std::uint64_t{0} >> 1);
    if (!text.seeds.empty()) out.seeds = tool::whole_number("--seeds", text.seeds, 1, 1'000'000);
    out.json = text.json;
    return out;
}

}  // namespace fanfare::simulate
