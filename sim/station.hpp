// A light host: one engine object at a port, with headers around its packets and a clock of its
// own. It is what a worker is to an engine, without rings, regions and other sessions, so that a
// thousand of them fit into one run; the protocol is the same compiled class (engine/core).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dataplane/net/datagram.hpp"
#include "dataplane/net/framing.hpp"
#include "engine/core/output.hpp"
#include "engine/types.hpp"
#include "engine/wire/packet.hpp"
#include "sim/clock.hpp"
#include "sim/network.hpp"

namespace fanfare::sim {

// What a host is in the tree.
enum class Role : std::uint8_t { source, receiver, repairer };

struct StationPlan {
    std::uint16_t mtu = 1500;
    std::uint16_t udp_port = 0;  // 0: raw IP 113
    Clock clock;
    std::uint64_t seed = 1;
};

class Station {
  public:
    Station(Network& network, const StationPlan& plan, Role role);
    virtual ~Station() = default;
    Station(const Station&) = delete;
    Station& operator=(const Station&) = delete;

    // Takes what has arrived and runs what is due at this true time.
    void turn(Nanos now);
    // True time at which turn() wants to be called next without a frame; kNever if not.
    virtual Nanos next_deadline() const = 0;

    Role role() const { return role_; }
    std::size_t number() const { return port_.number(); }
    Address address() const { return link_.address; }
    static Address address_of(std::size_t port);

    // Octets of frames that this host put on its line and that reached it, without preamble, check
    // sequence and gap.
    std::uint64_t octets_sent() const { return octets_sent_; }
    std::uint64_t octets_received() const { return octets_received_; }
    std::uint64_t frames_sent() const { return frames_sent_; }

  protected:
    struct Heard {
        wire::Packet packet;
        std::span<const std::byte> tpdu;
        Address from;
        Address to;
    };
    // A PGM packet that reached this host; `now` is true time.
    virtual void on_packet(const Heard& heard, Nanos now) = 0;
    // Behind the frames of a turn: timers, new data.
    virtual void run(Nanos now) = 0;
    // A packet of ours leaves.
    virtual void on_sent(const engine::TxFrame& frame, Nanos now) {
        (void)frame;
        (void)now;
    }

    // Frames for one call of the engine; send() puts what it used on the line.
    engine::Output output();
    void send(engine::Output& out, Nanos now);
    void join(Address group);
    const Clock& clock() const { return plan_.clock; }
    const StationPlan& plan() const { return plan_; }

  private:
    StationPlan plan_;
    Role role_;
    Port& port_;
    dataplane::net::LinkIdentity link_;
    std::vector<engine::TxFrame> frames_;
    std::uint64_t octets_sent_ = 0, octets_received_ = 0, frames_sent_ = 0;
};

}  // namespace fanfare::sim
