// Everything the control plane knows: interfaces, sockets and their owners, sessions, memory
// charged. Plain data with look-ups; the rules stand in handler, options, sessions and endings.
//
// Objects and who frees what (dataplane/commands.hpp): a session's object and memory are the
// worker's from the command that handed them over to the event that gave them back; a socket's page
// and endpoint are the worker's from attach to detach. Until then the entry stays here, closing.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "control/datagram_state.hpp"
#include "control/identity.hpp"
#include "control/memory_budget.hpp"
#include "control/services.hpp"
#include "control/socket_options.hpp"
#include "dataplane/commands.hpp"
#include "dataplane/worker_config.hpp"
#include "engine/core/profile.hpp"
#include "ipc/counter.hpp"
#include "ipc/messages.hpp"

namespace fanfare::control {

struct Interface {
    dataplane::InterfaceSpec spec;
    std::string device;         // the EAL device behind it, as configured
    std::string kernel_name;    // of the kernel's interface, empty where there is none
    std::uint16_t mtu = 1500;   // in force
    std::uint16_t mtu_max = 0;  // that the device was made for; 0: not known
    bool up = true;             // link
    bool gone = false;          // the device was removed
    bool udp_only = false;      // a kernel port: no raw IP sessions
    // What its ports count, by its name in status; written by workers, which outlive this. One name
    // may stand several times: the sum is shown.
    std::vector<std::pair<std::string, const ipc::Counter*>> counters;
    // By which programs call it where they give numbers (ip_mreqn, IP_PKTINFO): the kernel's, or,
    // for a device that the kernel does not know, beyond them (interface_index).
    std::uint32_t kernel_index = 0;  // 0: none
    bool available() const { return up && !gone; }
};

// What the log says when the link of `known` becomes so; empty where that is nothing new.
std::string change_of_link(const Interface& known, bool up, bool gone);

// A group whose sessions this host repairs.
struct Followed {
    Address group;
    std::uint16_t port = 0;      // data port; 0: any
    std::uint16_t udp_port = 0;  // 0: raw IP 113
};

// What a designated local repairer does (role dlr).
struct RepairSettings {
    std::vector<Followed> follow;  // empty: this host is none
    engine::RepairerParameters parameters;
    std::uint32_t sessions_max = 16;
    Nanos keep_ns = 30 * kSecond;  // how long what was received is kept after a session's end
    bool on() const { return !follow.empty(); }
};

// Limits and defaults that configuration gives (config.hpp reads them).
struct ControlSettings {
    Gsi gsi;
    engine::Profile defaults;  // of a fresh socket
    engine::ProfileName default_profile = engine::ProfileName::lan;
    engine::ProfileName receiver_profile = engine::ProfileName::lan;
    std::uint64_t memory_total_bytes = 2ull << 30;
    std::uint64_t memory_per_user_bytes = 1ull << 30;
    std::uint64_t receive_log_bytes = 16ull << 20;  // a power of two
    std::uint32_t octets_per_index_entry = 256;     // receive index: log octets for each entry
    std::uint32_t spares_per_worker = 4;
    std::uint32_t sockets_per_user = 1024;
    std::uint32_t memberships_per_user = 512;  // of datagram sockets
    std::uint32_t backlog_max = 1024;
    Nanos close_linger_ns = 1 * kSecond;  // wsrm.md 4.5: close without shutdown
    // Ids count from here. A daemon that starts anew starts elsewhere, so that what its forerunner
    // called so is nothing to it. Below 2^55.
    std::uint64_t first_id = 0;
    RepairSettings repairs;
    std::string version;
};

struct Pending {  // a session that waits to be accepted
    std::uint64_t session_id = 0;
    std::uint64_t start_ordinal = 0;  // 0: at the session's own start
};

enum class SocketState : std::uint8_t { unbound, bound, sender, listener, receiver, datagram };

struct Socket {
    std::uint64_t id = 0;
    ipc::SocketType type = ipc::SocketType::message;
    SocketState state = SocketState::unbound;
    std::uint32_t uid = 0;
    std::int32_t pid = 0;
    SocketOptions options;
    Address bound;           // what bind was given
    std::uint16_t port = 0;  // bound (receiver) or connected (sender) PGM data port
    Address group;           // connected, listening or accepted
    PageMemory page;
    int endpoint = -1;
    std::uint64_t session_id = 0;  // sender: SendSession; receiver: Reception

    bool with_worker = false;  // the worker holds page and endpoint
    bool closing = false;      // the last holder has gone; the entry waits for the worker
    // A close that was announced. It counts at the end of the last holder if that comes right after
    // it; later than kCloseHoldsNanos it was one of several holders that closed, and the rest may
    // still vanish.
    Nanos close_said_at = 0;
    bool close_said = false;
    bool close_aborts = false;  // SO_LINGER {1, 0}

    // Listener
    std::uint32_t backlog = 0;
    std::deque<Pending> pending;
    std::set<std::uint64_t> offered;  // sessions this listener has had or has pending
    std::map<std::uint32_t, std::uint64_t> listens;  // interface -> listen id
    bool pending_lost = false;                       // the next accept says ECONNABORTED

    // Receiver
    std::uint64_t start_ordinal = 0;
    bool overtaken = false;

    // SOCK_DGRAM, in every state; state is unbound or datagram (bound).
    std::unique_ptr<DatagramState> datagram;
};
inline constexpr Nanos kCloseHoldsNanos = 1 * kSecond;

struct SendSession {
    std::uint64_t id = 0;
    std::uint64_t socket_id = 0;  // 0 once its socket has gone
    std::uint32_t uid = 0;
    Tsi tsi;
    std::uint32_t worker = 0;
    std::uint32_t interface = 0;
    Address group;
    std::uint16_t destination_port = 0;
    std::uint16_t udp_port = 0;
    engine::SourceParameters parameters;
    dataplane::SourceSession* object = nullptr;
    SendMemory memory;
    std::uint64_t charged_bytes = 0;
    bool finishing = false;  // FIN or RST was asked for
    bool ended = false;      // the worker said so
    bool done = false;       // the worker let go; only figures are left
    ResetCause cause = ResetCause::none;
    // Close without shutdown: once all is sent the session stands so much longer. kNever: until its
    // window passed.
    bool lingers = false;
    Nanos drop_at = kNever;
    engine::SourceStatistics last_statistics;  // kept when the object goes
    Sqn last_trail = 0, last_lead = 0;
};

struct Reception {  // a receive window: spare, then one session
    enum class State : std::uint8_t { spare, open, closing };
    std::uint64_t id = 0;
    State state = State::spare;
    std::uint32_t worker = 0;
    dataplane::ReceiveSession* object = nullptr;
    ReceiveMemory memory;
    std::uint64_t charged_bytes = 0;
    bool charged_to_user = false;
    bool high_speed = false;  // made with the timers of a LAN
    std::uint32_t uid = 0;    // where charged_to_user

    Tsi tsi;
    Address source, group;
    std::uint16_t destination_port = 0;
    std::uint16_t udp_port = 0;
    std::uint32_t interface = 0;
    bool ended = false;
    SessionState end_state = SessionState::open;
    ResetCause cause = ResetCause::none;
    std::vector<std::uint64_t> readers;  // sockets
    std::uint32_t waiting = 0;           // listeners that have it pending

    // Of a designated local repairer.
    std::shared_ptr<dataplane::RepairStore> store;  // what worker and file tier share; null: none
    bool followed = false;
    Nanos keep_until = kNever;  // after its end; kNever until that was seen
};

// A command and the worker it is for, in the order in which they have to reach it.
struct PostedCommand {
    std::uint32_t worker = 0;
    dataplane::Command command;
};

struct ControlCounters {
    std::uint64_t requests = 0, requests_refused = 0, requests_malformed = 0, sockets_opened = 0,
                  clients_vanished = 0, readers_overtaken = 0, sessions_not_wanted = 0,
                  out_of_memory = 0, connections = 0, connections_refused = 0,
                  connections_dropped = 0, sessions_not_followed = 0;
};

class Registry {
  public:
    Registry(const ControlSettings& settings, std::vector<Interface> interfaces,
             std::uint32_t workers);

    Socket* socket(std::uint64_t id);
    SendSession* send_session(std::uint64_t id);
    Reception* reception(std::uint64_t id);

    std::uint64_t new_id() { return ++last_id_; }
    void post(std::uint32_t worker, const dataplane::Command& command) {
        commands.push_back({worker, command});
    }
    void post_all(const dataplane::Command& command) {
        for (std::uint32_t w = 0; w < workers; ++w) post(w, command);
    }

    // Index of the interface with this address; -1 if there is none.
    int interface_with(Address address) const;
    // First in configured order that is up and there; -1 if none is (wsrm.md MH-1, MH-13).
    int first_available() const;

    // The number of interface `i` (Interface::kernel_index); and the interface with a number, -1 if
    // there is none.
    std::uint32_t interface_index(std::uint32_t i) const;
    int interface_with_index(std::uint32_t index) const;

    std::uint32_t sockets_of(std::uint32_t uid) const;
    // Unused windows of the present size that a worker has.
    std::uint32_t spares_of(std::uint32_t worker) const;
    // Whether this listener asks for that session.
    bool wants(const Socket& listener, const Reception& session) const;

    ControlSettings settings;
    std::vector<Interface> interfaces;
    std::uint32_t workers;
    MemoryBudget budget;
    SourcePorts ports;
    ControlCounters counters;
    std::map<std::uint64_t, Socket> sockets;
    std::map<std::uint64_t, SendSession> send_sessions;
    std::map<std::uint64_t, Reception> receptions;
    std::uint64_t receive_log_bytes;  // of new windows; at least settings.receive_log_bytes
    bool high_speed = false;          // RM_HIGH_SPEED_INTRANET_OPT for new windows
    DatagramTables datagram_tables;
    std::vector<const dataplane::WorkerLink*> links;  // the workers' counters, for status
    std::vector<PostedCommand>
        commands;  // taken by whoever runs the control plane after every call

  private:
    std::uint64_t last_id_ = 0;
};

}  // namespace fanfare::control
