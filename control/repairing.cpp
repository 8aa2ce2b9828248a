#include "control/repairing.hpp"

#include <algorithm>
#include <charconv>

#include "control/receiving.hpp"
#include "control/text.hpp"

namespace fanfare::control {
namespace {

bool read_port(std::string_view text, std::uint16_t& port) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    return error == std::errc{} && end == text.data() + text.size() && port != 0;
}

// An end after which the octets at hand are still what the source sent and somebody below may lack.
bool worth_keeping(const Reception& session) {
    return session.end_state == SessionState::finished ||
           session.cause == ResetCause::sender_silent || session.cause == ResetCause::sender_reset;
}

}  // namespace

std::optional<Followed> parse_followed(std::string_view text) {
    Followed out;
    constexpr std::string_view kUdp = ",udp=";
    if (const auto udp = text.find(kUdp); udp != std::string_view::npos) {
        if (!read_port(text.substr(udp + kUdp.size()), out.udp_port)) return std::nullopt;
        text = text.substr(0, udp);
    }
    if (const auto colon = text.find(':'); colon != std::string_view::npos) {
        if (!read_port(text.substr(colon + 1), out.port)) return std::nullopt;
        text = text.substr(0, colon);
    }
    const auto group = parse_address(text);
    if (!group || !group->is_multicast()) return std::nullopt;
    out.group = *group;
    return out;
}

bool is_followed(const Registry& registry, const Reception& session) {
    const auto& follow = registry.settings.repairs.follow;
    return std::any_of(follow.begin(), follow.end(), [&](const Followed& f) {
        return f.group == session.group && f.udp_port == session.udp_port &&
               (f.port == 0 || f.port == session.destination_port);
    });
}

void start_following(Registry& registry) {
    for (const Followed& followed : registry.settings.repairs.follow) {
        for (std::uint32_t i = 0; i < registry.interfaces.size(); ++i) {
            dataplane::Command command;
            command.kind = dataplane::Command::Kind::add_listen;
            command.id = registry.new_id();
            command.interface = i;
            command.listen.listen_id = command.id;
            command.listen.group = followed.group;
            command.listen.destination_port = followed.port;
            command.listen.udp_port = followed.udp_port;
            command.listen.interface = i;
            command.listen.repairs = true;
            registry.post_all(command);
        }
    }
}

void begin_following(Registry& registry, Services& services, Reception& session) {
    const RepairSettings& settings = registry.settings.repairs;
    if (!settings.on() || !is_followed(registry, session)) return;
    const auto followed = std::count_if(registry.receptions.begin(), registry.receptions.end(),
                                        [](const auto& r) { return r.second.followed; });
    if (static_cast<std::uint64_t>(followed) >= settings.sessions_max) {
        ++registry.counters.sessions_not_followed;
        return;
    }
    session.followed = true;
    if (session.store)
        services.follow(session.store, session.memory,
                        "session " + to_string(session.tsi.gsi) + ":" +
                            std::to_string(session.tsi.source_port));
}

void tick_following(Registry& registry, Services& services, Nanos now) {
    if (!registry.settings.repairs.on()) return;
    for (auto& [id, session] : registry.receptions) {
        if (!session.followed || !session.ended) continue;
        if (session.keep_until == kNever)
            session.keep_until =
                worth_keeping(session) ? now + registry.settings.repairs.keep_ns : now;
        if (now < session.keep_until) continue;
        end_following(services, session);
        close_if_unused(registry, session);
    }
}

void end_following(Services& services, Reception& session) {
    if (!session.followed) return;
    session.followed = false;
    if (session.store) services.unfollow(session.store);
}

}  // namespace fanfare::control
