#include "sim/scenario.hpp"

#include <algorithm>
#include <stdexcept>

#include "sim/simulation.hpp"

namespace fanfare::sim {
namespace {

// After faults end: every window passes, and a silent sender is found silent, within this.
constexpr Nanos kQuietNanos = 120 * kSecond;

struct Draw {
    Random random;
    LinkShape shape;
    Nanos fault_ns = 0;
    bool long_window = true;
    Allowance allowance;
    std::size_t hosts = 0, senders = 0;
    Nanos window_ns = 0;
    engine::ProfileName profile = engine::ProfileName::lan;
    std::string text;
};

Draw draw(std::uint64_t seed) {
    Draw d{Random(seed)};
    Random& r = d.random;
    d.shape.delay_ns = r.between(2, 200) * kMicrosecond;
    d.shape.jitter_ns = r.chance(0.5) ? r.between(0, 100) * kMicrosecond : 0;
    d.shape.bits_per_s = 100'000'000ull << r.below(7);  // 100 Mbit/s to 6.4 Gbit/s
    d.shape.queue_frames = 256 << r.below(5);
    d.fault_ns = r.between(20, 150) * kMillisecond;
    d.long_window = r.chance(0.7);
    // A long window outlasts the faults and some rounds of repair after them.
    d.window_ns =
        d.long_window ? d.fault_ns * 2 + 1500 * kMillisecond : r.between(5, 50) * kMillisecond;
    d.allowance.loss = !d.long_window;
    d.hosts = 2 + r.below(3);
    d.senders = 1 + r.below(3);
    return d;
}

SenderPlan draw_sender(Draw& d, std::size_t number) {
    Random& r = d.random;
    SenderPlan plan;
    plan.group = Address::from_octets(239, 77, 0, static_cast<std::uint8_t>(1 + r.below(2)));
    plan.port = static_cast<std::uint16_t>(7500 + r.below(2));
    plan.udp_port = r.chance(0.4) ? 7600 : 0;
    plan.format = static_cast<ipc::SendFormat>(r.below(3));
    plan.content.seed = r.next();
    plan.content.messages = static_cast<std::uint32_t>(20 + r.below(300));
    plan.content.short_most = static_cast<std::uint32_t>(8 + r.below(1400));
    plan.content.longest = static_cast<std::uint32_t>(r.chance(0.3) ? 20'000 : 3'000);
    plan.content.long_share = 0.05;
    plan.parameters = engine::profile(engine::ProfileName::lan).source;
    plan.parameters.rate_bits_per_s = 2'000'000ull << r.below(6);
    plan.parameters.window_ns = d.window_ns;
    plan.parameters.packed = plan.format == ipc::SendFormat::packed;
    plan.log_bytes = std::uint64_t{1} << (17 + r.below(4));
    plan.start_ns = r.between(0, 20) * kMillisecond;
    plan.gap_ns = r.chance(0.5) ? r.between(1, 500) * kMicrosecond : 0;
    if (r.chance(0.15)) {
        plan.ending = Ending::vanish;
        plan.give = static_cast<std::uint32_t>(r.below(plan.content.messages));
        d.allowance.silence = true;  // its three last SPMs may all be lost
    }
    if (r.chance(0.4)) {
        engine::ParityParameters& parity = plan.parameters.parity;
        parity.group_size = static_cast<std::uint8_t>(2u << r.below(7));
        parity.proactive = static_cast<std::uint8_t>(r.below(4));
        parity.on_demand = parity.proactive == 0 || r.chance(0.5);
        // Now and then so little that it is used up.
        parity.block_size = static_cast<std::uint8_t>(
            r.chance(0.3) ? parity.group_size + std::max<std::uint32_t>(parity.proactive, 1) : 255);
    }
    (void)number;
    return plan;
}

void populate(Draw& d, Simulation& simulation) {
    Random& r = d.random;
    for (std::size_t i = 0; i < d.hosts; ++i) {
        HostPlan plan;
        plan.address = Address::from_octets(10, 77, 0, static_cast<std::uint8_t>(1 + i));
        plan.workers = r.chance(0.3) ? 2 : 1;
        plan.seed = r.next();
        // Twice what the windows may hold, so that only a sleeping reader is overtaken; or so
        // little that the log is lapped, and what is missing for long finds no room.
        const bool lapped = r.chance(0.15);
        plan.receive_log_bytes = lapped ? 1 << 16 : 1 << 22;
        plan.receive_index_entries = lapped ? 1 << 8 : 1 << 14;
        if (lapped) d.allowance.overtaken = d.allowance.loss = true;
        simulation.add_host(plan);
    }
    std::vector<SenderPlan> senders;
    for (std::size_t i = 0; i < d.senders; ++i) {
        senders.push_back(draw_sender(d, i));
        simulation.host(r.below(d.hosts)).publish(senders.back());
    }
    for (std::size_t i = 0; i < d.hosts; ++i) {
        std::vector<ListenPlan> made;
        for (const auto& sender : senders) {
            const bool known = std::any_of(made.begin(), made.end(), [&](const ListenPlan& l) {
                return l.group == sender.group && l.port == sender.port &&
                       l.udp_port == sender.udp_port;
            });
            if (known || !r.chance(0.8)) continue;
            ListenPlan listener;
            listener.group = sender.group;
            listener.port = sender.port;
            listener.udp_port = sender.udp_port;
            listener.readers.assign(1 + r.below(3), ReaderPlan{});
            for (auto& reader : listener.readers) {
                if (r.chance(0.2)) reader.pause_ns = r.between(1, 2000) * kMicrosecond;
                if (r.chance(0.1)) {
                    reader.asleep_from = r.between(0, d.fault_ns);
                    reader.asleep_until = reader.asleep_from + r.between(1, 500) * kMillisecond;
                    d.allowance.overtaken = true;
                }
            }
            simulation.host(i).listen(listener);
            made.push_back(listener);
        }
    }
}

LinkFaults draw_faults(Random& r) {
    LinkFaults faults;
    const auto some = [&](double most) {
        return r.chance(0.6) ? most * static_cast<double>(r.below(1000)) / 1000 : 0;
    };
    faults.shared_loss = some(0.10);
    faults.loss = some(0.20);
    faults.duplicate = some(0.10);
    faults.reorder = some(0.20);
    faults.corrupt = some(0.05);
    return faults;
}

// Faults change every few milliseconds; pairs of hosts are cut for a while.
std::uint64_t fault_phase(Draw& d, Simulation& simulation) {
    Random& r = d.random;
    std::uint64_t partitions = 0;
    while (simulation.now() < d.fault_ns) {
        simulation.network().faults() = draw_faults(r);
        const bool partition = r.chance(0.2);
        const std::size_t a = r.below(d.hosts), b = (a + 1 + r.below(d.hosts - 1)) % d.hosts;
        if (partition) simulation.network().cut(a, b, true);
        partitions += partition ? 1 : 0;
        simulation.run_until(
            std::min(d.fault_ns, simulation.now() + r.between(1, 20) * kMillisecond));
        if (partition) simulation.network().cut(a, b, false);
    }
    simulation.network().faults() = LinkFaults{};
    return partitions;
}

}  // namespace

ScenarioResult run_scenario(std::uint64_t seed, Network::Filter filter, void* context) {
    Draw d = draw(seed);
    ScenarioResult result;
    Simulation simulation(d.random.next(), d.shape);
    simulation.network().set_filter(filter, context);
    populate(d, simulation);
    result.description = std::to_string(d.hosts) + " hosts, " + std::to_string(d.senders) +
                         " sessions, " + (d.long_window ? "long" : "short") +
                         " windows, faults for " + std::to_string(d.fault_ns / kMillisecond) +
                         " ms";
    try {
        result.partitions = fault_phase(d, simulation);
        if (!simulation.run_for(kQuietNanos, [&] { return simulation.settled(); }))
            result.broken.push_back("not everything completed in the quiet phase: " +
                                    simulation.unsettled());
        const auto broken = judge(simulation, d.allowance);
        result.broken.insert(result.broken.end(), broken.begin(), broken.end());
        // A frame that waits for a next hop nobody answers for is given up by then.
        simulation.run_for(5 * kSecond);
        if (!simulation.stop(10 * kSecond))
            for (const auto& host : simulation.hosts())
                if (!host->leaks().empty())
                    result.broken.push_back("after the stop: " + host->leaks());
    } catch (const std::exception& error) {
        result.broken.push_back(error.what());
    }
    for (const auto& host : simulation.hosts()) {
        for (const auto& reception : host->receptions()) {
            for (const auto& reader : reception->readers) {
                result.messages += reader->check().taken();
                result.finished += reader->state() == Reader::State::finished;
                result.resets += reader->state() == Reader::State::reset;
            }
        }
    }
    const auto& totals = simulation.network().totals();
    result.frames = totals.sent;
    result.lost = totals.lost + totals.queue_drops;
    result.corrupted = totals.corrupted;
    result.duplicated = totals.duplicated;
    result.reordered = totals.reordered;
    result.virtual_ns = static_cast<std::uint64_t>(simulation.now());
    result.steps = simulation.steps();
    return result;
}

}  // namespace fanfare::sim
