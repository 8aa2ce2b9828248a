// A production worker that receives from a ReplayPort: sessions, windows in regions as the daemon
// makes them, and control's half of the conversation in a few calls. Virtual time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/core/replay_port.hpp"
#include "bench/core/window_region.hpp"
#include "client/core/message_reader.hpp"
#include "dataplane/worker.hpp"

namespace fanfare::bench {

// Frames that a worker must refuse, one after each good one.
enum class Hostile : std::uint8_t {
    none,
    truncated,         // shorter than its headers say
    wrong_checksum,    // of the open session, otherwise in order
    unknown_session,   // of a group nobody listens to
    far_ahead,         // numbers beyond the window
    foreign_source,    // of the open session, from another IP source
    duplicate,         // of the open session, a number it has
    unknown_protocol,  // no PGM at all
};
const char* name_of(Hostile kind);

struct ReceiveCorePlan {
    std::size_t tsdu = 100;   // octets
    std::size_t message = 0;  // packed: octets of each message; 0: one message a packet
    std::uint32_t sessions = 1;
    std::uint32_t run = 1;  // packets of one session in a row
    std::uint64_t log_bytes = std::uint64_t{256} << 10;
    std::uint32_t index_entries = 1u << 12;
    std::size_t frames = 512;  // in the port's ring, good ones; rounded up to whole turns
    Hostile hostile = Hostile::none;
    const checksum::Kernels* kernels = nullptr;  // null: the best
};

class ReceiveCore {
  public:
    // Opens all sessions: when it returns, the stream flows in order.
    explicit ReceiveCore(const ReceiveCorePlan& plan);
    ~ReceiveCore();
    ReceiveCore(const ReceiveCore&) = delete;
    ReceiveCore& operator=(const ReceiveCore&) = delete;

    // Receives `packets` more (hostile ones counted).
    void run(std::uint64_t packets);
    // Hands frames out as run() does, with no worker behind.
    void run_port_alone(std::uint64_t packets);

    // Messages of one packet.
    std::size_t messages_per_packet() const { return messages_per_packet_; }
    std::size_t tpdu_at() const { return tpdu_at_; }
    ReplayPort& port() { return port_; }
    const checksum::Kernels& kernels() const { return kernels_; }
    // A reader at the first session's lead.
    std::unique_ptr<client::MessageReader> reader();
    // Empty when every good packet was accepted and every hostile one refused, else what was not.
    std::string faults() const;

  private:
    using Frame = std::vector<std::byte>;
    wire::Packet data_packet(std::uint32_t session, Sqn sqn) const;
    void add_frames();
    void add_hostile(std::uint32_t session, Sqn sqn, Sqn step);
    void post(const dataplane::Command& command);
    void turn();
    std::uint64_t accepted() const;

    ReceiveCorePlan plan_;
    const checksum::Kernels& kernels_;
    std::vector<std::byte> payload_;
    std::size_t messages_per_packet_ = 1, tpdu_at_ = 0;
    ReplayPort port_;
    dataplane::WorkerLink link_;
    std::vector<std::unique_ptr<WindowRegion>> windows_;
    WindowRegion* first_opened_ = nullptr;
    ipc::Region page_memory_;
    std::unique_ptr<dataplane::Worker<ReplayPort>> worker_;
    Nanos now_ = kSecond;
    std::uint64_t begun_with_ = 0, good_asked_ = 0;
};

}  // namespace fanfare::bench
