// Parity as a source sends it (RFC 3208 11.4): which group is open, when it ends, what parity is
// owed for it, and what answers parity NAKs. Puts encoder and repairs together; sends nothing
// itself.
//
// A group is k consecutive numbers from a multiple of k. One that ends early (nothing to send, end
// of the session) is short: its parity, its last packet's RDATA and SPMs say its size, and the
// numbers behind it stay without packets.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/core/parity_encoder.hpp"
#include "engine/core/parity_repairs.hpp"
#include "engine/core/profile.hpp"
#include "engine/core/send_window.hpp"
#include "engine/core/source_packets.hpp"

namespace fanfare::engine {

class SourceParity {
  public:
    // `largest`: octets of the session's largest packet. Requires parameters.parity.on().
    SourceParity(const SourceParameters& parameters, std::uint16_t largest,
                 const checksum::Kernels& kernels, const fec::Kernels& parity_kernels);

    std::uint64_t group_of(std::uint64_t ordinal) const { return ordinal & ~mask_; }

    // Data packet `ordinal` has left; `payload` are its octets as sent. `trail`: the window's, as
    // an ordinal.
    void data_sent(std::uint64_t ordinal, const SendEntry& entry, const std::byte* payload,
                   std::uint64_t trail, RepairService& service);
    // A group has begun and not ended.
    bool group_open() const { return count_ > 0 && !closed_; }
    // Ends the open group before it is full.
    void shorten(SendWindow& window, RepairService& service);
    // How many numbers from `next` on the short group before leaves without a packet.
    std::uint32_t unused(std::uint64_t next) const {
        return closed_ && (next & mask_) != 0 ? k_ - static_cast<std::uint32_t>(next & mask_) : 0;
    }
    // OPT_CURR_TGSIZE of an SPM whose lead is this number: 0 for none.
    std::uint8_t size_announced(std::uint64_t lead) const {
        return closed_ && count_ < k_ && lead == group_ + count_ - 1
                   ? static_cast<std::uint8_t>(count_)
                   : std::uint8_t{0};
    }

    // Pro-active parity that stands before any new data.
    bool owed() const { return owed_ > 0; }
    SourcePackets::ParityContents proactive() const {
        return contents(encoder_, proactive_ - owed_, proactive_ - owed_, group_, count_);
    }
    void proactive_sent() { --owed_; }

    bool on_demand() const { return repairs_.has_value(); }
    // Requires on_demand().
    ParityRepairs& repairs() { return *repairs_; }
    bool must_confirm() const { return repairs_ && repairs_->must_confirm(); }
    bool wanted(std::uint64_t ordinal) const { return repairs_ && repairs_->wanted(ordinal); }
    // Computes the group's next parity packet from the log. Nothing when a packet's octets are no
    // longer those that were sent. Costs a pass over the group's payload.
    std::optional<SourcePackets::ParityContents> compute(std::uint64_t group,
                                                         const SendWindow& window);

  private:
    SourcePackets::ParityContents contents(const ParityEncoder& encoder, std::size_t row,
                                           std::uint32_t index, std::uint64_t group,
                                           std::uint32_t size) const;
    void close(std::uint64_t trail, RepairService& service);
    static void fold(ParityEncoder& encoder, std::size_t place, const SendEntry& entry,
                     const std::byte* payload);

    std::uint32_t k_;
    std::uint64_t mask_;
    std::uint32_t proactive_;
    const checksum::Kernels& kernels_;
    ParityEncoder encoder_;             // of the open group, for pro-active parity
    std::optional<ParityEncoder> one_;  // one row of any group
    std::vector<std::byte> copy_;       // a packet as it was checked
    std::optional<ParityRepairs> repairs_;

    std::uint64_t group_ = 0;  // ordinal of the newest group's first number
    std::uint32_t count_ = 0;  // its packets; 0 before the first
    bool closed_ = false;
    std::uint32_t owed_ = 0;  // pro-active packets of it that have not left
};

}  // namespace fanfare::engine
