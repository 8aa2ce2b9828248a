// What the control thread and a worker say to each other: all that control knows of the dataplane.
//
// Control builds session objects (allocation happens there), posts a command, and frees an object
// only after the worker's event said that it let go. Rings are single-producer single-consumer, one
// pair a worker.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/core/local_repairer.hpp"
#include "engine/core/profile.hpp"
#include "engine/core/receiver.hpp"
#include "engine/core/source.hpp"
#include "engine/types.hpp"
#include "ipc/counter.hpp"
#include "ipc/receive_region.hpp"
#include "ipc/send_region.hpp"
#include "ipc/socket_page.hpp"
#include "ipc/spsc_ring.hpp"

namespace fanfare::dataplane {

inline constexpr std::size_t kMaxWorkers = 16;
inline constexpr std::size_t kMaxInterfaces = 16;
inline constexpr std::uint32_t kAnyInterface = 0xFFFFFFFF;

struct SourceSession;   // defined in dataplane/source_session.hpp; opaque here
struct ReceiveSession;  // defined in dataplane/receive_session.hpp; opaque here
struct DatagramTable;   // dataplane/datagram_table.hpp
struct RepairStore;     // dataplane/repair_store.hpp

// Everything a worker needs to run one sending session.
struct SourceSpec {
    std::uint64_t session_id = 0;
    engine::SourceParameters parameters;
    engine::SourceIdentity identity;
    std::uint32_t interface = 0;  // index in configured order
    std::uint16_t mtu = 1500;
    std::uint16_t udp_port = 0;         // 0: raw IP 113
    bool loopback = true;               // local receivers get a copy
    ipc::SendHeader* region = nullptr;  // mapped by the daemon; outlives the session object
    std::byte* log = nullptr;
    std::uint64_t log_bytes = 0;
    ipc::SendFormat format = ipc::SendFormat::message;
    ipc::SocketPage* page =
        nullptr;        // sleep flag of the sender's socket; may be nullptr after its death
    int endpoint = -1;  // daemon's end of the socket pair, owned by control
    const std::atomic<std::uint32_t>* fault =
        nullptr;  // becomes non-zero when a hole was punched (ipc/sigbus)
};

struct ReceiveSpec {  // a spare session for the pool
    std::uint64_t session_id = 0;
    engine::ReceiverParameters parameters;
    ipc::ReceiveHeader* region = nullptr;  // mapped by the daemon; outlives the session object
    IndexEntry* index = nullptr;
    std::uint32_t index_entries = 0;
    std::byte* log = nullptr;
    std::uint64_t log_bytes = 0;
    // Of a designated local repairer: the session answers NAKs where a listen says so. `store`: its
    // file tier, which outlives the session object; nullptr: none.
    bool repairer = false;
    engine::RepairerParameters repairs;
    RepairStore* store = nullptr;
};

// A wish to receive: sessions of this group and data port open from the spare pool while one
// stands.
struct ListenSpec {
    std::uint64_t listen_id = 0;
    Address group;
    std::uint16_t destination_port = 0;  // 0: any, where `repairs`
    std::uint16_t udp_port = 0;          // 0: raw IP 113
    std::uint32_t interface = 0;         // index; one command for each interface
    Address source;                      // only from this IP source; none = any
    bool repairs = false;                // this host repairs what it opens
};

// Built and freed on the control thread; the constructors allocate all the session will ever need.
SourceSession* make_source_session(const SourceSpec& spec, const checksum::Kernels& kernels);
void free_source_session(SourceSession* session);
ReceiveSession* make_receive_session(const ReceiveSpec& spec, const checksum::Kernels& kernels);
void free_receive_session(ReceiveSession* session);

// Snapshots the worker publishes some ten times a second (and at the end of a session); any thread
// may read. False while the session has none yet.
bool read_statistics(const SourceSession* session, engine::SourceStatistics& out, Sqn& trail,
                     Sqn& lead);
bool read_statistics(const ReceiveSession* session, engine::ReceiverStatistics& out, Sqn& trail,
                     Sqn& lead);

// Of a session that this host repairs.
struct RepairFigures {
    engine::RepairerStatistics statistics;
    std::uint64_t memory_packets = 0;  // numbers in memory
    std::uint64_t stored_packets = 0;  // numbers in the file tier, those in memory included
};
bool read_repairs(const ReceiveSession* session, RepairFigures& out);

struct Command {
    enum class Kind : std::uint32_t {
        open_source,      // source
        finish_source,    // id: FIN after what is published
        abort_source,     // id, cause, error: RST after what is published
        drop_source,      // id: let go at once, nothing more is sent
        add_listen,       // listen
        remove_listen,    // id: event listen_removed
        add_spare,        // receive
        reclaim_spares,   // give all unused spares back (events spare_returned)
        close_receive,    // id: no reader is left; event receive_closed
        attach_reader,    // id = session, socket_id, page, endpoint: wake it when lead moves and it
                          // sleeps
        detach_reader,    // id = session, socket_id: event reader_detached
        detach_sender,    // id: the socket has gone; page and endpoint must not be touched again;
                          // event sender_detached
        interface_state,  // interface, up, gone, mtu
        set_datagrams,    // datagrams: in place of the former; event datagrams_replaced
        stop,
    };
    Kind kind{};
    std::uint64_t id = 0;
    std::uint64_t socket_id = 0;
    SourceSession* source = nullptr;
    ReceiveSession* receive = nullptr;
    const DatagramTable* datagrams = nullptr;
    ListenSpec listen;
    ipc::SocketPage* page = nullptr;
    int endpoint = -1;
    ResetCause cause = ResetCause::none;
    std::uint8_t error = 0;
    std::uint32_t interface = 0;
    bool up = true;
    bool gone = false;
    std::uint16_t mtu = 0;
};

struct WorkerEvent {
    enum class Kind : std::uint32_t {
        session_opened,  // receive, id, tsi, source, group, ports, interface: first ODATA was
                         // accepted
        session_ended,   // id, state, cause; the region stays readable until close_receive
        receive_closed,  // receive: let go
        spare_returned,  // receive: let go unused (also a session that only ever brought garbage)
        spares_low,      // value = how many are left
        source_ended,    // id, cause: reset or finished; the session still stands until source_done
        source_done,     // source: let go
        listen_removed,
        reader_detached,
        sender_detached,
        datagrams_replaced,  // id: version of the table that is no longer used
        stopped,
    };
    Kind kind{};
    std::uint64_t id = 0;
    std::uint64_t socket_id = 0;
    SourceSession* source = nullptr;
    ReceiveSession* receive = nullptr;
    Tsi tsi;
    Address source_address;
    Address group;
    std::uint16_t destination_port = 0;
    std::uint16_t udp_port = 0;
    std::uint32_t interface = 0;
    SessionState state = SessionState::open;
    ResetCause cause = ResetCause::none;
    std::uint64_t value = 0;
};

// One list makes the counters, their names in `status` and their place. Domain, subject, action.
// clang-format off
#define FANFARE_WORKER_COUNTERS(X) \
    X(turns_idle) \
    X(turns_busy) \
    X(frames_received) \
    X(frames_sent) \
    X(bytes_received) \
    X(bytes_sent) \
    X(frames_lost_on_purpose) X(frames_not_for_us) X(frames_malformed) X(frames_no_room) \
        X(transmit_full) X(arp_requests_sent) X(arp_replies_sent) X(arp_unresolved_dropped) \
            X(echo_replies_sent) X(igmp_reports_sent) X(igmp_queries_received) X(handover_sent) \
                X(handover_full) X(loopback_copies) X(spares_exhausted) X(sessions_opened) \
                    X(sessions_ended) X(naks_for_no_source) X(wakeups) X(tail_invalid) \
                        X(records_invalid) X(ip_options) X(ip_fragments) X(ip_checksum_wrong) \
                            X(datagrams_received) X(datagrams_sent) X(datagrams_dropped_full) \
                                X(datagrams_refused) X(datagrams_checksum_wrong) \
                                    X(sessions_without_data)
// clang-format on

struct WorkerCounters {
#define FANFARE_COUNTER_FIELD(name) ipc::Counter name;
    FANFARE_WORKER_COUNTERS(FANFARE_COUNTER_FIELD)
#undef FANFARE_COUNTER_FIELD
    ipc::Counter decode_errors[32];  // by wire::DecodeError
    ipc::Counter verdicts[16];       // by engine::Verdict
};

// The link between control and one worker. Built by whoever starts the worker; outlives both.
struct WorkerLink {
    explicit WorkerLink(std::uint32_t index) : worker(index), commands(1024), events(4096) {}
    // Set once before the worker starts.
    std::uint32_t worker;
    ipc::WorkerPage* page = nullptr;  // shared with clients; sleeping flag
    int doorbell = -1;                // eventfd that ends the worker's sleep
    int control_bell = -1;  // eventfd that tells control of events; written only after events
    ipc::SpscRing<Command> commands;  // control -> worker
    ipc::SpscRing<WorkerEvent>
        events;  // worker -> control; when full the worker keeps the event and tries again
    alignas(ipc::kCacheLine) WorkerCounters counters;  // written by the worker alone
};

// A running session as the wire shows it, for cards that bring packets to a worker's queue
// (dataplane/steering.hpp).
struct SteeredSession {
    std::uint64_t id = 0;
    Tsi tsi;
    bool sends = false;  // ours: NAKs come for it. Else what its source sends.
    std::uint32_t interface = 0;
    std::uint32_t worker = 0;  // its owner
    Address group;
    Address source;              // IP source of its packets; of one that sends, the interface's
    std::uint16_t udp_port = 0;  // 0: raw IP 113
};

// Which of `workers` owns a session: sources and receivers alike, so that NAKs and data find it.
inline std::uint32_t owner_of(const Tsi& tsi, std::uint32_t workers) {
    return static_cast<std::uint32_t>((std::hash<Tsi>{}(tsi)&0xFFFFFFFFu) % workers);
}

}  // namespace fanfare::dataplane
