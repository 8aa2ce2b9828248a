// A PGM receiver: one transport session as it is received (RFC 3208 sections 3.2, 6, 9; DESIGN
// sections 3 to 6).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "engine/checksum/checksum.hpp"
#include "engine/core/output.hpp"
#include "engine/core/profile.hpp"
#include "engine/core/window_layout.hpp"
#include "engine/fec/kernels.hpp"
#include "engine/types.hpp"
#include "engine/wire/packet.hpp"

namespace fanfare::engine {

// Room for the window, lent for the receiver's life; readable by others while the receiver writes.
// index.size() and log.size() are powers of two, at least 64 entries and 64 KiB.
struct ReceiveMemory {
    std::span<IndexEntry> index;
    std::span<std::byte> log;
};

struct ReceiverIdentity {
    Tsi tsi;
    std::uint16_t destination_port = 0;
    Address group;      // IP destination of the session's data
    Address ip_source;  // IP source of its first SPM or ODATA: all later packets must come from it
    // This host's own address on the way to the source; none: no congestion reports or feedback
    // (RFC 12.5).
    Address nla;
    std::uint8_t prefix = 0;  // bits of its subnet; 0: local repairers are not followed
    // A LocalRepairer stands beside the receiver: polls for repairers are answered, with nla.
    bool repairs = false;
};

// One packet of a burst, decoded. `tpdu` is the packet's octets, `packet` points into them.
struct Received {
    wire::Packet packet;
    std::span<const std::byte> tpdu;
    Address ip_source;
};

// How far this burst may overwrite: published by the caller before the burst's first packet is
// handed in.
struct Reservation {
    std::uint64_t log_position;  // octets below (log_position - log size) may be overwritten
    std::uint64_t ordinal;       // entries below (ordinal - index size) may be overwritten
};

enum class Verdict : std::uint8_t {  // what became of a packet; each has a counter
    accepted,
    duplicate,
    before_window,
    beyond_window,
    window_full,
    checksum_wrong,
    untrusted_source,
    stale_spm,
    not_for_receiver,
    session_over,
    malformed,
    count_
};

struct ReceiverStatistics {  // wsrm.md 2.4, and what status shows
    // What data in order moves stands together, on one cache line.
    std::uint64_t odata_received = 0, data_bytes = 0, total_bytes = 0, sequences_min = 0,
                  sequences_max = 0, sequences_sum = 0, sequences_samples = 0;
    std::uint64_t verdicts[static_cast<std::size_t>(Verdict::count_)] = {};  // accepted is first
    std::uint64_t rdata_received = 0, duplicates = 0, spm_received = 0, ncf_received = 0,
                  naks_sent = 0, nak_packets_sent = 0, parity_naks_sent = 0, spmr_sent = 0,
                  losses_detected = 0, losses_repaired = 0, losses_unrecoverable = 0,
                  pending_naks = 0, outstanding_naks = 0, first_nak_sqn = 0, rate_kbits_last = 0,
                  rate_kbits_overall = 0, packets_buffered = 0,
                  naks_suppressed = 0,  // that others' NAKs and NCFs spared
        polls_received = 0, polrs_sent = 0, nak_backoff_us = 0,
                  // Parity packets: intact ones, those that were not needed, those without room,
                  // those that contradicted others or decoded to nonsense; packets made of them.
        parity_received = 0, parity_unneeded = 0, parity_dropped = 0, parity_rejected = 0,
                  parity_decoded = 0,
                  acks_sent = 0;  // of congestion control
};

class Receiver {
  public:
    // Allocates everything it will ever need, so that it can wait in a pool; start() gives it a
    // session.
    Receiver(const ReceiverParameters& parameters, const ReceiveMemory& memory,
             const checksum::Kernels& kernels,
             const fec::Kernels& parity_kernels = fec::best_kernels());
    ~Receiver();
    Receiver(const Receiver&) = delete;
    Receiver& operator=(const Receiver&) = delete;

    void start(const ReceiverIdentity& identity, std::uint64_t seed, Nanos now);

    // Opens a burst in which at most `payload_bytes` octets of payload will arrive. The caller
    // makes the result visible to readers, with a release fence, before the first on_packet of the
    // burst; the receiver drops (window_full) what would go beyond it. Must be called before
    // on_packet; may be called once per packet.
    Reservation open_burst(std::size_t payload_bytes);

    // SPM, ODATA, RDATA, NCF, POLL and other receivers' NAKs of this TSI. `tpdu` is the packet's
    // octets (for the checksum, which is verified in the pass that copies the payload). Nothing
    // becomes visible through next_ordinal() before it was judged.
    Verdict on_packet(const wire::Packet& packet, std::span<const std::byte> tpdu,
                      Address ip_source, Nanos now, Output& out);
    // An NCF that came by unicast, because its sender can't reach the group (OPT_NBR_UNREACH). As
    // on_packet, and a copy goes to the neighbours with TTL 1 (RFC 15.3.2).
    Verdict on_unicast_ncf(const wire::Packet& packet, std::span<const std::byte> tpdu,
                           Address ip_source, Nanos now, Output& out);
    // What take_in_order() judged: the first `packets` of them, among them `accepted`.
    struct Run {
        std::size_t packets = 0, accepted = 0;
    };
    // The others, counted by verdict.
    using Refused = std::array<std::uint32_t, static_cast<std::size_t>(Verdict::count_)>;
    // The usual case of on_packet for a whole run at once: takes the longest prefix of `packets`
    // that is new ODATA in order, with no option but OPT_JOIN and the mark of a container, while
    // nothing is missing. Data in between that on_packet would refuse without an answer
    // (duplicates, wrong checksums, other sources, numbers far ahead) does not end the run and is
    // added to `refused`. What stands first behind it is on_packet's. Counters, timers and rates
    // move once for the run. The packets must be of this receiver's TSI.
    Run take_in_order(std::span<const Received* const> packets, Nanos now, Refused& refused);
    // For callers with many receivers, before open_burst and after it: fetch what take_in_order
    // will read, and where it will write.
    void prefetch() const;
    void prefetch_room(std::size_t payload_bytes) const;
    void on_tick(Nanos now, Output& out);
    Nanos next_deadline() const;

    // First ordinal that is not contiguous: readers may read every entry before it. 0 until the
    // session's start is known. start_ordinal() is the first ordinal of the session (1 << 32 |
    // sqn).
    std::uint64_t next_ordinal() const;
    std::uint64_t start_ordinal() const;
    SessionState state() const;
    ResetCause cause() const;
    bool saw_data() const;  // a valid ODATA was accepted (only that opens a session: wsrm.md 4.4)
    // Ends the session from outside (interface gone).
    void reset(ResetCause cause, Nanos now, Output& out);
    const ReceiverStatistics& statistics() const;
    const ReceiverIdentity& identity() const;
    Sqn trail() const;
    Sqn lead() const;
    // Where NAKs go while no local repairer has offered itself; the source's address until an SPM
    // came.
    Address path() const;
    // The local repairer that NAKs go to now; none.
    Address repairer() const;

  private:
    struct Parts;
    std::unique_ptr<Parts> parts_;
};

}  // namespace fanfare::engine
