// What is simulated at scale: one source, a tree with any number of receivers, and what goes wrong
// on it. Named plans are the ones that `fanfare-sim list` shows.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/profile.hpp"
#include "engine/types.hpp"

namespace fanfare::sim {

struct ScalePlan {
    std::string name, about;
    std::uint32_t receivers = 100;
    std::uint32_t receivers_of_site = 25;  // behind one router
    std::uint32_t messages = 2000;         // one packet each
    std::uint32_t message_octets = 1400;
    std::uint64_t rate_bits_per_s = 100'000'000;  // 0: as the profile has it
    engine::ProfileName profile = engine::ProfileName::lan;
    engine::ParityParameters parity;
    std::uint16_t udp_port = 0;
    bool repairers = false;  // a designated local repairer above each site's router

    // Loss, probability 0..1 of each frame: on the source's link (for all), on a site's link (for
    // the site; behind its repairer where there is one), on a receiver's own, and of what travels
    // towards the source on the first two.
    double loss_shared = 0, loss_site = 0, loss_private = 0, loss_back = 0;
    std::uint32_t loss_run = 1;   // frames that go in a row on the source's and sites' links
    std::vector<bool> loss_list;  // recorded losses of data packets on the source's link
    double duplicate = 0, reorder = 0, corrupt = 0;  // of each copy

    // Delays of one direction: source's link, sites' links (drawn), receivers' links (drawn).
    Nanos delay_source_ns = 10 * kMicrosecond;
    Nanos delay_site_min_ns = 20 * kMicrosecond, delay_site_max_ns = 200 * kMicrosecond;
    Nanos delay_host_min_ns = 5 * kMicrosecond, delay_host_max_ns = 20 * kMicrosecond;

    Nanos clock_offset_ns = 0;     // clocks stand off by up to so much
    std::uint32_t drift_ppm = 0;   // and drift by up to so much, fast or slow
    std::uint32_t partitions = 0;  // each cuts one site off for partition_ns
    Nanos partition_ns = 0;
    double coming_and_going = 0;  // share of receivers that come late, leave or come back

    std::size_t receive_log_bytes = 1 << 19;  // a power of two, at least 64 KiB
};

std::span<const ScalePlan> named_plans();
// Null when there is none of this name.
const ScalePlan* plan_named(std::string_view name);

// Empty, or what makes the plan impossible: a number out of its range, messages that fit no packet.
std::string fault_of(const ScalePlan& plan);

engine::SourceParameters source_parameters(const ScalePlan& plan);
engine::ReceiverParameters receiver_parameters(const ScalePlan& plan);
// How long the source needs at its rate, repairs aside.
Nanos sending_time(const ScalePlan& plan);

}  // namespace fanfare::sim
