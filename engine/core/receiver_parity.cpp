// What a receiver does with parity (RFC 3208 11.5): follows what the source's SPMs announce, keeps
// and decodes parity packets, and asks for what a group still needs once its parity had its time.
//
// A group of an on-demand session has one NAK state, in the place of its last number, and is asked
// for by count. Numbers are asked for one by one where that cannot be: without on-demand parity, in
// a group whose first numbers the source's window has left, in one that a source pauses in, and
// where parity did not help.
#include <bit>

#include "engine/core/receiver_parts.hpp"

namespace fanfare::engine {

namespace {

// When a group's packets are asked for one by one: after eight parity NAKs that were confirmed and
// brought nothing (the source has no parity left: n is finite), or 32 that nobody confirmed. Both
// are fewer than the retries after which data counts as lost, and more than a source that its
// machine keeps waiting makes necessary.
constexpr std::uint8_t kInVainMost = 32, kInVainConfirmed = 4, kInVainUnconfirmed = 1;
// Groups that the window must have room for ahead of the first missing number; with fewer a group's
// place could be taken by the one after the next.
constexpr std::uint64_t kLeastGroups = 4;

}  // namespace

void Receiver::Parts::learn_parity(const wire::Packet& spm) {
    if (!spm.options.has(wire::OptionBit::parity_prm) || parity == nullptr) return;
    const auto& prm = spm.options.parity_prm;
    if (parity_on) {
        // The size is constant for the session (RFC 11.2): the first that was possible counts.
        if (prm.group_size != parity->k()) return;
        on_demand = prm.ondemand;
        timing.announce(prm.proactive);
        return;
    }
    if (prm.group_size < 2 || prm.group_size > fec::kMaxData ||
        !std::has_single_bit(prm.group_size) || (!prm.proactive && !prm.ondemand) ||
        prm.group_size * kLeastGroups > window.half()) {
        return;
    }
    parity->start(prm.group_size);
    timing.start(prm.group_size, prm.proactive);
    on_demand = prm.ondemand;
    parity_on = true;
    // What came before is not known well enough to decode with.
    parity_from = 0;
    if (window.started() && window.lead() >= window.start_ordinal()) {
        parity_from = parity->last_of(parity->group_of(window.lead())) + 1;
    }
}

void Receiver::Parts::learn_spm_lead(const wire::Packet& spm, std::uint64_t lead) {
    if (lead < window.start_ordinal()) return;
    const std::uint64_t group = parity->group_of(lead);
    bool whole = lead == parity->last_of(group);
    if (spm.options.has(wire::OptionBit::curr_tgsize)) {
        const std::uint32_t size = spm.options.curr_tgsize.actual_size;
        if (size == lead - group + 1) {
            learn_size(group, size);
            whole = true;
        } else {
            ++statistics.parity_rejected;
        }
    }
    timing.spm(lead, whole);
    retry_decode();
}

// The group ends after `size` packets (1 to k): the numbers behind it are left out. What
// contradicts data that is here, or what was said before, is not believed.
void Receiver::Parts::learn_size(std::uint64_t group, std::uint32_t size) {
    const std::uint64_t last = parity->last_of(group);
    if (size == parity->k() || last < window.next() || last >= window.reach()) return;
    ParityGroups::Group* const known = parity->find(group);
    if (known != nullptr && (known->size != 0 || known->parity > 0)) {
        // Parity says its group's size, and none that it is full.
        if (known->size != size) ++statistics.parity_rejected;
        return;
    }
    for (std::uint64_t o = std::max(group + size, window.next()); o <= last; ++o) {
        if (window.held(o) && !window.left_out(o)) {
            ++statistics.parity_rejected;
            return;
        }
    }
    if (group + size < window.next()) {
        // Numbers that should have been left out were delivered.
        if (!window.left_out(window.next() - 1)) {
            ++statistics.parity_rejected;
            return;
        }
    }
    ParityGroups::Group* const g = parity->open(group, window.next());
    if (g != nullptr) g->size = static_cast<std::uint8_t>(size);
    if (group + size > window.start_ordinal()) window.extend(group + size - 1);
    for (std::uint64_t o = std::max(group + size, window.next()); o <= last; ++o) {
        if (window.held(o)) continue;
        window.leave_out(o);
        if (o < opened && !(o == last && g != nullptr && g->asking)) naks.cancel(o);
    }
    if (g != nullptr && g->asking) recheck(*g);
}

Verdict Receiver::Parts::on_parity(const wire::Packet& packet, std::span<const std::byte> tpdu,
                                   Output& out) {
    using wire::OptionBit;
    if (!parity_on) return Verdict::not_for_receiver;
    if (!window.started()) return Verdict::before_window;
    if (!checksum::intact(kernels.sum(tpdu.data(), tpdu.size()))) return Verdict::checksum_wrong;
    statistics.total_bytes += tpdu.size();
    const auto index = parity->index_of(packet);
    const std::uint32_t k = parity->k();
    const bool shortened = packet.options.has(OptionBit::curr_tgsize);
    const std::uint32_t size = shortened ? packet.options.curr_tgsize.actual_size : k;
    if (!index || size == 0 || size > k) return Verdict::malformed;
    const std::uint64_t group = window.ordinal_of(packet.sqn & ~Sqn{k - 1});
    const std::uint64_t last = parity->last_of(group);
    if (last < window.start_ordinal()) return Verdict::before_window;
    if (last >= window.reach()) return Verdict::beyond_window;
    ++statistics.parity_received;
    ++(packet.type == wire::Type::odata ? statistics.odata_received : statistics.rdata_received);
    if (packet.options.has(OptionBit::fin)) end.fin(group + size - 1);
    if (packet.type == wire::Type::rdata) timing.on_demand(group);
    Verdict verdict = Verdict::accepted;
    if (last < window.next()) {
        ++statistics.parity_unneeded;
        verdict = Verdict::duplicate;
    } else {
        learn_size(group, size);
        if (group + size > window.start_ordinal()) window.extend(group + size - 1);
        verdict = keep_parity(group, size, *index, packet);
        retry_decode();
        if (window.held(window.next()) && !contiguous(out)) return verdict;
    }
    if (state == SessionState::open && end.complete(window.next()) && !contiguous(out))
        return verdict;
    open_missing(kOpenedPerPacket);
    if (sqn_before_or_equal(packet.trail, static_cast<Sqn>(last))) trail_moved(packet.trail, out);
    return verdict;
}

Verdict Receiver::Parts::keep_parity(std::uint64_t group, std::uint32_t size, std::uint32_t index,
                                     const wire::Packet& packet) {
    ParityGroups::Group* const g =
        group >= parity_from ? parity->open(group, window.next()) : nullptr;
    if (g == nullptr || g->undecodable) {
        ++statistics.parity_dropped;
        return Verdict::window_full;
    }
    if (g->size != (size == parity->k() ? 0 : size)) {
        ++statistics.parity_rejected;
        return Verdict::malformed;
    }
    g->syn = g->syn || packet.options.has(wire::OptionBit::syn);
    if (parity->needed(window, *g) == 0) {
        ++statistics.parity_unneeded;
        try_decode(*g);
        return Verdict::duplicate;
    }
    parity->make_room_for(packet, [this](ParityGroups::Group& other) {
        // Its numbers were asked for as far as its parity did not make up for them.
        if (!other.asking) ask_one_by_one(other);
    });
    switch (parity->keep(*g, index, packet)) {
        case ParityGroups::Kept::duplicate:
            ++statistics.parity_unneeded;
            return Verdict::duplicate;
        case ParityGroups::Kept::contradiction:
            ++statistics.parity_rejected;
            return Verdict::malformed;
        case ParityGroups::Kept::no_room:
            ++statistics.parity_dropped;
            ask_one_by_one(*g);
            return Verdict::window_full;
        case ParityGroups::Kept::kept:
            break;
    }
    g->in_vain = 0;
    if (g->asking) naks.repair_heard(parity->last_of(group), now);
    try_decode(*g);
    return Verdict::accepted;
}

void Receiver::Parts::try_decode(ParityGroups::Group& g) {
    if (parity->needed(window, g) > 0) {
        if (g.asking) recheck(g);
        return;
    }
    ParityGroups::Outcome outcome;
    do {
        outcome = parity->decode(g, window);
        if (outcome == ParityGroups::Outcome::done || outcome == ParityGroups::Outcome::partly) {
            count_decoded(g);
        }
    } while (outcome == ParityGroups::Outcome::partly);
    switch (outcome) {
        case ParityGroups::Outcome::partly:
        case ParityGroups::Outcome::incomplete:
            return;
        case ParityGroups::Outcome::no_room:
            room_refused = true;
            decode_waits = true;
            // It needs nothing from others.
            if (g.asking) naks.cancel(parity->last_of(g.start));
            return;
        case ParityGroups::Outcome::undecodable:
            ++statistics.parity_rejected;
            g.undecodable = true;
            parity->drop_parity(g);
            ask_one_by_one(g);
            return;
        case ParityGroups::Outcome::done:
            break;
    }
    if (g.asking) naks.close(parity->last_of(g.start), now);
    parity->release(g);
}

void Receiver::Parts::count_decoded(const ParityGroups::Group& g) {
    const std::uint64_t last = parity->last_of(g.start);
    for (const std::uint64_t ordinal : parity->recovered()) {
        statistics.data_bytes += window.entry(ordinal).length;
        const bool state_of_its_own = !(g.asking && ordinal == last);
        if (g.asking) ++statistics.losses_repaired;
        if (ordinal < opened && state_of_its_own && naks.close(ordinal, now) && !g.asking)
            ++statistics.losses_repaired;
        if (ordinal == window.start_ordinal())
            start_recovered = g.syn && ordinal == g.start ? 2 : 1;
        room_refused = false;
    }
    statistics.parity_decoded += parity->recovered().size();
}

// The log may have room by now for what it had none for before. The first missing number comes
// first: all that is held waits for it, and room for it is always kept.
bool Receiver::Parts::retry_decode() {
    if (!decode_waits) return false;
    ParityGroups::Group* const g = parity->find(parity->group_of(window.next()));
    if (g == nullptr || g->parity == 0 || parity->needed(window, *g) > 0) return false;
    try_decode(*g);
    return window.held(window.next());
}

// A group with a state of its own has changed: the state must stand as long as it needs packets.
void Receiver::Parts::recheck(ParityGroups::Group& g) {
    const std::uint64_t last = parity->last_of(g.start);
    const std::uint32_t needed = parity->needed(window, g);
    if (needed == 0 && g.parity == 0) {
        naks.cancel(last);
        g.asking = false;
    } else if (needed > 0 && !naks.tracks(last)) {
        naks.open(last, now + naks.draw_backoff(random) / needed);
    }
}

void Receiver::Parts::parity_data(const wire::Packet& packet, std::uint64_t ordinal, Output& out) {
    using wire::OptionBit;
    parity->note(ordinal, packet.options.has(OptionBit::fragment),
                 packet.options.has(OptionBit::packed));
    const std::uint64_t group = parity->group_of(ordinal);
    if (packet.options.has(OptionBit::curr_tgsize)) data_size(packet, ordinal);
    if (ordinal == parity->last_of(group)) timing.ended(group);
    if (ParityGroups::Group* const g = parity->find(group)) {
        g->in_vain = 0;
        if (g->parity > 0) {
            try_decode(*g);
        } else if (g->asking) {
            recheck(*g);
        }
    }
    retry_decode();
    if (ordinal != window.next() && window.held(window.next())) contiguous(out);
}

// OPT_CURR_TGSIZE of a data packet: it is its group's last (RFC 11.8.3).
void Receiver::Parts::data_size(const wire::Packet& packet, std::uint64_t ordinal) {
    const std::uint64_t group = parity->group_of(ordinal);
    const std::uint32_t size = packet.options.curr_tgsize.actual_size;
    if (size != ordinal - group + 1) {
        ++statistics.parity_rejected;
        return;
    }
    learn_size(group, size);
    timing.ended(group);
}

// A packet that is here already may still say what its group's size is.
void Receiver::Parts::repeated(const wire::Packet& packet, std::span<const std::byte> tpdu,
                               std::uint64_t ordinal, Output& out) {
    if (!packet.options.has(wire::OptionBit::curr_tgsize) || !window.held(ordinal) ||
        window.left_out(ordinal) || !checksum::intact(kernels.sum(tpdu.data(), tpdu.size()))) {
        return;
    }
    data_size(packet, ordinal);
    if (window.held(window.next())) contiguous(out);
}

// Groups whose last number is contiguous now: their states and their parity go.
void Receiver::Parts::groups_passed(std::uint64_t before) {
    for (std::uint64_t g = parity->group_of(before); parity->last_of(g) < window.next();
         g = parity->last_of(g) + 1) {
        if (ParityGroups::Group* const group = parity->find(g)) {
            if (group->asking && naks.close(parity->last_of(g), now)) ++statistics.losses_repaired;
            parity->release(*group);
        }
    }
}

// Numbers that may be asked for end here.
std::uint64_t Receiver::Parts::askable_end() const {
    const std::uint64_t end = std::min(window.lead() + 1, timing.settled(window.lead()));
    // The state of a group stands with its last number, which must be in reach.
    return std::min(end, parity->group_of(window.reach()));
}

bool Receiver::Parts::asks_for_parity(std::uint64_t group, std::uint64_t end) {
    if (!on_demand || group < parity_from || source_trail > group) return false;
    ParityGroups::Group* const g = parity->open(group, window.next());
    if (g == nullptr || g->selective) return false;
    // The source pauses inside it: RFC 11.5 has its packets asked for one by one.
    return end > parity->last_of(group);
}

void Receiver::Parts::open_groups(std::int64_t budget) {
    const std::uint64_t end = askable_end();
    while (opened < end && budget > 0 && naks.active() < naks.limit()) {
        const std::uint64_t group = parity->group_of(opened);
        budget -= parity->k();
        if (asks_for_parity(group, end)) {
            ParityGroups::Group& g = *parity->find(group);
            const std::uint32_t needed = parity->needed(window, g);
            if (needed > 0 && !g.asking) {
                g.asking = true;
                // RFC 6.3: whoever lost more asks sooner.
                naks.open(parity->last_of(group), now + naks.draw_backoff(random) / needed);
            }
            opened = parity->last_of(group) + 1;
            continue;
        }
        const std::uint64_t until = std::min(parity->last_of(group) + 1, end);
        open_numbers(group, until);
        opened = until;
    }
}

// Missing numbers of the group up to `until`, as many as its parity does not make up for.
void Receiver::Parts::open_numbers(std::uint64_t group, std::uint64_t until) {
    ParityGroups::Group* g = parity->find(group);
    std::uint32_t most = parity->k();
    if (g != nullptr && g->parity > 0) most = parity->needed(window, *g);
    if (on_demand && g != nullptr) g->selective = true;
    std::uint32_t open = 0;
    const std::uint64_t first = std::max(group, window.next());
    for (std::uint64_t o = first; o < opened; ++o) open += naks.tracks(o) ? 1 : 0;
    Nanos deadline = -1;
    for (std::uint64_t o = std::max(first, opened); o < until && open < most; ++o) {
        if (window.held(o) || naks.tracks(o)) continue;
        if (deadline < 0) deadline = now + naks.draw_backoff(random);
        naks.open(o, deadline);
        ++open;
    }
}

// From now on the group's numbers are asked for themselves.
void Receiver::Parts::ask_one_by_one(ParityGroups::Group& g) {
    g.selective = true;
    const std::uint64_t last = parity->last_of(g.start);
    if (g.asking) {
        g.asking = false;
        naks.cancel(last);
    }
    const Nanos deadline = now + naks.draw_backoff(random);
    for (std::uint64_t o = std::max(g.start, window.next()); o <= last && o < opened; ++o) {
        if (!window.held(o) && !naks.tracks(o)) naks.open(o, deadline);
    }
}

// What a NAK shall say for a state that is due: the group and how many packets it lacks. False when
// it stands for a number, or for nothing any more.
Receiver::Parts::Asked Receiver::Parts::parity_nak_for(std::uint64_t ordinal, Sqn& sqn) {
    if (!stands_for_group(ordinal)) return Asked::number;
    const std::uint64_t group = parity->group_of(ordinal);
    ParityGroups::Group* const g = parity->find(group);
    if (parity->needed(window, *g) == 0) return Asked::nothing;
    if (!on_demand || source_trail > group || g->in_vain >= kInVainMost) {
        ask_one_by_one(*g);
        return Asked::nothing;
    }
    g->in_vain = static_cast<std::uint8_t>(g->in_vain +
                                           (g->confirmed ? kInVainConfirmed : kInVainUnconfirmed));
    g->confirmed = false;
    sqn = static_cast<Sqn>(group) | (parity->needed_of_full(window, *g) - 1);
    return Asked::group;
}

// Parity NCFs, and other receivers' parity NAKs: they stand for ours when they name as many packets
// (RFC 11.5).
Verdict Receiver::Parts::on_parity_confirmation(const wire::Packet& packet) {
    if (!parity_on || !on_demand) return Verdict::not_for_receiver;
    const bool ncf = packet.type == wire::Type::ncf;
    if (ncf) ++statistics.ncf_received;
    if (!window.started()) return Verdict::before_window;
    const std::uint32_t k = parity->k();
    Verdict verdict = Verdict::duplicate;
    const std::size_t listed =
        packet.options.has(wire::OptionBit::nak_list) ? packet.options.nak_list.count : 0;
    for (std::size_t i = 0; i <= listed; ++i) {
        const Sqn sqn = i == 0 ? packet.sqn : wire::nak_list_at(packet.options, i - 1);
        const std::uint64_t group = window.ordinal_of(sqn & ~Sqn{k - 1});
        ParityGroups::Group* const g = parity->find(group);
        if (g == nullptr || !g->asking) continue;
        if ((sqn & (k - 1)) + 1 < parity->needed_of_full(window, *g)) continue;
        verdict = Verdict::accepted;
        if (ncf) {
            g->confirmed = true;
            if (redirect.takes(true)) redirect.confirmed(parity->last_of(group));
            naks.confirmed(parity->last_of(group), now);
        } else {
            naks.overheard(parity->last_of(group), now);
        }
    }
    return verdict;
}

}  // namespace fanfare::engine
