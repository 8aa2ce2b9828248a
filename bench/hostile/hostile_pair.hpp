// A sending and a receiving host, production workers on one thread, joined by a wire that loses a
// little: an application writes numbered messages, another reads and checks every octet of them.
// Real time. Hostile frames come in at either worker's port.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "bench/core/window_region.hpp"
#include "bench/hostile/wire_port.hpp"
#include "client/core/message_reader.hpp"
#include "client/core/message_writer.hpp"
#include "dataplane/worker.hpp"
#include "tests/hostile/hostile_packets.hpp"

namespace fanfare::bench {

using test::GoodSession;

struct HostilePairPlan {
    std::size_t message = 100;       // octets
    bool parity = false;             // groups of 8, one packet unasked, the rest on demand
    std::uint32_t lose_each = 1000;  // of the good stream's data packets one is lost on the wire
    std::uint32_t spares = 16;       // windows that strangers' sessions may take
};

// Counts what the poll core allocates: only inside this, only on this thread.
class PollWatch {
  public:
    PollWatch();
    ~PollWatch();
    PollWatch(const PollWatch&) = delete;
    PollWatch& operator=(const PollWatch&) = delete;
    static std::uint64_t allocations();
};

class HostilePair {
  public:
    // The session is open and its first message was read when it returns.
    explicit HostilePair(const HostilePairPlan& plan);
    ~HostilePair();
    HostilePair(const HostilePair&) = delete;
    HostilePair& operator=(const HostilePair&) = delete;

    struct Slice {
        std::uint64_t messages = 0;  // 1 at least
        double rate = 0;             // messages a second; 0: as fast as they go
        // Frames that come evenly beside the messages, in turn for the receiver and the source.
        std::span<const std::span<const std::byte>> hostile;
    };
    struct Took {
        double seconds = 0;  // until the last message was read and the last hostile frame taken
        double busy_seconds = 0;  // in turns that had something to do
    };
    Took run(const Slice& slice);
    // Gives windows of strangers' sessions that ended back to the pool, as control does.
    void tidy();

    const GoodSession& good() const { return good_; }
    Sqn lead() const;
    // TPDUs of the good session as they were on the wire, of each type some.
    std::vector<std::vector<std::byte>> take_recorded();
    const dataplane::WorkerCounters& receiver_counters() const { return receiver_.link.counters; }
    const dataplane::WorkerCounters& source_counters() const { return source_.link.counters; }
    engine::ReceiverStatistics receiver_statistics() const;
    engine::SourceStatistics source_statistics() const;
    std::uint64_t messages_read() const { return read_; }
    std::uint64_t dropped_at_ports() const {
        return receiver_.port.dropped() + source_.port.dropped();
    }
    // Empty while nothing was lost, changed or ended, else what was.
    const std::string& fault() const { return fault_; }

  private:
    struct Side {
        Side(Address address, std::uint8_t last_mac);
        void post(const dataplane::Command& command);
        std::size_t poll(Nanos now);
        Address address;
        WirePort port;
        dataplane::WorkerLink link;
        std::unique_ptr<dataplane::Worker<WirePort>> worker;
    };
    void start(Side& side, std::uint64_t seed);
    void open_source();
    void add_spare(std::uint64_t id);
    std::size_t turn();
    void take_events();
    void write(std::uint64_t most);
    void read();
    void record(std::span<const std::byte> frame);
    bool passes(std::span<const std::byte> frame);

    HostilePairPlan plan_;
    GoodSession good_;
    const checksum::Kernels& kernels_;
    Side source_, receiver_;
    ipc::Region send_region_, send_page_, read_page_;
    std::unique_ptr<client::MessageWriter> writer_;
    std::unique_ptr<client::MessageReader> reader_;
    dataplane::SourceSession* sending_ = nullptr;
    std::vector<std::unique_ptr<WindowRegion>> windows_;  // by id
    std::vector<std::uint64_t> free_again_;               // ids of windows to be made anew
    std::uint64_t good_window_ = ~std::uint64_t{0};
    std::uint64_t written_ = 0, read_ = 0, data_seen_ = 0;
    std::array<std::vector<std::vector<std::byte>>, 16> recorded_;
    std::string fault_;
};

}  // namespace fanfare::bench
