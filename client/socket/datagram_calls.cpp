#include "client/socket/datagram_calls.hpp"

#include <cerrno>
#include <cstring>

#include "client/socket/arguments.hpp"
#include "client/socket/socket.hpp"

namespace fanfare::client {

namespace {

// Control messages written into the program's room one behind the other.
class Notes {
  public:
    explicit Notes(const msghdr& message)
        : room_(static_cast<std::byte*>(message.msg_control)),
          left_(message.msg_control != nullptr ? message.msg_controllen : 0) {}

    template <typename T>
    void add(int type, const T& value) {
        cmsghdr head{};
        head.cmsg_level = IPPROTO_IP;
        head.cmsg_type = type;
        head.cmsg_len = CMSG_LEN(sizeof value);
        if (left_ < CMSG_LEN(sizeof value)) {
            cut_ = true;
            return;
        }
        std::byte* const at = room_ + used_;
        bool written = copy_out(at, &head, sizeof head);
        written = written && copy_out(at + CMSG_LEN(0), &value, sizeof value);
        if (!written) {
            cut_ = true;
            left_ = 0;
            return;
        }
        const std::size_t whole = std::min<std::size_t>(CMSG_SPACE(sizeof value), left_);
        used_ += whole;
        left_ -= whole;
    }
    std::size_t used() const { return used_; }
    bool cut() const { return cut_; }

  private:
    std::byte* room_;
    std::size_t left_;
    std::size_t used_ = 0;
    bool cut_ = false;
};

// The interface that IP_PKTINFO names: its address, or its number as 0.x.y.z.
int read_source(const msghdr& message, in_addr& out) {
    out = {};
    std::size_t at = 0;
    const auto* const octets = static_cast<const std::byte*>(message.msg_control);
    const std::size_t size = octets != nullptr ? message.msg_controllen : 0;
    while (size - at >= sizeof(cmsghdr)) {
        cmsghdr head;
        if (!copy_in(&head, octets + at, sizeof head))
            return bad_memory("the control messages are no memory of this program");
        if (head.cmsg_len < sizeof head || head.cmsg_len > size - at)
            return fail(EINVAL, "a control message has no sensible length");
        if (head.cmsg_level == IPPROTO_IP && head.cmsg_type == IP_PKTINFO) {
            in_pktinfo info{};
            if (head.cmsg_len < CMSG_LEN(sizeof info))
                return fail(EINVAL, "IP_PKTINFO is too short");
            if (!copy_in(&info, octets + at + CMSG_LEN(0), sizeof info))
                return bad_memory("the control messages are no memory of this program");
            out = info.ipi_spec_dst;
            if (out.s_addr == 0) out.s_addr = htonl(static_cast<std::uint32_t>(info.ipi_ifindex));
        }
        const std::size_t step = CMSG_ALIGN(head.cmsg_len);
        if (step >= size - at) break;
        at += step;
    }
    return 0;
}

}  // namespace

int receive_datagram_message(Socket& socket, msghdr& message, int flags, std::size_t& bytes) {
    Parts<RoomPart> room;
    if (const int error = room.read(message.msg_iov, message.msg_iovlen); error != 0) return error;
    DatagramReceived got;
    if (const int error = socket.receive_datagram(room.get(), flags, got); error != 0) return error;
    bytes = (flags & MSG_TRUNC) != 0 ? got.length : got.bytes;
    message.msg_flags = got.length > got.bytes ? MSG_TRUNC : 0;
    if (message.msg_name != nullptr && !got.ended) {
        const std::size_t n = std::min<std::size_t>(message.msg_namelen, sizeof got.source);
        if (!copy_out(message.msg_name, &got.source, n))
            return bad_memory("the address is no memory of this program");
        message.msg_namelen = sizeof got.source;
    } else if (got.ended) {
        message.msg_namelen = 0;
    }
    Notes notes(message);
    const std::uint32_t wanted = got.ended ? 0 : socket.datagram_notes();
    if ((wanted & kNotePacketInfo) != 0) {
        in_pktinfo info{};
        info.ipi_ifindex = static_cast<int>(got.interface_index);
        info.ipi_spec_dst = got.interface_address;
        info.ipi_addr = got.destination;
        notes.add(IP_PKTINFO, info);
    }
    if ((wanted & kNoteTtl) != 0) notes.add(IP_TTL, int{got.ttl});
    if ((wanted & kNoteTos) != 0) notes.add(IP_TOS, got.tos);
    if (notes.cut()) message.msg_flags |= MSG_CTRUNC;
    message.msg_controllen = notes.used();
    return 0;
}

int send_datagram_message(Socket& socket, const msghdr& message, int flags, std::size_t& bytes) {
    Parts<DataPart> data;
    if (const int error = data.read(message.msg_iov, message.msg_iovlen); error != 0) return error;
    sockaddr_in to{};
    const bool named = message.msg_name != nullptr;
    if (named) {
        const auto* const address = static_cast<const sockaddr*>(message.msg_name);
        if (const int error = read_address(address, message.msg_namelen, to); error != 0)
            return error;
    }
    in_addr from{};
    if (const int error = read_source(message, from); error != 0) return error;
    if (const int error = socket.send_datagram(data.get(), flags, named ? &to : nullptr, from);
        error != 0)
        return error;
    bytes = total_bytes(data.get());
    return 0;
}

// The longest list, in the longer of the two structures: on a stack of its own, as other options
// need far less.
static constexpr std::size_t kFilterOctetsMax = GROUP_FILTER_SIZE(64);

bool carries_source_filter(const Socket& socket, int level, int name, const void* value) {
    return value != nullptr && socket.type() == SOCK_DGRAM && level == IPPROTO_IP &&
           (name == IP_MSFILTER || name == MCAST_MSFILTER);
}

[[gnu::noinline]] int set_source_filter(Socket& socket, int name, const void* value,
                                        socklen_t length) {
    std::byte copy[kFilterOctetsMax];
    const std::size_t n = std::min<std::size_t>(length, sizeof copy);
    if (!copy_in(copy, value, n))
        return bad_memory("the option's value is no memory of this program");
    return socket.set_source_filter(name, copy, n);
}

[[gnu::noinline]] int get_source_filter(Socket& socket, int name, void* value, socklen_t* length) {
    std::byte copy[kFilterOctetsMax];
    socklen_t given = 0;
    if (!copy_in(&given, length, sizeof given))
        return bad_memory("the length is no memory of this program");
    std::size_t room = std::min<std::size_t>(given, sizeof copy);
    if (!copy_in(copy, value, room))
        return bad_memory("the option's value is no memory of this program");
    if (const int error = socket.get_source_filter(name, copy, room); error != 0) return error;
    given = static_cast<socklen_t>(room);
    if (!copy_out(value, copy, room) || !copy_out(length, &given, sizeof given))
        return bad_memory("the option's value is no memory of this program");
    return 0;
}

}  // namespace fanfare::client
