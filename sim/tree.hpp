// A tree of links: where ports sit, what a frame meets on its way from one to all others. A link
// that loses a frame loses it for everything behind it, which is what receivers of one site have in
// common and receivers of two sites have not.
//
// Node 0 is the root. Every other node hangs on a parent by one link, which carries both ways. What
// hangs on a router below the root is one subnet: a frame that enters or leaves it there loses one
// of its TTL. At the root every link is a subnet of its own. A node that is no router is a switch
// or the host itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/types.hpp"
#include "sim/random.hpp"

namespace fanfare::sim {

struct TreeLink {
    Nanos delay_ns = 10 * kMicrosecond;
    double loss_down = 0;         // of frames away from the root, probability 0..1
    double loss_up = 0;           // of frames towards it
    std::uint32_t loss_run = 1;   // frames that go in a row when one goes, at least 1
    std::vector<bool> loss_list;  // of frames that count, in order, which are lost: see flood()
};

class Tree {
  public:
    using Node = std::uint32_t;
    static constexpr Node kRoot = 0;

    explicit Tree(bool root_is_router = true);

    Node add_node(Node parent, const TreeLink& link, bool router = false);
    // The port with this number is at `node`. A node may have one port. `downwards`: what it sends
    // to all bears an address from above, so that routers take it on its way down alone.
    void place(std::size_t port, Node node, bool downwards = false);
    TreeLink& link(Node node) { return nodes_[node].link; }
    // Cuts or heals the link above `node`, both directions.
    void cut(Node node, bool is_cut) { nodes_[node].cut = is_cut; }
    std::size_t size() const { return nodes_.size(); }
    bool holds(std::size_t port) const { return port < places_.size() && places_[port] != kNone; }

    // One copy of a frame on its way: when it comes after it left its host, or would have come.
    struct Reach {
        std::size_t port;
        Nanos delay_ns;
        bool lost;
    };
    // Who else is reached by a frame from `port` to all: one draw a link, for all behind it.
    // `counted` frames take the next place of a link's loss_list.
    void flood(std::size_t port, std::uint32_t ttl, bool counted, Random& random,
               std::vector<Reach>& out);
    // The same for a frame to one port; nothing in `out` when its TTL does not suffice.
    void route(std::size_t port, std::size_t to, std::uint32_t ttl, Random& random,
               std::vector<Reach>& out);

  private:
    static constexpr Node kNone = ~Node{0};
    static constexpr std::size_t kNoPort = ~std::size_t{0};
    struct Place {
        Node parent = kNone;
        TreeLink link;
        std::vector<Node> children;
        std::size_t port = kNoPort;
        std::uint32_t depth = 0;
        bool router = false, cut = false, downwards = false;
        std::uint32_t run_down = 0, run_up = 0;  // frames of a run that are still to be lost
        std::size_t counted = 0;                 // of loss_list
    };
    struct Visit {
        Node node, from;
        Nanos delay_ns;
        std::uint32_t ttl;
        bool lost;
    };
    // What is left of a TTL when a frame goes on to `next`; 0: it does not.
    std::uint32_t ttl_behind(std::uint32_t ttl, Node from, Node at, Node next) const;
    bool crosses_down(Place& place, bool counted, Random& random);
    bool crosses_up(Place& place, bool counted, Random& random);
    // Takes the next place of the link's loss_list: whether it says lost.
    static bool listed(Place& place);

    std::vector<Place> nodes_;
    std::vector<Node> places_;  // by port
    std::vector<Visit> open_;   // of flood; kept for its room
};

}  // namespace fanfare::sim
