// How a source's packets look: SPM, NCF, ODATA and RDATA of one session written into lent frames,
// with the options that the session's state asks for. Knows no timers and no window.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "engine/checksum/checksum.hpp"
#include "engine/core/output.hpp"
#include "engine/core/parity_symbol.hpp"
#include "engine/core/poll_round.hpp"
#include "engine/core/profile.hpp"
#include "engine/core/send_window.hpp"
#include "engine/core/source.hpp"
#include "engine/wire/packet.hpp"
#include "engine/wire/plain_data.hpp"

namespace fanfare::engine {

// Octets of the IP (and UDP) headers in front of a packet.
constexpr std::uint32_t datagram_overhead(bool router_alert, bool udp) {
    return (router_alert ? 24u : 20u) + (udp ? 8u : 0u);
}

// What an ODATA says for congestion control (interop.md 5.6).
struct CongestionMark {
    std::uint32_t timestamp_ms = 0;
    Address acker;  // none: an election
};

class SourcePackets {
  public:
    SourcePackets(const SourceParameters& parameters, const SourceIdentity& identity,
                  std::uint16_t mtu, bool udp, const checksum::Kernels& kernels);

    struct SpmContents {
        Sqn sqn, trail, lead;
        std::optional<Sqn> join;
        bool fin = false;
        std::optional<std::uint8_t> rst_error;
        std::uint8_t group_size = 0;  // of the short parity group that `lead` ends; else 0
        Nanos backoff = 0, backoff_min = 0,
              backoff_max = 0;  // NAK_BO_IVL and its limits; max 0: none
    };
    bool write_spm(const SpmContents& contents, TxFrame& frame) const;
    // `sqns` ascending, 1 to 63 of them; with `parity` each names a group and a count (RFC 11.3.2).
    // `backoff`: NAK_BO_IVL to tell; 0: none.
    bool write_ncf(std::span<const Sqn> sqns, TxFrame& frame, bool parity, Nanos backoff) const;
    bool write_poll(const PollRound::Poll& poll, TxFrame& frame) const;

    struct DataContents {
        Sqn sqn, trail;
        bool repair = false;
        bool syn = false;
        std::optional<Sqn> join;
        const CongestionMark* congestion = nullptr;  // OPT_CC_DATA
    };
    // Copies and sums the payload in one pass; `sum` becomes its partial sum. False when the frame
    // is too small.
    bool write_data(const DataContents& contents, const SendEntry& entry, TxFrame& frame,
                    std::uint32_t& sum) const;
    // write_data of an ODATA without options but, where `packed`, the mark of a container. Its
    // header's sum follows from that of the template: one pass over the payload is all.
    bool write_plain(Sqn sqn, Sqn trail, const std::byte* payload, std::uint16_t length,
                     bool packed, TxFrame& frame, std::uint32_t& sum) const;
    // Octets of write_plain's packet in front of its payload.
    static constexpr std::uint32_t plain_header(bool packed) {
        return static_cast<std::uint32_t>(wire::kDataHeaderSize) +
               (packed ? static_cast<std::uint32_t>(wire::kPackedMarkSize) : 0u);
    }
    // Octets of the packet that write_data would write.
    std::uint32_t data_size(const DataContents& contents, const SendEntry& entry) const;

    // A parity packet (RFC 3208 11.3.3, 11.3.4).
    struct ParityContents {
        Sqn sqn = 0, trail = 0;         // sqn: group and number of the packet within k
        std::uint32_t group = 0;        // OPT_PARITY_GRP; 0: none
        std::uint8_t group_size = 0;    // OPT_CURR_TGSIZE; 0: the group is full
        bool repair = false;            // on demand
        bool syn = false, fin = false;  // the session's first or last group
        bool variable = false;          // the payload ends in an encoded length
        // Encoded options; nullptr where no packet of the group has them.
        const ParitySymbol* symbol_fragment = nullptr;
        const ParitySymbol* symbol_packed = nullptr;
        std::span<const std::byte> payload;
    };
    bool write_parity(const ParityContents& contents, TxFrame& frame) const;
    std::uint32_t parity_size(const ParityContents& contents) const;

    // OPT_SYN on the first packet where there is room for it, alike in the ODATA and its RDATA.
    bool syn_fits(const SendEntry& first) const;

    bool alert_on(FrameKind kind) const {
        return parameters_.router_alert && kind != FrameKind::odata;
    }
    std::uint32_t datagram_size(FrameKind kind, std::uint32_t packet) const {
        return packet + datagram_overhead(alert_on(kind), udp_);
    }

    // The IP datagram of the largest packet that the session may send.
    std::uint32_t largest_datagram() const { return mtu_; }

  private:
    wire::Packet common(wire::Type type) const;
    wire::Packet parity_packet(const ParityContents& contents) const;
    void set_options(const DataContents& contents, const SendEntry& entry,
                     wire::Packet& packet) const;

    SourceParameters parameters_;
    SourceIdentity identity_;
    std::uint16_t mtu_;
    bool udp_;
    const checksum::Kernels& kernels_;
    // ODATA header without options, and with the mark of a container; length and numbers to patch.
    std::byte plain_[wire::kDataHeaderSize];
    std::byte plain_packed_[wire::kDataHeaderSize + wire::kPackedMarkSize];
    std::uint32_t plain_sum_, plain_packed_sum_;  // partial sums of the two as they stand
};

}  // namespace fanfare::engine
