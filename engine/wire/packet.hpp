// One PGM packet (TPDU) as a plain struct: what decode() yields and encode() takes. RFC 3208
// sections 8, 9.
//
// Memory: spans in a Packet point into the buffer that was decoded (or that the encoder's caller
// owns); a Packet owns nothing and is valid as long as that buffer is unchanged. In shared memory
// or DMA room the caller must not let anybody write while a Packet is in use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/types.hpp"

namespace fanfare::wire {

inline constexpr std::uint8_t kIpProtocolPgm = 113;
inline constexpr std::size_t kHeaderSize = 16;      // RFC 8.1 common header
inline constexpr std::size_t kDataHeaderSize = 24;  // common header + data sqn + trail
inline constexpr std::size_t kChecksumAt = 6;       // of the checksum field in the common header
inline constexpr std::size_t kMaxOptions = 16;      // RFC 9: at most 16 options in a packet
inline constexpr std::size_t kNakListMax =
    62;  // OPT_NAK_LIST: 62 besides the one in the fixed part

enum class Type : std::uint8_t {
    spm = 0x00,
    poll = 0x01,
    polr = 0x02,
    odata = 0x04,
    rdata = 0x05,
    nak = 0x08,
    nnak = 0x09,
    ncf = 0x0A,
    spmr = 0x0C,
    ack = 0x0D,  // ack 0x0B is accepted too and decoded as ack (interop.md 14.4)
};

// Header options octet (RFC 8.1).
inline constexpr std::uint8_t kOptPresent = 0x01;
inline constexpr std::uint8_t kOptNetworkSignificant = 0x02;
inline constexpr std::uint8_t kOptVarPktLen = 0x40;
inline constexpr std::uint8_t kOptParity = 0x80;

// Option types (RFC 9), without the end bit 0x80.
enum class OptionType : std::uint8_t {
    length = 0x00,
    fragment = 0x01,
    nak_list = 0x02,
    join = 0x03,
    nak_bo_ivl = 0x04,
    nak_bo_rng = 0x05,
    nbr_unreach = 0x0B,
    path_nla = 0x0C,
    redirect = 0x07,
    parity_prm = 0x08,
    parity_grp = 0x09,
    curr_tgsize = 0x0A,
    syn = 0x0D,
    fin = 0x0E,
    rst = 0x0F,
    cr = 0x10,
    crqst = 0x11,
    cc_data = 0x12,
    cc_feedback = 0x13,  // PGMCC, formats of interop.md 5.6
    invalid = 0x7F,
    packed =
        0x70,  // private to Fanfare: the TSDU is a container of whole messages (engine/packing)
};

// Which options a packet has: bit positions in Options::present. `unknown`: at least one was
// skipped.
enum class OptionBit : std::uint8_t {
    fragment,
    nak_list,
    join,
    nak_bo_ivl,
    nak_bo_rng,
    nbr_unreach,
    path_nla,
    redirect,
    parity_prm,
    parity_grp,
    curr_tgsize,
    syn,
    fin,
    rst,
    cr,
    crqst,
    cc_data,
    cc_feedback,
    invalid,
    packed,
    unknown,
};
constexpr std::uint32_t bit(OptionBit b) {
    return 1u << static_cast<unsigned>(b);
}

// Options that network elements act on (each option's format in RFC 3208 says so). They stand
// before all others (RFC 9.1), and kOptNetworkSignificant announces them.
inline constexpr std::uint32_t kNetworkSignificantOptions =
    bit(OptionBit::nak_list) | bit(OptionBit::nak_bo_ivl) | bit(OptionBit::nak_bo_rng) |
    bit(OptionBit::nbr_unreach) | bit(OptionBit::path_nla) | bit(OptionBit::redirect) |
    bit(OptionBit::parity_prm) | bit(OptionBit::curr_tgsize) | bit(OptionBit::cr) |
    bit(OptionBit::crqst);

// Options that belong to the payload: a parity packet carries them encoded (RFC 11.2).
inline constexpr std::uint32_t kPayloadOptions = bit(OptionBit::fragment) | bit(OptionBit::packed);

// The bits kOptPresent and kOptNetworkSignificant that a packet of `type` with these options has in
// its header. OPT_CURR_TGSIZE is not network-significant on ODATA (RFC 11.8.3).
constexpr std::uint8_t option_flags(Type type, std::uint32_t present) {
    std::uint32_t significant = present & kNetworkSignificantOptions;
    if (type == Type::odata) significant &= ~bit(OptionBit::curr_tgsize);
    return static_cast<std::uint8_t>((present != 0 ? kOptPresent : 0) |
                                     (significant != 0 ? kOptNetworkSignificant : 0));
}

// Fields are meaningful only where the bit in `present` is set; the others hold whatever they held
// before. Addresses are IPv4 (AFI 1). Of an option that occurs twice the first counts (RFC 11.2).
struct Options {
    std::uint32_t present = 0;
    bool has(OptionBit b) const { return (present & bit(b)) != 0; }
    void set(OptionBit b) { present |= bit(b); }

    // Of kPayloadOptions, those whose F bit is set; only in parity packets (header bit kOptParity),
    // elsewhere F is ignored. An encoded option is parity over the originals from their fourth
    // octet on (`fourth`, U is its bit 0x80, then the fields in network order): its fields are sums
    // to be decoded with the payload and obey no rule.
    std::uint32_t encoded = 0;
    bool is_encoded(OptionBit b) const { return (encoded & bit(b)) != 0; }

    struct {
        Sqn first_sqn;
        std::uint32_t offset;  // at most apdu_length, unless encoded
        std::uint32_t apdu_length;
        std::uint8_t fourth;  // meaningful when encoded
    } fragment;               // 9.2.4; 16 octets on the wire, as drawn there
    struct {
        const std::byte* sqns;
        std::uint8_t count;
    } nak_list;  // big-endian, unaligned; see nak_list_at
    struct {
        Sqn min_sqn;
    } join;  // 9.4.4
    struct {
        std::uint32_t interval_us;
        Sqn sqn;
    } nak_bo_ivl;  // 9.6 (units as RFC: microseconds)
    struct {
        std::uint32_t max_us;
        std::uint32_t min_us;
    } nak_bo_rng;
    struct {
        Address path;
    } path_nla;
    struct {
        Address dlr;
    } redirect;
    struct {
        bool proactive;
        bool ondemand;
        std::uint32_t group_size;
    } parity_prm;  // P = 0x02, O = 0x01
    struct {
        std::uint32_t group;
    } parity_grp;
    struct {
        std::uint32_t actual_size;
    } curr_tgsize;
    struct {
        bool nak_unanswered;
        std::uint8_t error;
    } rst;  // 9.8.4: N bit, 6-bit error code
    struct {
        std::uint8_t what;  // bits L = 4, P = 2, R = 1: which of the three reports are meant
        Sqn sqn;
        std::uint16_t worst_link, worst_path, receiver_path;
        Address receiver;
    } cr;  // 12.7.1
    struct {
        std::uint8_t what;
    } crqst;  // bits L = 4, P = 2, R = 1
    struct {
        std::uint32_t timestamp_ms;
        Address acker;
    } cc_data;
    struct {
        std::uint32_t timestamp_ms;
        std::uint16_t loss;
        Address acker;
    } cc_feedback;
    struct {
        std::uint8_t fourth;  // meaningful when encoded
    } packed;
};

// The i-th (0-based) sequence number of OPT_NAK_LIST. Requires i < options.nak_list.count.
inline Sqn nak_list_at(const Options& options, std::size_t i) {
    const std::byte* p = options.nak_list.sqns + 4 * i;
    return (std::uint32_t(p[0]) << 24) | (std::uint32_t(p[1]) << 16) | (std::uint32_t(p[2]) << 8) |
           std::uint32_t(p[3]);
}

// decode() writes the fields that the packet's type has and leaves the others alone: a Packet may
// be used again without being cleared, and no more is touched than the packet carries.
struct Packet {
    Type type{};
    std::uint8_t flags = 0;         // header options octet as on the wire
    std::uint16_t source_port = 0;  // as on the wire (exchanged in packets towards the source)
    std::uint16_t destination_port = 0;
    std::uint16_t checksum = 0;  // as on the wire
    Gsi gsi;
    std::uint16_t tsdu_length = 0;

    Sqn sqn =
        0;  // SPM_SQN, DATA_SQN, NAK/NCF/NNAK requested sqn, POLL_SQN, POLR_SQN, ACK highest sqn
    Sqn trail = 0;   // SPM, ODATA, RDATA
    Sqn lead = 0;    // SPM
    Address path;    // SPM and POLL path NLA
    Address source;  // NAK, NNAK, NCF: source NLA
    Address group;   // NAK, NNAK, NCF: multicast group NLA
    struct {
        std::uint16_t round, subtype;
        std::uint32_t backoff_us, random, mask;
    } poll{};  // 14.7; POLR uses round
    std::uint32_t ack_bitmap = 0;

    std::span<const std::byte> payload;  // the TSDU; empty for packets without data
    Options options;

    // The session a packet belongs to, whichever way it travels: source port is in `source_port` of
    // packets from the source (SPM, POLL, ODATA, RDATA, NCF) and in `destination_port` of those
    // towards it.
    bool towards_source() const {
        return type == Type::nak || type == Type::nnak || type == Type::spmr ||
               type == Type::polr || type == Type::ack;
    }
    Tsi tsi() const { return Tsi{gsi, towards_source() ? destination_port : source_port}; }
    std::uint16_t data_port() const { return towards_source() ? source_port : destination_port; }
};

// Why a packet was refused. Every reason has a counter of the same name (wire/names.hpp).
enum class DecodeError : std::uint8_t {
    none,
    truncated_header,
    unknown_type,
    truncated_body,
    tsdu_length_mismatch,
    address_family,
    options_truncated,
    options_length_missing,
    options_length_wrong,
    option_too_short,
    option_overrun,
    too_many_options,
    options_unterminated,
    option_length_invalid,
    nak_list_invalid,
    fragment_invalid,
    checksum_missing,
    checksum_wrong,
    count_
};

// Checks structure and yields the fields. Reads only inside `tpdu` and leaves the checksum to the
// caller (it is verified in the pass that copies the payload, see receive window);
// `checksum_missing` is judged here (ODATA and RDATA must carry one, RFC 8.1). On error `out` is
// unspecified.
//   tpdu   the PGM packet: from the PGM source port to the last octet of the datagram
DecodeError decode(std::span<const std::byte> tpdu, Packet& out);

// Octets that encode() will write for `packet` (payload included).
std::size_t encoded_size(const Packet& packet);

// Writes header, fixed part and options, then the payload when `with_payload`; TSDU length is the
// payload's and the checksum field holds zero (checksum/ finishes it; it stands kChecksumAt octets
// from the start). kOptPresent is set by what is written, the other flags are the caller's
// (option_flags helps). Returns the octets written; 0, with `room` unspecified, when it is too
// small, when there are more than kMaxOptions options, or when a field does not fit its place. The
// inverse of decode: decode(encode(p)) == p for every p that decode can yield, except that unknown
// options are not reproduced. Network-significant options come first (RFC 9.1), then the others,
// both in the order of OptionBit.
std::size_t encode(const Packet& packet, std::span<std::byte> room, bool with_payload = true);

}  // namespace fanfare::wire
