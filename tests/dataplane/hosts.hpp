// Hosts for worker tests: production workers on SimPorts, send and receive windows on the heap, and
// the control thread's half of the conversation in a few calls. Virtual time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "client/core/message_reader.hpp"
#include "client/core/message_writer.hpp"
#include "dataplane/worker.hpp"
#include "engine/core/profile.hpp"
#include "ipc/layout.hpp"
#include "tests/sim/sim_port.hpp"

namespace fanfare::dataplane::test {

inline constexpr Address kGroup = Address::from_octets(239, 1, 2, 3);
inline constexpr std::uint16_t kPort = 7500;

// Page-aligned octets on the heap, as a mapping would be.
class Memory {
  public:
    explicit Memory(std::size_t bytes)
        : bytes_((bytes + ipc::kPageSize - 1) / ipc::kPageSize * ipc::kPageSize),
          base_(static_cast<std::byte*>(std::aligned_alloc(ipc::kPageSize, bytes_))) {
        std::fill_n(base_, bytes_, std::byte{0});
    }
    ~Memory() { std::free(base_); }
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;
    std::span<std::byte> span() { return {base_, bytes_}; }

  private:
    std::size_t bytes_;
    std::byte* base_;
};

// A program that sends: its window, its page, and the session object.
struct Sending {
    Sending(std::uint64_t session_id, std::uint64_t log_bytes, ipc::SendFormat as,
            const engine::SourceParameters& parameters, std::uint16_t mtu, bool udp);
    ~Sending();
    std::uint64_t id;
    ipc::SendFormat format;
    Memory region, page_memory;
    ipc::SendParts parts;
    ipc::SocketPage* page;
    std::unique_ptr<client::MessageWriter> writer;
    SourceSession* session = nullptr;
    SourceSpec spec;
    bool ended = false, done = false;
    SessionState end_state = SessionState::open;
    ResetCause cause = ResetCause::none;
};

// A receive window: spare, then somebody's session, then back.
struct Window {
    Window(std::uint64_t session_id, std::uint64_t log_bytes, std::uint32_t index_entries);
    ~Window();
    std::uint64_t id;
    Memory region;
    ipc::ReceiveParts parts;
    ReceiveSession* session = nullptr;
    bool opened = false, ended = false, returned = false, closed = false;
    SessionState state = SessionState::open;
    ResetCause cause = ResetCause::none;
    WorkerEvent open_event;
};

// A program that reads.
struct Reading {
    Reading(Window& window, std::uint64_t socket, client::ReadMode as);
    // Takes what is there; messages one by one, a stream's octets into messages[0].
    void take();
    std::uint64_t socket_id;
    Memory page_memory;
    ipc::SocketPage* page;
    std::unique_ptr<client::MessageReader> reader;
    std::vector<std::string> messages;
    client::ReadResult last;
    std::string room = std::string(1 << 18, '\0');  // for one message
};

struct HostPlan {
    Address address = Address::from_octets(10, 0, 0, 1);
    std::uint32_t workers = 1;
    std::vector<std::uint32_t> queues{0};  // workers that have a queue on the port
    Address gateway;
    std::uint16_t vlan = 0;
    std::uint8_t dscp = 0;
    bool datagrams = false;  // ports are datagram ports
    bool missing = false;    // nothing is behind the ports at the start
    ReceiveLoss receive_loss;
    std::uint16_t mtu = 1500;
    std::size_t mesh_slots = HandoverMesh::kSlots;
    std::uint32_t sessions_max = 64;
};

class Host {
  public:
    Host(sim::SimWire& wire, const HostPlan& plan);
    ~Host();

    void post(std::uint32_t worker, const Command& command);
    // A listen on every worker, and `spares` windows with each.
    void listen(Address group = kGroup, std::uint16_t port = kPort, std::uint16_t udp = 0,
                std::uint32_t spares = 2, Address source = {});
    void unlisten();
    void add_spare(std::uint32_t worker);
    Sending& send(ipc::SendFormat format = ipc::SendFormat::message,
                  engine::SourceParameters parameters = quick(), std::uint16_t udp = 0,
                  std::uint16_t source_port = 4000, std::uint64_t log_bytes = 1 << 20);
    void finish(Sending& sending);
    Reading& read(Window& window, client::ReadMode mode = client::ReadMode::message);
    void close(Window& window);

    std::size_t poll(Nanos now);
    Nanos next_deadline(Nanos now) const;
    WorkerCounters& counters(std::uint32_t worker = 0) { return links[worker]->counters; }
    std::vector<Window*> opened();
    sim::SimPort& port(std::uint32_t worker = 0) { return *ports[worker]; }

    // The lan profile with a short window.
    static engine::SourceParameters quick();

    HostPlan plan;
    WorkerConfig config;
    std::vector<std::unique_ptr<sim::SimPort>> ports;  // by worker; null without a queue
    std::vector<std::unique_ptr<WorkerLink>> links;
    std::unique_ptr<HandoverMesh> mesh;
    std::vector<std::unique_ptr<Worker<sim::SimPort>>> workers;
    std::vector<std::unique_ptr<Sending>> sendings;
    std::vector<std::unique_ptr<Window>> windows;
    std::vector<std::unique_ptr<Reading>> readings;
    std::vector<WorkerEvent> events;          // everything workers said
    std::vector<std::pair<char, int>> wakes;  // 'r', 'w', 'h', 'c' and the descriptor
    engine::ReceiverParameters receiver;
    std::uint64_t receive_log_bytes = 1 << 20;

  private:
    void on_event(const WorkerEvent& event);
    Window* window_of(std::uint64_t id);
    std::uint64_t next_id_ = 1;
};

// Hosts on one wire and the time they share.
class Network {
  public:
    Host& add(const HostPlan& plan);
    // Polls everybody, and readers take, until nobody has anything to do at this time.
    void settle();
    // Lets time pass, stepping from deadline to deadline.
    void run(Nanos duration);
    template <typename Condition>
    bool run_until(Condition&& condition, Nanos limit = 10 * kSecond) {
        const Nanos end = now + limit;
        while (!condition()) {
            if (now >= end) return false;
            run(100 * kMicrosecond);
        }
        return true;
    }

    sim::SimWire wire;
    std::vector<std::unique_ptr<Host>> hosts;
    Nanos now = kSecond;
};

std::string message_of(std::size_t length, std::uint32_t seed);
std::span<const std::byte> octets_of(const std::string& text);
std::string hex(std::span<const std::byte> octets);
std::vector<std::byte> from_hex(const std::string& text);

}  // namespace fanfare::dataplane::test
