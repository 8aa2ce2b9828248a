// Options of datagram sockets at levels SOL_SOCKET and IPPROTO_IP.
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "control/datagrams.hpp"
#include "control/text.hpp"
#include "ipc/source_filter.hpp"

namespace fanfare::control {
namespace {

OptionResult fail(int error, std::string detail) {
    return {error, std::move(detail)};
}

std::optional<MembershipCall> membership_call(std::int32_t name) {
    switch (name) {
        case IP_ADD_MEMBERSHIP:
            return MembershipCall::join;
        case IP_DROP_MEMBERSHIP:
            return MembershipCall::leave;
        case IP_ADD_SOURCE_MEMBERSHIP:
            return MembershipCall::join_source;
        case IP_DROP_SOURCE_MEMBERSHIP:
            return MembershipCall::leave_source;
        case IP_BLOCK_SOURCE:
            return MembershipCall::block;
        case IP_UNBLOCK_SOURCE:
            return MembershipCall::unblock;
        default:
            return std::nullopt;
    }
}

// The interface that a call names: by address, by number (0.x.y.z), or the first one there is, up
// or not, so that joining and leaving mean the same one. -1: none. On a kernel port datagrams are
// the kernel's.
int named_interface(const Registry& registry, Address name) {
    if (name.is_none()) {
        for (std::size_t i = 0; i < registry.interfaces.size(); ++i)
            if (!registry.interfaces[i].gone && !registry.interfaces[i].udp_only)
                return static_cast<int>(i);
        return -1;
    }
    const int named = name.v4 < (1u << 24) ? registry.interface_with_index(name.v4)
                                           : registry.interface_with(name);
    return named >= 0 && registry.interfaces[static_cast<std::size_t>(named)].udp_only ? -1 : named;
}

const char* refusal_of(int error) {
    switch (error) {
        case EINVAL:
            return "the call does not fit the membership as it is";
        case EADDRNOTAVAIL:
            return "the membership has that group or source already, or has it not";
        default:
            return "no room for more sources in this membership";
    }
}

using MembershipKey = std::pair<std::uint32_t, Address>;

Membership membership_of(const Socket& socket, const MembershipKey& key) {
    const auto& memberships = socket.datagram->memberships;
    const auto found = memberships.find(key);
    return found == memberships.end() ? Membership{} : found->second;
}

// Memberships of all sockets of a user.
std::uint64_t memberships_of(const Registry& registry, std::uint32_t uid) {
    std::uint64_t count = 0;
    for (const auto& [id, socket] : registry.sockets) {
        if (socket.uid != uid || !socket.datagram || socket.closing) continue;
        for (const auto& [key, membership] : socket.datagram->memberships)
            count += membership.is_member() ? 1 : 0;
    }
    return count;
}

// Puts a membership's new state in its place and tells the workers; ENOBUFS, and nothing changed,
// when it would be one too many.
OptionResult keep_membership(OptionCall& call, const MembershipKey& key, Membership next) {
    auto& memberships = call.socket.datagram->memberships;
    const auto found = memberships.find(key);
    const bool begins =
        next.is_member() && (found == memberships.end() || !found->second.is_member());
    const auto most = call.registry.settings.memberships_per_user;
    if (begins && memberships_of(call.registry, call.socket.uid) >= most)
        return fail(ENOBUFS, "this user has " + std::to_string(most) +
                                 " memberships already (limits.memberships_per_user)");
    if (found == memberships.end() && memberships.size() >= kMembershipsMax) {
        // What only remembers how a membership ended makes room first.
        std::erase_if(memberships, [](const auto& m) { return !m.second.is_member(); });
        if (memberships.size() >= kMembershipsMax)
            return fail(ENOBUFS,
                        "a socket has at most " + std::to_string(kMembershipsMax) + " memberships");
    }
    if (next.is_blank())
        memberships.erase(key);
    else
        memberships[key] = std::move(next);
    post_datagrams(call.registry);
    return {};
}

OptionResult change_membership(OptionCall& call, MembershipCall which,
                               std::span<const std::uint8_t> value) {
    ipc::MembershipValue wish;
    if (value.size() < sizeof wish) return fail(EINVAL, "a membership names group and interface");
    std::memcpy(&wish, value.data(), sizeof wish);
    if (!wish.group.is_multicast())
        return fail(EINVAL, to_string(wish.group) + " is no multicast group");
    const bool names_source = which != MembershipCall::join && which != MembershipCall::leave;
    if (names_source && (wish.source.is_none() || wish.source.is_multicast()))
        return fail(EINVAL, to_string(wish.source) + " is no source's address");
    const int interface = named_interface(call.registry, wish.interface);
    if (interface < 0)
        return fail(EADDRNOTAVAIL, "no interface of this host is " + to_string(wish.interface));
    const MembershipKey key{static_cast<std::uint32_t>(interface), wish.group};
    Membership next = membership_of(call.socket, key);
    if (const int error = next.apply(which, wish.source); error != 0)
        return fail(error, to_string(wish.group) + ": " + refusal_of(error));
    return keep_membership(call, key, std::move(next));
}

// What a whole filter names: its group and interface, both judged.
OptionResult read_filter(OptionCall& call, std::span<const std::uint8_t> value,
                         ipc::SourceFilterValue& out, MembershipKey& key) {
    if (value.size() < sizeof out.head)
        return fail(EINVAL, "a source filter names group and interface");
    std::memcpy(&out, value.data(), std::min(value.size(), sizeof out));
    if (!out.head.group.is_multicast())
        return fail(EINVAL, to_string(out.head.group) + " is no multicast group");
    const int interface = named_interface(call.registry, out.head.interface);
    if (interface < 0)
        return fail(EADDRNOTAVAIL, "no interface of this host is " + to_string(out.head.interface));
    key = {static_cast<std::uint32_t>(interface), out.head.group};
    return {};
}

OptionResult set_filter(OptionCall& call, std::span<const std::uint8_t> value) {
    ipc::SourceFilterValue wish;
    MembershipKey key;
    if (const OptionResult read = read_filter(call, value, wish, key); read.error != 0) return read;
    const bool include = wish.head.mode == ipc::FilterMode::include;
    if (!include && wish.head.mode != ipc::FilterMode::exclude)
        return fail(EINVAL, "a filter includes or excludes");
    if (wish.head.count > (value.size() - sizeof wish.head) / sizeof(Address) ||
        wish.head.count > wish.sources.size())
        return fail(EINVAL, "the list has fewer sources than it says");
    const std::span<const Address> sources(wish.sources.data(), wish.head.count);
    for (const Address source : sources)
        if (source.is_none() || source.is_multicast())
            return fail(EINVAL, to_string(source) + " is no source's address");
    Membership next = membership_of(call.socket, key);
    if (const int error = next.replace(!include, sources); error != 0)
        return fail(error, to_string(wish.head.group) + ": " + refusal_of(error));
    return keep_membership(call, key, std::move(next));
}

OptionResult get_filter(OptionCall& call, std::span<const std::uint8_t> wanted,
                        std::span<std::uint8_t> value, std::uint32_t& length) {
    ipc::SourceFilterValue out;
    MembershipKey key;
    if (const OptionResult read = read_filter(call, wanted, out, key); read.error != 0) return read;
    const Membership membership = membership_of(call.socket, key);
    if (!membership.is_member())
        return fail(EADDRNOTAVAIL, "the socket is no member of " + to_string(out.head.group));
    const auto& sources = membership.sources();
    out.head.mode = membership.any_source() ? ipc::FilterMode::exclude : ipc::FilterMode::include;
    out.head.count = static_cast<std::uint32_t>(sources.size());
    const std::size_t first = std::min<std::size_t>(out.head.first, sources.size());
    const std::size_t count = std::min(sources.size() - first, out.sources.size());
    std::copy_n(sources.begin() + static_cast<std::ptrdiff_t>(first), count, out.sources.begin());
    const std::size_t octets = sizeof out.head + count * sizeof(Address);
    if (value.size() < octets) return fail(EINVAL, "a source filter needs more room");
    std::memcpy(value.data(), &out, octets);
    length = static_cast<std::uint32_t>(octets);
    return {};
}

OptionResult set_multicast_interface(OptionCall& call, Address name) {
    DatagramState& state = *call.socket.datagram;
    if (name.is_none()) {
        state.multicast_interface = {};
        return {};
    }
    const int interface = named_interface(call.registry, name);
    if (interface < 0)
        return fail(EADDRNOTAVAIL, "no interface of this host is " + to_string(name));
    state.multicast_interface =
        call.registry.interfaces[static_cast<std::size_t>(interface)].spec.address;
    return {};
}

}  // namespace

OptionResult set_datagram_option(OptionCall& call, std::int32_t level, std::int32_t name,
                                 std::span<const std::uint8_t> value) {
    DatagramState& state = *call.socket.datagram;
    std::uint32_t word = 0;
    const bool reuse = level == SOL_SOCKET && (name == SO_REUSEADDR || name == SO_REUSEPORT);
    if (level == IPPROTO_IP) {
        if (const auto which = membership_call(name)) return change_membership(call, *which, value);
        if (name == IP_MSFILTER) return set_filter(call, value);
    } else if (!reuse) {
        return fail(ENOPROTOOPT, "no such option of a datagram socket");
    }
    if (value.size() < sizeof word) return fail(EINVAL, "the option takes four octets");
    std::memcpy(&word, value.data(), sizeof word);
    if (reuse) {
        call.socket.options.reuse_address = word != 0;
        return {};
    }
    switch (name) {
        case IP_MULTICAST_IF: {
            const OptionResult set = set_multicast_interface(call, Address{word});
            if (set.error != 0) return set;
            break;
        }
        case IP_MULTICAST_TTL:
            if (word > 255) return fail(EINVAL, "a TTL is 0 to 255");
            state.multicast_ttl = static_cast<std::uint8_t>(word);
            break;
        case IP_MULTICAST_LOOP:
            state.multicast_loop = word != 0;
            break;
        case IP_TTL:
            if (word < 1 || word > 255) return fail(EINVAL, "a TTL is 1 to 255");
            state.ttl = static_cast<std::uint8_t>(word);
            break;
        default:
            return fail(ENOPROTOOPT, "no option " + std::to_string(name) + " of a datagram socket");
    }
    post_datagrams(call.registry);
    return {};
}

OptionResult get_datagram_option(OptionCall& call, std::int32_t level, std::int32_t name,
                                 std::span<const std::uint8_t> wanted,
                                 std::span<std::uint8_t> value, std::uint32_t& length) {
    if (level == IPPROTO_IP && name == IP_MSFILTER) return get_filter(call, wanted, value, length);
    const DatagramState& state = *call.socket.datagram;
    std::uint32_t word = 0;
    if (level == SOL_SOCKET && (name == SO_REUSEADDR || name == SO_REUSEPORT)) {
        word = call.socket.options.reuse_address;
    } else if (level != IPPROTO_IP) {
        return fail(ENOPROTOOPT, "no such option of a datagram socket");
    } else {
        switch (name) {
            case IP_MULTICAST_IF:
                word = state.multicast_interface.v4;
                break;
            case IP_MULTICAST_TTL:
                word = state.multicast_ttl;
                break;
            case IP_MULTICAST_LOOP:
                word = state.multicast_loop;
                break;
            case IP_TTL:
                word = state.ttl;
                break;
            default:
                return fail(ENOPROTOOPT, "no option " + std::to_string(name) + " that can be read");
        }
    }
    if (value.size() < sizeof word) return fail(EINVAL, "the option needs room for four octets");
    std::memcpy(value.data(), &word, sizeof word);
    length = sizeof word;
    return {};
}

}  // namespace fanfare::control
