// IP_MSFILTER and MCAST_MSFILTER of datagram sockets: a membership's mode and sources at once, set
// and got (RFC 3678 sections 4.1.3 and 5.1.3). Both structures become one value
// (ipc/source_filter.hpp).
#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "client/socket/asking.hpp"
#include "client/socket/datagram.hpp"
#include "client/socket/last_error.hpp"
#include "client/socket/signals_held.hpp"
#include "client/socket/socket.hpp"
#include "ipc/source_filter.hpp"

namespace fanfare::client {

namespace {

// Where things stand in the two structures.
struct Shape {
    std::size_t head;  // octets before the sources
    std::size_t each;  // octets of a source
    std::size_t mode, count;
};
constexpr Shape kOwn{offsetof(ip_msfilter, imsf_slist), sizeof(in_addr),
                     offsetof(ip_msfilter, imsf_fmode), offsetof(ip_msfilter, imsf_numsrc)};
constexpr Shape kGeneral{offsetof(group_filter, gf_slist), sizeof(sockaddr_storage),
                         offsetof(group_filter, gf_fmode), offsetof(group_filter, gf_numsrc)};

const Shape& shape_of(int name) {
    return name == IP_MSFILTER ? kOwn : kGeneral;
}

template <typename T>
T load(const std::byte* from) {
    T out;
    std::memcpy(&out, from, sizeof out);
    return out;
}
template <typename T>
void store(std::byte* to, const T& value) {
    std::memcpy(to, &value, sizeof value);
}

// One address as its structure has it: in_addr, or sockaddr_storage.
int read_address(const Shape& shape, const std::byte* from, Address& out) {
    if (shape.each == sizeof(in_addr)) {
        out = Address{ntohl(load<in_addr>(from).s_addr)};
        return 0;
    }
    const auto address = load<sockaddr_in>(from);
    if (address.sin_family != AF_INET) return fail(EINVAL, "groups and sources are AF_INET");
    out = Address{ntohl(address.sin_addr.s_addr)};
    return 0;
}
void write_address(const Shape& shape, std::byte* to, Address address) {
    const in_addr plain{htonl(address.v4)};
    if (shape.each == sizeof(in_addr)) return store(to, plain);
    sockaddr_storage storage{};
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_addr = plain;
    std::memcpy(&storage, &in, sizeof in);
    store(to, storage);
}

// Group and interface, which both calls name; `sources`: how many the program lists, or has room
// for.
int read_head(int name, const std::byte* value, std::size_t length, ipc::SourceFilterHead& out,
              std::size_t& sources) {
    const Shape& shape = shape_of(name);
    if (length < shape.head) return fail(EINVAL, "the option's value is too short for its type");
    sources = load<std::uint32_t>(value + shape.count);
    if (name == IP_MSFILTER) {
        out.interface =
            Address{ntohl(load<in_addr>(value + offsetof(ip_msfilter, imsf_interface)).s_addr)};
        return read_address(shape, value + offsetof(ip_msfilter, imsf_multiaddr), out.group);
    }
    const auto index = load<std::uint32_t>(value + offsetof(group_filter, gf_interface));
    if (index >= (1u << 24)) return fail(EADDRNOTAVAIL, "no interface has that number");
    out.interface = Address{index};
    return read_address(shape, value + offsetof(group_filter, gf_group), out.group);
}

}  // namespace

int Socket::set_source_filter(int name, const std::byte* value, std::size_t length) {
    const Shape& shape = shape_of(name);
    ipc::SourceFilterValue wish;
    std::size_t count = 0;
    if (const int error = read_head(name, value, length, wish.head, count); error != 0)
        return error;
    const auto mode = load<std::uint32_t>(value + shape.mode);
    if (mode != MCAST_INCLUDE && mode != MCAST_EXCLUDE)
        return fail(EINVAL, "the mode is MCAST_INCLUDE or MCAST_EXCLUDE");
    if (count > wish.sources.size())
        return fail(ENOBUFS, "so many sources at once are not to be had");
    if (length - shape.head < count * shape.each)
        return fail(EINVAL, "the list has fewer sources than it says");
    wish.head.mode = static_cast<ipc::FilterMode>(mode);
    wish.head.count = static_cast<std::uint32_t>(count);
    for (std::size_t i = 0; i < count; ++i) {
        const std::byte* const from = value + shape.head + i * shape.each;
        if (const int error = read_address(shape, from, wish.sources[i]); error != 0) return error;
    }
    ipc::OptionRequest request{};
    request.level = IPPROTO_IP;
    request.name = IP_MSFILTER;
    request.length = static_cast<std::uint32_t>(sizeof wish.head + count * sizeof(Address));
    std::memcpy(request.value, &wish, request.length);
    const QuietLock lock(control_);
    return ask(ipc::RequestType::set_option, request);
}

int Socket::get_source_filter(int name, std::byte* value, std::size_t& length) {
    const Shape& shape = shape_of(name);
    ipc::SourceFilterHead head;
    std::size_t room = 0;
    if (const int error = read_head(name, value, length, head, room); error != 0) return error;
    room = std::min(room, (length - shape.head) / shape.each);
    std::size_t given = 0;
    for (;;) {
        ipc::OptionRequest request{};
        request.level = IPPROTO_IP;
        request.name = IP_MSFILTER;
        request.length = sizeof request.value;
        head.first = static_cast<std::uint32_t>(given);
        std::memcpy(request.value, &head, sizeof head);
        ipc::OptionReply reply;
        Descriptors none;
        {
            const QuietLock lock(control_);
            if (const int error = ask(ipc::RequestType::get_option, request, reply, none);
                error != 0)
                return error;
        }
        ipc::SourceFilterValue got;
        if (reply.length < sizeof got.head || reply.length > sizeof got)
            return fail(EPROTO, "the daemon's answer has another length");
        std::memcpy(&got, reply.value, reply.length);
        const std::size_t came = (reply.length - sizeof got.head) / sizeof(Address);
        for (std::size_t i = 0; i < came && given < room; ++i, ++given)
            write_address(shape, value + shape.head + given * shape.each, got.sources[i]);
        store(value + shape.mode, static_cast<std::uint32_t>(got.head.mode));
        store(value + shape.count, got.head.count);
        if (came == 0 || given >= std::min<std::size_t>(room, got.head.count)) break;
    }
    length = shape.head + given * shape.each;
    return 0;
}

}  // namespace fanfare::client
