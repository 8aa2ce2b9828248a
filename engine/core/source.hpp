// A PGM source: one transport session as its sender (RFC 3208 sections 3.1, 5, 7, 9.7;
// wsrm.md 5.5).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "engine/checksum/checksum.hpp"
#include "engine/core/output.hpp"
#include "engine/core/profile.hpp"
#include "engine/fec/kernels.hpp"
#include "engine/types.hpp"
#include "engine/wire/packet.hpp"

namespace fanfare::engine {

struct SourceIdentity {
    Tsi tsi;
    std::uint16_t destination_port = 0;  // PGM data port
    Address group;                       // where ODATA, RDATA, SPM, NCF go
    Address nla;                         // own address: path NLA of SPMs, source NLA of NCFs
    Sqn first_sqn = 0;                   // used when !random_first_sqn; else drawn from the seed
    std::uint64_t seed = 0;
};

// One packet's worth of data to send. The octets stay where they are, unchanged, until the source
// lets go of them: released_position() >= release_position says so. At most largest_tsdu() octets.
struct Publish {
    const std::byte* data = nullptr;
    std::uint16_t length = 0;
    bool fragment = false;             // carries OPT_FRAGMENT
    bool packed = false;               // payload is a container (OptionType::packed)
    std::uint32_t message_offset = 0;  // of this fragment in its message; 0 starts a new message
    std::uint32_t message_length = 0;
    std::uint64_t release_position = 0;  // caller's log position behind this packet; grows
};

struct CongestionStatistics {  // as of the last feedback or timeout; zeros without the control
    std::uint64_t window_millis = 0;  // thousandths of packets
    std::int64_t tokens_millis = 0;   // below zero when the window shrank under what is in flight
    Address acker;                    // none: an election
    std::uint16_t acker_loss = 0;     // of 65,536
    Nanos acker_round_trip_ns = 0;
    std::uint64_t acker_changes = 0, halvings = 0, timeouts = 0;
};

struct SourceStatistics {  // wsrm.md 2.3, and what status shows
    std::uint64_t data_bytes_sent = 0, total_bytes_sent = 0, odata_packets_sent = 0,
                  rdata_packets_sent = 0, spm_sent = 0, ncf_sent = 0, naks_received = 0,
                  naks_too_late = 0, naks_after_rdata = 0, naks_outstanding = 0, spmr_received = 0,
                  rejected = 0, rate_kbits_last = 0, rate_kbits_overall = 0,
                  parity_sent = 0,  // pro-active, counted in odata_packets_sent as well
        parity_repairs_sent = 0,    // on demand, counted in rdata_packets_sent as well
        parity_naks_received = 0, groups_shortened = 0,
                  naks_duplicate = 0,  // of another receiver, while the number was being repaired
        naks_shed = 0,                 // beyond what one requester may ask for
        nnaks_received = 0, polls_sent = 0, polrs_received = 0,
                  receivers_estimated = 0,  // by polls; 0 before the first count
        repairers_found = 0,                // by the last poll for them
        nak_backoff_us = 0, repair_hold_us = 0,
                  acks_received = 0;  // of congestion control
    CongestionStatistics congestion;
};

class Source {
  public:
    // Allocates everything it will ever need. Both tables of kernels outlive the source.
    Source(const SourceParameters& parameters, const SourceIdentity& identity, std::uint16_t mtu,
           bool udp, const checksum::Kernels& kernels,
           const fec::Kernels& parity_kernels = fec::best_kernels());
    ~Source();
    Source(const Source&) = delete;
    Source& operator=(const Source&) = delete;

    // Numbers and sends as many of `items` as rate, window and output room allow; returns how many
    // were taken (a prefix). Sends the starting SPMs before the first. Returns 0 after finish() or
    // abort().
    std::size_t publish(std::span<const Publish> items, Nanos now, Output& out);
    // NAK, NNAK, SPMR (and POLR, ACK): whatever arrived for this TSI. Judges source and group NLA
    // and ports.
    // This form leaves the checksum to the caller; the other one verifies it over `tpdu`, the
    // packet's octets (a wrong one counts as rejected, 0 means that the sender computed none).
    void on_packet(const wire::Packet& packet, Address ip_source, Nanos now, Output& out);
    void on_packet(const wire::Packet& packet, std::span<const std::byte> tpdu, Address ip_source,
                   Nanos now, Output& out);
    // Asks for a poll (RFC 3208 section 14): of all receivers, whose number is then estimated
    // (kPollGeneral), or of designated local repairers (kPollDlr). The result is in statistics()
    // and repairers(). Other sub-types are ignored.
    void poll(std::uint16_t subtype, Nanos now);
    // Repairers that answered the last poll for them; valid until the next call that is not const.
    std::span<const Address> repairers() const;
    void on_tick(Nanos now, Output& out);
    // When on_tick or a publish that was refused wants to be called next; kNever if not.
    Nanos next_deadline() const;

    // OPT_FIN from now on; nothing more will be published. The source repairs until its window has
    // passed (at most `linger_ns` when that is not 0), then says Event::finished and is_done()
    // holds.
    void finish(Nanos now);
    // OPT_RST: end_spms SPMs with the option, then done. `error` is the 6-bit code of RFC 9.8.4.
    void abort(Nanos now, std::uint8_t error, ResetCause cause);
    // Checks the kept sums: on a mismatch while repairing, the source aborts itself
    // (ResetCause::sender_changed_sent_data) and says Event::reset.
    bool is_done() const;

    // Log position below which nothing is needed any more. Never moves back.
    std::uint64_t released_position() const;
    Sqn trail() const;
    Sqn lead() const;  // trail - 1 when the window is empty
    const SourceStatistics& statistics() const;
    // Rate and window may not be changed in a session; TTL, late join and the rest neither (wsrm.md
    // O-5).
    std::uint16_t largest_tsdu(bool fragment) const;

  private:
    struct Parts;
    std::unique_ptr<Parts> parts_;
};

}  // namespace fanfare::engine
