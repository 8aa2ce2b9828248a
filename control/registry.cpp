#include "control/registry.hpp"

#include <algorithm>

namespace fanfare::control {

std::string change_of_link(const Interface& known, bool up, bool gone) {
    // One that is still not served has said so before.
    if ((known.gone && gone) || (known.up == up && known.gone == gone)) return {};
    return "interface " + known.spec.name + " (" + known.kernel_name + ") " +
           (gone ? "has gone"
            : up ? "is up"
                 : "is down");
}

Registry::Registry(const ControlSettings& settings, std::vector<Interface> interfaces,
                   std::uint32_t workers)
    : settings(settings),
      interfaces(std::move(interfaces)),
      workers(workers),
      budget(settings.memory_total_bytes, settings.memory_per_user_bytes),
      receive_log_bytes(settings.receive_log_bytes),
      last_id_(settings.first_id) {}

Socket* Registry::socket(std::uint64_t id) {
    auto it = sockets.find(id);
    return it == sockets.end() ? nullptr : &it->second;
}

SendSession* Registry::send_session(std::uint64_t id) {
    auto it = send_sessions.find(id);
    return it == send_sessions.end() ? nullptr : &it->second;
}

Reception* Registry::reception(std::uint64_t id) {
    auto it = receptions.find(id);
    return it == receptions.end() ? nullptr : &it->second;
}

int Registry::interface_with(Address address) const {
    for (std::size_t i = 0; i < interfaces.size(); ++i)
        if (interfaces[i].spec.address == address) return static_cast<int>(i);
    return -1;
}

int Registry::first_available() const {
    for (std::size_t i = 0; i < interfaces.size(); ++i)
        if (interfaces[i].available()) return static_cast<int>(i);
    return -1;
}

std::uint32_t Registry::interface_index(std::uint32_t i) const {
    // The kernel's numbers are smaller; both fit the 24 bits that 0.x.y.z has for them.
    constexpr std::uint32_t kBeyondKernel = 0x800001;
    return interfaces[i].kernel_index != 0 ? interfaces[i].kernel_index : kBeyondKernel + i;
}

int Registry::interface_with_index(std::uint32_t index) const {
    for (std::uint32_t i = 0; i < interfaces.size(); ++i)
        if (interface_index(i) == index) return static_cast<int>(i);
    return -1;
}

std::uint32_t Registry::sockets_of(std::uint32_t uid) const {
    return static_cast<std::uint32_t>(std::count_if(
        sockets.begin(), sockets.end(), [&](const auto& s) { return s.second.uid == uid; }));
}

std::uint32_t Registry::spares_of(std::uint32_t worker) const {
    return static_cast<std::uint32_t>(
        std::count_if(receptions.begin(), receptions.end(), [&](const auto& r) {
            return r.second.state == Reception::State::spare && r.second.worker == worker &&
                   r.second.memory.log_bytes == receive_log_bytes &&
                   r.second.high_speed == high_speed;
        }));
}

bool Registry::wants(const Socket& listener, const Reception& session) const {
    return listener.state == SocketState::listener && !listener.closing &&
           listener.group == session.group && listener.port == session.destination_port &&
           listener.options.udp_port == session.udp_port &&
           (listener.options.source_filter.is_none() ||
            listener.options.source_filter == session.source) &&
           listener.listens.count(session.interface) != 0;
}

}  // namespace fanfare::control
