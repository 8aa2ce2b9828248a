#include "engine/core/parity_groups.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "engine/fec/generator.hpp"

namespace fanfare::engine {

namespace {

// Incomplete groups that can be known at a time, as far as the window has room for so many: those
// of one second at a million packets a second and k = 128, thirty milliseconds with k = 4.
constexpr std::size_t kGroups = 4096;

}  // namespace

ParityGroups::ParityGroups(std::uint32_t octets, std::size_t index_entries,
                           const fec::Kernels& kernels)
    : kernels_(kernels),
      groups_(std::min(kGroups, std::bit_ceil(index_entries / 4))),
      kinds_(index_entries / 2),
      kinds_mask_(index_entries / 2 - 1),
      pool_(octets),
      slots_(std::min<std::size_t>(octets / kSlotOctets, kNone)),
      coefficients_(fec::kMaxData * fec::kMaxData) {
    clear();
}

void ParityGroups::clear() {
    k_ = 0;
    slice(kSlotOctets);
}

void ParityGroups::start(std::uint32_t k) {
    k_ = k;
    mask_ = k - 1;
    shift_ = static_cast<std::uint32_t>(std::countr_zero(k));
}

// All places become free; no group has parity.
void ParityGroups::slice(std::size_t slot_octets) {
    for (Group& group : groups_) {
        if (k_ == 0) group = Group{};
        group.first = kNone;
        group.parity = 0;
    }
    slot_octets_ = slot_octets;
    held_octets_ = 0;
    free_ = kNone;
    const std::size_t count = std::min(pool_.size() / slot_octets, slots_.size());
    for (std::size_t i = count; i-- > 0;) {
        slots_[i].next = free_;
        free_ = static_cast<std::uint16_t>(i);
    }
}

ParityGroups::Group* ParityGroups::open(std::uint64_t group, std::uint64_t next) {
    Group& place = at(group);
    if (place.start == group) return &place;
    if (place.start != 0) {
        if (last_of(place.start) >= next) return nullptr;
        release(place);
    }
    place.start = group;
    return &place;
}

void ParityGroups::drop_parity(Group& group) {
    while (group.first != kNone) {
        Slot& slot = slots_[group.first];
        held_octets_ -= slot.length;
        const std::uint16_t next = slot.next;
        slot.next = free_;
        free_ = group.first;
        group.first = next;
    }
    group.parity = 0;
}

std::optional<std::uint32_t> ParityGroups::index_of(const wire::Packet& packet) const {
    const auto place = static_cast<std::uint32_t>(packet.sqn & mask_);
    const std::uint32_t group =
        packet.options.has(wire::OptionBit::parity_grp) ? packet.options.parity_grp.group : 0;
    const auto rows = static_cast<std::uint32_t>(fec::kMaxPackets) - k_;
    if (group >= rows || place >= rows) return std::nullopt;
    const std::uint32_t index = group * k_ + place;
    return index < rows ? std::optional(index) : std::nullopt;
}

ParityGroups::Kept ParityGroups::keep(Group& group, std::uint32_t index,
                                      const wire::Packet& packet) {
    const bool variable = (packet.flags & wire::kOptVarPktLen) != 0;
    if (variable && packet.payload.size() < 2) return Kept::contradiction;
    const std::size_t length = payload_length(packet);
    for (std::uint16_t i = group.first; i != kNone; i = slots_[i].next) {
        if (slots_[i].index == index) return Kept::duplicate;
        if (slots_[i].length != length || slots_[i].variable != variable ||
            slots_[i].encoded != packet.options.encoded) {
            return Kept::contradiction;
        }
    }
    if (length > slot_octets_ || free_ == kNone) return Kept::no_room;
    const std::uint16_t at = free_;
    Slot& slot = slots_[at];
    free_ = slot.next;
    slot.next = group.first;
    group.first = at;
    ++group.parity;
    slot.length = static_cast<std::uint16_t>(length);
    slot.index = static_cast<std::uint8_t>(index);
    slot.variable = variable;
    slot.encoded = packet.options.encoded;
    std::uint16_t suffix = 0;
    if (variable) {
        suffix = static_cast<std::uint16_t>(std::to_integer<unsigned>(packet.payload[length]) << 8 |
                                            std::to_integer<unsigned>(packet.payload[length + 1]));
    }
    slot.symbol = ParitySymbol(packet.options, suffix);
    if (length > 0) std::memcpy(octets_of(at), packet.payload.data(), length);
    held_octets_ += length;
    return Kept::kept;
}

std::uint32_t ParityGroups::held(const ReceiveWindow& window, std::uint64_t group) const {
    std::uint32_t count = 0;
    const std::uint64_t end = std::min(group + k_, window.lead() + 1);
    for (std::uint64_t o = std::max(group, window.start_ordinal()); o < end; ++o) {
        // A number without data counts as a packet that is not here, but for those that a reader
        // steps over because it joined inside a message.
        count += window.held(o) && !window.left_out(o) ? 1 : 0;
    }
    return count;
}

bool ParityGroups::add_data(const ReceiveWindow& window, std::uint64_t ordinal,
                            std::uint64_t room_end) {
    const IndexEntry& entry = window.entry(ordinal);
    const std::byte* const payload = window.payload(entry, room_end);
    if (payload == nullptr || !window.note_kept(ordinal)) return false;
    if (variable_ ? entry.length > longest_ : entry.length != longest_) return false;
    const std::uint8_t kind = kinds_[ordinal & kinds_mask_];
    const FragmentNote& note = window.note(ordinal);
    const ParitySymbol::Fragment fragment{note.first_sqn, note.offset, entry.apdu_length};
    symbols_[sources_] = ParitySymbol((kind & kFragment) != 0 ? &fragment : nullptr,
                                      (kind & kPacked) != 0, entry.length);
    payloads_[sources_] = reinterpret_cast<const std::uint8_t*>(payload);
    lengths_[sources_] = entry.length;
    rows_[sources_++] = static_cast<std::uint8_t>(ordinal & mask_);
    return true;
}

// Finds k packets to decode from. Those before the session's first number are neither here nor
// wanted. False when some of the data can't be used.
bool ParityGroups::gather(const Group& group, const ReceiveWindow& window, std::uint64_t room_end) {
    const std::uint32_t size = group.size != 0 ? group.size : k_;
    sources_ = 0;
    std::size_t lacking = 0;
    for (std::uint32_t i = 0; i < size; ++i) {
        const std::uint64_t ordinal = group.start + i;
        if (ordinal < window.start_ordinal() || ordinal > window.lead() || !window.held(ordinal)) {
            ++lacking;
        } else if (!add_data(window, ordinal, room_end)) {
            return false;
        }
    }
    for (std::uint16_t i = group.first; i != kNone && lacking > 0; i = slots_[i].next, --lacking) {
        payloads_[sources_] = octets_of(i);
        lengths_[sources_] = slots_[i].length;
        symbols_[sources_] = slots_[i].symbol;
        rows_[sources_++] = static_cast<std::uint8_t>(k_ + slots_[i].index);
    }
    absent_ = k_ - size;
    for (std::size_t i = 0; i < absent_; ++i)
        rows_[sources_ + i] = static_cast<std::uint8_t>(size + i);
    return sources_ + absent_ == k_;
}

ParityGroups::Outcome ParityGroups::decode(const Group& group, ReceiveWindow& window) {
    const std::uint32_t size = group.size != 0 ? group.size : k_;
    made_ = 0;
    std::size_t lacking = 0;
    for (std::uint32_t i = 0; i < size; ++i) {
        const std::uint64_t ordinal = group.start + i;
        const bool known = ordinal >= window.start_ordinal();
        if (known && window.held(ordinal)) continue;
        ++lacking;
        if (!known) continue;
        missing_[made_] = static_cast<std::uint8_t>(i);
        recovered_[made_++] = ordinal;
    }
    if (made_ == 0) return Outcome::done;
    if (lacking > group.parity) return Outcome::incomplete;

    const Slot& any = slots_[group.first];
    longest_ = any.length;
    variable_ = any.variable;
    encoded_ = any.encoded;
    std::uint64_t position = 0;
    const std::size_t all = made_;
    std::size_t room = 0;
    for (;; made_ /= 2) {
        if (made_ == 0) return Outcome::no_room;
        room = made_ * longest_;
        if (window.room_for(recovered_[0], static_cast<std::uint32_t>(room), position)) break;
    }
    if (!gather(group, window, position + room)) return Outcome::undecodable;
    if (!maker_ || maker_->k() != k_) maker_.emplace(k_);
    if (!maker_->decoding_rows({rows_.data(), k_}, {missing_.data(), made_}, coefficients_)) {
        return Outcome::undecodable;
    }
    // Only columns of packets that are here are left.
    for (std::size_t r = 1; absent_ > 0 && r < made_; ++r) {
        std::memmove(coefficients_.data() + r * sources_, coefficients_.data() + r * k_, sources_);
    }
    if (!make_symbols(longest_)) return Outcome::undecodable;
    make_payloads(reinterpret_cast<std::uint8_t*>(window.at(position)), longest_);

    for (std::size_t r = 0; r < made_; ++r) {
        const auto meaning =
            made_symbols_[r].meaning((encoded_ & wire::bit(wire::OptionBit::fragment)) != 0,
                                     (encoded_ & wire::bit(wire::OptionBit::packed)) != 0);
        const std::uint32_t length =
            variable_ ? made_symbols_[r].length() : static_cast<std::uint32_t>(longest_);
        FragmentNote note{};
        std::uint32_t apdu_length = length;
        if (meaning->fragment) {
            note = {meaning->fragment->first_sqn, meaning->fragment->offset};
            apdu_length = meaning->fragment->apdu_length;
        }
        const auto flags = static_cast<std::uint16_t>(kEntryData | kEntryRepaired |
                                                      (meaning->packed ? kEntryPacked : 0));
        window.commit(recovered_[r], position + r * longest_, length, flags, apdu_length,
                      meaning->fragment ? &note : nullptr);
        this->note(recovered_[r], meaning->fragment.has_value(), meaning->packed);
    }
    return made_ == all ? Outcome::done : Outcome::partly;
}

// Lengths and options of what is missing; false when one of them makes no sense.
bool ParityGroups::make_symbols(std::size_t most) {
    PerPacket<const std::uint8_t*> from;
    PerPacket<std::uint8_t*> to;
    for (std::size_t s = 0; s < sources_; ++s) from[s] = symbols_[s].octets();
    for (std::size_t r = 0; r < made_; ++r) to[r] = made_symbols_[r].octets();
    kernels_.multiply_rows(to.data(), made_, coefficients_.data(), from.data(), sources_,
                           ParitySymbol::kSize, false);
    for (std::size_t r = 0; r < made_; ++r) {
        if (variable_ && made_symbols_[r].length() > most) return false;
        if (!made_symbols_[r].meaning((encoded_ & wire::bit(wire::OptionBit::fragment)) != 0,
                                      (encoded_ & wire::bit(wire::OptionBit::packed)) != 0)) {
            return false;
        }
    }
    return true;
}

// One row behind the other, `length` octets each.
void ParityGroups::make_payloads(std::uint8_t* to, std::size_t length) {
    PerPacket<std::uint8_t*> rows;
    for (std::size_t r = 0; r < made_; ++r) rows[r] = to + r * length;
    const std::size_t common = *std::min_element(
        lengths_.begin(), lengths_.begin() + static_cast<std::ptrdiff_t>(sources_));
    kernels_.multiply_rows(rows.data(), made_, coefficients_.data(), payloads_.data(), sources_,
                           common, false);
    if (common == length) return;
    // Shorter packets are zeros from their end on.
    for (std::size_t r = 0; r < made_; ++r) {
        rows[r] += common;
        std::memset(rows[r], 0, length - common);
    }
    PerPacket<std::uint8_t> column;
    for (std::size_t s = 0; s < sources_; ++s) {
        if (lengths_[s] == common) continue;
        for (std::size_t r = 0; r < made_; ++r) column[r] = coefficients_[r * sources_ + s];
        const std::uint8_t* const tail = payloads_[s] + common;
        kernels_.multiply_rows(rows.data(), made_, column.data(), &tail, 1, lengths_[s] - common,
                               true);
    }
}

}  // namespace fanfare::engine
