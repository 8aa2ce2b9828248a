#include "apps/fanfare/publish.hpp"

#include <fmt/core.h>
#include <sched.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "apps/fanfare/clock.hpp"
#include "apps/fanfare/daemon_link.hpp"
#include "apps/fanfare/failure.hpp"
#include "apps/fanfare/feed.hpp"
#include "apps/fanfare/histogram.hpp"
#include "apps/fanfare/input.hpp"
#include "apps/fanfare/outlet.hpp"
#include "apps/fanfare/progress.hpp"
#include "apps/fanfare/session_setup.hpp"
#include "apps/fanfare/zmtp.hpp"
#include "fanfare/fanfare.hpp"

namespace fanfare::tool {

namespace {

Sender connected(const PublishArguments& arguments) {
    const SessionArguments& session = arguments.session;
    Sender sender(arguments.mode == PublishMode::stream ? Mode::stream : Mode::message);
    set_session_options(sender, session);
    if (session.interface)
        set_option(sender, "--interface " + address_text(*session.interface), RM_SET_SEND_IF,
                   htonl(*session.interface));
    if (arguments.rate_bits)
        set_option64(sender, "--rate", FANFARE_RATE_BITS, *arguments.rate_bits);
    if (arguments.window_ms)
        set_option64(sender, "--window-ms", FANFARE_WINDOW_NANOS, *arguments.window_ms * 1'000'000);
    if (arguments.window_bytes)
        set_option64(sender, "--window-bytes", FANFARE_WINDOW_BYTES, *arguments.window_bytes);
    if (arguments.ttl) set_option(sender, "--ttl", RM_SET_MCAST_TTL, *arguments.ttl);
    if (arguments.late_join_percent)
        set_option(sender, "--late-join", RM_LATEJOIN, *arguments.late_join_percent);
    if (arguments.pack) set_option(sender, "--pack", FANFARE_PACKED, 1);
    if (arguments.congestion_control)
        set_option(sender, "--congestion-control", FANFARE_CONGESTION_CONTROL, 1);
    if (arguments.parity) set_parity(sender, *arguments.parity);
    sender.connect(session.group.group, session.group.port);
    return sender;
}

void send_stream(Outlet& outlet, Input& input) {
    std::vector<std::byte> buffer(256 << 10);
    for (;;) {
        const auto n = input.read(buffer);
        if (n == Input::kHungUp) outlet.fail_hung_up();
        if (n == 0) return;
        outlet.stream(std::span(buffer).first(static_cast<std::size_t>(n)));
    }
}

// `take` gets every message; `pause` is called when the input has no more at the moment.
template <typename Take, typename Pause>
void cut_messages(const PublishArguments& arguments, Outlet& outlet, Input& input, Take&& take,
                  Pause&& pause) {
    MessageCutter cutter(arguments.mode == PublishMode::lines ? 0 : arguments.message_bytes);
    for (;;) {
        const auto n = input.read(cutter.room());
        if (n == Input::kHungUp) outlet.fail_hung_up();
        if (n == 0) break;
        cutter.put(static_cast<std::size_t>(n), take);
        if (!input.ready()) pause();
    }
    cutter.finish(take);
    pause();
}

void send_messages(const PublishArguments& arguments, Outlet& outlet, Input& input) {
    cut_messages(
        arguments, outlet, input,
        [&](std::span<const std::byte> message) { outlet.message(message); },
        [&] { outlet.flush(); });
}

void send_zmq(const PublishArguments& arguments, Outlet& outlet, Input& input) {
    const std::size_t largest =
        std::min(DaemonLink::largest_payload(),
                 arguments.session.udp_port != 0 ? kZmtpPayloadUdp : kZmtpPayloadRaw);
    ZmtpEncoder encoder(largest,
                        [&](std::span<const std::byte> payload) { outlet.message(payload); });
    cut_messages(
        arguments, outlet, input, [&](std::span<const std::byte> message) { encoder.add(message); },
        [&] {
            encoder.flush();
            outlet.flush();
        });
}

void sleep_until(std::int64_t moment) {
    const timespec until{static_cast<time_t>(moment / 1'000'000'000),
                         static_cast<long>(moment % 1'000'000'000)};
    ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
}

// Every message at its own moment, whatever happened to those before it.
Histogram send_feed(const FeedArguments& arguments, Outlet& outlet) {
    constexpr std::uint64_t kBatch = 64;             // messages between two looks at the clock
    constexpr std::int64_t kShortestSleep = 20'000;  // ns; less is slept away by the call itself
    constexpr std::int64_t kLookInterval = 100'000'000;  // ns between two looks at the daemon
    ::prctl(PR_SET_TIMERSLACK, 1UL);  // the kernel adds 50 us to every sleep otherwise
    const Feed feed(arguments.seed);
    Histogram lateness;
    const std::int64_t start = monotonic_ns();
    const auto moment_of = [&](std::uint64_t number) {
        const std::uint64_t rate = arguments.messages_per_s;
        return start + static_cast<std::int64_t>(number / rate * 1'000'000'000 +
                                                 number % rate * 1'000'000'000 / rate);
    };
    std::uint64_t number = 0;
    std::int64_t looked = start;
    while (number < arguments.count) {
        const std::int64_t now = monotonic_ns();
        for (std::uint64_t sent = 0; sent < kBatch && number < arguments.count; ++sent, ++number) {
            const std::int64_t intended = arguments.messages_per_s == 0 ? now : moment_of(number);
            if (intended > now) break;
            const auto room = outlet.claim(kFeedLongest);
            if (room.size() < kFeedLongest) outlet.fail();
            lateness.add(now - intended);
            outlet.commit(feed.write(number, intended, room));
        }
        outlet.flush();
        if (now - looked > kLookInterval) {
            outlet.watch();
            looked = now;
        }
        if (arguments.messages_per_s == 0 || number == arguments.count) continue;
        const std::int64_t wait = moment_of(number) - monotonic_ns();
        if (wait > kShortestSleep)
            sleep_until(moment_of(number));
        else if (wait > 0)
            ::sched_yield();
    }
    return lateness;
}

// Nothing at all was there to send. Only data opens a session at receivers, so that an empty input
// is one empty message, which a stream does not have.
void send_empty(const PublishArguments& arguments, Outlet& outlet, Progress& progress) {
    if (arguments.mode != PublishMode::stream) {
        outlet.message({});
        return;
    }
    PublishArguments empty = arguments;
    empty.mode = PublishMode::message;
    Outlet instead(*new Sender(connected(empty)), progress);  // never closed, as in publish()
    instead.message({});
    instead.finish();
}

nlohmann::json report(const Sender& sender, const Progress& progress, double seconds) {
    nlohmann::json out = {{"messages", progress.messages()},
                          {"bytes", progress.bytes()},
                          {"seconds", seconds},
                          {"mb_per_s", static_cast<double>(progress.bytes()) / seconds / 1e6}};
    RM_SENDER_STATS stats{};
    socklen_t length = sizeof stats;
    if (fanfare_getsockopt(sender.fd(), IPPROTO_RM, RM_SENDER_STATISTICS, &stats, &length) == 0) {
        out["odata_sent"] = stats.TotalODataPacketsSent;
        out["rdata_sent"] = stats.RepairPacketsSent;
        out["naks_received"] = stats.NaksReceived;
        out["naks_too_late"] = stats.NaksReceivedTooLate;
        out["total_bytes_sent"] = stats.TotalBytesSent;
    }
    return out;
}

}  // namespace

int publish(const PublishArguments& arguments) {
    end_on_signals("fanfare: interrupted: the session ends with a reset\n");
    expect_report(arguments.session.report_file);
    // Never closed: an explicit close ends the session in good order, and whatever throws on the
    // way must not. The process's end closes it, which is a reset unless finish() came first.
    Sender& sender = *new Sender(connected(arguments));
    Progress progress("sent", arguments.session.progress);
    Outlet outlet(sender, progress);
    const std::int64_t start = monotonic_ns();
    Histogram lateness;
    Input input(STDIN_FILENO, sender.fd());
    if (arguments.feed)
        lateness = send_feed(*arguments.feed, outlet);
    else if (arguments.session.zmq)
        send_zmq(arguments, outlet, input);
    else if (arguments.mode == PublishMode::stream)
        send_stream(outlet, input);
    else
        send_messages(arguments, outlet, input);
    if (progress.bytes() == 0 && !arguments.session.zmq) send_empty(arguments, outlet, progress);
    outlet.finish();
    const double seconds = static_cast<double>(monotonic_ns() - start) / 1e9;
    progress.stop();
    if (!arguments.session.report_file.empty()) {
        // A worker takes its figures ten times a second: the next ones have what was sent last.
        std::this_thread::sleep_for(std::chrono::milliseconds(150));
        nlohmann::json figures = report(sender, progress, seconds);
        if (arguments.feed)
            figures["lateness_us"] = {{"p50", static_cast<double>(lateness.percentile(0.5)) / 1e3},
                                      {"p99", static_cast<double>(lateness.percentile(0.99)) / 1e3},
                                      {"max", static_cast<double>(lateness.max()) / 1e3}};
        write_report(arguments.session.report_file, figures.dump());
    }
    return 0;
}

}  // namespace fanfare::tool
