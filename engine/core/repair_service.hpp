// What a source owes its receivers: numbers that wait for an NCF and numbers that wait for RDATA
// (RFC 3208 5.2, 5.3, 9.3.4). Judges the numbers of NAKs against the window; sends nothing itself.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "engine/core/backoff_tuning.hpp"
#include "engine/core/repair_hold.hpp"
#include "engine/core/repair_queue.hpp"
#include "engine/core/requester_limits.hpp"
#include "engine/core/send_window.hpp"
#include "engine/core/source.hpp"
#include "engine/wire/packet.hpp"

namespace fanfare::engine {

class RepairService {
  public:
    explicit RepairService(const SourceParameters& parameters)
        : repairs_(parameters.window_packets),
          confirms_(parameters.window_packets),
          hold_(parameters.ncf_merge_ns, parameters.repair_hold_max_ns, kHoldAtFirst),
          tuning_(parameters) {}

    // From how many numbers beside the first on a NAK says nothing of paths and crowds: its sender
    // was away or comes late. A queue that overflows drops a burst at once for everybody behind it,
    // which is a crowd's loss and stays below; half of the longest list does not.
    static constexpr std::size_t kCatchingUp = 32;

    const RepairHold& hold() const { return hold_; }
    RepairHold& hold() { return hold_; }
    BackoffTuning& tuning() { return tuning_; }
    const BackoffTuning& tuning() const { return tuning_; }

    // Numbers that wait for RDATA.
    const RepairQueue& pending() const { return repairs_; }
    bool must_confirm() const { return !confirms_.empty(); }

    // Eight bits of an address: two of 256 requesters are taken for one, which hides a duplicate
    // and does nothing else. 0 is nobody.
    static std::uint8_t mark(Address requester) {
        return static_cast<std::uint8_t>(((requester.v4 * 0x9E3779B1u) >> 24) | 1u);
    }

    // How many of `wanted` more repairs this requester may cause. Asking again for what waits is
    // free: a slow source is asked often.
    std::uint32_t admit(Address requester, const SendWindow& window, Nanos now,
                        SourceStatistics& statistics, std::uint32_t wanted = 1) {
        const std::uint32_t given =
            requesters_.take(requester, wanted, window.next(), window.size(), now);
        if (given == 0) ++statistics.naks_shed;
        return given;
    }

    // All numbers of a NAK whose addresses were judged already.
    void nak(const wire::Packet& packet, Address requester, SendWindow& window, Nanos now,
             SourceStatistics& statistics) {
        const bool list = packet.options.has(wire::OptionBit::nak_list);
        const std::size_t listed = list ? packet.options.nak_list.count : 0;
        const bool learns = listed < kCatchingUp;
        bool crosses = learns;
        bool first_asked = false, counted = false, crowded = false, in_vain = false;
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
            SendEntry& entry = window.at(ordinal);
            if (entry.unused) {
                unused(ordinal, requester, window, now, statistics);
                continue;
            }
            if (entry.rdata_at != SendWindow::kLongAgo) ++statistics.naks_after_rdata;
            const std::uint32_t repairs = entry.repairs & SendEntry::kRepairs;
            const bool again = entry.requester == mark(requester);
            in_vain |= again && (entry.repairs & SendEntry::kHeld) != 0;
            const bool repair = !repairs_.contains(ordinal) &&
                                now - entry.rdata_at >= hold_.repair_gap(repairs, again);
            if (repair && admit(requester, window, now, statistics) == 0) continue;
            switch (who_asks(entry, ordinal, mark(requester), now, crosses)) {
                case Asks::first:
                    first_asked = true;
                    break;
                case Asks::too:
                    ++statistics.naks_duplicate;
                    // A burst that many lose is one loss: its numbers shared one back-off.
                    if (learns && !counted)
                        crowded = another(entry, repairs_.contains(ordinal), now);
                    counted = true;
                    break;
                case Asks::again:
                    break;
            }
            if (now - entry.ncf_at >= hold_.confirm_gap()) confirms_.insert(ordinal);
            // A NAK that crossed its RDATA on the way needs no second one. Who asks once more did
            // not cross it.
            entry.repairs &= static_cast<std::uint8_t>(~SendEntry::kHeld);
            if (repair) {
                repairs_.insert(ordinal);
            } else if (!repairs_.contains(ordinal)) {
                entry.requester = mark(requester);
                entry.repairs |= SendEntry::kHeld;
            }
        }
        if (first_asked && learns) {
            hold_.fresh();
            tuning_.asked();
        }
        if (in_vain) hold_.in_vain();
        if (crowded) tuning_.crowded(now);
        statistics.naks_outstanding = repairs_.count();
    }

    // Parity of the group that begins with this number waits to be sent.
    void want_parity(std::uint64_t group) { repairs_.insert(group); }
    void parity_served(std::uint64_t group) { repairs_.erase(group); }

    // The next NCF: up to 63 numbers, oldest first. A list is what answers a list. Where NCFs have
    // to wait, one goes on where the last one ended: else the oldest, asked for again, would keep
    // all others waiting.
    using Confirmation = std::array<Sqn, wire::kNakListMax + 1>;
    std::size_t confirm(SendWindow& window, Nanos now, Confirmation& sqns) {
        std::size_t count = 0;
        confirmed_to_ = std::max(confirmed_to_, window.trail());
        while (count < sqns.size() && !confirms_.empty()) {
            const std::uint64_t ordinal = confirms_.oldest(confirmed_to_);
            if (ordinal >= window.next() && confirmed_to_ > window.trail()) {
                // Round the ring: those before are left.
                confirmed_to_ = window.trail();
                if (count > 0) return count;  // a list is in order
                continue;
            }
            confirms_.erase(ordinal);
            window.at(ordinal).ncf_at = now;
            sqns[count++] = static_cast<Sqn>(ordinal);
            confirmed_to_ = ordinal + 1;
        }
        if (confirms_.empty()) confirmed_to_ = 0;
        return count;
    }

    void repaired(std::uint64_t ordinal, SendWindow& window, Nanos now) {
        repairs_.erase(ordinal);
        SendEntry& entry = window.at(ordinal);
        entry.rdata_at = now;
        // The count stays below the one beside it.
        if ((entry.repairs & SendEntry::kRepairs) < SendEntry::kRepairs) ++entry.repairs;
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
    // Before anything was heard: the round trip of a path of some hundred kilometres. It fades by a
    // sixteenth with each loss that one receiver alone asks for; growing from the floor instead
    // would cost the first losses of a crowd two or three repairs each. A receiver close by whose
    // first repair is lost has its second NAK left unanswered for less than its repeat interval.
    static constexpr Nanos kHoldAtFirst = kMillisecond;

    enum class Asks : std::uint8_t { first, too, again };

    // Whether a NAK is the first for its number, another receiver's, or a repetition.
    Asks who_asks(SendEntry& entry, std::uint64_t ordinal, std::uint8_t requester, Nanos now,
                  bool& crosses) {
        const bool known = entry.requester != 0;
        const bool other = known && entry.requester != requester;
        const bool repaired = entry.rdata_at != SendWindow::kLongAgo;
        if (other && repaired && crosses) {
            hold_.crossed(now - entry.rdata_at);
            crosses = false;  // once a NAK: a list left once
        }
        const bool alive = repairs_.contains(ordinal) ||
                           now - std::max(entry.ncf_at, entry.rdata_at) < hold_.hold();
        if (known && alive) return other ? Asks::too : Asks::again;
        entry.requester = requester;
        entry.repairs &= static_cast<std::uint8_t>(~SendEntry::kOthers);
        return known ? Asks::again : Asks::first;
    }

    // One more receiver asks for a number that is being repaired. Whether it is one too many; those
    // behind it are not counted.
    bool another(SendEntry& entry, bool pending, Nanos now) {
        constexpr std::uint32_t kMost = BackoffTuning::kTolerated + 1;
        static_assert(kMost <= 3, "two bits");
        const std::uint32_t others = (entry.repairs & SendEntry::kOthers) / SendEntry::kAnother;
        // While a repair is pending it is the NCF that should have silenced them: RDATA of before
        // was another repair's. Nothing has yet if it has not left.
        const bool repaired = entry.rdata_at != SendWindow::kLongAgo;
        const Nanos silenced = repaired && !pending ? entry.rdata_at : entry.ncf_at;
        if (silenced != SendWindow::kLongAgo) tuning_.late(now - silenced);
        if (others == kMost) return false;
        entry.repairs += SendEntry::kAnother;
        return others + 1 == kMost;
    }

    // Nobody can send a number that was left out; the last packet of its group says so
    // (OPT_CURR_TGSIZE).
    void unused(std::uint64_t ordinal, Address requester, SendWindow& window, Nanos now,
                SourceStatistics& statistics) {
        const std::uint64_t last = ordinal - window.at(ordinal).message_offset;
        if (!window.contains(last)) {
            ++statistics.naks_too_late;
            return;
        }
        const SendEntry& entry = window.at(last);
        const bool repair =
            !repairs_.contains(last) &&
            now - entry.rdata_at >= hold_.repair_gap(entry.repairs & SendEntry::kRepairs);
        if (repair && admit(requester, window, now, statistics) == 0) return;
        if (now - window.at(ordinal).ncf_at >= hold_.confirm_gap()) confirms_.insert(ordinal);
        if (repair) repairs_.insert(last);
    }

    RepairQueue repairs_;
    RepairQueue confirms_;            // filled for the length of a call, longer where NCFs wait
    std::uint64_t confirmed_to_ = 0;  // where the last NCF ended; 0: none waits
    RepairHold hold_;
    BackoffTuning tuning_;
    RequesterLimits requesters_;
};

}  // namespace fanfare::engine
