// A run of data in order, with nothing missing before it: what a receiver sees nearly always. The
// conditions of the run are judged once, each packet costs its comparisons, its copy and its entry,
// and everything that counts or measures moves once at the end. Data that is only to be refused is
// counted and passed over: behind each such packet a new run would cost more than the packet.
// Whatever else is unusual is left to on_packet.
#include <cstring>

#include "engine/core/receiver_parts.hpp"
#include "engine/prefetch.hpp"
#include "engine/wire/plain_data.hpp"

namespace fanfare::engine {

namespace {

inline std::uint64_t word_sum(const std::byte* p) {
    std::uint64_t word;
    std::memcpy(&word, p, sizeof word);
    return (word & 0xFFFFFFFF) + (word >> 32);
}

// Partial sum of a header. The two that nearly all packets have are far too short for a kernel to
// be worth its call.
inline std::uint32_t header_sum(const checksum::Kernels& kernels, const std::byte* p,
                                std::size_t length) {
    constexpr std::size_t kPlain = wire::kDataHeaderSize;
    if (length != kPlain && length != kPlain + wire::kPackedMarkSize)
        return checksum::fold(kernels.sum(p, length));
    std::uint64_t sum = word_sum(p) + word_sum(p + 8) + word_sum(p + 16);
    if (length != kPlain) sum += word_sum(p + 24);
    sum = (sum & 0xFFFFFFFF) + (sum >> 32);
    return static_cast<std::uint32_t>((sum & 0xFFFF) + (sum >> 16));
}

}  // namespace

bool Receiver::Parts::run_possible() const {
    // OPT_FIN needs no question: a window that is whole up to its number is finished.
    return state == SessionState::open && window.started() && window.whole() && late_judged &&
           spm_seen && !parity_on && !fragments.open();
}

void Receiver::prefetch() const {
    const Parts& r = *parts_;
    __builtin_prefetch(parts_.get());
    prefetch_to_write(&r.room_refused);
    prefetch_to_write(&r.end);
    prefetch_to_write(&r.statistics);
    prefetch_to_write(&r.meter);
    r.window.prefetch();
}

void Receiver::prefetch_room(std::size_t payload_bytes) const {
    parts_->window.prefetch_room(payload_bytes);
}

void Receiver::Parts::refused_in_run(Verdict verdict, std::size_t octets, Refused& refused) {
    ++refused[static_cast<std::size_t>(verdict)];
    ++statistics.verdicts[static_cast<std::size_t>(verdict)];
    if (verdict == Verdict::untrusted_source) return;
    statistics.total_bytes += octets;
    if (verdict == Verdict::checksum_wrong) return;
    if (verdict == Verdict::duplicate) ++statistics.duplicates;
    end.heard(now);
    meter.add(octets, now);
}

__attribute__((noinline)) bool Receiver::Parts::refuse_in_run(const Received& received,
                                                              Refused& refused) {
    const wire::Packet& packet = received.packet;
    const std::span<const std::byte> tpdu = received.tpdu;
    if (packet.towards_source() || packet.destination_port != identity.destination_port)
        return false;
    if (received.ip_source != identity.ip_source) {
        refused_in_run(Verdict::untrusted_source, tpdu.size(), refused);
        return true;
    }
    const bool data = packet.type == wire::Type::odata || packet.type == wire::Type::rdata;
    const std::size_t length = packet.payload.size();
    if (!data || (packet.flags & wire::kOptParity) != 0 || length > tpdu.size() ||
        (length > 0 && packet.payload.data() != tpdu.data() + (tpdu.size() - length))) {
        return false;
    }
    const std::uint64_t ordinal = window.ordinal_of(packet.sqn);
    if (ordinal < window.next()) {
        const bool early = ordinal < window.start_ordinal();
        refused_in_run(early ? Verdict::before_window : Verdict::duplicate, tpdu.size(), refused);
        return true;
    }
    if (ordinal < window.reach() || jumps + 1 >= kJumpsBelieved) return false;
    const bool intact = checksum::intact(kernels.sum(tpdu.data(), tpdu.size()));
    if (intact) ++jumps;
    refused_in_run(intact ? Verdict::beyond_window : Verdict::checksum_wrong, tpdu.size(), refused);
    return true;
}

Receiver::Run Receiver::take_in_order(std::span<const Received* const> packets, Nanos now,
                                      Refused& refused) {
    Parts& r = *parts_;
    if (!r.run_possible()) return {};
    r.now = now;
    ReceiveWindow& window = r.window;
    const std::uint64_t first = window.next();
    // OPT_JOIN says nothing to who is in.
    constexpr std::uint32_t kUsual =
        wire::bit(wire::OptionBit::packed) | wire::bit(wire::OptionBit::join);
    std::uint64_t data_bytes = 0, total_bytes = 0;
    std::size_t place = 0;
    for (;; ++place) {
        const std::size_t began = place;
        const std::size_t most =
            std::min<std::size_t>(packets.size(), place + window.reach() - window.next());
        bool damaged = false;
        for (; place < most; ++place) {
            const wire::Packet& packet = packets[place]->packet;
            const std::span<const std::byte> tpdu = packets[place]->tpdu;
            const std::size_t length = packet.payload.size();
            if (packet.type != wire::Type::odata || packet.sqn != static_cast<Sqn>(window.next()) ||
                (packet.flags & ~wire::kOptPresent) != 0 ||
                (packet.options.present & ~kUsual) != 0 ||
                packet.destination_port != r.identity.destination_port ||
                packets[place]->ip_source != r.identity.ip_source || length > tpdu.size()) {
                break;
            }
            const std::size_t header = tpdu.size() - length;
            std::uint64_t position = 0;
            if ((header & 1) != 0 ||
                (length > 0 && packet.payload.data() != tpdu.data() + header) ||
                !window.room_to_append(static_cast<std::uint32_t>(length), position)) {
                break;
            }
            // Both pieces start at even offsets: their sums add.
            const std::uint32_t copied =
                r.kernels.copy_and_sum(window.at(position), packet.payload.data(), length);
            // What was copied in vain lies behind the window's end: the next one goes over it.
            damaged = !checksum::intact(header_sum(r.kernels, tpdu.data(), header) +
                                        checksum::fold(copied));
            if (damaged) break;
            const bool packed = packet.options.has(wire::OptionBit::packed);
            window.append(
                position, static_cast<std::uint32_t>(length),
                static_cast<std::uint16_t>(kEntryData | kEntryMessageBegin | kEntryMessageEnd |
                                           (packed ? kEntryPacked : 0)));
            data_bytes += length;
            total_bytes += tpdu.size();
            // Seldom: the trail moves in steps.
            if (packet.trail != static_cast<Sqn>(r.source_trail) &&
                sqn_before_or_equal(packet.trail, packet.sqn)) {
                r.source_trail = std::max(r.source_trail, window.ordinal_of(packet.trail));
            }
        }
        if (place > began) r.jumps = 0;
        if (place == packets.size()) break;
        if (damaged) {
            r.refused_in_run(Verdict::checksum_wrong, packets[place]->tpdu.size(), refused);
        } else if (!r.refuse_in_run(*packets[place], refused)) {
            break;
        }
    }
    const std::uint64_t count = window.next() - first;
    if (count == 0) return {place, 0};
    window.prefetch_next(data_bytes);
    r.fragments.accept_whole();
    r.opened = window.next();
    r.saw_data = true;
    r.room_refused = false;
    r.end.heard(now);
    r.meter.add(total_bytes, now);
    r.sample_window();
    ReceiverStatistics& s = r.statistics;
    s.odata_received += count;
    s.data_bytes += data_bytes;
    s.total_bytes += total_bytes;
    s.verdicts[static_cast<std::size_t>(Verdict::accepted)] += count;
    return {place, count};
}

}  // namespace fanfare::engine
