// Sessions that this host follows to repair them (role dlr, docs/repairer.md): which, how many, and
// for how long after their end.
#pragma once

#include <optional>
#include <string_view>

#include "control/registry.hpp"
#include "control/services.hpp"

namespace fanfare::control {

// GROUP[:PORT][,udp=PORT]; nullopt where it is none. Without a port every session of the group is
// meant.
std::optional<Followed> parse_followed(std::string_view text);

// Whether the configuration asks to repair sessions of this group and these ports.
bool is_followed(const Registry& registry, const Reception& session);

// Tells the workers; once, at the start.
void start_following(Registry& registry);
// A session was opened: follows it where that is asked for and the limit allows.
void begin_following(Registry& registry, Services& services, Reception& session);
// Ends what was kept long enough after its session's end.
void tick_following(Registry& registry, Services& services, Nanos now);
// The tier lets go of the session.
void end_following(Services& services, Reception& session);

}  // namespace fanfare::control
