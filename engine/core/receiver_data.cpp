// Judges data packets: window, duplicate, room, then checksum in the pass that copies the payload,
// then what follows from a packet that was accepted.
#include "engine/core/receiver_parts.hpp"

namespace fanfare::engine {

void Receiver::Parts::judge_late(std::uint64_t ordinal, bool syn, Output& out) {
    if (late_judged || ordinal != window.start_ordinal()) return;
    late_judged = true;
    if (!syn && !beginning) {
        out.event({Event::Kind::joined_late, ResetCause::none, static_cast<Sqn>(ordinal)});
    }
}

bool Receiver::Parts::contiguous(Output& out) {
    do {
        const std::uint64_t before = window.next();
        const bool consistent = window.advance(
            [this](IndexEntry& entry, bool fragment, const FragmentNote& note, std::uint64_t) {
                return fragments.accept(entry, fragment, note);
            });
        if (!consistent) {
            reset(ResetCause::inconsistent_data, out);
            return false;
        }
        if (parity_on) groups_passed(before);
    } while (parity_on && retry_decode());
    if (parity_on) {
        if (window.next() > window.start_ordinal())
            judge_late(window.start_ordinal(), start_recovered == 2, out);
    }
    if (end.complete(window.next())) {
        state = SessionState::finished;
        out.event({Event::Kind::finished, ResetCause::none, static_cast<Sqn>(window.next() - 1)});
        return false;
    }
    return true;
}

void Receiver::Parts::trail_moved(Sqn trail, Output& out) {
    const std::uint64_t ordinal = window.ordinal_of(trail);
    if (ordinal <= source_trail || ordinal > window.lead() + 1) return;
    source_trail = ordinal;
    // A local repairer may hold what the source has let go.
    if (ordinal > window.next() && !redirect.active()) lose(out);
}

void Receiver::Parts::jumped(Sqn trail, Output& out) {
    if (++jumps < kJumpsBelieved) return;
    jumps = 0;
    window.extend(window.reach() - 1);
    open_missing(kOpenedPerPacket);
    if (sqn_before(static_cast<Sqn>(window.next()), trail)) lose(out);
}

Verdict Receiver::Parts::on_data(const wire::Packet& packet, std::span<const std::byte> tpdu,
                                 Output& out) {
    using wire::OptionBit;
    const std::size_t length = packet.payload.size();
    if (length > tpdu.size() || length > 0xFFFF) return Verdict::malformed;
    const std::size_t header = tpdu.size() - length;
    if (length > 0 && packet.payload.data() != tpdu.data() + header) return Verdict::malformed;
    if (packet.flags & wire::kOptParity) return on_parity(packet, tpdu, out);
    statistics.total_bytes += tpdu.size();

    if (!window.started()) {
        const auto start = session_start(packet, join_limits);
        if (!start) return Verdict::before_window;
        if (!checksum::intact(kernels.sum(tpdu.data(), tpdu.size())))
            return Verdict::checksum_wrong;
        begin(*start);
    }

    const std::uint64_t ordinal = window.ordinal_of(packet.sqn);
    if (ordinal < window.next()) {
        if (ordinal < window.start_ordinal()) return Verdict::before_window;
        if (parity_on) repeated(packet, tpdu, ordinal, out);
        ++statistics.duplicates;
        return Verdict::duplicate;
    }
    if (ordinal >= window.reach()) {
        if (!checksum::intact(kernels.sum(tpdu.data(), tpdu.size())))
            return Verdict::checksum_wrong;
        jumped(packet.trail, out);
        return Verdict::beyond_window;
    }
    const bool in_order = ordinal == window.next() && window.lead() < ordinal;
    if (!in_order && window.held(ordinal)) {
        if (parity_on) repeated(packet, tpdu, ordinal, out);
        ++statistics.duplicates;
        return Verdict::duplicate;
    }
    std::uint64_t position = 0;
    if (!window.room_for(ordinal, static_cast<std::uint32_t>(length), position)) {
        if (!checksum::intact(kernels.sum(tpdu.data(), tpdu.size())))
            return Verdict::checksum_wrong;
        // The number exists all the same and will be asked for when there is room.
        room_refused = true;
        window.extend(ordinal);
        open_missing(kOpenedPerPacket);
        if (parity_on && retry_decode() && !contiguous(out)) return Verdict::window_full;
        trail_moved(packet.trail, out);
        return Verdict::window_full;
    }
    const std::uint32_t copied =
        kernels.copy_and_sum(window.at(position), packet.payload.data(), length);
    const std::uint32_t sum = checksum::add(kernels.sum(tpdu.data(), header), copied, header);
    if (!checksum::intact(sum)) return Verdict::checksum_wrong;

    std::uint16_t flags = kEntryData;
    if (packet.options.has(OptionBit::packed)) flags |= kEntryPacked;
    if (packet.type != wire::Type::odata) flags |= kEntryRepaired;
    auto apdu_length = static_cast<std::uint32_t>(length);
    FragmentNote note{};
    const bool fragment = packet.options.has(OptionBit::fragment);
    if (fragment) {
        apdu_length = packet.options.fragment.apdu_length;
        note = {packet.options.fragment.first_sqn, packet.options.fragment.offset};
    }
    window.commit(ordinal, position, static_cast<std::uint32_t>(length), flags, apdu_length,
                  fragment ? &note : nullptr);
    jumps = 0;
    room_refused = false;
    statistics.data_bytes += length;
    if (packet.type == wire::Type::odata) {
        ++statistics.odata_received;
        saw_data = true;
    } else {
        ++statistics.rdata_received;
        redirect.repaired();
    }
    if (!in_order && ordinal < opened && naks.close(ordinal, now)) ++statistics.losses_repaired;
    if (!spm_seen) spm_request.data_heard(now, random);
    judge_late(ordinal, packet.options.has(OptionBit::syn), out);
    if (packet.options.has(OptionBit::fin)) end.fin(ordinal);
    if (packet.options.has(OptionBit::cc_data)) congestion_data(packet, out);
    if (parity_on) parity_data(packet, ordinal, out);
    if (ordinal == window.next() && !contiguous(out)) return Verdict::accepted;
    if (in_order) {
        opened = window.next();
    } else {
        open_missing(kOpenedPerPacket);
    }
    if (sqn_before_or_equal(packet.trail, packet.sqn)) trail_moved(packet.trail, out);
    sample_window();
    return Verdict::accepted;
}

}  // namespace fanfare::engine
