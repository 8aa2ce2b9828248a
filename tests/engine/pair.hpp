// A source and receivers joined by a small lossy link in virtual time: the engine's own objects and
// nothing else. One seed decides every run; tests print it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <queue>
#include <string>
#include <vector>

#include "engine/core/local_repairer.hpp"
#include "engine/core/profile.hpp"
#include "engine/core/random.hpp"
#include "engine/core/receiver.hpp"
#include "engine/core/source.hpp"

namespace fanfare::engine::test {

inline constexpr Address kSourceAddress = Address::from_octets(10, 0, 0, 1);
inline constexpr Address kGroup = Address::from_octets(239, 1, 2, 3);
inline constexpr std::uint16_t kDataPort = 7500;
inline constexpr Tsi kTsi{Gsi{{1, 2, 3, 4, 5, 6}}, 4321};
inline Address receiver_address(std::size_t i) {
    return Address::from_octets(10, 0, 1, static_cast<std::uint8_t>(i + 1));
}

// A packet on the link, with what the IP header would say.
struct Datagram {
    std::vector<std::byte> octets;
    FrameKind kind{};
    Address from, to;
    std::uint8_t ttl = 0;
    bool router_alert = false;

    wire::Packet decoded() const;  // fails the test when it can't be decoded
    std::size_t ip_size(bool udp = false) const {
        return octets.size() + (router_alert ? 24 : 20) + (udp ? 8 : 0);
    }
};

// Frames lent to the engine; takes what was committed as datagrams.
class Frames {
  public:
    explicit Frames(std::size_t count, std::size_t capacity = 9200);
    Output output();
    std::vector<Datagram> take(Output& out, Address from);

  private:
    std::vector<std::vector<std::byte>> room_;
    std::vector<TxFrame> frames_;
};

struct LinkParameters {
    Nanos delay_ns = 20 * kMicrosecond;
    Nanos jitter_ns = 0;                          // reorders when above the packets' spacing
    double loss = 0, duplicate = 0, corrupt = 0;  // probability a packet and receiver
};

struct Subscriber {
    std::vector<IndexEntry> index;
    std::vector<std::byte> log;
    std::unique_ptr<Receiver> receiver;
    std::unique_ptr<LocalRepairer> repairer;  // of a host that is one
    bool started = false;
    bool listening = true;  // a late joiner starts with false
    std::uint64_t cursor = 0;
    bool open = false;
    std::string partial;
    std::vector<std::string> messages;
    std::vector<Event> events;
    Nanos last_delivery = 0;

    bool has_event(Event::Kind kind) const;
};

struct PairParameters {
    std::uint64_t seed = 1;
    SourceParameters source = profile(ProfileName::lan).source;
    ReceiverParameters receiver = profile(ProfileName::lan).receiver;
    LinkParameters link;
    std::size_t receivers = 1;
    std::size_t index_entries = 1u << 14;
    std::size_t log_bytes = 1u << 22;
    std::size_t frames = 64;  // lent to each call
    std::uint16_t mtu = 1500;
    bool udp = false;
    bool multicast_naks = false;  // receivers hear each other's NAKs
    Sqn first_sqn = 0;            // used with source.random_first_sqn = false
    // The first subscriber is a local repairer with a window of its own size; the others follow
    // offers of hosts outside their subnet.
    bool repairer = false;
    std::size_t repairer_index_entries = 1u << 14, repairer_log_bytes = 1u << 22;
    std::uint8_t prefix = 32;
};

class Pair {
  public:
    explicit Pair(const PairParameters& parameters);

    // Queues a message; it is cut into fragments like a worker does.
    void send(std::string message);
    void finish() { finishing_ = true; }
    // Runs until nothing is queued or in flight and no timer is due before `quiet` has passed, or
    // `end` is reached.
    void run_for(Nanos duration);
    // Until the condition holds; false when `limit` virtual time passed first.
    bool run_until(const std::function<bool()>& condition, Nanos limit = 10 * kSecond);
    bool all_queued_sent() const { return queue_.empty(); }
    void start_listening(std::size_t i) { subscribers[i].listening = true; }
    // A packet from somewhere else.
    void inject(Datagram datagram, Nanos delay = 0);

    Nanos now = 0;
    PairParameters parameters;
    std::unique_ptr<Source> source;
    std::vector<Subscriber> subscribers;
    std::vector<Event> source_events;
    // Asked for each packet and receiver (towards the source: receiver = its sender): true drops
    // it.
    std::function<bool(const Datagram&, std::size_t receiver)> drop;
    // How long a packet waits on its way besides the link's delay; kNever loses it.
    std::function<Nanos(const Datagram&, std::size_t receiver)> wait;
    // Sees each packet once as it is sent.
    std::function<void(const Datagram&)> tap;
    std::vector<std::string> sent;

  private:
    struct Flight {
        Nanos at;
        std::uint64_t order;
        std::size_t to;  // subscriber, or kToSource
        Datagram datagram;
        bool operator<(const Flight& other) const {
            return at != other.at ? at > other.at : order > other.order;
        }
    };
    static constexpr std::size_t kToSource = ~std::size_t{0};

    void step_source();
    void transmit(std::vector<Datagram> datagrams, std::size_t sender);
    void fly(const Datagram& datagram, std::size_t to, std::size_t receiver);
    void deliver(Flight flight);
    void tick(Subscriber& subscriber, std::size_t i);
    void hear_as_repairer(Subscriber& subscriber, const Flight& flight, const wire::Packet& packet);
    void collect(Subscriber& subscriber);
    Nanos next_event() const;
    void advance_to(Nanos time);

    Random random_;
    std::priority_queue<Flight> flights_;
    std::uint64_t order_ = 0;
    Frames frames_;
    std::deque<Publish> queue_;
    std::deque<std::string> storage_;  // the sender's log
    std::uint64_t position_ = 0;
    bool finishing_ = false, finished_ = false;
};

std::string message_of(std::uint64_t seed, std::size_t length);

}  // namespace fanfare::engine::test
