#include "client/preload/passed_descriptors.hpp"

#include <cstring>

#include "client/preload/interpose.hpp"
#include "client/socket/descriptor_calls.hpp"
#include "ipc/endpoint_name.hpp"

namespace fanfare::preload {

bool is_endpoint(int fd) {
    sockaddr_un address{};
    socklen_t length = sizeof address;
    return raw::getpeername(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0 &&
           ipc::socket_id_in(address, length) != 0;
}

void mark_passed(const msghdr& message) {
    const int kept = errno;
    auto* const all = const_cast<msghdr*>(&message);
    for (cmsghdr* head = CMSG_FIRSTHDR(all); head != nullptr; head = CMSG_NXTHDR(all, head)) {
        if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t octets = head->cmsg_len - CMSG_LEN(0);
        for (std::size_t at = 0; at + sizeof(int) <= octets; at += sizeof(int)) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(head) + at, sizeof fd);
            // What had the number before was closed without this library's knowing.
            if (is_ours(fd)) client::release_descriptor(fd, false);
            if (is_endpoint(fd)) client::set_kind(fd, client::DescriptorKind::socket);
        }
    }
    errno = kept;
}

}  // namespace fanfare::preload
