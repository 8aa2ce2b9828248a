#include "dataplane/kernel/segments.hpp"

#include <linux/io_uring.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <cstring>

namespace fanfare::dataplane::kernel {

namespace {

// Walks control messages by subtraction; what does not fit ends the walk.
void parse_control(std::span<const std::byte> control, Arrival& out) {
    constexpr std::size_t kHead = sizeof(cmsghdr);
    static_assert(kHead == CMSG_LEN(0));
    while (control.size() >= kHead) {
        cmsghdr head;
        std::memcpy(&head, control.data(), kHead);
        if (head.cmsg_len < kHead || head.cmsg_len > control.size()) return;
        const auto value = control.subspan(kHead, head.cmsg_len - kHead);
        if (head.cmsg_level == SOL_UDP && head.cmsg_type == UDP_GRO &&
            value.size() >= sizeof(int)) {
            int size = 0;
            std::memcpy(&size, value.data(), sizeof size);
            if (size > 0) out.segment_bytes = static_cast<std::size_t>(size);
        } else if (head.cmsg_level == IPPROTO_IP && head.cmsg_type == IP_PKTINFO &&
                   value.size() >= sizeof(in_pktinfo)) {
            in_pktinfo info;
            std::memcpy(&info, value.data(), sizeof info);
            out.destination.v4 = ntohl(info.ipi_addr.s_addr);
        }
        control = control.subspan(std::min(control.size(), CMSG_ALIGN(head.cmsg_len)));
    }
}

}  // namespace

bool parse_arrival(std::span<const std::byte> buffer, std::size_t written,
                   const ArrivalLayout& layout, Arrival& out) {
    static_assert(sizeof(io_uring_recvmsg_out) == 16);
    if (written > buffer.size() || written < layout.payload_at()) return false;
    io_uring_recvmsg_out head;
    std::memcpy(&head, buffer.data(), sizeof head);
    if ((head.flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) return false;
    sockaddr_in from;
    if (layout.name_bytes < sizeof from || head.namelen < sizeof from ||
        head.controllen > layout.control_bytes)
        return false;
    std::memcpy(&from, buffer.data() + sizeof head, sizeof from);
    if (from.sin_family != AF_INET) return false;
    out = Arrival{};
    out.source.v4 = ntohl(from.sin_addr.s_addr);
    parse_control(buffer.subspan(sizeof head + layout.name_bytes, head.controllen), out);
    out.payload = buffer.subspan(layout.payload_at(), written - layout.payload_at());
    return true;
}

}  // namespace fanfare::dataplane::kernel
