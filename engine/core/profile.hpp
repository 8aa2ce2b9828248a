// Parameters of sources and receivers, and the three named sets of them (DESIGN section 6). Plain
// values: the configuration, the option table and the engine all speak of these structs.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "engine/types.hpp"

namespace fanfare::engine {

// Parity of a session as its source sends it (RFC 3208 section 11; wsrm.md 2.2).
struct ParityParameters {
    std::uint8_t group_size = 0;    // k: data packets of a group, a power of two, 2 to 128; 0: none
    std::uint8_t block_size = 255;  // n: most packets sent for one group, more than k
    std::uint8_t proactive = 0;     // h: parity packets sent unasked with every group, 0 to n - k
    bool on_demand = false;         // parity answers parity NAKs
    bool on() const { return group_size != 0; }
    // Parity packets from the k-th on need OPT_PARITY_GRP.
    bool numbers_beyond_group() const { return block_size - group_size > group_size; }
};

// Congestion control of a source (PGMCC, engine/core/pgmcc_source.hpp).
struct CongestionParameters {
    bool on = false;
    // Wait for an ACK before a round trip was measured, and the longest one at all. While nobody
    // acknowledges, one packet leaves in such a time.
    Nanos ack_timeout_ns = 100 * kMillisecond;
};

struct SourceParameters {
    std::uint64_t rate_bits_per_s =
        1'000'000'000;  // cap on whole IP datagrams of the session; 0 = as fast as the port takes
    Nanos window_ns =
        250 * kMillisecond;  // how long sent data stays repairable; unused when rate is 0
    std::uint64_t window_bytes = 31'250'000;  // payload octets the window may hold
    // At rate 0: octets of the caller's log that sent data may hold back, what the caller stores
    // around its payload included; 0: only window_bytes counts. Less than the log, so that whoever
    // writes it always finds room.
    std::uint64_t window_log_bytes = 0;
    std::uint32_t window_packets = 1u << 18;  // entries of the send window (power of two)
    std::uint32_t advance_percent = 15;       // step of the trail, 1..50 (wsrm.md 5.5)
    std::uint32_t late_join_percent = 0;      // 0..75 (OPT_JOIN, RFC 9.4)
    bool announce_first = true;  // OPT_JOIN with the first sqn until the trail first moves
    bool random_first_sqn = true;
    std::uint32_t start_spms = 3;  // SPMs with an empty window before the first ODATA
    std::uint32_t end_spms = 3;    // SPMs with OPT_FIN (OPT_RST) back to back at the end
    Nanos ambient_spm_ns = 1 * kSecond;
    std::array<Nanos, 9> heartbeat_spm_ns{};  // intervals after the last data; zeroes end the list
    bool router_alert = true;                 // on SPM, NCF, RDATA (RFC 3208 sections 8, 13)
    std::uint8_t ttl = 16;
    std::uint32_t repair_share_percent =
        50;  // most of the rate that RDATA takes while new data waits
    Nanos ncf_merge_ns =
        100 * kMicrosecond;           // repeated NCFs/RDATA for one sqn within this are merged
    bool fragments = true;            // OPT_FRAGMENT may be used
    std::uint32_t max_fragments = 0;  // 0 = no limit (OpenPGM takes 16)
    bool packed = false;              // small messages share packets (private option 0x70)
    Nanos linger_ns = 0;              // after close without shutdown; 0 = until the window passed
    ParityParameters parity;          // window_packets is then at least twice its group_size
    // NAK_BO_IVL that receivers are told (RFC 15.2): where it starts and between which it is tuned
    // by duplicates. A most of 0: nothing is advertised.
    Nanos nak_backoff_ns = 0;
    Nanos nak_backoff_min_ns = 0;
    Nanos nak_backoff_max_ns = 0;
    // One number is repaired again after this at the earliest, in which NAKs are taken to have
    // crossed its RDATA: it follows what is heard, from ncf_merge_ns up to this (RFC 5.3).
    Nanos repair_hold_max_ns = 0;
    Nanos poll_interval_ns = 0;  // receivers are counted so often (RFC 14, 15.2.3); 0: on demand
    Nanos poll_backoff_ns = 20 * kMillisecond;  // POLL_BO_IVL
    CongestionParameters congestion;
};

struct ReceiverParameters {
    // Back-off is drawn from [min, max] (RFC 6.3) until the source advertises another interval.
    // Under one that does not, the upper end is tuned by duplicates up to the ceiling.
    Nanos nak_backoff_min_ns = 0;
    Nanos nak_backoff_max_ns = 50 * kMicrosecond;
    Nanos nak_backoff_ceiling_ns = 0;
    Nanos nak_repeat_ns = 2 * kMillisecond;  // wait for the NCF
    Nanos nak_rdata_ns = 2 * kMillisecond;   // wait for the RDATA after the NCF
    bool adapt_to_round_trip = true;  // intervals follow the measured NAK -> NCF/RDATA times, never
                                      // above the three values' ceilings below
    Nanos round_trip_floor_ns = 50 * kMicrosecond;
    Nanos round_trip_ceiling_ns = 20 * kMillisecond;
    std::uint32_t ncf_retries = 50;
    std::uint32_t data_retries = 50;
    bool nak_lists = true;                    // OPT_NAK_LIST for what one burst showed
    Nanos spmr_wait_ns = 250 * kMicrosecond;  // ODATA without SPM: ask for one after this
    Nanos silence_ns = 30 * kSecond;          // no packet of the session for so long: reset
    std::uint8_t ttl = 16;
    bool router_alert = true;  // on single NAKs
    // Room for received parity that waits for its group: 256 packets of an Ethernet frame's size,
    // so that two groups of the largest k fit. 0: parity is ignored and losses are asked for one
    // by one.
    std::uint32_t parity_bytes = 512u << 10;
    bool congestion_feedback = true;  // answers sources that ask for it (PGMCC): ACKs, loss on NAKs
};

enum class ProfileName : std::uint8_t { lan = 0, windows = 1, openpgm = 2 };

struct Profile {
    SourceParameters source;
    ReceiverParameters receiver;
};

// lan: DESIGN section 6. windows: 56 kbit/s, 10,000,000 octets, 1,428,571 ms, back-off 600 ms,
// repeat 1 s, RDATA 4 s, 10 retries, ambient SPM 3 s, TTL 255 (wsrm.md 2.1, interop.md 9). openpgm:
// no Router Alert, first sqn 0, at most 16 fragments, no OPT_JOIN, heartbeat and timers of
// interop.md sections 3 and 14.
Profile profile(ProfileName name);
std::optional<ProfileName> profile_named(std::string_view name);
std::string_view to_string(ProfileName name);

// Largest TSDU of a session (DESIGN section 4): MTU - IP (24 with Router Alert, else 20) - 8 if UDP
// - 24 - the options that ODATA, RDATA of this session can carry. Message and stream sessions
// alike; a fragment has 20 octets less (`fragment` true). With parity the parity packets count too:
// their options and the two octets of an encoded length. `mtu` is the interface's, 576..9000.
std::uint16_t largest_tsdu(const SourceParameters& parameters, std::uint16_t mtu, bool udp,
                           bool fragment);

}  // namespace fanfare::engine
