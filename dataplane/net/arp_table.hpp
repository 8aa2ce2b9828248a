// Who has which address on one interface: resolves next hops, keeps a few frames a moment while it
// asks, and forgets what was not confirmed for a while (RFC 826; RFC 1122 section 2.3.2).
//
// Pure: time is an argument, and what to send is asked for. Bounded: so many addresses, so many
// frames each.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "dataplane/port.hpp"
#include "engine/core/output.hpp"
#include "engine/types.hpp"

namespace fanfare::dataplane::net {

class ArpTable {
  public:
    // A NAK and its successors for one next hop; more would be stale by the time the answer comes.
    static constexpr std::size_t kFramesPerEntry = 4;
    // RFC 1122 asks for no more than one request a second. The first two repeats come sooner,
    // because a lost request would otherwise hold every repair back for that second.
    static constexpr std::array<Nanos, 3> kRetryIntervals{50 * kMillisecond, 200 * kMillisecond,
                                                          kSecond};
    static constexpr std::uint32_t kTries = 5;
    // Frames older than this are given up: the receiver has repeated its NAK by then.
    static constexpr Nanos kFrameAge = 500 * kMillisecond;
    // Confirmed for so long, then asked again while still used, then forgotten (RFC 1122 2.3.2.1
    // asks for an expiry of a minute or so).
    static constexpr Nanos kRefreshAfter = 45 * kSecond;
    static constexpr Nanos kExpireAfter = 60 * kSecond;
    // After all tries failed nothing is asked for so long.
    static constexpr Nanos kFailedFor = 3 * kSecond;

    explicit ArpTable(std::size_t capacity);

    enum class Answer : std::uint8_t { resolved, kept, refused };
    // Where to send `frame`. resolved: `mac` is set. kept: the table holds the frame until it comes
    // out of next_ready() or next_given_up(). refused: it stays the caller's (no room, or nobody
    // answers).
    Answer resolve(Address next_hop, const engine::TxFrame& frame, Nanos now, MacAddress& mac);

    // An ARP message of that sender was heard. New addresses are taken in only where `for_us`
    // (RFC 826: the target is this host); others only refresh what stands.
    void heard(Address sender, const MacAddress& mac, bool for_us, Nanos now);

    // Frames whose next hop is known now; false when there is none.
    bool next_ready(engine::TxFrame& frame, MacAddress& mac);
    // Frames that waited too long or for nobody.
    bool next_given_up(engine::TxFrame& frame, Nanos now);
    // Addresses to be asked for at this time; each call that returns true counts as one request
    // sent.
    bool next_request(Address& target, Nanos now);
    // When next_request or next_given_up has something again, without any call in between.
    Nanos next_deadline() const { return deadline_; }
    // Whether any of the three has something now.
    bool due(Nanos now) const { return any_ready_ || !given_up_.empty() || deadline_ <= now; }

    // Forgets everything; frames held come out of next_given_up().
    void clear();

  private:
    enum class State : std::uint8_t { free, asking, known, failed };
    struct Held {
        engine::TxFrame frame;
        Nanos since = 0;
    };
    struct Entry {
        State state = State::free;
        bool refreshing = false;
        Address address;
        MacAddress mac;
        Nanos confirmed_at = 0;
        Nanos used_at = 0;
        Nanos ask_at = kNever;  // next request; failed: when it may be asked again
        std::uint32_t tries = 0;
        std::uint32_t held_count = 0;
        std::array<Held, kFramesPerEntry> held;
    };

    Entry* find(Address address);
    Entry* take(Address address, Nanos now);
    void ask(Entry& entry, Nanos now);
    void give_up_oldest(Entry& entry, std::uint32_t count);
    void update_deadline();
    static Nanos entry_deadline(const Entry& entry);

    std::vector<Entry> entries_;
    std::vector<engine::TxFrame> given_up_;  // room for every frame the table can hold
    std::size_t used_ = 0;
    bool any_ready_ = false;
    Nanos deadline_ = kNever;
};

}  // namespace fanfare::dataplane::net
