// What a receiver sends: NAKs, single and listed, and SPMRs (RFC 3208 8.3, 9.3, 13.6).
#pragma once

#include <span>

#include "engine/checksum/checksum.hpp"
#include "engine/core/output.hpp"
#include "engine/core/poll_answer.hpp"
#include "engine/core/profile.hpp"
#include "engine/core/receiver.hpp"

namespace fanfare::engine {

// What OPT_CR of a NAK says (RFC 12.5): `what` was asked for (bits L = 4, P = 2, R = 1), `lead` is
// the leading edge of the window, `loss` the receiver's own rate, 0xFFFF being all.
struct CongestionReport {
    std::uint8_t what;
    Sqn lead;
    std::uint16_t loss;
};
class PgmccReceiver;

// A packet of this session towards its source, without body: ports are exchanged (RFC 8).
wire::Packet towards_source(const ReceiverIdentity& identity, wire::Type type);

// A NAK for `sqns` (ascending, 1 to 63) to the path address of the session's last SPM. Ports are
// exchanged, as in all packets towards a source. Router Alert stands on single NAKs only. False
// when the frame is too small. With `parity` each number names a group and, less one, how many
// packets of it are missing (RFC 11.3.1). With `congestion` it carries OPT_CC_FEEDBACK as of `now`.
bool write_nak(const ReceiverIdentity& identity, const ReceiverParameters& parameters, Address path,
               std::span<const Sqn> sqns, const checksum::Kernels& kernels, TxFrame& frame,
               bool parity = false, const CongestionReport* report = nullptr,
               const PgmccReceiver* congestion = nullptr, Nanos now = 0);

// The answer to a POLL, unicast to the path address that it came with (RFC 14.5).
bool write_polr(const ReceiverIdentity& identity, const ReceiverParameters& parameters,
                const PollAnswer::Reply& reply, const checksum::Kernels& kernels, TxFrame& frame);

// An SPMR: to the group with TTL 1, where it silences the neighbours, or to the source.
bool write_spmr(const ReceiverIdentity& identity, const ReceiverParameters& parameters,
                bool multicast, const checksum::Kernels& kernels, TxFrame& frame);

}  // namespace fanfare::engine
