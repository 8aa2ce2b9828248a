// What the workers know of datagram sockets: an immutable table that the control thread builds anew
// at every change and posts to each worker, which gives the former one back. So no worker
// allocates, walks lists that change, or sees half a change.
//
// Worker 0 runs the datagram sockets: it fills their receive regions and drains their send regions.
// The others only need to know which ports are wanted, and owners of interfaces what IGMP tells.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "dataplane/publication_cutter.hpp"
#include "engine/types.hpp"
#include "ipc/counter.hpp"
#include "ipc/datagram.hpp"
#include "ipc/receive_region.hpp"
#include "ipc/send_region.hpp"
#include "ipc/socket_page.hpp"

namespace fanfare::dataplane {

// Its regions, and where worker 0 stands in them. Made and freed on the control thread; in between
// worker 0 alone touches what is not const.
struct DatagramSocket {
    // The regions outlive the object, as do page and endpoint.
    std::uint64_t socket_id = 0;
    ipc::ReceiveHeader* region = nullptr;
    IndexEntry* index = nullptr;
    std::uint32_t index_entries = 0;
    std::byte* log = nullptr;
    std::uint64_t log_bytes = 0;
    ipc::SendHeader* send_region = nullptr;
    std::uint64_t send_log_bytes = 0;
    const std::atomic<std::uint32_t>* fault = nullptr;
    ipc::SocketPage* page = nullptr;
    int endpoint = -1;

    // Worker 0's. Receiving: next entry and octet to write; the reader's cursor gives room back.
    std::uint64_t first_ordinal = 0;
    std::uint64_t next_ordinal = 0;
    std::uint64_t log_head = 0;
    // Sending: everything before send_position was sent; the tail as last believed; a record that
    // waits for a frame.
    PublicationCutter cutter{nullptr, 0, ipc::SendFormat::message, 0, 0};
    std::uint64_t send_position = 0;
    std::uint64_t send_tail = 0;
    // While a table changes: DatagramEntry::former_tail of the next one.
    std::uint64_t former_tail = 0;
    bool closing = false;  // the next one is without it
    engine::Publish pending;
    bool has_pending = false;
    bool failed = false;  // its sending side made no sense: nothing more is sent
    bool wake_reader = false, wake_writer = false;
    Nanos woken_at = 0;

    // Counters, read by anybody.
    ipc::Counter received, dropped_full, sent, refused;
};

// A membership as the filter that a datagram has to pass.
struct DatagramMembership {
    std::uint32_t interface = 0;
    Address group;
    bool any_source = true;        // all but `sources`; else these alone
    std::vector<Address> sources;  // sorted

    bool wants(Address source) const {
        return std::binary_search(sources.begin(), sources.end(), source) != any_source;
    }
};

// One socket as the worker matches and sends by it.
struct DatagramEntry {
    std::shared_ptr<DatagramSocket> socket;
    std::uint16_t port = 0;  // bound; 0: not bound, receives nothing
    Address bound;           // none: any
    Address peer;            // none: hears everybody
    std::uint16_t peer_port = 0;
    std::vector<DatagramMembership> memberships;
    std::uint32_t multicast_interface = 0;  // index; kAnyInterface: none is there
    std::uint8_t multicast_ttl = 1, ttl = 64;
    bool multicast_loop = true;
    // Where the socket's published octets ended when the table was made: what stands before goes by
    // the former table.
    std::uint64_t former_tail = 0;
};

// What IGMP tells of a group on an interface for the datagram sockets of this host.
struct DatagramFilter {
    std::uint32_t interface = 0;
    Address group;
    bool exclude = false;
    std::vector<Address> sources;
};

struct DatagramTable {
    std::uint64_t version = 0;
    std::vector<DatagramEntry> entries;     // sorted by port, then by age, oldest first
    std::vector<DatagramFilter> filters;    // every group of every interface
    std::vector<std::uint32_t> interfaces;  // by interface: its number for programs (IP_PKTINFO)
    std::vector<std::uint64_t> ports;       // one bit a port that somebody is bound to

    bool wants_port(std::uint16_t port) const {
        return !ports.empty() && ((ports[port / 64] >> (port % 64)) & 1) != 0;
    }
};

}  // namespace fanfare::dataplane
