#include "dataplane/dpdk/memif_path.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>

#include "ipc/descriptor.hpp"

namespace fanfare::dataplane::dpdk {

// Asked with another type of socket: a path that is served then refuses as the wrong type, without
// a connection. DPDK's server would end its process over one that comes and goes at once: it
// closes a descriptor that its interrupt thread still watches.
void unlink_if_dead(const std::string& path) {
    sockaddr_un address{};
    if (path.size() >= sizeof address.sun_path) return;
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, path.size());
    const ipc::Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    struct stat status {};
    if (lstat(path.c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) return;
    // A path that nobody serves refuses so.
    if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
        errno == ECONNREFUSED)
        ::unlink(path.c_str());
}

}  // namespace fanfare::dataplane::dpdk
