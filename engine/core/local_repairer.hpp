// A designated local repairer of one session (RFC 3208 9.5.2, upstream of its site): it stands
// beside a Receiver and answers, out of the window that the receiver keeps, the NAKs that are sent
// to it. It speaks as the source: NCF, RDATA and its offers bear the source's address. Older data
// may lie in a store of the caller's, which is asked for it number by number.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/checksum/checksum.hpp"
#include "engine/core/output.hpp"
#include "engine/core/profile.hpp"
#include "engine/core/random.hpp"
#include "engine/core/rate_limiter.hpp"
#include "engine/core/receiver.hpp"
#include "engine/core/repair_queue.hpp"
#include "engine/core/requester_limits.hpp"
#include "engine/types.hpp"
#include "engine/wire/packet.hpp"

namespace fanfare::engine {

struct RepairerParameters {
    std::uint64_t rate_bits_per_s = 1'000'000'000;  // of its repairs; 0: no limit
    std::uint8_t ttl = 16;
    bool router_alert = true;
    // A number repaired is not repaired again so soon, as at a source.
    Nanos merge_ns = 100 * kMicrosecond;
    // Offers that NCFs of the source call forth are at least so far apart.
    Nanos offer_interval_ns = 100 * kMillisecond;
    // Without an NCF it offers itself once it holds data and then so often, so that a site whose
    // losses are all its own as well finds it, and who joins later. 0: NCFs alone.
    Nanos announce_interval_ns = 0;
};

struct RepairerStatistics {
    std::uint64_t naks_received = 0;   // numbers that NAKs to us named
    std::uint64_t naks_forwarded = 0;  // of those, passed on: we don't hold them
    std::uint64_t ncf_sent = 0, nnak_sent = 0, rdata_sent = 0, rdata_bytes = 0, offers_sent = 0,
                  rejected = 0;
    std::uint64_t naks_shed = 0;       // of a requester beyond its credit
    std::uint64_t fetched = 0;         // of the RDATA, out of the store
    std::uint64_t fetches_failed = 0;  // the store had them no more
    std::uint64_t fetches_shed = 0;    // too many were under way: the receiver asks again
};

// A packet as the store gives it back.
struct StoredPacket {
    std::uint64_t ordinal = 0;
    std::span<const std::byte> payload;
    std::uint16_t flags = 0;  // EntryFlag
    // Where a fragment stands in its message; unused where the flags say that it is whole.
    Sqn first_sqn = 0;
    std::uint32_t offset = 0, apdu_length = 0;
};

class LocalRepairer {
  public:
    // `memory` is the receiver's, which is only read. Allocates everything it will ever need.
    LocalRepairer(const RepairerParameters& parameters, const ReceiveMemory& memory,
                  std::uint16_t mtu, bool udp, const checksum::Kernels& kernels);

    // The session that the receiver was started with; its nla is the address that we offer.
    void start(const ReceiverIdentity& identity);

    // What the receiver knows now: to be given with every call. `room`: the receiver's last
    // open_burst(). `path`: where NAKs go on to.
    struct Window {
        std::uint64_t start = 0, next = 0;  // ordinals; 0: no session yet
        Sqn lead = 0;
        Reservation room{};
        Address path;
        std::uint64_t stored_first = 0, stored_end = 0;  // ordinals in the store; equal: none
    };
    // Every intact packet of the session, besides the receiver. `to_us`: it was sent to our own
    // address, by `from`. NAKs to us are judged as a source judges them; one of our own parent's is
    // answered to it alone (9.5.2.2).
    void on_packet(const wire::Packet& packet, Address from, bool to_us, const Window& window,
                   Nanos now, Output& out);
    void on_tick(const Window& window, Nanos now, Output& out);
    Nanos next_deadline() const;

    // The store. next_fetch(): the ordinal of the next number it is to look for, each told once; 0:
    // none. Every one is answered by on_fetched() or on_fetch_failed(). on_fetched() is false while
    // there is no frame or no leave to send: call it again at next_deadline().
    std::uint64_t next_fetch();
    bool on_fetched(const StoredPacket& stored, const Window& window, Nanos now, Output& out);
    void on_fetch_failed(std::uint64_t ordinal, const Window& window, Output& out);
    // Numbers that may be asked of the store at a time, and that may wait for that: half a window
    // of what a receiver asks for at once.
    static constexpr std::size_t kFetchesUnderWay = 32, kFetchesMost = 1024;

    // Whether the number can be repaired from here.
    bool holds(std::uint64_t ordinal, const Window& window) const;
    // How many numbers that is, found by halving: data lies in the log about in its order.
    std::uint64_t held(const Window& window) const;
    const RepairerStatistics& statistics() const { return statistics_; }

  private:
    const IndexEntry& entry(std::uint64_t ordinal) const {
        return memory_.index[ordinal & (memory_.index.size() - 1)];
    }
    std::uint64_t oldest(const Window& window) const;
    bool stored(std::uint64_t ordinal, const Window& window) const {
        return ordinal >= window.stored_first && ordinal < window.stored_end;
    }
    bool describe(std::uint64_t ordinal, const Window& window, wire::Packet& packet) const;
    wire::Packet repair_packet(std::uint64_t ordinal, std::uint16_t entry_flags,
                               const Window& window) const;
    bool repaired_just_now(std::uint64_t ordinal, Nanos now) const;
    void note_repair(std::uint64_t ordinal, Nanos now);
    bool admit(Address requester, const Window& window, Nanos now);
    enum class Wanted : std::uint8_t { anew, already, refused };
    Wanted want_fetch(std::uint64_t ordinal);
    void end_fetch(std::uint64_t ordinal);
    void on_nak(const wire::Packet& packet, Address from, const Window& window, Nanos now,
                Output& out);
    void on_parents_nak(const wire::Packet& packet, const Window& window, Nanos now, Output& out);
    void on_source_ncf(const wire::Packet& packet, const Window& window, Nanos now, Output& out);
    wire::Packet from_source(wire::Type type) const;
    bool send_list(wire::Type type, std::span<const Sqn> sqns, Address to, Output& out);
    bool send_offer(Output& out);
    bool send_repair(std::uint64_t ordinal, const Window& window, Output& out);
    bool may_send(std::size_t payload, Nanos now);
    // RDATA to the group as the source's, or to our parent as our own. False without a frame.
    bool write_repair(wire::Packet& packet, Address to, Output& out);

    RepairerParameters parameters_;
    ReceiveMemory memory_;
    bool udp_;
    const checksum::Kernels& kernels_;
    ReceiverIdentity identity_;
    RepairQueue pending_;
    struct Recent {
        std::uint64_t ordinal = 0;
        Nanos at = 0;
        std::uint32_t repairs = 0;
    };
    std::vector<Recent> recent_;  // by ordinal: when it was repaired last, and how often
    RequesterLimits requesters_;
    RateLimiter limiter_;
    bool syn_known_ = false, fin_known_ = false;
    Sqn syn_ = 0, fin_ = 0;               // numbers whose ODATA bore OPT_SYN and OPT_FIN
    std::vector<std::uint64_t> fetches_;  // in the order they were asked for
    std::size_t fetches_told_ = 0;        // of them, from the first, those under way
    Nanos offered_at_;
    Nanos repair_at_ = kNever, announce_at_ = kNever, fetched_at_ = kNever;
    RepairerStatistics statistics_;
};

// A redirecting POLR: this host repairs the session, NAKs may go to identity.nla. Multicast to the
// group it bears the source's address and the Router Alert (9.5.2.1); in answer to a POLL it goes
// to that poll's path address and bears the host's own. False when the frame is too small.
bool write_offer(const ReceiverIdentity& identity, const RepairerParameters& parameters, Address to,
                 Sqn poll_sqn, std::uint16_t poll_round, const checksum::Kernels& kernels,
                 TxFrame& frame);

}  // namespace fanfare::engine
