#include "embed/link_watch.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

namespace fanfare::embed {

LinkWatch::LinkWatch(Workers& workers, control::Controller& controller,
                     std::function<void(const std::string&)> log)
    : workers_(workers),
      controller_(controller),
      log_(std::move(log)),
      failures_(controller.registry().interfaces.size()) {}

void LinkWatch::tick() {
    const auto& interfaces = controller_.registry().interfaces;
    for (std::uint32_t i = 0; i < interfaces.size(); ++i) {
        if (!interfaces[i].kernel_name.empty()) {
            // rtnetlink tells of these, but for when their devices are open again.
            if (interfaces[i].gone)
                welcome_back(i);
            else
                failures_[i] = 0;
            continue;
        }
        bool gone = false;
        const bool up = workers_.link_up(i, gone);
        controller_.interface_changed(i, up, gone, 0);
    }
}

void LinkWatch::welcome_back(std::uint32_t interface) {
    const control::Interface& known = controller_.registry().interfaces[interface];
    const control::LinkState link = control::link_state(known.kernel_name);
    if (!link.exists) {
        failures_[interface] = 0;
        return;
    }
    // Drivers refuse now and then while the kernel still takes the former interface down. One that
    // goes on refusing is asked once a second: it costs whoever ticks milliseconds each time. A
    // change that rtnetlink tells of asks at once.
    constexpr unsigned kTicksOfPatience = 20, kTicksBetween = 10;
    unsigned& failures = failures_[interface];
    if (failures >= kTicksOfPatience && failures % kTicksBetween != 0) {
        ++failures;
        return;
    }
    if (!workers_.follow_interface(interface)) {
        const std::string trouble = workers_.trouble(interface);
        if (++failures == kTicksOfPatience && !trouble.empty() && log_)
            log_(trouble + "; it is tried again and again");
        return;
    }
    failures = 0;
    const bool first = known.spec.missing;
    controller_.interface_changed(interface, link.up, false, link.mtu);
    if (log_)
        log_("interface " + known.spec.name + " (" + known.kernel_name + ") is " +
             (first ? "there" : "back") + (link.up ? "" : ", link down"));
}

void LinkWatch::read(control::LinkMonitor& monitor) {
    alignas(std::uint64_t) std::byte message[16384];  // aligned as netlink headers are
    // A bound for each call; what is left is there at the next one.
    for (int round = 0; round < 16; ++round) {
        const ssize_t got = ::recv(monitor.descriptor(), message, sizeof(message), MSG_DONTWAIT);
        const bool lost = got < 0 && errno == ENOBUFS;
        if (got <= 0 && !lost) return;
        const auto octets = std::span(message).first(lost ? 0 : static_cast<std::size_t>(got));
        for (const auto& change : monitor.on_message(octets)) {
            const bool gone = !change.state.exists || !workers_.follow_interface(change.interface);
            const auto& known = controller_.registry().interfaces[change.interface];
            const auto line = control::change_of_link(known, change.state.up, gone);
            if (log_ && !line.empty()) log_(line);
            controller_.interface_changed(change.interface, change.state.up, gone,
                                          change.state.mtu);
        }
    }
}

std::optional<control::LinkMonitor> watch_links(const std::vector<control::Interface>& interfaces,
                                                std::string& error) {
    auto monitor = control::LinkMonitor::open(error);
    for (std::uint32_t i = 0; monitor && i < interfaces.size(); ++i)
        if (!interfaces[i].kernel_name.empty()) monitor->watch(i, interfaces[i].kernel_name);
    return monitor;
}

}  // namespace fanfare::embed
