// How a source's packets look: SPM, NCF, ODATA and RDATA of one session written into lent frames,
// with the options that the session's state asks for. Knows no timers and no window.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "engine/checksum/checksum.hpp"
#include "engine/core/output.hpp"
#include "engine/core/profile.hpp"
#include "engine/core/send_window.hpp"
#include "engine/core/source.hpp"
#include "engine/wire/packet.hpp"

namespace fanfare::engine {

// Octets of the IP (and UDP) headers in front of a packet.
constexpr std::uint32_t datagram_overhead(bool router_alert, bool udp) {
    return (router_alert ? 24u : 20u) + (udp ? 8u : 0u);
}

class SourcePackets {
  public:
    SourcePackets(const SourceParameters& parameters, const SourceIdentity& identity,
                  std::uint16_t mtu, bool udp, const checksum::Kernels& kernels);

    struct SpmContents {
        Sqn sqn, trail, lead;
        std::optional<Sqn> join;
        bool fin = false;
        std::optional<std::uint8_t> rst_error;
    };
    bool write_spm(const SpmContents& contents, TxFrame& frame) const;
    // `sqns` ascending, 1 to 63 of them.
    bool write_ncf(std::span<const Sqn> sqns, TxFrame& frame) const;

    struct DataContents {
        Sqn sqn, trail;
        bool repair = false;
        bool syn = false;
        std::optional<Sqn> join;
    };
    // Copies and sums the payload in one pass; `sum` becomes its partial sum. False when the frame
    // is too small.
    bool write_data(const DataContents& contents, const SendEntry& entry, TxFrame& frame,
                    std::uint32_t& sum) const;
    // Octets of the packet that write_data would write.
    std::uint32_t data_size(const DataContents& contents, const SendEntry& entry) const;

    // OPT_SYN on the first packet where there is room for it, alike in the ODATA and its RDATA.
    bool syn_fits(const SendEntry& first) const;

    bool alert_on(FrameKind kind) const {
        return parameters_.router_alert && kind != FrameKind::odata;
    }
    std::uint32_t datagram_size(FrameKind kind, std::uint32_t packet) const {
        return packet + datagram_overhead(alert_on(kind), udp_);
    }

  private:
    wire::Packet common(wire::Type type) const;
    void set_options(const DataContents& contents, const SendEntry& entry,
                     wire::Packet& packet) const;

    SourceParameters parameters_;
    SourceIdentity identity_;
    std::uint16_t mtu_;
    bool udp_;
    const checksum::Kernels& kernels_;
    std::byte plain_[wire::kDataHeaderSize];  // ODATA header without options; type, length and
                                              // numbers to patch
};

}  // namespace fanfare::engine
