// What a worker does, apart from touching its ports: commands, sessions, routing of packets between
// them and frame queues, timers, events (DESIGN section 5). Worker<P> (dataplane/worker.hpp) adds
// the ports.
//
// One thread uses an object. Nothing is allocated after construction, nothing is logged, and the
// only calls out are WakeFunctions.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "dataplane/datagram_table.hpp"
#include "dataplane/event_queue.hpp"
#include "dataplane/finished_sessions.hpp"
#include "dataplane/frame_queue.hpp"
#include "dataplane/handover.hpp"
#include "dataplane/listen_table.hpp"
#include "dataplane/net/arp_table.hpp"
#include "dataplane/net/datagram.hpp"
#include "dataplane/net/framing.hpp"
#include "dataplane/net/igmp_host.hpp"
#include "dataplane/reader_list.hpp"
#include "dataplane/receive_loss.hpp"
#include "dataplane/receive_session.hpp"
#include "dataplane/session_table.hpp"
#include "dataplane/source_session.hpp"
#include "dataplane/worker_config.hpp"
#include "engine/core/random.hpp"
#include "engine/core/timing_wheel.hpp"
#include "engine/wire/packet.hpp"

namespace fanfare::dataplane {

class WorkerCore {
  public:
    // Frames taken from a port, or handed to sessions, at once: big enough to spread a fence and a
    // wake-up, small enough that decoded packets stay in the first-level cache.
    static constexpr std::size_t kBurst = 32;
    // What one source may send in a turn through a datagram port: two calls' worth of the most
    // segments that one takes, as a call costs as much as some ten packets.
    static constexpr std::size_t kDatagramShare = 128;
    // Empty frames kept ready for engines on each way out: a few bursts, so that one turn of
    // several sources, or a datagram share and what of the former waits to fill a call, leaves room
    // for a burst of repairs. With 64 a port that was full left repairs none.
    static constexpr std::size_t kLent = 256;

    // facts[i] is empty where this worker has no queue on interface i. All arguments but `facts`
    // outlive it.
    WorkerCore(const WorkerConfig& config, WorkerLink& link,
               std::span<const std::optional<PortFacts>> facts, HandoverMesh* mesh);
    WorkerCore(const WorkerCore&) = delete;
    WorkerCore& operator=(const WorkerCore&) = delete;

    // A way out: the queue of a port, or the ring to the worker that has one.
    struct Outlet {
        explicit Outlet(std::size_t capacity) : queue(capacity) {}
        FrameQueue queue;
        FrameRing* ring = nullptr;    // null: a port's
        std::uint32_t interface = 0;  // of the port
        std::uint32_t peer = 0;       // the worker behind the ring
    };

    // The parts of one turn, in order. Each returns how much it did.
    void begin(Nanos now);
    std::size_t run_commands(Nanos now);
    std::size_t on_frames(std::uint32_t interface, std::span<const RxFrame> frames, Nanos now);
    std::size_t take_handover(Nanos now);
    std::size_t publish(Nanos now);
    std::size_t tick(Nanos now);
    void loop_back(Nanos now);
    void settle(Nanos now);

    // For the part that has the ports.
    std::span<const std::unique_ptr<Outlet>> outlets() const { return outlets_; }
    bool has_port(std::uint32_t interface) const {
        return interfaces_[interface]->has_port && !interfaces_[interface]->gone;
    }
    bool is_up(std::uint32_t interface) const { return interfaces_[interface]->up; }
    bool owns(std::uint32_t interface) const { return interfaces_[interface]->owned; }
    bool wants_facts(std::uint32_t interface) const { return interfaces_[interface]->facts_wanted; }
    void set_facts(std::uint32_t interface, const PortFacts& facts);
    // True once after the groups of an owned interface changed; `macs` is then the whole filter.
    bool take_filter(std::uint32_t interface, std::vector<MacAddress>& macs);
    // The same for a datagram port, whose kernel thinks in groups and UDP ports.
    bool take_memberships(std::uint32_t interface, Memberships& wanted);
    // It was not all done: take_...() says true again.
    void filter_unfinished(std::uint32_t interface) {
        interfaces_[interface]->filter_changed = true;
    }
    bool speaks_datagrams(std::uint32_t interface) const {
        return interfaces_[interface]->datagrams;
    }
    void send_outbound_ring(Outlet& outlet);
    WorkerCounters& counters() { return link_.counters; }

    Nanos next_deadline(Nanos now) const;
    bool stopped() const { return stopped_; }

  private:
    struct Interface {
        Interface(const InterfaceSpec& spec, std::uint64_t seed);
        InterfaceSpec spec;
        net::LinkIdentity link;
        std::uint32_t link_version = 1;  // grows when `link` changes
        bool has_port = false, owned = false;
        bool up = true, gone = false;
        bool kernel_answers = false;
        bool datagrams = false;  // PortFacts::datagrams
        bool facts_wanted = false;
        bool filter_changed = false;
        std::uint16_t mtu = 1500;
        Outlet* outlet = nullptr;  // null: nobody has a queue there
        net::ArpTable arp;
        net::IgmpHost igmp;
        UdpPorts udp_ports;
    };
    // What is known of a packet's sessions: nothing, the receiver of its TSI, all.
    // Unknown: no session had its TSI when it came.
    enum class Sought : std::uint8_t { no, unknown, by_tsi, yes };
    // A PGM packet on its way to a session.
    struct Incoming : engine::Received {
        Address to;
        std::uint32_t interface = 0;
        std::uint16_t udp_port = 0;
        std::uint8_t next = 0;  // place in the batch of the receiver's next packet
        Sought sought = Sought::no;
        // From the wire as it came; empty: from elsewhere, or by the kernel's hand.
        std::span<const std::byte> frame;
        ReceiveSession* receiver = nullptr;
        SourceSession* source = nullptr;
        // What an IP header at `ip` says, and where it came in.
        void came(std::uint32_t on, std::span<const std::byte> whole, const std::byte* ip,
                  std::span<const std::byte> pgm, std::uint16_t udp) {
            to = net::load_address(ip + 16);
            ip_source = net::load_address(ip + 12);
            tpdu = pgm;
            interface = on;
            udp_port = udp;
            frame = whole;
        }
        // Requires `frame`.
        const MacAddress& ethernet_source() const {
            static_assert(sizeof(MacAddress) == 6 && alignof(MacAddress) == 1);
            return *reinterpret_cast<const MacAddress*>(frame.data() + 6);
        }
    };
    // A frame that looked like data of an open session, and is not.
    struct Stranger {
        std::uint32_t interface;
        std::span<const std::byte> frame;
    };
    struct Membership {
        std::uint32_t interface;
        Address group;           // none: the UDP port alone
        std::uint16_t udp_port;  // 0: raw IP
        Address source;          // heard alone; none: any
        bool join;
    };

    // worker_commands.cpp
    void run(const Command& command, Nanos now);
    void open_source(SourceSession* session, Nanos now);
    void add_listen(const ListenSpec& listen, Nanos now);
    void remove_listen(std::uint64_t listen_id, Nanos now);
    void add_spare(ReceiveSession* session);
    void reclaim_spares();
    void close_receive(std::uint64_t id, ReceiveSession* session, Nanos now);
    void attach_reader(const Command& command);
    void detach_reader(const Command& command);
    void detach_sender(const Command& command);
    void interface_state(const Command& command, Nanos now);
    void stop(Nanos now);
    SourceSession* source_by_id(std::uint64_t id) const;
    ReceiveSession* receiver_by_id(std::uint64_t id) const;
    // A session's group and UDP port, in whose use this worker's own lists are kept already, come
    // or go: the interface's owner has to know. `source`: whom alone it hears, none = anybody.
    void member(std::uint32_t interface, Address group, Address source, std::uint16_t udp_port,
                bool join, Nanos now);
    void told_of_member(const FrameRing::Slot& slot, Nanos now);
    bool tell_owner(const Membership& membership);

    // worker_receive.cpp
    bool on_usual_frame(std::uint32_t interface, std::span<const std::byte> frame, Nanos now);
    bool on_unknown_data(std::uint32_t interface, std::span<const std::byte> frame,
                         std::span<const std::byte> tpdu, std::uint16_t udp_port, Nanos now);
    void on_frame(std::uint32_t interface, std::span<const std::byte> frame, bool handed_over,
                  Nanos now);
    void on_arp(Interface& on, const net::Datagram& datagram, Nanos now);
    void on_icmp(Interface& on, const net::Datagram& datagram);
    void on_igmp(Interface& on, const net::Datagram& datagram, Nanos now);
    void on_datagram(std::uint32_t interface, const RxFrame& frame, Nanos now);
    void hand_over_datagram(std::uint32_t to, std::uint32_t interface,
                            const net::Datagram& datagram);
    void on_pgm(std::uint32_t interface, std::span<const std::byte> frame,
                const net::Datagram& datagram, bool handed_over, Nanos now);
    bool wanted(const Incoming& packet) const;
    bool find_sessions(Incoming& packet, Nanos now);
    ReceiveSession* open_receiver(const Incoming& packet, Nanos now);
    void deliver(Nanos now);
    bool is_ours(const Incoming& packet) const;
    bool concerns_found(const Incoming& packet) const;
    void deliver_strangers(Nanos now);
    void count_refused();
    void deliver_run(ReceiveSession& session, Nanos now);
    void deliver_to_receiver(ReceiveSession& session, const Incoming& packet, Nanos now);
    void deliver_to_source(const Incoming& packet, Nanos now);
    bool hand_over(std::uint32_t to, FrameRing::Kind kind, std::uint32_t interface,
                   std::span<const std::byte> octets, Address next_hop = {},
                   std::span<const std::byte> headers = {});

    // worker_repairs.cpp
    ReceiveSession* session_to_repair(const Incoming& packet);
    bool repairs(const ReceiveSession& session, const Incoming& packet) const;
    // A NAK to our own address: the repairer's alone.
    static bool asks_us(const Incoming& packet) {
        return packet.packet.type == wire::Type::nak && !packet.to.is_multicast();
    }
    static bool concerns_repairer(const Incoming& packet, engine::Verdict verdict);
    void stop_repairing(ReceiveSession& session);
    void deliver_to_repairer(ReceiveSession& session, const Incoming& packet, Nanos now);
    void ask_store(ReceiveSession& session);
    bool take_stored(ReceiveSession& session, Nanos now);
    std::size_t tick_repairs(Nanos now);

    // worker_output.cpp
    std::span<engine::TxFrame> room(std::uint32_t interface);
    void commit_source(SourceSession& session, engine::Output& out);
    void commit_receiver(ReceiveSession& session, engine::Output& out, Nanos now);
    static void address(const Interface& on, engine::TxFrame& frame, std::uint16_t udp_port);
    void route(Interface& on, std::uint32_t interface, std::size_t place, const MacAddress* learnt,
               Nanos now);
    bool send_link_local(Interface& on, std::size_t length, std::uint16_t type,
                         const MacAddress& to, const net::Ipv4Header* ip);
    void relay(const FrameRing::Slot& slot, Nanos now);
    void serve_arp(Interface& on, Nanos now);
    void serve_igmp(Interface& on, Nanos now);
    void discard_output(Interface& on);

    // worker_datagrams.cpp
    bool datagrams_drained(const DatagramTable* next, Nanos now);
    void refuse_unsent(DatagramSocket& socket);
    void set_datagrams(const DatagramTable* table, Nanos now);
    bool match_datagram(std::uint32_t interface, std::span<const std::byte> frame,
                        const net::Datagram& datagram);
    void deliver_datagram(std::uint32_t interface, ipc::ReceivedDatagram& head, std::uint16_t port,
                          std::span<const std::byte> payload);
    std::size_t send_datagrams(bool heed_commands, Nanos now);
    std::size_t send_of(const DatagramEntry& entry, std::uint64_t tail, Nanos now);
    bool send_one(const DatagramEntry& entry, const ipc::SentDatagram& head,
                  std::span<const std::byte> payload, Nanos now);
    std::uint32_t datagram_interface(const DatagramEntry& entry,
                                     const ipc::SentDatagram& head) const;
    void wake_datagrams(Nanos now);

    // worker_sessions.cpp
    void touch(ReceiveSession& session);
    void touch(SourceSession& session);
    void settle_receiver(ReceiveSession& session, Nanos now);
    void settle_source(SourceSession& session, Nanos now);
    void settle_fault(SourceSession& session);
    void on_events(SourceSession& session, engine::Output& out);
    void on_events(ReceiveSession& session, engine::Output& out);
    void end_source(SourceSession& session, SessionState state, ResetCause cause);
    void drop_source(SourceSession& session, Nanos now);
    void let_go(ReceiveSession& session, WorkerEvent::Kind kind, Nanos now);
    void join_group(ReceiveSession& session, Nanos now);
    void leave_group(ReceiveSession& session, Nanos now);
    void wake(Nanos now);
    bool wake_receiver(ReceiveSession& session, Nanos now);
    bool wake_source(SourceSession& session, Nanos now);
    void want_wake(ReceiveSession& session);
    void want_wake(SourceSession& session);
    void snapshots(Nanos now);
    void ring_peers();

    WorkerConfig config_;
    WorkerLink& link_;
    HandoverMesh* mesh_;
    const checksum::Kernels& kernels_;
    engine::Random random_;
    EventQueue events_;
    ReceiveLossGate loss_;

    std::vector<std::unique_ptr<Interface>> interfaces_;
    std::vector<std::unique_ptr<Outlet>> outlets_;

    SessionTable<ReceiveSession> receivers_;
    SessionTable<SourceSession> sources_;
    std::vector<ReceiveSession*> spares_;
    std::vector<ReceiveSession*> receiver_slots_;  // by timer slot; null: free
    std::vector<SourceSession*> source_slots_;
    std::vector<std::uint32_t> free_receiver_slots_, free_source_slots_;
    std::vector<ReceiveSession*> repairing_;  // those that this host repairs
    std::vector<SourceSession*> turn_;        // sources in the order of their turns
    std::size_t turn_first_ = 0;
    FinishedSessions finished_;
    ListenTable listens_;
    ReaderPool readers_;
    engine::TimingWheel wheel_;  // receivers' slots first, then sources'

    std::array<Incoming, kBurst> batch_;
    std::size_t batch_count_ = 0;
    std::array<Stranger, kBurst> strangers_;
    std::size_t strangers_count_ = 0;
    engine::Receiver::Refused refused_{};  // zero but within deliver_run
    std::vector<ReceiveSession*> burst_;   // receivers of the batch
    std::vector<ReceiveSession*> touched_receivers_, wake_receivers_;
    std::vector<SourceSession*> touched_sources_, wake_sources_;
    std::vector<Membership> memberships_owed_;   // the owner's ring was full
    std::array<bool, kMaxWorkers> peers_fed_{};  // workers that got something this turn
    Nanos wake_at_ = kNever;                     // when a wake-up that was too early may go
    Nanos snapshot_at_ = 0;
    std::size_t snapshot_next_ = 0;
    const DatagramTable* datagrams_ = nullptr;  // control's; null: no datagram socket yet
    bool datagrams_touched_ = false;            // some socket may have to be woken
    Nanos drain_until_ = 0;                     // the next table waits at the longest; 0: none does
    bool begun_ = false;
    bool stopped_ = false;
};

}  // namespace fanfare::dataplane
