// Bursts as the kernel's UDP takes and gives them: on the way out runs of datagrams that one
// UDP_SEGMENT call can carry, on the way in one message that UDP_GRO made of several. Pure: octets
// in, spans of them out; nothing is copied.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/core/output.hpp"
#include "engine/types.hpp"

namespace fanfare::dataplane::kernel {

// What the kernel has to know of a packet that leaves as a datagram.
struct Outgoing {
    Address destination;
    std::uint16_t udp_port = 0;  // source and destination alike
    std::uint8_t ttl = 0;
    std::uint8_t tos = 0;
    bool router_alert = false;
    bool may_wait = false;  // for others, to fill a call with: new data alone
    std::span<const std::byte> payload;
};

// False when the frame can be none: raw PGM, or no payload (a segment has at least an octet).
inline bool outgoing_of(const engine::TxFrame& frame, Outgoing& out) {
    out.destination = frame.destination;
    out.udp_port = frame.udp_port;
    out.ttl = frame.ttl;
    out.tos = frame.tos;
    out.router_alert = frame.router_alert;
    out.may_wait = frame.kind == engine::FrameKind::odata;
    out.payload = {frame.data, frame.length};
    return frame.udp_port != 0 && frame.length != 0;
}

// The kernel's limits for one call: UDP_MAX_SEGMENTS of the older kernels, and a frame below an
// interface's gso_max_size (65,536 octets, Ethernet header and tag included). One octet more is
// taken, but cut up in software on its way to the interface, which costs half of the speed.
inline constexpr std::size_t kSegmentsMax = 64;
inline constexpr std::size_t kRunBytesMax = 65535 - 18 - 20 - 8;
// What one datagram can hold at all.
inline constexpr std::size_t kPayloadMax = 65535 - 20 - 8;

constexpr std::size_t run_bytes_max(bool router_alert) {
    return kRunBytesMax - (router_alert ? 4 : 0);
}

inline bool same_way(const Outgoing& a, const Outgoing& b) {
    return a.destination == b.destination && a.udp_port == b.udp_port && a.ttl == b.ttl &&
           a.tos == b.tos && a.router_alert == b.router_alert;
}

// How many datagrams from the first on go in one call: the same way, of the first one's size but
// for the last, which may be shorter. At least 1 of a non-empty list, at most `segments_max`.
inline std::size_t run_length(std::span<const Outgoing> datagrams, std::size_t segments_max) {
    if (datagrams.empty()) return 0;
    const Outgoing& first = datagrams[0];
    const std::size_t size = first.payload.size();
    std::size_t left = run_bytes_max(first.router_alert);
    left -= std::min(left, size);
    const std::size_t most = std::min(datagrams.size(), segments_max);
    std::size_t count = 1;
    while (count < most) {
        const Outgoing& next = datagrams[count];
        if (next.payload.size() > size || next.payload.size() > left || !same_way(first, next))
            break;
        left -= next.payload.size();
        ++count;
        if (next.payload.size() < size) break;
    }
    return count;
}

// Whether a run of `count` from the first on leaves no place for another of the first one's size.
inline bool is_full(std::span<const Outgoing> datagrams, std::size_t count,
                    std::size_t segments_max) {
    const Outgoing& first = datagrams[0];
    return count >= segments_max ||
           (count + 1) * first.payload.size() > run_bytes_max(first.router_alert);
}

// One received message: where its parts stand in the buffer that the kernel filled.
struct Arrival {
    Address source;
    Address destination;            // none where the kernel did not say
    std::size_t segment_bytes = 0;  // 0: one datagram
    std::span<const std::byte> payload;
};

// What one buffer looks like that io_uring's recvmsg filled: a head that says how much was there
// (struct io_uring_recvmsg_out, 16 octets), name_bytes for the address, control_bytes for control
// messages, then the payload. False when it is not whole (cut off, an address that is not IPv4, or
// lengths beyond `written`).
struct ArrivalLayout {
    std::size_t name_bytes = 0, control_bytes = 0;
    std::size_t payload_at() const { return 16 + name_bytes + control_bytes; }
};
bool parse_arrival(std::span<const std::byte> buffer, std::size_t written,
                   const ArrivalLayout& layout, Arrival& out);

// Cuts a message into the datagrams it was made of, one at a time.
class Segments {
  public:
    Segments() = default;
    explicit Segments(const Arrival& arrival)
        : rest_(arrival.payload),
          size_(arrival.segment_bytes == 0 ? arrival.payload.size() : arrival.segment_bytes) {}
    bool empty() const { return rest_.empty(); }
    // Only when not empty(); never longer than the segment size, never empty itself.
    std::span<const std::byte> next() {
        const auto segment = rest_.first(std::min(size_, rest_.size()));
        rest_ = rest_.subspan(segment.size());
        return segment;
    }

  private:
    std::span<const std::byte> rest_;
    std::size_t size_ = 0;
};

}  // namespace fanfare::dataplane::kernel
