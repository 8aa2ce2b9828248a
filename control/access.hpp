// Who may use the daemon: root, the daemon's own user, and the members of one group (SO_PEERCRED).
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

namespace fanfare::control {

struct Caller {
    uid_t uid = 0;
    gid_t gid = 0;
    pid_t pid = 0;
};

// Credentials of the process at the other end of a connected Unix socket, as they were at connect.
std::optional<Caller> caller_of(int connection);

// Whether the caller is root, has the daemon's own uid, or is in `group` (primary or
// supplementary).
bool may_use(int connection, const Caller& caller, uid_t own_uid, std::optional<gid_t> group);

// A group by name or number; nothing if there is none.
std::optional<gid_t> find_group(const std::string& name);

}  // namespace fanfare::control
