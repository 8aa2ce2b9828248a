// Datagram multicast sockets on the control side (wsrm.md section 7): their life, what they want of
// groups, and the tables that workers go by (dataplane/datagram_table.hpp).
#pragma once

#include <cstdint>

#include "control/options.hpp"
#include "control/registry.hpp"
#include "control/services.hpp"

namespace fanfare::control {

// Groups of one socket (wsrm.md 7.3: ENOBUFS beyond, own limit): a few hosts' worth of feeds, and
// little enough that a table is built in a moment.
inline constexpr std::size_t kMembershipsMax = 256;

// Makes a fresh socket one for datagrams: its regions, charged to its user. ENOBUFS.
OptionResult open_datagram(Registry& registry, Services& services, Socket& socket);
// Port 0 takes one of the dynamic ports. EINVAL (bound already), EACCES (a port below 1024 of
// somebody else than root), EADDRNOTAVAIL, EADDRINUSE.
OptionResult bind_datagram(Registry& registry, Services& services, Socket& socket, Address address,
                           std::uint16_t port);
// Where send goes and whom alone recv hears; address none and port 0 take that back.
OptionResult connect_datagram(Registry& registry, Services& services, Socket& socket,
                              Address address, std::uint16_t port);
// What getsockname gives: the address that it is bound to, else of a connected one that of the
// interface it sends by, as the routes stand now.
Address local_address(const Registry& registry, const Socket& socket);
// The last holder has gone: the workers let go of it with the next table.
void close_datagram(Registry& registry, Socket& socket);
// Its memory, once no worker knows it any more.
void free_datagram(Registry& registry, Services& services, Socket& socket);

// Builds the table of what stands now and posts it to every worker.
void post_datagrams(Registry& registry);
// A worker does not use the table of that version any more.
void on_datagrams_replaced(Registry& registry, Services& services, std::uint64_t version);
// Some ten times a second: wakes who sleeps although something waits (ipc/socket_page.hpp).
void tick_datagrams(Registry& registry, Services& services);
// The endpoint is made to show what stands in the regions.
void show_datagram_readiness(Services& services, const Socket& socket);

// setsockopt and getsockopt at levels SOL_SOCKET and IPPROTO_IP. Membership calls take an
// ipc::MembershipValue, IP_MSFILTER an ipc::SourceFilterValue (get: `wanted` is its head), the
// interface an Address in host order, the others a std::uint32_t.
OptionResult set_datagram_option(OptionCall& call, std::int32_t level, std::int32_t name,
                                 std::span<const std::uint8_t> value);
OptionResult get_datagram_option(OptionCall& call, std::int32_t level, std::int32_t name,
                                 std::span<const std::uint8_t> wanted,
                                 std::span<std::uint8_t> value, std::uint32_t& length);

}  // namespace fanfare::control
