#include "engine/core/profile.hpp"

#include <algorithm>

#include "engine/core/source_packets.hpp"
#include "engine/wire/packet.hpp"

namespace fanfare::engine {

namespace {

Profile lan() {
    Profile p;
    // RFC 5.1.5: each heartbeat waits twice as long. The first one finds a lost last packet within
    // 1 ms; by the ninth the session falls back to ambient SPMs.
    for (std::size_t i = 0; i < p.source.heartbeat_spm_ns.size(); ++i) {
        p.source.heartbeat_spm_ns[i] = kMillisecond << i;
    }
    // The least back-off is about a round trip of one switch: who is alone asks within it. It
    // starts three doublings wider, so that the first loss that hundreds share does not bring
    // hundreds of NAKs; the most leaves a window of 250 ms time for ten tries.
    p.source.nak_backoff_ns = 400 * kMicrosecond;
    p.source.nak_backoff_min_ns = 50 * kMicrosecond;
    p.source.nak_backoff_max_ns = 20 * kMillisecond;
    p.source.repair_hold_max_ns = 50 * kMillisecond;
    p.source.poll_interval_ns = 10 * kSecond;
    p.receiver.nak_backoff_ceiling_ns = 5 * kMillisecond;
    return p;
}

Profile windows() {
    Profile p;
    SourceParameters& s = p.source;
    s.rate_bits_per_s = 56'000;
    s.window_bytes = 10'000'000;
    s.window_ns = Nanos{1'428'571} * kMillisecond;
    s.announce_first = false;  // late join 0 means no OPT_JOIN on the wire (wsrm.md, RM_LATEJOIN)
    s.ambient_spm_ns = 3 * kSecond;
    // Public pages name only the ambient interval; doubling from 100 ms finds a lost last packet
    // early and stays far below the ambient rate.
    s.heartbeat_spm_ns = {100 * kMillisecond, 200 * kMillisecond, 400 * kMillisecond,
                          800 * kMillisecond, 1600 * kMillisecond};
    s.ttl = 255;
    // The draft's and interop.md 5.6's initial timeout; a lan answers within milliseconds.
    s.congestion.ack_timeout_ns = 3 * kSecond;
    s.ncf_merge_ns = 100 * kMillisecond;  // below the receivers' repeat interval of 1 s
    ReceiverParameters& r = p.receiver;
    r.nak_backoff_min_ns = 0;
    r.nak_backoff_max_ns = 600 * kMillisecond;
    r.nak_repeat_ns = kSecond;
    r.nak_rdata_ns = 4 * kSecond;
    r.adapt_to_round_trip = false;
    r.ncf_retries = 10;
    r.data_retries = 10;
    r.nak_lists = false;
    r.spmr_wait_ns = 250 * kMillisecond;  // RFC 13.5: SPMR_BO_IVL about 250 ms
    r.ttl = 255;
    return p;
}

Profile openpgm() {
    Profile p;
    SourceParameters& s = p.source;
    s.announce_first = false;
    s.random_first_sqn = false;
    s.router_alert = false;
    s.max_fragments = 16;
    s.ambient_spm_ns = 30 * kSecond;
    s.heartbeat_spm_ns = {100 * kMillisecond, 100 * kMillisecond,  100 * kMillisecond,
                          100 * kMillisecond, 1300 * kMillisecond, 7 * kSecond,
                          16 * kSecond,       25 * kSecond,        30 * kSecond};
    // OpenPGM's receivers repeat after 200 ms and back off up to 50 ms: their repairs need seconds,
    // not 250 ms. A tenth of the lan rate keeps two seconds of data in the memory that a lan window
    // takes.
    s.rate_bits_per_s = 100'000'000;
    s.window_ns = 2 * kSecond;
    s.window_bytes = 25'000'000;
    s.ncf_merge_ns = 20 * kMillisecond;
    s.congestion.ack_timeout_ns = 3 * kSecond;
    ReceiverParameters& r = p.receiver;
    r.nak_backoff_min_ns = 0;
    r.nak_backoff_max_ns = 50 * kMillisecond;
    r.nak_repeat_ns = 200 * kMillisecond;
    r.nak_rdata_ns = 200 * kMillisecond;
    r.adapt_to_round_trip = false;
    r.spmr_wait_ns = 250 * kMillisecond;
    r.silence_ns = 300 * kSecond;
    r.router_alert = false;
    return p;
}

}  // namespace

Profile profile(ProfileName name) {
    switch (name) {
        case ProfileName::windows:
            return windows();
        case ProfileName::openpgm:
            return openpgm();
        case ProfileName::lan:
            break;
    }
    return lan();
}

std::optional<ProfileName> profile_named(std::string_view name) {
    for (const auto candidate : {ProfileName::lan, ProfileName::windows, ProfileName::openpgm}) {
        if (name == to_string(candidate)) return candidate;
    }
    return std::nullopt;
}

std::string_view to_string(ProfileName name) {
    switch (name) {
        case ProfileName::windows:
            return "windows";
        case ProfileName::openpgm:
            return "openpgm";
        case ProfileName::lan:
            break;
    }
    return "lan";
}

std::uint16_t largest_tsdu(const SourceParameters& parameters, std::uint16_t mtu, bool udp,
                           bool fragment) {
    constexpr std::uint32_t kOptLength = 4, kOptJoin = 8, kOptSyn = 4, kOptPacked = 4,
                            kFragmentRoom = 20, kOptFragment = 16, kOptFin = 4, kOptTgsize = 8,
                            kOptParityGrp = 8, kEncodedLength = 2, kOptCcData = 16;
    std::uint32_t options = 0;
    const bool join = parameters.announce_first || parameters.late_join_percent > 0;
    if (join) options += kOptJoin + kOptSyn;  // elsewhere OPT_SYN goes only where it happens to fit
    if (parameters.packed) options += kOptPacked;
    if (parameters.parity.on()) options += kOptTgsize;
    if (parameters.congestion.on) options += kOptCcData;
    if (options > 0) options += kOptLength;
    if (fragment) options += options > 0 && parameters.parity.on() ? kOptFragment : kFragmentRoom;
    if (parameters.parity.on()) {
        std::uint32_t parity = kOptLength + kOptTgsize + kOptSyn + kOptFin + kEncodedLength;
        if (parameters.parity.numbers_beyond_group()) parity += kOptParityGrp;
        if (parameters.fragments) parity += kOptFragment;
        if (parameters.packed) parity += kOptPacked;
        options = std::max(options, parity);
    }
    const std::uint32_t taken = datagram_overhead(parameters.router_alert, udp) +
                                static_cast<std::uint32_t>(wire::kDataHeaderSize) + options;
    return static_cast<std::uint16_t>(mtu > taken ? mtu - taken : 0);
}

}  // namespace fanfare::engine
