// What a source owes those who asked for parity (RFC 3208 11.4): for each group of the window how
// many parity packets wait to be sent, how many an NCF shall name, and which is the next that was
// never sent. Judges parity NAKs; sends and computes nothing.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <vector>

#include "engine/core/parity_symbol.hpp"
#include "engine/core/profile.hpp"
#include "engine/core/repair_queue.hpp"
#include "engine/core/repair_service.hpp"
#include "engine/core/send_window.hpp"
#include "engine/core/source.hpp"
#include "engine/wire/packet.hpp"

namespace fanfare::engine {

class ParityRepairs {
  public:
    // Groups are named by the ordinal of their first number.
    ParityRepairs(const SourceParameters& parameters)
        : k_(parameters.parity.group_size),
          first_index_(parameters.parity.proactive),
          most_(static_cast<std::uint8_t>(parameters.parity.block_size - k_)),
          // The window's groups, one more where it begins inside one.
          groups_(std::bit_ceil(parameters.window_packets / k_ + 1)),
          confirms_(static_cast<std::uint32_t>(groups_.size())) {}

    // The first packet of a group leaves: its place belonged to a group that has passed.
    void begin(std::uint64_t group) {
        confirms_.erase(group / k_);
        at(group) = Group{};
        at(group).next_index = first_index_;
    }
    // No more packets join the group: `size` of them. What was asked for before may be sent now,
    // unless the window has let go of the group's first packets meanwhile.
    void close(std::uint64_t group, std::uint8_t size, std::uint64_t trail,
               RepairService& service) {
        Group& g = at(group);
        g.size = size;
        g.closed = true;
        reduce(g);
        if (group < trail) g.wanted = 0;
        if (g.wanted > 0) service.want_parity(group);
    }

    // All groups of a parity NAK whose addresses were judged already.
    void nak(const wire::Packet& packet, Address requester, const SendWindow& window,
             RepairService& service, Nanos now, SourceStatistics& statistics) {
        const bool list = packet.options.has(wire::OptionBit::nak_list);
        const std::size_t listed = list ? packet.options.nak_list.count : 0;
        const std::uint8_t mark = RepairService::mark(requester);
        RepairHold& hold = service.hold();
        bool crosses = listed < RepairService::kCatchingUp;
        bool fresh = false, in_vain = false;
        for (std::size_t i = 0; i <= listed; ++i) {
            const Sqn sqn = i == 0 ? packet.sqn : wire::nak_list_at(packet.options, i - 1);
            ++statistics.naks_received;
            ++statistics.parity_naks_received;
            auto count = static_cast<std::uint8_t>((sqn & (k_ - 1)) + 1);
            const std::uint64_t group = window.ordinal_of(sqn & ~Sqn{k_ - 1u});
            if (!window.contains(group)) {
                // A group whose first packets have gone can't be computed any more.
                ++(group < window.trail() ? statistics.naks_too_late : statistics.rejected);
                continue;
            }
            Group& g = at(group);
            const bool again = g.requester == mark;
            const bool repaired = g.wanted == 0 && g.parity_at != SendWindow::kLongAgo;
            if (repaired && !again && crosses) {
                hold.crossed(now - g.parity_at);
                crosses = false;  // once a NAK: a list left once
            }
            // A NAK that crossed the parity it asks for needs no more of it. Who asks once more did
            // not cross it.
            const bool held = repaired && now - g.parity_at < hold.repair_gap(0, again);
            // One NAK may cost k packets, each of them a pass over its group.
            if (const std::uint32_t more = held ? 0 : wanted_for(g, count) - g.wanted; more > 0) {
                const std::uint32_t given = service.admit(requester, window, now, statistics, more);
                if (given == 0) continue;
                count = static_cast<std::uint8_t>(count - (more - given));
            }
            if (count > g.asked || now - g.ncf_at >= hold.confirm_gap()) {
                g.asked = std::max(g.asked, count);
                confirms_.insert(group / k_);
            }
            if (g.parity_at != SendWindow::kLongAgo) ++statistics.naks_after_rdata;
            fresh |= g.requester == 0;
            in_vain |= again && g.held;
            g.held = held;
            if (g.wanted == 0) g.requester = mark;
            if (held) continue;
            g.wanted = wanted_for(g, count);
            if (g.closed && g.wanted > 0) service.want_parity(group);
        }
        // Where only parity is asked for, nothing else teaches how long to hold it.
        if (fresh && listed < RepairService::kCatchingUp) hold.fresh();
        if (in_vain) hold.in_vain();
        statistics.naks_outstanding = service.pending().count();
    }

    bool must_confirm() const { return !confirms_.empty(); }
    using Confirmation = std::array<Sqn, wire::kNakListMax + 1>;
    // The next parity NCF: up to 63 groups with the largest counts asked for.
    std::size_t confirm(const SendWindow& window, Nanos now, Confirmation& sqns) {
        std::size_t count = 0;
        confirmed_to_ = std::max(confirmed_to_, window.trail() / k_);
        while (count < sqns.size() && !confirms_.empty()) {
            const std::uint64_t number = confirms_.oldest(confirmed_to_);
            const std::uint64_t group = number * k_;
            if (group >= window.next() && confirmed_to_ > window.trail() / k_) {
                // Round the ring, as RepairService::confirm().
                confirmed_to_ = window.trail() / k_;
                if (count > 0) return count;
                continue;
            }
            confirms_.erase(number);
            confirmed_to_ = number + 1;
            Group& g = at(group);
            if (!window.contains(group)) continue;
            g.ncf_at = now;
            sqns[count++] = static_cast<Sqn>(group) | static_cast<Sqn>(g.asked - 1);
        }
        if (confirms_.empty()) confirmed_to_ = 0;
        return count;
    }

    // Whether this number, waiting for repair, stands for parity of the group it begins.
    bool wanted(std::uint64_t ordinal) const {
        if ((ordinal & (k_ - 1u)) != 0) return false;
        const Group& g = at(ordinal);
        return g.closed && g.wanted > 0;
    }
    std::uint8_t next_index(std::uint64_t group) const { return at(group).next_index; }
    std::uint8_t size(std::uint64_t group) const { return at(group).size; }
    // The packet with next_index() has gone. True while more of the group waits.
    bool sent(std::uint64_t group, Nanos now) {
        Group& g = at(group);
        ++g.next_index;
        --g.wanted;
        g.parity_at = now;
        if (g.wanted > 0) return true;
        g.asked = 0;
        return false;
    }

  private:
    struct Group {
        Nanos ncf_at = SendWindow::kLongAgo;
        Nanos parity_at = SendWindow::kLongAgo;  // last parity on demand
        std::uint8_t next_index = 0;             // first parity packet never sent
        std::uint8_t wanted = 0;                 // parity packets that wait to be sent
        std::uint8_t asked = 0;                  // largest count of the NAKs they answer
        std::uint8_t size = 0;                   // data packets, when closed
        std::uint8_t requester = 0;              // mark of the address that asked last for more
        bool held = false;                       // `requester` was left unanswered: parity had gone
        bool closed = false;
    };

    Group& at(std::uint64_t group) { return groups_[(group / k_) & (groups_.size() - 1)]; }
    const Group& at(std::uint64_t group) const {
        return groups_[(group / k_) & (groups_.size() - 1)];
    }
    // RFC 11.4: pending packets are raised to what is asked for, never added to. Counts are meant
    // for a full group (RFC 11.5), so that what a short one leaves out is no loss.
    std::uint8_t wanted_for(const Group& g, std::uint8_t count) const {
        const std::uint32_t unused = g.closed ? k_ - std::uint32_t{g.size} : 0;
        const std::uint32_t lacking = count > unused ? count - unused : 0;
        const std::uint32_t left = std::uint32_t{most_} - g.next_index;
        return static_cast<std::uint8_t>(
            std::max<std::uint32_t>(g.wanted, std::min(lacking, left)));
    }
    void reduce(Group& g) const {
        const std::uint32_t unused = k_ - std::uint32_t{g.size};
        g.wanted = static_cast<std::uint8_t>(g.wanted > unused ? g.wanted - unused : 0);
    }

    std::uint32_t k_;
    std::uint8_t first_index_, most_;
    std::vector<Group> groups_;
    RepairQueue confirms_;            // by group number
    std::uint64_t confirmed_to_ = 0;  // where the last NCF ended; 0: none waits
};

}  // namespace fanfare::engine
