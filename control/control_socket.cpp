#include "control/control_socket.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>

namespace fanfare::control {
namespace {

std::string reason(int error) {
    return std::strerror(error);
}

// Takes the lock file; it may be unlinked by a daemon that ends between our open and our lock, then
// once more.
ipc::Descriptor take_lock(const std::string& path, std::string& error) {
    for (int tries = 0; tries < 10; ++tries) {
        ipc::Descriptor lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
        if (!lock) {
            error = "cannot create " + path + ": " + reason(errno) +
                    "; choose another --control path or run with the permission to write there";
            return {};
        }
        if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
            error = "held";
            return {};
        }
        struct stat ours {};
        struct stat there {};
        if (::fstat(lock.get(), &ours) == 0 && ::stat(path.c_str(), &there) == 0 &&
            ours.st_ino == there.st_ino)
            return lock;
    }
    error = "held";
    return {};
}

// The kernel keeps a killed daemon's listener for some milliseconds after its end, until its
// io_uring is gone: who still answers after a second is somebody else.
bool is_listened_on(const sockaddr_un& address) {
    constexpr int kLooks = 50;
    constexpr timespec kPause{0, 20'000'000};
    for (int look = 0; look < kLooks; ++look) {
        if (look != 0) ::nanosleep(&kPause, nullptr);
        const ipc::Descriptor probe(
            ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        const int connected =
            ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
        if (connected != 0 && errno != EPROTOTYPE && errno != EAGAIN) return false;
    }
    return true;
}

}  // namespace

std::optional<ControlSocket> ControlSocket::open(const std::string& path,
                                                 std::optional<unsigned> group,
                                                 std::string& error) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof(address.sun_path)) {
        error = "the control socket's path '" + path + "' must have 1 to " +
                std::to_string(sizeof(address.sun_path) - 1) + " characters";
        return std::nullopt;
    }
    std::memcpy(address.sun_path, path.data(), path.size());

    const auto directory = std::filesystem::path(path).parent_path();
    if (!directory.empty() && ::mkdir(directory.c_str(), 0755) != 0 && errno != EEXIST) {
        error = "cannot create the directory " + directory.string() + ": " + reason(errno) +
                "; choose another --control path or create it";
        return std::nullopt;
    }
    ControlSocket out;
    out.path_ = path;
    out.lock_ = take_lock(path + ".lock", error);
    if (!out.lock_) {
        if (error == "held")
            error = "another fanfared serves " + path +
                    "; stop it, or give this one another --control path";
        return std::nullopt;
    }

    struct stat there {};
    if (::lstat(path.c_str(), &there) == 0) {
        if (!S_ISSOCK(there.st_mode)) {
            error = path + " exists and is no socket; choose another --control path, or remove it";
            return std::nullopt;
        }
        // The lock is ours, so what stands here was left behind by a dead daemon, unless somebody
        // else's program listens there.
        if (is_listened_on(address)) {
            error =
                "another program listens on " + path + "; stop it, or give --control another path";
            return std::nullopt;
        }
        if (::unlink(path.c_str()) != 0) {
            error = "cannot remove the stale socket " + path + ": " + reason(errno);
            return std::nullopt;
        }
    }

    out.listener_.reset(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    // Nobody may connect between bind and chmod who may not afterwards.
    const mode_t mask = ::umask(0177);
    const int bound =
        ::bind(out.listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address));
    const int bind_error = errno;
    ::umask(mask);
    if (bound != 0) {
        error = "cannot make the control socket " + path + ": " + reason(bind_error);
        return std::nullopt;
    }
    out.bound_ = true;
    if (group && ::chown(path.c_str(), static_cast<uid_t>(-1), *group) != 0) {
        error = "cannot give " + path + " to group " + std::to_string(*group) + ": " +
                reason(errno) + "; run as root or as a member of the group";
        return std::nullopt;
    }
    constexpr int kBacklog = 256;
    if (::chmod(path.c_str(), 0660) != 0 || ::listen(out.listener_.get(), kBacklog) != 0) {
        error = "cannot listen on " + path + ": " + reason(errno);
        return std::nullopt;
    }
    return out;
}

ControlSocket::~ControlSocket() {
    if (bound_ && listener_) ::unlink(path_.c_str());
    if (lock_) ::unlink((path_ + ".lock").c_str());
}

}  // namespace fanfare::control
