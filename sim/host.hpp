// A host of the simulator: production workers over a simulated port, the control thread's half of
// the conversation with them (dataplane/commands.hpp), and the programs of programs.hpp. Nothing
// here knows PGM.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/commands.hpp"
#include "dataplane/worker.hpp"
#include "dataplane/worker_config.hpp"
#include "sim/network.hpp"
#include "sim/programs.hpp"

namespace fanfare::sim {

struct HostPlan {
    Address address;
    std::uint32_t workers = 1;
    std::uint64_t seed = 1;
    std::uint16_t mtu = 1500;
    engine::ReceiverParameters receiver = engine::profile(engine::ProfileName::lan).receiver;
    std::uint64_t receive_log_bytes = 1 << 20;
    std::uint32_t receive_index_entries = 1 << 12;
    std::uint32_t spares = 4;  // kept with each worker
    // Where programs run when not in the host's own turns: each is told once, and somebody else
    // lets it act. A reader lives as long as the host.
    std::function<void(Sender&)> on_sender;
    std::function<void(Reader&)> on_reader;
};

// What a listener of one group does with each session that opens.
struct ListenPlan {
    Address group;
    std::uint16_t port = 7500;
    std::uint16_t udp_port = 0;
    std::vector<ReaderPlan> readers{ReaderPlan{}};
    Nanos start_ns = 0;
};

// What everybody must know of a session to judge it: made when its sender opens it.
using Directory = std::map<std::uint64_t, const Sender*>;  // by Tsi::key()

// One received session on one host.
struct Reception {
    std::uint64_t id = 0;
    std::uint64_t tsi_key = 0;
    const Sender* sender = nullptr;
    dataplane::ReceiveSession* session = nullptr;
    std::uint32_t worker = 0;
    bool ended = false;  // the worker's session_ended
    SessionState state = SessionState::open;
    ResetCause cause = ResetCause::none;
    std::vector<std::unique_ptr<Reader>> readers;
    std::size_t detached = 0;
    bool detach_asked = false, close_asked = false, closed = false;
};

class Host {
  public:
    Host(Network& network, const HostPlan& plan, Directory& directory);
    ~Host();

    // Opens a sending session at plan.start_ns, with a source port drawn from the host's seed.
    Sender& publish(const SenderPlan& plan);
    void listen(const ListenPlan& plan);
    // Ends everything that is open, as a daemon that stops: workers give back what was lent and go.
    void begin_stop();

    // One turn of everything that runs here; true while anything moved.
    bool turn(Nanos now);
    Nanos next_deadline(Nanos now) const;

    const HostPlan& plan() const { return plan_; }
    Port& port() { return port_; }
    std::size_t number() const { return number_; }
    const std::vector<std::unique_ptr<Sender>>& senders() const { return senders_; }
    const std::vector<std::unique_ptr<Reception>>& receptions() const { return receptions_; }
    const std::vector<ListenPlan>& listeners() const { return listeners_; }
    const dataplane::WorkerCounters& counters(std::uint32_t worker) const {
        return workers_[worker]->link.counters;
    }
    // Everything lent was given back: session objects, readers, frames. Empty, or what is missing.
    std::string leaks() const;

  private:
    using Worker = dataplane::Worker<Port>;
    struct Spare {
        std::unique_ptr<Region> region;
        dataplane::ReceiveSession* session = nullptr;
        std::uint64_t id = 0;
        bool with_worker = false;
    };
    struct Engine {
        explicit Engine(std::uint32_t index) : link(index), page_memory(ipc::kPageSize) {}
        dataplane::WorkerLink link;
        Region page_memory;
        std::unique_ptr<Worker> worker;
        std::uint32_t spares = 0;  // with the worker and unused
        bool stopped = false;
    };

    bool control_turn(Nanos now);
    void on_event(Engine& engine, const dataplane::WorkerEvent& event);
    void open(Sender& sender);
    void start_listening(const ListenPlan& plan);
    void add_spare(Engine& engine);
    void open_reception(Engine& engine, const dataplane::WorkerEvent& event);
    void settle(Reception& reception);
    void post(std::uint32_t worker, const dataplane::Command& command);
    Reception* reception_of(std::uint64_t id);

    HostPlan plan_;
    Network& network_;
    Directory& directory_;
    std::size_t number_;
    Port& port_;
    Random random_;
    Nanos now_ = 0;
    std::uint64_t next_id_ = 1;
    dataplane::HandoverMesh mesh_;
    std::vector<std::unique_ptr<Engine>> workers_;
    std::map<std::uint64_t, Spare> windows_;  // every receive session that exists, by id
    std::map<std::uint64_t, dataplane::SourceSession*> sources_;
    std::map<std::uint64_t, std::uint32_t> source_workers_;
    std::vector<std::unique_ptr<Sender>> senders_;
    std::vector<std::unique_ptr<Reception>> receptions_;
    std::vector<ListenPlan> listeners_;
    std::vector<bool> listening_;
    std::map<int, std::function<void()>> endpoints_;  // whom a wake-up concerns
    bool stopping_ = false;
};

}  // namespace fanfare::sim
