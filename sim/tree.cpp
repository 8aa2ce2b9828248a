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

void Tree::place(std::size_t port, Node node, bool downwards) {
    if (port >= places_.size()) places_.resize(port + 1, kNone);
    places_[port] = node;
    nodes_[node].port = port;
    nodes_[node].downwards = downwards;
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

std::uint32_t Tree::ttl_behind(std::uint32_t ttl, Node from, Node at, Node next) const {
    const Place& place = nodes_[at];
    if (from == kNone || !place.router) return ttl;
    const bool routed = at == kRoot || place.parent == from || place.parent == next;
    return routed ? ttl - std::min(ttl, 1u) : ttl;
}

void Tree::flood(std::size_t port, std::uint32_t ttl, bool counted, Random& random,
                 std::vector<Reach>& out) {
    out.clear();
    open_.clear();
    const bool downwards = nodes_[places_[port]].downwards;
    open_.push_back({places_[port], kNone, 0, ttl, false});
    while (!open_.empty()) {
        const Visit at = open_.back();
        open_.pop_back();
        const Place& place = nodes_[at.node];
        if (place.port != kNoPort && place.port != port)
            out.push_back({place.port, at.delay_ns, at.lost});
        // The last one in is the first one out: children in order, whatever is upward last.
        const bool refused = downwards && place.parent != kNone && nodes_[place.parent].router;
        if (place.parent != kNone && place.parent != at.from && !refused) {
            const std::uint32_t left = ttl_behind(at.ttl, at.from, at.node, place.parent);
            if (left > 0) {
                const bool lost = at.lost || !crosses_up(nodes_[at.node], counted, random);
                open_.push_back(
                    {place.parent, at.node, at.delay_ns + place.link.delay_ns, left, lost});
            }
        }
        for (auto child = place.children.rbegin(); child != place.children.rend(); ++child) {
            if (*child == at.from) continue;
            const std::uint32_t left = ttl_behind(at.ttl, at.from, at.node, *child);
            if (left == 0) continue;
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
    // Up from both ends until they meet; then the way is known from its first node to its last.
    Node up = places_[port], down = places_[to];
    std::vector<Node> way{up}, way_down;
    while (up != down) {
        if (nodes_[up].depth >= nodes_[down].depth) {
            up = nodes_[up].parent;
            way.push_back(up);
        } else {
            way_down.push_back(down);
            down = nodes_[down].parent;
        }
    }
    way.insert(way.end(), way_down.rbegin(), way_down.rend());
    Nanos delay = 0;
    bool lost = false;
    Node from = kNone;
    for (std::size_t i = 0; i + 1 < way.size(); ++i) {
        const Node at = way[i], next = way[i + 1];
        ttl = ttl_behind(ttl, from, at, next);
        if (ttl == 0) return;
        const bool is_up = nodes_[at].parent == next;
        Place& link = nodes_[is_up ? at : next];
        lost =
            lost || !(is_up ? crosses_up(link, false, random) : crosses_down(link, false, random));
        delay += link.link.delay_ns;
        from = at;
    }
    out.push_back({to, delay, lost});
}

}  // namespace fanfare::sim
