// Where the engine puts what it wants sent and told: frames and events in room that the caller
// lends.
//
// Memory: the caller owns every frame buffer before and after the call. The engine writes a whole
// PGM packet (checksum included) to frame.data and never touches octets before it; the caller
// prepends IP, UDP and link headers there and hands the frame to a port, or takes it back unused. A
// full Output stops the engine early: then next_deadline() == now and the caller calls again with
// fresh room.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/core/window_layout.hpp"
#include "engine/types.hpp"

namespace fanfare::engine {

// Octets every lent frame must have free before `data`: Ethernet 14 + VLAN 4 + IPv4 with Router
// Alert 24 + UDP 8 = 50, rounded up so that `data` is 8-aligned.
inline constexpr std::size_t kFrameHeadroom = 64;

enum class FrameKind : std::uint8_t { spm, odata, rdata, nak, nnak, ncf, spmr, poll, polr, ack };

struct TxFrame {
    std::byte* data = nullptr;   // first octet of the PGM packet
    std::uint16_t capacity = 0;  // octets that may be written at data
    std::uint16_t length = 0;    // octets written: the PGM packet
    std::uint16_t prepended =
        0;  // octets of headers written before data by the framing (not the engine's)
    FrameKind kind = FrameKind::odata;
    std::uint8_t ttl = 1;
    bool router_alert = false;
    // Where the framing leaves headers to the port, what they shall say (not the engine's).
    std::uint8_t tos = 0;
    std::uint16_t udp_port = 0;
    Address destination;  // group or unicast NLA
    Address source;       // IP source to bear; none: the host's own (a local repairer speaks as the
                          // source of the data, RFC 3208 9.5.2.1)
    // Set by who lends it: this frame's memory comes behind that of the frames lent before it with
    // the same handle, and its packet may begin where one of theirs ends, so that many packets are
    // one piece of memory.
    bool adjoins = false;
    void* handle = nullptr;  // the port's own; the engine leaves it alone
};

// The packet that will be written to `next` begins where the one in `written` ends, if it may. Only
// before anything was written to `next`. Its capacity reaches no further than before, as it only
// moves towards the packet before it.
inline void adjoin(const TxFrame& written, TxFrame& next) {
    if (next.adjoins && next.handle == written.handle) next.data = written.data + written.length;
}

struct Event {
    enum class Kind : std::uint8_t {
        reset,     // session is over; cause says why
        finished,  // receiver: all data up to OPT_FIN's lead is contiguous; source: window passed,
                   // may go
        joined_late,  // receiver: started at `sqn`, behind it data existed
    };
    Kind kind{};
    ResetCause cause = ResetCause::none;
    Sqn sqn = 0;
};

class Output {
  public:
    explicit Output(std::span<TxFrame> frames) : frames_(frames) {}

    // The next unused frame, or nullptr when there is none left. It counts only after commit().
    TxFrame* next() { return used_ < frames_.size() ? &frames_[used_] : nullptr; }
    void commit() {
        const TxFrame& written = frames_[used_++];
        if (used_ < frames_.size()) adjoin(written, frames_[used_]);
    }
    std::size_t room() const { return frames_.size() - used_; }
    std::span<TxFrame> frames() { return frames_.first(used_); }

    void event(const Event& e) {
        if (event_count_ < kMaxEvents) events_[event_count_++] = e;
    }
    std::span<const Event> events() const { return {events_, event_count_}; }

  private:
    static constexpr std::size_t kMaxEvents =
        8;  // one call ends at most one session and reports few facts
    std::span<TxFrame> frames_;
    std::size_t used_ = 0;
    Event events_[kMaxEvents];
    std::size_t event_count_ = 0;
};

}  // namespace fanfare::engine
