// One receiving session of a worker: the engine's receiver on one side, a region that local readers
// follow on the other. Built and freed on the control thread; waits in a worker's pool of spares
// until a source is heard.
#pragma once

#include <cstdint>
#include <memory>

#include "dataplane/commands.hpp"
#include "dataplane/port.hpp"
#include "dataplane/reader_list.hpp"
#include "dataplane/repair_store.hpp"
#include "dataplane/snapshot.hpp"
#include "engine/core/local_repairer.hpp"
#include "engine/core/receiver.hpp"
#include "engine/prefetch.hpp"

namespace fanfare::dataplane {

struct ReceiveSnapshot {
    engine::ReceiverStatistics statistics;
    Sqn trail = 0, lead = 0;
    RepairFigures repairs;
};

// On lines of its own: sessions of different workers are made one after the other.
struct alignas(ipc::kCacheLine) ReceiveSession {
    ReceiveSession(const ReceiveSpec& spec, const checksum::Kernels& kernels);

    // Gives the session to a source that was heard, and writes who it is into the region.
    void start(const engine::ReceiverIdentity& identity, std::uint32_t interface,
               std::uint16_t udp_port, std::uint64_t seed, Nanos now);
    // Announces how far the coming burst may overwrite, and somewhat more, so that many bursts find
    // it said already. The caller makes one release fence for all sessions of the burst before it
    // hands in the first packet.
    void reserve();
    // Whether there is something for a reader: an ODATA was accepted (wsrm.md 4.4), or the only
    // ones were lost and their repairs are here: a source that was heard from its start has lost
    // nothing then.
    bool has_data() const {
        return receiver.saw_data() || receiver.next_ordinal() > receiver.start_ordinal();
    }
    // Fetches what the worker looks at for each burst: the first two lines.
    void prefetch() const {
        prefetch_to_write(this);
        prefetch_to_write(reinterpret_cast<const std::byte*>(this) + ipc::kCacheLine);
    }
    // Whether a packet of the session's TSI came the session's way.
    bool heard_on(std::uint32_t on, std::uint16_t udp, Address to) const {
        return interface == on && udp_port == udp && group == to;
    }
    // Publishes what is contiguous now; true when readers may want to wake.
    bool store_lead();
    // Publishes the end, once; false when nothing has ended or it stands there already. To be
    // called after store_lead, so that an end is seen only behind all data.
    bool store_end();
    void take_snapshot();
    // What the repairer may know of the window.
    engine::LocalRepairer::Window repair_window() const;
    // When the engine's objects want to be called next.
    Nanos next_deadline() const;

    // What each burst looks at stands first, on two lines: with many sessions each line is a wait.
    engine::Receiver receiver;

  private:
    ipc::ReceiveHeader* const region_;  // spec.region
    std::uint64_t lead_ = 0;            // as it stands in the region

  public:
    std::uint32_t interface = 0;    // where its first packet came in; copies elsewhere are ignored
    Address group, ip_source;       // of its identity
    std::uint32_t burst_bytes = 0;  // payload that this burst brings at most
    std::uint32_t readers = ReaderPool::kNone;
    std::uint16_t udp_port = 0;
    std::uint8_t burst_first = 0, burst_last = 0, burst_count = 0;  // its packets in the batch
    bool opened = false;                                            // session_opened was told
    bool ended = false;                                             // end is published
    bool touched = false;                                           // stands in this turn's list
    bool in_burst = false;                                          // stands in this burst's list
    bool wake_wanted = false;

  private:
    engine::Reservation room_{};       // of the last reserve()
    engine::Reservation announced_{};  // at least room_: what the region says

  public:
    std::uint32_t slot = 0;    // its timer
    Address heard_alone;       // what IGMP is told to let through; none: any source
    bool in_group = false;     // IGMP and the interface's ports know of it
    bool has_hop = false;      // nexthop_learnt is known
    bool repairs = false;      // answers NAKs for the source
    MacAddress hop;            // Ethernet source of the last SPM
    Nanos store_retry_at = 0;  // a repair out of the store waits until then
    ReceiveSpec spec;
    std::unique_ptr<engine::LocalRepairer> repairer;  // null: this host is none
    Snapshot<ReceiveSnapshot> snapshot;
};

}  // namespace fanfare::dataplane
