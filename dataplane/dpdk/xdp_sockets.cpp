#include "dataplane/dpdk/xdp_sockets.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

namespace fanfare::dataplane::dpdk {

namespace {

// The socket's own number if `fd` is an AF_XDP socket, else 0.
std::uint64_t xdp_socket_number(int fd) {
    int domain = 0;
    socklen_t size = sizeof domain;
    struct stat status {};
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0 || domain != AF_XDP) return 0;
    return fstat(fd, &status) == 0 ? status.st_ino : 0;
}

}  // namespace

XdpSockets::List XdpSockets::open() {
    List sockets;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", ignored)) {
        const int fd = std::atoi(entry.path().filename().c_str());
        if (const std::uint64_t number = xdp_socket_number(fd); number != 0)
            sockets.emplace_back(fd, number);
    }
    return sockets;
}

void XdpSockets::take(const List& others) {
    for (const auto& socket : open())
        if (std::find(others.begin(), others.end(), socket) == others.end())
            kept_.push_back(socket);
}

void XdpSockets::close() {
    for (const auto& [fd, number] : kept_)
        if (xdp_socket_number(fd) == number) ::close(fd);
    kept_.clear();
}

}  // namespace fanfare::dataplane::dpdk
