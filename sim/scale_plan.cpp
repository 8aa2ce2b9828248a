#include "sim/scale_plan.hpp"

#include <algorithm>
#include <bit>

namespace fanfare::sim {
namespace {

constexpr std::uint32_t kMostReceivers = 60'000;  // ports of one network
constexpr std::uint64_t kMostOctets = 1u << 28;   // of all messages: they are kept in memory
constexpr std::uint16_t kMtu = 1500;
// Octets of the headers of a datagram with a data packet, about: for the time that sending takes.
constexpr std::uint64_t kHeaders = 60;

std::vector<ScalePlan> make_plans() {
    std::vector<ScalePlan> plans;
    const auto plan = [&](const char* name, const char* about) -> ScalePlan& {
        plans.emplace_back();
        plans.back().name = name;
        plans.back().about = about;
        return plans.back();
    };
    plan("common-loss", "1 % lost on the source's link: every receiver misses the same packets")
        .loss_shared = 0.01;
    ScalePlan& bursts = plan("common-bursts", "0.2 % of frames begin a run of 8 lost for all");
    bursts.loss_shared = 0.002;
    bursts.loss_run = 8;
    plan("site-loss", "1 % lost on each site's link: the receivers of a site share it").loss_site =
        0.01;
    plan("private-loss", "0.1 % lost on each receiver's own link").loss_private = 0.001;
    ScalePlan& mixed = plan("mixed", "losses everywhere and both ways, copies, disorder, damage");
    mixed.loss_shared = 0.005;
    mixed.loss_site = 0.005;
    mixed.loss_private = 0.001;
    mixed.loss_back = 0.01;
    mixed.duplicate = 0.002;
    mixed.reorder = 0.002;
    mixed.corrupt = 0.001;
    ScalePlan& repaired =
        plan("local-repairers",
             "1 % lost on each site's link, 0.5 % for all; a local repairer above each site");
    repaired.loss_site = 0.01;
    repaired.loss_shared = 0.005;
    repaired.repairers = true;
    ScalePlan& common = plan("repairers-common-loss",
                             "1 % lost for all, repairers too; one of them above each site");
    common.loss_shared = 0.01;
    common.repairers = true;
    ScalePlan& far = plan("far-sites", "1 % common loss, sites 1 to 20 ms away");
    far.loss_shared = 0.01;
    far.delay_site_min_ns = kMillisecond;
    far.delay_site_max_ns = 20 * kMillisecond;
    far.receive_log_bytes = 1 << 20;
    ScalePlan& skew =
        plan("clock-skew", "1 % common loss; clocks stand off by an hour, drift 200 ppm");
    skew.loss_shared = 0.01;
    skew.clock_offset_ns = 3600 * kSecond;
    skew.drift_ppm = 200;
    ScalePlan& partitions = plan("partitions", "three times a site is cut off for 20 ms");
    partitions.partitions = 3;
    partitions.partition_ns = 20 * kMillisecond;
    ScalePlan& churn =
        plan("come-and-go", "1 % common loss; half of the receivers come late, leave or come back");
    churn.loss_shared = 0.01;
    churn.coming_and_going = 0.5;
    // Half of a late receiver's room holds the past that it asks for; the rest must take what is
    // sent while the repairs of all the others' past go first.
    churn.receive_log_bytes = 1 << 20;
    ScalePlan& parity = plan("parity", "1 % common loss; 2 parity packets with every 8");
    parity.loss_shared = 0.01;
    parity.parity = {8, 255, 2, false};
    ScalePlan& asked = plan("parity-on-demand", "0.1 % private loss; parity answers NAKs, k = 8");
    asked.loss_private = 0.001;
    asked.parity = {8, 255, 0, true};
    return plans;
}

bool is_share(double value) {
    return value >= 0 && value <= 1;
}

}  // namespace

std::span<const ScalePlan> named_plans() {
    static const std::vector<ScalePlan> plans = make_plans();
    return plans;
}

const ScalePlan* plan_named(std::string_view name) {
    for (const ScalePlan& plan : named_plans())
        if (plan.name == name) return &plan;
    return nullptr;
}

std::string fault_of(const ScalePlan& plan) {
    if (plan.receivers == 0 || plan.receivers > kMostReceivers)
        return "receivers: 1 to " + std::to_string(kMostReceivers);
    if (plan.receivers_of_site == 0) return "receivers of a site: 1 or more";
    if (plan.messages < 2) return "messages: 2 or more";
    if (std::uint64_t{plan.messages} * plan.message_octets > kMostOctets)
        return "messages: together at most " + std::to_string(kMostOctets >> 20) + " MiB";
    for (const double share : {plan.loss_shared, plan.loss_site, plan.loss_private, plan.loss_back,
                               plan.duplicate, plan.reorder, plan.corrupt, plan.coming_and_going})
        if (!is_share(share)) return "a probability is not within 0 and 1";
    if (plan.loss_shared == 1 || plan.loss_site == 1 || plan.loss_private == 1 ||
        plan.loss_back == 1)
        return "loss: below 100 %, or nothing ever arrives";
    if (!std::has_single_bit(plan.receive_log_bytes) || plan.receive_log_bytes < 1 << 16)
        return "receive log: a power of two, 65536 or more";
    const std::uint32_t most =
        engine::largest_tsdu(source_parameters(plan), kMtu, plan.udp_port != 0, false);
    // Eight octets name the message.
    if (plan.message_octets < 16 || plan.message_octets > most)
        return "message octets: 16 to " + std::to_string(most) + ", one packet each";
    return "";
}

engine::SourceParameters source_parameters(const ScalePlan& plan) {
    engine::SourceParameters parameters = engine::profile(plan.profile).source;
    if (plan.rate_bits_per_s != 0) {
        parameters.rate_bits_per_s = plan.rate_bits_per_s;
        const auto window_ms = static_cast<std::uint64_t>(parameters.window_ns / kMillisecond);
        parameters.window_bytes =
            std::max<std::uint64_t>(1 << 16, plan.rate_bits_per_s / 8 * window_ms / 1000);
    }
    // No window holds more than all messages and what parity leaves out at the end.
    parameters.window_packets =
        std::bit_ceil(std::max<std::uint32_t>(512, plan.messages + plan.messages / 8));
    parameters.parity = plan.parity;
    return parameters;
}

engine::ReceiverParameters receiver_parameters(const ScalePlan& plan) {
    engine::ReceiverParameters parameters = engine::profile(plan.profile).receiver;
    // Room for parity only where there is some: a thousand times.
    parameters.parity_bytes = plan.parity.on() ? 256u << 10 : 0;
    return parameters;
}

Nanos sending_time(const ScalePlan& plan) {
    const std::uint64_t rate = std::max<std::uint64_t>(1, source_parameters(plan).rate_bits_per_s);
    const std::uint64_t bits = std::uint64_t{plan.messages} * (plan.message_octets + kHeaders) * 8;
    return static_cast<Nanos>(static_cast<double>(bits) / static_cast<double>(rate) *
                              static_cast<double>(kSecond));
}

}  // namespace fanfare::sim
