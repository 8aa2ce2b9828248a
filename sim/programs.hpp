// The programs of a simulated host: they use client/core as any program does, and nothing else of
// the daemon.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/core/message_reader.hpp"
#include "client/core/message_writer.hpp"
#include "engine/core/profile.hpp"
#include "engine/core/window_layout.hpp"
#include "engine/types.hpp"
#include "ipc/layout.hpp"
#include "sim/content.hpp"
#include "sim/judge.hpp"
#include "sim/network.hpp"
#include "sim/region.hpp"

namespace fanfare::sim {

struct SenderPlan {
    Address group;
    std::uint16_t port = 7500;
    std::uint16_t udp_port = 0;  // 0: raw IP 113
    ipc::SendFormat format = ipc::SendFormat::message;
    ContentShape content;
    engine::SourceParameters parameters = engine::profile(engine::ProfileName::lan).source;
    std::optional<Sqn> first_sqn;  // drawn from the host's seed if not given
    std::uint64_t log_bytes = 1 << 18;
    Nanos start_ns = 0;
    Nanos gap_ns = 0;  // between messages; 0: as fast as the window takes them
    Ending ending = Ending::finish;
    std::uint32_t give =
        ~std::uint32_t{0};  // messages that are written before the ending, at most content.messages
};

// What another thread may ask of a program while it acts is atomic: in the race test a program has
// a thread of its own; wake() comes from the worker's.

// Writes its messages in time and asks for its ending; the host does what it asks.
class Sender {
  public:
    Sender(const SenderPlan& plan, std::uint64_t session_id, std::uint16_t mtu);

    // Writes what is due; without room it sleeps by the rule of ipc/wakeup.hpp. Returns whether it
    // did anything.
    bool act(Nanos now);
    // kNever while it sleeps: then only wake() helps, which the host calls when the worker says
    // "writable".
    Nanos next_action(Nanos now) const;
    void wake() { asleep_ = false; }
    bool asleep() const { return asleep_; }

    const SenderPlan& plan() const { return plan_; }
    std::uint64_t id() const { return id_; }
    bool wants_to_end() const { return written_ >= to_write(); }
    std::uint32_t written() const { return written_; }
    std::uint32_t to_write() const { return std::min(plan_.give, plan_.content.messages); }
    const ipc::SendParts& parts() const { return parts_; }
    ipc::SocketPage* page() const { return page_; }
    const client::MessageWriter& writer() const { return *writer_; }
    bool was_reset() const { return was_reset_; }
    ResetCause cause() const { return writer_->cause(); }

    bool opened = false, ending_asked = false, ended = false, released = false;  // the host's notes

  private:
    SenderPlan plan_;
    std::uint64_t id_;
    std::unique_ptr<Region> region_, page_memory_;
    ipc::SendParts parts_;
    ipc::SocketPage* page_;
    std::optional<client::MessageWriter> writer_;
    std::atomic<std::uint32_t> written_{
        0};                   // release; partner: the host, which then asks for the ending
    std::size_t offset_ = 0;  // stream: octets of the message at hand already given
    Nanos next_ = 0;
    std::atomic<bool> asleep_{false}, was_reset_{false};
    std::vector<std::byte> message_;
};

struct ReaderPlan {
    Nanos pause_ns = 0;          // between two looks; 0: at every turn
    Nanos asleep_from = kNever;  // reads nothing from here ...
    Nanos asleep_until = 0;      // ... to here
};

// Reads one session to its end and judges what it gets.
class Reader {
  public:
    enum class State : std::uint8_t { reading, finished, reset };

    Reader(const ReaderPlan& plan, const ipc::ReceiveView& view, std::uint64_t socket_id,
           client::ReadMode mode, const ContentShape& content, std::uint64_t start_ordinal);

    // Reads what is there; with nothing there it sleeps by the rule of ipc/wakeup.hpp.
    bool act(Nanos now);
    Nanos next_action(Nanos now) const;
    void wake() { asleep_ = false; }
    bool asleep() const { return asleep_; }

    State state() const { return state_; }
    ResetCause cause() const { return cause_; }
    const ContentCheck& check() const { return *check_; }
    // Data existed before what this reader got first; known once there is data.
    bool joined_late() const { return joined_late_; }
    std::uint64_t socket_id() const { return socket_id_; }
    ipc::SocketPage* page() const { return page_; }
    // Empty while everything was right.
    const std::string& wrong() const { return wrong_; }

  private:
    bool take_one();

    ReaderPlan plan_;
    std::uint64_t socket_id_;
    std::unique_ptr<Region> page_memory_;
    ipc::SocketPage* page_;
    client::MessageReader reader_;
    ContentShape content_;
    std::optional<ContentCheck> check_;
    bool joined_late_ = false, placed_ = false;
    std::atomic<State> state_{
        State::reading};  // release behind all it read; partner: the host, which lets go then
    std::atomic<bool> asleep_{false};
    ResetCause cause_ = ResetCause::none;
    Nanos next_ = 0;
    std::vector<std::byte> room_, message_;
    std::string wrong_;
};

}  // namespace fanfare::sim
