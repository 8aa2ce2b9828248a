// The receiver's side of parity (RFC 3208 11.5): parity packets that wait for their groups, in a
// pool of fixed size, and the decoding of a group from any k of its packets into fresh room of the
// receive log. Knows no timers and asks for nothing.
//
// Nothing that a parity packet says is believed before it was checked: lengths by subtraction, rows
// and sizes against k, decoded lengths and options like those of a packet from the wire. Parity
// has no checksum over what it decodes to: that is right when its inputs are, and those were
// checked when they came.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/core/parity_symbol.hpp"
#include "engine/core/receive_window.hpp"
#include "engine/fec/generator.hpp"
#include "engine/fec/kernels.hpp"
#include "engine/wire/packet.hpp"

namespace fanfare::engine {

class ParityGroups {
  public:
    // What is known of a group that is not complete. Groups are named by the ordinal of their first
    // number.
    struct Group {
        std::uint64_t start = 0;  // 0: no group
        std::uint16_t first = kNone;
        std::uint8_t parity = 0;   // packets kept
        std::uint8_t size = 0;     // actual size, when it is known to be less than k; else 0
        std::uint8_t in_vain = 0;  // weight of the parity NAKs since any of its packets came
        bool confirmed = false;    // the last of them was
        bool asking = false;       // its state stands with its last number
        bool selective = false;    // asked for number by number
        bool undecodable = false;
        bool syn = false;  // the session's first group
    };

    // `octets`: room for parity payload. `index_entries`: of the receive window.
    ParityGroups(std::uint32_t octets, std::size_t index_entries, const fec::Kernels& kernels);

    void clear();
    // Groups of `k`, a power of two from 2 to 128.
    void start(std::uint32_t k);
    std::uint32_t k() const { return k_; }
    std::uint64_t group_of(std::uint64_t ordinal) const { return ordinal & ~mask_; }
    std::uint64_t last_of(std::uint64_t group) const { return group + mask_; }

    Group* find(std::uint64_t group) {
        Group& g = at(group);
        return g.start == group ? &g : nullptr;
    }
    // The group's record, a new one where there is none; nullptr when its place is taken by another
    // group that is not complete (`next`: first number that is not contiguous).
    Group* open(std::uint64_t group, std::uint64_t next);
    void release(Group& group) {
        drop_parity(group);
        group = Group{};
    }
    void drop_parity(Group& group);

    // A data packet was placed: what the index entry does not say of its options.
    void note(std::uint64_t ordinal, bool fragment, bool packed) {
        kinds_[ordinal & kinds_mask_] =
            static_cast<std::uint8_t>((fragment ? kFragment : 0) | (packed ? kPacked : 0));
    }

    // Number of a parity packet within its group, 0 to 254 - k; nothing when there is no such.
    std::optional<std::uint32_t> index_of(const wire::Packet& packet) const;
    // The first packet that is longer than the pool's places needs longer ones: all parity that is
    // held goes. `pushed_out(group)` is told of each group that had some.
    template <typename PushedOut>
    void make_room_for(const wire::Packet& packet, PushedOut&& pushed_out) {
        const std::size_t length = payload_length(packet);
        if (length <= slot_octets_ || length > kLongSlotOctets) return;
        for (Group& group : groups_) {
            if (group.parity > 0) pushed_out(group);
        }
        slice(kLongSlotOctets);
    }
    enum class Kept : std::uint8_t { kept, duplicate, no_room, contradiction };
    // Copies an intact parity packet into the pool.
    Kept keep(Group& group, std::uint32_t index, const wire::Packet& packet);
    // Payload octets in the pool: no decoding needs more room in the log than that.
    std::uint64_t held_octets() const { return held_octets_; }

    // Data packets of the group that are here.
    std::uint32_t held(const ReceiveWindow& window, std::uint64_t group) const;
    // How many more packets, of whatever kind, the group needs; counted for its known size.
    std::uint32_t needed(const ReceiveWindow& window, const Group& group) const {
        const std::uint32_t size = group.size != 0 ? group.size : k_;
        const std::uint32_t here = held(window, group.start) + group.parity;
        return size > here ? size - here : 0;
    }
    // What RFC 11.5 has a parity NAK ask for: as if the group were full.
    std::uint32_t needed_of_full(const ReceiveWindow& window, const Group& group) const {
        return needed(window, group) + (group.size != 0 ? k_ - group.size : 0);
    }

    enum class Outcome : std::uint8_t { done, partly, incomplete, no_room, undecodable };
    // Makes the missing packets of a group that has enough, and places them; recovered() names
    // them. `partly`: some of them, as many as the log has contiguous room for; call again.
    // `no_room`: it has none now. `undecodable`: what was decoded makes no sense, or data that it
    // would take has been overwritten.
    Outcome decode(const Group& group, ReceiveWindow& window);
    std::span<const std::uint64_t> recovered() const { return {recovered_.data(), made_}; }

  private:
    // Payload that one place of the pool takes: an Ethernet frame's, and once a longer one was
    // seen, a jumbo frame's.
    static constexpr std::size_t kSlotOctets = 2048, kLongSlotOctets = 9216;
    static constexpr std::uint16_t kNone = 0xFFFF;
    static constexpr std::uint8_t kFragment = 1, kPacked = 2;

    struct Slot {
        std::uint16_t next = kNone;
        std::uint16_t length = 0;  // without the encoded length
        std::uint8_t index = 0;
        bool variable = false;
        std::uint32_t encoded = 0;  // options, as wire::Options::encoded
        ParitySymbol symbol;
    };

    Group& at(std::uint64_t group) { return groups_[(group >> shift_) & (groups_.size() - 1)]; }
    // Without the encoded length at the end.
    static std::size_t payload_length(const wire::Packet& packet) {
        const std::size_t size = packet.payload.size();
        return (packet.flags & wire::kOptVarPktLen) != 0 && size >= 2 ? size - 2 : size;
    }
    std::uint8_t* octets_of(std::uint16_t slot) { return pool_.data() + slot * slot_octets_; }
    void slice(std::size_t slot_octets);
    bool gather(const Group& group, const ReceiveWindow& window, std::uint64_t room_end);
    bool add_data(const ReceiveWindow& window, std::uint64_t ordinal, std::uint64_t room_end);
    bool make_symbols(std::size_t most);
    void make_payloads(std::uint8_t* to, std::size_t length);

    const fec::Kernels& kernels_;
    std::uint32_t k_ = 0;
    std::uint32_t shift_ = 0;
    std::uint64_t mask_ = 0;
    std::vector<Group> groups_;
    std::vector<std::uint8_t> kinds_;
    std::uint64_t kinds_mask_;

    std::vector<std::uint8_t> pool_;
    std::vector<Slot> slots_;
    std::size_t slot_octets_ = 0;
    std::uint16_t free_ = kNone;
    std::uint64_t held_octets_ = 0;

    // Of one decoding.
    template <typename T>
    using PerPacket = std::array<T, fec::kMaxData>;
    std::size_t sources_ = 0;       // packets it takes
    std::size_t made_ = 0;          // packets it makes
    std::size_t absent_ = 0;        // numbers of the group without payload that count as zeros
    PerPacket<std::uint8_t> rows_;  // of the sources, then of the absent ones
    PerPacket<std::uint8_t> missing_;
    PerPacket<const std::uint8_t*> payloads_;
    PerPacket<std::uint16_t> lengths_;
    PerPacket<ParitySymbol> symbols_, made_symbols_;
    PerPacket<std::uint64_t> recovered_;
    std::vector<std::uint8_t> coefficients_;
    std::optional<fec::RowMaker> maker_;  // made when the first group is decoded
    std::size_t longest_ = 0;
    bool variable_ = false;
    std::uint32_t encoded_ = 0;
};

}  // namespace fanfare::engine
