#include "sim/tree.hpp"

#include <algorithm>

namespace fanfare::sim {
namespace {

// Whether a frame gets over; a run of losses that has begun is finished first.
bool crosses(double loss, std::uint32_t run, std::uint32_t& left, Random& random) {
    if (left > 0) {
        --left;
        return false;
    }
    if (loss <= 0 || !random.chance(loss)) return true;
    left = std::max(run, 1u) - 1;
    return false;
}

}  // namespace

Tree::Tree(bool root_is_router) {
    nodes_.emplace_back();
    nodes_[kRoot].router = root_is_router;
}

Tree::Node Tree::add_node(Node parent, const TreeLink& link, bool router) {
    const auto node = static_cast<Node>(nodes_.size());
    Place place;
    place.parent = parent;
    place.link = link;
    place.depth = nodes_[parent].depth + 1;
    place.router = router;
    nodes_.push_back(std::move(place));
    nodes_[parent].children.push_back(node);
    return node;
}

void Tree::place(std::size_t port, Node node) {
    if (port >= places_.size()) places_.resize(port + 1, kNone);
    places_[port] = node;
    nodes_[node].port = port;
}

bool Tree::listed(Place& place) {
    const std::vector<bool>& list = place.link.loss_list;
    return place.counted < list.size() && list[place.counted++];
}

bool Tree::crosses_down(Place& place, bool counted, Random& random) {
    if (place.cut) return false;
    if (counted && listed(place)) return false;
    return crosses(place.link.loss_down, place.link.loss_run, place.run_down, random);
}

bool Tree::crosses_up(Place& place, bool counted, Random& random) {
    if (place.cut) return false;
    if (counted && listed(place)) return false;
    return crosses(place.link.loss_up, place.link.loss_run, place.run_up, random);
}

void Tree::flood(std::size_t port, std::uint32_t ttl, bool counted, Random& random,
                 std::vector<Reach>& out) {
    out.clear();
    open_.clear();
    open_.push_back({places_[port], kNone, 0, ttl, false});
    while (!open_.empty()) {
        const Visit at = open_.back();
        open_.pop_back();
        const Place& place = nodes_[at.node];
        if (place.port != kNoPort && place.port != port)
            out.push_back({place.port, at.delay_ns, at.lost});
        std::uint32_t left = at.ttl;
        if (place.router && at.from != kNone) {
            if (left <= 1) continue;
            --left;
        }
        // The last one in is the first one out: children in order, whatever is upward last.
        if (place.parent != kNone && place.parent != at.from) {
            Place& above = nodes_[at.node];
            const bool lost = at.lost || !crosses_up(above, counted, random);
            open_.push_back({place.parent, at.node, at.delay_ns + place.link.delay_ns, left, lost});
        }
        for (auto child = place.children.rbegin(); child != place.children.rend(); ++child) {
            if (*child == at.from) continue;
            Place& below = nodes_[*child];
            const bool lost = at.lost || !crosses_down(below, counted, random);
            open_.push_back({*child, at.node, at.delay_ns + below.link.delay_ns, left, lost});
        }
    }
}

void Tree::route(std::size_t port, std::size_t to, std::uint32_t ttl, Random& random,
                 std::vector<Reach>& out) {
    out.clear();
    if (!holds(to)) return;
    Node up = places_[port], down = places_[to];
    std::vector<Node> path_down;
    Nanos delay = 0;
    bool lost = false;
    std::uint32_t routers = 0;
    while (up != down) {
        if (nodes_[up].depth >= nodes_[down].depth) {
            lost = lost || !crosses_up(nodes_[up], false, random);
            delay += nodes_[up].link.delay_ns;
            up = nodes_[up].parent;
            // The last place may be the destination itself, and the meeting point counts once.
            routers += nodes_[up].router && nodes_[up].port != to ? 1 : 0;
        } else {
            path_down.push_back(down);
            delay += nodes_[down].link.delay_ns;
            down = nodes_[down].parent;
        }
    }
    for (auto node = path_down.rbegin(); node != path_down.rend(); ++node) {
        lost = lost || !crosses_down(nodes_[*node], false, random);
        routers += nodes_[*node].router && nodes_[*node].port != to ? 1 : 0;
    }
    if (ttl <= routers) return;
    out.push_back({to, delay, lost});
}

}  // namespace fanfare::sim
