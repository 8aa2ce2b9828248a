// Options of datagram sockets: the many structures that name a group, an interface and a source,
// and the octets or ints of small numbers, become what the control side takes (ipc/messages.hpp).
#include <arpa/inet.h>
#include <netinet/in.h>

#include <cerrno>
#include <cstring>

#include "client/socket/asking.hpp"
#include "client/socket/datagram.hpp"
#include "client/socket/last_error.hpp"
#include "client/socket/page_lock.hpp"
#include "client/socket/signals_held.hpp"
#include "client/socket/socket.hpp"

namespace fanfare::client {

namespace {

int too_short() {
    return fail(EINVAL, "the option's value is too short for its type");
}

Address host_order(in_addr address) {
    return Address{ntohl(address.s_addr)};
}

template <typename T>
bool read(const void* value, socklen_t length, T& out) {
    if (length < sizeof out) return false;
    std::memcpy(&out, value, sizeof out);
    return true;
}

// An int, or for those who are thrifty an octet.
int read_number(const void* value, socklen_t length, int& out) {
    if (length == 0) return too_short();
    if (read(value, length, out)) return 0;
    unsigned char octet = 0;
    std::memcpy(&octet, value, 1);
    out = octet;
    return 0;
}

// struct ip_mreqn where there is room for one, else struct ip_mreq.
int read_group_and_interface(const void* value, socklen_t length, in_addr& group,
                             Address& interface) {
    ip_mreqn named{};
    ip_mreq plain{};
    if (read(value, length, named)) {
        group = named.imr_multiaddr;
        interface = named.imr_ifindex != 0 ? Address{static_cast<std::uint32_t>(named.imr_ifindex)}
                                           : host_order(named.imr_address);
        return 0;
    }
    if (!read(value, length, plain)) return too_short();
    group = plain.imr_multiaddr;
    interface = host_order(plain.imr_interface);
    return 0;
}

// An address of the protocol-independent structures.
int read_storage(const sockaddr_storage& storage, Address& out) {
    sockaddr_in address;
    std::memcpy(&address, &storage, sizeof address);
    if (address.sin_family != AF_INET) return fail(EINVAL, "groups and sources are AF_INET");
    out = host_order(address.sin_addr);
    return 0;
}

struct Twin {
    int general, own;
    bool source;
};
constexpr Twin kTwins[] = {
    {MCAST_JOIN_GROUP, IP_ADD_MEMBERSHIP, false},
    {MCAST_LEAVE_GROUP, IP_DROP_MEMBERSHIP, false},
    {MCAST_JOIN_SOURCE_GROUP, IP_ADD_SOURCE_MEMBERSHIP, true},
    {MCAST_LEAVE_SOURCE_GROUP, IP_DROP_SOURCE_MEMBERSHIP, true},
    {MCAST_BLOCK_SOURCE, IP_BLOCK_SOURCE, true},
    {MCAST_UNBLOCK_SOURCE, IP_UNBLOCK_SOURCE, true},
};

// Fills `out` when `name` is one of the twelve membership calls; `name` becomes the IP_* one.
int read_membership(int& name, const void* value, socklen_t length, ipc::MembershipValue& out,
                    bool& is_one) {
    is_one = true;
    for (const Twin& twin : kTwins) {
        if (name == twin.general) {
            name = twin.own;
            // The source follows the group, so the short structure is a prefix of the long one.
            group_source_req request{};
            const std::size_t size = twin.source ? sizeof request : sizeof(group_req);
            static_assert(offsetof(group_source_req, gsr_group) == offsetof(group_req, gr_group));
            if (length < size) return too_short();
            std::memcpy(&request, value, size);
            out.interface = Address{request.gsr_interface};
            if (request.gsr_interface >= (1u << 24))
                return fail(EADDRNOTAVAIL, "no interface has that number");
            if (const int error = read_storage(request.gsr_group, out.group); error != 0)
                return error;
            return twin.source ? read_storage(request.gsr_source, out.source) : 0;
        }
        if (name != twin.own) continue;
        if (twin.source) {
            ip_mreq_source request{};
            if (!read(value, length, request)) return too_short();
            out = {host_order(request.imr_multiaddr), host_order(request.imr_interface),
                   host_order(request.imr_sourceaddr)};
            return 0;
        }
        in_addr group{};
        if (const int error = read_group_and_interface(value, length, group, out.interface);
            error != 0)
            return error;
        out.group = host_order(group);
        return 0;
    }
    is_one = false;
    return 0;
}

std::uint32_t note_of(int name) {
    switch (name) {
        case IP_PKTINFO:
            return kNotePacketInfo;
        case IP_RECVTTL:
            return kNoteTtl;
        case IP_RECVTOS:
            return kNoteTos;
        default:
            return 0;
    }
}

}  // namespace

int Socket::set_datagram_option(int name, const void* value, socklen_t length) {
    ipc::OptionRequest request{};
    request.level = IPPROTO_IP;
    const auto send = [&](int number, const auto& wish) {
        request.name = number;
        request.length = sizeof wish;
        std::memcpy(request.value, &wish, sizeof wish);
        const QuietLock lock(control_);
        return ask(ipc::RequestType::set_option, request);
    };
    ipc::MembershipValue membership{};
    bool is_membership = false;
    if (const int error = read_membership(name, value, length, membership, is_membership);
        error != 0)
        return error;
    if (is_membership) return send(name, membership);
    if (name == IP_MULTICAST_IF) {
        in_addr plain{}, group{};
        Address interface;
        if (length < sizeof(ip_mreq)) {
            if (!read(value, length, plain)) return too_short();
            interface = host_order(plain);
        } else if (const int error = read_group_and_interface(value, length, group, interface);
                   error != 0) {
            return error;
        }
        return send(name, interface);
    }
    int number = 0;
    if (const int error = read_number(value, length, number); error != 0) return error;
    if (const std::uint32_t note = note_of(name); note != 0) {
        const PageLock held(page_->lock);
        const std::uint32_t notes = page_->datagram_notes.load(std::memory_order_relaxed);
        page_->datagram_notes = number != 0 ? notes | note : notes & ~note;
        return 0;
    }
    switch (name) {
        case IP_MULTICAST_ALL:
            return number == 0 ? 0 : fail(EINVAL, "a socket hears the groups that it joined");
        case IP_MULTICAST_TTL:
            if (number == -1) number = 1;
            break;
        case IP_TTL:
            if (number == -1) number = 64;
            break;
        case IP_MULTICAST_LOOP:
            break;
        default:
            return fail(ENOPROTOOPT, "no such option of a datagram socket");
    }
    return send(name, static_cast<std::uint32_t>(number));
}

int Socket::get_datagram_option(int name, void* value, socklen_t& length) {
    std::uint32_t word = 0;
    if (const std::uint32_t note = note_of(name); note != 0) {
        word = (page_->datagram_notes.load(std::memory_order_relaxed) & note) != 0 ? 1 : 0;
    } else if (name != IP_MULTICAST_ALL) {
        ipc::OptionRequest request{};
        request.level = IPPROTO_IP;
        request.name = name;
        request.length = sizeof word;
        ipc::OptionReply reply;
        Descriptors none;
        const QuietLock lock(control_);
        if (const int error = ask(ipc::RequestType::get_option, request, reply, none); error != 0)
            return error;
        std::memcpy(&word, reply.value, sizeof word);
        if (name == IP_MULTICAST_IF) word = htonl(word);
    }
    if (length == 0) return too_short();
    if (length < sizeof word) {
        const auto octet = static_cast<unsigned char>(word);
        std::memcpy(value, &octet, 1);
        length = 1;
        return 0;
    }
    std::memcpy(value, &word, sizeof word);
    length = sizeof word;
    return 0;
}

}  // namespace fanfare::client
