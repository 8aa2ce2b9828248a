// A simulated Ethernet segment in virtual time: hosts' ports, one shared medium, and everything a
// network may do to a frame on its way. One seed decides all of it; the same seed gives the same
// run, octet for octet.
//
// A frame leaves a port, waits for the sender's line (rate, queue limit), may be lost for all
// (shared loss, near the source), then travels to every port whose filter lets it in: each copy may
// be lost, doubled, delayed beyond its successors or damaged on its own. A partition cuts pairs of
// ports for a while. Where the network has a tree, its links decide instead of one shared medium
// how far a copy has to go and with whom it is lost.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <queue>
#include <span>
#include <vector>

#include "dataplane/port.hpp"
#include "engine/core/output.hpp"
#include "engine/types.hpp"
#include "sim/random.hpp"
#include "sim/tree.hpp"

namespace fanfare::sim {

// What the network does to frames. Probabilities 0..1, times in ns.
struct LinkFaults {
    double shared_loss = 0;  // lost for every receiver
    double loss = 0;         // lost for one receiver
    double duplicate = 0;    // one receiver gets it twice
    double reorder = 0;      // one receiver gets it up to reorder_ns later
    double corrupt = 0;      // one octet of an IPv4 packet is changed for one receiver
    Nanos reorder_ns = 300 * kMicrosecond;
};

struct LinkShape {
    Nanos delay_ns = 10 * kMicrosecond;
    Nanos jitter_ns = 0;  // added per copy; makes reordering when above the spacing
    std::uint64_t bits_per_s = 1'000'000'000;  // sender's line
    std::size_t queue_frames = 4096;  // frames that may wait for the line; more are dropped
};

class Network;

// One host's port (PacketPort). Single-threaded, as everything in the simulator.
class Port {
  public:
    Port(Network& network, std::size_t number, std::uint16_t mtu, std::size_t pool_frames);

    std::size_t receive(std::span<dataplane::RxFrame> rx);
    void release(std::span<dataplane::RxFrame> rx);
    std::size_t allocate(std::span<engine::TxFrame> tx);
    std::size_t transmit(std::span<engine::TxFrame> tx);
    void give_back(std::span<engine::TxFrame> tx);
    bool set_multicast_filter(std::span<const dataplane::MacAddress> groups);
    dataplane::PortFacts facts() const;
    std::uint64_t system_calls() const { return 0; }

    // Frames lent and not yet sent or given back: 0 when nothing leaks.
    std::size_t outstanding() const { return outstanding_; }
    std::size_t number() const { return number_; }
    // A way past receive() for who only looks: the next frame that has arrived, shared with the
    // other ports that get it; null when there is none.
    std::shared_ptr<const std::vector<std::byte>> take();
    void set_link(bool up) { link_up_ = up; }

  private:
    friend class Network;
    struct Buffer {
        std::vector<std::byte> octets;
    };
    bool wants(const std::vector<std::byte>& frame) const;

    Network& network_;
    std::size_t number_;
    std::uint16_t mtu_;
    bool link_up_ = true;
    Nanos line_free_ = 0;
    std::size_t outstanding_ = 0;
    std::vector<std::unique_ptr<Buffer>> free_;
    std::queue<std::shared_ptr<const std::vector<std::byte>>> arrived_;
    std::vector<dataplane::MacAddress> groups_;
};
static_assert(dataplane::PacketPort<Port>);

class Network {
  public:
    Network(std::uint64_t seed, const LinkShape& shape) : random_(seed), shape_(shape) {}

    // `pool_frames`: how many frames the port lends at a time; the default is more than a burst of
    // every queue, few enough that a leak is soon felt.
    Port& add_port(std::uint16_t mtu = 1500, std::size_t pool_frames = 512);
    LinkFaults& faults() { return faults_; }
    // Cuts or heals the way between two ports (both directions).
    void cut(std::size_t a, std::size_t b, bool is_cut);

    // A hook that sees every frame as it leaves a port; false drops it for all. For stories ("drop
    // ODATA 5").
    using Filter = bool (*)(void* context, std::size_t from, std::span<const std::byte> frame);
    void set_filter(Filter filter, void* context) {
        filter_ = filter;
        filter_context_ = context;
    }

    // Ports are reached through this tree from now on; it outlives the network. Every port has to
    // be placed in it before it sends.
    void set_tree(Tree* tree) { tree_ = tree; }
    // A port's address on the medium.
    static dataplane::MacAddress mac_of(std::size_t port);

    // Sees every copy of a frame that is lost on a tree: whose it was and when it would have come.
    using LossWatch = void (*)(void* context, std::size_t to, std::span<const std::byte> frame,
                               Nanos would_arrive);
    void set_loss_watch(LossWatch watch, void* context) {
        loss_watch_ = watch;
        loss_watch_context_ = context;
    }

    Nanos now() const { return now_; }
    // Moves time on and hands over what has arrived by then.
    void advance_to(Nanos now);
    // When the next frame arrives somewhere; kNever when none is under way.
    // Ports that got a frame in the last advance_to(), each as often as it got one.
    std::span<const std::size_t> reached() const { return reached_; }
    Nanos next_arrival() const { return under_way_.empty() ? kNever : under_way_.top().at; }

    struct Totals {
        std::uint64_t sent = 0, delivered = 0, lost = 0, duplicated = 0, reordered = 0,
                      corrupted = 0, queue_drops = 0;
    };
    const Totals& totals() const { return totals_; }

  private:
    friend class Port;
    struct Flight {
        Nanos at;
        std::uint64_t order;  // ties arrive in the order they left
        std::size_t to;
        std::shared_ptr<const std::vector<std::byte>> octets;
        bool operator>(const Flight& other) const {
            return at != other.at ? at > other.at : order > other.order;
        }
    };
    void send(std::size_t from, std::vector<std::byte> frame, Nanos& line_free);
    // Who can hear the frame, whether it gets there, and after what time.
    void find_ways(std::size_t from, const std::vector<std::byte>& frame);
    void launch(std::size_t to, std::shared_ptr<const std::vector<std::byte>> octets, Nanos at);

    Random random_;
    LinkShape shape_;
    LinkFaults faults_;
    Nanos now_ = 0;
    std::uint64_t order_ = 0;
    std::vector<std::unique_ptr<Port>> ports_;
    std::vector<std::vector<bool>> cut_;
    std::priority_queue<Flight, std::vector<Flight>, std::greater<>> under_way_;
    Filter filter_ = nullptr;
    void* filter_context_ = nullptr;
    LossWatch loss_watch_ = nullptr;
    void* loss_watch_context_ = nullptr;
    Tree* tree_ = nullptr;
    std::vector<Tree::Reach> ways_;  // of the frame at hand
    std::vector<std::size_t> reached_;
    Totals totals_;
};

}  // namespace fanfare::sim
