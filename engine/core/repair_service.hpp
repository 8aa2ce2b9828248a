// What a source owes its receivers: numbers that wait for an NCF and numbers that wait for RDATA
// (RFC 3208 5.2, 5.3, 9.3.4). Judges the numbers of NAKs against the window; sends nothing itself.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "engine/core/repair_queue.hpp"
#include "engine/core/send_window.hpp"
#include "engine/core/source.hpp"
#include "engine/wire/packet.hpp"

namespace fanfare::engine {

class RepairService {
  public:
    // `merge`: a number asked for again within this time of its last NCF or RDATA gets no second
    // one.
    RepairService(std::uint32_t window_packets, Nanos merge)
        : repairs_(window_packets), confirms_(window_packets), merge_(merge) {}

    // Numbers that wait for RDATA.
    const RepairQueue& pending() const { return repairs_; }
    bool must_confirm() const { return !confirms_.empty(); }

    // All numbers of a NAK whose addresses were judged already.
    void nak(const wire::Packet& packet, SendWindow& window, Nanos now,
             SourceStatistics& statistics) {
        const bool list = packet.options.has(wire::OptionBit::nak_list);
        const std::size_t listed = list ? packet.options.nak_list.count : 0;
        for (std::size_t i = 0; i <= listed; ++i) {
            const Sqn sqn = i == 0 ? packet.sqn : wire::nak_list_at(packet.options, i - 1);
            ++statistics.naks_received;
            const std::uint64_t ordinal = window.ordinal_of(sqn);
            if (!window.contains(ordinal)) {
                // Behind the trail: nothing can be repaired, and an NCF would only make the
                // receiver wait for it. Ahead of the lead: never sent.
                ++(ordinal < window.trail() ? statistics.naks_too_late : statistics.rejected);
                continue;
            }
            const SendEntry& entry = window.at(ordinal);
            if (entry.unused) {
                unused(ordinal, window, now, statistics);
                continue;
            }
            if (entry.rdata_at != SendWindow::kLongAgo) ++statistics.naks_after_rdata;
            if (now - entry.ncf_at >= merge_) confirms_.insert(ordinal);
            // A NAK that crossed its RDATA on the way needs no second one.
            if (now - entry.rdata_at >= merge_) repairs_.insert(ordinal);
        }
        statistics.naks_outstanding = repairs_.count();
    }

    // Parity of the group that begins with this number waits to be sent.
    void want_parity(std::uint64_t group) { repairs_.insert(group); }
    void parity_served(std::uint64_t group) { repairs_.erase(group); }

    // The next NCF: up to 63 numbers, oldest first. A list is what answers a list.
    using Confirmation = std::array<Sqn, wire::kNakListMax + 1>;
    std::size_t confirm(SendWindow& window, Nanos now, Confirmation& sqns) {
        std::size_t count = 0;
        while (count < sqns.size() && !confirms_.empty()) {
            const std::uint64_t ordinal = confirms_.oldest(window.trail());
            confirms_.erase(ordinal);
            window.at(ordinal).ncf_at = now;
            sqns[count++] = static_cast<Sqn>(ordinal);
        }
        return count;
    }

    void repaired(std::uint64_t ordinal, SendWindow& window, Nanos now) {
        repairs_.erase(ordinal);
        window.at(ordinal).rdata_at = now;
    }
    // The trail passes this number.
    void passed(std::uint64_t ordinal) {
        repairs_.erase(ordinal);
        confirms_.erase(ordinal);
    }
    void clear(const SendWindow& window) {
        while (!confirms_.empty()) confirms_.erase(confirms_.oldest(window.trail()));
        while (!repairs_.empty()) repairs_.erase(repairs_.oldest(window.trail()));
    }

  private:
    // Nobody can send a number that was left out; the last packet of its group says so
    // (OPT_CURR_TGSIZE).
    void unused(std::uint64_t ordinal, SendWindow& window, Nanos now,
                SourceStatistics& statistics) {
        const std::uint64_t last = ordinal - window.at(ordinal).message_offset;
        if (!window.contains(last)) {
            ++statistics.naks_too_late;
            return;
        }
        if (now - window.at(ordinal).ncf_at >= merge_) confirms_.insert(ordinal);
        if (now - window.at(last).rdata_at >= merge_) repairs_.insert(last);
    }

    RepairQueue repairs_;
    RepairQueue confirms_;  // filled for the length of a call, longer while an Output is full
    Nanos merge_;
};

}  // namespace fanfare::engine
