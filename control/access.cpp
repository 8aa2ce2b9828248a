#include "control/access.hpp"

#include <grp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <vector>

namespace fanfare::control {

std::optional<Caller> caller_of(int connection) {
    ucred credentials{};
    socklen_t length = sizeof(credentials);
    if (::getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0)
        return std::nullopt;
    return Caller{credentials.uid, credentials.gid, credentials.pid};
}

bool may_use(int connection, const Caller& caller, uid_t own_uid, std::optional<gid_t> group) {
    if (caller.uid == 0 || caller.uid == own_uid) return true;
    if (!group) return false;
    if (caller.gid == *group) return true;
#ifdef SO_PEERGROUPS
    std::vector<gid_t> groups(64);
    socklen_t bytes = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    int got = ::getsockopt(connection, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &bytes);
    if (got != 0 && errno == ERANGE) {  // `bytes` says how many there are
        groups.resize(bytes / sizeof(gid_t));
        got = ::getsockopt(connection, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &bytes);
    }
    if (got == 0) {
        groups.resize(bytes / sizeof(gid_t));
        return std::find(groups.begin(), groups.end(), *group) != groups.end();
    }
#endif
    return false;
}

std::optional<gid_t> find_group(const std::string& name) {
    gid_t number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error == std::errc{} && end == name.data() + name.size()) return number;
    if (const group* entry = ::getgrnam(name.c_str())) return entry->gr_gid;
    return std::nullopt;
}

}  // namespace fanfare::control
